//! What the filter language reads, what it refuses and with which words, and that what it prints reads the same again.

use proptest::prelude::*;

use super::keys::DEVICES;
use super::*;

fn read(text: &str) -> Filter {
    Filter::parse(DEVICES, text).expect("the text is a filter")
}

fn refused(text: &str) -> FilterError {
    Filter::parse(DEVICES, text).expect_err("the text is not a filter")
}

fn reads_as(text: &str, op: Op, value: &Value) {
    let filter = read(text);
    let term = &filter.terms()[0];
    assert_eq!((term.op, &term.values[0]), (op, value), "{text}");
}

#[test]
fn the_example_of_the_product_page_is_read_term_by_term() {
    let filter = read("platform:ios -version:<4.2 lag:>=1h queue:>100 \"Ward 3\"");
    let terms: Vec<(bool, Option<&str>, Op, String)> =
        filter.terms().iter().map(|t| (t.negated, t.key(), t.op, t.values[0].to_string())).collect();
    assert_eq!(
        terms,
        [
            (false, Some("platform"), Op::Is, "ios".to_owned()),
            (true, Some("version"), Op::Lt, "4.2".to_owned()),
            (false, Some("lag"), Op::Ge, "1h".to_owned()),
            (false, Some("queue"), Op::Gt, "100".to_owned()),
            (false, None, Op::Is, "Ward 3".to_owned()),
        ]
    );
}

#[test]
fn spans_point_at_the_bytes_of_each_term() {
    let text = "  platform:ios  -\"Wärd 3\" queue:>1";
    let filter = read(text);
    let parts: Vec<&str> = filter.terms().iter().map(|t| &text[t.span.start..t.span.end]).collect();
    assert_eq!(parts, ["platform:ios", "-\"Wärd 3\"", "queue:>1"]);
}

#[test]
fn a_comma_lists_values_and_quotes_keep_a_comma_together() {
    let filter = read("condition:stuck,diverged name:\"Ward 3, north\",x");
    assert_eq!(filter.terms()[0].values, [Value::Text("stuck".into()), Value::Text("diverged".into())]);
    assert_eq!(filter.terms()[1].values, [Value::Text("Ward 3, north".into()), Value::Text("x".into())]);
}

#[test]
fn values_are_read_by_the_kind_of_their_key() {
    reads_as("queue:<=12.5", Op::Le, &Value::Number(12.5));
    reads_as("battery:20%", Op::Is, &Value::Number(20.0));
    reads_as("drift:>1h30m", Op::Gt, &Value::Duration(5_400_000));
    reads_as("drift:>1.5h", Op::Gt, &Value::Duration(5_400_000));
    reads_as("drift:<2w", Op::Lt, &Value::Duration(1_209_600_000));
    reads_as("drift:250ms", Op::Is, &Value::Duration(250));
    reads_as("version:4.18.*", Op::Is, &Value::VersionPrefix(vec![4, 18]));
    reads_as("simulated:TRUE", Op::Is, &Value::Bool(true));
    reads_as("condition:Stuck", Op::Is, &Value::Text("stuck".into()));
    reads_as("score:none", Op::Is, &Value::Absent);
    reads_as("label.region:north", Op::Is, &Value::Text("north".into()));
}

#[test]
fn an_unknown_key_names_its_place_and_what_may_have_been_meant() {
    let error = refused("queue:>5 plattform:ios");
    assert_eq!(error.span, Span { start: 9, end: 18 });
    assert_eq!(error.problem, Problem::KeyUnknown("plattform".into()));
    assert_eq!(error.suggestions, ["platform"]);
    assert_eq!(error.to_string(), "unknown key \"plattform\" at 10; did you mean \"platform\"?");
}

#[test]
fn a_bad_value_is_an_error_that_says_what_would_fit() {
    assert_eq!(refused("queue:>many").to_string(), "\"many\" at 8 must be a number, e.g. 100");
    assert_eq!(refused("lag:>5").to_string(), "\"5\" at 6 must be a length of time, e.g. 20m, 1h or 3d");
    assert!(refused("condition:stuk").to_string().ends_with("did you mean \"stuck\"?"));
    assert_eq!(refused("condition:stuck,nope").span, Span { start: 16, end: 20 });
    for text in [
        "version:x",
        "version:<4.*",
        "simulated:maybe",
        "queue:1e9",
        "queue:inf",
        "queue:nan",
        "lag:-1h",
        "lag:99999999999999w",
        "queue:>none",
    ] {
        assert!(matches!(refused(text).problem, Problem::ValueUnfit(..)), "{text}");
    }
}

#[test]
fn broken_text_is_refused_and_never_reads_as_everything() {
    let cases = [
        ("\"open", Problem::QuoteOpen),
        ("a\"b\"", Problem::QuoteMisplaced),
        ("\"a\"b", Problem::QuoteMisplaced),
        ("name:\"a\"b", Problem::QuoteMisplaced),
        ("-", Problem::MinusAlone),
        ("queue:>1 - x", Problem::MinusAlone),
        (":x", Problem::KeyMissing),
        ("-:x", Problem::KeyMissing),
        ("queue:", Problem::ValueMissing),
        ("queue:>", Problem::ValueMissing),
        ("name:a,", Problem::ValueMissing),
        ("name:,a", Problem::ValueMissing),
        ("\"\"", Problem::ValueMissing),
        ("name:\"\"", Problem::ValueMissing),
        ("label.:x", Problem::KeyUnknown("label.".into())),
        ("platform:>ios", Problem::OpNotOrdered("platform".into())),
        ("queue:>1,2", Problem::OpWithList("queue".into())),
    ];
    for (text, problem) in cases {
        assert_eq!(refused(text).problem, problem, "{text}");
    }
}

#[test]
fn the_limits_hold_on_both_sides() {
    let terms = |n: usize| vec!["a"; n].join(" ");
    assert_eq!(read(&terms(FILTER_TERMS_MAX)).terms().len(), FILTER_TERMS_MAX);
    assert_eq!(refused(&terms(FILTER_TERMS_MAX + 1)).problem, Problem::TooManyTerms);
    let values = |n: usize| format!("name:{}", vec!["a"; n].join(","));
    assert_eq!(read(&values(TERM_VALUES_MAX)).terms()[0].values.len(), TERM_VALUES_MAX);
    assert_eq!(refused(&values(TERM_VALUES_MAX + 1)).problem, Problem::TooManyValues);
    assert_eq!(read(&"a".repeat(FILTER_BYTES_MAX)).terms().len(), 1);
    assert_eq!(refused(&"a".repeat(FILTER_BYTES_MAX + 1)).problem, Problem::TooLong);
}

#[test]
fn chips_can_be_added_and_taken_away() {
    let filter = read("platform:ios stuck");
    let stuck = read("condition:stuck").terms()[0].clone();
    let more = filter.with(stuck.clone());
    assert_eq!(more.to_string(), "platform:ios stuck condition:stuck");
    assert_eq!(more.with(stuck).to_string(), more.to_string());
    assert_eq!(more.without(0).to_string(), "stuck condition:stuck");
    assert_eq!(more.without_key("condition").to_string(), "platform:ios stuck");
    assert_eq!(more.without(9).to_string(), more.to_string());
}

#[test]
fn versions_sort_by_number_and_a_release_after_its_candidates() {
    let ordered = ["3.99", "4.0.0-rc1", "4.0.0-rc2", "4", "4.0.1", "4.2", "4.10", "4.10.0.1", "17.0"];
    let keys: Vec<VersionKey> = ordered.iter().map(|text| VersionKey::parse(text).expect("a version")).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(keys.windows(2).all(|pair| pair[0].sort_text() < pair[1].sort_text()));
    assert_eq!(VersionKey::parse("4"), VersionKey::parse("4.0.0+build7"));
    assert_eq!(VersionKey::parse("4.0.x"), None);
    assert!(
        VersionKey::parse("4.18.3")
            .is_some_and(|v| v.sort_text().starts_with(&VersionKey::sort_prefix(&[4, 18])) && v.begins(&[4, 18]))
    );
}

#[test]
fn key_tables_have_unique_names_and_help() {
    for table in [keys::DEVICES, keys::CHANGES, keys::AUDIT] {
        let mut names: Vec<&str> = table.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.len());
        assert!(table.iter().all(|key| !key.help.is_empty()));
    }
}

fn value_text(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Text => "[ -~é]{1,12}".boxed(),
        Kind::Number => (-100_000i64..100_000, 0u32..1000).prop_map(|(a, b)| format!("{a}.{b}")).boxed(),
        Kind::Duration => (0i64..100, 0i64..60, 0i64..1000).prop_map(|(d, m, ms)| format!("{d}d{m}m{ms}ms")).boxed(),
        Kind::Enum(words) => prop::sample::select(words).prop_map(str::to_owned).boxed(),
        Kind::Version => "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-[a-z0-9]{1,4})?".boxed(),
        Kind::Bool => prop::sample::select(&["yes", "no", "true", "False"][..]).prop_map(str::to_owned).boxed(),
    }
}

fn term_text() -> impl Strategy<Value = String> {
    let keyed = prop::sample::select(DEVICES).prop_flat_map(|key| {
        let name = if key.name.ends_with('.') { format!("{}x", key.name) } else { key.name.to_owned() };
        let op = if key.kind.is_ordered() {
            prop::sample::select(&["", "=", "<", "<=", ">", ">="][..])
        } else {
            prop::sample::select(&["", "="][..])
        };
        let values = prop::collection::vec(value_text(key.kind), 1..4);
        (Just(name), op, values).prop_map(|(name, op, values)| {
            let most = if matches!(op, "" | "=") { values.len() } else { 1 };
            let values: Vec<String> = values[..most].iter().map(|v| lexer::quoted_value(v)).collect();
            format!("{name}:{op}{}", values.join(","))
        })
    });
    let word = "[ -~é]{1,12}".prop_map(|text| lexer::quoted_word(&text));
    (any::<bool>(), prop_oneof![keyed, word]).prop_map(|(negated, text)| if negated { format!("-{text}") } else { text })
}

proptest! {
    #[test]
    fn printing_is_canonical_and_reads_back_as_the_same_filter(terms in prop::collection::vec(term_text(), 0..6)) {
        let filter = Filter::parse(DEVICES, &terms.join("  ")).expect("made of terms");
        let printed = filter.to_string();
        let again = Filter::parse(DEVICES, &printed).expect("what is printed can be read");
        prop_assert_eq!(again.terms().len(), filter.terms().len());
        for (a, b) in again.terms().iter().zip(filter.terms()) {
            prop_assert!(a.same(b), "{} and {}", a, b);
        }
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place_inside_it(text in "[ -~é\"]{0,60}") {
        if let Err(error) = Filter::parse(DEVICES, &text) {
            prop_assert!(error.span.start <= text.len());
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
