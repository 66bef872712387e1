//! The one named command that some collections have: it sets a field, and takes another from whoever sends it.

use serde_json::json;
use tidewatch_domain::sync::Body;

use super::STEPPED;

/// The update that a command asks for, in the current names.
///
/// # Errors
/// The code of the refusal.
pub fn commanded(collection: &str, name: &str, args: &Body) -> Result<Body, &'static str> {
    let (takes, sets) = match collection {
        "profiles" | "settings" => ("a", "b"),
        "orders" => ("qty", "note"),
        STEPPED => ("title", "stars"),
        _ => return Err("schema_invalid"),
    };
    let given = args.get(takes).filter(|value| value.is_i64() && args.len() == 1 && name == "close");
    let given = given.ok_or("schema_invalid")?.clone();
    Ok([(takes.to_owned(), given), (sets.to_owned(), json!(9))].into_iter().collect())
}
