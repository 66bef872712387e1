//! Conflict policies: how a collection settles two writes that did not know of each other (`protocol.md` 2.7).
//!
//! A policy is JSON text; revisions are kept, because a decision can be made again only under the revision that made it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sync::Body;

/// Which clock orders writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyClock {
    /// Arrival: a three-day-old offline edit beats yesterday's online edit.
    Server,
    /// Edit time by the device's hybrid logical clock, bounded by the server's.
    #[default]
    Hlc,
}

/// What happens when both sides changed one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldRule {
    /// The newer stamp.
    #[default]
    Lww,
    /// The greater value.
    Max,
    /// The smaller value.
    Min,
    /// The store's value.
    Server,
    /// The device's value.
    Client,
    /// Both changes of a number are added up.
    SumDelta,
    /// A person decides.
    Manual,
}

impl FieldRule {
    const NAMES: [(&'static str, Self); 7] = [
        ("lww", Self::Lww),
        ("max", Self::Max),
        ("min", Self::Min),
        ("server", Self::Server),
        ("client", Self::Client),
        ("sum_delta", Self::SumDelta),
        ("manual", Self::Manual),
    ];
}

/// Who wins when one side deleted and the other changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteRule {
    /// The deletion.
    DeleteWins,
    /// The change.
    UpdateWins,
    /// A person decides.
    Manual,
    /// The newer stamp.
    Stamp,
}

impl DeleteRule {
    const NAMES: [(&'static str, Self); 4] =
        [("delete_wins", Self::DeleteWins), ("update_wins", Self::UpdateWins), ("manual", Self::Manual), ("stamp", Self::Stamp)];
}

/// Kind of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// The newer write of the whole record wins.
    Lww,
    /// Three-way by field.
    FieldMerge {
        /// Rules of single fields; the others use the newer stamp.
        rules: BTreeMap<String, FieldRule>,
    },
    /// A person decides.
    ManualReview {
        /// Also when nothing is concurrent.
        always: bool,
    },
    /// The device gets the store's record and decides itself.
    ClientResolves,
}

/// Type of a field, for the check of payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// An object.
    Object,
    /// A list.
    Array,
}

impl FieldType {
    const NAMES: [(&'static str, Self); 6] = [
        ("string", Self::String),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("object", Self::Object),
        ("array", Self::Array),
    ];

    /// As the policy writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|x| x.fract() == 0.0),
            Self::Boolean => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
        }
    }
}

/// A collection's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Kind.
    pub kind: PolicyKind,
    /// Clock that orders writes.
    pub clock: PolicyClock,
    /// Delete against change.
    pub delete: DeleteRule,
    /// Types of fields; a field that is not named may hold anything.
    pub fields: BTreeMap<String, FieldType>,
}

/// A policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy member `{member}` {problem}")]
pub struct PolicyError {
    /// Which member.
    pub member: String,
    /// What is wrong with it.
    pub problem: String,
}

fn wrong(member: &str, problem: impl Into<String>) -> PolicyError {
    PolicyError { member: member.to_owned(), problem: problem.into() }
}

const MEMBERS: [&str; 6] = ["kind", "clock", "delete", "rules", "always", "fields"];

impl Policy {
    /// Reads `{"kind": …, "clock": …, "delete": …, "rules": {…}, "always": …, "fields": {…}}`.
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
            PolicyKind::Lww => DeleteRule::Stamp,
            _ => DeleteRule::Manual,
        };
        Ok(Self {
            clock: word(policy, "clock", &[("server", PolicyClock::Server), ("hlc", PolicyClock::Hlc)])?.unwrap_or_default(),
            delete: word(policy, "delete", &DeleteRule::NAMES)?.unwrap_or(delete_default),
            fields: words(policy, "fields", &FieldType::NAMES)?,
            kind,
        })
    }

    /// Name of the kind.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.kind {
            PolicyKind::Lww => "lww",
            PolicyKind::FieldMerge { .. } => "field_merge",
            PolicyKind::ManualReview { .. } => "manual_review",
            PolicyKind::ClientResolves => "client_resolves",
        }
    }

    /// Whether a decision needs the body that a stale write was based on.
    #[must_use]
    pub const fn needs_base(&self) -> bool {
        matches!(self.kind, PolicyKind::FieldMerge { .. })
    }

    /// The first field of a payload that holds another type than the schema says, with that type. `null` fits every type.
    #[must_use]
    pub fn misfit<'a>(&self, fields: &'a Body) -> Option<(&'a str, FieldType)> {
        if self.fields.is_empty() {
            return None;
        }
        fields.iter().find_map(|(name, value)| {
            let wanted = *self.fields.get(name)?;
            let fits = value.is_null() || crate::decide::is_unset(value) || wanted.accepts(value);
            (!fits).then_some((name.as_str(), wanted))
        })
    }
}

fn kind_read(policy: &Body) -> Result<PolicyKind, PolicyError> {
    let rules = words(policy, "rules", &FieldRule::NAMES)?;
    let always = match policy.get("always") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| wrong("always", "must be true or false"))?,
    };
    let kind = policy.get("kind").and_then(Value::as_str).ok_or_else(|| wrong("kind", "is missing"))?;
    match kind {
        "field_merge" => Ok(PolicyKind::FieldMerge { rules }),
        _ if !rules.is_empty() => Err(wrong("rules", "belongs to field_merge")),
        "manual_review" => Ok(PolicyKind::ManualReview { always }),
        _ if always => Err(wrong("always", "belongs to manual_review")),
        "lww" => Ok(PolicyKind::Lww),
        "client_resolves" => Ok(PolicyKind::ClientResolves),
        _ => Err(wrong("kind", "must be lww, field_merge, manual_review or client_resolves")),
    }
}

fn word<T: Copy>(policy: &Body, member: &str, names: &[(&'static str, T)]) -> Result<Option<T>, PolicyError> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_follow_the_kind() {
        let lww = Policy::parse(r#"{"kind":"lww"}"#).expect("valid");
        assert_eq!((lww.clock, lww.delete), (PolicyClock::Hlc, DeleteRule::Stamp));
        let merge = Policy::parse(r#"{"kind":"field_merge","rules":{"qty":"sum_delta"}}"#).expect("valid");
        assert_eq!(merge.delete, DeleteRule::Manual);
        assert_eq!(merge.kind, PolicyKind::FieldMerge { rules: BTreeMap::from([("qty".to_owned(), FieldRule::SumDelta)]) });
    }

    #[test]
    fn a_bad_policy_is_refused_by_the_name_of_its_member() {
        let cases = [
            (r#"{"kind":"newest"}"#, "kind"),
            (r"{}", "kind"),
            (r#"{"kind":"lww","clock":"sun"}"#, "clock"),
            (r#"{"kind":"lww","rules":{"a":"max"}}"#, "rules"),
            (r#"{"kind":"lww","always":true}"#, "always"),
            (r#"{"kind":"field_merge","rules":{"a":"best"}}"#, "rules.a"),
            (r#"{"kind":"lww","fields":{"a":"text"}}"#, "fields.a"),
            (r#"{"kind":"lww","deletes":"manual"}"#, "deletes"),
        ];
        for (text, member) in cases {
            assert_eq!(Policy::parse(text).expect_err(text).member, member, "{text}");
        }
    }

    #[test]
    fn a_payload_of_the_wrong_type_is_found() {
        let policy = Policy::parse(r#"{"kind":"lww","fields":{"reading":"number","n":"integer"}}"#).expect("valid");
        let body = |value: Value| value.as_object().cloned().expect("an object");
        assert_eq!(policy.misfit(&body(json!({"reading": "12", "other": "x"}))), Some(("reading", FieldType::Number)));
        assert_eq!(policy.misfit(&body(json!({"n": 1.5}))), Some(("n", FieldType::Integer)));
        assert_eq!(policy.misfit(&body(json!({"n": 2.0, "reading": null}))), None);
        assert_eq!(policy.misfit(&body(json!({"reading": {"$unset": true}}))), None);
    }
}
