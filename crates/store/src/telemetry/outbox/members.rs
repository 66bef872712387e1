//! Entries as members of a selection: everything that a list shows, on all its pages, by the code of the list itself; the ones that were
//! named; and what waits behind them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use sqlx::{QueryBuilder, Sqlite, SqliteExecutor, Transaction};
use tidewatch_domain::control::ContactRhythm;
use tidewatch_domain::filter::Filter;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::list::{Place, Wanted, order_push};
use super::payloads::Found;
use super::terms::Words;
use crate::{Error, Result};

/// Matches that are counted as new; more are "at least".
const NEWER_MAX: i64 = 10_000;

/// All rows in one value: the driver hands rows over one by one, with an allocation for each column.
const PACKED: &str = "select json_group_array(json_array(m.device, m.operation_id, m.state, m.sort_age, m.collection, m.record_id, \
    m.signature, m.depends_on)) from (select o.device, o.operation_id, o.state, o.sort_age, o.collection, o.record_id, o.signature, \
    nullif(o.depends_on, '[]') as depends_on";

/// A row of [`PACKED`].
#[derive(Debug, Deserialize)]
struct MemberRead<'r> {
    device: i64,
    #[serde(borrow)]
    operation_id: Cow<'r, str>,
    state: usize,
    sort_age: i64,
    #[serde(borrow)]
    collection: Cow<'r, str>,
    #[serde(borrow)]
    record_id: Cow<'r, str>,
    signature: Option<String>,
    depends_on: Option<String>,
}

/// The device of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDevice {
    /// Its number in the mirror.
    pub id: i64,
    /// Its id.
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
    /// Whether it is past its expected contact.
    pub asleep: bool,
}

/// An entry of a selection. A selection may hold two hundred thousand, so what many of them share is there once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Device.
    pub device: Arc<MemberDevice>,
    /// Operation.
    pub operation_id: Box<str>,
    /// State.
    pub state: EntryState,
    /// Made at, or first seen.
    pub age: Millis,
    /// Collection.
    pub collection: Arc<str>,
    /// Record.
    pub record_id: Box<str>,
    /// Signature of its failure.
    pub signature: Option<Arc<str>>,
}

/// What members that were read together share: devices, names of collections, signatures.
#[derive(Debug, Default)]
pub struct MemberNames {
    devices: HashMap<i64, Arc<MemberDevice>>,
    texts: HashSet<Arc<str>>,
}

impl MemberNames {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// The member of a row; none when its device is gone.
    fn member(&mut self, row: &MemberRead<'_>) -> Option<Member> {
        Some(Member {
            device: Arc::clone(self.devices.get(&row.device)?),
            operation_id: row.operation_id.as_ref().into(),
            state: EntryState::ALL[row.state],
            age: Millis(row.sort_age),
            collection: self.text(&row.collection),
            record_id: row.record_id.as_ref().into(),
            signature: row.signature.as_deref().map(|signature| self.text(signature)),
        })
    }
}

/// An entry that waits, or was refused because of what it waited for, with the operations that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The entry.
    pub member: Member,
    /// Operations that it names.
    pub depends_on: Vec<String>,
}

impl Behind {
    /// Where it stands among those of all devices: oldest first on each.
    fn place(&self) -> (i64, Millis, &str) {
        (self.member.device.id, self.member.age, &self.member.operation_id)
    }
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

/// Everything that a list shows, read in stretches of one snapshot: an entry that moves in the list meanwhile is neither missed nor read twice.
#[derive(Debug)]
pub struct Selecting<'f> {
    snapshot: Transaction<'static, Sqlite>,
    signature: Option<&'f str>,
    filter: &'f Filter,
    found: Found,
    device: Option<i64>,
    now: Millis,
    /// Where the next stretch begins; `None` after the last.
    from: Option<Option<Place>>,
}

impl Telemetry {
    /// Begins to read what a list shows.
    ///
    /// # Errors
    /// Not all seen: it cannot be said of every payload whether it matches. As the database.
    pub async fn outbox_select<'f>(&self, signature: Option<&'f str>, filter: &'f Filter, now: Millis) -> Result<Selecting<'f>> {
        let found = self.payloads_find(filter).await?;
        if let Some(looked) = found.looked().filter(|looked| !looked.all) {
            return Err(Error::NotAllSeen { looked: looked.payloads });
        }
        let device = self.device_pinned(filter).await?;
        let snapshot = self.database.readers.begin().await?;
        Ok(Selecting { snapshot, signature, filter, found, device, now, from: Some(None) })
    }

    /// The next stretch, in the order of the list; `None` after the last.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_members(
        &self,
        selecting: &mut Selecting<'_>,
        rows: u32,
        names: &mut MemberNames,
    ) -> Result<Option<Vec<Member>>> {
        let Some(from) = selecting.from.take() else { return Ok(None) };
        let Selecting { snapshot, signature, filter, found, device, now, .. } = selecting;
        let mut query = QueryBuilder::new(PACKED);
        let wanted = Wanted { device: *device, signature: *signature, filter, found, words: Words::All, now: now.0 };
        wanted.entries_push(&mut query, from.as_ref().map(|place| (place, false)));
        order_push(&mut query, false);
        query.push(" limit ").push_bind(i64::from(rows)).push(") m");
        let packed: String = query.build_query_scalar().fetch_one(&mut **snapshot).await?;
        let read = members_read(&packed)?;
        let place =
            |row: &MemberRead<'_>| Place(row.state as i64, row.sort_age, row.device, row.operation_id.clone().into_owned());
        selecting.from = read.last().filter(|_| read.len() == rows as usize).map(|last| Some(place(last)));
        Self::devices_name(&mut **snapshot, &read, names).await?;
        Ok(Some(read.iter().filter_map(|row| names.member(row)).collect()))
    }

    async fn packed(&self, mut query: QueryBuilder<Sqlite>) -> Result<String> {
        Ok(query.build_query_scalar().fetch_one(&self.database.readers).await?)
    }

    /// Reads the devices of rows that are not known yet.
    async fn devices_name(readers: impl SqliteExecutor<'_>, rows: &[MemberRead<'_>], names: &mut MemberNames) -> Result<()> {
        const TEXT: &str =
            "select d.id, d.client_id, d.name, d.contact from json_each(?1) j cross join devices d on d.id = j.value";
        let unknown = rows.iter().map(|row| row.device).filter(|device| !names.devices.contains_key(device));
        let unknown: HashSet<i64> = unknown.collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let wanted = serde_json::json!(unknown).to_string();
        let found: Vec<(i64, String, String, i64)> = sqlx::query_as(TEXT).bind(wanted).fetch_all(readers).await?;
        for (id, client_id, name, contact) in found {
            let client_id = ClientId::parse(client_id).map_err(|e| Error::Corrupt(format!("a device of the mirror: {e}")))?;
            // 0 is lost, 1 overdue.
            names.devices.insert(id, Arc::new(MemberDevice { id, client_id, name, asleep: contact <= 1 }));
        }
        Ok(())
    }

    /// How many entries of a list are new in it since an instant; ten thousand stands for more.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_newer(&self, signature: Option<&str>, filter: &Filter, since: Millis, now: Millis) -> Result<u64> {
        let mut query = QueryBuilder::new("select count(*) from (select 1");
        let found = self.payloads_find(filter).await?;
        let device = self.device_pinned(filter).await?;
        Wanted { device, signature, filter, found: &found, words: Words::All, now: now.0 }.entries_push(&mut query, None);
        query.push(" and iif(o.state <= 1, o.failed_ms, o.first_seen_ms) > ").push_bind(since.0);
        query.push(" limit ").push_bind(NEWER_MAX).push(")");
        let count: i64 = query.build_query_scalar().fetch_one(&self.database.readers).await?;
        Ok(count.cast_unsigned())
    }

    /// Those of these entries that the mirror has, a few thousand at most.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_members_of(&self, entries: &[(ClientId, String)], names: &mut MemberNames) -> Result<Vec<Member>> {
        let mut query = QueryBuilder::new(PACKED);
        query.push(" from json_each(").push_bind(pairs(entries)).push(
            r") j cross join devices d on d.client_id = j.value ->> 0
            cross join outbox o on o.device = d.id and o.operation_id = j.value ->> 1) m",
        );
        let packed = self.packed(query).await?;
        let found = members_read(&packed)?;
        Self::devices_name(&self.database.readers, &found, names).await?;
        Ok(found.iter().filter_map(|row| names.member(row)).collect())
    }

    /// Everything that waits on these devices, and what was refused because of an operation that it depends on; oldest first on each.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_waiting(&self, devices: &[i64], names: &mut MemberNames) -> Result<Vec<Behind>> {
        const WAITING: &str = "indexed by outbox_by_state on o.device = j.value and o.state = 3";
        const REFUSED: &str = "indexed by outbox_refused_behind
            on o.device = j.value and o.state = 0 and o.error_code = 'dependency_failed'";
        let mut found = self.behind_read(devices, WAITING, names).await?;
        let refused = self.behind_read(devices, REFUSED, names).await?;
        if !refused.is_empty() {
            found.extend(refused);
            found.sort_by(|one, next| one.place().cmp(&next.place()));
        }
        Ok(found)
    }

    async fn behind_read(&self, devices: &[i64], which: &'static str, names: &mut MemberNames) -> Result<Vec<Behind>> {
        let mut query = QueryBuilder::new(PACKED);
        query.push(" from json_each(").push_bind(serde_json::json!(devices).to_string()).push(") j cross join outbox o ");
        query.push(which).push(" order by o.device, o.sort_age, o.operation_id) m");
        let packed = self.packed(query).await?;
        let found = members_read(&packed)?;
        Self::devices_name(&self.database.readers, &found, names).await?;
        let behind = |row: &MemberRead<'_>| {
            let named = row.depends_on.as_deref();
            // The column holds an array of texts, by its constraint and its only writer.
            let depends_on = named.and_then(|named| serde_json::from_str(named).ok()).unwrap_or_default();
            Some(Behind { member: names.member(row)?, depends_on })
        };
        Ok(found.iter().filter_map(behind).collect())
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

fn members_read(packed: &str) -> Result<Vec<MemberRead<'_>>> {
    serde_json::from_str(packed).map_err(|error| Error::Corrupt(format!("entries of the mirror: {error}")))
}

fn pairs(entries: &[(ClientId, String)]) -> String {
    let pairs: Vec<serde_json::Value> =
        entries.iter().map(|(client, operation)| serde_json::json!([client.as_str(), operation])).collect();
    serde_json::Value::from(pairs).to_string()
}
