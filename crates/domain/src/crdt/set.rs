//! A set in which an addition is tagged by its operation, and a removal names the tags that it has seen. What was added
//! meanwhile under another tag stays.
//!
//! In a body: `{"$set": [[value, [tag, …]], …]}`, both sorted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{CrdtRefusal, VALUES_MAX, wrong};
use crate::json::value_text;
use crate::sync::Body;

/// Values by their canonical text, each with its tags.
type Tagged = BTreeMap<String, (Value, BTreeSet<String>)>;

pub(super) fn applied(before: Option<&Value>, op: &Body, operation_id: &str) -> Result<Value, CrdtRefusal> {
    let (adds, removes) = (list(op, "add")?, list(op, "remove")?);
    if adds.is_empty() && removes.is_empty() {
        return Err(wrong("add", "or remove must name a value"));
    }
    let mut set = read(before);
    for removed in removes {
        let (value, tags) = removal(removed)?;
        let text = value_text(value);
        if let Some((_, known)) = set.get_mut(&text) {
            known.retain(|tag| !tags.contains(&tag.as_str()));
            if known.is_empty() {
                set.remove(&text);
            }
        }
    }
    for value in adds {
        let tagged = set.entry(value_text(value)).or_insert_with(|| (value.clone(), BTreeSet::new()));
        tagged.1.insert(operation_id.to_owned());
    }
    Ok(written(set))
}

fn list<'a>(op: &'a Body, member: &'static str) -> Result<&'a [Value], CrdtRefusal> {
    match op.get(member) {
        None => Ok(&[]),
        Some(Value::Array(values)) if values.len() <= VALUES_MAX => Ok(values),
        Some(_) => Err(wrong(member, format!("must be a list of at most {VALUES_MAX} values"))),
    }
}

/// `{"value": …, "tags": […]}`.
fn removal(removed: &Value) -> Result<(&Value, Vec<&str>), CrdtRefusal> {
    let value = removed.get("value").ok_or_else(|| wrong("remove", "must hold objects with value and tags"))?;
    let tags = removed.get("tags").and_then(Value::as_array).filter(|tags| tags.len() <= VALUES_MAX);
    let tags = tags.ok_or_else(|| wrong("remove", format!("must name at most {VALUES_MAX} tags that were seen")))?;
    let tag = |tag: &'_ Value| tag.as_str().is_some();
    if !tags.iter().all(tag) {
        return Err(wrong("remove", "must name tags as texts"));
    }
    Ok((value, tags.iter().filter_map(Value::as_str).collect()))
}

fn read(before: Option<&Value>) -> Tagged {
    let entries = before.and_then(|before| before["$set"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let tagged = entries.iter().map(|entry| {
        let tags = entry[1].as_array().map(Vec::as_slice).unwrap_or_default();
        let tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        (value_text(&entry[0]), (entry[0].clone(), tags))
    });
    tagged.collect()
}

fn written(set: Tagged) -> Value {
    let entries: Vec<Value> = set.into_values().map(|(value, tags)| json!([value, tags])).collect();
    json!({"$set": entries})
}
