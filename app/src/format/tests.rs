//! Both sides of every limit.

use super::*;

#[test]
fn thousands_are_grouped_and_minus_is_a_minus() {
    assert_eq!(
        [0, 7, 999, 1_000, 1_284, 1_000_000, -1_284].map(integer),
        ["0", "7", "999", "1,000", "1,284", "1,000,000", "−1,284"]
    );
}

#[test]
fn decimals_drop_zeros_at_the_end_only() {
    assert_eq!(decimal(98.71, 2), "98.71");
    assert_eq!(decimal(98.70, 2), "98.7");
    assert_eq!(decimal(100.0, 2), "100");
    assert_eq!(decimal(12_345.6, 1), "12,345.6");
    assert_eq!(decimal(100.0, 0), "100");
    assert_eq!(decimal(-0.001, 2), "0");
}

#[test]
fn number_and_unit_never_part() {
    assert_eq!(percent(98.71), "98.71\u{a0}%");
    assert_eq!(millis(412.4), "412\u{a0}ms");
    assert_eq!(counted(1, "device", "devices"), "1\u{a0}device");
    assert_eq!(counted(2_418, "device", "devices"), "2,418\u{a0}devices");
}

#[test]
fn spans_change_their_unit_at_a_minute_an_hour_and_a_day() {
    let shown = [0, 59_999, 60_000, 3_599_999, 3_600_000, 29_460_000, 86_399_999, 86_400_000, 367_200_000].map(span);
    let plain = shown.map(|text| text.replace(NBSP, " "));
    assert_eq!(plain, ["0 s", "59 s", "1 min", "59 min", "1:00 h", "8:11 h", "23:59 h", "1 d 0 h", "4 d 6 h"]);
}

#[test]
fn relative_times_have_a_present() {
    let now = Millis(1_773_325_927_000);
    let plain = |at: i64| ago(now.plus(at), now).replace(NBSP, " ");
    assert_eq!(plain(-4_999), "just now");
    assert_eq!(plain(-5_000), "5 s ago");
    assert_eq!(plain(-180_000), "3 min ago");
    assert_eq!(plain(-3 * HOUR_MS), "3 h ago");
    assert_eq!(plain(240_000), "in 4 min");
}

#[test]
fn instants_say_as_much_as_a_reader_needs() {
    let now = Millis::parse_rfc3339("2026-03-12T14:32:07Z").expect("valid");
    let at = |text| Millis::parse_rfc3339(text).expect("valid");
    assert_eq!(when(at("2026-03-12T06:14:00Z"), now), "06:14:00");
    assert_eq!(when(at("2026-03-11T23:59:59Z"), now), "11 Mar 23:59");
    assert_eq!(when(at("2025-12-31T23:59:59Z"), now), "31 Dec 2025");
    assert_eq!(exact(now), "2026-03-12 14:32:07 UTC");
    assert_eq!(day(now), "Thu 12 Mar");
}

#[test]
fn bytes_read_like_a_disk() {
    let plain = [0, 999, 1_000, 1_500, 212_400_000, 3_000_000_000].map(|value| bytes(value).replace(NBSP, " "));
    assert_eq!(plain, ["0 B", "999 B", "1 kB", "1.5 kB", "212 MB", "3 GB"]);
}

#[test]
fn ids_are_cut_in_the_middle() {
    assert_eq!(id_short("op_01KKH2B4QX0000000000V8RM"), "op_01KKH2B4…V8RM");
    assert_eq!(id_short("short"), "short");
}
