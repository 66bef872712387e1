//! What a virtual run must satisfy: one checker a file. Each takes what was observed and names what broke.

pub mod commands_obeyed;
pub mod conflict_accounted;
pub mod convergence;
pub mod cursor_monotonic;
pub mod exactly_once;
pub mod liveness;
pub mod no_lost_mutation;

use std::collections::{BTreeMap, HashMap, HashSet};

use tidewatch_client::replica::Key;
use tidewatch_client::{Pulled, Settlement};

/// What a run left behind, for the checkers.
#[derive(Debug, Default)]
pub struct Observed {
    /// By device.
    pub devices: Vec<DeviceObserved>,
    /// The log, in order.
    pub log: Vec<LogRow>,
    /// The log again, every member of every row: what two runs of one seed must agree on.
    pub log_lines: Vec<String>,
    /// The store's state by scope, as a reader with nothing of its own sees it: record, version, canonical body.
    pub state: BTreeMap<String, BTreeMap<Key, (i64, String)>>,
    /// Commands that were given out, as the store has them.
    pub commands: Vec<CommandSeen>,
    /// Device and operation of every entry that a command did something with and that the store knows: its payload is in the archive, or
    /// it has an answer.
    pub archived: HashSet<(String, String)>,
    /// Whether the calm ended before its limit of rounds.
    pub settled: bool,
}

/// What one device did and knows.
#[derive(Debug, Default)]
pub struct DeviceObserved {
    /// Its name.
    pub name: String,
    /// Its id.
    pub client_id: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// Operations it queued, durably.
    pub queued: Vec<String>,
    /// Every answer, in order; the same operation may be answered again when the answer was not written down.
    pub answers: Vec<Settlement>,
    /// Every page it applied, in order; a crash may take it back to an earlier one.
    pub pages: Vec<PageSeen>,
    /// Commands that it carried out, and when.
    pub obeyed: Vec<(String, i64)>,
    /// Operations that a command did something with.
    pub drained: Vec<String>,
    /// Operations left in its outbox, and whether each is poisoned or stands behind a poisoned one.
    pub left: HashMap<String, bool>,
    /// Its confirmed records at the end.
    pub records: BTreeMap<String, BTreeMap<Key, (i64, String)>>,
}

/// A command as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSeen {
    /// Id.
    pub id: String,
    /// State.
    pub state: String,
    /// In it since.
    pub changed_ms: i64,
}

/// A page as a device applied it.
#[derive(Debug)]
pub struct PageSeen {
    /// Starts of the process before it.
    pub start: u64,
    /// The page.
    pub pulled: Pulled,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Position.
    pub seq: i64,
    /// Record.
    pub key: Key,
    /// Version.
    pub version: i64,
    /// Device.
    pub client_id: String,
    /// Operation.
    pub operation_id: String,
}

/// One invariant: what breaks it, a line each.
type Check = fn(&Observed) -> Vec<String>;

impl Observed {
    /// Runs every checker and answers what broke, each line with the checker's name.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        const CHECKS: [(&str, Check); 7] = [
            ("liveness", liveness::check),
            ("no_lost_mutation", no_lost_mutation::check),
            ("exactly_once", exactly_once::check),
            ("convergence", convergence::check),
            ("cursor_monotonic", cursor_monotonic::check),
            ("conflict_accounted", conflict_accounted::check),
            ("commands_obeyed", commands_obeyed::check),
        ];
        let named = |(name, check): (&'static str, Check)| check(self).into_iter().map(move |fault| format!("{name}: {fault}"));
        CHECKS.into_iter().flat_map(named).collect()
    }
}

#[cfg(test)]
mod tests;
