//! Three-way by field.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::image::{is_unset, set, written};
use super::{Asked, Dispute, DisputeKind, Standing, Verdict, Write};
use crate::expr::Expr;
use crate::json::{INTEGER_MAX, value_order};
use crate::policy::FieldRule;
use crate::sync::{Body, MutationOp};

type Rules = BTreeMap<String, FieldRule>;

/// Three-way by field. What a field derives from others, nobody contests. Without a base, every difference counts as a change of both sides.
pub(super) fn merged(
    standing: Standing<'_>,
    asked: Asked<'_>,
    base: Option<&Body>,
    rules: &Rules,
    derive: &[(String, Expr)],
) -> Verdict {
    let newer = asked.stamp > standing.stamp;
    let mut image = standing.body.clone();
    let (mut kept, mut lost, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for (name, wish) in wishes(asked, base) {
        let current = standing.body.get(name);
        let before = base.and_then(|base| base.get(name));
        let contested = if base.is_some() { before != current } else { current.is_some() };
        let rule = rules.get(name).copied().unwrap_or_default();
        // Two changes to the same value are two changes where changes add up, and one everywhere else.
        let twice = rule == FieldRule::SumDelta && contested && sum(before, current, wish).is_some();
        if current == wish && !twice || derive.iter().any(|(derived, _)| derived == name) {
            continue;
        }
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
    let by_order = |wanted| match wish.zip(current).and_then(|(wish, current)| value_order(wish, current)) {
        Some(found) if found == wanted => Choice::Wish,
        Some(_) => Choice::Current,
        None => by_stamp(),
    };
    match rule {
        FieldRule::Lww => by_stamp(),
        FieldRule::Server => Choice::Current,
        FieldRule::Client => Choice::Wish,
        FieldRule::Manual => Choice::Person,
        FieldRule::Max => by_order(Ordering::Greater),
        FieldRule::Min => by_order(Ordering::Less),
        FieldRule::SumDelta => sum(before, current, wish).map_or_else(by_stamp, Choice::Sum),
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
