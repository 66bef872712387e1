//! The wish of a device for a conflict, where the policy listens to it.

use std::collections::BTreeMap;

use super::deletion::deleted;
use super::image::names;
use super::lww::newest;
use super::merge::merged;
use super::{Asked, DisputeKind, Ground, Standing, Verdict, Write, is_newer};
use crate::policy::{ConflictWish, Policy, PolicyKind};
use crate::sync::{Body, MutationOp};

/// Where fields have stamps, those that stand carry that of the write, and those that gave way keep theirs.
fn stamped(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Write(write) => Verdict::Write(Write { stamped: Some(write.kept.clone()), ..write }),
        other => other,
    }
}

/// A write on a record that has changed since its base, as its device would have it settled.
pub(super) fn wished(
    standing: Standing<'_>,
    asked: Asked<'_>,
    ground: Ground<'_>,
    policy: &Policy,
    plain: Option<Body>,
) -> Verdict {
    if asked.op == MutationOp::Delete {
        return deleted(standing, asked, policy);
    }
    match asked.wish {
        Some(ConflictWish::Local) => newest(standing, asked, plain, true),
        Some(ConflictWish::Remote) => Verdict::Superseded { lost: names(asked.fields), kind: DisputeKind::Superseded },
        Some(ConflictWish::Person) => Verdict::Review(DisputeKind::Review),
        Some(ConflictWish::Newest) | None => newest(standing, asked, plain, is_newer(standing, asked, policy)),
        Some(ConflictWish::Merge) => {
            let base = if let Ground::Stale(base) = ground { Some(base) } else { None };
            match &policy.kind {
                PolicyKind::FieldMerge { rules, derive } => merged(standing, asked, base, rules, derive),
                PolicyKind::LwwField => stamped(merged(standing, asked, base, &BTreeMap::new(), &[])),
                _ => merged(standing, asked, base, &BTreeMap::new(), &[]),
            }
        }
    }
}
