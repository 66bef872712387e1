//! Operations on fields that merge by themselves. They are in no conflict with anything but a deletion.

use std::collections::BTreeMap;

use super::image::names;
use super::{Asked, DisputeKind, Standing, Verdict, Write, guarded_image};
use crate::crdt::{self, CrdtType};
use crate::policy::{Policy, PolicyKind};
use crate::sync::{Body, MutationOp};

/// Applies one operation. A record that is not there yet begins with it; a deleted one stays deleted. `word` has the last word on what
/// the guards have found.
pub(super) fn on_crdt(
    standing: Option<Standing<'_>>,
    asked: Asked<'_>,
    policy: &Policy,
    word: impl FnOnce(Option<Verdict>) -> Option<Verdict>,
) -> Verdict {
    if !matches!(policy.kind, PolicyKind::Crdt { .. }) {
        return Verdict::Invalid("op: crdt belongs to collections of the kind crdt".to_owned());
    }
    let (field, kind) = match crdt::field(asked.fields, |field| policy.crdt(field)) {
        Ok(found) => found,
        Err(refusal) => return Verdict::Invalid(refusal.to_string()),
    };
    if standing.is_some_and(|standing| standing.deleted) {
        return Verdict::Superseded { lost: vec![field.to_owned()], kind: DisputeKind::Delete };
    }
    let mut image = standing.map_or_else(Body::new, |standing| standing.body.clone());
    match crdt::applied(kind, image.get(field), asked.fields, asked.stamp.operation) {
        Ok(value) => image.insert(field.to_owned(), value),
        Err(refusal) => return Verdict::Invalid(refusal.to_string()),
    };
    if standing.is_some_and(|standing| *standing.body == image) {
        return Verdict::Noop;
    }
    if let Some(refused) = word(guarded_image(standing, asked, Some(&image), policy)) {
        return refused;
    }
    Verdict::Write(Write {
        op: MutationOp::Crdt,
        image: Some(image),
        changed: Some(vec![field.to_owned()]),
        merged: false,
        kept: Vec::new(),
        lost: Vec::new(),
        over: Vec::new(),
        dispute: None,
        stamped: None,
    })
}

/// A replacement leaves the fields that merge by themselves as they are: its fields with those of the record. None when there
/// is nothing to add.
pub(super) fn plain_fields(
    standing: Option<Standing<'_>>,
    asked: Asked<'_>,
    fields: &BTreeMap<String, CrdtType>,
) -> Option<Body> {
    let standing = standing.filter(|standing| !standing.deleted)?;
    if !matches!(asked.op, MutationOp::Create | MutationOp::Put) {
        return None;
    }
    let mut whole = asked.fields.clone();
    for name in names(standing.body).into_iter().filter(|name| fields.contains_key(name)) {
        whole.insert(name.clone(), standing.body[&name].clone());
    }
    (whole.len() > asked.fields.len()).then_some(whole)
}
