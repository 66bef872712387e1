//! JSON patches: of the operations of RFC 6902 those on single fields, which are all that the commands send.

use serde_json::{Value, json};
use tidewatch_domain::sync::Body;

/// The update that a patch asks for, made on this body.
///
/// # Errors
/// The code of the refusal.
pub fn patched(before: &Body, patch: &[Value]) -> Result<Body, &'static str> {
    let mut after = before.clone();
    for step in patch {
        let field = step["path"].as_str().and_then(|path| path.strip_prefix('/')).expect("the commands name a field").to_owned();
        let there = after.contains_key(&field);
        match step["op"].as_str().expect("the commands name an operation") {
            "test" if after.get(&field) != Some(&step["value"]) => return Err("guard_failed"),
            "test" => {}
            "add" => drop(after.insert(field, step["value"].clone())),
            _ if !there => return Err("schema_invalid"),
            "replace" => drop(after.insert(field, step["value"].clone())),
            _ => drop(after.remove(&field)),
        }
    }
    let names = before.keys().chain(after.keys());
    let moved = names.filter(|name| before.get(*name) != after.get(*name));
    Ok(moved.map(|name| (name.clone(), after.get(name).cloned().unwrap_or_else(|| json!({"$unset": true})))).collect())
}
