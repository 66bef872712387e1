//! Names of fields in the two schema versions of the one collection whose fields have had others: `a` is called `title` from version 2
//! on, `stars` is new, and `b` is gone.

use serde_json::json;
use tidewatch_domain::sync::{Body, MutationOp};

/// The steps, as the store is told of them.
pub const STEPS: &str = r#"{"kind":"lww_field","steps":[{"to":2,"rename":{"a":"title"},"default":{"stars":7},"drop":["b"]}],
    "commands":{"close":{"set":{"stars":9},"takes":{"title":"integer"}}}}"#;
/// The collection.
pub const STEPPED: &str = "forms";

/// A body with a field under another name.
fn renamed(body: &Body, from: &str, to: &str) -> Body {
    body.iter().map(|(name, value)| (if name == from { to.to_owned() } else { name.clone() }, value.clone())).collect()
}

/// What a device writes, in the current names.
#[must_use]
pub fn up(collection: &str, version: i64, op: MutationOp, fields: &Body) -> Body {
    if collection != STEPPED || version >= 2 {
        return fields.clone();
    }
    let mut fields = renamed(fields, "a", "title");
    fields.remove("b");
    if matches!(op, MutationOp::Create | MutationOp::Put) && !fields.contains_key("stars") {
        fields.insert("stars".to_owned(), json!(7));
    }
    fields
}

/// A body in current names, as a reader with this version knows it.
#[must_use]
pub fn down(collection: &str, version: i64, body: &Body) -> Body {
    if collection != STEPPED || version >= 2 { body.clone() } else { renamed(body, "title", "a") }
}

/// What a device holds, in the current names.
#[must_use]
pub fn current(collection: &str, body: &Body) -> Body {
    if collection == STEPPED { renamed(body, "a", "title") } else { body.clone() }
}
