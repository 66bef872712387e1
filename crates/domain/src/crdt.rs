//! Fields that merge by themselves: counters, sets, Yjs documents, and lists of changes that only devices understand.
//!
//! The state of such a field is its value in the record's body, so a snapshot, a digest and a verification need nothing more.
//! An operation arrives exactly once (a repeat is answered from memory), therefore a counter is a plain sum. Whatever bytes a
//! device sends, applying them ends, in bounded memory, in a new body or in a refusal.

mod set;
mod yjs;

use serde_json::{Map, Value, json};

use crate::json::INTEGER_MAX;
use crate::sync::Body;

/// Most values that one operation on a set may name.
const VALUES_MAX: usize = 1_000;

/// Type of a field that merges by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdtType {
    /// A whole number that devices add to.
    Counter,
    /// A set; an addition wins over a removal that had not seen it.
    Set,
    /// A Yjs document, as update format 1.
    Yjs,
    /// A list of changes that the store keeps and does not read.
    Opaque,
}

impl CrdtType {
    /// As policies and operations write them.
    pub const NAMES: [(&'static str, Self); 4] =
        [("counter", Self::Counter), ("set", Self::Set), ("yjs1", Self::Yjs), ("opaque", Self::Opaque)];

    /// As policies and operations write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Why an operation cannot be applied: the member at fault and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("crdt.{member} {problem}")]
pub struct CrdtRefusal {
    /// Which member.
    pub member: &'static str,
    /// What is wrong.
    pub problem: String,
}

fn wrong(member: &'static str, problem: impl Into<String>) -> CrdtRefusal {
    CrdtRefusal { member, problem: problem.into() }
}

/// The field that an operation is about, when the types of the fields agree with it.
///
/// # Errors
/// No such field, or one of another type.
pub fn field(op: &Body, kind_of: impl Fn(&str) -> Option<CrdtType>) -> Result<(&str, CrdtType), CrdtRefusal> {
    let name = op.get("field").and_then(Value::as_str).ok_or_else(|| wrong("field", "must name a field"))?;
    let kind = kind_of(name).ok_or_else(|| wrong("field", "is none of the policy's fields that merge by themselves"))?;
    if op.get("type").and_then(Value::as_str) == Some(kind.as_str()) {
        Ok((name, kind))
    } else {
        Err(wrong("type", format!("must be {} for this field", kind.as_str())))
    }
}

/// The value of a field after an operation; `operation_id` tags what it adds to a set.
///
/// # Errors
/// The operation has a bad member, or its result is out of range.
pub fn applied(kind: CrdtType, before: Option<&Value>, op: &Body, operation_id: &str) -> Result<Value, CrdtRefusal> {
    match kind {
        CrdtType::Counter => counter(before, op),
        CrdtType::Set => set::applied(before, op, operation_id),
        CrdtType::Yjs => yjs::applied(before, op),
        CrdtType::Opaque => opaque(before, op),
    }
}

fn counter(before: Option<&Value>, op: &Body) -> Result<Value, CrdtRefusal> {
    let delta = op.get("delta").and_then(Value::as_i64).ok_or_else(|| wrong("delta", "must be a whole number"))?;
    let total = before.and_then(Value::as_i64).unwrap_or(0).checked_add(delta);
    let total = total.filter(|total| (-INTEGER_MAX..=INTEGER_MAX).contains(total));
    total.map(Value::from).ok_or_else(|| wrong("delta", "takes the counter beyond 2^53 - 1"))
}

/// Every change once, in the order of arrival.
fn opaque(before: Option<&Value>, op: &Body) -> Result<Value, CrdtRefusal> {
    let change = op.get("value").ok_or_else(|| wrong("value", "is missing"))?;
    let mut changes = before.and_then(|before| before["$opaque"].as_array()).cloned().unwrap_or_default();
    if !changes.contains(change) {
        changes.push(change.clone());
    }
    Ok(Value::Object(Map::from_iter([("$opaque".to_owned(), json!(changes))])))
}

#[cfg(test)]
mod tests;
