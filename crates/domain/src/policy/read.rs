//! A policy from its JSON text, refused by the name of the first member that is not as it must be.

use std::collections::BTreeMap;

use serde_json::Value;

use super::guard::guards_read;
use super::natural::natural_read;
use super::steps::steps_read;
use super::wish::wishes_read;
use super::{DeleteRule, FieldRule, FieldType, Policy, PolicyClock, PolicyError, PolicyKind, SchemaSteps};
use crate::command::CommandRule;
use crate::crdt::CrdtType;
use crate::expr::Expr;
use crate::sync::Body;

/// Most fields that one policy may derive.
const DERIVED_MAX: usize = 20;

const MEMBERS: [&str; 15] = [
    "kind",
    "clock",
    "delete",
    "rules",
    "derive",
    "always",
    "lock",
    "detect",
    "steps",
    "client_may",
    "crdt",
    "fields",
    "guards",
    "natural_key",
    "commands",
];

pub(super) fn wrong(member: &str, problem: impl Into<String>) -> PolicyError {
    PolicyError { member: member.to_owned(), problem: problem.into() }
}

impl Policy {
    /// Reads `{"kind": …, "clock": …, "delete": …, "rules": {…}, "derive": {…}, "always": …, "lock": …, "detect": …, "steps": […], "client_may": […],
    /// "fields": {…}, "guards": […], "natural_key": {…},
    /// "commands": {…}}`.
    ///
    /// # Errors
    /// The first member that is unknown or holds something else than it may.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let value: Value = serde_json::from_str(text).map_err(|_| wrong("", "is not JSON"))?;
        let policy = value.as_object().ok_or_else(|| wrong("", "must be an object"))?;
        if let Some(unknown) = policy.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(wrong(unknown, "is not known"));
        }
        let kind = kind_read(policy)?;
        let delete_default = match kind {
            PolicyKind::Lww | PolicyKind::LwwField | PolicyKind::Crdt { .. } | PolicyKind::HigherRoleWins => DeleteRule::Stamp,
            _ => DeleteRule::Manual,
        };
        Ok(Self {
            clock: word(policy, "clock", &[("server", PolicyClock::Server), ("hlc", PolicyClock::Hlc)])?.unwrap_or_default(),
            delete: word(policy, "delete", &DeleteRule::NAMES)?.unwrap_or(delete_default),
            fields: words(policy, "fields", &FieldType::NAMES)?,
            guards: guards_read(policy.get("guards"))?,
            natural_key: natural_read(policy.get("natural_key"))?,
            lock: lock_read(policy, &kind)?,
            vector: word(policy, "detect", &[("version", false), ("vector", true)])?.unwrap_or_default(),
            steps: steps_fit(steps_read(policy.get("steps"))?, &kind)?,
            client_may: wishes_read(policy.get("client_may"))?,
            commands: commands_read(policy)?,
            kind,
        })
    }
}

/// A field that merges by itself keeps its name: its operations are in the log under it.
fn steps_fit(steps: SchemaSteps, kind: &PolicyKind) -> Result<SchemaSteps, PolicyError> {
    if let PolicyKind::Crdt { fields } = kind
        && let Some(name) = steps.names().find(|name| fields.contains_key(*name))
    {
        return Err(wrong("steps", format!("touch `{name}`, which merges by itself")));
    }
    Ok(steps)
}

/// `"lock": true` belongs to reviews: elsewhere nothing is left open about a field.
fn lock_read(policy: &Body, kind: &PolicyKind) -> Result<bool, PolicyError> {
    let lock = match policy.get("lock") {
        None => return Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| wrong("lock", "must be true or false"))?,
    };
    match kind {
        PolicyKind::ManualReview { .. } => Ok(lock),
        _ => Err(wrong("lock", "belongs to manual_review")),
    }
}

fn commands_read(policy: &Body) -> Result<BTreeMap<String, CommandRule>, PolicyError> {
    let Some(value) = policy.get("commands") else { return Ok(BTreeMap::new()) };
    let members = value.as_object().ok_or_else(|| wrong("commands", "must be an object"))?;
    let read = |(name, value): (&String, &Value)| CommandRule::read(name, value).map(|rule| (name.clone(), rule));
    members.iter().map(read).collect::<Result<_, _>>().map_err(|(member, problem)| wrong(&member, problem))
}

fn kind_read(policy: &Body) -> Result<PolicyKind, PolicyError> {
    let rules = words(policy, "rules", &FieldRule::NAMES)?;
    let derive = derive_read(policy)?;
    let always = match policy.get("always") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| wrong("always", "must be true or false"))?,
    };
    let kind = policy.get("kind").and_then(Value::as_str).ok_or_else(|| wrong("kind", "is missing"))?;
    match kind {
        "field_merge" => Ok(PolicyKind::FieldMerge { rules, derive }),
        _ if !rules.is_empty() => Err(wrong("rules", "belongs to field_merge")),
        _ if !derive.is_empty() => Err(wrong("derive", "belongs to field_merge")),
        "manual_review" => Ok(PolicyKind::ManualReview { always }),
        _ if always => Err(wrong("always", "belongs to manual_review")),
        "crdt" => Ok(PolicyKind::Crdt { fields: crdt_read(policy)? }),
        _ if policy.contains_key("crdt") => Err(wrong("crdt", "belongs to the kind crdt")),
        "lww" => Ok(PolicyKind::Lww),
        "lww_field" => Ok(PolicyKind::LwwField),
        "higher_role_wins" => Ok(PolicyKind::HigherRoleWins),
        "version_control" => Ok(PolicyKind::VersionControl),
        "append_only" => Ok(PolicyKind::AppendOnly),
        "client_resolves" => Ok(PolicyKind::ClientResolves),
        _ => Err(wrong("kind", format!("must be one of {}", PolicyKind::NAMES.join(", ")))),
    }
}

/// `{"qty": "counter", …}`: at least one field.
fn crdt_read(policy: &Body) -> Result<BTreeMap<String, CrdtType>, PolicyError> {
    let fields = words(policy, "crdt", &CrdtType::NAMES)?;
    if fields.is_empty() {
        return Err(wrong("crdt", "must name the fields that merge by themselves, with their types"));
    }
    let unread = fields.iter().find(|(_, kind)| **kind == CrdtType::Yjs && !cfg!(feature = "yjs"));
    match unread {
        Some((field, _)) => Err(wrong(&format!("crdt.{field}"), "yjs1 is not built in here")),
        None => Ok(fields),
    }
}

/// `{"total": "qty * price", …}`, in the order of the names: a later one sees what an earlier one has computed.
fn derive_read(policy: &Body) -> Result<Vec<(String, Expr)>, PolicyError> {
    let Some(value) = policy.get("derive") else { return Ok(Vec::new()) };
    let members = value.as_object().ok_or_else(|| wrong("derive", "must be an object"))?;
    if members.len() > DERIVED_MAX {
        return Err(wrong("derive", format!("has more than {DERIVED_MAX} members")));
    }
    let mut derived = members.iter().map(|(name, value)| {
        let member = format!("derive.{name}");
        let text = value.as_str().ok_or_else(|| wrong(&member, "must be an expression, as a text"))?;
        let expr = Expr::parse(text, &[]).map_err(|error| wrong(&member, format!("cannot be read: {error}")))?;
        Ok((name.clone(), expr))
    });
    let mut derived: Vec<(String, Expr)> = derived.by_ref().collect::<Result<_, _>>()?;
    derived.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(derived)
}

pub(super) fn word<T: Copy>(policy: &Body, member: &str, names: &[(&'static str, T)]) -> Result<Option<T>, PolicyError> {
    policy.get(member).map(|value| choose(member, value, names)).transpose()
}

fn words<T: Copy>(policy: &Body, member: &str, names: &[(&'static str, T)]) -> Result<BTreeMap<String, T>, PolicyError> {
    let Some(value) = policy.get(member) else { return Ok(BTreeMap::new()) };
    let members = value.as_object().ok_or_else(|| wrong(member, "must be an object"))?;
    members.iter().map(|(field, value)| Ok((field.clone(), choose(&format!("{member}.{field}"), value, names)?))).collect()
}

fn choose<T: Copy>(member: &str, value: &Value, names: &[(&'static str, T)]) -> Result<T, PolicyError> {
    let found = value.as_str().and_then(|text| names.iter().find(|(name, _)| *name == text));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        wrong(member, format!("must be one of {}", known.join(", ")))
    })
}
