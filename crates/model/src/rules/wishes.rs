//! What a device would like to become of its write when somebody was faster, in the collections that listen.

use tidewatch_domain::policy::ConflictWish;
use tidewatch_domain::sync::{Body, Mutation, MutationOp};

use super::{Deletion, Held, Kind, Knew, Ruling, Stamp, becomes, entered, stamped, three_way};

/// The collections that listen, to every wish.
pub const LISTENING: [&str; 4] = ["orders", "settings", "approvals", "profiles"];
/// How their policies say so.
pub const WISHES: &str = r#""client_may":["local","remote","merge","lww","user"]"#;

/// What a device wishes, where anybody listens.
#[must_use]
pub fn wish_of(intent: &Mutation) -> Option<ConflictWish> {
    intent.terms.as_deref()?.wish.filter(|_| LISTENING.contains(&intent.collection.as_str()))
}

/// Who wins against a deletion when a device has a wish.
pub(super) fn side(deletion: Deletion, wish: Option<ConflictWish>) -> Deletion {
    match wish {
        Some(ConflictWish::Local) => Deletion::Write,
        Some(ConflictWish::Remote) => Deletion::Record,
        Some(ConflictWish::Person) => Deletion::Person,
        Some(ConflictWish::Newest) => Deletion::Newer,
        Some(ConflictWish::Merge) | None => deletion,
    }
}

/// A write on a record that has changed since its base, as its device would have it.
pub(super) fn wished(
    (kind, wish): (Kind, ConflictWish),
    held: &Held,
    (name, op): (&'static str, MutationOp),
    (fields, asked): (&Body, Option<Body>),
    stamp: &Stamp,
    knew: &Knew,
) -> Ruling {
    match wish {
        ConflictWish::Remote => Ruling::Lost,
        ConflictWish::Person => Ruling::Person { asked: None },
        ConflictWish::Newest if stamp <= held.newest() => Ruling::Lost,
        ConflictWish::Local | ConflictWish::Newest => {
            let after = asked.clone().unwrap_or_default();
            let unseen = held.body.iter().any(|(name, value)| after.get(name) != Some(value));
            stamped(kind, fields, entered(becomes(name, asked), unseen && held.newest().3 != stamp.3))
        }
        ConflictWish::Merge => match three_way(held, op, fields, stamp, knew) {
            // Only what it has taken carries its stamp.
            Ruling::Becomes { op, body: Some(body), merged, entry, .. } if kind == Kind::NewestField => {
                let taken = fields.keys().chain(held.body.keys());
                let taken = taken.filter(|name| held.body.get(*name) != body.get(*name)).cloned().collect();
                Ruling::Becomes { op, body: Some(body), merged, entry, stamped: Some(taken) }
            }
            other => other,
        },
    }
}
