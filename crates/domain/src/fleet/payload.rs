//! The payload of an entry, as whoever asks may see it.

use crate::drain::ArchiveOrigin;
use crate::redact::Shown;
use crate::time::Millis;

/// A payload that is here.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryPayload {
    /// Redacted, or plain while it is revealed.
    pub shown: Shown,
    /// The field that the error names.
    pub fault: Option<Vec<String>>,
    /// Until when whoever asks sees it plainly.
    pub revealed_until: Option<Millis>,
    /// Whether whoever asks may have it revealed.
    pub may_reveal: bool,
    /// Here since.
    pub at: Millis,
    /// How it came.
    pub origin: ArchiveOrigin,
    /// What a repeat of it is known by.
    pub idempotency_key: Option<String>,
    /// Schema that it was written in, where the intent itself says so.
    pub schema_version: Option<i64>,
}
