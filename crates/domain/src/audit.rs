//! What people and the console did: one row per action, chained so that a removed row shows.

use crate::time::Millis;

/// One audit row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Position in the audit log.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// Who: `user:maya`, `token:ci`, `device:<id>`, `system`.
    pub actor: String,
    /// What: `<noun>_<verb>`, e.g. `session_create`, `token_revoke`.
    pub action: String,
    /// On what, e.g. `user:maya`.
    pub subject: Option<String>,
    /// State before, as redacted JSON text.
    pub before: Option<String>,
    /// State after, as redacted JSON text.
    pub after: Option<String>,
    /// Request id.
    pub trace_id: Option<String>,
}

/// An audit row before it has a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Millis,
    /// See [`AuditEvent::actor`].
    pub actor: String,
    /// See [`AuditEvent::action`].
    pub action: &'static str,
    /// See [`AuditEvent::subject`].
    pub subject: Option<String>,
    /// See [`AuditEvent::before`].
    pub before: Option<String>,
    /// See [`AuditEvent::after`].
    pub after: Option<String>,
    /// See [`AuditEvent::trace_id`].
    pub trace_id: Option<String>,
}
