//! The heart: one write against one record under one policy, decided purely. Effects come back as data.
//!
//! A decision reads its arguments and nothing else, so the same inputs decide the same way on any machine and at any time.
//! Nothing is silent: whatever a decision takes from somebody is named in its [`Dispute`].

mod deletion;
mod image;
mod lww;
mod merge;

use self::deletion::{deleted, on_tombstone};
pub use self::image::{applied, is_unset};
use self::image::{plainly, stripped, whole, written};
use self::lww::newest;
use self::merge::merged;
use crate::hlc::Ticks;
use crate::policy::{Policy, PolicyKind};
use crate::sync::{Body, MutationOp};

/// What orders two writes: clock, then device, then operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp<'a> {
    /// Effective clock.
    pub ticks: Ticks,
    /// Node that stamped it.
    pub node: &'a str,
    /// Device.
    pub client: &'a str,
    /// Operation.
    pub operation: &'a str,
}

/// The record as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Stamp of its last write.
    pub stamp: Stamp<'a>,
    /// It is a tombstone.
    pub deleted: bool,
    /// Its body; of a tombstone the last one before, empty when that is not known.
    pub body: &'a Body,
}

/// What is known of the state that a write was based on.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'a> {
    /// The record as it stands.
    Current,
    /// An older version, with its body.
    Stale(&'a Body),
    /// Nothing.
    Unknown,
}

/// The write.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What it does.
    pub op: MutationOp,
    /// Payload.
    pub fields: &'a Body,
    /// Its stamp.
    pub stamp: Stamp<'a>,
}

/// Why somebody lost something, for the conflicts log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisputeKind {
    /// The write came with an older stamp, or the rule was against it.
    Superseded,
    /// The write replaced values that it had not seen.
    Overwritten,
    /// Both sides changed a field; the rule chose.
    Merged,
    /// One side deleted, the other changed.
    Delete,
    /// A person has to decide.
    Review,
}

impl DisputeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Superseded, Self::Overwritten, Self::Merged, Self::Delete, Self::Review];

    /// As pages and URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Overwritten => "overwritten",
            Self::Merged => "merged",
            Self::Delete => "delete",
            Self::Review => "review",
        }
    }
}

/// An entry of the conflicts log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Why.
    pub kind: DisputeKind,
    /// Waits for a person.
    pub open: bool,
}

/// A change of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// How the log calls it.
    pub op: MutationOp,
    /// The body after it; `None` deletes.
    pub image: Option<Body>,
    /// Names of the fields that differ from the body before; `None` on a full image or a tombstone.
    pub changed: Option<Vec<String>>,
    /// A merge, rather than the write as it was asked for.
    pub merged: bool,
    /// Fields of the write that stand.
    pub kept: Vec<String>,
    /// Fields of the write that gave way.
    pub lost: Vec<String>,
    /// Fields of the record whose values were replaced unseen.
    pub over: Vec<String>,
    /// Who lost what.
    pub dispute: Option<Dispute>,
}

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The record changes.
    Write(Write),
    /// The record is so already.
    Noop,
    /// The record stays; the write lost.
    Superseded {
        /// Fields of the write that gave way.
        lost: Vec<String>,
        /// Why.
        kind: DisputeKind,
    },
    /// The record stays until a person decides.
    Review(DisputeKind),
    /// The record stays; the device decides with the record in hand.
    Returned,
    /// There is no such record to change.
    NotFound,
}

/// Decides one write.
#[must_use]
pub fn decide(standing: Option<Standing<'_>>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    match standing {
        None => on_nothing(asked),
        Some(standing) if standing.deleted => on_tombstone(standing, asked, ground, policy),
        Some(standing) => on_record(standing, asked, ground, policy),
    }
}

fn on_nothing(asked: Asked<'_>) -> Verdict {
    match asked.op {
        MutationOp::Create | MutationOp::Put => Verdict::Write(whole(asked.op, stripped(asked.fields))),
        MutationOp::Update => Verdict::NotFound,
        MutationOp::Delete => Verdict::Noop,
    }
}

fn on_record(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    let plain = plainly(standing.body, asked);
    if plain.as_ref() == Some(standing.body) {
        return Verdict::Noop;
    }
    match (&policy.kind, ground) {
        (PolicyKind::ManualReview { always: true }, _) => Verdict::Review(DisputeKind::Review),
        (_, Ground::Current) => Verdict::Write(written(standing.body, asked.op, plain)),
        (PolicyKind::ClientResolves, _) => Verdict::Returned,
        _ if asked.op == MutationOp::Delete => deleted(standing, asked, policy),
        (PolicyKind::ManualReview { .. }, _) => Verdict::Review(DisputeKind::Review),
        (PolicyKind::Lww, _) => newest(standing, asked, plain),
        (PolicyKind::FieldMerge { rules }, Ground::Stale(base)) => merged(standing, asked, Some(base), rules),
        (PolicyKind::FieldMerge { rules }, Ground::Unknown) => merged(standing, asked, None, rules),
    }
}

#[cfg(test)]
mod tests;
