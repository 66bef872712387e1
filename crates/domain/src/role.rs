//! Who may do what: the one predicate that pages (disabled with the reason) and the service (refusal) both call (`product.md` 5).

use crate::control::CommandKind;

/// A role of console staff or of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Looks, and exports redacted data.
    Viewer,
    /// Helps single devices.
    Support,
    /// Runs the fleet.
    Operator,
    /// Owns flags and models.
    ProductOwner,
    /// Everything, users and tokens included.
    Admin,
}

impl Role {
    /// Every role, in the order of the table in the product description.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Support, Self::Operator, Self::ProductOwner, Self::Admin];

    /// As SQL, URL and command line write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Operator => "operator",
            Self::ProductOwner => "product_owner",
            Self::Admin => "admin",
        }
    }

    /// In words, for people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Support => "support",
            Self::Operator => "operator",
            Self::ProductOwner => "product owner",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`Role::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether this role may take the action.
    #[must_use]
    pub const fn can(self, action: Action) -> bool {
        match action {
            Action::Look | Action::ExportRedacted => true,
            Action::RevealPayload | Action::Drain | Action::CommandIssue => {
                matches!(self, Self::Support | Self::Operator | Self::Admin)
            }
            Action::DrainBulk | Action::MeshChange => matches!(self, Self::Operator | Self::Admin),
            Action::Approve => matches!(self, Self::ProductOwner | Self::Admin),
            Action::ManageUsers | Action::ManageTokens | Action::Purge => matches!(self, Self::Admin),
        }
    }
}

/// What draining so many entries is, for a role.
#[must_use]
pub const fn drain_action(entries: u64) -> Action {
    if entries > crate::drain::SUPPORT_ENTRIES_MAX { Action::DrainBulk } else { Action::Drain }
}

/// What giving or taking back a command of a kind is, for a role.
#[must_use]
pub const fn command_action(kind: CommandKind) -> Action {
    match kind {
        CommandKind::Mesh => Action::MeshChange,
        _ => Action::CommandIssue,
    }
}

/// What somebody may do. An action enters this list with the feature that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read any page.
    Look,
    /// Export rows with payloads masked.
    ExportRedacted,
    /// See a masked payload, with a reason.
    RevealPayload,
    /// Drain at most [`crate::drain::SUPPORT_ENTRIES_MAX`] entries, and steer a job of that size.
    Drain,
    /// Drain more than that.
    DrainBulk,
    /// Approve what somebody else has asked for; never one's own.
    Approve,
    /// Send a command to one device.
    CommandIssue,
    /// Change how a device uses its mesh.
    MeshChange,
    /// Add, change or remove staff.
    ManageUsers,
    /// Make or revoke enrolment and API tokens, and those of devices.
    ManageTokens,
    /// Purge what retention does not keep, before the clock does.
    Purge,
}

impl Action {
    /// Every action: the authorisation matrix test walks it.
    pub const ALL: [Self; 11] = [
        Self::Look,
        Self::ExportRedacted,
        Self::RevealPayload,
        Self::Drain,
        Self::DrainBulk,
        Self::Approve,
        Self::CommandIssue,
        Self::MeshChange,
        Self::ManageUsers,
        Self::ManageTokens,
        Self::Purge,
    ];
}
