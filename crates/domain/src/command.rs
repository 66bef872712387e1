//! Named commands of a collection: what `op: command` asks for, as the fields that it sets.
//!
//! A command sets fixed values and may take some fields from the device, with their types. It is no more than an update that
//! the store, not the device, spells out: base, guards and policy apply as to any other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::policy::FieldType;
use crate::sync::Body;

/// One named command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandRule {
    /// Values that it sets.
    pub set: Body,
    /// Fields that the device fills in, each with its type; all are required.
    pub takes: BTreeMap<String, FieldType>,
}

impl CommandRule {
    /// The fields that the command sets, given what the device sent.
    ///
    /// # Errors
    /// An argument that is missing, unknown or of another type, in words.
    pub fn fields(&self, args: &Body) -> Result<Body, String> {
        if let Some(unknown) = args.keys().find(|name| !self.takes.contains_key(*name)) {
            return Err(format!("args.{unknown}: is not taken by this command"));
        }
        let mut fields = self.set.clone();
        for (name, kind) in &self.takes {
            let value = args.get(name).ok_or_else(|| format!("args.{name}: is required by this command"))?;
            if !kind.accepts(value) {
                return Err(format!("args.{name}: must hold a value of type {}", kind.as_str()));
            }
            fields.insert(name.clone(), value.clone());
        }
        Ok(fields)
    }

    /// Reads `{"set": {…}, "takes": {…}}`.
    ///
    /// # Errors
    /// The member at fault and what is wrong with it.
    pub fn read(name: &str, value: &Value) -> Result<Self, (String, &'static str)> {
        let at = |member: &str| format!("commands.{name}{}{member}", if member.is_empty() { "" } else { "." });
        let members = value.as_object().ok_or_else(|| (at(""), "must be an object"))?;
        if let Some(unknown) = members.keys().find(|member| !matches!(member.as_str(), "set" | "takes")) {
            return Err((at(unknown), "is not known"));
        }
        let object = |member: &str| match members.get(member) {
            None => Ok(Body::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err((at(member), "must be an object")),
        };
        let set = object("set")?;
        let kind = |(field, value): (String, Value)| {
            let kind = value.as_str().and_then(FieldType::parse);
            kind.map(|kind| (field.clone(), kind)).ok_or_else(|| (at(&format!("takes.{field}")), "is not a type of a field"))
        };
        let takes: BTreeMap<String, FieldType> = object("takes")?.into_iter().map(kind).collect::<Result<_, _>>()?;
        if set.is_empty() && takes.is_empty() {
            return Err((at(""), "must set or take a field"));
        }
        Ok(Self { set, takes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<CommandRule, (String, &'static str)> {
        CommandRule::read("approve", &value)
    }

    fn body(value: Value) -> Body {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_command_sets_its_values_and_takes_what_it_names() {
        let rule = read(json!({"set": {"status": "approved"}, "takes": {"note": "string"}})).expect("valid");
        assert_eq!(rule.fields(&body(json!({"note": "fine"}))), Ok(body(json!({"status": "approved", "note": "fine"}))));
        let refused = |args| rule.fields(&body(args)).expect_err("refused");
        assert_eq!(refused(json!({})), "args.note: is required by this command");
        assert_eq!(refused(json!({"note": 1})), "args.note: must hold a value of type string");
        assert_eq!(refused(json!({"note": "", "status": "x"})), "args.status: is not taken by this command");
    }

    #[test]
    fn a_command_that_cannot_be_read_names_its_member() {
        let cases = [
            (json!([]), "commands.approve"),
            (json!({}), "commands.approve"),
            (json!({"do": {}}), "commands.approve.do"),
            (json!({"set": 1}), "commands.approve.set"),
            (json!({"takes": {"note": "text"}}), "commands.approve.takes.note"),
        ];
        for (value, member) in cases {
            assert_eq!(read(value.clone()).expect_err("refused").0, member, "{value}");
        }
    }
}
