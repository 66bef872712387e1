//! The outbox page: what the whole fleet still has to send, failures by signature, single entries with what they hold up.

use super::device::EntryRow;
use super::devices::DeviceRow;
use crate::drain::{DrainAction, Keeping};
use crate::report::{EntryState, STATES, STATES_REPORTED};
use crate::time::Millis;

/// Hours that a group's trend looks back.
pub const GROUP_HOURS: usize = 24;

/// Mirrored entries in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTally {
    /// Which.
    pub state: EntryState,
    /// How many.
    pub entries: u64,
    /// When the oldest of them was made.
    pub oldest: Option<Millis>,
}

/// Entries that failed in the same way (glossary: *signature*).
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    /// Eight hex digits that stand for the signature in an address.
    pub id: String,
    /// Signature.
    pub signature: String,
    /// Problem code.
    pub code: String,
    /// HTTP status.
    pub status: Option<i64>,
    /// Collection.
    pub collection: String,
    /// What one of them says.
    pub message: Option<String>,
    /// Entries, poisoned and retrying.
    pub entries: u64,
    /// Of them, poisoned: they cannot succeed by being sent again.
    pub poisoned: u64,
    /// On so many devices.
    pub devices: u64,
    /// Entries of those devices that wait behind others.
    pub waiting: u64,
    /// First of those that are there now.
    pub since: Millis,
    /// Newest of them.
    pub newest: Millis,
    /// Of the entries, new in the last hour.
    pub last_hour: u64,
    /// New entries in each of the last 24 hours, oldest first.
    pub hours: [u32; GROUP_HOURS],
    /// App versions of the devices, most devices first, three at most, with their devices.
    pub versions: Vec<(String, u64)>,
}

/// Mirrored entries of one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionTally {
    /// Which.
    pub collection: String,
    /// Entries in each state, as [`EntryState::ALL`].
    pub states: [u64; STATES],
    /// Devices that have any.
    pub devices: u64,
    /// When the oldest that is still to be sent was made.
    pub oldest: Option<Millis>,
}

impl CollectionTally {
    /// Entries that are still to be sent.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.states[..STATES_REPORTED].iter().sum()
    }

    /// Entries that were drained.
    #[must_use]
    pub fn drained(&self) -> u64 {
        self.states[STATES_REPORTED..].iter().sum()
    }
}

/// What the fleet still has to send, counted at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxFigures {
    /// Counted at.
    pub as_of: Millis,
    /// Queue depth of the fleet, as the devices last reported it; the mirror may list fewer.
    pub depth: u64,
    /// Devices with a queue.
    pub devices: u64,
    /// Of them, past their expected contact: theirs is the last known depth.
    pub asleep: u64,
    /// Entries that the mirror lists in all, those that were drained among them; counted apart from the states, which add up to it.
    pub mirrored: u64,
    /// As [`EntryState::ALL`].
    pub states: [StateTally; STATES],
    /// Groups of failures: what needs a person first, then by devices.
    pub groups: Vec<FailureGroup>,
    /// Groups there are in all.
    pub groups_all: u64,
    /// Collections, most entries first.
    pub collections: Vec<CollectionTally>,
}

impl OutboxFigures {
    /// Entries that the mirror lists and that are still to be sent.
    #[must_use]
    pub fn listed(&self) -> u64 {
        self.states.iter().filter(|tally| !tally.state.is_drained()).map(|tally| tally.entries).sum()
    }

    /// Entries that were drained.
    #[must_use]
    pub fn drained(&self) -> u64 {
        self.states.iter().filter(|tally| tally.state.is_drained()).map(|tally| tally.entries).sum()
    }
}

/// What one device still has to send.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxDevice {
    /// Its line in the device table.
    pub row: DeviceRow,
    /// Its mirrored entries in each state, as [`EntryState::ALL`].
    pub states: [u64; STATES],
}

impl OutboxDevice {
    /// The worst state that it has an entry in.
    #[must_use]
    pub fn worst(&self) -> Option<EntryState> {
        EntryState::ALL.into_iter().zip(self.states).find(|(_, entries)| *entries > 0).map(|(state, _)| state)
    }

    /// Entries that were drained.
    #[must_use]
    pub fn drained(&self) -> u64 {
        self.states[STATES_REPORTED..].iter().sum()
    }
}

/// One entry in a list across devices.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// The entry.
    pub entry: EntryRow,
    /// Name of its device.
    pub device_name: String,
    /// App version of its device.
    pub app_version: Option<String>,
    /// Entries of its device that wait behind it.
    pub blocks: u64,
    /// Action that is on its way to the device.
    pub pending: Option<DrainAction>,
    /// What becomes of its payload, when it was given up and is not kept for ever.
    pub keeping: Option<Keeping>,
}

/// An attempt that the mirror has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: Millis,
    /// Code of its failure.
    pub code: Option<String>,
    /// Its message without what differs from case to case, so without values of the payload; none of attempts that were seen before
    /// messages were kept.
    pub message: Option<String>,
    /// App version that the device had last reported.
    pub app_version: Option<String>,
}

/// What has happened to an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntryPast {
    /// Attempts, newest first; at most twenty are kept.
    pub attempts: Vec<Attempt>,
    /// The drain that it was last in.
    pub drain: Option<EntryDrain>,
}

/// The drain that an entry was last in.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryDrain {
    /// Id of the job.
    pub job: String,
    /// What was asked for.
    pub action: String,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
    /// Who approved it, where somebody had to.
    pub approved_by: Option<String>,
}

/// One entry with everything that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntryView {
    /// Its line in the list.
    pub row: OutboxRow,
    /// Group of its failure.
    pub group: Option<String>,
    /// When this server refused it for good.
    pub refused: Option<Millis>,
    /// The report that last listed it, or the refusal.
    pub seen: Millis,
    /// Attempts, newest first; at most twenty are kept.
    pub attempts: Vec<Attempt>,
    /// What waits behind it, oldest first, twenty at most.
    pub blocked: Vec<EntryRow>,
    /// What it waits for on its device, oldest first, twenty at most.
    pub waits_for: Vec<EntryRow>,
    /// Action that is on its way to the device.
    pub pending: Option<DrainAction>,
    /// Drain job that it was last in.
    pub job: Option<String>,
    /// How far the clock of its device was ahead when that was last measured, milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// The corrected copy that took its place.
    pub copy: Option<String>,
    /// The operation whose corrected copy it is.
    pub original: Option<String>,
    /// What its device has not been told yet of what was decided here.
    pub untold: Option<Untold>,
}

/// What a device has not been told yet of one of its entries, which is decided here: until it hears of that it keeps its own copy, and what
/// waits behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// What it is to do.
    pub action: DrainAction,
    /// The last command that says so.
    pub command: String,
    /// Decided at.
    pub since: Millis,
    /// So often it was said again.
    pub times: u32,
    /// Said again when the device asks after this; none while its command is open.
    pub again: Option<Millis>,
}
