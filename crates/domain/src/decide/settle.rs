//! A write that settles a conflict: a person has decided with the record in hand, so no policy decides again.

use super::crdt::{on_crdt, plain_fields};
use super::deletion::on_tombstone;
use super::image::{names, plainly, written};
use super::{Asked, DisputeKind, Ground, Standing, Verdict, completed, guarded, kept_as_made, on_nothing};
use crate::policy::{Policy, PolicyKind};
use crate::sync::MutationOp;

/// Decides a write that settles a conflict and is based on the record as it stands. Guards still refuse; what they ask approval
/// for is approved by whoever may, and refused to everybody else.
#[must_use]
pub fn settled(standing: Option<Standing<'_>>, asked: Asked<'_>, policy: &Policy, approves: bool) -> Verdict {
    let word = |found| match found {
        Some(Verdict::Approval(_)) if approves => None,
        Some(Verdict::Approval(guard)) => Some(Verdict::Denied(guard)),
        other => other,
    };
    if asked.op == MutationOp::Crdt {
        return on_crdt(standing, asked, policy, word);
    }
    let kept = match &policy.kind {
        PolicyKind::Crdt { fields } => plain_fields(standing, asked, fields),
        _ => None,
    };
    let asked = kept.as_ref().map_or(asked, |fields| Asked { fields, ..asked });
    if let Some(refused) = word(guarded(standing, asked, policy)) {
        return refused;
    }
    let verdict = match standing {
        None => on_nothing(asked),
        Some(standing) if standing.deleted => on_tombstone(standing, asked, Ground::Current, policy),
        Some(standing) => {
            let plain = plainly(standing.body, asked);
            if plain.as_ref() == Some(standing.body) {
                Verdict::Noop
            } else if policy.kind == PolicyKind::AppendOnly {
                kept_as_made(asked)
            } else {
                Verdict::Write(written(standing.body, asked.op, plain))
            }
        }
    };
    match verdict {
        Verdict::Write(write) => completed(standing, asked, policy, write),
        other => other,
    }
}

/// A write whose clock the record has overtaken: it loses, unless the record is so already. What is deleted is not as a change asks for.
#[must_use]
pub fn overtaken(standing: Option<Standing<'_>>, asked: Asked<'_>) -> Verdict {
    let same = standing.is_some_and(|standing| {
        let now = (!standing.deleted).then_some(standing.body);
        plainly(standing.body, asked).as_ref() == now
    });
    if same { Verdict::Noop } else { Verdict::Superseded { lost: names(asked.fields), kind: DisputeKind::Superseded } }
}
