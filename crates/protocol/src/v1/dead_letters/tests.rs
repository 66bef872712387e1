//! What a device gave up on, read entry by entry.

use serde_json::json;

use super::*;

fn entry() -> Value {
    json!({"operation_id": "op-1", "mutation": {"operation_id": "op-1", "collection": "notes", "op": "burn"},
        "error": {"code": "schema_invalid", "status": 422, "message": "op: must be create"}, "attempts": 5,
        "failed_at": "2025-11-20T09:00:00Z"})
}

fn read(entries: Value) -> DeadLettersRead {
    dead_letters_read(json!({"entries": entries}).to_string().as_bytes()).expect("an envelope")
}

#[test]
fn an_entry_is_read_with_its_intent_as_it_came() {
    let read = read(json!([entry()]));
    assert_eq!(read.rejected, []);
    let letter = &read.letters[0];
    assert_eq!((letter.operation_id.as_str(), letter.attempts), ("op-1", Some(5)));
    assert_eq!(letter.error.code, "schema_invalid");
    assert_eq!(letter.mutation, entry()["mutation"].to_string());
    let reported = Millis::parse_rfc3339("2025-11-20T08:00:00Z").expect("an instant");
    assert_eq!(failed_at(letter, reported), reported, "nobody gave up in the future");
}

#[test]
fn an_intent_that_no_reader_takes_is_kept_all_the_same() {
    let body = r#"{"entries":[{"operation_id":"op-1","mutation":{"a":1,"a":2,"n":9007199254740993},"error":{"code":"x"}}]}"#;
    let read = dead_letters_read(body.as_bytes()).expect("an envelope");
    assert_eq!(read.letters[0].mutation, r#"{"a":1,"a":2,"n":9007199254740993}"#);
}

#[test]
fn an_entry_at_fault_is_refused_alone_by_its_member() {
    let with = |member: &str, value: Value| {
        let mut changed = entry();
        changed[member] = value;
        changed
    };
    let large = json!({"operation_id": "op-1", "text": "x".repeat(RECORD_BYTES_MAX)});
    let cases = [
        (json!(7), "schema_invalid entries[0]: must be an object"),
        (
            with("operation_id", json!("a b")),
            "schema_invalid entries[0].operation_id: operation_id must be 1 to 64 characters of A-Z a-z 0-9 . _ : -",
        ),
        (with("operation_id", json!(null)), "schema_invalid entries[0].operation_id: is required"),
        (with("mutation", json!(null)), "schema_invalid entries[0].mutation: is required"),
        (with("mutation", json!("text")), "schema_invalid entries[0].mutation: must be an object"),
        (with("mutation", large), "record_too_large entries[0].mutation: must have at most 262144 bytes"),
        (
            with("mutation", json!({"operation_id": "op-2"})),
            "schema_invalid entries[0].mutation.operation_id: is another operation than that of the entry",
        ),
        (with("error", json!(null)), "schema_invalid entries[0].error: is required"),
        (with("error", json!({})), "schema_invalid entries[0].error.code: is required"),
        (with("error", json!({"code": "x", "status": 99})), "schema_invalid entries[0].error.status: must be within 100 and 599"),
        (with("attempts", json!(-1)), "schema_invalid entries[0].attempts: must be within 0 and 9007199254740991"),
        (with("failed_at", json!("x")), "schema_invalid entries[0].failed_at: must be an RFC 3339 timestamp"),
    ];
    for (sent, wanted) in cases {
        let read = read(json!([sent]));
        assert_eq!(read.letters, [], "{wanted}");
        assert_eq!(format!("{} {}", read.rejected[0].code, read.rejected[0].detail), wanted);
    }
}

#[test]
fn a_report_that_is_none_is_refused_by_its_member() {
    for (body, field) in
        [(json!({}), "entries"), (json!({"entries": 1}), "entries"), (json!({"entries": [], "client_id": "x"}), "client_id")]
    {
        let problem = dead_letters_read(body.to_string().as_bytes()).expect_err("refused");
        assert_eq!((problem.code.as_ref(), problem.errors[0].field.as_str()), ("envelope_invalid", field));
    }
    let many = |n: usize| dead_letters_read(json!({"entries": vec![entry(); n]}).to_string().as_bytes());
    assert_eq!(many(501).expect_err("refused").code, "batch_too_large");
    assert_eq!(many(500).expect("read").letters.len(), 500);
}
