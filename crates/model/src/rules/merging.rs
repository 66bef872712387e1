//! Fields that merge by themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidewatch_domain::sync::Body;

use crate::text;

/// Those of the one collection that has some.
pub const MERGING: [&str; 3] = ["count", "tags", "text"];

/// A body after an operation on a field that merges by itself.
#[must_use]
pub fn merged(body: &Body, operation: &Body, id: &str) -> Body {
    let mut after = body.clone();
    let field = operation["field"].as_str().expect("the commands name a field");
    let value = match operation["type"].as_str() {
        Some("counter") => {
            let before = body.get(field).and_then(Value::as_i64).unwrap_or(0);
            Value::from(before + operation["delta"].as_i64().expect("a whole number"))
        }
        Some("yjs1") => text::merged(body.get(field), operation["update"].as_str().expect("the commands type")),
        _ => {
            let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for entry in body.get(field).and_then(|set| set["$set"].as_array()).into_iter().flatten() {
                let known = entry[1].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                tags.insert(entry[0].as_str().unwrap_or_default().to_owned(), known.collect());
            }
            for removed in operation.get("remove").and_then(Value::as_array).into_iter().flatten() {
                if let Some(known) = tags.get_mut(removed["value"].as_str().unwrap_or_default()) {
                    let seen = removed["tags"].as_array().into_iter().flatten();
                    seen.filter_map(Value::as_str).for_each(|tag| {
                        known.remove(tag);
                    });
                }
            }
            tags.retain(|_, known| !known.is_empty());
            for added in operation.get("add").and_then(Value::as_array).into_iter().flatten() {
                tags.entry(added.as_str().unwrap_or_default().to_owned()).or_default().insert(id.to_owned());
            }
            json!({"$set": tags.into_iter().map(|(value, tags)| json!([value, tags])).collect::<Vec<_>>()})
        }
    };
    after.insert(field.to_owned(), value);
    after
}
