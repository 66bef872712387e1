//! Conflict policies: how a collection settles two writes that did not know of each other (`protocol.md` 2.7).
//!
//! A policy is JSON text; revisions are kept, because a decision can be made again only under the revision that made it.

pub(crate) mod guard;
mod natural;
mod read;
mod steps;
mod wish;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::guard::{Guard, GuardRule};
pub use self::natural::{NaturalKey, NaturalValue};
pub use self::steps::{SchemaStep, SchemaSteps};
pub use self::wish::ConflictWish;
use crate::command::CommandRule;
use crate::crdt::CrdtType;
use crate::expr::Expr;
use crate::sync::Body;

/// Which clock orders writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyClock {
    /// Arrival: a three-day-old offline edit beats yesterday's online edit.
    Server,
    /// Edit time by the device's hybrid logical clock, bounded by the server's.
    #[default]
    Hlc,
}

/// What happens when both sides changed one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldRule {
    /// The newer stamp.
    #[default]
    Lww,
    /// The greater value.
    Max,
    /// The smaller value.
    Min,
    /// The store's value.
    Server,
    /// The device's value.
    Client,
    /// Both changes of a number are added up.
    SumDelta,
    /// A person decides.
    Manual,
}

impl FieldRule {
    const NAMES: [(&'static str, Self); 7] = [
        ("lww", Self::Lww),
        ("max", Self::Max),
        ("min", Self::Min),
        ("server", Self::Server),
        ("client", Self::Client),
        ("sum_delta", Self::SumDelta),
        ("manual", Self::Manual),
    ];
}

/// Who wins when one side deleted and the other changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteRule {
    /// The deletion.
    DeleteWins,
    /// The change.
    UpdateWins,
    /// A person decides.
    Manual,
    /// The newer stamp.
    Stamp,
}

impl DeleteRule {
    const NAMES: [(&'static str, Self); 4] =
        [("delete_wins", Self::DeleteWins), ("update_wins", Self::UpdateWins), ("manual", Self::Manual), ("stamp", Self::Stamp)];
}

/// Kind of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// The newer write of the whole record wins.
    Lww,
    /// The newer write of each field wins.
    LwwField,
    /// Three-way by field.
    FieldMerge {
        /// Rules of single fields; the others use the newer stamp.
        rules: BTreeMap<String, FieldRule>,
        /// Fields that are computed from the others after every write, in this order.
        derive: Vec<(String, Expr)>,
    },
    /// The write of the higher role wins; among equals the newer one.
    HigherRoleWins,
    /// Whoever comes second writes a branch, which a later write merges.
    VersionControl,
    /// Records are made and never changed.
    AppendOnly,
    /// Some fields merge by themselves; the newer write of the others wins.
    Crdt {
        /// Those fields.
        fields: BTreeMap<String, CrdtType>,
    },
    /// A person decides.
    ManualReview {
        /// Also when nothing is concurrent.
        always: bool,
    },
    /// The device gets the store's record and decides itself.
    ClientResolves,
}

impl PolicyKind {
    /// Every kind, as a policy names it.
    pub const NAMES: [&'static str; 9] = [
        "lww",
        "lww_field",
        "field_merge",
        "higher_role_wins",
        "version_control",
        "append_only",
        "crdt",
        "manual_review",
        "client_resolves",
    ];
}

/// Type of a field, for the check of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    Array,
}

impl FieldType {
    const NAMES: [(&'static str, Self); 6] = [
        ("string", Self::String),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("object", Self::Object),
        ("array", Self::Array),
    ];

    /// As the policy writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Reads what [`FieldType::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|x| x.fract() == 0.0),
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
        }
    }
}

/// A collection's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Kind.
    pub kind: PolicyKind,
    /// Clock that orders writes.
    pub clock: PolicyClock,
    /// Delete against change.
    pub delete: DeleteRule,
    /// Types of fields; a field that is not named may hold anything.
    pub fields: BTreeMap<String, FieldType>,
    /// Conditions that a write must meet before anything else is decided.
    pub guards: Vec<Guard>,
    /// What makes two records the same thing.
    pub natural_key: Option<NaturalKey>,
    /// Fields that wait for a person are locked until they are decided.
    pub lock: bool,
    /// Conflicts are detected by vector clocks.
    pub vector: bool,
    /// Steps between the schema versions of the collection.
    pub steps: SchemaSteps,
    /// Wishes of devices for a conflict that are honoured.
    pub client_may: Vec<ConflictWish>,
    /// Named commands.
    pub commands: BTreeMap<String, CommandRule>,
}

/// A policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy member `{member}` {problem}")]
pub struct PolicyError {
    /// Which member.
    pub member: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Policy {
    /// Name of the kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            PolicyKind::Lww => "lww",
            PolicyKind::LwwField => "lww_field",
            PolicyKind::FieldMerge { .. } => "field_merge",
            PolicyKind::HigherRoleWins => "higher_role_wins",
            PolicyKind::VersionControl => "version_control",
            PolicyKind::AppendOnly => "append_only",
            PolicyKind::Crdt { .. } => "crdt",
            PolicyKind::ManualReview { .. } => "manual_review",
            PolicyKind::ClientResolves => "client_resolves",
        }
    }

    /// Whether a decision needs the body that a stale write was based on.
    #[must_use]
    pub fn needs_base(&self) -> bool {
        let merges = self.client_may.contains(&ConflictWish::Merge);
        merges || matches!(self.kind, PolicyKind::FieldMerge { .. } | PolicyKind::VersionControl)
    }

    /// Whether its records may move between scopes: not those that are never changed, and not those that a scope is part of the
    /// name of.
    #[must_use]
    pub const fn lets_move(&self) -> bool {
        self.natural_key.is_none() && !matches!(self.kind, PolicyKind::AppendOnly)
    }

    /// Whether a guard may ask for the word of a person.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.guards.iter().any(|guard| matches!(guard.rule, GuardRule::RequireApproval(_)))
    }

    /// Type of a field that merges by itself.
    #[must_use]
    pub fn crdt(&self, field: &str) -> Option<CrdtType> {
        match &self.kind {
            PolicyKind::Crdt { fields } => fields.get(field).copied(),
            _ => None,
        }
    }

    /// Whether a record may hold more than was written to it.
    #[must_use]
    pub const fn derives(&self) -> bool {
        matches!(&self.kind, PolicyKind::FieldMerge { derive, .. } if !derive.is_empty())
    }

    /// The first field of a payload that holds another type than the schema says, with that type. `null` fits every type, and
    /// so does an encrypted value.
    #[must_use]
    pub fn misfit<'a>(&self, fields: &'a Body) -> Option<(&'a str, FieldType)> {
        if self.fields.is_empty() {
            return None;
        }
        fields.iter().find_map(|(name, value)| {
            let wanted = *self.fields.get(name)?;
            let opaque = crate::decide::is_unset(value) || crate::patch::is_encrypted(value);
            let fits = value.is_null() || opaque || wanted.accepts(value);
            (!fits).then_some((name.as_str(), wanted))
        })
    }
}

#[cfg(test)]
mod tests;
