//! Decisions by table and by property: what stands, what gives way, and that the order of arrival does not matter where it must not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::json::{INTEGER_MAX, body_text};

const LWW: &str = r#"{"kind":"lww"}"#;
const MERGE: &str =
    r#"{"kind":"field_merge","rules":{"hi":"max","lo":"min","srv":"server","cli":"client","qty":"sum_delta","hand":"manual"}}"#;
const REVIEW: &str = r#"{"kind":"manual_review"}"#;
const ALWAYS: &str = r#"{"kind":"manual_review","always":true}"#;
const CLIENT: &str = r#"{"kind":"client_resolves"}"#;

fn body(value: Value) -> Body {
    value.as_object().cloned().expect("an object")
}

fn stamp(ticks: u64, client: &str) -> Stamp<'_> {
    Stamp { ticks: Ticks(ticks), node: "n", client, operation: "op" }
}

/// A case in words: the record was written at tick 10 by device `b`; the write comes from device `a`.
struct Case {
    policy: &'static str,
    record: Option<Value>,
    deleted: bool,
    base: Base,
    op: MutationOp,
    fields: Value,
    at: u64,
    wish: Option<ConflictWish>,
}

enum Base {
    Current,
    Stale(Value),
    Unknown,
}

impl Case {
    fn new(policy: &'static str, record: Value, base: Base, op: MutationOp, fields: Value) -> Self {
        Self { policy, record: Some(record), deleted: false, base, op, fields, at: 20, wish: None }
    }

    fn at(self, at: u64) -> Self {
        Self { at, ..self }
    }

    fn wish(self, wish: ConflictWish) -> Self {
        Self { wish: Some(wish), ..self }
    }

    fn gone(self) -> Self {
        Self { deleted: true, ..self }
    }

    fn verdict(&self) -> Verdict {
        let policy = Policy::parse(self.policy).expect("a policy");
        let record = self.record.clone().map(body);
        let meta = Meta::default();
        let standing = record.as_ref().map(|body| Standing { stamp: stamp(10, "b"), deleted: self.deleted, body, meta: &meta });
        let base = if let Base::Stale(base) = &self.base { body(base.clone()) } else { Body::new() };
        let ground = match &self.base {
            Base::Current => Ground::Current,
            Base::Stale(_) => Ground::Stale(&base),
            Base::Unknown => Ground::Unknown,
        };
        let fields = body(self.fields.clone());
        decide(
            standing,
            Asked { op: self.op, fields: &fields, stamp: stamp(self.at, "a"), role: None, rank: 0, wish: self.wish },
            ground,
            &policy,
        )
    }

    #[track_caller]
    fn check(&self, wanted: &str) {
        assert_eq!(words(&self.verdict()), wanted);
    }
}

/// A verdict as one line.
fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Noop => "noop".to_owned(),
        Verdict::NotFound => "not found".to_owned(),
        Verdict::Returned => "returned".to_owned(),
        Verdict::Review(kind) => format!("review {}", kind.as_str()),
        Verdict::Approval(guard) => format!("approval {guard}"),
        Verdict::Invalid(detail) => format!("invalid {detail}"),
        Verdict::Denied(guard) => format!("denied {guard}"),
        Verdict::Branch(body) => format!("branch {}", body_text(body)),
        Verdict::Superseded { lost, kind } => format!("superseded {} lost {}", kind.as_str(), lost.join(",")),
        Verdict::Write(write) => {
            let mut out = format!("{} {}", write.op.as_str(), write.image.as_ref().map_or("-".to_owned(), body_text));
            let mut list = |name: &str, names: &[String]| {
                if !names.is_empty() {
                    out.push_str(&format!(" {name} {}", names.join(",")));
                }
            };
            list("changed", write.changed.as_deref().unwrap_or_default());
            list("kept", &write.kept);
            list("lost", &write.lost);
            list("over", &write.over);
            if write.merged {
                out.push_str(" merged");
            }
            if let Some(dispute) = write.dispute {
                out.push_str(&format!(" dispute {}{}", dispute.kind.as_str(), if dispute.open { " open" } else { "" }));
            }
            out
        }
    }
}

use MutationOp::{Create, Delete, Put, Update};

#[test]
fn on_nothing_a_record_is_made_and_nothing_is_changed() {
    let case = |op| Case { record: None, ..Case::new(LWW, json!({}), Base::Unknown, op, json!({"a": 1, "b": {"$unset": true}})) };
    case(Create).check(r#"create {"a":1}"#);
    case(Put).check(r#"put {"a":1}"#);
    case(Update).check("not found");
    case(Delete).check("noop");
}

#[test]
fn a_write_on_the_current_version_happens_as_it_was_asked() {
    for policy in [LWW, MERGE, REVIEW, CLIENT] {
        let case = |op, fields| Case::new(policy, json!({"a": 1, "b": 2}), Base::Current, op, fields).at(1);
        case(Update, json!({"a": 5})).check(r#"update {"a":5,"b":2} changed a"#);
        case(Update, json!({"b": {"$unset": true}, "c": null})).check(r#"update {"a":1,"c":null} changed b,c"#);
        case(Put, json!({"c": 3})).check(r#"put {"c":3}"#);
        case(Delete, json!({})).check("delete -");
        case(Update, json!({"a": 1})).check("noop");
        case(Put, json!({"a": 1, "b": 2})).check("noop");
    }
}

#[test]
fn a_write_that_the_record_has_overtaken_loses_unless_it_is_so_already() {
    let told = |deleted, op, fields: Value| {
        let (record, fields, meta) = (body(json!({"a": 1})), body(fields), Meta::default());
        let standing = Standing { stamp: stamp(10, "b"), deleted, body: &record, meta: &meta };
        let asked = Asked { op, fields: &fields, stamp: stamp(20, "a"), role: None, rank: 0, wish: None };
        words(&overtaken(Some(standing), asked))
    };
    assert_eq!(told(false, Put, json!({"a": 1})), "noop");
    assert_eq!(told(false, Put, json!({"a": 2})), "superseded superseded lost a");
    assert_eq!(told(false, Delete, json!({})), "superseded superseded lost ");
    assert_eq!(told(true, Put, json!({"a": 1})), "superseded superseded lost a");
    assert_eq!(told(true, Update, json!({})), "superseded superseded lost ");
    assert_eq!(told(true, Delete, json!({})), "noop");
}

#[test]
fn changes_that_add_up_are_two_also_when_they_come_to_the_same_value() {
    let base = || Base::Stale(json!({"qty": 10, "hi": 1}));
    let case = |op, fields| Case::new(MERGE, json!({"qty": 9, "hi": 1}), base(), op, fields);
    case(Update, json!({"qty": 9})).check(r#"update {"hi":1,"qty":8} changed qty kept qty merged"#);
    case(Put, json!({"qty": 9, "hi": 1})).at(1).check(r#"update {"hi":1,"qty":8} changed qty kept qty merged"#);
    case(Update, json!({"qty": 9})).wish(ConflictWish::Merge).check(r#"update {"hi":1,"qty":8} changed qty kept qty merged"#);
    case(Update, json!({"qty": 9})).wish(ConflictWish::Local).check("noop");
    case(Update, json!({"qty": 10})).check("noop");
    // Of anything else, and without a base, the same change is made once.
    Case::new(MERGE, json!({"hi": 5}), Base::Stale(json!({"hi": 1})), Update, json!({"hi": 5})).check("noop");
    Case::new(MERGE, json!({"qty": 9}), Base::Unknown, Update, json!({"qty": 9})).check("noop");
    Case::new(MERGE, json!({"qty": "9"}), Base::Stale(json!({"qty": "8"})), Update, json!({"qty": "9"})).check("noop");
}

#[test]
fn the_newer_stamp_wins_the_record() {
    let case = |op, fields| Case::new(LWW, json!({"a": 1, "b": 2}), Base::Unknown, op, fields);
    case(Update, json!({"a": 5})).check(r#"update {"a":5,"b":2} changed a kept a over a dispute overwritten"#);
    case(Update, json!({"c": 5})).check(r#"update {"a":1,"b":2,"c":5} changed c kept c"#);
    case(Update, json!({"a": 5})).at(9).check("superseded superseded lost a");
    case(Put, json!({"a": 1})).check(r#"put {"a":1} kept a over b dispute overwritten"#);
    case(Create, json!({"a": 1, "b": 2})).at(1).check("noop");
    case(Create, json!({"a": 1, "b": 2})).check(r#"update {"a":1,"b":2}"#);
    case(Create, json!({"a": 7})).check(r#"put {"a":7} kept a over a,b dispute overwritten"#);
    case(Delete, json!({})).check("delete - dispute delete");
    case(Delete, json!({})).at(9).check("superseded delete lost ");
}

#[test]
fn equal_clocks_are_settled_by_the_device_then_by_the_operation() {
    let case = Case::new(LWW, json!({"a": 1}), Base::Unknown, Update, json!({"a": 5})).at(10);
    case.check("superseded superseded lost a");
}

#[test]
fn disjoint_changes_merge_and_contested_ones_follow_their_rule() {
    let base = json!({"hi": 1, "lo": 5, "srv": "s", "cli": "c", "qty": 10, "plain": 1, "rest": 0, "hand": 0});
    let record = json!({"hi": 4, "lo": 4, "srv": "S", "cli": "C", "qty": 12, "plain": 2, "rest": 0, "hand": 0});
    let case = |fields| Case::new(MERGE, record.clone(), Base::Stale(base.clone()), Update, fields);
    case(json!({"rest": 9})).check(
        r#"update {"cli":"C","hand":0,"hi":4,"lo":4,"plain":2,"qty":12,"rest":9,"srv":"S"} changed rest kept rest merged"#,
    );
    case(json!({"hi": 3})).check("superseded superseded lost hi");
    case(json!({"hi": 6})).check(r#"update {"cli":"C","hand":0,"hi":6,"lo":4,"plain":2,"qty":12,"rest":0,"srv":"S"} changed hi kept hi over hi merged dispute merged"#);
    case(json!({"lo": 3})).check(r#"update {"cli":"C","hand":0,"hi":4,"lo":3,"plain":2,"qty":12,"rest":0,"srv":"S"} changed lo kept lo over lo merged dispute merged"#);
    case(json!({"srv": "x"})).check("superseded superseded lost srv");
    case(json!({"cli": "x"})).at(1).check(r#"update {"cli":"x","hand":0,"hi":4,"lo":4,"plain":2,"qty":12,"rest":0,"srv":"S"} changed cli kept cli over cli merged dispute merged"#);
    case(json!({"qty": 7}))
        .at(1)
        .check(r#"update {"cli":"C","hand":0,"hi":4,"lo":4,"plain":2,"qty":9,"rest":0,"srv":"S"} changed qty kept qty merged"#);
    case(json!({"plain": 3})).at(1).check("superseded superseded lost plain");
    case(json!({"plain": 3, "rest": 1})).at(1).check(r#"update {"cli":"C","hand":0,"hi":4,"lo":4,"plain":2,"qty":12,"rest":1,"srv":"S"} changed rest kept rest lost plain merged dispute merged"#);
    case(json!({"plain": 2})).check("noop");
    case(json!({"plain": 1})).check("noop");
}

#[test]
fn a_field_of_the_rule_manual_stops_the_whole_write() {
    let case =
        Case::new(MERGE, json!({"hand": 2, "a": 1}), Base::Stale(json!({"hand": 1, "a": 1})), Update, json!({"hand": 3, "a": 2}));
    case.check("review review");
    let quiet = Case::new(MERGE, json!({"hand": 1, "a": 1}), Base::Stale(json!({"hand": 1, "a": 0})), Update, json!({"hand": 3}));
    quiet.check(r#"update {"a":1,"hand":3} changed hand kept hand merged"#);
}

#[test]
fn a_replacement_merges_what_it_changed_and_removed_and_nothing_else() {
    let base = json!({"a": 1, "b": 1, "c": 1});
    let case = |record: Value, fields| Case::new(MERGE, record, Base::Stale(base.clone()), Put, fields);
    case(json!({"a": 1, "b": 1, "c": 2}), json!({"a": 5, "c": 1})).check(r#"update {"a":5,"c":2} changed a,b kept a,b merged"#);
    case(json!({"a": 1, "b": 2, "c": 1}), json!({"a": 1, "c": 1})).at(1).check("superseded superseded lost b");
}

#[test]
fn without_a_base_every_difference_is_contested_and_nothing_is_removed() {
    let case = |op, fields| Case::new(MERGE, json!({"a": 1, "b": 1}), Base::Unknown, op, fields);
    case(Update, json!({"a": 2})).check(r#"update {"a":2,"b":1} changed a kept a over a merged dispute merged"#);
    case(Update, json!({"a": 2})).at(1).check("superseded superseded lost a");
    case(Update, json!({"new": 2})).at(1).check(r#"update {"a":1,"b":1,"new":2} changed new kept new merged"#);
    case(Put, json!({"a": 2})).check(r#"update {"a":2,"b":1} changed a kept a over a merged dispute merged"#);
}

#[test]
fn a_person_decides_where_the_policy_says_so() {
    let case = |policy, base, fields| Case::new(policy, json!({"a": 1}), base, Update, fields);
    case(REVIEW, Base::Unknown, json!({"a": 2})).check("review review");
    case(REVIEW, Base::Unknown, json!({"a": 1})).check("noop");
    case(REVIEW, Base::Current, json!({"a": 2})).check(r#"update {"a":2} changed a"#);
    case(ALWAYS, Base::Current, json!({"a": 2})).check("review review");
    case(ALWAYS, Base::Current, json!({"a": 1})).check("noop");
}

#[test]
fn the_device_decides_where_the_policy_says_so() {
    let case = |base| Case::new(CLIENT, json!({"a": 1}), base, Update, json!({"a": 2}));
    case(Base::Unknown).check("returned");
    case(Base::Current).check(r#"update {"a":2} changed a"#);
    Case::new(CLIENT, json!({"a": 1}), Base::Unknown, Delete, json!({})).check("returned");
    case(Base::Unknown).gone().check("returned");
}

#[test]
fn delete_against_change_follows_the_rule_of_the_collection() {
    let rules = [
        (r#"{"kind":"field_merge"}"#, "review delete", "review delete"),
        (r#"{"kind":"field_merge","delete":"delete_wins"}"#, "delete - dispute delete", "superseded delete lost a"),
        (
            r#"{"kind":"field_merge","delete":"update_wins"}"#,
            "superseded delete lost ",
            r#"put {"a":2,"b":1} merged dispute delete"#,
        ),
        (r#"{"kind":"lww"}"#, "delete - dispute delete", r#"put {"a":2,"b":1} merged dispute delete"#),
        (REVIEW, "review delete", "review delete"),
    ];
    for (policy, delete_on_change, change_on_delete) in rules {
        Case::new(policy, json!({"a": 1, "b": 1}), Base::Unknown, Delete, json!({})).check(delete_on_change);
        Case::new(policy, json!({"a": 1, "b": 1}), Base::Unknown, Update, json!({"a": 2})).gone().check(change_on_delete);
    }
    Case::new(LWW, json!({"a": 1}), Base::Unknown, Update, json!({"a": 2})).gone().at(9).check("superseded delete lost a");
    Case::new(LWW, json!({"a": 1}), Base::Unknown, Delete, json!({})).gone().at(9).check("noop");
    Case::new(LWW, json!({"a": 1}), Base::Unknown, Delete, json!({})).gone().check("delete -");
    Case::new(MERGE, json!({"a": 1}), Base::Unknown, Delete, json!({})).gone().check("noop");
}

#[test]
fn a_newer_write_of_the_same_leaves_its_stamp_unless_it_knew_or_arrival_is_the_clock() {
    let case = |policy, base| Case::new(policy, json!({"a": 1}), base, Update, json!({"a": 1}));
    case(LWW, Base::Unknown).check(r#"update {"a":1}"#);
    case(LWW, Base::Stale(json!({"a": 0}))).check(r#"update {"a":1}"#);
    case(LWW, Base::Unknown).at(9).check("noop");
    case(LWW, Base::Current).check("noop");
    case(r#"{"kind":"lww","clock":"server"}"#, Base::Unknown).check("noop");
    case(r#"{"kind":"higher_role_wins"}"#, Base::Unknown).check(r#"update {"a":1}"#);
    case(MERGE, Base::Unknown).check("noop");
}

#[test]
fn a_wish_decides_where_the_write_did_not_know_the_record_and_only_there() {
    use ConflictWish::{Local, Merge, Newest, Person, Remote};
    let case = |policy, wish| {
        let base = Base::Stale(json!({"a": 1, "b": 1}));
        Case::new(policy, json!({"a": 2, "b": 1}), base, Update, json!({"a": 5})).at(9).wish(wish)
    };
    for policy in [LWW, REVIEW, CLIENT, r#"{"kind":"lww_field"}"#, r#"{"kind":"version_control"}"#] {
        case(policy, Local).check(r#"update {"a":5,"b":1} changed a kept a over a dispute overwritten"#);
        case(policy, Remote).check("superseded superseded lost a");
        case(policy, Person).check("review review");
        case(policy, Newest).check("superseded superseded lost a");
        case(policy, Newest).at(20).check(r#"update {"a":5,"b":1} changed a kept a over a dispute overwritten"#);
        let apart = Case { fields: json!({"b": 7}), ..case(policy, Merge) };
        apart.check(r#"update {"a":2,"b":7} changed b kept b merged"#);
        let known = Case { base: Base::Current, ..case(policy, Remote) };
        known.check(r#"update {"a":5,"b":1} changed a"#);
        let delete = |wish| Case { op: Delete, fields: json!({}), ..case(policy, wish) };
        delete(Local).check("delete - dispute delete");
        delete(Remote).check("superseded delete lost ");
        delete(Person).check("review delete");
    }
    case(ALWAYS, Local).check("review review");
    case(LWW, Local).gone().check(r#"put {"a":5,"b":1} merged dispute delete"#);
    case(LWW, Remote).at(20).gone().check("superseded delete lost a");
}

#[test]
fn a_record_can_be_made_again_by_who_knows_that_it_is_gone() {
    let case = |base, op| Case::new(MERGE, json!({"a": 1}), base, op, json!({"b": 2})).gone();
    case(Base::Current, Create).check(r#"create {"b":2}"#);
    case(Base::Current, Put).check(r#"put {"b":2}"#);
    case(Base::Current, Update).check(r#"put {"b":2}"#);
    case(Base::Unknown, Create).check("review delete");
}

#[test]
fn a_sum_that_leaves_the_integers_falls_back_to_the_stamp() {
    let case =
        |at| Case::new(MERGE, json!({"qty": INTEGER_MAX}), Base::Stale(json!({"qty": 0})), Update, json!({"qty": 5})).at(at);
    case(1).check("superseded superseded lost qty");
    case(20).check(r#"update {"qty":5} changed qty kept qty over qty merged dispute merged"#);
}

fn any_body() -> impl Strategy<Value = Body> {
    let value = prop_oneof![(-50i64..50).prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from), Just(Value::Null)];
    proptest::collection::btree_map("[a-e]", value, 0..5).prop_map(|map| map.into_iter().collect())
}

/// Writes a full image; who writes later in the list acts later.
fn put_all(policy: &Policy, writes: &[(u64, &str, Body)]) -> Option<(u64, String, Body)> {
    let mut record: Option<(u64, String, Body)> = None;
    let meta = Meta::default();
    for (ticks, client, fields) in writes {
        let standing =
            record.as_ref().map(|(at, by, body)| Standing { stamp: stamp(*at, by), deleted: false, body, meta: &meta });
        match decide(
            standing,
            Asked { op: Put, fields, stamp: stamp(*ticks, client), role: None, rank: 0, wish: None },
            Ground::Unknown,
            policy,
        ) {
            Verdict::Write(write) => record = Some((*ticks, (*client).to_owned(), write.image.expect("a put has an image"))),
            Verdict::Noop | Verdict::Superseded { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    record
}

proptest! {
    /// Last write wins: whatever order two replacements arrive in, the same one stands.
    #[test]
    fn the_winner_does_not_depend_on_the_order_of_arrival(a in any_body(), b in any_body(), x in 1u64..5, y in 1u64..5) {
        prop_assume!(a != b);
        let policy = Policy::parse(LWW).expect("a policy");
        let (first, second) = ((x, "a", a), (y, "b", b));
        let one = put_all(&policy, &[first.clone(), second.clone()]);
        let other = put_all(&policy, &[second, first]);
        prop_assert_eq!(one.map(|(.., body)| body), other.map(|(.., body)| body));
    }

    #[test]
    fn a_write_that_is_repeated_changes_nothing_the_second_time(record in any_body(), fields in any_body(), base in any_body(), at in 1u64..30) {
        for policy in [LWW, MERGE] {
            let policy = Policy::parse(policy).expect("a policy");
            let asked = Asked { op: Update, fields: &fields, stamp: stamp(at, "a"), role: None, rank: 0, wish: None };
            let standing = Standing { stamp: stamp(10, "b"), deleted: false, body: &record, meta: &Meta::default() };
            if let Verdict::Write(Write { image: Some(image), .. }) = decide(Some(standing), asked, Ground::Unknown, &policy) {
                let after = Standing { stamp: asked.stamp, deleted: false, body: &image, meta: &Meta::default() };
                let again = decide(Some(after), asked, Ground::Unknown, &policy);
                prop_assert!(!matches!(again, Verdict::Write(_)), "{:?} on {:?}", again, base);
            }
        }
    }

    /// Three-way: changes of different fields are both there, in either order.
    #[test]
    fn disjoint_edits_of_two_devices_both_stand(base in any_body(), x in any::<i16>(), y in any::<i16>()) {
        let policy = Policy::parse(MERGE).expect("a policy");
        let edit = |name: &str, value: i16| Body::from_iter([(name.to_owned(), Value::from(value))]);
        let (one, two) = (edit("p", x), edit("q", y));
        let merge = |first: &Body, second: &Body| {
            let record = applied(&base, first);
            let standing = Standing { stamp: stamp(10, "b"), deleted: false, body: &record, meta: &Meta::default() };
            match decide(Some(standing), Asked { op: Update, fields: second, stamp: stamp(1, "a"), role: None, rank: 0, wish: None }, Ground::Stale(&base), &policy) {
                Verdict::Write(write) => write.image.expect("an update has an image"),
                other => panic!("{other:?}"),
            }
        };
        let wanted = applied(&applied(&base, &one), &two);
        prop_assert_eq!(&merge(&one, &two), &wanted);
        prop_assert_eq!(&merge(&two, &one), &wanted);
    }

    #[test]
    fn a_decision_depends_on_its_arguments_only(record in any_body(), fields in any_body(), base in any_body(), at in 1u64..30, deleted: bool, op in 0usize..4, kind in 0usize..5) {
        let policy = Policy::parse([LWW, MERGE, REVIEW, ALWAYS, CLIENT][kind]).expect("a policy");
        let run = || {
            let standing = Standing { stamp: stamp(10, "b"), deleted, body: &record, meta: &Meta::default() };
            decide(Some(standing), Asked { op: MutationOp::ALL[op], fields: &fields, stamp: stamp(at, "a"), role: None, rank: 0, wish: None }, Ground::Stale(&base), &policy)
        };
        prop_assert_eq!(run(), run());
    }

    /// Whoever loses a value is named: a field of the record that a write replaced unseen is in `over`, a field of the write
    /// that does not stand is in `lost`.
    #[test]
    fn nothing_is_lost_in_silence(record in any_body(), fields in any_body(), base in any_body(), at in 1u64..30) {
        let policy = Policy::parse(MERGE).expect("a policy");
        let standing = Standing { stamp: stamp(10, "b"), deleted: false, body: &record, meta: &Meta::default() };
        let asked = Asked { op: Update, fields: &fields, stamp: stamp(at, "a"), role: None, rank: 0, wish: None };
        let (image, lost, over) = match decide(Some(standing), asked, Ground::Stale(&base), &policy) {
            Verdict::Write(write) => (write.image.expect("an image"), write.lost, write.over),
            Verdict::Superseded { lost, .. } => (record.clone(), lost, Vec::new()),
            Verdict::Noop => (record.clone(), Vec::new(), Vec::new()),
            other => panic!("{other:?}"),
        };
        for (name, wish) in &fields {
            let stands = image.get(name) == Some(wish) || base.get(name) == Some(wish);
            prop_assert!(stands || lost.contains(name), "{name} of the write");
        }
        for (name, value) in &record {
            let unseen = base.get(name) != Some(value);
            let kept = image.get(name) == Some(value) || !unseen;
            prop_assert!(kept || over.contains(name), "{name} of the record");
        }
    }
}
