//! Entries as members of a selection: everything that a list shows, on all its pages, by the code of the list itself; the ones that were
//! named; and what waits behind them.

use std::collections::HashMap;

use sqlx::{FromRow, QueryBuilder};
use tidewatch_domain::control::ContactRhythm;
use tidewatch_domain::filter::Filter;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::list::{Place, Wanted, order_push};
use crate::{Error, Result};

/// Matches that are counted as new; more are "at least".
const NEWER_MAX: i64 = 10_000;

const COLUMNS: &str =
    "o.device, o.operation_id, o.state, o.sort_age, o.collection, o.record_id, o.signature, d.client_id, d.name, d.contact";

#[derive(Debug, FromRow)]
struct MemberRead {
    device: i64,
    operation_id: String,
    state: i64,
    sort_age: i64,
    collection: String,
    record_id: String,
    signature: Option<String>,
    client_id: String,
    name: String,
    contact: i64,
}

/// An entry of a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Device.
    pub client_id: ClientId,
    /// Its number in the mirror.
    pub device: i64,
    /// Its name.
    pub device_name: String,
    /// Whether it is past its expected contact.
    pub asleep: bool,
    /// Operation.
    pub operation_id: String,
    /// State.
    pub state: EntryState,
    /// Made at, or first seen.
    pub age: Millis,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Signature of its failure.
    pub signature: Option<String>,
}

impl MemberRead {
    fn read(self) -> Result<Member> {
        let client_id = ClientId::parse(self.client_id).map_err(|e| Error::Corrupt(format!("a device of the mirror: {e}")))?;
        Ok(Member {
            client_id,
            device: self.device,
            device_name: self.name,
            // 0 is lost, 1 overdue.
            asleep: self.contact <= 1,
            operation_id: self.operation_id,
            state: EntryState::ALL[usize::try_from(self.state).expect("a checked column")],
            age: Millis(self.sort_age),
            collection: self.collection,
            record_id: self.record_id,
            signature: self.signature,
        })
    }
}

/// An entry that waits, with what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The entry.
    pub member: Member,
    /// Operations that it names.
    pub depends_on: Vec<String>,
}

/// What is seen of a device in passing.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceLook {
    /// Its name.
    pub name: String,
    /// Whether it is past its expected contact.
    pub asleep: bool,
    /// Battery, percent.
    pub battery: Option<f64>,
    /// How often it is in touch.
    pub rhythm: ContactRhythm,
}

/// Where the next stretch of a selection begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersFrom(Option<Place>);

impl Telemetry {
    /// The next stretch of what a list shows, in its order; the place to go on from, unless that was the last.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_members(
        &self,
        signature: Option<&str>,
        filter: &Filter,
        from: &MembersFrom,
        rows: u32,
        now: Millis,
    ) -> Result<(Vec<Member>, Option<MembersFrom>)> {
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        let found = self.payloads_find(filter).await?;
        Wanted { device: None, signature, filter, found: &found, now: now.0 }
            .push(&mut query, from.0.as_ref().map(|place| (place, false)));
        order_push(&mut query, false);
        query.push(" limit ").push_bind(i64::from(rows));
        let found: Vec<MemberRead> = query.build_query_as().fetch_all(&self.database.readers).await?;
        let full = found.len() == rows as usize;
        let end = found.last().filter(|_| full);
        let next = end.map(|last| MembersFrom(Some(Place(last.state, last.sort_age, last.device, last.operation_id.clone()))));
        Ok((found.into_iter().map(MemberRead::read).collect::<Result<_>>()?, next))
    }

    /// How many entries of a list are new in it since an instant; ten thousand stands for more.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_newer(&self, signature: Option<&str>, filter: &Filter, since: Millis, now: Millis) -> Result<u64> {
        let mut query = QueryBuilder::new("select count(*) from (select 1");
        let found = self.payloads_find(filter).await?;
        Wanted { device: None, signature, filter, found: &found, now: now.0 }.push(&mut query, None);
        query.push(" and coalesce(o.refused_ms, o.first_seen_ms) > ").push_bind(since.0);
        query.push(" limit ").push_bind(NEWER_MAX).push(")");
        let count: i64 = query.build_query_scalar().fetch_one(&self.database.readers).await?;
        Ok(count.cast_unsigned())
    }

    /// Those of these entries that the mirror has, a few thousand at most.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_members_of(&self, entries: &[(ClientId, String)]) -> Result<Vec<Member>> {
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        query.push(" from json_each(").push_bind(pairs(entries)).push(
            r") j cross join devices d on d.client_id = j.value ->> 0
            cross join outbox o on o.device = d.id and o.operation_id = j.value ->> 1",
        );
        let found: Vec<MemberRead> = query.build_query_as().fetch_all(&self.database.readers).await?;
        found.into_iter().map(MemberRead::read).collect()
    }

    /// Everything that waits on these devices, oldest first on each.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_waiting(&self, devices: &[i64]) -> Result<Vec<Behind>> {
        const NAMED: &str = r"
            select o.device, o.operation_id, o.depends_on from json_each(?1) as j
            cross join outbox o indexed by outbox_by_state on o.device = j.value and o.state = 3 where o.depends_on <> '[]'";
        let wanted = serde_json::json!(devices).to_string();
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        query.push(" from json_each(").push_bind(wanted.clone()).push(
            r") j cross join devices d on d.id = j.value
            cross join outbox o indexed by outbox_by_state on o.device = d.id and o.state = 3 order by o.device, o.sort_age, o.operation_id",
        );
        let found: Vec<MemberRead> = query.build_query_as().fetch_all(&self.database.readers).await?;
        let named: Vec<(i64, String, String)> = sqlx::query_as(NAMED).bind(wanted).fetch_all(&self.database.readers).await?;
        let mut named: HashMap<(i64, String), String> =
            named.into_iter().map(|(device, operation, names)| ((device, operation), names)).collect();
        let behind = |row: MemberRead| {
            let names = named.remove(&(row.device, row.operation_id.clone()));
            // The column holds an array of texts, by its constraint and its only writer.
            let depends_on = names.and_then(|names| serde_json::from_str(&names).ok()).unwrap_or_default();
            Ok(Behind { member: row.read()?, depends_on })
        };
        found.into_iter().map(behind).collect()
    }

    /// What a list of a job's devices shows of each.
    ///
    /// # Errors
    /// As the database.
    pub async fn devices_look(&self, devices: &[ClientId]) -> Result<HashMap<ClientId, DeviceLook>> {
        const TEXT: &str = r"
            select d.client_id, d.name, d.contact, d.battery, d.interval_ms, d.last_contact_ms from json_each(?1) j cross join devices d on d.client_id = j.value";
        let wanted: Vec<&str> = devices.iter().map(ClientId::as_str).collect();
        type Row = (String, String, i64, Option<f64>, Option<i64>, Option<i64>);
        let rows: Vec<Row> =
            sqlx::query_as(TEXT).bind(serde_json::json!(wanted).to_string()).fetch_all(&self.database.readers).await?;
        let read = |(client, name, contact, battery, interval_ms, last): Row| {
            let client = ClientId::parse(client).map_err(|e| Error::Corrupt(format!("a device of the mirror: {e}")))?;
            let rhythm = ContactRhythm { interval_ms, last_contact: last.map(Millis) };
            Ok((client, DeviceLook { name, asleep: contact <= 1, battery, rhythm }))
        };
        rows.into_iter().map(read).collect()
    }
}

fn pairs(entries: &[(ClientId, String)]) -> String {
    let pairs: Vec<serde_json::Value> =
        entries.iter().map(|(client, operation)| serde_json::json!([client.as_str(), operation])).collect();
    serde_json::Value::from(pairs).to_string()
}
