//! Redaction: what is shown of a payload, and what is not.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

const SECRET: Secret = Secret([7; 32]);

fn rules<'a>(known: &'a [&'a str], fault: Option<&'a [String]>) -> Rules<'a> {
    Rules { secret: &SECRET, known, fault }
}

fn redacted(payload: &Value, message: &str) -> Value {
    let fault = fault_find(payload, message);
    redact(payload, rules(&["INS-1"], fault.as_deref())).to_json()
}

#[test]
fn a_pseudonym_is_a_keyed_hash_and_no_plain_one() {
    // HMAC-SHA-256 of "R. Adeyemi" under thirty-two sevens begins with the bytes that this name is written from.
    let mut inner = vec![0x36 ^ 7; 32];
    inner.extend([0x36; 32]);
    inner.extend(b"R. Adeyemi");
    let mut outer = vec![0x5c ^ 7; 32];
    outer.extend([0x5c; 32]);
    outer.extend(Sha256::digest(&inner));
    let mac = Sha256::digest(&outer);
    let first = ALPHABET[usize::from(mac[0] >> 3)];
    assert!(SECRET.name("R. Adeyemi").starts_with(char::from(first)));
    assert_ne!(SECRET.name("R. Adeyemi"), Secret([8; 32]).name("R. Adeyemi"));
}

#[test]
fn the_shape_stays_and_no_value_does() {
    let payload = json!({
        "id": "INS-1", "inspector": "R. Adeyemi", "customer": "R. Adeyemi", "reading": {"pressure_kpa": 412, "ok": true},
        "note": "x".repeat(84), "photos": ["a.jpg", "b.jpg"], "secret": {"$enc": "AAAA"}, "gone": null, "empty": "",
    });
    let name = SECRET.name("R. Adeyemi");
    let long = SECRET.name(&"x".repeat(84));
    let wanted = json!({
        "id": "INS-1", "inspector": format!("person·{name}"), "customer": format!("person·{name}"),
        "reading": {"pressure_kpa": "number", "ok": "yes or no"}, "note": format!("text·{long}, 84 characters"),
        "photos": [format!("text·{}", SECRET.name("a.jpg")), format!("text·{}", SECRET.name("b.jpg"))],
        "secret": "sealed", "gone": null, "empty": "empty text",
    });
    assert_eq!(redacted(&payload, "schema_invalid"), wanted);
}

#[rstest]
#[case(json!({"reading": {"pressure_kpa": 412}}), "reading.pressure_kpa: above 400", json!({"reading": {"pressure_kpa": 412}}))]
#[case(json!({"reading": {"pressure_kpa": 412, "t": 3}}), "pressure_kpa: above 400", json!({"reading": {"pressure_kpa": 412, "t": "number"}}))]
#[case(json!({"reading": {"a": 1, "b": true}}), "/reading: too many", json!({"reading": {"a": 1, "b": true}}))]
#[case(json!({"pressure": 1, "pressure_kpa": 2}), "pressure_kpa is wrong", json!({"pressure": "number", "pressure_kpa": 2}))]
#[case(json!({"pressure": 1}), "pressures are wrong", json!({"pressure": "number"}))]
fn the_field_that_the_error_names_keeps_its_numbers(#[case] payload: Value, #[case] message: &str, #[case] wanted: Value) {
    assert_eq!(redacted(&payload, message), wanted);
}

#[test]
fn a_text_at_fault_says_what_it_is_made_of_and_not_what_it_is() {
    let name = SECRET.name("412");
    let payload = json!({"reading": {"pressure_kpa": "412"}});
    let wanted = json!({"reading": {"pressure_kpa": format!("text·{name}, 3 characters, digits")}});
    assert_eq!(redacted(&payload, "reading.pressure_kpa: text, not number"), wanted);
}

#[test]
fn a_patch_says_where_and_hides_what() {
    let payload = json!({"json_patch": [{"op": "replace", "path": "/owner", "value": "R. Adeyemi"}]});
    let name = SECRET.name("R. Adeyemi");
    let wanted = json!({"json_patch": [{"op": "replace", "path": "/owner", "value": format!("text·{name}")}]});
    assert_eq!(redacted(&payload, ""), wanted);
}

#[test]
fn a_name_that_is_data_is_hidden_too() {
    let shown = redacted(&json!({"r.adeyemi@example.org": 1, "2024-01-01": 2, "reading_1": 3}), "");
    let names: Vec<&String> = shown.as_object().expect("an object").keys().collect();
    let hidden = ["r.adeyemi@example.org", "2024-01-01"].map(|name| format!("name·{}", SECRET.name(name)));
    assert_eq!(names.len(), 3);
    assert!(names.contains(&&"reading_1".to_owned()) && hidden.iter().all(|name| names.contains(&name)), "{names:?}");
}

fn payloads() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[A-Za-z0-9 ]{6,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..6).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(members) => members.values().for_each(|member| texts(member, out)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_text_and_no_number_of_any_payload_is_shown(payload in payloads()) {
        let shown = redact(&payload, rules(&[], None)).to_json();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        texts(&payload, &mut before);
        texts(&shown, &mut after);
        prop_assert!(after.iter().all(|text| !before.contains(text)));
        prop_assert!(!shown.to_string().contains("true") && !shown.to_string().contains("false"));
        prop_assert_eq!(&redact(&payload, rules(&[], None)).to_json(), &shown);
    }

    #[test]
    fn a_revealed_payload_is_the_payload(payload in payloads()) {
        prop_assert_eq!(Shown::plain(&payload).to_json(), payload);
    }
}

#[rstest::rstest]
#[case("pushed 12 operations, 3 of them again", "pushed 12 operations, 3 of them again")]
#[case(
    "command 0199a3c2-7b1e-7c3a-9d2e-3f4a5b6c7d8e ended at 2026-11-20T15:21:40.680Z",
    "command 0199a3c2-7b1e-7c3a-9d2e-3f4a5b6c7d8e ended at 2026-11-20T15:21:40.680Z"
)]
#[case("op_01KKH2B4XYZ9V8RM6TQ waits in equipment/eq-1", "op_01KKH2B4XYZ9V8RM6TQ waits in equipment/eq-1")]
#[case("the token was refused", "the token was refused")]
#[case("token", "token")]
#[case("token =", "token =")]
#[case("x-api-key: abc", "x-api-key: secret")]
#[case("key_AbCdEfGhIjKlMnOp12", "secret")]
#[case("v1.9f3a.1204.0.c1 scanned", "v1.9f3a.1204.0.c1 scanned")]
#[case("Authorization: Bearer abc", "Authorization: Bearer secret")]
#[case("password=hunter2 user=maya", "password=secret user=maya")]
#[case("accessToken: hunter2, again", "accessToken: secret again")]
#[case("pin = 1234", "pin = secret")]
#[case("sent twd_abcdefghijkl (403)", "sent secret (403)")]
#[case("mail to maya@example.org.", "mail to mail.")]
#[case("call +49-30-1234567", "call phone")]
#[case("GET https://u:p@host.example/v1/x?sig=1 failed", "GET https://secret@host.example/v1/x?query failed")]
#[case("key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "key secret")]
#[case("it wrote {\"name\":\"Ms Winter\"} twice", "it wrote payload")]
fn what_looks_like_a_secret_in_a_message_has_a_name_and_the_rest_stays(#[case] message: &str, #[case] shown: &str) {
    let secret = Secret::new([7; 32]);
    let found = message_redact(message, Some(&secret));
    assert_eq!(message_redact(message, Some(&secret)), found, "names are stable");
    // The four letters of a name are cut off: they are another test's.
    let mut bare = String::new();
    let mut parts = found.split('·');
    bare.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| bare.push_str(part.get(4..).unwrap_or_default()));
    assert_eq!(bare, shown, "{found}");
}

#[rstest::rstest]
#[case("pressure_kpa is \"412\", expected a number", "pressure_kpa is \"text·…\", expected a number")]
#[case("'Ms Winter' can't sign", "'text·…' can't sign")]
#[case("field `reading` must hold a value of type number", "field `reading` must hold a value of type number")]
#[case("got 412, expected at most 5", "got 412, expected at most 5")]
#[case("no user maya@example.org, \"gone", "no user mail·…, \"text·…\"")]
#[case("bad body {\"salary\": 5000}", "bad body payload·…")]
#[case("list [1, 2] and [ {\"a\": 1}]", "list [1, 2] and payload·…")]
#[case("is \"…\" or \"\"", "is \"…\" or \"\"")]
fn what_a_failure_quotes_has_a_name_and_its_words_stay(#[case] message: &str, #[case] shown: &str) {
    assert_eq!(failure_redact(message, None), shown);
    let secret = Secret::new([7; 32]);
    let named = failure_redact(message, Some(&secret));
    assert_eq!(named.contains('·'), shown.contains('·'), "{named}");
    assert_eq!(failure_redact(message, Some(&secret)), named, "names are stable");
    for value in ["\"412\"", "Winter", "maya", "gone", "5000"] {
        assert!(!named.contains(value), "{named}");
    }
}

#[test]
fn the_same_text_has_one_name_in_a_failure_and_in_its_payload() {
    let secret = Secret::new([7; 32]);
    let rules = Rules { secret: &secret, known: &[], fault: None };
    let Shown::Masked(name) = redact_at(&json!("Ms Winter"), vec!["note".to_owned()], rules) else { panic!("it is masked") };
    assert_eq!(failure_redact("note is \"Ms Winter\"", Some(&secret)), format!("note is \"{name}\""));
}
