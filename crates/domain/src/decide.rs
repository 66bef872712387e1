//! The heart: one write against one record under one policy, decided purely. Effects come back as data.
//!
//! A decision reads its arguments and nothing else, so the same inputs decide the same way on any machine and at any time.
//! Nothing is silent: whatever a decision takes from somebody is named in its [`Dispute`].

mod branch;
mod crdt;
mod deletion;
mod derive;
mod fields;
mod image;
mod lww;
mod merge;
mod meta;
mod settle;
mod wish;

use std::convert::identity;

use self::branch::branched;
use self::crdt::{on_crdt, plain_fields};
use self::deletion::{deleted, on_tombstone};
use self::derive::derived;
use self::fields::newest_by_field;
pub use self::image::{applied, is_unset};
use self::image::{differing, names, plainly, stripped, whole, written};
use self::lww::newest;
use self::merge::merged;
pub use self::meta::{Detail, Meta};
pub use self::settle::{overtaken, settled};
use self::wish::wished;
use crate::hlc::Ticks;
use crate::policy::guard::{GuardCase, GuardFinding, guards_check};
use crate::policy::{ConflictWish, DeleteRule, FieldRule, Policy, PolicyClock, PolicyKind};
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
    /// What the policy keeps beside the body.
    pub meta: &'a Meta,
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
    /// Role of the device, if it has one.
    pub role: Option<&'a str>,
    /// Rank of that role; 0 without one.
    pub rank: i64,
    /// What the device would like to become of a conflict, if the policy listens to it.
    pub wish: Option<ConflictWish>,
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
    /// The write became a branch beside the record.
    Branch,
    /// A guard asks for the word of a person.
    Approval,
    /// The same thing was recorded twice; the first record stands.
    Duplicate,
}

impl DisputeKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Superseded,
        Self::Overwritten,
        Self::Merged,
        Self::Delete,
        Self::Review,
        Self::Branch,
        Self::Approval,
        Self::Duplicate,
    ];

    /// As pages and URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Overwritten => "overwritten",
            Self::Merged => "merged",
            Self::Delete => "delete",
            Self::Review => "review",
            Self::Branch => "branch",
            Self::Approval => "approval",
            Self::Duplicate => "duplicate",
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
    /// Fields that carry the stamp of this write from now on, where the policy keeps one for each.
    pub stamped: Option<Vec<String>>,
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
    /// The record stays until a person approves, because the guard of this name asks for it.
    Approval(String),
    /// The write says something that its collection does not take.
    Invalid(String),
    /// The guard of this name refuses the write.
    Denied(String),
    /// The record stays, and this body stands beside it until both are merged.
    Branch(Body),
    /// The record stays; the device decides with the record in hand.
    Returned,
    /// There is no such record to change.
    NotFound,
}

/// Decides one write.
#[must_use]
pub fn decide(standing: Option<Standing<'_>>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    if asked.op == MutationOp::Crdt {
        return on_crdt(standing, asked, policy, identity);
    }
    if let PolicyKind::Crdt { fields } = &policy.kind
        && let Some(whole) = plain_fields(standing, asked, fields)
    {
        return plainly_decided(standing, Asked { fields: &whole, ..asked }, ground, policy);
    }
    plainly_decided(standing, asked, ground, policy)
}

/// Decides a write of plain fields.
fn plainly_decided(standing: Option<Standing<'_>>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    if let Some(refused) = guarded(standing, asked, policy) {
        return refused;
    }
    let verdict = match standing {
        None => on_nothing(asked),
        Some(standing) if standing.deleted => on_tombstone(standing, asked, ground, policy),
        Some(standing) => on_record(standing, asked, ground, policy),
    };
    match verdict {
        Verdict::Write(write) => completed(standing, asked, policy, write),
        other => other,
    }
}

/// Whether the write of the device comes after the record's last one, as the policy orders them.
fn is_newer(standing: Standing<'_>, asked: Asked<'_>, policy: &Policy) -> bool {
    match policy.kind {
        PolicyKind::HigherRoleWins => (asked.rank, asked.stamp) > (standing.meta.rank.unwrap_or(0), standing.stamp),
        _ => asked.stamp > standing.stamp,
    }
}

/// What the guards have against a write. One that would change nothing needs no leave.
fn guarded(standing: Option<Standing<'_>>, asked: Asked<'_>, policy: &Policy) -> Option<Verdict> {
    if policy.guards.is_empty() {
        return None;
    }
    let before = standing.map_or_else(Body::new, |standing| standing.body.clone());
    guarded_image(standing, asked, plainly(&before, asked).as_ref(), policy)
}

/// The same, with the record as the write would leave it.
fn guarded_image(standing: Option<Standing<'_>>, asked: Asked<'_>, new: Option<&Body>, policy: &Policy) -> Option<Verdict> {
    let old = standing.filter(|standing| !standing.deleted).map(|standing| standing.body);
    if new == old {
        return None;
    }
    let case = GuardCase { old, new, op: asked.op.as_str(), role: asked.role, rank: asked.rank };
    guards_check(&policy.guards, case).map(|finding| match finding {
        GuardFinding::Refused(guard) => Verdict::Denied(guard.to_owned()),
        GuardFinding::Approval(guard) => Verdict::Approval(guard.to_owned()),
    })
}

fn on_nothing(asked: Asked<'_>) -> Verdict {
    match asked.op {
        MutationOp::Create | MutationOp::Put => Verdict::Write(whole(asked.op, stripped(asked.fields))),
        MutationOp::Update | MutationOp::Crdt => Verdict::NotFound,
        MutationOp::Delete => Verdict::Noop,
    }
}

fn on_record(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    let plain = plainly(standing.body, asked);
    let by_field = policy.kind == PolicyKind::LwwField && asked.op != MutationOp::Delete;
    if by_field && asked.wish.is_none() && !matches!(ground, Ground::Current) {
        return newest_by_field(standing, asked);
    }
    if plain.as_ref() == Some(standing.body) && !adds_up(asked, ground, policy) {
        return confirmed(standing, asked, ground, policy, Some(standing.body.clone()));
    }
    match (&policy.kind, ground) {
        (PolicyKind::AppendOnly, _) => kept_as_made(asked),
        (PolicyKind::ManualReview { always: true }, _) => Verdict::Review(DisputeKind::Review),
        (_, Ground::Current) => Verdict::Write(written(standing.body, asked.op, plain)),
        _ if asked.wish.is_some() => wished(standing, asked, ground, policy, plain),
        (PolicyKind::ClientResolves, _) => Verdict::Returned,
        _ if asked.op == MutationOp::Delete => deleted(standing, asked, policy),
        (PolicyKind::ManualReview { .. }, _) => Verdict::Review(DisputeKind::Review),
        (PolicyKind::VersionControl, _) => branched(standing, asked, ground, plain),
        (PolicyKind::Lww | PolicyKind::LwwField | PolicyKind::HigherRoleWins | PolicyKind::Crdt { .. }, _) => {
            newest(standing, asked, plain, is_newer(standing, asked, policy))
        }
        (PolicyKind::FieldMerge { rules, derive }, Ground::Stale(base)) => merged(standing, asked, Some(base), rules, derive),
        (PolicyKind::FieldMerge { rules, derive }, Ground::Unknown) => merged(standing, asked, None, rules, derive),
    }
}

/// Whether a write may change a record that is already as it asks for: where changes add up, the other side's change to the same value
/// was another change.
fn adds_up(asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> bool {
    let PolicyKind::FieldMerge { rules, .. } = &policy.kind else { return false };
    let merges = matches!(ground, Ground::Stale(_)) && matches!(asked.wish, None | Some(ConflictWish::Merge));
    merges && asked.op != MutationOp::Delete && rules.values().any(|rule| *rule == FieldRule::SumDelta)
}

/// A write that says what the record says already. One that did not know it and is newer leaves its stamp, as it would have if
/// it had come first: a write of between the two must not win because of the order of arrival. Where arrival is the clock, it
/// could not.
fn confirmed(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy, image: Option<Body>) -> Verdict {
    let by_stamp = match (&policy.kind, &image) {
        (_, None) => policy.delete == DeleteRule::Stamp,
        (kind, Some(_)) => matches!(kind, PolicyKind::Lww | PolicyKind::HigherRoleWins | PolicyKind::Crdt { .. }),
    };
    let unseen = !matches!(ground, Ground::Current) && policy.clock == PolicyClock::Hlc;
    if !(by_stamp && unseen && is_newer(standing, asked, policy)) {
        return Verdict::Noop;
    }
    let op = if image.is_some() { MutationOp::Update } else { MutationOp::Delete };
    Verdict::Write(written(standing.body, op, image))
}

/// What was recorded stands. A second record under the same id loses, and a change is refused.
fn kept_as_made(asked: Asked<'_>) -> Verdict {
    match asked.op {
        MutationOp::Create | MutationOp::Put => Verdict::Superseded { lost: names(asked.fields), kind: DisputeKind::Duplicate },
        MutationOp::Update | MutationOp::Delete | MutationOp::Crdt => Verdict::Denied("append_only".to_owned()),
    }
}

/// Adds what follows from the write: derived fields, and the fields that carry its stamp.
fn completed(standing: Option<Standing<'_>>, asked: Asked<'_>, policy: &Policy, mut write: Write) -> Verdict {
    let before = standing.filter(|standing| !standing.deleted).map(|standing| standing.body);
    if let (PolicyKind::FieldMerge { derive, .. }, Some(image)) = (&policy.kind, &mut write.image)
        && !derive.is_empty()
    {
        derived(derive, image);
        if before == Some(image) && write.dispute.is_none() {
            return Verdict::Noop;
        }
        if let (Some(before), true) = (before, write.changed.is_some()) {
            write.changed = Some(differing(before, image));
        }
    }
    if policy.kind == PolicyKind::LwwField && write.stamped.is_none() {
        write.stamped = write.image.as_ref().map(|image| match write.op {
            MutationOp::Update => names(asked.fields),
            _ => names(image),
        });
    }
    Verdict::Write(write)
}

#[cfg(test)]
mod tests;
