//! A frozen set and a dry run as JSON.

use serde::Serialize;
use serde_json::{Value, json};
use tidewatch_domain::drain::Selection;
use tidewatch_domain::fleet::{Breakdown, DrainMemberRow, DrainPreview, DryRun, SampleEntry};
use tidewatch_domain::report::EntryState;
use tidewatch_protocol::Timestamp;

/// A frozen set with its dry run.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SetReport {
    /// Id of the set.
    pub set: String,
    /// Hash over its members, the first 16 hex digits.
    pub hash: String,
    /// What would be done.
    pub action: &'static str,
    /// What would become of those behind them.
    pub dependants: &'static str,
    /// Operations of a patch.
    #[schema(value_type = Option<Vec<Object>>)]
    pub patch: Option<Value>,
    /// What was selected; give it back when the set is submitted.
    #[schema(value_type = Object)]
    pub selection: Value,
    /// Frozen at.
    #[schema(value_type = String, format = DateTime)]
    pub frozen: Timestamp,
    /// Gone after, unless it is submitted.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Entries.
    pub entries: u64,
    /// Devices.
    pub devices: u64,
    /// Of the entries: applied at once, here. `here`, `awake`, `asleep` and those of `skipped` add up to the entries.
    pub here: u64,
    /// Of the entries: travel to devices in contact.
    pub awake: u64,
    /// Devices of those.
    pub awake_devices: u64,
    /// Of the entries: travel to devices past their expected contact.
    pub asleep: u64,
    /// Devices of those.
    pub asleep_devices: u64,
    /// Share of those devices that is expected within a day, percent; null when there is no rhythm to tell from.
    pub asleep_day_percent: Option<u8>,
    /// Of the entries: would be skipped, by reason.
    pub skipped: Vec<WordCount>,
    /// Entries that wait behind them and are not in the set.
    pub behind: u64,
    /// Of those, refused because of what they wait for: they go out only when they are retried.
    pub behind_refused: u64,
    /// Of the entries: wait behind the others and are only held, whatever the action is.
    pub held: u64,
    /// Of the entries: not selected, and taken along because their device sent them as one group with a selected one.
    pub together: u64,
    /// Of the same groups, what is left as it is: accepted already, or drained.
    pub apart: u64,
    /// What the engine would answer, by word; `skipped test_not_met` for what a `test` of the patch leaves alone.
    pub verdicts: Vec<WordCount>,
    /// Entries that the dry run decided: of those whose payload is here 500 at most, spread over signatures and devices.
    pub decided: u64,
    /// Devices of those.
    pub decided_devices: u64,
    /// Signatures of those.
    pub decided_signatures: u64,
    /// By device, most entries first, ten at most.
    pub by_device: Vec<PartEntry>,
    /// By signature.
    pub by_signature: Vec<PartEntry>,
    /// By collection.
    pub by_collection: Vec<PartEntry>,
    /// Five of them.
    pub sample: Vec<SampleRow>,
    /// New in the list since, and not in the set.
    pub newer: u64,
    /// Whether a second person has to approve.
    pub needs_approval: bool,
    /// Members of staff who can, when somebody has to: never whoever asks.
    pub approvers: Vec<String>,
    /// Key for the submission.
    pub idempotency_key: String,
}

/// A word and how many.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct WordCount {
    /// Word.
    pub word: String,
    /// Entries.
    pub entries: u64,
}

/// Some entries of a set, by one property.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PartEntry {
    /// Its value.
    pub label: String,
    /// Id of the device or group.
    pub id: Option<String>,
    /// Entries.
    pub entries: u64,
}

/// An entry of the sample.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SampleRow {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub device: String,
    /// Operation.
    pub operation_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// State.
    pub state: &'static str,
    /// Whether its payload is here.
    pub payload_known: bool,
}

/// One entry of a frozen set.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SetItemEntry {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub device: String,
    /// Operation.
    pub operation_id: String,
    /// Collection that it writes to; `null` when it is not listed any more and its payload is not here.
    pub collection: Option<String>,
    /// Record that it writes to.
    pub record_id: Option<String>,
    /// State now; `null` when it is not listed any more.
    pub state: Option<&'static str>,
    /// Why it is in the set: `selected`, `together` with a selected one as their device sent them, or `behind` one.
    pub part: &'static str,
    /// What is done with it: the action of the set, `hold` where what waits behind is held, or `retry` beside what a patch is for.
    pub action: &'static str,
    /// Whether its payload is here.
    pub payload_known: bool,
}

impl From<DrainMemberRow> for SetItemEntry {
    fn from(row: DrainMemberRow) -> Self {
        let (collection, record_id) = row.record.unzip();
        Self {
            client_id: row.client_id.to_string(),
            device: row.device_name,
            operation_id: row.operation_id,
            collection,
            record_id,
            state: row.state.map(EntryState::as_str),
            part: row.part.as_str(),
            action: row.action.as_str(),
            payload_known: row.payload_known,
        }
    }
}

/// What the engine would answer.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DryRunReport {
    /// `applied`, `merged`, `superseded`, `conflict`, `rejected` or `deferred`; `skipped` when a `test` of the patch does not hold, so that it is not meant for this entry.
    pub status: String,
    /// Code of a refusal.
    pub code: Option<String>,
    /// Words of a refusal.
    pub detail: Option<String>,
    /// What a patch changes.
    pub diff: Vec<DiffRow>,
}

/// One change of a patch; texts of the payload are masked.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DiffRow {
    /// Pointer of RFC 6901.
    pub path: String,
    /// Before.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}

fn words(counts: Vec<(String, u64)>) -> Vec<WordCount> {
    counts.into_iter().map(|(word, entries)| WordCount { word, entries }).collect()
}

fn parts(parts: Vec<Breakdown>) -> Vec<PartEntry> {
    parts.into_iter().map(|part| PartEntry { label: part.label, id: part.id, entries: part.entries }).collect()
}

fn sample(entry: SampleEntry) -> SampleRow {
    let row = entry.row.entry;
    SampleRow {
        client_id: row.client_id.to_string(),
        device: entry.row.device_name,
        operation_id: row.operation_id,
        collection: row.collection,
        record_id: row.record_id,
        state: row.state.as_str(),
        payload_known: entry.payload_known,
    }
}

/// A selection as the bodies of the routes have it.
pub(super) fn selection(selection: &Selection) -> Value {
    match selection {
        Selection::Matching { signature: Some(signature), filter } => json!({"signature": signature, "filter": filter}),
        Selection::Matching { signature: None, filter } => json!({"filter": filter}),
        Selection::Entries(entries) => {
            let named: Vec<Value> = entries
                .iter()
                .map(|(client, operation)| json!({"client_id": client.as_str(), "operation_id": operation}))
                .collect();
            json!({"entries": named})
        }
        Selection::Failed { job, code: Some(code) } => json!({"failed": job, "code": code}),
        Selection::Failed { job, code: None } => json!({"failed": job}),
    }
}

impl From<DrainPreview> for SetReport {
    fn from(preview: DrainPreview) -> Self {
        Self {
            selection: selection(&preview.selection),
            set: preview.set,
            hash: preview.hash,
            action: preview.action.as_str(),
            dependants: preview.dependants.as_str(),
            patch: preview.patch,
            frozen: Timestamp(preview.frozen),
            expires: Timestamp(preview.expires),
            entries: preview.entries,
            devices: preview.devices,
            here: preview.here,
            awake: preview.awake,
            awake_devices: preview.awake_devices,
            asleep: preview.asleep,
            asleep_devices: preview.asleep_devices,
            asleep_day_percent: preview.asleep_day_percent,
            skipped: words(preview.skipped),
            behind: preview.behind,
            behind_refused: preview.behind_refused,
            held: preview.held,
            together: preview.together,
            apart: preview.apart,
            verdicts: words(preview.verdicts),
            decided: preview.decided,
            decided_devices: preview.decided_devices,
            decided_signatures: preview.decided_signatures,
            by_device: parts(preview.by_device),
            by_signature: parts(preview.by_signature),
            by_collection: parts(preview.by_collection),
            sample: preview.sample.into_iter().map(sample).collect(),
            newer: preview.newer,
            needs_approval: preview.needs_approval,
            approvers: preview.approvers.into_iter().map(|approver| approver.name).collect(),
            idempotency_key: preview.idempotency_key,
        }
    }
}

impl From<DryRun> for DryRunReport {
    fn from(run: DryRun) -> Self {
        let diff = run.diff.into_iter().map(|(path, before, after)| DiffRow { path, before, after }).collect();
        Self { status: run.status, code: run.code, detail: run.detail, diff }
    }
}
