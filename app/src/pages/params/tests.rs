//! Query strings: what is printed reads back the same, and what people and forms send is read kindly.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_value_survives_printing_and_reading(value in "\\PC+") {
        let printed = print(&[("filter", value.clone())]);
        let params = Params::parse(printed.trim_start_matches('?'));
        prop_assert_eq!(params.0, vec![("filter".to_owned(), value)]);
    }

    #[test]
    fn any_text_can_be_read(raw in "\\PC*") {
        let _ = Params::parse(&raw);
    }

    #[test]
    fn any_list_state_survives_printing_and_reading(filter in "[a-z:<>=*%+&# -]{0,40}", key in "[ -~]{0,20}", rows in 1..=PAGE_ROWS_MAX, way in 0..3) {
        let key = key.trim().to_owned();
        let position = match way {
            1 if !key.is_empty() => Position::After(key),
            2 if !key.is_empty() => Position::Before(key),
            _ => Position::Start,
        };
        let filter = filter.trim().to_owned();
        let state = ListState { filter, position, rows };
        let mut pairs = Vec::new();
        state.print_into(&mut pairs);
        let params = Params::parse(print(&pairs).trim_start_matches('?'));
        prop_assert_eq!(ListState::parse(&params), Ok(state));
    }
}

#[test]
fn the_default_state_prints_nothing() {
    let mut pairs = Vec::new();
    ListState::default().print_into(&mut pairs);
    assert_eq!(print(&pairs), "");
}

#[test]
fn the_signs_of_the_filter_language_stay_readable() {
    let printed = print(&[("filter", "platform:ios -version:<4.2 lag:>=1h".to_owned())]);
    assert_eq!(printed, "?filter=platform:ios%20-version:%3C4.2%20lag:%3E%3D1h");
}

#[test]
fn a_second_filter_field_adds_to_the_first() {
    let state = ListState::parse(&Params::parse("filter=platform%3Aios&filter=+queue:%3E3+&filter=")).expect("valid");
    assert_eq!(state.filter, "platform:ios queue:>3");
}

#[test]
fn a_percent_sign_is_decoded_once() {
    assert_eq!(Params::parse("filter=a%2541").one("filter"), Some("a%41"));
    assert_eq!(Params::parse("filter=100%").one("filter"), Some("100%"));
}

#[test]
fn rows_outside_the_range_are_refused_by_name() {
    for raw in ["rows=0", "rows=501", "rows=-1", "rows=many"] {
        let bad = ListState::parse(&Params::parse(raw)).expect_err(raw);
        assert_eq!(bad.field, "rows", "{raw}");
    }
    assert_eq!(ListState::parse(&Params::parse("rows=500")).expect("the limit itself").rows, 500);
}

#[test]
fn after_and_before_exclude_each_other() {
    let bad = ListState::parse(&Params::parse("after=a&before=b")).expect_err("both");
    assert_eq!(bad.field, "after");
}

#[test]
fn what_a_form_leaves_behind_is_seen() {
    for raw in ["filter=", "filter=a&filter=b", "rows=10&filter=%20"] {
        assert!(Params::parse(raw).is_untidy(), "{raw}");
    }
    for raw in ["", "filter=a", "filter=a&sort=queue"] {
        assert!(!Params::parse(raw).is_untidy(), "{raw}");
    }
}

#[test]
fn the_state_of_a_list_reads_back_as_it_was_printed() {
    for raw in [
        "",
        "?filter=actor:user:maya%20-action:session_create&after=1200",
        "?filter=subject:user:jonas&before=9&rows=10",
        "?filter=seq:%3E%3D40&before=9&rows=10",
    ] {
        let state = ListState::parse(&Params::parse(raw.trim_start_matches('?'))).expect(raw);
        assert_eq!(state.print(), raw);
    }
}

#[test]
fn another_filter_starts_from_the_first_page_and_an_export_has_no_page() {
    let state = ListState::parse(&Params::parse("filter=op:put&after=3&rows=10")).expect("valid");
    assert_eq!(state.with_filter("").print(), "?rows=10");
    assert_eq!(state.print_export(), "?filter=op:put");
    assert_eq!(state.kept(), [("rows", "10".to_owned())]);
}
