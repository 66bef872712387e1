//! Which field of a payload the words of an error are about.

use serde_json::Value;

/// Fields that are looked at.
const FIELDS_MAX: usize = 500;

/// The field that a message names: the longest name of a field that stands in it as a word, as `reading.pressure_kpa`,
/// `/reading/pressure_kpa` or by its last part alone.
#[must_use]
pub fn fault_find(payload: &Value, message: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    fields_add(payload, &mut Vec::new(), &mut fields);
    let named = |path: &Vec<String>| {
        let last = path.last().map(String::as_str).unwrap_or_default();
        [path.join("."), path.join("/"), last.to_owned()]
            .into_iter()
            .filter(|name| is_named(message, name))
            .map(|name| name.len())
            .max()
    };
    let found = fields.into_iter().filter_map(|path| named(&path).map(|length| (length, path)));
    // Of equally long names the first: later ones must be longer.
    found
        .fold(None, |best: Option<(usize, Vec<String>)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, path)| path)
}

fn fields_add(value: &Value, path: &mut Vec<String>, fields: &mut Vec<Vec<String>>) {
    let mut member = |name: String, value: &Value| {
        if fields.len() < FIELDS_MAX {
            path.push(name);
            fields.push(path.clone());
            fields_add(value, path, fields);
            path.pop();
        }
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| member(name.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| member(at.to_string(), value)),
        _ => {}
    }
}

/// Whether a name of at least two letters stands in a text with nothing of a name right before or after it.
fn is_named(text: &str, name: &str) -> bool {
    if name.len() < 2 || name.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(of_name) && !after.is_some_and(of_name)
    })
}
