//! The canonical form against the published vectors, and the properties that a digest over it relies on.

use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

fn hash(text: &str) -> String {
    let value: Value = serde_json::from_str(text).expect("a vector is JSON");
    hex::encode(Sha256::digest(value_text(&value)))
}

#[test]
fn the_published_vectors_hash_as_every_client_hashes_them() {
    let intent = r#"{"operation_id":"0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e","collection":"equipment","record_id":"eq-1","op":"update","base_version":6,"logical_timestamp":"0199a3c2f1b00003-dev1","fields":{"status":"fault","location_x":12.50,"note":"café €"}}"#;
    assert_eq!(hash(intent), "304ac036a81e35094df7b5ace427e13065273f948479c03e48f65154d3ff13eb");
    let numbers = r#"{"b":1e21,"a":1e-7,"c":-0.0,"d":1.0,"e":123456789012345680000,"f":0.30000000000000004,"g":5e-324,"h":1.7976931348623157e308}"#;
    assert_eq!(hash(numbers), "ec5facb18fb2f3103aa2952a3bb7c8d44a543c14bb656045cd0067a94035bf50");
}

#[test]
fn members_are_in_the_order_of_utf16() {
    let body = json!({"\u{10000}": 1, "\u{e000}": 2, "\u{1}": 3, "é": 4});
    assert_eq!(value_text(&body), "{\"\\u0001\":3,\"é\":4,\"\u{10000}\":1,\"\u{e000}\":2}");
}

#[test]
fn integers_beyond_two_to_the_53_are_refused_at_any_depth() {
    let body = |value: Value| json!({ "a": [{ "b": value }] }).as_object().cloned().expect("an object");
    assert_eq!(body_check(&body(json!(9_007_199_254_740_991_i64))), Ok(()));
    assert_eq!(body_check(&body(json!(9_007_199_254_740_992_i64))), Err(JsonRefusal::NumberOutOfRange));
    assert_eq!(body_check(&body(json!(-9_007_199_254_740_992_i64))), Err(JsonRefusal::NumberOutOfRange));
    assert_eq!(body_check(&body(json!(u64::MAX))), Err(JsonRefusal::NumberOutOfRange));
    assert_eq!(body_check(&body(json!(1e300))), Ok(()));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let body = |value: Value| Body::from_iter([("a".to_owned(), value)]);
    assert_eq!(body_check(&body(nested(DEPTH_MAX - 1))), Ok(()));
    assert_eq!(body_check(&body(nested(DEPTH_MAX))), Err(JsonRefusal::TooDeep));
}

fn picked(text: &str, array: &str) -> String {
    let mut out = String::new();
    members_pick(&mut out, text, array);
    out
}

#[test]
fn picked_members_keep_their_text_and_missing_ones_are_unset() {
    let text = value_text(&json!({"a": [1, {"b": "}\""}], "b": "x,\\\"y", "c": {"a": 1}, "d": null}));
    assert_eq!(picked(&text, r#"["c","a"]"#), r#"{"c":{"a":1},"a":[1,{"b":"}\""}]}"#);
    assert_eq!(picked(&text, r#"["b","z","a","d"]"#), r#"{"b":"x,\\\"y","z":{"$unset":true},"a":[1,{"b":"}\""}],"d":null}"#);
    assert_eq!(picked(&text, r#"["z","d"]"#), r#"{"z":{"$unset":true},"d":null}"#);
    assert_eq!((picked("{}", "[]"), picked(&text, "")), ("{}".to_owned(), "{}".to_owned()));
}

#[test]
fn a_shape_shows_types_and_no_values() {
    let body = json!({"name": "Maya", "n": 3, "tags": ["a", "b"], "at": {"x": 1.5, "ok": true}, "none": null});
    assert_eq!(
        shape(&body),
        json!({"name": "string", "n": "number", "tags": ["string"], "at": {"x": "number", "ok": "boolean"}, "none": "null"})
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_agrees_with_the_reference(value in any_value()) {
        prop_assert_eq!(value_text(&value), serde_json_canonicalizer::to_string(&value).expect("finite"));
    }

    #[test]
    fn picking_every_member_gives_the_body_back(body in proptest::collection::btree_map(".*", any_value(), 0..6)) {
        let body: Body = body.into_iter().collect();
        let text = body_text(&body);
        let names = names_text(body.keys().map(String::as_str));
        let picked: Value = serde_json::from_str(&picked(&text, &names)).expect("JSON");
        prop_assert_eq!(picked, serde_json::from_str::<Value>(&text).expect("JSON"));
        prop_assert_eq!(names_read(&names), body.keys().cloned().collect::<Vec<_>>());
    }
}
