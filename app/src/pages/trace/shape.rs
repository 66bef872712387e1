//! A body as a tree of field names and types, in lines. Knows no values: where the text is not the JSON it should be, it shows none.

use leptos::prelude::*;
use serde_json::Value;

/// Lines shown before the rest is cut.
const LINES_MAX: usize = 400;

/// One line: indent, field name, and what stands for its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    indent: usize,
    name: Option<String>,
    kind: Kind,
    comma: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Open(&'static str),
    Close(&'static str),
    Type(String),
}

/// The shape as a block of lines.
#[component]
pub fn Shape(
    /// JSON text of names and types.
    json: String,
) -> impl IntoView {
    let lines = lines(&json);
    let cut = lines.len() > LINES_MAX;
    view! {
        <pre class="payload shape" tabindex="0" role="group" aria-label="Field names and types">
            {lines.into_iter().take(LINES_MAX).map(|line| view! { <ShapeLine line/> }).collect_view()}
        </pre>
        {cut.then(|| view! { <div class="panel-foot"><span>{format!("The first {LINES_MAX} lines are shown.")}</span></div> })}
    }
    .into_any()
}

#[component]
fn ShapeLine(line: Line) -> impl IntoView {
    let indent = (line.indent > 0).then(|| "  ".repeat(line.indent));
    let name = line.name.map(|name| view! { <i>{Value::from(name).to_string()}</i> ": " });
    let comma = line.comma.then_some(",");
    let value = match line.kind {
        Kind::Open(sign) | Kind::Close(sign) => sign.into_any(),
        Kind::Type(word) => view! { <em>{word}</em> }.into_any(),
    };
    view! { <span>{indent}{name}{value}{comma}</span> }.into_any()
}

fn lines(json: &str) -> Vec<Line> {
    let mut out = Vec::new();
    match serde_json::from_str::<Value>(json) {
        Ok(value) => push(&mut out, 0, None, &value, false),
        Err(_) => out.push(Line { indent: 0, name: None, kind: Kind::Type("not to be shown".to_owned()), comma: false }),
    }
    out
}

fn push(out: &mut Vec<Line>, indent: usize, name: Option<String>, value: &Value, comma: bool) {
    let bracket = |out: &mut Vec<Line>, open, close, children: Vec<(Option<String>, &Value)>| {
        out.push(Line { indent, name: name.clone(), kind: Kind::Open(open), comma: false });
        let last = children.len().saturating_sub(1);
        for (at, (name, child)) in children.into_iter().enumerate() {
            push(out, indent + 1, name, child, at < last);
        }
        out.push(Line { indent, name: None, kind: Kind::Close(close), comma });
    };
    match value {
        Value::Object(fields) => bracket(out, "{", "}", fields.iter().map(|(name, child)| (Some(name.clone()), child)).collect()),
        Value::Array(items) => bracket(out, "[", "]", items.iter().map(|child| (None, child)).collect()),
        Value::String(word) => out.push(Line { indent, name: name.clone(), kind: Kind::Type(word.clone()), comma }),
        _ => out.push(Line { indent, name: name.clone(), kind: Kind::Type("value".to_owned()), comma }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_becomes_lines_of_names_and_types() {
        let shown: Vec<_> = lines(r#"{"status":"string","reading":{"kpa":"number"},"tags":["string"]}"#)
            .into_iter()
            .map(|line| {
                let kind = match line.kind {
                    Kind::Open(sign) | Kind::Close(sign) => sign.to_owned(),
                    Kind::Type(word) => word,
                };
                format!(
                    "{}{}{kind}{}",
                    "  ".repeat(line.indent),
                    line.name.map(|name| format!("{name}: ")).unwrap_or_default(),
                    if line.comma { "," } else { "" }
                )
            })
            .collect();
        let mut sorted = shown.clone();
        sorted.sort();
        assert_eq!(shown.first().map(String::as_str), Some("{"));
        assert_eq!(shown.last().map(String::as_str), Some("}"));
        assert!(shown.iter().any(|line| line.trim_start().starts_with("kpa: number")), "{shown:?}");
        assert!(shown.iter().any(|line| line.trim_start().starts_with("status: string")), "{shown:?}");
    }

    #[test]
    fn what_is_not_a_type_is_never_shown() {
        let shown = lines(r#"{"age":42,"ok":true}"#);
        assert!(shown.iter().all(|line| line.kind != Kind::Type("42".into()) && line.kind != Kind::Type("true".into())));
        assert_eq!(lines("secret text").len(), 1);
        assert_eq!(lines("secret text")[0].kind, Kind::Type("not to be shown".into()));
    }
}
