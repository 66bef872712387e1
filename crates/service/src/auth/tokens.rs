//! Bearer tokens: what staff make, and who any of them stands for.

use serde_json::json;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::{Action, Role};
use tidewatch_domain::time::Millis;
use tidewatch_store::console::TokenInsert;
pub use tidewatch_store::console::TokenRow;

use super::state::Known;
use super::{token_hash, token_make};
use crate::{Actor, Cx, Error, Result, Service};

/// Most tokens that are listed.
const TOKENS_MAX: u32 = 500;
/// Tokens that were made with one another which are followed to a person.
const MAKERS_MAX: usize = 16;
/// Longest text that can be a token of ours.
const TOKEN_BYTES_MAX: usize = 128;

/// Kind of a token that staff make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Registers devices, which get these scopes.
    Enrolment {
        /// Scopes.
        scopes: Vec<Scope>,
    },
    /// Calls the console's API with this role.
    Api {
        /// Role.
        role: Role,
    },
}

/// What a bearer token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// It stands for somebody.
    Known(Actor),
    /// It did, and has ended by its time.
    Expired,
    /// Not known here, or revoked.
    Unknown,
}

impl Service {
    /// Makes a token; its text is answered once.
    ///
    /// # Errors
    /// Forbidden; invalid with field `name` (also when it is taken) or `scopes`.
    pub async fn token_create(&self, cx: &Cx, name: &str, kind: TokenKind) -> Result<String> {
        cx.require_admin(Action::ManageTokens)?;
        let ok = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(ok) {
            return Err(Error::Invalid { field: "name", detail: "must be 1 to 64 characters of A-Z a-z 0-9 . _ -".to_owned() });
        }
        let (prefix, role, scopes) = match kind {
            TokenKind::Enrolment { scopes } => ("twe_", None, scopes),
            TokenKind::Api { role } => ("twa_", Some(role), Vec::new()),
        };
        if role.is_none() && scopes.is_empty() {
            return Err(Error::Invalid { field: "scopes", detail: "an enrolment token needs one at least".to_owned() });
        }
        let token = token_make(prefix)?;
        let after = json!({"role": role.map(Role::as_str), "scopes": scopes.iter().map(Scope::as_str).collect::<Vec<_>>()});
        let row =
            TokenRow { name: name.to_owned(), role, scopes, created: cx.now, created_by: cx.actor.audit_name(), revoked: None };
        match self.store.console().token_insert(&TokenInsert { row, hash: token_hash(&token) }).await {
            Err(tidewatch_store::Error::Constraint(_)) => {
                return Err(Error::Invalid { field: "name", detail: "is taken".to_owned() });
            }
            done => done?,
        }
        self.audit_append(cx.audit("token_create", format!("token:{name}"), Some(after))).await?;
        Ok(token)
    }

    /// The person behind a name of the audit log: a token acts for whoever made it, also when that was done with another token. One that was
    /// made at the command line of the machine acts for itself, since nobody else is known.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn person(&self, audit_name: &str) -> Result<String> {
        let mut person = audit_name.to_owned();
        for _ in 0..MAKERS_MAX {
            let Some(token) = person.strip_prefix("token:") else { break };
            match self.store.console().token_maker(token).await? {
                Some(maker) if maker != Actor::System.audit_name() => person = maker,
                _ => break,
            }
        }
        Ok(person)
    }

    /// Tokens of staff by name, 500 at most, revoked ones included.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn tokens_list(&self, cx: &Cx) -> Result<Vec<TokenRow>> {
        cx.require_admin(Action::ManageTokens)?;
        Ok(self.store.console().tokens_list(TOKENS_MAX).await?)
    }

    /// Revokes a token of staff for good.
    ///
    /// # Errors
    /// Forbidden, not found.
    pub async fn token_revoke(&self, cx: &Cx, name: &str) -> Result<()> {
        cx.require_admin(Action::ManageTokens)?;
        self.store.console().token_revoke(name, cx.now).await?;
        self.auth.forget();
        self.audit_append(cx.audit("token_revoke", format!("token:{name}"), None)).await
    }

    /// Who a bearer token stands for. Answered from memory for tokens seen before.
    ///
    /// # Errors
    /// As the store.
    pub async fn bearer(&self, now: Millis, token: &str) -> Result<Bearer> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(Bearer::Unknown);
        }
        self.revision_check(now).await?;
        let hash = token_hash(token);
        let known = match self.auth.bearer(&hash) {
            Some(known) => Some(known),
            None => self.bearer_look_up(&hash, token).await?,
        };
        Ok(match known {
            None => Bearer::Unknown,
            Some(known) if known.until.is_some_and(|until| until <= now) => Bearer::Expired,
            Some(known) => Bearer::Known(known.actor),
        })
    }

    async fn bearer_look_up(&self, hash: &[u8; 32], token: &str) -> Result<Option<Known>> {
        let known = match token.get(..4) {
            Some("twd_") => self.device_bearer(hash).await?,
            Some("twe_" | "twa_") => self.staff_bearer(hash).await?,
            _ => None,
        };
        if let Some(known) = &known {
            self.auth.bearer_keep(*hash, known.clone());
        }
        Ok(known)
    }

    async fn staff_bearer(&self, hash: &[u8; 32]) -> Result<Option<Known>> {
        let row = self.store.console().token_by_hash(hash).await?.filter(|row| row.revoked.is_none());
        Ok(row.map(|row| {
            let actor = match row.role {
                Some(role) => Actor::Token { name: row.name, role },
                None => Actor::Enrolment { name: row.name, scopes: row.scopes },
            };
            Known { actor, until: None }
        }))
    }
}
