//! Expressions by table, and by property: whatever is read has a value.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value_of(text: &str, names: &Value) -> Value {
    Expr::parse(text, &[]).expect(text).value(&|name| names.get(name))
}

#[test]
fn values_follow_the_usual_rules() {
    let names =
        json!({"a": 3, "b": 2.5, "t": "x", "n": null, "o": {"p": {"q": 1}}, "l": [{"v": 1}, {"v": 2}, {}], "d": [1, 2, 3]});
    let cases = [
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("-a + 1", json!(-2)),
        ("a * b", json!(7.5)),
        ("6 / 3", json!(2)),
        ("1 / 2", json!(0.5)),
        ("1 / 0", json!(null)),
        ("a + t", json!(null)),
        ("t == 'x' and not (a < 3)", json!(true)),
        ("t == \"x\" && a >= 3 || false", json!(true)),
        ("a == 3.0", json!(true)),
        ("a != 4", json!(true)),
        ("t < 'y'", json!(true)),
        ("t < 1", json!(false)),
        ("n < 1", json!(false)),
        ("missing == null", json!(true)),
        ("a in [1, 2, 3]", json!(true)),
        ("t in ['it''s', 'y']", json!(false)),
        ("'it''s'", json!("it's")),
        ("o.p.q", json!(1)),
        ("o.p.q.r", json!(null)),
        ("sum(d)", json!(6)),
        ("sum(l.v)", json!(null)),
        ("len(l)", json!(3)),
        ("len('äb')", json!(2)),
        ("round(2.5)", json!(3)),
        ("round(t)", json!(null)),
        ("9007199254740991 + 1", json!(null)),
        ("a and true", json!(false)),
        ("not n", json!(true)),
    ];
    for (text, wanted) in cases {
        assert_eq!(value_of(text, &names), wanted, "{text}");
    }
}

#[test]
fn a_bad_text_is_refused_with_its_place() {
    let cases = [
        ("", 0, "a value or a name is missing"),
        ("a ==", 4, "a value or a name is missing"),
        ("a = 1", 2, "the expression should have ended"),
        ("a b", 2, "the expression should have ended"),
        ("'open", 0, "a text without an end"),
        ("a ; b", 2, "`;` means nothing here"),
        ("best(a)", 0, "there is no function `best`"),
        ("(a", 2, "`)` is missing"),
        ("a.", 2, "a name is missing after the dot"),
        ("9007199254740992", 0, "a number that cannot be read"),
    ];
    for (text, at, problem) in cases {
        assert_eq!(Expr::parse(text, &[]), Err(ExprError { at, problem: problem.to_owned() }), "{text}");
    }
    let unknown = Expr::parse("status == 1", &["old", "new"]).expect_err("refused");
    assert_eq!(unknown.problem, "`status` is not known here; known are old, new");
}

#[test]
fn size_and_depth_are_bounded() {
    assert!(Expr::parse(&"a".repeat(TEXT_BYTES_MAX + 1), &[]).is_err());
    assert!(Expr::parse(&format!("{}a{}", "(".repeat(100), ")".repeat(100)), &[]).is_err());
    assert!(Expr::parse(&"-".repeat(100), &[]).is_err());
    assert!(Expr::parse(&vec!["a"; 100].join(" + "), &[]).is_err());
}

proptest! {
    #[test]
    fn whatever_can_be_read_has_a_value(text in "([a-c]|[0-9]|[-+*/()<>=!.,'\\[\\]]| and | or | not | in |sum\\(|len\\(){0,24}") {
        if let Ok(expr) = Expr::parse(&text, &[]) {
            let names = json!({"a": 1, "b": "x", "c": [1, {"a": 2}]});
            let once = expr.value(&|name| names.get(name));
            prop_assert_eq!(once, expr.value(&|name| names.get(name)));
        }
    }
}
