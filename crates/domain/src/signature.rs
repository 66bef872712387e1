//! Signatures of failures (glossary): code, collection, operation and the message without what differs from case to case.

use sha2::{Digest as _, Sha256};

/// A signature longer than this is cut.
const SIGNATURE_CHARS_MAX: usize = 160;

/// The signature of a failure, one line: `schema_invalid inspections update pressure_kpa: expected number, got "…"`.
#[must_use]
pub fn signature(code: &str, collection: &str, op: &str, message: Option<&str>) -> String {
    let message = message.map(normalised).unwrap_or_default();
    format!("{code} {collection} {op} {message}").trim_end().chars().take(SIGNATURE_CHARS_MAX).collect()
}

/// Characters of a message of [`message_plain`].
const MESSAGE_CHARS_MAX: usize = 120;

/// A message without what differs from case to case, as a signature has it: it can be kept where the payload is not.
#[must_use]
pub fn message_plain(message: &str) -> String {
    normalised(message).chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Eight hex digits that stand for a signature in an address.
#[must_use]
pub fn signature_id(signature: &str) -> String {
    hex::encode(&Sha256::digest(signature.as_bytes())[..4])
}

/// The operation that a signature names: its third word.
#[must_use]
pub fn signature_op(signature: &str) -> Option<&str> {
    signature.split(' ').nth(2).filter(|op| !op.is_empty())
}

/// A message with quoted texts as `…` and every word that holds a digit as `#`. What stands in backticks is a name (of a field, a guard, a
/// scope) and a word like others: failures of two fields are two.
fn normalised(message: &str) -> String {
    let mut plain = String::with_capacity(message.len());
    let mut quote: Option<char> = None;
    let mut before = ' ';
    for c in message.chars() {
        match quote {
            Some(open) if c == open => {
                plain.push_str("\"…\"");
                quote = None;
            }
            Some(_) => {}
            // An apostrophe inside a word is not a quote.
            None if c == '"' || (c == '\'' && !before.is_alphanumeric()) => quote = Some(c),
            None => plain.push(c),
        }
        before = c;
    }
    let words = plain.split_whitespace().map(|word| if word.chars().any(|c| c.is_ascii_digit()) { "#" } else { word });
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_only_in_their_values_share_a_signature() {
        let first = signature(
            "schema_invalid",
            "inspections",
            "update",
            Some("pressure_kpa is \"412\", expected a number (record INS-40217)"),
        );
        let second = signature(
            "schema_invalid",
            "inspections",
            "update",
            Some("pressure_kpa is \"n/a\", expected a number (record INS-7)"),
        );
        assert_eq!(first, second);
        assert_eq!(first, "schema_invalid inspections update pressure_kpa is \"…\", expected a number (record #");
    }

    #[test]
    fn failures_of_two_fields_or_guards_are_two_signatures_and_ids_in_backticks_are_none() {
        let of = |message: &str| signature("schema_invalid", "readings", "put", Some(message));
        let reading = of("field `reading` must hold a value of type number");
        assert_eq!(reading, "schema_invalid readings put field `reading` must hold a value of type number");
        assert_ne!(reading, of("field `pressure` must hold a value of type number"));
        assert_eq!(of("`op-7`, which it depends on, was refused"), of("`op-8`, which it depends on, was refused"));
        assert_eq!(of("value \"a `b\" is wrong"), of("value \"c\" is wrong"), "a quoted text may hold one");
    }

    #[test]
    fn another_collection_or_code_is_another_signature() {
        let one = signature("schema_invalid", "inspections", "update", None);
        assert_eq!(one, "schema_invalid inspections update");
        assert_ne!(one, signature("schema_invalid", "assets", "update", None));
        assert_ne!(one, signature("guard_failed", "inspections", "update", None));
    }

    #[test]
    fn a_plain_message_holds_no_values_and_is_bounded() {
        assert_eq!(message_plain("Quantity \"412\" of R-7 is too much"), "quantity \"…\" of # is too much");
        assert_eq!(message_plain(&"word ".repeat(99)).chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn a_long_message_is_cut_and_an_apostrophe_is_no_quote() {
        assert_eq!(signature("a", "b", "c", Some(&"word ".repeat(99))).chars().count(), SIGNATURE_CHARS_MAX);
        assert_eq!(signature("a", "b", "c", Some("can't do it")), "a b c can't do it");
    }
}
