//! A correction of one field, for whoever does not write JSON: the field, how its new value is meant, and the value. What it says is
//! put down as JSON Patch, which stands in the editor beside it.

use leptos::prelude::*;
use serde_json::{Value, json};
use tidewatch_domain::drain::Selection;
use tidewatch_domain::fleet::Tone;
use tidewatch_domain::patch;

use super::patch::asked;
use crate::pages::params::Params;
use crate::paths;

/// Most fields that are offered; what has more is corrected in JSON.
const FIELDS_MAX: usize = 40;

/// How a new value is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// As it is written.
    #[default]
    Text,
    /// A number.
    Number,
    /// True or false.
    YesNo,
    /// What the text of each entry says, as a number.
    ReadNumber,
    /// What the text of each entry says, as true or false.
    ReadYesNo,
    /// No value: the field is taken away.
    Removed,
}

impl Kind {
    const ALL: [Self; 6] = [Self::ReadNumber, Self::ReadYesNo, Self::Text, Self::Number, Self::YesNo, Self::Removed];

    const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::YesNo => "boolean",
            Self::ReadNumber => "read_number",
            Self::ReadYesNo => "read_boolean",
            Self::Removed => "removed",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Text => "this text",
            Self::Number => "this number",
            Self::YesNo => "this, true or false",
            Self::ReadNumber => "its own text, as a number",
            Self::ReadYesNo => "its own text, as true or false",
            Self::Removed => "taken away",
        }
    }

    /// The kind that a refusal asks for, or else the one that the field has. A text in the place of something else most likely says it.
    fn meant(message: &str, shape: &str) -> Self {
        let asks = |word: &str| message.contains(&format!("type {word}"));
        match (asks("number") || asks("integer"), asks("boolean"), shape) {
            (true, _, "string") => return Self::ReadNumber,
            (true, ..) => return Self::Number,
            (_, true, "string") => return Self::ReadYesNo,
            _ => {}
        }
        match (asks("boolean"), shape) {
            (true, _) | (_, "boolean") => Self::YesNo,
            (_, "number" | "integer") => Self::Number,
            _ => Self::Text,
        }
    }
}

/// What the form holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneField {
    /// Fields that hold one value, as the shape names them.
    pub fields: Vec<String>,
    /// The field.
    pub field: String,
    /// How its new value is meant.
    pub kind: Kind,
    /// The new value as somebody wrote it.
    pub value: String,
    /// What is wrong with it, in words.
    pub wrong: Option<&'static str>,
}

impl OneField {
    /// A form to start from: the field that the refusal names, or the first one.
    #[must_use]
    pub fn fresh(shape: Option<&str>, message: Option<&str>) -> Self {
        let shape: Option<Value> = shape.and_then(|shape| serde_json::from_str(shape).ok());
        let members = shape.as_ref().and_then(Value::as_object);
        let plain = members.into_iter().flatten().filter_map(|(name, kind)| Some((name.clone(), kind.as_str()?.to_owned())));
        let plain: Vec<(String, String)> = plain.take(FIELDS_MAX).collect();
        let message = message.unwrap_or_default();
        let words: Vec<&str> = message.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).collect();
        let named = plain.iter().find(|(name, _)| words.contains(&name.as_str()));
        let (field, kind) = named.or(plain.first()).cloned().unwrap_or_default();
        let kind = Kind::meant(message, &kind);
        Self { fields: plain.into_iter().map(|(name, _)| name).collect(), field, kind, ..Self::default() }
    }

    /// Takes over what the form sent; `true` when it sent anything.
    pub fn read(&mut self, params: &Params) -> bool {
        let Some(field) = params.one("field").filter(|field| !field.is_empty()) else { return false };
        let kind = params.one("kind").and_then(|word| Kind::ALL.into_iter().find(|kind| kind.word() == word));
        field.clone_into(&mut self.field);
        self.kind = kind.unwrap_or_default();
        params.one("value").unwrap_or_default().trim().clone_into(&mut self.value);
        true
    }

    /// The correction that it says.
    ///
    /// # Errors
    /// What is wrong with the value, in words.
    pub fn patch(&self) -> Result<Value, &'static str> {
        let path = format!("/{}", self.field.replace('~', "~0").replace('/', "~1"));
        let replace = |value: Value| json!({ "op": "replace", "path": path, "value": value });
        let convert = |to: patch::Kind| match self.value.is_empty() {
            true => Ok(json!({ "op": "convert", "path": path, "to": to.as_str() })),
            false => Err("Leave this empty: each entry keeps what it says. Or choose what all of them become."),
        };
        let operation = match self.kind {
            Kind::ReadNumber => convert(patch::Kind::Number)?,
            Kind::ReadYesNo => convert(patch::Kind::Boolean)?,
            Kind::Removed => json!({ "op": "remove", "path": path }),
            Kind::Text => replace(json!(self.value)),
            Kind::Number => match serde_json::from_str(&self.value) {
                Ok(number @ Value::Number(_)) => replace(number),
                _ => return Err("This is no number: write digits, with a point before a fraction."),
            },
            Kind::YesNo => match self.value.to_lowercase().as_str() {
                "true" | "yes" => replace(json!(true)),
                "false" | "no" => replace(json!(false)),
                _ => return Err("Write true or false."),
            },
        };
        Ok(json!([operation]))
    }

    /// Whether each entry keeps what it says, as another type.
    #[must_use]
    pub const fn converts(&self) -> bool {
        matches!(self.kind, Kind::ReadNumber | Kind::ReadYesNo)
    }
}

/// The form; nothing where no field holds one value.
#[component]
pub fn FieldForm(
    /// What it holds.
    one: OneField,
    /// The entries that it is for.
    selection: Selection,
) -> impl IntoView {
    if one.fields.is_empty() {
        return ().into_any();
    }
    let invalid = one.wrong.is_some();
    let wrong = one.wrong.map(|words| view! { <small id="one-wrong" data-tone=Tone::Act.as_str()>{words}</small> });
    let fields = one
        .fields
        .into_iter()
        .map(|name| view! { <option value=name.clone() selected=name == one.field>{name.clone()}</option> });
    let kinds = Kind::ALL.map(|kind| view! { <option value=kind.word() selected=kind == one.kind>{kind.label()}</option> });
    view! {
        <form class="panel-body one-field" method="get" action=paths::DRAIN_PATCH>
            {asked(&selection)}
            <label class="field"><span>"Field"</span><select class="select mono" name="field">{fields.collect_view()}</select></label>
            <label class="field"><span>"Becomes"</span><select class="select" name="kind">{kinds.into_iter().collect_view()}</select></label>
            <label class="field">
                <span>"New value"</span>
                <input class="input mono" name="value" value=one.value maxlength="500" autocomplete="off" spellcheck="false"
                    aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("one-wrong")/>
                {wrong}
            </label>
            <button class="btn" type="submit">"Try this value"</button>
        </form>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: &str = r#"{"asset":"string","passed":"boolean","photos":["string"],"reading":"string"}"#;

    #[test]
    fn it_starts_with_the_field_at_fault_and_the_kind_that_the_refusal_asks_for() {
        let one = OneField::fresh(Some(SHAPE), Some("field `reading` must hold a value of type number"));
        assert_eq!((one.field.as_str(), one.kind), ("reading", Kind::ReadNumber), "the text most likely says it");
        assert_eq!(OneField::fresh(Some(SHAPE), Some("field `passed` must hold a value of type number")).kind, Kind::Number);
        let flag = OneField::fresh(Some(r#"{"ok":"string"}"#), Some("field `ok` must hold a value of type boolean"));
        assert_eq!(flag.kind, Kind::ReadYesNo);
        assert_eq!(one.fields, ["asset", "passed", "reading"], "a list is corrected in JSON");
        assert_eq!(OneField::fresh(Some(r#"{"n":"number"}"#), None).kind, Kind::Number);
        assert_eq!(OneField::fresh(None, None).fields, [""; 0]);
    }

    #[test]
    fn what_it_says_is_a_correction_or_named_as_wrong() {
        let one = |kind, value: &str| OneField { field: "a/b~c".into(), kind, value: value.into(), ..OneField::default() };
        let says = |kind, value: &str| one(kind, value).patch().expect("it can be read")[0].clone();
        assert_eq!(says(Kind::Number, "12.5"), json!({"op": "replace", "path": "/a~1b~0c", "value": 12.5}));
        assert_eq!(says(Kind::Text, "12")["value"], json!("12"));
        assert_eq!(says(Kind::YesNo, "No")["value"], json!(false));
        assert_eq!(says(Kind::ReadNumber, ""), json!({"op": "convert", "path": "/a~1b~0c", "to": "number"}));
        assert_eq!(says(Kind::ReadYesNo, "")["to"], json!("boolean"));
        assert_eq!(says(Kind::Removed, "12"), json!({"op": "remove", "path": "/a~1b~0c"}));
        for (kind, value) in
            [(Kind::Number, "12a"), (Kind::Number, ""), (Kind::Number, "\"12\""), (Kind::YesNo, "1"), (Kind::ReadNumber, "12")]
        {
            assert!(one(kind, value).patch().is_err(), "{kind:?} {value}");
        }
    }

    #[test]
    fn it_comes_back_with_what_was_sent() {
        let mut one = OneField::fresh(Some(SHAPE), None);
        assert!(!one.read(&Params::parse("patch=[]")));
        assert!(one.read(&Params::parse("field=reading&kind=number&value=+12+")));
        assert_eq!((one.field.as_str(), one.kind, one.value.as_str()), ("reading", Kind::Number, "12"));
    }
}
