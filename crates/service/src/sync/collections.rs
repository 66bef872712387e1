//! Collections from their JSON definition: `[{"name": …, "priority": …, "schema": {"min": 1, "current": 1, "steps": […]}, "policy": {…}}]`.
//! The steps between schema versions go into the policy, whose revisions are kept: a decision depends on them.
//!
//! There are ready-made sets for apps whose protocols are spoken here, see [`COLLECTION_SETS`].

use serde_json::{Value, json};
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::policy::Policy;
use tidewatch_domain::sync::CollectionInfo;
use tidewatch_store::sync::CollectionDefinition;
use tidewatch_store::sync::collections::priority_read;

use crate::{Actor, Cx, Error, Result, Service};

/// The collections of the demo fleet.
pub const COLLECTIONS_DEMO: &str = include_str!("../collections_demo.json");
/// Ready-made sets of collections, by name.
pub const COLLECTION_SETS: [(&str, &str); 5] = [
    ("arxos", include_str!("../collections/arxos.json")),
    ("asyncstorage", include_str!("../collections/asyncstorage.json")),
    ("demo", COLLECTIONS_DEMO),
    ("posalpro", include_str!("../collections/posalpro.json")),
    ("prism", include_str!("../collections/prism.json")),
];

/// Most collections that one definition may hold.
const COLLECTIONS_MAX: usize = 500;
/// Members of a definition.
const MEMBERS: [&str; 4] = ["name", "priority", "schema", "policy"];

/// What an import has made of one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionChange {
    /// Which.
    pub name: CollectionName,
    /// As it was; `None` when it is new.
    pub before: Option<CollectionInfo>,
    /// As it is.
    pub after: CollectionInfo,
}

impl CollectionChange {
    /// Whether anything changed.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.before.as_ref() != Some(&self.after)
    }

    /// In words: `added`, `policy revision 2, was 1`, `unchanged`.
    #[must_use]
    pub fn words(&self) -> String {
        let Some(before) = &self.before else { return format!("added, policy revision {}", self.after.policy_rev) };
        let mut words = Vec::new();
        if before.policy_rev != self.after.policy_rev {
            words.push(format!("policy revision {}, was {}", self.after.policy_rev, before.policy_rev));
        }
        if before.priority != self.after.priority {
            words.push(format!("priority {}, was {}", self.after.priority, before.priority));
        }
        let schema = |info: &CollectionInfo| (info.schema_min, info.schema_current);
        if schema(before) != schema(&self.after) {
            let ((min, current), (min_before, current_before)) = (schema(&self.after), schema(before));
            words.push(format!("schema {min} to {current}, was {min_before} to {current_before}"));
        }
        if words.is_empty() { "unchanged".to_owned() } else { words.join("; ") }
    }
}

impl Service {
    /// Adds collections, or changes those that are there, from a JSON definition. Answers what became of each; what is as it
    /// was before is left alone.
    ///
    /// # Errors
    /// Forbidden unless the console itself acts; invalid, naming the collection and its member, when the definition cannot be
    /// read: then nothing is changed.
    pub async fn collections_import(&self, cx: &Cx, json: &str) -> Result<Vec<CollectionChange>> {
        if cx.actor != Actor::System {
            return Err(Error::Forbidden);
        }
        let definitions = definitions_read(json)?;
        let names: Vec<CollectionName> = definitions.iter().map(|definition| definition.name.clone()).collect();
        let before = self.collections();
        steps_kept(&before, &definitions)?;
        self.store.sync().collections_put(definitions, &cx.actor.audit_name(), cx.now).await?;
        let after = self.collections();
        let find = |all: &[CollectionInfo], name: &CollectionName| all.iter().find(|info| info.name == *name).cloned();
        let change =
            |name: CollectionName| Some(CollectionChange { before: find(&before, &name), after: find(&after, &name)?, name });
        let changes: Vec<CollectionChange> = names.into_iter().filter_map(change).collect();
        let rows: Vec<AuditEntry> =
            changes.iter().filter(|change| change.is_change()).map(|change| audit_row(cx, change)).collect();
        if !rows.is_empty() {
            self.store.sync().audit_append(rows).await?;
        }
        Ok(changes)
    }

    /// The collections as a definition that [`Service::collections_import`] takes.
    #[must_use]
    pub fn collections_export(&self) -> String {
        let all: Vec<Value> = self.collections().iter().map(definition_written).collect();
        serde_json::to_string_pretty(&all).expect("definitions are JSON") + "\n"
    }
}

fn audit_row(cx: &Cx, change: &CollectionChange) -> AuditEntry {
    let told = |info: &CollectionInfo| {
        let mut value = definition_written(info);
        value["policy_rev"] = info.policy_rev.into();
        value.to_string()
    };
    AuditEntry {
        at: cx.now,
        actor: cx.actor.audit_name(),
        action: "collection_put",
        subject: Some(format!("collection:{}", change.name)),
        before: change.before.as_ref().map(told),
        after: Some(told(&change.after)),
        trace_id: Some(cx.request_id.clone()),
    }
}

fn definition_written(info: &CollectionInfo) -> Value {
    let policy: Value = serde_json::from_str(&info.policy).unwrap_or_default();
    json!({"name": info.name.as_str(), "priority": info.priority,
        "schema": {"min": info.schema_min, "current": info.schema_current}, "policy": policy})
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::Invalid { field: "collections", detail: detail.into() }
}

/// Steps between schemas are only added: what is stored in the names of before one of them can be read by no other way.
fn steps_kept(before: &[CollectionInfo], definitions: &[CollectionDefinition]) -> Result<()> {
    let steps = |policy: &str| Policy::parse(policy).map(|policy| policy.steps).unwrap_or_default();
    for definition in definitions {
        let Some(known) = before.iter().find(|known| known.name == definition.name) else { continue };
        if !steps(&definition.policy).continues(&steps(&known.policy)) {
            return Err(invalid(format!("`{}`: schema.steps must begin with those that are configured", definition.name)));
        }
    }
    Ok(())
}

fn definitions_read(json: &str) -> Result<Vec<CollectionDefinition>> {
    let value: Value = serde_json::from_str(json).map_err(|error| invalid(format!("not JSON: {error}")))?;
    let items = value.as_array().ok_or_else(|| invalid("must be a list"))?;
    if items.len() > COLLECTIONS_MAX {
        return Err(invalid(format!("more than {COLLECTIONS_MAX} collections")));
    }
    let read = items.iter().map(definition_read).collect::<Result<Vec<_>>>()?;
    for (at, definition) in read.iter().enumerate() {
        if read[..at].iter().any(|other| other.name == definition.name) {
            return Err(invalid(format!("`{}` stands more than once", definition.name)));
        }
    }
    Ok(read)
}

fn definition_read(item: &Value) -> Result<CollectionDefinition> {
    let name = item["name"].as_str().ok_or_else(|| invalid("a collection has no name"))?;
    let name = CollectionName::parse(name).map_err(|error| invalid(error.to_string()))?;
    let unknown = item.as_object().and_then(|members| members.keys().find(|member| !MEMBERS.contains(&member.as_str())));
    if let Some(member) = unknown {
        return Err(invalid(format!("`{name}`: member `{member}` is not known")));
    }
    let priority = item["priority"].as_str().unwrap_or("normal");
    let priority = priority_read(priority).ok_or_else(|| invalid(format!("`{name}`: unknown priority `{priority}`")))?;
    let schema = |member: &str| match &item["schema"][member] {
        Value::Null => Ok(1),
        value => {
            value.as_i64().filter(|n| *n >= 1).ok_or_else(|| invalid(format!("`{name}`: schema.{member} must be 1 or more")))
        }
    };
    let (schema_min, schema_current) = (schema("min")?, schema("current")?);
    if schema_min > schema_current {
        return Err(invalid(format!("`{name}`: schema.min is above schema.current")));
    }
    let mut policy = item["policy"].clone();
    if let (Value::Object(policy), steps @ Value::Array(_)) = (&mut policy, &item["schema"]["steps"]) {
        policy.insert("steps".to_owned(), steps.clone());
    }
    let policy = policy.to_string();
    let read = Policy::parse(&policy).map_err(|error| invalid(format!("`{name}`: {error}")))?;
    if read.steps.last().is_some_and(|last| last > schema_current) {
        return Err(invalid(format!("`{name}`: schema.steps lead beyond schema.current")));
    }
    Ok(CollectionDefinition { name, schema_min, schema_current, priority, policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_collections_can_be_read() {
        let names: Vec<String> =
            definitions_read(COLLECTIONS_DEMO).expect("valid").into_iter().map(|d| d.name.to_string()).collect();
        assert_eq!(names, ["work_orders", "assets", "inspections", "meter_readings", "notes", "approvals", "settings", "todos"]);
    }

    #[test]
    fn every_ready_made_set_can_be_read() {
        let names = |set: &str| -> Vec<String> {
            let (_, json) = COLLECTION_SETS.into_iter().find(|(name, _)| *name == set).expect("a set");
            definitions_read(json).expect(set).into_iter().map(|definition| definition.name.into_string()).collect()
        };
        assert_eq!(names("arxos"), ["equipment", "spatial_anchors", "buildings"]);
        assert_eq!(names("asyncstorage"), ["events", "contacts"]);
        assert_eq!(names("demo").len(), 8);
        let posalpro =
            ["proposals", "approvals", "reviews", "customers", "products", "content", "users", "financial_data", "legal_content"];
        assert_eq!(names("posalpro"), posalpro);
        assert_eq!(names("prism"), ["tasks", "documents", "work_orders", "decisions", "permits", "estimates"]);
    }

    #[test]
    fn a_change_is_told_in_words() {
        let info = |rev: i64, priority: &'static str, current: i64| CollectionInfo {
            name: CollectionName::parse("a").expect("a name"),
            schema_min: 1,
            schema_current: current,
            policy: "{}".to_owned(),
            policy_rev: rev,
            priority,
        };
        let words = |before: Option<CollectionInfo>, after: CollectionInfo| {
            CollectionChange { name: after.name.clone(), before, after }.words()
        };
        assert_eq!(words(None, info(1, "normal", 1)), "added, policy revision 1");
        assert_eq!(words(Some(info(1, "normal", 1)), info(1, "normal", 1)), "unchanged");
        assert_eq!(
            words(Some(info(1, "normal", 1)), info(2, "critical", 3)),
            "policy revision 2, was 1; priority critical, was normal; schema 1 to 3, was 1 to 1"
        );
    }

    #[test]
    fn a_bad_definition_is_refused_with_the_name_of_the_collection() {
        let cases = [
            ("{}", "must be a list"),
            (r#"[{"policy":{"kind":"lww"}}]"#, "a collection has no name"),
            (
                r#"[{"name":"a","policy":{"kind":"best"}}]"#,
                "`a`: policy member `kind` must be one of lww, lww_field, field_merge, higher_role_wins, version_control, append_only, crdt, manual_review, client_resolves",
            ),
            (r#"[{"name":"a","polcy":{},"policy":{"kind":"lww"}}]"#, "`a`: member `polcy` is not known"),
            (r#"[{"name":"a","policy":{"kind":"lww"}},{"name":"a","policy":{"kind":"lww"}}]"#, "`a` stands more than once"),
            (r#"[{"name":"a","priority":"high","policy":{"kind":"lww"}}]"#, "`a`: unknown priority `high`"),
            (
                r#"[{"name":"a","schema":{"min":3,"current":2},"policy":{"kind":"lww"}}]"#,
                "`a`: schema.min is above schema.current",
            ),
        ];
        for (json, wanted) in cases {
            let Err(Error::Invalid { field: "collections", detail }) = definitions_read(json) else { panic!("{json} was read") };
            assert_eq!(detail, wanted, "{json}");
        }
    }
}
