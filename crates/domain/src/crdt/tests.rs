//! Operations by table, the laws by property, and bytes that nobody should send.

use proptest::prelude::*;

use super::*;

fn op(value: Value) -> Body {
    value.as_object().cloned().expect("an object")
}

fn apply(kind: CrdtType, before: Option<&Value>, value: Value) -> Value {
    applied(kind, before, &op(value), "op").expect("applies")
}

#[test]
fn a_counter_adds_up_whole_numbers_within_bounds() {
    let three = apply(CrdtType::Counter, None, json!({"delta": 3}));
    assert_eq!(apply(CrdtType::Counter, Some(&three), json!({"delta": -5})), json!(-2));
    for delta in [json!(1.5), json!("1"), json!(null), json!(INTEGER_MAX)] {
        let refused = applied(CrdtType::Counter, Some(&three), &op(json!({"delta": delta})), "op");
        assert_eq!(refused.expect_err("refused").member, "delta");
    }
}

#[test]
fn a_removal_takes_what_it_has_seen_and_nothing_else() {
    let add = |before: Option<&Value>, tag: &str, value: &str| {
        applied(CrdtType::Set, before, &op(json!({"add": [value]})), tag).expect("applies")
    };
    let one = add(None, "op-1", "red");
    let two = add(Some(&one), "op-2", "red");
    assert_eq!(two, json!({"$set": [["red", ["op-1", "op-2"]]]}));
    let removed = apply(CrdtType::Set, Some(&two), json!({"remove": [{"value": "red", "tags": ["op-1"]}]}));
    assert_eq!(removed, json!({"$set": [["red", ["op-2"]]]}));
    let gone = apply(CrdtType::Set, Some(&removed), json!({"remove": [{"value": "red", "tags": ["op-2", "op-9"]}]}));
    assert_eq!(gone, json!({"$set": []}));
    for bad in [json!({}), json!({"add": "red"}), json!({"remove": ["red"]}), json!({"remove": [{"value": 1, "tags": [1]}]})] {
        assert!(applied(CrdtType::Set, None, &op(bad.clone()), "op").is_err(), "{bad}");
    }
}

#[test]
fn opaque_changes_are_kept_once_each_in_order() {
    let one = apply(CrdtType::Opaque, None, json!({"value": {"a": 1}}));
    let two = apply(CrdtType::Opaque, Some(&one), json!({"value": [2]}));
    assert_eq!(apply(CrdtType::Opaque, Some(&two), json!({"value": {"a": 1}})), json!({"$opaque": [{"a": 1}, [2]]}));
    assert_eq!(applied(CrdtType::Opaque, None, &op(json!({})), "op").expect_err("refused").member, "value");
}

#[test]
fn an_operation_names_a_field_of_its_type() {
    let kinds = |name: &str| (name == "qty").then_some(CrdtType::Counter);
    assert_eq!(field(&op(json!({"field": "qty", "type": "counter"})), kinds), Ok(("qty", CrdtType::Counter)));
    for (bad, member) in [
        (json!({"type": "counter"}), "field"),
        (json!({"field": "name", "type": "counter"}), "field"),
        (json!({"field": "qty", "type": "set"}), "type"),
    ] {
        assert_eq!(field(&op(bad), kinds).expect_err("refused").member, member);
    }
}

/// Applies operations in an order; each keeps its own id.
fn in_order(kind: CrdtType, ops: &[Value], order: &[usize]) -> Option<Value> {
    order.iter().fold(None, |state, place| {
        Some(applied(kind, state.as_ref(), &op(ops[*place].clone()), &format!("op-{place}")).expect("applies"))
    })
}

fn shuffled(count: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..count).collect::<Vec<usize>>()).prop_shuffle()
}

proptest! {
    #[test]
    fn counters_and_sets_come_out_the_same_in_any_order(deltas in proptest::collection::vec(-9i64..9, 6), values in proptest::collection::vec(0u8..3, 6), order in shuffled(6)) {
        let straight: Vec<usize> = (0..6).collect();
        let counts: Vec<Value> = deltas.iter().map(|delta| json!({"delta": delta})).collect();
        prop_assert_eq!(in_order(CrdtType::Counter, &counts, &straight), in_order(CrdtType::Counter, &counts, &order));
        let adds: Vec<Value> = values.iter().map(|value| json!({"add": [value]})).collect();
        prop_assert_eq!(in_order(CrdtType::Set, &adds, &straight), in_order(CrdtType::Set, &adds, &order));
    }

    /// A removal of what was seen and additions that it has not seen commute.
    #[test]
    fn an_addition_wins_over_a_removal_that_had_not_seen_it(values in proptest::collection::vec(0u8..3, 1..5), removed in 0u8..3, order in shuffled(5)) {
        let base = applied(CrdtType::Set, None, &op(json!({"add": [0, 1, 2]})), "seen").expect("applies");
        let mut ops: Vec<Value> = values.iter().map(|value| json!({"add": [value]})).collect();
        ops.push(json!({"remove": [{"value": removed, "tags": ["seen"]}]}));
        let run = |order: Vec<usize>| order.into_iter().fold(base.clone(), |state, place| {
            applied(CrdtType::Set, Some(&state), &op(ops[place].clone()), &format!("op-{place}")).expect("applies")
        });
        let shuffled: Vec<usize> = order.into_iter().filter(|place| *place < ops.len()).collect();
        prop_assert_eq!(run((0..ops.len()).collect()), run(shuffled));
    }
}

#[cfg(feature = "yjs")]
mod documents {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use yrs::updates::decoder::Decode as _;
    use yrs::{Doc, GetString as _, Map as _, ReadTxn as _, Text as _, Transact as _, Update};

    use super::*;

    /// One edit: by whom, where, what; an empty text deletes.
    type Edit = (u64, u32, String);

    /// Updates of three devices that edit one text, and now and then learn of each other.
    fn updates(edits: &[Edit]) -> Vec<Vec<u8>> {
        let docs: Vec<Doc> = (1..=3).map(Doc::with_client_id).collect();
        let mut out: Vec<Vec<u8>> = Vec::new();
        for (at, (who, place, text)) in edits.iter().enumerate() {
            let doc = &docs[usize::try_from(*who).expect("small")];
            if at % 3 == 2 {
                for update in &out {
                    doc.transact_mut().apply_update(Update::decode_v1(update).expect("reads")).expect("applies");
                }
            }
            let body = doc.get_or_insert_text("body");
            let marks = doc.get_or_insert_map("marks");
            let mut turn = doc.transact_mut();
            let length = body.len(&turn);
            if text.is_empty() && length > 0 {
                body.remove_range(&mut turn, place % length, 1);
            } else {
                body.insert(&mut turn, place % (length + 1), text);
                marks.insert(&mut turn, text.clone(), *place);
            }
            out.push(turn.encode_update_v1());
        }
        out
    }

    fn as_op(update: &[u8]) -> Value {
        json!({"update": STANDARD.encode(update)})
    }

    fn text_of(state: &Value) -> String {
        let bytes = STANDARD.decode(state["$yjs1"].as_str().expect("a state")).expect("base64");
        let doc = Doc::with_client_id(9);
        doc.transact_mut().apply_update(Update::decode_v1(&bytes).expect("reads")).expect("applies");
        let body = doc.get_or_insert_text("body");
        let marks = doc.get_or_insert_map("marks");
        let turn = doc.transact();
        assert!(!turn.has_missing_updates(), "the document is complete");
        let mut keys: Vec<String> = marks.keys(&turn).map(str::to_owned).collect();
        keys.sort();
        format!("{} {keys:?}", body.get_string(&turn))
    }

    fn edits() -> impl Strategy<Value = Vec<Edit>> {
        proptest::collection::vec((0u64..3, 0u32..40, "[a-c]{0,3}"), 1..10)
    }

    proptest! {
        #[test]
        fn a_document_comes_out_the_same_in_any_order_and_with_repeats((edits, order) in edits().prop_flat_map(|edits| {
            let order: Vec<usize> = (0..edits.len()).collect();
            (Just(edits), Just(order).prop_shuffle())
        })) {
            let ops: Vec<Value> = updates(&edits).iter().map(|update| as_op(update)).collect();
            let straight: Vec<usize> = (0..ops.len()).collect();
            let repeated: Vec<usize> = order.iter().chain(&order).copied().collect();
            let one = in_order(CrdtType::Yjs, &ops, &straight).expect("a state");
            let other = in_order(CrdtType::Yjs, &ops, &repeated).expect("a state");
            prop_assert_eq!(text_of(&one), text_of(&other));
            for op in &ops {
                prop_assert_eq!(&apply(CrdtType::Yjs, Some(&one), op.clone()), &one, "what is there already changes nothing");
            }
        }

        #[test]
        fn bytes_that_are_no_update_are_refused_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = applied(CrdtType::Yjs, None, &op(as_op(&bytes)), "op");
        }

        /// A real update with some bytes changed: either it still is one, or it is refused.
        #[test]
        fn a_damaged_update_is_refused_or_applies(edits in edits(), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let all = updates(&edits);
            let mut update = all.last().expect("an update").clone();
            for (at, byte) in damage {
                let at = at.index(update.len());
                update[at] = byte;
            }
            let state = in_order(CrdtType::Yjs, &all.iter().map(|update| as_op(update)).collect::<Vec<_>>(), &[0]);
            let _ = applied(CrdtType::Yjs, state.as_ref(), &op(as_op(&update)), "op");
        }
    }

    #[test]
    fn objects_in_a_document_come_out_in_the_order_of_their_names_and_the_same_each_time() {
        // One insertion into the map `t` under `k`: an object of sixteen members that stand there backwards.
        let mut object = vec![118, 16];
        for name in (b'a'..=b'p').rev() {
            object.extend([1, name, 125, name & 0x3f]);
        }
        let mut update = vec![1, 1, 1, 0, 0x28, 1, 1, b't', 1, b'k', 1];
        update.extend(&object);
        update.push(0);
        let states: Vec<Value> = (0..8).map(|_| apply(CrdtType::Yjs, None, as_op(&update))).collect();
        let bytes = STANDARD.decode(states[0]["$yjs1"].as_str().expect("a state")).expect("base64");
        let names: Vec<u8> = bytes[13..].chunks(4).take(16).map(|member| member[1]).collect();
        assert_eq!(names, (b'a'..=b'p').collect::<Vec<u8>>());
        assert!(states.iter().all(|state| *state == states[0]), "the same intents come to the same bytes");
        assert_eq!(apply(CrdtType::Yjs, Some(&states[0]), as_op(&update)), states[0]);
    }

    #[test]
    fn a_deletion_of_nothing_is_left_out() {
        // A stretch of one client; then, of three clients: nothing, a range without length, and one with length.
        let update = [1, 1, 1, 0, 0, 3, 3, 7, 0, 8, 1, 5, 0, 9, 2, 5, 0, 6, 2];
        let state = apply(CrdtType::Yjs, None, as_op(&update));
        let bytes = STANDARD.decode(state["$yjs1"].as_str().expect("a state")).expect("base64");
        assert_eq!(bytes, [1, 1, 1, 0, 0, 3, 1, 9, 1, 6, 2]);
        assert_eq!(apply(CrdtType::Yjs, Some(&state), as_op(&update)), state);
    }

    #[test]
    fn counts_that_would_take_memory_are_refused() {
        let bombs: [&[u8]; 6] = [
            &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[1, 2, 1, 0xff, 0xff, 0xff, 0xff, 7, 0, 1, 0, 1, 0],
            &[0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0, 0, 0],
        ];
        for bytes in bombs {
            let refused = applied(CrdtType::Yjs, None, &op(as_op(bytes)), "op").expect_err("refused");
            assert_eq!(refused.problem, "is no Yjs update of format 1", "{bytes:?}");
        }
        assert!(applied(CrdtType::Yjs, None, &op(json!({"update": "&"})), "op").is_err());
        assert!(applied(CrdtType::Yjs, None, &op(as_op(&[0, 0])), "op").is_ok(), "an empty update");
    }
}
