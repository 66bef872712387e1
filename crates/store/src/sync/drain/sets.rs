//! Frozen sets: written in stretches, frozen with their hash and their dry run, never changed afterwards.

use sqlx::FromRow;
use tidewatch_domain::drain::{ArchiveState, SETS_OPEN_MAX};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::DrainWork;
use super::statements::{
    BEHIND_DROP, FAILED_AFTER, MEMBER_ADD, MEMBERS_AFTER, MEMBERS_LOOK, SET_ADD, SET_DROP, SET_EMPTY, SET_END, SET_FREEZE,
    SET_VIEW, SETS_ENDED, SETS_OVER,
};
use crate::sync::Sync;
use crate::sync::bulk::write_all;
use crate::sync::queue::Weight;
use crate::sync::writer::{Job, Writer};
use crate::{Error, Result};

/// Members that one transaction writes, or drops.
pub(crate) const MEMBERS_AT_ONCE: usize = 5_000;

/// A set before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSet {
    /// What would be done.
    pub action: &'static str,
    /// What would become of those behind them.
    pub dependants: &'static str,
    /// Operations of a patch, JSON text.
    pub patch: Option<String>,
    /// What was selected, JSON text.
    pub selection: String,
    /// Key of the form that submits it.
    pub idempotency_key: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created: Millis,
    /// Gone after.
    pub expires: Millis,
}

/// What a set is frozen with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) hash: String,
    pub(crate) entries: i64,
    pub(crate) devices: i64,
    pub(crate) summary: String,
}

/// A member of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetMember {
    /// Device.
    pub client: ClientKey,
    /// Operation.
    pub operation_id: String,
    /// Its row of the archive, when its payload is here.
    pub letter: Option<i64>,
    /// It waits behind a selected one.
    pub behind: bool,
    /// Its group, when it is decided with others of it: the first of them in the archive.
    pub together: Option<i64>,
    /// It was not selected, and comes along because it belongs to the group of one that was.
    pub along: bool,
}

/// What the archive and the open jobs know of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberLook {
    /// Its row of the archive and where it stands.
    pub letter: Option<(i64, ArchiveState)>,
    /// Its group: the first of it in the archive.
    pub together: Option<i64>,
    /// The open job that has it.
    pub job: Option<i64>,
}

/// An item of a job that failed, with the part that it had in the job.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct FailedItem {
    /// Place in the set.
    pub n: i64,
    /// Device, by its short name.
    pub client: i64,
    /// Operation.
    pub operation_id: String,
    /// It waits behind a selected one.
    pub behind: bool,
    /// It was not selected, and belongs to the group of one that was.
    pub along: bool,
}

/// A frozen set.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SetRow {
    /// Number.
    pub id: i64,
    /// What would be done.
    pub action: String,
    /// What would become of those behind them.
    pub dependants: String,
    /// Operations of a patch, JSON text.
    pub patch: Option<String>,
    /// What was selected, JSON text.
    pub selection: String,
    /// Hash over its members, hex.
    pub hash: String,
    /// Members.
    pub entries: i64,
    /// Devices.
    pub devices: i64,
    /// The dry run, JSON text.
    pub summary: String,
    /// Key of the form that submits it.
    pub idempotency_key: String,
    /// Who made it.
    pub created_by: String,
    /// Frozen at.
    pub created_ms: i64,
    /// Gone after.
    pub expires_ms: i64,
    /// The job that it was submitted as.
    pub job: Option<i64>,
}

impl Sync {
    /// The store's short name of a device.
    #[must_use]
    pub fn key_of(&self, client_id: &ClientId) -> Option<ClientKey> {
        self.shared.live().clients.get(client_id).map(|client| client.key)
    }

    /// The device of a short name.
    #[must_use]
    pub fn client_id_of(&self, key: ClientKey) -> Option<ClientId> {
        self.shared.live().client_ids.get(&key).cloned()
    }

    /// What the archive and the open jobs know of entries, in the order asked.
    ///
    /// # Errors
    /// As the database.
    pub async fn members_look(&self, entries: &[(ClientKey, &str)]) -> Result<Vec<MemberLook>> {
        let wanted: Vec<serde_json::Value> =
            entries.iter().map(|(client, operation)| serde_json::json!([client.0, operation])).collect();
        type Row = (i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
        let rows: Vec<Row> =
            sqlx::query_as(MEMBERS_LOOK).bind(serde_json::Value::from(wanted).to_string()).fetch_all(&self.readers).await?;
        let mut looks = vec![MemberLook::default(); entries.len()];
        for (at, letter, state, together, job) in rows {
            let letter = letter.zip(state.and_then(ArchiveState::of_number));
            looks[usize::try_from(at).expect("an index of the array")] = MemberLook { letter, together, job };
        }
        Ok(looks)
    }

    /// Writes a set and freezes it: begun, filled in stretches, frozen with its dry run; then the oldest that the same person has open beyond
    /// the bound is ended. `behind` is what is let go with it. Until it is frozen it is invisible;
    /// what a killed process leaves behind is dropped when its time is over.
    ///
    /// # Errors
    /// Busy, or a commit failed.
    pub async fn set_put(
        &self,
        set: NewSet,
        mut members: impl Iterator<Item = SetMember> + Send,
        behind: Vec<(ClientKey, String)>,
        hash: String,
        devices: u64,
        summary: String,
    ) -> Result<i64> {
        let id =
            self.ask(Weight::COMMAND, |reply| Job::Drain(Box::new(DrainWork::SetBegin { set: Box::new(set), reply }))).await?;
        let mut entries = 0;
        loop {
            let members: Vec<SetMember> = members.by_ref().take(MEMBERS_AT_ONCE).collect();
            if members.is_empty() {
                break;
            }
            let first = entries + 1;
            entries += members.len() as i64;
            let weight = Weight { intents: 1_000, ..Weight::COMMAND };
            self.ask(weight, |reply| Job::Drain(Box::new(DrainWork::MembersAdd { set: id, first, members, reply }))).await?;
        }
        if !behind.is_empty() {
            let weight = Weight { intents: 1_000, ..Weight::COMMAND };
            self.ask(weight, |reply| Job::Drain(Box::new(DrainWork::BehindAdd { set: id, behind, reply }))).await?;
        }
        let frozen = Frozen { hash, entries, devices: devices.cast_signed(), summary };
        let frozen = Box::new(frozen);
        self.ask(Weight::COMMAND, |reply| Job::Drain(Box::new(DrainWork::SetFreeze { set: id, frozen, reply }))).await?;
        Ok(id)
    }

    /// A frozen set.
    ///
    /// # Errors
    /// As the database.
    pub async fn set_view(&self, id: i64) -> Result<Option<SetRow>> {
        Ok(sqlx::query_as(SET_VIEW).bind(id).fetch_optional(&self.readers).await?)
    }

    /// Members of a set after a place: place, device, operation.
    ///
    /// # Errors
    /// As the database.
    pub async fn set_members(&self, id: i64, after: i64, rows: u32) -> Result<Vec<(i64, ClientKey, String)>> {
        let rows: Vec<(i64, i64, String)> =
            sqlx::query_as(MEMBERS_AFTER).bind(id).bind(after).bind(rows).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(n, client, operation)| (n, ClientKey(client), operation)).collect())
    }

    /// Items of a job that failed, after a place. With a code only those, and what failed with them of the same groups.
    ///
    /// # Errors
    /// As the database.
    pub async fn failed_members(&self, job: i64, code: Option<&str>, after: i64, rows: u32) -> Result<Vec<FailedItem>> {
        Ok(sqlx::query_as(FAILED_AFTER).bind(job).bind(after).bind(code).bind(rows).fetch_all(&self.readers).await?)
    }

    /// Drops some of the sets that nobody has submitted in time; answers whether there is more to drop.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn sets_drop(&self, now: Millis) -> Result<bool> {
        self.ask(Weight::COMMAND, |reply| Job::Drain(Box::new(DrainWork::SetsDrop { now, reply }))).await
    }
}

impl Writer {
    pub(super) async fn set_begin(&mut self, set: &NewSet) -> Result<i64> {
        let (id,): (i64,) = sqlx::query_as(SET_ADD)
            .bind(set.action)
            .bind(set.dependants)
            .bind(set.patch.clone())
            .bind(set.selection.clone())
            .bind(set.idempotency_key.clone())
            .bind(set.created_by.clone())
            .bind(set.created.0)
            .bind(set.expires.0)
            .fetch_one(&mut self.connection)
            .await?;
        Ok(id)
    }

    pub(super) async fn members_add(&mut self, set: i64, first: i64, members: &[SetMember]) -> Result<()> {
        let rows: Vec<(i64, &SetMember)> = (first..).zip(members).collect();
        write_all(&mut self.connection, &MEMBER_ADD, &rows, |query, (n, member)| {
            query
                .bind(set)
                .bind(*n)
                .bind(member.client.0)
                .bind(member.operation_id.clone())
                .bind(member.letter)
                .bind(i64::from(member.behind))
                .bind(member.together)
                .bind(i64::from(member.along))
        })
        .await
    }

    pub(super) async fn set_freeze(&mut self, set: i64, frozen: &Frozen) -> Result<Result<()>> {
        let done = sqlx::query(SET_FREEZE)
            .bind(set)
            .bind(frozen.hash.clone())
            .bind(frozen.entries)
            .bind(frozen.devices)
            .bind(frozen.summary.clone())
            .execute(&mut self.connection)
            .await?;
        sqlx::query(SETS_OVER).bind(set).bind(SETS_OPEN_MAX).execute(&mut self.connection).await?;
        Ok(if done.rows_affected() == 1 { Ok(()) } else { Err(Error::NotFound("set")) })
    }

    pub(super) async fn sets_drop(&mut self, now: Millis) -> Result<bool> {
        let ended: Option<(i64,)> = sqlx::query_as(SETS_ENDED).bind(now.0).fetch_optional(&mut self.connection).await?;
        let Some((set,)) = ended else { return Ok(false) };
        // It loses its members in several transactions: it is no set any more before the first of them.
        sqlx::query(SET_END).bind(set).execute(&mut self.connection).await?;
        let most = MEMBERS_AT_ONCE as i64;
        let dropped = sqlx::query(SET_EMPTY).bind(set).bind(most).execute(&mut self.connection).await?;
        if dropped.rows_affected() < MEMBERS_AT_ONCE as u64 {
            sqlx::query(BEHIND_DROP).bind(set).execute(&mut self.connection).await?;
            sqlx::query(SET_DROP).bind(set).execute(&mut self.connection).await?;
        }
        Ok(true)
    }
}
