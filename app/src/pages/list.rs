//! What the lists have in common: the filter that was refused, its suggestions, links that add a term, and the words at the foot.

use leptos::prelude::*;
use tidewatch_domain::filter::{Filter, Key, Kind, Op, Subject, Term, Value};
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_service::{Error, Result};

use crate::format::{NBSP, count};
use crate::ui::Empty;
use crate::ui::empty::Reason;

/// A list that was read, or what is wrong with the filter that asked for it.
pub type Filtered<T> = std::result::Result<T, String>;

/// Takes a refused filter out of the errors: it is shown at its field, with the answer 400, and never as "everything".
///
/// # Errors
/// Every other error.
pub fn filtered<T>(result: Result<T>) -> Result<Filtered<T>> {
    match result {
        Ok(list) => Ok(Ok(list)),
        Err(Error::Invalid { field: "filter", detail }) => Ok(Err(sentence(&detail))),
        Err(other) => Err(other),
    }
}

/// A detail as a sentence of its own: with a capital.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// The panel of a list whose filter was refused: nothing is listed, what may be asked, and the way out.
#[component]
pub fn RefusedFilter(
    /// What is not listed, e.g. `device`.
    noun: &'static str,
    /// Keys of the list.
    keys: &'static [Key],
    /// The list without a filter.
    clear: String,
) -> impl IntoView {
    let known = keys.iter().map(|key| if key.name.ends_with('.') { format!("{}<key>", key.name) } else { key.name.to_owned() });
    let known = known.collect::<Vec<_>>().join(", ");
    let text = format!(
        "No {noun} is listed until it can: a filter that is not understood never means all of them. Known keys: {known}."
    );
    view! {
        <Empty reason=Reason::NoMatch title="The filter could not be read" text action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
    }
}

/// What the field suggests: each key, and each word of a key that takes words.
#[must_use]
pub fn suggestions(keys: &[Key]) -> Vec<String> {
    let mut out = Vec::new();
    for key in keys {
        match key.kind {
            Kind::Enum(words) => out.extend(words.iter().map(|word| format!("{}:{word}", key.name))),
            Kind::Bool => out.extend(["yes", "no"].map(|word| format!("{}:{word}", key.name))),
            Kind::Number | Kind::Duration => out.push(format!("{}:>=", key.name)),
            Kind::Text if key.name.ends_with('.') => out.push(key.name.to_owned()),
            Kind::Text | Kind::Version => out.push(format!("{}:", key.name)),
        }
    }
    out
}

/// The filter with the one term `key:value` about `key`, whatever it said of it before.
#[must_use]
pub fn with_term(keys: &[Key], filter: &str, key: &str, value: &str) -> String {
    let term = Term {
        negated: false,
        subject: Subject::Key(key.to_owned()),
        op: Op::Is,
        values: vec![Value::Text(value.to_owned())],
        span: Default::default(),
    };
    Filter::parse(keys, filter).unwrap_or_default().without_key(key).with(term).to_string()
}

/// Foot of a page: `1–50 of 318, exact`. A page that does not start at the first row has no number for its first one.
#[must_use]
pub fn range_words<T>(page: &Page<T>, position: &Position) -> String {
    let rows = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
    let total = match page.total {
        Total::Exact(total) => format!("of {}, exact", count(total)),
        Total::AtLeast(total) => format!("of more than {}", count(total)),
        Total::Among { found, looked, all: true } => format!("of {}, looked at all {} payloads", count(found), count(looked)),
        Total::Among { found, looked, .. } => format!("of {}, looked at the newest {} payloads", count(found), count(looked)),
    };
    let first = *position == Position::Start || page.previous.is_none();
    match (rows, first) {
        (0, _) => format!("none {total}"),
        (1, true) => format!("1 {total}"),
        (_, true) => format!("1–{}{NBSP}{total}", count(rows)),
        (_, false) => format!("{} {total}", count(rows)),
    }
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::filter::keys;

    use super::*;

    fn page(rows: usize, total: Total, previous: Option<&str>) -> Page<()> {
        Page { rows: vec![(); rows], next: None, previous: previous.map(str::to_owned), total }
    }

    #[test]
    fn only_a_refused_filter_is_taken_out_of_the_errors() {
        let refused: Result<()> = Err(Error::Invalid { field: "filter", detail: "unknown key \"colour\" at 1".into() });
        assert_eq!(filtered(refused).expect("taken out"), Err("Unknown key \"colour\" at 1".to_owned()));
        let other: Result<()> = Err(Error::Invalid { field: "after", detail: "is no position".into() });
        assert!(filtered(other).is_err());
        assert!(matches!(filtered(Ok(7)), Ok(Ok(7))));
    }

    #[test]
    fn every_suggestion_begins_with_a_key_of_the_list() {
        for suggestion in suggestions(keys::DEVICES) {
            assert!(keys::DEVICES.iter().any(|key| suggestion.starts_with(key.name)), "{suggestion}");
        }
        assert!(suggestions(keys::DEVICES).contains(&"condition:stuck".to_owned()));
    }

    #[test]
    fn a_term_replaces_what_was_said_of_its_key() {
        let filter = with_term(keys::CHANGES, "collection:a op:put", "collection", "b");
        assert_eq!(filter, "op:put collection:b");
    }

    #[test]
    fn a_term_with_odd_signs_reads_back_as_one_term() {
        for value in ["building:42", "two words", "a,b", "say \"hi\"", "-x"] {
            let filter = with_term(keys::CHANGES, "", "scope", value);
            let read = Filter::parse(keys::CHANGES, &filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            assert_eq!(read.terms().len(), 1, "{filter}");
            assert_eq!(read.terms()[0].values, [Value::Text(value.to_owned())], "{filter}");
        }
    }

    #[test]
    fn the_foot_names_rows_and_total_and_says_when_the_total_is_a_floor() {
        assert_eq!(range_words(&page(50, Total::Exact(318), None), &Position::Start), "1–50\u{a0}of 318, exact");
        assert_eq!(range_words(&page(50, Total::Exact(318), Some("k")), &Position::After("k".into())), "50 of 318, exact");
        assert_eq!(range_words(&page(50, Total::AtLeast(10_000), None), &Position::Start), "1–50\u{a0}of more than 10,000");
        assert_eq!(range_words(&page(0, Total::Exact(0), None), &Position::Start), "none of 0, exact");
    }
}
