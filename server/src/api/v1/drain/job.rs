//! Jobs and their items as JSON.

use serde::Serialize;
use serde_json::Value;
use tidewatch_domain::drain::Rolled;
use tidewatch_domain::fleet::{DrainItemRow, DrainJobRow, DrainJobView, FailureReason, JobEvent, Released, RunningDevice};
use tidewatch_protocol::Timestamp;

use super::at;

/// What a submission became.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SubmittedEntry {
    /// Id of the job.
    pub job: String,
    /// Whether this submission has made it.
    pub new: bool,
}

/// A job in a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobEntry {
    /// Id.
    pub id: String,
    /// What it does.
    pub action: &'static str,
    /// `requested`, `canary`, `running`, `paused`, `done`, `cancelled`, `refused` or `undone`.
    pub state: &'static str,
    /// Who started it.
    pub created_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// Nothing more happens by itself since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Devices.
    pub devices: u64,
    /// Entries; the outcomes add up to them.
    pub entries: u64,
    /// Entries by outcome.
    pub tally: TallyEntry,
    /// Whether somebody has said that they have seen its end.
    pub acknowledged: bool,
    /// Where its items are, when retention of jobs is over. Everything else of the job stays, and its items are neither listed, tried again
    /// nor taken back. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled: Option<RolledEntry>,
}

/// The file that items of a job have rolled to.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RolledEntry {
    /// Since.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The file, under the folder of the store: one JSON object an item and line, compressed with zstd, the last line is its manifest.
    pub file: String,
    /// SHA-256 of the rows in the file.
    pub sha256: String,
    /// Items in the file.
    pub entries: u64,
}

impl From<Rolled> for RolledEntry {
    fn from(rolled: Rolled) -> Self {
        Self { at: Timestamp(rolled.at), file: rolled.file, sha256: rolled.sha256, entries: rolled.entries }
    }
}

/// Entries by outcome.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct TallyEntry {
    /// Done.
    pub ok: u64,
    /// Left alone.
    pub skipped: u64,
    /// Tried in vain.
    pub failed: u64,
    /// On their way to devices in contact.
    pub sent: u64,
    /// On their way to devices past their expected contact.
    pub asleep: u64,
    /// Not begun.
    pub waiting: u64,
}

impl From<DrainJobRow> for JobEntry {
    fn from(row: DrainJobRow) -> Self {
        let tally = row.tally;
        Self {
            action: row.action.as_str(),
            state: row.state.as_str(),
            created: Timestamp(row.created),
            finished: at(row.finished),
            devices: row.devices,
            entries: tally.all(),
            tally: TallyEntry {
                ok: tally.ok,
                skipped: tally.skipped,
                failed: tally.failed,
                sent: tally.sent,
                asleep: tally.asleep,
                waiting: tally.waiting,
            },
            acknowledged: row.acknowledged,
            rolled: row.rolled.map(RolledEntry::from),
            id: row.id,
            created_by: row.created_by,
            reason: row.reason,
        }
    }
}

/// One job.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobReport {
    /// Its line in the list.
    #[serde(flatten)]
    pub job: JobEntry,
    /// Its frozen set.
    pub set: String,
    /// Hash of the set.
    pub hash: String,
    /// What was selected.
    #[schema(value_type = Object)]
    pub selection: Value,
    /// What becomes of those behind them.
    pub dependants: &'static str,
    /// Operations of a patch.
    #[schema(value_type = Option<Vec<Object>>)]
    pub patch: Option<Value>,
    /// Who approved.
    pub approved_by: Option<String>,
    /// Until when somebody can approve.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub approve_until: Option<Timestamp>,
    /// Members of staff who can, while it waits for that: never whoever asked for it.
    pub approvers: Vec<String>,
    /// Entries that go ahead.
    pub canary: u32,
    /// Entries a second, at most.
    pub rate_per_s: Option<u32>,
    /// Share of failures at which it stops by itself, percent.
    pub stop_percent: u8,
    /// Until when it can be taken back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub undo_until: Option<Timestamp>,
    /// Entries that can be taken back now.
    pub undoable: u64,
    /// Of those that are done, entries that their devices have not been told of yet: each keeps its own copy, and what waits behind it.
    /// Absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<u64>,
    /// Entries that waited behind the set when it was frozen and are no part of it.
    pub behind: u64,
    /// What became of those behind it that it lets go.
    pub released: Option<ReleasedEntry>,
    /// Failed and skipped, by code, most entries first, fifty at most.
    pub reasons: Vec<ReasonEntry>,
    /// Reasons in all.
    pub reasons_all: u64,
    /// Devices at work, ten at most.
    pub running: Vec<RunningEntry>,
    /// Devices at work in all.
    pub running_devices: u64,
    /// What happened, newest first.
    pub events: Vec<EventEntry>,
    /// New in its list since, and not in the set.
    pub newer: u64,
}

/// What became of the entries that waited behind a set, of the 10,000 oldest at most.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct ReleasedEntry {
    /// In the log since the job was submitted.
    pub applied: u64,
    /// Stand as conflicts.
    pub conflicts: u64,
    /// Refused, or given up by their device.
    pub refused: u64,
    /// Drained themselves.
    pub drained: u64,
    /// The log has not seen them.
    pub unseen: u64,
}

/// Entries that failed or were skipped for one reason.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ReasonEntry {
    /// `failed` or `skipped`.
    pub outcome: &'static str,
    /// Code.
    pub code: String,
    /// Words of the last of them.
    pub detail: String,
    /// Wordings that the code has among them.
    pub wordings: u64,
    /// Entries that `retry-failed` takes with this code: those that failed for it, and what failed of their groups for another.
    pub again: u64,
    /// Entries.
    pub entries: u64,
    /// Devices.
    pub devices: u64,
    /// Last of them.
    #[schema(value_type = String, format = DateTime)]
    pub last: Timestamp,
}

/// A device at work.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RunningEntry {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Entries under way.
    pub entries: u64,
    /// State of its command.
    pub state: &'static str,
    /// Since.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
}

/// Something that happened to a job.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct EventEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// New state.
    pub state: &'static str,
    /// Who; `system` for the job itself.
    pub actor: String,
    /// Remark, or what made it stop.
    pub detail: Option<String>,
}

fn reason(reason: FailureReason) -> ReasonEntry {
    ReasonEntry {
        outcome: reason.outcome.as_str(),
        code: reason.code,
        detail: reason.detail,
        wordings: reason.wordings,
        again: reason.again,
        entries: reason.entries,
        devices: reason.devices,
        last: Timestamp(reason.last),
    }
}

fn released(released: Released) -> ReleasedEntry {
    let Released { applied, conflicts, refused, drained, unseen, at: _ } = released;
    ReleasedEntry { applied, conflicts, refused, drained, unseen }
}

fn running(device: RunningDevice) -> RunningEntry {
    RunningEntry {
        client_id: device.client_id.to_string(),
        name: device.name,
        entries: device.entries,
        state: device.state.as_str(),
        since: Timestamp(device.since),
    }
}

fn event(event: JobEvent) -> EventEntry {
    EventEntry { at: Timestamp(event.at), state: event.state.as_str(), actor: event.actor, detail: event.detail }
}

impl From<DrainJobView> for JobReport {
    fn from(view: DrainJobView) -> Self {
        Self {
            selection: super::set::selection(&view.selection),
            set: view.set,
            hash: view.hash,
            dependants: view.dependants.as_str(),
            patch: view.patch,
            approved_by: view.approved_by,
            approve_until: at(view.approve_until),
            approvers: view.approvers.into_iter().map(|approver| approver.name).collect(),
            canary: view.canary,
            rate_per_s: view.rate_per_s,
            stop_percent: view.stop_percent,
            undo_until: at(view.undo_until),
            undoable: view.undoable.total(),
            untold: (view.untold > 0).then_some(view.untold),
            behind: view.behind,
            released: view.released.map(released),
            reasons_all: view.reasons_all,
            reasons: view.reasons.into_iter().map(reason).collect(),
            running: view.running.into_iter().map(running).collect(),
            running_devices: view.running_all,
            events: view.events.into_iter().map(event).collect(),
            newer: view.newer,
            job: view.row.into(),
        }
    }
}

/// One item of a job.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct JobItemEntry {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub device: String,
    /// Operation.
    pub operation_id: String,
    /// Collection that it writes to; `null` while only the device has it.
    pub collection: Option<String>,
    /// Record that it writes to; `null` while only the device has it.
    pub record_id: Option<String>,
    /// `waiting`, `sent`, `ok`, `skipped` or `failed`.
    pub outcome: &'static str,
    /// Code of why it was skipped or failed; of one that is done, what was answered.
    pub code: Option<String>,
    /// Words.
    pub detail: Option<String>,
    /// Since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

impl From<DrainItemRow> for JobItemEntry {
    fn from(row: DrainItemRow) -> Self {
        let (collection, record_id) = row.record.unzip();
        Self {
            client_id: row.client_id.to_string(),
            device: row.device_name,
            operation_id: row.operation_id,
            collection,
            record_id,
            outcome: row.outcome.as_str(),
            code: row.code,
            detail: row.detail,
            at: at(row.at),
        }
    }
}
