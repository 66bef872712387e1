//! Policies as text: defaults, refusals by name, payloads that do not fit.

use serde_json::json;

use super::*;

#[test]
fn defaults_follow_the_kind() {
    let lww = Policy::parse(r#"{"kind":"lww"}"#).expect("valid");
    assert_eq!((lww.clock, lww.delete), (PolicyClock::Hlc, DeleteRule::Stamp));
    let merge = Policy::parse(r#"{"kind":"field_merge","rules":{"qty":"sum_delta"}}"#).expect("valid");
    assert_eq!(merge.delete, DeleteRule::Manual);
    assert_eq!(
        merge.kind,
        PolicyKind::FieldMerge { rules: BTreeMap::from([("qty".to_owned(), FieldRule::SumDelta)]), derive: Vec::new() }
    );
}

#[test]
fn a_bad_policy_is_refused_by_the_name_of_its_member() {
    let cases = [
        (r#"{"kind":"newest"}"#, "kind"),
        (r"{}", "kind"),
        (r#"{"kind":"lww","clock":"sun"}"#, "clock"),
        (r#"{"kind":"lww","rules":{"a":"max"}}"#, "rules"),
        (r#"{"kind":"lww","always":true}"#, "always"),
        (r#"{"kind":"field_merge","rules":{"a":"best"}}"#, "rules.a"),
        (r#"{"kind":"lww","fields":{"a":"text"}}"#, "fields.a"),
        (r#"{"kind":"lww","deletes":"manual"}"#, "deletes"),
    ];
    for (text, member) in cases {
        assert_eq!(Policy::parse(text).expect_err(text).member, member, "{text}");
    }
}

#[test]
fn a_payload_of_the_wrong_type_is_found() {
    let policy = Policy::parse(r#"{"kind":"lww","fields":{"reading":"number","n":"integer"}}"#).expect("valid");
    let body = |value: Value| value.as_object().cloned().expect("an object");
    assert_eq!(policy.misfit(&body(json!({"reading": "12", "other": "x"}))), Some(("reading", FieldType::Number)));
    assert_eq!(policy.misfit(&body(json!({"n": 1.5}))), Some(("n", FieldType::Integer)));
    assert_eq!(policy.misfit(&body(json!({"n": 2.0, "reading": null}))), None);
    assert_eq!(policy.misfit(&body(json!({"reading": {"$unset": true}}))), None);
}

#[test]
fn guards_totals_and_natural_keys_are_refused_by_their_place() {
    let cases = [
        (r#"{"kind":"lww","derive":{"a":"1"}}"#, "derive"),
        (r#"{"kind":"field_merge","derive":{"a":1}}"#, "derive.a"),
        (r#"{"kind":"field_merge","derive":{"a":"1 +"}}"#, "derive.a"),
        (r#"{"kind":"lww","guards":{}}"#, "guards"),
        (r#"{"kind":"lww","guards":[{"name":"A","deny":"true"}]}"#, "guards[0].name"),
        (r#"{"kind":"lww","guards":[{"name":"a"}]}"#, "guards[0]"),
        (r#"{"kind":"lww","guards":[{"name":"a","deny":"old.x =="}]}"#, "guards[0].deny"),
        (r#"{"kind":"lww","guards":[{"name":"a","deny":"record.x"}]}"#, "guards[0].deny"),
        (r#"{"kind":"lww","guards":[{"name":"a","deny":"true","when":"true"}]}"#, "guards[0].when"),
        (r#"{"kind":"lww","guards":[{"name":"a","deny":"true","role":["x"]}]}"#, "guards[0]"),
        (r#"{"kind":"lww","guards":[{"name":"a","role":[]}]}"#, "guards[0].role"),
        (r#"{"kind":"append_only","natural_key":{"exact":[]}}"#, "natural_key.exact"),
        (r#"{"kind":"append_only","natural_key":{"exact":["a"],"tolerance":{"b":1,"c":1}}}"#, "natural_key.tolerance"),
        (r#"{"kind":"append_only","natural_key":{"exact":["a"],"tolerance":{"b":-1}}}"#, "natural_key.tolerance.b"),
        (r#"{"kind":"append_only","natural_key":{"exact":["a"],"normalise":{"a":"phone:x"}}}"#, "natural_key.normalise.a"),
    ];
    for (text, member) in cases {
        assert_eq!(Policy::parse(text).expect_err(text).member, member, "{text}");
    }
}

#[test]
fn values_of_a_natural_key_are_brought_into_one_form() {
    let policy = Policy::parse(
        r#"{"kind":"append_only","natural_key":{"exact":["number","at","name"],"tolerance":{"d":2},"normalise":{"number":"phone:49","at":"second","name":"text"}}}"#,
    );
    let natural = policy.expect("valid").natural_key.expect("a natural key");
    let value = |body: Value| natural.of("site:a", body.as_object().expect("an object"));
    let one = value(json!({"number": "+49 (170) 12-3", "at": "2026-11-20T10:00:00.999Z", "name": " Ab ", "d": 3}));
    assert!(one.is_some());
    for same in [
        json!({"number": "0170123", "at": "2026-11-20T11:00:00+01:00", "name": "ab", "d": 3}),
        json!({"number": "0049170123", "at": "2026-11-20T10:00:00Z", "name": "AB", "d": 3.2}),
    ] {
        assert_eq!(value(same.clone()), one, "{same}");
    }
    let at = |at: Value| value(json!({"number": "1", "at": at, "name": "a", "d": 0}));
    assert_eq!(at(json!(1_763_632_800)), at(json!(1_763_632_800_400_i64)));
    assert_eq!(at(json!(1.9)), at(json!(1)));
    assert_eq!(value(json!({"number": null, "at": 1, "name": "a", "d": 0})), None);
    assert_eq!(value(json!({"number": "1", "at": 1, "name": "a"})), None);
    assert_eq!(value(json!({"number": "1", "at": 1, "name": "a", "d": "x"})), None);
}

#[test]
fn an_encrypted_field_of_a_natural_key_counts_by_its_blind_index() {
    let policy = Policy::parse(
        r#"{"kind":"append_only","natural_key":{"exact":["line","number"],"tolerance":{"d":1},"normalise":{"number":"phone"}}}"#,
    );
    let natural = policy.expect("valid").natural_key.expect("a natural key");
    let value = |body: Value| natural.of("site:a", body.as_object().expect("an object"));
    let sealed = |iv: &str| json!({"$enc": {"alg": "A256GCM", "kid": "k1", "iv": iv, "ct": iv}});
    let first = value(json!({"line": 7, "number": sealed("a"), "number_bidx": "h1", "d": 60}));
    assert!(first.is_some());
    assert_eq!(first, value(json!({"line": 7, "number": sealed("b"), "number_bidx": "h1", "d": 60})), "each with its own iv");
    assert_eq!(
        first,
        value(json!({"line": 7, "number": "+49 170", "number_bidx": "h1", "d": 60})),
        "encrypted by one side alone"
    );
    assert_ne!(first, value(json!({"line": 7, "number": sealed("a"), "number_bidx": "h2", "d": 60})));
    assert_ne!(first, value(json!({"line": 7, "number": "h1", "d": 60})), "a number is no index");
    assert_eq!(value(json!({"line": 7, "number": sealed("a"), "d": 60})), None, "without an index it is like nothing else");
    assert_eq!(value(json!({"line": 7, "number": sealed("a"), "number_bidx": null, "d": 60})), None);
}
