//! Collections from their JSON definition: `[{"name": …, "priority": …, "schema": {"min": 1, "current": 1}, "policy": {…}}]`.

use serde_json::Value;
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::policy::Policy;
use tidewatch_store::sync::CollectionDefinition;
use tidewatch_store::sync::collections::priority_read;

use crate::{Actor, Cx, Error, Result, Service};

/// The collections of the demo fleet.
pub const COLLECTIONS_DEMO: &str = include_str!("../collections_demo.json");

/// Most collections that one definition may hold.
const COLLECTIONS_MAX: usize = 500;

impl Service {
    /// Adds collections, or changes those that are there, from a JSON definition. Answers their names.
    ///
    /// # Errors
    /// Forbidden unless the console itself acts; invalid, naming the collection, when the definition cannot be read: then
    /// nothing is changed.
    pub async fn collections_import(&self, cx: &Cx, json: &str) -> Result<Vec<String>> {
        if cx.actor != Actor::System {
            return Err(Error::Forbidden);
        }
        let definitions = definitions_read(json)?;
        let names = definitions.iter().map(|definition| definition.name.to_string()).collect();
        self.store.sync().collections_put(definitions, &cx.actor.audit_name(), cx.now).await?;
        Ok(names)
    }
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::Invalid { field: "collections", detail: detail.into() }
}

fn definitions_read(json: &str) -> Result<Vec<CollectionDefinition>> {
    let value: Value = serde_json::from_str(json).map_err(|error| invalid(format!("not JSON: {error}")))?;
    let items = value.as_array().ok_or_else(|| invalid("must be a list"))?;
    if items.len() > COLLECTIONS_MAX {
        return Err(invalid(format!("more than {COLLECTIONS_MAX} collections")));
    }
    items.iter().map(definition_read).collect()
}

fn definition_read(item: &Value) -> Result<CollectionDefinition> {
    let name = item["name"].as_str().ok_or_else(|| invalid("a collection has no name"))?;
    let name = CollectionName::parse(name).map_err(|error| invalid(error.to_string()))?;
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
    let policy = item["policy"].to_string();
    Policy::parse(&policy).map_err(|error| invalid(format!("`{name}`: {error}")))?;
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
    fn a_bad_definition_is_refused_with_the_name_of_the_collection() {
        let cases = [
            ("{}", "must be a list"),
            (r#"[{"policy":{"kind":"lww"}}]"#, "a collection has no name"),
            (
                r#"[{"name":"a","policy":{"kind":"best"}}]"#,
                "`a`: policy member `kind` must be one of lww, lww_field, field_merge, higher_role_wins, version_control, append_only, crdt, manual_review, client_resolves",
            ),
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
