//! What an answer came to, for whoever drives the machine.

/// What an answer changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handled {
    /// Entries that got an answer.
    pub settled: Vec<Settlement>,
    /// A page that was applied.
    pub pulled: Option<Pulled>,
    /// The request failed: its code.
    pub failed: Option<String>,
    /// A command that was carried out now: its id.
    pub obeyed: Option<String>,
    /// Entries that a command did something with.
    pub drained: Vec<String>,
}

/// The answer to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub operation_id: String,
    /// Status, in the protocol's word.
    pub status: String,
    /// Whether it was a stored answer.
    pub replayed: bool,
    /// Whether nothing changed, so that the log has no row of it.
    pub noop: bool,
    /// Position.
    pub seq: Option<i64>,
    /// Entry of the conflicts log.
    pub conflict_id: Option<String>,
    /// Problem code.
    pub code: Option<String>,
}

/// A page that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Positions of its rows.
    pub seqs: Vec<i64>,
    /// Whether it was part of a scan.
    pub scan: bool,
    /// Cursor it was asked with.
    pub since: Option<String>,
    /// Cursor it moved to.
    pub cursor: String,
}
