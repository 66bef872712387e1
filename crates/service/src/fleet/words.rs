//! Numbers and times as sentences have them.

use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// `1,284`.
pub(super) fn whole(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 device`, `1,284 devices`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", whole(n.cast_signed()), if n == 1 { one } else { many })
}

/// `is` for one, `are` for more.
pub(super) const fn be(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// `8:11 h`, `4 d 6 h`, `12 min`.
pub(super) fn elapsed(ms: i64) -> String {
    match ms.max(0) {
        ms if ms >= DAY_MS => format!("{} d {} h", ms / DAY_MS, ms % DAY_MS / HOUR_MS),
        ms if ms >= HOUR_MS => format!("{}:{:02} h", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        ms if ms >= MINUTE_MS => format!("{} min", ms / MINUTE_MS),
        ms => format!("{} s", ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            (whole(0), whole(999), whole(1_284), whole(-1_000_000)),
            ("0".into(), "999".into(), "1,284".into(), "-1,000,000".into())
        );
    }
}
