//! Tokens of devices: enrolment, the quarter-hourly refresh, revocation.

use serde_json::json;
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::role::Action;
use tidewatch_domain::sync::ClientRegistration;
use tidewatch_domain::time::{DAY_MS, MINUTE_MS, Millis};
use tidewatch_store::console::{DeviceTokenRow, RefreshUse};

use super::state::Known;
use super::{token_hash, token_make};
use crate::{Actor, Cx, Error, Result, Service};

/// How long an access token works.
const ACCESS_MS: i64 = 15 * MINUTE_MS;
/// How long a refresh token works: devices may be away for a season.
const REFRESH_MS: i64 = 90 * DAY_MS;

/// Tokens of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTokens {
    /// Bearer token of requests.
    pub access_token: String,
    /// It ends in.
    pub access_expires_in_s: u32,
    /// Buys the next pair; works once.
    pub refresh_token: String,
}

/// What a refresh token bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The next pair of this device.
    Tokens(ClientId, DeviceTokens),
    /// Nothing: it has ended.
    Expired,
    /// Nothing: it is not known, was used, or was revoked.
    Unknown,
}

impl DeviceTokens {
    fn make() -> Result<Self> {
        let access_expires_in_s = u32::try_from(ACCESS_MS / 1_000).expect("a quarter of an hour");
        Ok(Self { access_token: token_make("twd_")?, access_expires_in_s, refresh_token: token_make("twr_")? })
    }
}

impl Service {
    /// Registers a device with an enrolment token and gives it its tokens. Answers its id, whether it is new, and the pair.
    ///
    /// # Errors
    /// Forbidden for another actor; client blocked when staff revoked its tokens; invalid with field `scopes` for a scope that the enrolment token does not give.
    pub async fn device_enrol(&self, cx: &Cx, mut registration: ClientRegistration) -> Result<(ClientId, bool, DeviceTokens)> {
        let Actor::Enrolment { name, scopes } = &cx.actor else { return Err(Error::Forbidden) };
        if registration.scopes.iter().any(|scope| !scopes.contains(scope)) {
            return Err(Error::Invalid { field: "scopes", detail: "must be among those of the enrolment token".to_owned() });
        }
        if registration.scopes.is_empty() {
            registration.scopes.clone_from(scopes);
        }
        if registration.principal.is_empty() {
            registration.principal.clone_from(name);
        }
        if let Some(client_id) = &registration.client_id
            && self.store.console().device_tokens_revoked(client_id).await?
        {
            return Err(Error::ClientBlocked);
        }
        let (principal, scopes) = (registration.principal.clone(), registration.scopes.clone());
        let (client_id, new) = self.client_register(cx, registration).await?;
        let tokens = self.device_tokens_issue(cx, &client_id, &principal, &scopes).await?;
        let action = if new { "device_enrol" } else { "device_enrol_again" };
        self.audit_append(cx.audit(action, format!("device:{client_id}"), Some(json!({"principal": principal})))).await?;
        Ok((client_id, new, tokens))
    }

    /// Makes the pair for a device that was just registered, in place of any other.
    ///
    /// # Errors
    /// Client blocked when staff revoked its tokens.
    pub async fn device_tokens_issue(
        &self,
        cx: &Cx,
        client_id: &ClientId,
        principal: &str,
        scopes: &[Scope],
    ) -> Result<DeviceTokens> {
        let tokens = DeviceTokens::make()?;
        let row = DeviceTokenRow {
            client_id: client_id.clone(),
            principal: principal.to_owned(),
            scopes: scopes.to_vec(),
            access_hash: token_hash(&tokens.access_token),
            access_expires: cx.now.plus(ACCESS_MS),
            refresh_hash: token_hash(&tokens.refresh_token),
            refresh_expires: cx.now.plus(REFRESH_MS),
            previous_works: false,
            revoked: None,
        };
        self.auth.device_forget(client_id);
        if self.store.console().device_tokens_put(&row, cx.now).await? { Ok(tokens) } else { Err(Error::ClientBlocked) }
    }

    /// Buys the next pair. The answer may be lost: the same token works again until the new pair has been used.
    ///
    /// # Errors
    /// As the store.
    pub async fn device_tokens_refresh(&self, now: Millis, refresh_token: &str) -> Result<Refreshed> {
        let tokens = DeviceTokens::make()?;
        let next =
            (token_hash(&tokens.access_token), now.plus(ACCESS_MS), token_hash(&tokens.refresh_token), now.plus(REFRESH_MS));
        Ok(match self.store.console().device_tokens_rotate(&token_hash(refresh_token), next, now).await? {
            RefreshUse::Rotated(client_id) => {
                self.auth.device_forget(&client_id);
                Refreshed::Tokens(client_id, tokens)
            }
            RefreshUse::Expired => Refreshed::Expired,
            RefreshUse::Unknown => Refreshed::Unknown,
        })
    }

    /// Revokes the tokens of a device for good; it cannot enrol again under its id, and what it has signed is not taken from others any more.
    ///
    /// # Errors
    /// Forbidden, not found.
    pub async fn device_tokens_revoke(&self, cx: &Cx, client_id: &ClientId) -> Result<()> {
        cx.require_admin(Action::ManageTokens)?;
        self.store.console().device_tokens_revoke(client_id, cx.now).await?;
        self.auth.device_forget(client_id);
        self.store.sync().client_block(client_id.clone(), true).await?;
        self.commands_close(cx, client_id).await?;
        self.audit_append(cx.audit("device_tokens_revoke", format!("device:{client_id}"), None)).await
    }

    pub(super) async fn device_bearer(&self, hash: &[u8; 32]) -> Result<Option<Known>> {
        let Some(row) = self.store.console().device_tokens_by_access(hash).await?.filter(|row| row.revoked.is_none()) else {
            return Ok(None);
        };
        if row.previous_works {
            self.store.console().device_tokens_confirm(hash).await?;
        }
        // What the device may read and write now is in the log's own list: it may have changed since its tokens were made.
        let scopes = self.store.sync().client(&row.client_id).map_or(row.scopes, |known| known.scopes.to_vec());
        let actor = Actor::Device { client_id: row.client_id, principal: row.principal, scopes };
        Ok(Some(Known { actor, until: Some(row.access_expires) }))
    }
}
