//! Staff, sessions, tokens. Owned together with `console.db` of the store.

use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;

use crate::{Actor, Cx, Result, Service};

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Sign-in name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Since.
    pub created: Millis,
}

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

impl Service {
    /// Checks name and password; rate-limited by name; audited either way. Takes the same time for an unknown name.
    ///
    /// # Errors
    /// Unauthenticated, or rate-limited.
    pub async fn sign_in(&self, cx: &Cx, name: &str, password: &str) -> Result<User> {
        let _ = (cx, name, password);
        unimplemented!()
    }

    /// The first-run admin: made when there is no user yet; its password is returned once.
    ///
    /// # Errors
    /// As the store.
    pub async fn first_admin(&self, cx: &Cx) -> Result<Option<(User, String)>> {
        let _ = cx;
        unimplemented!()
    }

    /// Who a bearer token stands for.
    ///
    /// # Errors
    /// Unauthenticated for an unknown, expired or revoked token.
    pub async fn bearer(&self, now: Millis, token: &str) -> Result<Actor> {
        let _ = (now, token);
        unimplemented!()
    }

    /// Makes the pair for a device that was just registered.
    ///
    /// # Errors
    /// As the store.
    pub async fn device_tokens_issue(&self, cx: &Cx, client_id: &ClientId) -> Result<DeviceTokens> {
        let _ = (cx, client_id);
        unimplemented!()
    }
}
