//! Staff, sessions, tokens. Owned together with `console.db` of the store.
//!
//! Secrets are made here and shown once; the store sees hashes. What takes rights away works at once in this process and
//! within a second in another one (the command line beside a running server). Sign-ins, staff and tokens of staff are
//! audited, and so is each enrolment; the quarter-hourly refresh of device tokens is not, or it would be the audit log.

mod devices;
mod password;
mod roles;
mod scopes;
mod sessions;
mod staff;
mod state;
mod tokens;

pub use devices::{DeviceTokens, Refreshed};
pub use password::PasswordCost;
pub use sessions::SessionRow;
pub use staff::User;
pub(crate) use state::Auth;
pub use tokens::{Bearer, TokenKind, TokenRow};

use sha2::{Digest, Sha256};
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::role::Action;

use crate::error::Cause;
use crate::{Actor, Cx, Error, Result, Service};

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 24;

/// SHA-256 of a token's text: what the store knows of it.
fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token: prefix and 48 hex digits.
fn token_make(prefix: &str) -> Result<String> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(Cause(Box::new(error))))?;
    Ok(format!("{prefix}{}", hex::encode(bytes)))
}

impl Cx {
    /// As [`Cx::require`], and lets the console itself (its command line) through.
    pub(crate) fn require_admin(&self, action: Action) -> Result<()> {
        if self.actor == Actor::System { Ok(()) } else { self.require(action).map(|_| ()) }
    }

    pub(crate) fn audit(&self, action: &'static str, subject: String, after: Option<serde_json::Value>) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: self.actor.audit_name(),
            action,
            subject: Some(subject),
            before: None,
            after: after.map(|value| value.to_string()),
            trace_id: Some(self.request_id.clone()),
        }
    }
}

impl Service {
    /// Housekeeping, meant for once a minute: removes ended sessions and keeps the write-ahead log of the file short.
    ///
    /// # Errors
    /// As the store.
    pub async fn auth_tidy(&self, cx: &Cx) -> Result<()> {
        self.auth.limits_forget(cx.now);
        self.store.console().sessions_purge(cx.now).await?;
        Ok(self.store.console().checkpoint().await?)
    }
}
