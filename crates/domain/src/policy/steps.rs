//! Steps between schema versions of a collection: what an older device calls otherwise, does not know, or still sends.
//!
//! Intents of an older device are stated in the current names before they are decided; what such a device reads gets its own names
//! back. Nothing is ever taken from the record for it: a field that it does not know stays, and travels through it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::PolicyError;
use super::read::wrong;
use crate::decide::is_unset;
use crate::json::body_text;
use crate::sync::{Body, ConflictView, IntentResult, MutationOp, RecordVersion};

/// Most steps of one collection.
const STEPS_MAX: usize = 100;
/// Most fields that one step names.
const FIELDS_MAX: usize = 200;

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaStep {
    /// The version that it leads to.
    pub to: i64,
    /// Fields with another name from this version on: old, new.
    pub rename: Vec<(String, String)>,
    /// Fields that are new, with the value that a whole record of an older device gets.
    pub default: Vec<(String, Value)>,
    /// Fields that are gone.
    pub drop: Vec<String>,
}

/// The steps of a collection, in the order of their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaSteps(Vec<SchemaStep>);

impl SchemaSteps {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it begins with all of these.
    #[must_use]
    pub fn continues(&self, before: &Self) -> bool {
        self.0.starts_with(&before.0)
    }

    /// The version that the last step leads to.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|step| step.to)
    }

    /// Whether nothing has to be stated otherwise for a device with this version.
    #[must_use]
    pub fn fits(&self, version: i64) -> bool {
        self.0.last().is_none_or(|last| version >= last.to)
    }

    /// The payload of a device with this version in the current names. Defaults go into whole records only: an update says nothing of
    /// the fields that it does not name.
    #[must_use]
    pub fn up(&self, version: i64, op: MutationOp, mut fields: Body) -> Body {
        let whole = matches!(op, MutationOp::Create | MutationOp::Put);
        for step in self.0.iter().filter(|step| step.to > version) {
            step.renamed_up(&mut fields);
            for name in &step.drop {
                fields.remove(name);
            }
            for (name, value) in step.default.iter().filter(|_| whole) {
                fields.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        fields
    }

    /// A stored body in the current names. What is there under them already is left alone.
    #[must_use]
    pub fn restored(&self, mut body: Body) -> Body {
        for step in &self.0 {
            step.renamed_up(&mut body);
            for name in &step.drop {
                body.remove(name);
            }
        }
        body
    }

    /// A stored body as a reader with this version knows it; without one, as the current version does.
    #[must_use]
    pub fn shown(&self, version: Option<i64>, body: Body) -> Body {
        let mut body = self.restored(body);
        for step in self.above(version).rev() {
            for (old, new) in &step.rename {
                if let Some(value) = body.remove(new) {
                    body.insert(old.clone(), value);
                }
            }
        }
        body
    }

    /// A stored field by the name that a reader with this version knows; none when the field is gone.
    #[must_use]
    pub fn name_shown<'a>(&'a self, version: Option<i64>, name: &'a str) -> Option<&'a str> {
        let mut name = self.name_restored(name)?;
        for step in self.above(version).rev() {
            name = step.rename.iter().find(|(_, new)| new == name).map_or(name, |(old, _)| old);
        }
        Some(name)
    }

    /// The current name of a stored field; none when the field is gone.
    #[must_use]
    pub fn name_restored<'a>(&'a self, mut name: &'a str) -> Option<&'a str> {
        for step in &self.0 {
            name = step.rename.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new);
            if step.drop.iter().any(|gone| gone == name) {
                return None;
            }
        }
        Some(name)
    }

    /// The text of a stored body, as a reader with this version knows it.
    #[must_use]
    pub fn text_shown(&self, version: Option<i64>, text: String) -> String {
        match serde_json::from_str::<Body>(&text) {
            Ok(body) if !self.is_empty() => body_text(&self.shown(version, body)),
            _ => text,
        }
    }

    /// The names of stored fields, as a reader with this version knows them.
    #[must_use]
    pub fn names_shown(&self, version: Option<i64>, names: Vec<String>) -> Vec<String> {
        if self.is_empty() {
            return names;
        }
        names.iter().filter_map(|name| self.name_shown(version, name)).map(str::to_owned).collect()
    }

    /// An answer, as a device with this version knows the fields that it speaks of.
    #[must_use]
    pub fn answer_shown(&self, version: Option<i64>, mut answer: IntentResult) -> IntentResult {
        if self.is_empty() {
            return answer;
        }
        answer.record = answer.record.map(|record| self.shown(version, record));
        if let Some(resolution) = &mut answer.resolution {
            resolution.kept = self.names_shown(version, std::mem::take(&mut resolution.kept));
            resolution.lost = self.names_shown(version, std::mem::take(&mut resolution.lost));
        }
        answer
    }

    /// A version of a record, as a reader with this version knows it.
    #[must_use]
    pub fn version_shown(&self, version: Option<i64>, stored: RecordVersion) -> RecordVersion {
        RecordVersion {
            changed: stored.changed.map(|names| self.names_shown(version, names)),
            fields: stored.fields.map(|text| self.text_shown(version, text)),
            ..stored
        }
    }

    /// A conflict, as a reader with this version knows it. What the decision read stays as it was.
    #[must_use]
    pub fn conflict_shown(&self, version: Option<i64>, stored: ConflictView) -> ConflictView {
        ConflictView {
            base: stored.base.map(|text| self.text_shown(version, text)),
            local: self.text_shown(version, stored.local),
            server: self.text_shown(version, stored.server),
            record: stored.record.map(|(number, body)| (number, body.map(|text| self.text_shown(version, text)))),
            ..stored
        }
    }

    /// The steps that a reader with this version has not made.
    fn above(&self, version: Option<i64>) -> impl DoubleEndedIterator<Item = &SchemaStep> {
        self.0.iter().filter(move |step| version.is_some_and(|version| step.to > version))
    }

    /// The fields that steps name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|step| {
            let renamed = step.rename.iter().flat_map(|(old, new)| [old.as_str(), new.as_str()]);
            let new = step.default.iter().map(|(name, _)| name.as_str());
            renamed.chain(new).chain(step.drop.iter().map(String::as_str))
        })
    }
}

impl SchemaStep {
    fn renamed_up(&self, fields: &mut Body) {
        for (old, new) in &self.rename {
            let Some(value) = fields.remove(old) else { continue };
            if !fields.contains_key(new) {
                fields.insert(new.clone(), value);
            }
        }
    }
}

/// Reads `[{"to": 2, "rename": {"old": "new"}, "default": {"field": value}, "drop": ["field"]}, …]`.
pub(super) fn steps_read(value: Option<&Value>) -> Result<SchemaSteps, PolicyError> {
    let Some(value) = value else { return Ok(SchemaSteps::default()) };
    let items = value.as_array().filter(|items| items.len() <= STEPS_MAX);
    let items = items.ok_or_else(|| wrong("steps", format!("must be a list of at most {STEPS_MAX} steps")))?;
    let steps: Vec<SchemaStep> =
        items.iter().enumerate().map(|(at, item)| step_read(&format!("steps[{at}]"), item)).collect::<Result<_, _>>()?;
    if let Some(at) = steps.windows(2).position(|pair| pair[0].to >= pair[1].to) {
        return Err(wrong(&format!("steps[{}].to", at + 1), "must be above that of the step before"));
    }
    gone_for_good(&steps)?;
    Ok(SchemaSteps(steps))
}

/// A name that was given up does not come back: a stored body could not be told from a newer one.
fn gone_for_good(steps: &[SchemaStep]) -> Result<(), PolicyError> {
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    for (at, step) in steps.iter().enumerate() {
        let back = step.rename.iter().map(|(_, new)| new).chain(step.default.iter().map(|(name, _)| name));
        if let Some(name) = back.map(String::as_str).find(|name| gone.contains(name)) {
            return Err(wrong(&format!("steps[{at}]"), format!("brings back `{name}`, which an earlier step gave up")));
        }
        gone.extend(step.rename.iter().map(|(old, _)| old.as_str()).chain(step.drop.iter().map(String::as_str)));
    }
    Ok(())
}

fn step_read(at: &str, item: &Value) -> Result<SchemaStep, PolicyError> {
    let members = item.as_object().ok_or_else(|| wrong(at, "must be an object"))?;
    let path = |name: &str| format!("{at}.{name}");
    if let Some(unknown) = members.keys().find(|name| !["to", "rename", "default", "drop"].contains(&name.as_str())) {
        return Err(wrong(&path(unknown), "is not known"));
    }
    let to = members.get("to").and_then(Value::as_i64).filter(|to| *to >= 2);
    let map = |name: &str| match members.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) if map.len() <= FIELDS_MAX => {
            Ok(map.iter().map(|(field, value)| (field.clone(), value.clone())).collect())
        }
        Some(_) => Err(wrong(&path(name), format!("must be an object of at most {FIELDS_MAX} fields"))),
    };
    let rename = map("rename")?.into_iter().map(|(old, new): (String, Value)| match new {
        Value::String(new) if !new.is_empty() && new != old => Ok((old, new)),
        _ => Err(wrong(&path(&format!("rename.{old}")), "must be another name")),
    });
    let default = map("default")?;
    if let Some((field, _)) = default.iter().find(|(_, value)| is_unset(value)) {
        return Err(wrong(&path(&format!("default.{field}")), "must be a value"));
    }
    let drop = match members.get("drop") {
        None => Vec::new(),
        Some(value) => {
            let items = value.as_array().filter(|items| items.len() <= FIELDS_MAX);
            let names = items.and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
            names.ok_or_else(|| wrong(&path("drop"), format!("must be a list of at most {FIELDS_MAX} names")))?
        }
    };
    Ok(SchemaStep {
        to: to.ok_or_else(|| wrong(&path("to"), "must be a schema version from 2 on"))?,
        rename: rename.collect::<Result<_, _>>()?,
        default,
        drop,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().expect("an object").clone()
    }

    fn steps() -> SchemaSteps {
        let text = json!([
            {"to": 2, "rename": {"name": "title"}, "default": {"stars": 0}},
            {"to": 4, "rename": {"title": "headline"}, "drop": ["legacy"]}
        ]);
        steps_read(Some(&text)).expect("steps")
    }

    #[test]
    fn what_an_older_device_writes_comes_to_the_current_names() {
        let steps = steps();
        let up = |version, op, fields| Value::Object(steps.up(version, op, body(fields)));
        let old = json!({"name": "a", "legacy": 1});
        assert_eq!(up(1, MutationOp::Create, old.clone()), json!({"headline": "a", "stars": 0}));
        assert_eq!(up(1, MutationOp::Update, old), json!({"headline": "a"}));
        assert_eq!(up(2, MutationOp::Put, json!({"title": "a", "stars": 3})), json!({"headline": "a", "stars": 3}));
        assert_eq!(up(4, MutationOp::Put, json!({"name": "kept"})), json!({"name": "kept"}));
        assert_eq!([steps.fits(3), steps.fits(4), steps.fits(9)], [false, true, true]);
    }

    #[test]
    fn what_it_reads_has_its_own_names_and_the_fields_that_it_does_not_know() {
        let steps = steps();
        for stored in [json!({"headline": "a", "stars": 3}), json!({"name": "a", "stars": 3, "legacy": 1})] {
            let shown = |version| Value::Object(steps.shown(version, body(stored.clone())));
            assert_eq!(shown(Some(1)), json!({"name": "a", "stars": 3}));
            assert_eq!(shown(Some(3)), json!({"title": "a", "stars": 3}));
            assert_eq!(
                [shown(Some(4)), shown(None)],
                [json!({"headline": "a", "stars": 3}), json!({"headline": "a", "stars": 3})]
            );
        }
        let name = |version, name| steps.name_shown(version, name);
        assert_eq!(
            [name(Some(1), "headline"), name(Some(2), "name"), name(None, "name")],
            [Some("name"), Some("title"), Some("headline")]
        );
        assert_eq!([name(Some(1), "stars"), name(Some(1), "legacy")], [Some("stars"), None]);
    }

    #[test]
    fn a_stored_body_is_restored_once_and_for_all() {
        let steps = steps();
        let once = steps.restored(body(json!({"name": "a", "legacy": 1, "x": 1})));
        assert_eq!(Value::Object(once.clone()), json!({"headline": "a", "x": 1}));
        assert_eq!(steps.restored(once.clone()), once);
    }

    #[test]
    fn steps_that_cannot_be_are_refused_by_name() {
        let cases = [
            (json!({}), "steps"),
            (json!([7]), "steps[0]"),
            (json!([{"rename": {}}]), "steps[0].to"),
            (json!([{"to": 1}]), "steps[0].to"),
            (json!([{"to": 2}, {"to": 2}]), "steps[1].to"),
            (json!([{"to": 2, "rename": {"a": 1}}]), "steps[0].rename.a"),
            (json!([{"to": 2, "rename": {"a": "a"}}]), "steps[0].rename.a"),
            (json!([{"to": 2, "default": []}]), "steps[0].default"),
            (json!([{"to": 2, "drop": [1]}]), "steps[0].drop"),
            (json!([{"to": 2, "move": {}}]), "steps[0].move"),
            (json!([{"to": 2, "drop": ["a"]}, {"to": 3, "default": {"a": 1}}]), "steps[1]"),
        ];
        for (value, member) in cases {
            assert_eq!(steps_read(Some(&value)).expect_err("refused").member, member, "{value}");
        }
    }
}
