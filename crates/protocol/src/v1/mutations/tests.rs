//! What a batch may and may not look like.

use super::*;
use serde_json::json;
use tidewatch_domain::sync::{Intent, MutationOp};

const CLIENT: &str = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";

fn batch(mutations: &str) -> String {
    format!(r#"{{"protocol":1,"client_id":"{CLIENT}","mutations":[{mutations}]}}"#)
}

fn intent(extra: &str) -> String {
    format!(
        r#"{{"operation_id":"op-1","collection":"equipment","record_id":"eq-1","scope":"building:42","op":"update","fields":{{"a":1}}{extra}}}"#
    )
}

fn read(body: &str) -> Vec<Intent> {
    push_read(body.as_bytes()).expect("the batch is readable").push.intents
}

fn refusal(body: &str) -> (String, String) {
    let problem = push_read(body.as_bytes()).expect_err("the batch is refused");
    (problem.code.into_owned(), problem.errors.first().map(|error| error.field.clone()).unwrap_or_default())
}

fn verdict(mutation: &str) -> (&'static str, String) {
    match &read(&batch(mutation))[0] {
        Intent::Invalid { problem, operation_id, raw, .. } => {
            assert_eq!(operation_id.as_str(), "op-1");
            assert_eq!(raw, mutation);
            (problem.code, problem.detail.clone())
        }
        Intent::Valid(_) => panic!("the intent was read: {mutation}"),
    }
}

#[test]
fn a_valid_intent_keeps_its_text_and_gets_the_defaults() {
    let text = intent(r#","base_version":6,"unknown_member":{"kept":true}"#);
    let Intent::Valid(mutation) = &read(&batch(&text))[0] else { panic!("valid") };
    assert_eq!(mutation.op, MutationOp::Update);
    assert_eq!(mutation.base, Base::Version(tidewatch_domain::ids::Version(6)));
    assert_eq!((mutation.priority, mutation.schema_version), (3, 1));
    assert_eq!(mutation.idempotency_key.as_str(), "op-1");
    assert_eq!(mutation.raw, text);
}

#[test]
fn one_bad_intent_is_answered_by_its_id_and_leaves_the_others_alone() {
    let good = intent("");
    let bad = r#"{"operation_id":"op-2","op":"explode"}"#;
    let intents = read(&batch(&format!("{good},{bad},{good}")));
    assert!(matches!(&intents[0], Intent::Valid(_)));
    assert!(matches!(&intents[1], Intent::Invalid { operation_id, .. } if operation_id.as_str() == "op-2"));
    assert!(matches!(&intents[2], Intent::Valid(_)));
}

#[test]
fn each_broken_rule_of_an_intent_has_its_code_and_names_the_member() {
    let deep = format!(r#","x":{}{}"#, "[".repeat(100), "]".repeat(100));
    let cases = [
        (r#","n":9007199254740993"#, "number_out_of_range", "±9007199254740991"),
        (r#","n":1e400"#, "number_out_of_range", "±9007199254740991"),
        (r#","op":"create""#, "schema_invalid", "twice"),
        (deep.as_str(), "schema_invalid", "64 levels"),
        (r#","priority":6"#, "schema_invalid", "priority: must be within 1 and 5"),
        (r#","deadline":"tomorrow""#, "schema_invalid", "deadline: must be an RFC 3339 timestamp"),
        (r#","base_version":1,"base_operation_id":"op-0""#, "schema_invalid", "exclude each other"),
        (
            r#","base_version":1,"base_checksum":"sha256:00""#,
            "schema_invalid",
            "base_checksum: and base_version exclude each other",
        ),
        (r#","base_checksum":"sha256:00""#, "schema_invalid", "base_checksum: must be `sha256:` and 64 hex digits"),
        (r#","depends_on":["op 0"]"#, "schema_invalid", "depends_on[0]"),
        (r#","depends_on":"op-0""#, "schema_invalid", "depends_on: must be an array"),
        (r#","group":"my group""#, "schema_invalid", "group: group must be 1 to 64 characters"),
        (r#","json_patch":[]"#, "schema_invalid", "json_patch: and fields exclude each other"),
        (r#","args":{}"#, "schema_invalid", "args: does not go with this `op`"),
        (r#","base":[]"#, "schema_invalid", "base: must be an object"),
        (r#","crdt":{}"#, "schema_invalid", "crdt: does not go with this `op`"),
        (r#","checksum":"sha256:00""#, "checksum_mismatch", "checksum"),
    ];
    for (extra, code, words) in cases {
        let (got, detail) = verdict(&intent(extra));
        assert_eq!(got, code, "{extra}");
        assert!(detail.contains(words), "{extra}: {detail}");
    }
    let (code, detail) =
        verdict(r#"{"operation_id":"op-1","collection":"equipment","record_id":"e","scope":"global","op":"explode"}"#);
    assert_eq!((code, detail.as_str()), ("schema_invalid", "op: must be create, update, put, delete, crdt or command"));
}

#[test]
fn an_intent_of_exactly_the_limit_is_read_and_one_byte_more_is_refused() {
    let pad = |bytes: usize| {
        let bare = intent(r#","pad":"""#).len();
        intent(&format!(r#","pad":"{}""#, "x".repeat(bytes - bare)))
    };
    assert!(matches!(&read(&batch(&pad(crate::limits::RECORD_BYTES_MAX)))[0], Intent::Valid(_)));
    assert_eq!(verdict(&pad(crate::limits::RECORD_BYTES_MAX + 1)).0, "record_too_large");
}

#[test]
fn an_envelope_that_cannot_be_read_refuses_the_batch_and_names_the_member() {
    let named = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    assert_eq!(refusal("{"), named("json_invalid", ""));
    assert_eq!(refusal("[]"), named("envelope_invalid", "$"));
    assert_eq!(refusal(r#"{"mutations":[]}"#), named("envelope_invalid", "client_id"));
    assert_eq!(refusal(&format!(r#"{{"client_id":"{CLIENT}"}}"#)), named("envelope_invalid", "mutations"));
    assert_eq!(refusal(&format!(r#"{{"client_id":"{CLIENT}","mutations":{{}}}}"#)), named("envelope_invalid", "mutations"));
    assert_eq!(
        refusal(&format!(r#"{{"client_id":"{CLIENT}","mutations":[],"mutations":[]}}"#)),
        named("envelope_invalid", "mutations")
    );
    assert_eq!(
        refusal(&format!(r#"{{"protocol":2,"client_id":"{CLIENT}","mutations":[]}}"#)),
        named("protocol_unsupported", "protocol")
    );
    assert_eq!(
        refusal(&format!(r#"{{"atomic":"yes","client_id":"{CLIENT}","mutations":[]}}"#)),
        named("envelope_invalid", "atomic")
    );
    for (member, value) in
        [("since", "7"), ("since", "true"), ("epoch", "\"x\""), ("sequencing", "\"loose\""), ("ack_floor", "-1")]
    {
        let body = format!(r#"{{"{member}":{value},"client_id":"{CLIENT}","mutations":[]}}"#);
        assert_eq!(refusal(&body), named("envelope_invalid", member), "{body}");
    }
    assert_eq!(refusal(&batch(r#"{"op":"update"}"#)), named("envelope_invalid", "mutations[0].operation_id"));
    assert_eq!(
        refusal(&batch(&format!("{},{}", intent(""), r#"{"operation_id":"no spaces"}"#))),
        named("envelope_invalid", "mutations[1].operation_id")
    );
    assert_eq!(refusal(&batch("7")), named("envelope_invalid", "mutations[0]"));
}

#[test]
fn the_terms_of_a_batch_are_read() {
    let body = format!(
        r#"{{"client_id":"{CLIENT}","atomic":true,"since":17,"epoch":"9f3c1ab27d405e61","sequencing":"strict","ack_floor":3,"mutations":[]}}"#
    );
    let terms = push_read(body.as_bytes()).expect("readable").push.terms;
    let since = terms.since.clone().expect("since");
    assert_eq!((terms.atomic, terms.strict, terms.ack_floor), (true, true, Some(3)));
    assert_eq!((since.text.as_str(), since.epoch.map(|epoch| epoch.to_string()).as_deref()), ("17", Some("9f3c1ab27d405e61")));
}

#[test]
fn rare_members_of_an_intent_are_read_and_a_plain_one_carries_none() {
    let Intent::Valid(plain) = &read(&batch(&intent("")))[0] else { panic!("valid") };
    assert!(plain.terms.is_none());
    let Intent::Valid(linked) = &read(&batch(&intent(r#","depends_on":["op-0","op-9"],"group":"g1","base":{"a":0}"#)))[0] else {
        panic!("valid")
    };
    let terms = linked.terms.as_deref().expect("terms");
    assert_eq!(terms.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(), ["op-0", "op-9"]);
    assert_eq!((terms.group.as_ref().map(ToString::to_string).as_deref(), terms.base_body.is_some()), (Some("g1"), true));
    let head = r#""operation_id":"op-1","collection":"equipment","record_id":"eq-1","scope":"global""#;
    let patch = format!(r#"{{{head},"op":"update","json_patch":[{{"op":"remove","path":"/a"}}]}}"#);
    let command = format!(r#"{{{head},"op":"command","args":{{"name":"approve","note":"x"}}}}"#);
    let read = read(&batch(&format!("{patch},{command}")));
    let terms = |at: usize| match &read[at] {
        Intent::Valid(mutation) => mutation.terms.clone().expect("terms"),
        Intent::Invalid { problem, .. } => panic!("{problem:?}"),
    };
    assert_eq!(terms(0).patch.map(|patch| patch.len()), Some(1));
    assert_eq!(terms(1).command.map(|command| (command.name, command.args.len())), Some(("approve".to_owned(), 1)));
    for nameless in [r#""args":{}"#, r#""args":{"name":7}"#] {
        assert_eq!(
            verdict(&format!(r#"{{{head},"op":"command",{nameless}}}"#)).1,
            "args.name: must name a command of the collection"
        );
    }
}

#[test]
fn a_group_that_does_not_stand_together_is_refused_intent_by_intent() {
    let one = |id: &str, group: &str| intent(&format!(r#","group":"{group}""#)).replace("op-1", id);
    let read = read(&batch(&[one("a", "g"), one("b", "h"), one("c", "g"), one("d", "h"), one("e", "k")].join(",")));
    let refused: Vec<bool> = read.iter().map(|intent| matches!(intent, Intent::Invalid { .. })).collect();
    assert_eq!(refused, [true, true, true, true, false]);
    assert_eq!(read[0].group().map(ToString::to_string).as_deref(), Some("g"));
}

#[test]
fn an_unreadable_intent_still_says_its_group_and_its_place() {
    let read = read(&batch(&intent(r#","group":"g","client_seq":7,"n":1e400"#)));
    let Intent::Invalid { group, client_seq, .. } = &read[0] else { panic!("invalid") };
    assert_eq!((group.as_ref().map(ToString::to_string).as_deref(), *client_seq), (Some("g"), Some(7)));
}

#[test]
fn a_thousand_intents_are_read_and_one_more_is_refused() {
    let many = |count: usize| batch(&vec![intent(""); count].join(","));
    assert_eq!(read(&many(1_000)).len(), 1_000);
    assert_eq!(refusal(&many(1_001)), ("batch_too_large".to_owned(), "mutations".to_owned()));
}

#[test]
fn nesting_a_hundred_thousand_levels_deep_is_refused_without_harm() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(verdict(&intent(&format!(r#","x":{deep}"#))).0, "schema_invalid");
    assert_eq!(
        refusal(&format!(r#"{{"client_id":"{CLIENT}","x":{deep},"mutations":[]}}"#)),
        ("envelope_invalid".to_owned(), "x".to_owned())
    );
}

#[test]
fn a_frozen_intent_carries_a_check_sum_that_holds() {
    let fields = json!({"a": 1.5, "b": "é"}).as_object().cloned();
    let mutation = Mutation {
        operation_id: "op-1".into(),
        collection: "equipment".into(),
        record_id: "eq-1".into(),
        scope: "global".into(),
        op: "create".into(),
        fields,
        ..Mutation::default()
    };
    let frozen = mutation.frozen();
    assert!(frozen.get().contains(r#""checksum":"sha256:"#));
    assert!(matches!(&read(&batch(frozen.get()))[0], Intent::Valid(_)));
    assert_eq!(verdict(&frozen.get().replace("1.5", "1.6")).0, "checksum_mismatch");
}

#[test]
fn an_unknown_status_is_never_taken_for_success() {
    let result: MutationResult = serde_json::from_str(r#"{"operation_id":"op-1","status":"teleported"}"#).expect("readable");
    assert_eq!(result.status, MutationStatus::NeedsUpgrade);
}
