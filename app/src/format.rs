//! Numbers, spans and instants as the console writes them. Pure: "now" comes in, the server's clock does not.

pub mod metric;

use leptos::prelude::*;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, SECOND_MS};
use time::OffsetDateTime;

/// Stands before a unit, so that number and unit never part.
pub const NBSP: char = '\u{a0}';

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// `1,284`.
#[must_use]
pub fn integer(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        out.push('−');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// [`integer`] of a count.
#[must_use]
pub fn count(value: u64) -> String {
    integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A count with its noun: `1 device`, `1,284 devices`.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{}{NBSP}{}", count(value), if value == 1 { one } else { many })
}

/// At most `places` decimals, none that are zero at the end: `0.62`, `98.7`, `100`.
#[must_use]
pub fn decimal(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    match text.split_once('.') {
        Some((whole, part)) => format!("{}.{part}", grouped(whole)),
        None => grouped(text),
    }
}

fn grouped(whole: &str) -> String {
    match whole.parse::<i64>() {
        Ok(0) if whole.starts_with('-') => "0".to_owned(),
        Ok(number) => integer(number),
        Err(_) => whole.to_owned(),
    }
}

/// `98.71 %`, value in percent.
#[must_use]
pub fn percent(value: f64) -> String {
    format!("{}{NBSP}%", decimal(value, 2))
}

/// `412 ms` below ten seconds, then [`span`].
#[must_use]
pub fn millis(value: f64) -> String {
    if value.abs() < 10_000.0 {
        format!("{}{NBSP}ms", decimal(value, if value < 10.0 { 1 } else { 0 }))
    } else {
        span(round(value))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the value is clamped to what an i64 holds")]
fn round(value: f64) -> i64 {
    value.round().clamp(-9.0e18, 9.0e18) as i64
}

/// Elapsed time: `40 s`, `12 min`, `8:11 h`, `4 d 6 h`.
#[must_use]
pub fn span(ms: i64) -> String {
    let (figure, unit) = span_parts(ms);
    if unit.is_empty() { figure } else { format!("{figure}{NBSP}{unit}") }
}

/// [`span`] as figure and unit, for a figure with a small unit behind it. Beyond a day the unit is inside the figure.
#[must_use]
pub fn span_parts(ms: i64) -> (String, &'static str) {
    let ms = ms.max(0);
    match ms {
        0..MINUTE_MS => (integer(ms / SECOND_MS), "s"),
        MINUTE_MS..HOUR_MS => (integer(ms / MINUTE_MS), "min"),
        HOUR_MS..DAY_MS => (format!("{}:{:02}", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS), "h"),
        _ => (format!("{}{NBSP}d {}{NBSP}h", integer(ms / DAY_MS), ms % DAY_MS / HOUR_MS), ""),
    }
}

/// Time since an instant, as a word beside a time needs it: `just now`, `3 min ago`, `in 4 min`.
#[must_use]
pub fn ago(at: Millis, now: Millis) -> String {
    let ms = now.since(at);
    match ms {
        -4_999..=4_999 => "just now".to_owned(),
        5_000.. => format!("{} ago", span_short(ms)),
        _ => format!("in {}", span_short(-ms)),
    }
}

fn span_short(ms: i64) -> String {
    if (HOUR_MS..DAY_MS).contains(&ms) { format!("{}{NBSP}h", ms / HOUR_MS) } else { span(ms) }
}

fn utc(at: Millis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `14:32:07`, UTC.
#[must_use]
pub fn clock(at: Millis) -> String {
    let at = utc(at);
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// `14:32`, UTC.
#[must_use]
pub fn clock_short(at: Millis) -> String {
    let at = utc(at);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// `Thu 12 Mar`, UTC.
#[must_use]
pub fn day(at: Millis) -> String {
    let at = utc(at);
    let weekday = WEEKDAYS[usize::from(at.weekday().number_days_from_monday())];
    format!("{weekday} {} {}", at.day(), MONTHS[usize::from(u8::from(at.month())) - 1])
}

/// As near as a reader needs: `14:32:07` today, `12 Mar 14:32` this year, `12 Mar 2025` before.
#[must_use]
pub fn when(at: Millis, now: Millis) -> String {
    let (then, today) = (utc(at), utc(now));
    let month = MONTHS[usize::from(u8::from(then.month())) - 1];
    if then.date() == today.date() {
        clock(at)
    } else if then.year() == today.year() {
        format!("{} {month} {}", then.day(), clock_short(at))
    } else {
        format!("{} {month} {}", then.day(), then.year())
    }
}

/// `2026-03-12 14:32:07 UTC`: what a relative time carries in its title.
#[must_use]
pub fn exact(at: Millis) -> String {
    let date = utc(at).date();
    format!("{:04}-{:02}-{:02} {} UTC", date.year(), u8::from(date.month()), date.day(), clock(at))
}

/// Bytes in the units of a disk: `212 MB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut scaled = value;
    let mut rest = 0;
    let mut unit = 0;
    while scaled >= 1_000 && unit + 1 < UNITS.len() {
        rest = scaled % 1_000;
        scaled /= 1_000;
        unit += 1;
    }
    let tenth = rest / 100;
    if unit > 0 && scaled < 10 && tenth > 0 {
        format!("{scaled}.{tenth}{NBSP}{}", UNITS[unit])
    } else {
        format!("{scaled}{NBSP}{}", UNITS[unit])
    }
}

/// An id cut in the middle: `op_01KKH2B4…V8RM`. Short ones stay whole.
#[must_use]
pub fn id_short(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 16 {
        return id.to_owned();
    }
    let head: String = letters[..11].iter().collect();
    let tail: String = letters[letters.len() - 4..].iter().collect();
    format!("{head}…{tail}")
}

/// A time of day or date with the exact instant for machines and in its title.
#[component]
pub fn When(
    /// The instant.
    at: Millis,
    /// As of.
    now: Millis,
) -> impl IntoView {
    view! { <time datetime=at.to_string() title=exact(at)>{when(at, now)}</time> }
}

/// A relative time with the exact instant for machines and in its title.
#[component]
pub fn Ago(
    /// The instant.
    at: Millis,
    /// As of.
    now: Millis,
) -> impl IntoView {
    view! { <time datetime=at.to_string() title=exact(at)>{ago(at, now)}</time> }
}

#[cfg(test)]
mod tests;
