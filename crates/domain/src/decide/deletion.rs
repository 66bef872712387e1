//! Deletion against change: who wins when one side deleted and the other changed.

use super::image::{applied, names, stripped, whole, written};
use super::{Asked, Dispute, DisputeKind, Ground, Standing, Verdict, Write, confirmed, is_newer};
use crate::policy::{ConflictWish, DeleteRule, Policy, PolicyKind};
use crate::sync::MutationOp;

pub(super) fn on_tombstone(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, policy: &Policy) -> Verdict {
    let revived = match asked.op {
        MutationOp::Delete => return confirmed(standing, asked, ground, policy, None),
        MutationOp::Create => MutationOp::Create,
        MutationOp::Update | MutationOp::Put | MutationOp::Crdt => MutationOp::Put,
    };
    if matches!(ground, Ground::Current) {
        return Verdict::Write(whole(revived, stripped(asked.fields)));
    }
    if policy.kind == PolicyKind::ClientResolves && asked.wish.is_none() {
        return Verdict::Returned;
    }
    match delete_rule(policy, asked.wish, is_newer(standing, asked, policy), true) {
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

/// A delete that did not know of the last change.
pub(super) fn deleted(standing: Standing<'_>, asked: Asked<'_>, policy: &Policy) -> Verdict {
    match delete_rule(policy, asked.wish, is_newer(standing, asked, policy), false) {
        Side::Record => Verdict::Superseded { lost: Vec::new(), kind: DisputeKind::Delete },
        Side::Person => Verdict::Review(DisputeKind::Delete),
        Side::Write => {
            let own = standing.stamp.client == asked.stamp.client;
            let dispute = (!own).then_some(Dispute { kind: DisputeKind::Delete, open: false });
            Verdict::Write(Write { dispute, ..written(standing.body, MutationOp::Delete, None) })
        }
    }
}

enum Side {
    Write,
    Record,
    Person,
}

/// Who wins between a deletion and a change. `deleted`: the record is the deletion, the write is the change.
fn delete_rule(policy: &Policy, wish: Option<ConflictWish>, newer: bool, deleted: bool) -> Side {
    let write_wins = match (wish, policy.delete) {
        (Some(ConflictWish::Person), _) => return Side::Person,
        (Some(ConflictWish::Local), _) => true,
        (Some(ConflictWish::Remote), _) => false,
        (Some(ConflictWish::Newest), _) | (_, DeleteRule::Stamp) => newer,
        (Some(ConflictWish::Merge) | None, DeleteRule::Manual) => return Side::Person,
        (Some(ConflictWish::Merge) | None, DeleteRule::DeleteWins) => !deleted,
        (Some(ConflictWish::Merge) | None, DeleteRule::UpdateWins) => deleted,
    };
    if write_wins { Side::Write } else { Side::Record }
}
