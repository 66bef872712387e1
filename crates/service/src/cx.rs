//! The context of a use case: who acts, when, under which request id.

use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::role::{Action, Role};
use tidewatch_domain::time::Millis;

use crate::error::{Error, Result};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has signed in.
    Anonymous,
    /// A job of the console itself.
    System,
    /// Staff in a browser.
    User {
        /// Sign-in name.
        name: String,
        /// Role.
        role: Role,
    },
    /// An API token.
    Token {
        /// Name of the token.
        name: String,
        /// Role.
        role: Role,
    },
    /// A device.
    Device {
        /// Which.
        client_id: ClientId,
        /// Who it belongs to.
        principal: String,
        /// What it may read and write.
        scopes: Vec<Scope>,
    },
    /// An enrolment token: may register devices, nothing else.
    Enrolment {
        /// Name of the token.
        name: String,
        /// Scopes that devices registered with it get.
        scopes: Vec<Scope>,
    },
}

impl Actor {
    /// As the audit log writes it.
    #[must_use]
    pub fn audit_name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::System => "system".to_owned(),
            Self::User { name, .. } => format!("user:{name}"),
            Self::Token { name, .. } => format!("token:{name}"),
            Self::Device { client_id, .. } => format!("device:{client_id}"),
            Self::Enrolment { name, .. } => format!("enrolment:{name}"),
        }
    }

    /// Role of staff or of an API token.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::User { role, .. } | Self::Token { role, .. } => Some(*role),
            _ => None,
        }
    }
}

/// Who acts, when, under which request id.
#[derive(Clone, Debug)]
pub struct Cx {
    /// Who.
    pub actor: Actor,
    /// When: the only clock a use case knows.
    pub now: Millis,
    /// Request id; what an error page and an audit row show.
    pub request_id: String,
}

impl Cx {
    /// Refuses unless the actor's role may take the action.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody, [`Error::Forbidden`] for the wrong role or for a device.
    pub fn require(&self, action: Action) -> Result<Role> {
        match (&self.actor, self.actor.role()) {
            (_, Some(role)) if role.can(action) => Ok(role),
            (Actor::Anonymous, _) => Err(Error::Unauthenticated),
            _ => Err(Error::Forbidden),
        }
    }
}
