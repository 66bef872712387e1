//! Lines of a client's log, as devices keep and upload them.

use crate::time::Millis;

/// Most lines of one upload.
pub const LOG_LINES_MAX: usize = 10_000;
/// Most bytes of one upload, as lines of JSON.
pub const LOG_BYTES_MAX: usize = 1024 * 1024;
/// Longest name of what wrote a line, bytes.
pub const LOG_TARGET_BYTES_MAX: usize = 128;
/// Longest message of a line, bytes.
pub const LOG_MESSAGE_BYTES_MAX: usize = 2_000;
/// Uploads of one device that are kept; an older one makes room for a newer.
pub const LOG_UPLOADS_KEPT: u32 = 5;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For whoever looks into one case.
    Trace,
    /// For whoever looks into the app.
    Debug,
    /// What it did.
    Info,
    /// It went on in spite of something.
    Warn,
    /// Something did not work.
    Error,
}

impl LogLevel {
    /// Every level, the least first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As wire and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Reads what [`LogLevel::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// By the clock of the device.
    pub at: Millis,
    /// How much it matters.
    pub level: LogLevel,
    /// What wrote it, e.g. `sync.push`.
    pub target: String,
    /// What happened, in one line without control characters; never a payload or a secret.
    pub message: String,
}

/// What one upload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsHeld {
    /// Lines.
    pub lines: u64,
    /// Bytes, as lines of JSON.
    pub bytes: u64,
    /// Since when the log of the device goes back; older lines were lost to a restart or to its limit.
    pub begins: Option<Millis>,
    /// Lines that its limit cost it since then.
    pub dropped: u64,
    /// Stored at.
    pub stored: Millis,
}
