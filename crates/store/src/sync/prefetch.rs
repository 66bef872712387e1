//! Loads every row that a group of batches touches, with three statements, into the engine's working set. Policies that look
//! further have a statement more each, and only groups that meet them run it.

mod rare;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;
use tidewatch_domain::engine::{
    Anchor, Catalogue, ClientKey, CollectionKey, Memory, Record, RecordKey, ScopeKey, Standoff, WorkingSet, answer_restore,
};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{IdempotencyKey, OperationId, RecordId, Seq, Version};
use tidewatch_domain::json::names_read;
use tidewatch_domain::policy::PolicyKind;
use tidewatch_domain::sync::{Base, Intent, IntentResult, IntentStatus, Mutation, MutationOp};

use super::live::Live;
use super::packed::{self, Row};
use super::statements::{ALIAS_FIND, ANCHOR_FIND, HISTORY_FIND, HISTORY_LIVE, MEMORY_FIND, RECORD_FIND, STANDOFF_FIND};
use crate::{Error, Result};

/// Intents with the short name of the device that made them.
pub(crate) type Sent<'a> = (ClientKey, &'a [Intent]);

/// Number of a status in `dedupe`.
pub(crate) const fn status_number(status: IntentStatus) -> i64 {
    match status {
        IntentStatus::Applied => 1,
        IntentStatus::Merged => 2,
        IntentStatus::Superseded => 3,
        IntentStatus::Conflict => 4,
        IntentStatus::Rejected | IntentStatus::Deferred | IntentStatus::Unknown => 5,
    }
}

fn status_read(number: i64) -> Result<IntentStatus> {
    match number {
        1 => Ok(IntentStatus::Applied),
        2 => Ok(IntentStatus::Merged),
        3 => Ok(IntentStatus::Superseded),
        4 => Ok(IntentStatus::Conflict),
        5 => Ok(IntentStatus::Rejected),
        _ => Err(Error::Corrupt(format!("status {number} in dedupe"))),
    }
}

/// The working set of a group.
pub(crate) async fn working_set(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    live: &std::sync::RwLock<Live>,
    group: &[Sent<'_>],
) -> Result<WorkingSet> {
    let mut set = WorkingSet::default();
    memories(connection, group, &mut set).await?;
    same_things(connection, catalogue, group, &mut set).await?;
    records(connection, catalogue, live, group, &mut set).await?;
    history(connection, catalogue, group, &mut set).await?;
    standoffs(connection, catalogue, group, &mut set).await?;
    if mutations(group).any(|(_, mutation)| rare::is_rare(mutation)) {
        rare::outcomes(connection, group, &mut set).await?;
        rare::bases(connection, catalogue, group, &mut set).await?;
    }
    Ok(set)
}

fn mutations<'a>(group: &'a [Sent<'_>]) -> impl Iterator<Item = (ClientKey, &'a Mutation)> {
    group.iter().flat_map(|(client, intents)| {
        intents.iter().filter_map(|intent| match intent {
            Intent::Valid(mutation) => Some((*client, &**mutation)),
            Intent::Invalid { .. } => None,
        })
    })
}

/// Text of a JSON array of arrays. Ids have alphabets that need no escape.
#[derive(Debug)]
struct Keys(String);

impl Keys {
    fn new() -> Self {
        Self(String::from("["))
    }

    fn add(&mut self, row: std::fmt::Arguments<'_>) {
        use std::fmt::Write as _;
        let comma = if self.0.len() > 1 { "," } else { "" };
        write!(self.0, "{comma}[{row}]").expect("a string takes any text");
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}

async fn fetch(connection: &mut SqliteConnection, statement: &'static str, keys: Keys) -> Result<Option<String>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let (packed,): (Option<String>,) = sqlx::query_as(statement).bind(keys.finish()).fetch_one(connection).await?;
    Ok(packed)
}

async fn memories(connection: &mut SqliteConnection, group: &[Sent<'_>], set: &mut WorkingSet) -> Result<()> {
    let mut keys = Keys::new();
    for (client, mutation) in mutations(group) {
        keys.add(format_args!("{},\"{}\"", client.0, mutation.idempotency_key));
        // An answer without effect is remembered under this one too.
        if let Some(operation) = mutation.operation_key() {
            keys.add(format_args!("{},\"{operation}\"", client.0));
        }
        if let Base::Operation(operation) = &mutation.base {
            keys.add(format_args!("{},\"{operation}\"", client.0));
        }
        for operation in rare::parents(mutation) {
            keys.add(format_args!("{},\"{operation}\"", client.0));
        }
    }
    let packed = fetch(connection, MEMORY_FIND, keys).await?;
    for mut row in packed::rows(packed.as_deref()) {
        let (client, key, memory) = memory_read(&mut row)?;
        set.memory.insert((client, key), memory);
    }
    Ok(())
}

/// Other ids of records, and the records that new ones may repeat, where a policy has a natural key.
async fn same_things(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    group: &[Sent<'_>],
    set: &mut WorkingSet,
) -> Result<()> {
    let (mut ids, mut near) = (Keys::new(), Keys::new());
    for (_, mutation) in mutations(group) {
        let Some(collection) = catalogue.get(&mutation.collection) else { continue };
        let Some(natural) = &collection.policy.natural_key else { continue };
        ids.add(format_args!("{},\"{}\"", collection.key.0, mutation.record_id));
        let makes = matches!(mutation.op, MutationOp::Create | MutationOp::Put);
        if let Some(value) = makes.then(|| natural.of(mutation.scope.as_str(), &mutation.fields)).flatten() {
            let (from, to) = (value.near.saturating_sub(natural.reach()), value.near.saturating_add(natural.reach()));
            near.add(format_args!("{},\"{}\",{from},{to}", collection.key.0, hex::encode(value.exact)));
        }
    }
    let packed = fetch(connection, ALIAS_FIND, ids).await?;
    for mut row in packed::rows(packed.as_deref()) {
        let key = (CollectionKey(row.number()?), record_id(row.text()?)?);
        set.aliases.insert(key, record_id(row.text()?)?);
    }
    let packed = fetch(connection, ANCHOR_FIND, near).await?;
    for mut row in packed::rows(packed.as_deref()) {
        let key = (CollectionKey(row.number()?), row.hash()?);
        let anchor = Anchor { near: row.number()?, seq: Seq(row.number()?), record_id: record_id(row.text()?)? };
        let known = set.anchors.entry(key).or_default();
        if !known.contains(&anchor) {
            known.push(anchor);
        }
    }
    Ok(())
}

/// What waits beside records, where the group asks: under version control, with locked fields, and where something is settled.
async fn standoffs(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    group: &[Sent<'_>],
    set: &mut WorkingSet,
) -> Result<()> {
    let mut wanted: BTreeMap<RecordKey, BTreeSet<i64>> = BTreeMap::new();
    for (_, mutation) in mutations(group) {
        let Some(collection) = catalogue.get(&mutation.collection) else { continue };
        let named = mutation.terms.as_deref().map(|terms| terms.resolves.as_slice()).unwrap_or_default();
        let (policy, key) = (&collection.policy, (collection.key, set.target(collection, &mutation.record_id)));
        let minds = match set.records.get(&key) {
            // Names of branches are not given twice, whether the ones before were merged or not.
            Some(record) => policy.kind == PolicyKind::VersionControl || policy.lock && record.conflicted,
            None => policy.asks(),
        };
        if !named.is_empty() || minds {
            wanted.entry(key).or_default().extend(named);
        }
    }
    let mut keys = Keys::new();
    for ((collection, record_id), named) in wanted {
        keys.add(format_args!("{},\"{record_id}\",{:?}", collection.0, named.into_iter().collect::<Vec<_>>()));
    }
    let packed = fetch(connection, STANDOFF_FIND, keys).await?;
    for mut row in packed::rows(packed.as_deref()) {
        let key = (CollectionKey(row.number()?), record_id(row.text()?)?);
        let standoff = standoff_read(&mut row)?;
        set.standoffs.entry(key).or_default().push(standoff);
    }
    Ok(())
}

fn standoff_read(row: &mut Row<'_>) -> Result<Standoff> {
    let (conflict, branch, open) = (row.number()?, row.maybe()?.map(str::to_owned), row.text()? == "0");
    let client = row.maybe()?.and_then(|text| text.parse().ok()).map(ClientKey);
    let rank = row.number()?;
    Ok(Standoff { conflict, branch, open, asked: client.map(|client| (client, rank)), fields: row.maybe()?.map(names_read) })
}

/// Reads a row of [`MEMORY_FIND`]. The operation id is filled in by whoever asked: the key stands in for it.
pub(crate) fn memory_read(row: &mut Row<'_>) -> Result<(ClientKey, IdempotencyKey, Memory)> {
    let client = ClientKey(row.number()?);
    let key = IdempotencyKey::parse(row.text()?).map_err(|error| Error::Corrupt(error.to_string()))?;
    let digest = row.hash()?;
    let status = status_read(row.number()?)?;
    let seq = row.maybe()?.and_then(|text| text.parse().ok()).map(Seq);
    let version = row.maybe()?.and_then(|text| text.parse().ok()).map(Version);
    let extra = row.maybe()?;
    let ticks = row.maybe()?.and_then(|text| text.parse::<i64>().ok());
    let node = row.text()?;
    let hlc = ticks.map(|ticks| Hlc { ticks: Ticks(ticks.cast_unsigned()), node: node.to_owned() }.to_string());
    let body = row.maybe()?;
    let operation_id = OperationId::parse(key.as_str().get(..64).unwrap_or(key.as_str()));
    let plain = IntentResult {
        operation_id: operation_id.map_err(|error| Error::Corrupt(error.to_string()))?,
        status,
        noop: false,
        replayed: false,
        seq,
        version,
        hlc: None,
        record: None,
        record_id: None,
        branch: None,
        resolution: None,
        conflict_id: None,
        warnings: Vec::new(),
        problem: None,
    };
    Ok((client, key, Memory { digest, answer: answer_restore(plain, extra, hlc, body) }))
}

async fn records(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    live: &std::sync::RwLock<Live>,
    group: &[Sent<'_>],
    set: &mut WorkingSet,
) -> Result<()> {
    let mut keys = Keys::new();
    for (_, mutation) in mutations(group) {
        if let Some(collection) = catalogue.get(&mutation.collection) {
            keys.add(format_args!("{},\"{}\"", collection.key.0, set.target(collection, &mutation.record_id)));
        }
    }
    for ((collection, _), anchors) in &set.anchors {
        for anchor in anchors {
            keys.add(format_args!("{},\"{}\"", collection.0, anchor.record_id));
        }
    }
    let packed = fetch(connection, RECORD_FIND, keys).await?;
    let live = live.read().expect("no holder of this lock panics");
    for mut row in packed::rows(packed.as_deref()) {
        let (key, record) = record_read(&mut row, &live)?;
        set.records.insert(key, record);
    }
    Ok(())
}

pub(super) fn record_read(row: &mut Row<'_>, live: &Live) -> Result<(RecordKey, Record)> {
    let key = (CollectionKey(row.number()?), record_id(row.text()?)?);
    let scope = ScopeKey(row.number()?);
    let version = Version(row.number()?);
    let last_seq = Seq(row.number()?);
    let ticks = Ticks(row.number::<i64>()?.cast_unsigned());
    let hlc = Hlc { ticks, node: row.text()?.to_owned() };
    let deleted = row.text()? == "1";
    let conflicted = row.text()? == "1";
    let last_client = ClientKey(row.number()?);
    let record = Record {
        scope,
        version,
        last_seq,
        hlc,
        deleted,
        conflicted,
        last_client,
        last_client_id: live.client_ids.get(&last_client).map(ToString::to_string).unwrap_or_default(),
        last_operation_id: row.text()?.to_owned(),
        content_hash: row.hash()?,
        meta: row.maybe()?.map(str::to_owned),
        body: row.maybe()?.map(str::to_owned),
    };
    if record.body.is_none() != record.deleted {
        return Err(Error::Corrupt(format!("record {} has lost its body at {last_seq}", key.1)));
    }
    Ok((key, record))
}

fn record_id(text: &str) -> Result<RecordId> {
    RecordId::parse(text).map_err(|error| Error::Corrupt(error.to_string()))
}

/// Older versions: the base of a stale write where the policy merges or the write is a patch, and the last body before a
/// tombstone.
async fn history(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    group: &[Sent<'_>],
    set: &mut WorkingSet,
) -> Result<()> {
    let mut wanted: Vec<(i64, RecordId, i64, i64)> = Vec::new();
    let mut deleted: Vec<(i64, RecordId, i64)> = Vec::new();
    for (client, mutation) in mutations(group) {
        let Some(collection) = catalogue.get(&mutation.collection) else { continue };
        let key = (collection.key, set.target(collection, &mutation.record_id));
        let Some(record) = set.records.get(&key) else { continue };
        let mut want = |version: Version| {
            if version.0 > 0 && version < record.version {
                wanted.push((collection.key.0, key.1.clone(), record.last_seq.0, version.0));
            }
        };
        if rare::needs_base(collection, mutation) {
            base_version(set, client, mutation).into_iter().for_each(&mut want);
        }
        if record.deleted && mutation.op != MutationOp::Delete {
            deleted.push((collection.key.0, key.1, record.last_seq.0));
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut keys = Keys::new();
    for (collection, record_id, last_seq, version) in wanted {
        keys.add(format_args!("{collection},\"{record_id}\",{last_seq},{version}"));
    }
    let packed = fetch(connection, HISTORY_FIND, keys).await?;
    rare::past_read(packed.as_deref(), set, |_| true)?;
    deleted.sort_unstable();
    deleted.dedup();
    let mut keys = Keys::new();
    for (collection, record_id, last_seq) in deleted {
        keys.add(format_args!("{collection},\"{record_id}\",{last_seq}"));
    }
    let packed = fetch(connection, HISTORY_LIVE, keys).await?;
    rare::past_read(packed.as_deref(), set, |_| true)
}

fn base_version(set: &WorkingSet, client: ClientKey, mutation: &Mutation) -> Option<Version> {
    match &mutation.base {
        Base::Unknown | Base::Checksum(_) => None,
        Base::Version(version) => Some(*version),
        Base::Operation(operation) => {
            let key = IdempotencyKey::parse(operation.as_str()).ok()?;
            set.memory.get(&(client, key))?.answer.version
        }
    }
}
