//! The rules of conflict policies, stated a second time and another way: by fields of plain maps, without the engine's words.
//!
//! Nothing of `domain::engine` or `domain::decide` is called. Where both say the same, the store is what the protocol says it is;
//! where they differ, one of them is wrong and a test prints the commands that show it.

mod clocks;
mod commands;
mod guards;
mod merging;
mod patches;
mod schema;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidewatch_domain::policy::ConflictWish;
use tidewatch_domain::sync::{Body, MutationOp};

pub use self::clocks::{CLOCKED, Clock, has_seen, joined, stated};
pub use self::commands::commanded;
pub use self::guards::{Finding, branches_named, conflicts_named, guarded};
pub use self::merging::{MERGING, merged};
pub use self::patches::patched;
pub use self::schema::{STEPPED, STEPS, current, down, up};
pub use self::wishes::{LISTENING, WISHES, wish_of};
use self::wishes::{side, wished};

/// The collection in which what a person is to decide is locked meanwhile.
pub const LOCKED: &str = "deeds";

/// What orders two writes: rank where roles decide (else 0), time, node, device, operation.
pub type Stamp = (i64, u64, String, String, String);

/// The kinds of collections that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The newer write wins the record; by arrival or by the device's clock.
    Newest {
        /// By arrival.
        arrival: bool,
    },
    /// The newer write wins each field.
    NewestField,
    /// Three-way by field; `qty` adds up, `grade` takes the greater.
    Merge,
    /// A person decides.
    Review,
    /// The device decides.
    Returned,
    /// `count` is a counter, `tags` a set and `text` a text; the rest is as with `Newest`.
    Merging,
    /// The higher role wins, among equals the newer write.
    Role,
    /// Whoever comes second stands beside the record, as a branch.
    Versions,
    /// As with `Newest` by the device's clock; but nothing changes where `a` is 3, `b` becomes 5 by chiefs only, and that `a` becomes 4
    /// asks for the word of somebody else.
    Guarded,
    /// Never changed; `number` with `duration` within 1 is the same thing.
    Append,
}

/// Who wins when one side deleted and the other changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The newer one.
    Newer,
    /// A person decides.
    Person,
    /// The change.
    Change,
    /// The write, because its device wishes so.
    Write,
    /// The record, because the device of the write wishes so.
    Record,
}

/// A record as the rules see it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Body; of a tombstone the last one before.
    pub body: Body,
    /// It is a tombstone.
    pub deleted: bool,
    /// Stamp of the last write.
    pub stamp: Stamp,
    /// Stamps of single fields.
    pub fields: BTreeMap<String, Stamp>,
}

impl Held {
    /// The newest stamp on it.
    #[must_use]
    pub fn newest(&self) -> &Stamp {
        self.fields.values().chain([&self.stamp]).max().expect("at least one")
    }
}

/// What the writer knew.
#[derive(Clone, Debug, PartialEq)]
pub enum Knew {
    /// The record as it is.
    All,
    /// An older version, which had this body.
    Older(Body),
    /// Nothing that could be found.
    Nothing,
}

/// What comes of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    /// The record becomes this.
    Becomes {
        /// How the log calls it.
        op: &'static str,
        /// Body after it; none deletes.
        body: Option<Body>,
        /// Not as it was asked for.
        merged: bool,
        /// Somebody lost something.
        entry: bool,
        /// Fields that carry its stamp from now on.
        stamped: Option<BTreeSet<String>>,
    },
    /// Nothing changes.
    Nothing,
    /// The writer lost.
    Lost,
    /// A person decides.
    Person {
        /// Who ranks higher than this, when a guard asks for it.
        asked: Option<i64>,
    },
    /// It stands beside the record, as this.
    Branch(Body),
    /// The device decides.
    Back,
    /// Refused with this code.
    Refused(&'static str),
}

fn becomes(op: &'static str, body: Option<Body>) -> Ruling {
    Ruling::Becomes { op, body, merged: false, entry: false, stamped: None }
}

/// Whether a value asks for its field to go.
fn goes(value: &Value) -> bool {
    value == &json!({"$unset": true})
}

/// Fields laid over a body.
#[must_use]
pub fn laid_over(body: &Body, fields: &Body) -> Body {
    let kept = body.iter().filter(|(name, _)| !fields.contains_key(*name));
    kept.chain(fields.iter().filter(|(_, value)| !goes(value))).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A body without the fields that are to go.
#[must_use]
pub fn whole(fields: &Body) -> Body {
    laid_over(&Body::new(), fields)
}

/// Rules over one write of plain fields.
#[must_use]
pub fn ruled(
    (kind, deletion, wish): (Kind, Deletion, Option<ConflictWish>),
    held: Option<&Held>,
    op: MutationOp,
    fields: &Body,
    stamp: &Stamp,
    knew: &Knew,
) -> Ruling {
    let Some(held) = held else {
        return match op {
            MutationOp::Create => stamped(kind, fields, becomes("create", Some(whole(fields)))),
            MutationOp::Put => stamped(kind, fields, becomes("put", Some(whole(fields)))),
            MutationOp::Delete => Ruling::Nothing,
            MutationOp::Update | MutationOp::Crdt => Ruling::Refused("not_found"),
        };
    };
    if held.deleted {
        return stamped(kind, fields, after_deletion((kind, deletion, wish), held, op, fields, stamp, knew));
    }
    // A replacement does not reach the fields that merge by themselves.
    let mut fields = fields.clone();
    if kind == Kind::Merging && matches!(op, MutationOp::Create | MutationOp::Put) {
        fields.extend(held.body.iter().filter(|(name, _)| MERGING.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())));
    }
    let asked = match op {
        MutationOp::Delete => None,
        MutationOp::Update => Some(laid_over(&held.body, &fields)),
        _ => Some(whole(&fields)),
    };
    let name = match op {
        MutationOp::Update => "update",
        MutationOp::Delete => "delete",
        _ => "put",
    };
    if kind == Kind::NewestField && op != MutationOp::Delete && *knew != Knew::All && wish.is_none() {
        return by_field(held, op, &fields, stamp);
    }
    if asked.as_ref() == Some(&held.body) && !adds_up(kind, wish, knew) {
        let by_stamp = matches!(kind, Kind::Newest { arrival: false } | Kind::Merging | Kind::Role | Kind::Guarded);
        let newer = by_stamp && *knew != Knew::All && stamp > held.newest();
        return if newer { becomes("update", asked) } else { Ruling::Nothing };
    }
    if kind == Kind::Append {
        return if matches!(op, MutationOp::Create | MutationOp::Put) { Ruling::Lost } else { Ruling::Refused("guard_failed") };
    }
    if *knew == Knew::All {
        return stamped(kind, &fields, becomes(name, asked));
    }
    if let Some(wish) = wish.filter(|_| op != MutationOp::Delete) {
        return wished((kind, wish), held, (name, op), (&fields, asked), stamp, knew);
    }
    match (kind, op) {
        (Kind::Returned, _) if wish.is_none() => Ruling::Back,
        (_, MutationOp::Delete) => match side(deletion, wish) {
            Deletion::Newer if stamp <= held.newest() => Ruling::Lost,
            Deletion::Newer | Deletion::Write => entered(becomes("delete", None), held.newest().3 != stamp.3),
            Deletion::Change | Deletion::Record => Ruling::Lost,
            Deletion::Person => Ruling::Person { asked: None },
        },
        (Kind::Review, _) => Ruling::Person { asked: None },
        (Kind::Versions, _) => branched(held, op, &fields, knew, asked),
        (Kind::Merge, _) => three_way(held, op, &fields, stamp, knew),
        _ if stamp > held.newest() => {
            let after = asked.clone().unwrap_or_default();
            let unseen = held.body.iter().any(|(name, value)| after.get(name) != Some(value));
            stamped(kind, &fields, entered(becomes(name, asked), unseen && held.newest().3 != stamp.3))
        }
        _ => Ruling::Lost,
    }
}

/// Whether a write may change a record that is as it asks for: the other side's change to the same value was another change.
fn adds_up(kind: Kind, wish: Option<ConflictWish>, knew: &Knew) -> bool {
    kind == Kind::Merge && matches!(wish, None | Some(ConflictWish::Merge)) && matches!(knew, Knew::Older(_))
}

/// What the device has before it stands beside the record: its base with its own write on top.
fn branched(held: &Held, op: MutationOp, fields: &Body, knew: &Knew, asked: Option<Body>) -> Ruling {
    let own = match (knew, op) {
        (Knew::Older(base), MutationOp::Update) => laid_over(base, fields),
        _ => asked.expect("deletions have a rule of their own"),
    };
    if own == held.body { Ruling::Nothing } else { Ruling::Branch(own) }
}

fn entered(ruling: Ruling, entry: bool) -> Ruling {
    match ruling {
        Ruling::Becomes { op, body, merged, stamped, .. } => Ruling::Becomes { op, body, merged, stamped, entry },
        other => other,
    }
}

/// Where every field has a stamp, a write leaves its own on what it touched.
fn stamped(kind: Kind, fields: &Body, ruling: Ruling) -> Ruling {
    match ruling {
        Ruling::Becomes { op, body: Some(body), merged, entry, stamped: None } if kind == Kind::NewestField => {
            let names = if op == "update" { fields } else { &body };
            let names = names.keys().cloned().collect();
            Ruling::Becomes { op, body: Some(body), merged, entry, stamped: Some(names) }
        }
        other => other,
    }
}

fn after_deletion(
    (kind, deletion, wish): (Kind, Deletion, Option<ConflictWish>),
    held: &Held,
    op: MutationOp,
    fields: &Body,
    stamp: &Stamp,
    knew: &Knew,
) -> Ruling {
    let name = match op {
        MutationOp::Delete => {
            let by_stamp = deletion == Deletion::Newer && kind != Kind::Newest { arrival: true };
            let newer = by_stamp && *knew != Knew::All && stamp > held.newest();
            return if newer { becomes("delete", None) } else { Ruling::Nothing };
        }
        MutationOp::Create => "create",
        _ => "put",
    };
    if *knew == Knew::All {
        return becomes(name, Some(whole(fields)));
    }
    let wins = match side(deletion, wish) {
        _ if kind == Kind::Returned && wish.is_none() => return Ruling::Back,
        Deletion::Person => return Ruling::Person { asked: None },
        Deletion::Newer => stamp > held.newest(),
        Deletion::Change | Deletion::Write => true,
        Deletion::Record => false,
    };
    if !wins {
        return Ruling::Lost;
    }
    let over = op == MutationOp::Update;
    let body = if over { laid_over(&held.body, fields) } else { whole(fields) };
    Ruling::Becomes { op: name, body: Some(body), merged: over, entry: true, stamped: None }
}

/// What a write wants of each field, replaced records wanting the unnamed ones gone.
fn wants<'a>(held: &'a Body, op: MutationOp, fields: &'a Body) -> BTreeMap<&'a str, Option<&'a Value>> {
    let mut wants: BTreeMap<&str, Option<&Value>> = BTreeMap::new();
    if op != MutationOp::Update {
        wants.extend(held.keys().map(|name| (name.as_str(), None)));
    }
    wants.extend(fields.iter().map(|(name, value)| (name.as_str(), Some(value).filter(|value| !goes(value)))));
    wants
}

fn by_field(held: &Held, op: MutationOp, fields: &Body, stamp: &Stamp) -> Ruling {
    let mut body = held.body.clone();
    let (mut touched, mut entry, mut lost) = (BTreeSet::new(), false, false);
    for (name, want) in wants(&held.body, op, fields) {
        let now = held.body.get(name);
        let known = held.fields.get(name).or_else(|| (now.is_some() || held.fields.is_empty()).then_some(&held.stamp));
        if known.is_some_and(|known| known >= stamp) {
            lost |= now != want;
            continue;
        }
        touched.insert(name.to_owned());
        entry |= now.is_some() && now != want && known.is_some_and(|known| known.3 != stamp.3);
        match want {
            Some(value) => drop(body.insert(name.to_owned(), value.clone())),
            None => drop(body.remove(name)),
        }
    }
    match (touched.is_empty(), lost) {
        (true, true) => Ruling::Lost,
        (true, false) => Ruling::Nothing,
        _ => Ruling::Becomes { op: "update", body: Some(body), merged: true, entry: entry || lost, stamped: Some(touched) },
    }
}

fn three_way(held: &Held, op: MutationOp, fields: &Body, stamp: &Stamp, knew: &Knew) -> Ruling {
    let base = if let Knew::Older(base) = knew { Some(base) } else { None };
    let none = Body::new();
    let (mut body, mut entry, mut lost) = (held.body.clone(), false, false);
    for (name, want) in wants(base.unwrap_or(&none), op, fields) {
        let (now, before) = (held.body.get(name), base.and_then(|base| base.get(name)));
        if base.is_some() && before == want {
            continue;
        }
        let both = if base.is_some() { before != now } else { now.is_some() };
        // Where changes add up, two of them to the same value are two.
        let twice = both && name == "qty" && before.and(now).and(want).is_some();
        if now == want && !twice {
            continue;
        }
        let take = match (both, name) {
            (false, _) => want.cloned(),
            (true, "qty") if before.and(now).and(want).is_some() => {
                let number = |value: Option<&Value>| value.and_then(Value::as_i64).expect("the commands write whole numbers");
                let sum = number(now) + number(want) - number(before);
                body.insert(name.to_owned(), sum.into());
                continue;
            }
            (true, "grade") if now.is_some() && want.is_some() => {
                if want.and_then(Value::as_i64) <= now.and_then(Value::as_i64) {
                    lost = true;
                    continue;
                }
                want.cloned()
            }
            (true, _) if stamp > held.newest() => want.cloned(),
            (true, _) => {
                lost = true;
                continue;
            }
        };
        entry |= both;
        match take {
            Some(value) => drop(body.insert(name.to_owned(), value)),
            None => drop(body.remove(name)),
        }
    }
    if body == held.body {
        return if lost { Ruling::Lost } else { Ruling::Nothing };
    }
    Ruling::Becomes { op: "update", body: Some(body), merged: base != Some(&held.body), entry: entry || lost, stamped: None }
}
