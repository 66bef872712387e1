//! Canonical JSON: one content has one text, that text reads back, another writer makes the same, and members can be cut out of it.

use serde_json::Value;
use tidewatch_domain::json::{literals, members_pick, names_read, names_text, shape, value_text};
use tidewatch_protocol::{checksum, strict};

fn picked(text: &str, array: &str) -> String {
    let mut out = String::new();
    members_pick(&mut out, text, array);
    out
}

pub(crate) fn feed(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        // What the strict reader refuses may still lie in an old log: it is written without a panic.
        let _ = (value_text(&value), shape(&value));
    }
    // Texts of a log are canonical; one that is not is cut into something, and never out of bounds.
    let _ = (picked(text, r#"["a","\u0001"]"#), picked(text, text), names_read(text));
    let Ok(value) = strict::parse(text) else { return };
    let canonical = value_text(&value);
    let again = strict::parse(&canonical).expect("canonical text is strict JSON");
    assert_eq!(value_text(&again), canonical, "canonical text is its own canonical text");
    assert_eq!(serde_json_canonicalizer::to_string(&value).ok().as_deref(), Some(canonical.as_str()), "as RFC 8785 has it");
    if let Value::Object(members) = &again {
        let names: Vec<String> = members.keys().map(|name| value_text(&Value::from(name.as_str()))).collect();
        for (name, literal) in members.keys().zip(&names) {
            let picked = picked(&canonical, &format!("[{literal}]"));
            assert_eq!(picked, format!("{{{literal}:{}}}", value_text(&members[name])), "a member is cut out whole");
        }
        let list = names_text(members.keys().map(String::as_str));
        assert_eq!(literals(&list).collect::<Vec<_>>(), names, "a list of names comes apart into its names");
        assert_eq!(names_read(&list), members.keys().cloned().collect::<Vec<_>>());
        let sum = checksum::intent_checksum(members);
        assert!(checksum::hash_read(&sum).is_some(), "a check sum reads as one");
    }
}
