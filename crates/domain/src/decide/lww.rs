//! The newer write wins the record.

use super::image::{names, written};
use super::{Asked, Dispute, DisputeKind, Standing, Verdict};
use crate::sync::{Body, MutationOp};

/// The newer write wins the record.
pub(super) fn newest(standing: Standing<'_>, asked: Asked<'_>, plain: Option<Body>, newer: bool) -> Verdict {
    if !newer {
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
