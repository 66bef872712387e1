//! Bodies before and after a write.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Asked, Write};
use crate::sync::{Body, MutationOp};

/// The body after a write that nothing stands against; `None` deletes.
pub(super) fn plainly(body: &Body, asked: Asked<'_>) -> Option<Body> {
    match asked.op {
        MutationOp::Delete => None,
        // An operation on a field that merges by itself is applied elsewhere; to plain fields it does nothing.
        MutationOp::Crdt => Some(body.clone()),
        MutationOp::Update => Some(applied(body, asked.fields)),
        MutationOp::Create | MutationOp::Put => Some(stripped(asked.fields)),
    }
}

pub(super) fn written(body: &Body, op: MutationOp, image: Option<Body>) -> Write {
    let changed = match (&image, op) {
        (Some(image), MutationOp::Update) => Some(differing(body, image)),
        _ => None,
    };
    let op = if op == MutationOp::Create { MutationOp::Put } else { op };
    Write {
        op,
        image,
        changed,
        merged: false,
        kept: Vec::new(),
        lost: Vec::new(),
        over: Vec::new(),
        dispute: None,
        stamped: None,
    }
}

pub(super) fn whole(op: MutationOp, image: Body) -> Write {
    Write {
        op,
        image: Some(image),
        changed: None,
        merged: false,
        kept: Vec::new(),
        lost: Vec::new(),
        over: Vec::new(),
        dispute: None,
        stamped: None,
    }
}

pub(super) fn differing(before: &Body, after: &Body) -> Vec<String> {
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

pub(super) fn set(image: &mut Body, name: &str, wish: Option<&Value>) {
    match wish {
        Some(value) => image.insert(name.to_owned(), value.clone()),
        None => image.remove(name),
    };
}

pub(super) fn stripped(fields: &Body) -> Body {
    fields.iter().filter(|(_, value)| !is_unset(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn names(fields: &Body) -> Vec<String> {
    fields.keys().cloned().collect()
}

/// Whether a value is the request to remove its field: `{"$unset": true}`.
#[must_use]
pub fn is_unset(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.get("$unset") == Some(&Value::Bool(true)))
}
