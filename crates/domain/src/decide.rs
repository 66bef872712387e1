//! The heart: one write against one record under one policy, decided purely. Effects come back as data.
//!
//! A decision reads its arguments and nothing else, so the same inputs decide the same way on any machine and at any time.
//! Nothing is silent: whatever a decision takes from somebody is named in its [`Dispute`].

use std::collections::BTreeSet;

use serde_json::{Number, Value};

use crate::hlc::Ticks;
use crate::json::INTEGER_MAX;
use crate::policy::{DeleteRule, FieldRule, Policy, PolicyKind};
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

fn on_tombstone(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    let revived = match asked.op {
        MutationOp::Delete => return Verdict::Noop,
        MutationOp::Create => MutationOp::Create,
        MutationOp::Update | MutationOp::Put => MutationOp::Put,
    };
    if matches!(ground, Ground::Current) {
        return Verdict::Write(whole(revived, stripped(asked.fields)));
    }
    if policy.kind == PolicyKind::ClientResolves {
        return Verdict::Returned;
    }
    match delete_rule(policy, asked.stamp > standing.stamp, true) {
        Side::Record => Verdict::Superseded { lost: names(asked.fields), kind: DisputeKind::Delete },
        Side::Person => Verdict::Review(DisputeKind::Delete),
        Side::Write => {
            let image =
                if asked.op == MutationOp::Update { applied(standing.body, asked.fields) } else { stripped(asked.fields) };
            let dispute = Some(Dispute { kind: DisputeKind::Delete, open: false });
            Verdict::Write(Write { merged: asked.op == MutationOp::Update, dispute, ..whole(revived, image) })
        }
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

/// A delete that did not know of the last change.
fn deleted(standing: Standing<'_>, asked: Asked<'_>, policy: &Policy) -> Verdict {
    match delete_rule(policy, asked.stamp > standing.stamp, false) {
        Side::Record => Verdict::Superseded { lost: Vec::new(), kind: DisputeKind::Delete },
        Side::Person => Verdict::Review(DisputeKind::Delete),
        Side::Write => {
            let own = standing.stamp.client == asked.stamp.client;
            let dispute = (!own).then_some(Dispute { kind: DisputeKind::Delete, open: false });
            Verdict::Write(Write { dispute, ..written(standing.body, MutationOp::Delete, None) })
        }
    }
}

/// The newer stamp wins the record.
fn newest(standing: Standing<'_>, asked: Asked<'_>, plain: Option<Body>) -> Verdict {
    if asked.stamp < standing.stamp {
        return Verdict::Superseded { lost: names(asked.fields), kind: DisputeKind::Superseded };
    }
    let own = standing.stamp.client == asked.stamp.client;
    let op = if asked.op == MutationOp::Create { MutationOp::Put } else { asked.op };
    let mut write = written(standing.body, op, plain);
    let image = write.image.as_ref();
    let over: Vec<String> = standing
        .body
        .iter()
        .filter(|(name, value)| image.and_then(|image| image.get(*name)) != Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    if !own && !over.is_empty() {
        write.dispute = Some(Dispute { kind: DisputeKind::Overwritten, open: false });
        write.over = over;
    }
    write.kept = names(asked.fields);
    Verdict::Write(write)
}

type Rules = std::collections::BTreeMap<String, FieldRule>;

/// Three-way by field. Without a base, every difference counts as a change of both sides.
fn merged(standing: Standing<'_>, asked: Asked<'_>, base: Option<&Body>, rules: &Rules) -> Verdict {
    let newer = asked.stamp > standing.stamp;
    let mut image = standing.body.clone();
    let (mut kept, mut lost, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for (name, wish) in wishes(asked, base) {
        let current = standing.body.get(name);
        if current == wish {
            continue;
        }
        let before = base.and_then(|base| base.get(name));
        let contested = if base.is_some() { before != current } else { current.is_some() };
        let rule = rules.get(name).copied().unwrap_or_default();
        let choice = if contested { settle(rule, before, current, wish, newer) } else { Choice::Wish };
        match choice {
            Choice::Person => return Verdict::Review(DisputeKind::Review),
            Choice::Current => lost.push(name.to_owned()),
            Choice::Wish => {
                set(&mut image, name, wish);
                kept.push(name.to_owned());
                if contested {
                    over.push(name.to_owned());
                }
            }
            Choice::Sum(value) => {
                image.insert(name.to_owned(), value);
                kept.push(name.to_owned());
            }
        }
    }
    if image == *standing.body {
        return if lost.is_empty() { Verdict::Noop } else { Verdict::Superseded { lost, kind: DisputeKind::Superseded } };
    }
    let disputed = !lost.is_empty() || !over.is_empty();
    let dispute = disputed.then_some(Dispute { kind: DisputeKind::Merged, open: false });
    let merged = base != Some(standing.body);
    Verdict::Write(Write { merged, kept, lost, over, dispute, ..written(standing.body, MutationOp::Update, Some(image)) })
}

/// What a write wants of each field: a value, or none. What it left as its base had it, it does not want.
fn wishes<'a>(asked: Asked<'a>, base: Option<&'a Body>) -> Vec<(&'a str, Option<&'a Value>)> {
    let mut out: Vec<(&str, Option<&Value>)> =
        asked.fields.iter().map(|(name, value)| (name.as_str(), (!is_unset(value)).then_some(value))).collect();
    if let Some(base) = base {
        if asked.op != MutationOp::Update {
            out.extend(base.keys().filter(|name| !asked.fields.contains_key(*name)).map(|name| (name.as_str(), None)));
        }
        out.retain(|(name, wish)| base.get(*name) != *wish);
    }
    out
}

enum Choice {
    Wish,
    Current,
    Sum(Value),
    Person,
}

/// Both sides changed one field.
fn settle(rule: FieldRule, before: Option<&Value>, current: Option<&Value>, wish: Option<&Value>, newer: bool) -> Choice {
    let by_stamp = || if newer { Choice::Wish } else { Choice::Current };
    let by_order = |wanted| match order(wish, current) {
        Some(found) if found == wanted => Choice::Wish,
        Some(_) => Choice::Current,
        None => by_stamp(),
    };
    match rule {
        FieldRule::Lww => by_stamp(),
        FieldRule::Server => Choice::Current,
        FieldRule::Client => Choice::Wish,
        FieldRule::Manual => Choice::Person,
        FieldRule::Max => by_order(std::cmp::Ordering::Greater),
        FieldRule::Min => by_order(std::cmp::Ordering::Less),
        FieldRule::SumDelta => sum(before, current, wish).map_or_else(by_stamp, Choice::Sum),
    }
}

/// Order of two numbers or of two texts; nothing else has one.
fn order(a: Option<&Value>, b: Option<&Value>) -> Option<std::cmp::Ordering> {
    match (a?, b?) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

/// The store's value plus what the device added to its base.
fn sum(before: Option<&Value>, current: Option<&Value>, wish: Option<&Value>) -> Option<Value> {
    let (before, current, wish) = (before?, current?, wish?);
    if let (Some(before), Some(current), Some(wish)) = (before.as_i64(), current.as_i64(), wish.as_i64()) {
        let total = wish.checked_sub(before).and_then(|delta| current.checked_add(delta))?;
        return (-INTEGER_MAX..=INTEGER_MAX).contains(&total).then(|| total.into());
    }
    Number::from_f64(current.as_f64()? + (wish.as_f64()? - before.as_f64()?)).map(Value::Number)
}

enum Side {
    Write,
    Record,
    Person,
}

/// Who wins between a deletion and a change. `deleted`: the record is the deletion, the write is the change.
fn delete_rule(policy: &Policy, newer: bool, deleted: bool) -> Side {
    let write_wins = match policy.delete {
        DeleteRule::Manual => return Side::Person,
        DeleteRule::Stamp => newer,
        DeleteRule::DeleteWins => !deleted,
        DeleteRule::UpdateWins => deleted,
    };
    if write_wins { Side::Write } else { Side::Record }
}

/// The body after a write that nothing stands against; `None` deletes.
fn plainly(body: &Body, asked: Asked<'_>) -> Option<Body> {
    match asked.op {
        MutationOp::Delete => None,
        MutationOp::Update => Some(applied(body, asked.fields)),
        MutationOp::Create | MutationOp::Put => Some(stripped(asked.fields)),
    }
}

fn written(body: &Body, op: MutationOp, image: Option<Body>) -> Write {
    let changed = match (&image, op) {
        (Some(image), MutationOp::Update) => Some(differing(body, image)),
        _ => None,
    };
    let op = if op == MutationOp::Create { MutationOp::Put } else { op };
    Write { op, image, changed, merged: false, kept: Vec::new(), lost: Vec::new(), over: Vec::new(), dispute: None }
}

fn whole(op: MutationOp, image: Body) -> Write {
    Write {
        op,
        image: Some(image),
        changed: None,
        merged: false,
        kept: Vec::new(),
        lost: Vec::new(),
        over: Vec::new(),
        dispute: None,
    }
}

fn differing(before: &Body, after: &Body) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// `body` with `fields` merged in.
#[must_use]
pub fn applied(body: &Body, fields: &Body) -> Body {
    let mut image = body.clone();
    for (name, value) in fields {
        set(&mut image, name, (!is_unset(value)).then_some(value));
    }
    image
}

fn set(image: &mut Body, name: &str, wish: Option<&Value>) {
    match wish {
        Some(value) => image.insert(name.to_owned(), value.clone()),
        None => image.remove(name),
    };
}

fn stripped(fields: &Body) -> Body {
    fields.iter().filter(|(_, value)| !is_unset(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn names(fields: &Body) -> Vec<String> {
    fields.keys().cloned().collect()
}

/// Whether a value is the request to remove its field: `{"$unset": true}`.
#[must_use]
pub fn is_unset(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.get("$unset") == Some(&Value::Bool(true)))
}

#[cfg(test)]
mod tests;
