//! The newer write of each field wins. A join over (stamp, value) by field: commutative, associative and idempotent among
//! writes that did not know of each other, whatever order they arrive in.

use serde_json::Value;

use super::image::{differing, is_unset, set, written};
use super::{Asked, Dispute, DisputeKind, Standing, Verdict, Write};
use crate::sync::MutationOp;

/// Field by field against the stamp that each field carries. A field that was never written carries none.
pub(super) fn newest_by_field(standing: Standing<'_>, asked: Asked<'_>) -> Verdict {
    let mut image = standing.body.clone();
    let (mut kept, mut lost, mut over, mut stamped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, wish) in wishes(standing, asked) {
        let current = standing.body.get(name);
        let known = standing.meta.stamp(name, standing.stamp, current.is_some());
        if known.is_some_and(|known| known >= asked.stamp) {
            if current != wish {
                lost.push(name.to_owned());
            }
            continue;
        }
        stamped.push(name.to_owned());
        if current != wish {
            set(&mut image, name, wish);
            kept.push(name.to_owned());
            if current.is_some() && known.is_some_and(|known| known.client != asked.stamp.client) {
                over.push(name.to_owned());
            }
        }
    }
    if stamped.is_empty() {
        return if lost.is_empty() { Verdict::Noop } else { Verdict::Superseded { lost, kind: DisputeKind::Superseded } };
    }
    let disputed = !lost.is_empty() || !over.is_empty();
    let dispute = disputed.then_some(Dispute { kind: DisputeKind::Merged, open: false });
    let changed = Some(differing(standing.body, &image));
    let write = written(standing.body, MutationOp::Update, Some(image));
    Verdict::Write(Write { merged: true, changed, kept, lost, over, dispute, stamped: Some(stamped), ..write })
}

/// What the write wants of each field. A replacement wants every field gone that it does not name.
fn wishes<'a>(standing: Standing<'a>, asked: Asked<'a>) -> Vec<(&'a str, Option<&'a Value>)> {
    let mut out: Vec<(&str, Option<&Value>)> =
        asked.fields.iter().map(|(name, value)| (name.as_str(), (!is_unset(value)).then_some(value))).collect();
    if asked.op != MutationOp::Update {
        out.extend(standing.body.keys().filter(|name| !asked.fields.contains_key(*name)).map(|name| (name.as_str(), None)));
    }
    out
}
