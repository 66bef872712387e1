//! Draining as pages show it: a frozen set before it is submitted, and a job at work.

use serde_json::Value;

use super::outbox::OutboxRow;
use crate::control::CommandState;
use crate::drain::{Dependants, DrainAction, ItemOutcome, JobState, Rolled, Selection, Undoable};
use crate::ids::ClientId;
use crate::role::Role;
use crate::time::Millis;

/// Most entries of a set that its dry run decides.
pub const DRY_RUN_MAX: u64 = 500;

/// Some entries of a set, by one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// Its value: name of a device, signature, collection.
    pub label: String,
    /// What it stands for in an address: id of a device or of a group.
    pub id: Option<String>,
    /// Entries.
    pub entries: u64,
}

/// One entry of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleEntry {
    /// The entry.
    pub row: OutboxRow,
    /// Whether the archive has its payload already.
    pub payload_known: bool,
}

/// A frozen set with its dry run: what a drain would do.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainPreview {
    /// Id of the set.
    pub set: String,
    /// Hash over its members, hex.
    pub hash: String,
    /// What would be done.
    pub action: DrainAction,
    /// What would become of those behind them.
    pub dependants: Dependants,
    /// Operations of a patch.
    pub patch: Option<Value>,
    /// What was asked for.
    pub selection: Selection,
    /// Frozen at.
    pub frozen: Millis,
    /// Ends at.
    pub expires: Millis,
    /// Entries.
    pub entries: u64,
    /// Devices.
    pub devices: u64,
    /// Of the entries: applied at once, here. With `awake`, `asleep` and those of `skipped` they are all entries.
    pub here: u64,
    /// Of the entries: travel as commands to devices that are in contact.
    pub awake: u64,
    /// Devices of those.
    pub awake_devices: u64,
    /// Of the entries: travel as commands to devices that are past their expected contact.
    pub asleep: u64,
    /// Devices of those.
    pub asleep_devices: u64,
    /// Share of the sleeping devices expected within a day, percent; none when there is no rhythm to tell from.
    pub asleep_day_percent: Option<u8>,
    /// Of the entries: would be skipped, by reason.
    pub skipped: Vec<(String, u64)>,
    /// Entries that wait behind them and are not in the set.
    pub behind: u64,
    /// Of those, refused because of what they wait for: they go out only when they are retried.
    pub behind_refused: u64,
    /// Of the entries: wait behind the others and are only held.
    pub held: u64,
    /// Of the entries: not selected, and taken along because their device sent them as one group with a selected one.
    pub together: u64,
    /// Of the same groups, what is left as it is: accepted already, or drained.
    pub apart: u64,
    /// Of a dry run against the engine, what would be answered, by word: `applied`, `conflict`, `rejected schema_invalid`; what a test of
    /// the patch leaves alone is `skipped test_not_met`.
    pub verdicts: Vec<(String, u64)>,
    /// Entries that the dry run decided: those with a payload here, [`DRY_RUN_MAX`] at most, spread over signatures and devices.
    pub decided: u64,
    /// Devices of those.
    pub decided_devices: u64,
    /// Signatures of those.
    pub decided_signatures: u64,
    /// By device, most entries first, ten at most.
    pub by_device: Vec<Breakdown>,
    /// By signature.
    pub by_signature: Vec<Breakdown>,
    /// By collection.
    pub by_collection: Vec<Breakdown>,
    /// Five of them.
    pub sample: Vec<SampleEntry>,
    /// Until when it could be taken back as a whole, if it were submitted now.
    pub undo_until: Millis,
    /// From when on retention lets go of the payloads; none when it never does.
    pub purge_from: Option<Millis>,
    /// Matching now and not in the set.
    pub newer: u64,
    /// Whether a second person has to approve.
    pub needs_approval: bool,
    /// Who can, when somebody has to: never whoever looks.
    pub approvers: Vec<Approver>,
    /// Idempotency key for the form that submits it.
    pub idempotency_key: String,
    /// The job that it was submitted as.
    pub job: Option<String>,
}

/// Somebody who can approve what another has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Sign-in name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Why a submission was refused: what it named is not what was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainChange {
    /// Entries of the frozen set.
    pub frozen: u64,
    /// Entries that match what was submitted.
    pub now: u64,
    /// Match now and are not in the set.
    pub added: u64,
    /// In the set and match no more.
    pub removed: u64,
}

/// How many entries of a job have which outcome. They add up to the size of its set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobTally {
    /// [`ItemOutcome::Ok`].
    pub ok: u64,
    /// [`ItemOutcome::Skipped`].
    pub skipped: u64,
    /// [`ItemOutcome::Failed`].
    pub failed: u64,
    /// [`ItemOutcome::Sent`], to devices in contact.
    pub sent: u64,
    /// [`ItemOutcome::Sent`], to devices past their expected contact.
    pub asleep: u64,
    /// [`ItemOutcome::Waiting`].
    pub waiting: u64,
}

impl JobTally {
    /// Entries in all.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.settled() + self.sent + self.asleep + self.waiting
    }

    /// Entries with a final outcome.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.ok + self.skipped + self.failed
    }
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainJobRow {
    /// Id, `J` and digits.
    pub id: String,
    /// What it does.
    pub action: DrainAction,
    /// Where it stands.
    pub state: JobState,
    /// Who started it, as the audit log names them.
    pub created_by: String,
    /// When.
    pub created: Millis,
    /// Since it is final.
    pub finished: Option<Millis>,
    /// Its entries.
    pub tally: JobTally,
    /// Devices.
    pub devices: u64,
    /// Why.
    pub reason: String,
    /// Whether somebody has said that they have seen its end.
    pub acknowledged: bool,
    /// Where its items are, when retention of jobs is over.
    pub rolled: Option<Rolled>,
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEvent {
    /// When.
    pub at: Millis,
    /// New state.
    pub state: JobState,
    /// Who; `system` for the job itself.
    pub actor: String,
    /// Remark, or what made it stop.
    pub detail: Option<String>,
}

/// Entries that failed for one reason: what a code stands for, however its words differ from entry to entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureReason {
    /// Code.
    pub code: String,
    /// Words of the last of them.
    pub detail: String,
    /// Wordings that the code has among them.
    pub wordings: u64,
    /// Entries that are frozen to be tried again: those that failed for it, and what failed of their groups for another.
    pub again: u64,
    /// Failed, or left alone.
    pub outcome: ItemOutcome,
    /// Entries.
    pub entries: u64,
    /// Devices.
    pub devices: u64,
    /// Last of them.
    pub last: Millis,
}

/// A device that a job is at.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningDevice {
    /// Device.
    pub client_id: ClientId,
    /// Its name.
    pub name: String,
    /// Entries under way there.
    pub entries: u64,
    /// State of the newest of their commands.
    pub state: CommandState,
    /// Done and total, as the device last said.
    pub progress: Option<(u64, u64)>,
    /// In this state since.
    pub since: Millis,
    /// Battery, percent.
    pub battery: Option<f64>,
}

/// When devices are expected to pick something up, from their own rhythm of contact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Devices that have not picked it up.
    pub devices: u64,
    /// Hours from now and expected share by then, percent: 1, 6, 24, 72.
    pub shares: Vec<(u32, u8)>,
    /// Devices without a rhythm to tell from.
    pub unknown: u64,
}

/// One job.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainJobView {
    /// Its line.
    pub row: DrainJobRow,
    /// Its frozen set.
    pub set: String,
    /// Hash of the set.
    pub hash: String,
    /// What was selected.
    pub selection: Selection,
    /// What becomes of those behind them.
    pub dependants: Dependants,
    /// Operations of a patch.
    pub patch: Option<Value>,
    /// The person behind who asked for it, as the audit log names them: of a token, whoever made it.
    pub asked_by: String,
    /// Who approved.
    pub approved_by: Option<String>,
    /// Until when somebody can approve.
    pub approve_until: Option<Millis>,
    /// Who can, while it waits for that: never whoever asked for it.
    pub approvers: Vec<Approver>,
    /// Entries of the canary.
    pub canary: u32,
    /// Entries a second, at most; none is as fast as they are fetched.
    pub rate_per_s: Option<u32>,
    /// Share of failures at which it stops by itself, percent.
    pub stop_percent: u8,
    /// Until when what it drained can be restored.
    pub undo_until: Option<Millis>,
    /// What can be taken back now.
    pub undoable: Undoable,
    /// Of those that were decided here, entries that their devices have not been told of yet: each keeps its own copy, and what waits behind it.
    pub untold: u64,
    /// Finished entries of each minute, oldest first, an hour at most: minute, settled.
    pub minutes: Vec<(Millis, u32)>,
    /// The same by second, of a job that is small and has not been at it for long; empty for others.
    pub seconds: Vec<(Millis, u32)>,
    /// What became of the entries behind it that it lets go; none when it lets none go.
    pub released: Option<Released>,
    /// Entries that waited behind the set when it was frozen and are no part of it.
    pub behind: u64,
    /// Failed and skipped, by reason, most entries first, fifty at most.
    pub reasons: Vec<FailureReason>,
    /// Reasons in all.
    pub reasons_all: u64,
    /// Of those, reasons for failing.
    pub reasons_failed: u64,
    /// Devices at work, ten at most.
    pub running: Vec<RunningDevice>,
    /// Devices at work in all.
    pub running_all: u64,
    /// When the sleeping devices are expected.
    pub forecast: Forecast,
    /// What happened, newest first.
    pub events: Vec<JobEvent>,
    /// Matching now and not in the set.
    pub newer: u64,
}

/// What became of the entries that waited behind a set and were let go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
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
    /// Of the applied, how many in each second that has any, oldest first.
    pub at: Vec<(Millis, u32)>,
}

impl Released {
    /// Entries that are followed.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.applied + self.conflicts + self.refused + self.drained + self.unseen
    }
}

/// One entry of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainItemRow {
    /// Device.
    pub client_id: ClientId,
    /// Its name.
    pub device_name: String,
    /// Operation.
    pub operation_id: String,
    /// Collection and record that it writes to; none while only the device has it.
    pub record: Option<(String, String)>,
    /// Outcome.
    pub outcome: ItemOutcome,
    /// Code of why it was skipped or failed.
    pub code: Option<String>,
    /// Words.
    pub detail: Option<String>,
    /// Since.
    pub at: Option<Millis>,
}

/// What the engine would answer to one entry, corrected or as it is. Nothing is written.
#[derive(Clone, Debug, PartialEq)]
pub struct DryRun {
    /// `applied`, `merged`, `superseded`, `conflict`, `rejected`, `deferred`; `skipped` when a test of the patch does not hold.
    pub status: String,
    /// Code of a refusal.
    pub code: Option<String>,
    /// Words of a refusal; name the field.
    pub detail: Option<String>,
    /// Pointer, before, after (JSON text, redacted); of a patch.
    pub diff: Vec<(String, Option<String>, Option<String>)>,
}
