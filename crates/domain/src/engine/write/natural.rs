//! The same thing recorded twice: the first record stands, and the other id leads to it from then on (`protocol.md` 2.11).

use super::Case;
use crate::decide::{Dispute, DisputeKind, Verdict, Write, is_unset};
use crate::engine::{Anchor, NewAlias, NewAnchor, Turn};
use crate::ids::{RecordId, Seq};
use crate::policy::NaturalValue;
use crate::sync::{Body, MutationOp};

impl Turn<'_> {
    /// The natural key of a new record, where the policy has one.
    pub(super) fn natural(&self, case: &Case<'_>) -> Option<NaturalValue> {
        let natural = case.collection.policy.natural_key.as_ref()?;
        let makes = matches!(case.mutation.op, MutationOp::Create | MutationOp::Put);
        (makes && !self.set.records.contains_key(&case.key))
            .then(|| natural.of(case.mutation.scope.as_str(), &case.mutation.fields))
            .flatten()
    }

    /// The natural key of the record that a verdict makes.
    pub(super) fn natural_made(&self, case: &Case<'_>, verdict: &Verdict) -> Option<NaturalValue> {
        let natural = case.collection.policy.natural_key.as_ref()?;
        let Verdict::Write(Write { image: Some(image), .. }) = verdict else { return None };
        let made = !self.set.records.contains_key(&case.key);
        made.then(|| natural.of(case.mutation.scope.as_str(), image)).flatten()
    }

    /// The record that this key belongs to: the first anchor in the order of the log that is near enough.
    pub(super) fn anchor(&self, case: &Case<'_>, value: NaturalValue) -> Option<RecordId> {
        let reach = case.collection.policy.natural_key.as_ref()?.reach();
        let anchors = self.set.anchors.get(&(case.collection.key, value.exact))?;
        let near = anchors.iter().filter(|anchor| anchor.near.abs_diff(value.near) <= reach.unsigned_abs());
        near.min_by_key(|anchor| anchor.seq).map(|anchor| anchor.record_id.clone())
    }

    /// Notes a record as the first of its thing.
    pub(super) fn anchor_add(&mut self, case: &Case<'_>, value: NaturalValue, seq: Seq) {
        let (collection, record_id) = case.key.clone();
        let anchor = Anchor { near: value.near, seq, record_id: record_id.clone() };
        self.set.anchors.entry((collection, value.exact)).or_default().push(anchor);
        self.effects.anchors.push(NewAnchor { collection, value, seq, record_id });
    }

    /// Notes another id of a record.
    pub(super) fn alias_add(&mut self, case: &Case<'_>) {
        let (collection, record_id) = case.key.clone();
        let alias = case.mutation.record_id.clone();
        self.set.aliases.insert((collection, alias.clone()), record_id.clone());
        self.effects.aliases.push(NewAlias { collection, alias, record_id });
    }
}

/// The write that a duplicate comes to: the record stays as it is, and what the device had otherwise is lost.
pub(super) fn duplicate(case: &Case<'_>, deleted: bool) -> Write {
    let fields = case.mutation.fields.iter().filter(|(_, value)| !is_unset(value));
    let lost: Vec<String> = if deleted {
        fields.map(|(name, _)| name.clone()).collect()
    } else {
        fields.filter(|(name, value)| case.body.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect()
    };
    let image: Option<Body> = (!deleted).then(|| case.body.clone());
    Write {
        op: if deleted { MutationOp::Delete } else { MutationOp::Update },
        changed: image.as_ref().map(|_| Vec::new()),
        image,
        merged: true,
        kept: Vec::new(),
        dispute: (!lost.is_empty()).then_some(Dispute { kind: DisputeKind::Duplicate, open: false }),
        lost,
        over: Vec::new(),
        stamped: None,
    }
}
