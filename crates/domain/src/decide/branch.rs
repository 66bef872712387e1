//! Version control: nothing overwrites what it has not seen. Whoever comes second stands beside the record, as a branch.

use super::image::applied;
use super::{Asked, Ground, Standing, Verdict};
use crate::sync::{Body, MutationOp};

/// The body of the branch: what the device has before it, its base with its own write on top.
pub(super) fn branched(standing: Standing<'_>, asked: Asked<'_>, ground: Ground<'_>, plain: Option<Body>) -> Verdict {
    let own = match (ground, asked.op) {
        (Ground::Stale(base), MutationOp::Update) => Some(applied(base, asked.fields)),
        _ => plain,
    };
    match own {
        Some(own) if own == *standing.body => Verdict::Noop,
        Some(own) => Verdict::Branch(own),
        // Deletions have a rule of their own and do not come here.
        None => Verdict::Returned,
    }
}
