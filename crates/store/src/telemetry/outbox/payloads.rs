//! Search in payloads. They are in the archive of the log and have no index by what they hold: the newest of them are looked at, and
//! the list says how many that were. Two halves are read side by side, since reading is all that it costs.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tidewatch_domain::drain::ArchiveOrigin;
use tidewatch_domain::filter::{Filter, Term, Value as FilterValue};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::super::sealed::{PayloadAsk, PayloadHits};
use crate::{Error, Result};

/// Payloads that one page looks at, at most, newest first: about a third of a second.
const LOOK_MAX: i64 = 100_000;
/// Matches that are taken, newest first.
const MATCHES_MAX: usize = 10_000;
/// How the filter language names a field of a payload.
const FAMILY: &str = "payload.";

/// How many payloads were looked at, and whether those are all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) payloads: u64,
    pub(super) all: bool,
}

/// What was found for the terms of a filter that are about payloads.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By the place of the term: `[client_id, operation_id]`, a JSON array.
    terms: HashMap<usize, String>,
    /// Operations of a term that has to hold, a JSON array.
    pin: Option<String>,
    looked: Option<Looked>,
}

impl Found {
    /// Devices and operations that the term at a place found; `None` when it is not about payloads.
    pub(super) fn pairs(&self, at: usize) -> Option<String> {
        self.terms.get(&at).cloned()
    }

    /// The only operations that can be in the list, when a term says so.
    pub(super) fn pin(&self) -> Option<String> {
        self.pin.clone()
    }

    /// What was looked at, when anything was.
    pub(super) const fn looked(&self) -> Option<Looked> {
        self.looked
    }
}

impl Telemetry {
    /// Looks for the terms of a filter that are about payloads.
    pub(super) async fn payloads_find(&self, filter: &Filter) -> Result<Found> {
        let mut found = Found::default();
        for (at, term) in filter.terms().iter().enumerate() {
            let Some(field) = term.key().and_then(|key| key.strip_prefix(FAMILY)) else { continue };
            let (hits, looked) = self.payloads_look(field, term).await?;
            // Of several terms, each has to have seen everything.
            found.looked = Some(Looked { all: looked.all && found.looked.is_none_or(|before| before.all), ..looked });
            if !term.negated && found.pin.is_none() {
                found.pin = Some(json!(hits.iter().map(|hit| &hit.1).collect::<Vec<_>>()).to_string());
            }
            found.terms.insert(at, json!(hits).to_string());
        }
        Ok(found)
    }

    async fn payloads_look(&self, field: &str, term: &Term) -> Result<(Vec<(String, String)>, Looked)> {
        let texts = term.values.iter().map(ToString::to_string);
        let values: Vec<_> = texts.map(|text| (FilterValue::like_pattern(&text), needle(&text))).collect();
        let values = Arc::new(values);
        let newest = self.facts.payload_newest().await?;
        let low = (newest - LOOK_MAX).max(0);
        let middle = low + (newest - low) / 2;
        let ask = |low, high| PayloadAsk { path: path(field), values: Arc::clone(&values), low, high };
        let (older, newer) =
            tokio::try_join!(self.facts.payload_hits(ask(low, middle)), self.facts.payload_hits(ask(middle, newest)))?;
        let looked = older.looked + newer.looked;
        let mut hits: Vec<_> = [newer, older].into_iter().flat_map(PayloadHits::newest_first).collect();
        let all = cut(&mut hits, low == 0);
        let hits = self.facts.payload_names(hits).await?;
        Ok((hits, Looked { payloads: looked.cast_unsigned(), all }))
    }

    /// The intent of an operation as the archive keeps it, JSON text, since when it is here, and how it came. Reading it leaves no trace.
    ///
    /// # Errors
    /// As the database.
    pub async fn payload_view(
        &self,
        client_id: &ClientId,
        operation_id: &str,
    ) -> Result<Option<(String, Millis, ArchiveOrigin)>> {
        let found = self.facts.payload(client_id.as_str(), operation_id).await?;
        let Some((intent, at, origin)) = found else { return Ok(None) };
        let origin = ArchiveOrigin::of_number(origin).ok_or_else(|| Error::Corrupt("origin of a dead letter".to_owned()))?;
        Ok(Some((intent, Millis(at), origin)))
    }

    /// Fields that the newest payloads have, as the filter language names them: what a person may look for.
    ///
    /// # Errors
    /// As the database.
    pub async fn payload_fields(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for text in self.facts.payloads_newest().await? {
            let intent: Value = serde_json::from_str(&text).unwrap_or_default();
            fields_add(&mut names, FAMILY.trim_end_matches('.'), &intent["fields"]);
        }
        names.sort_unstable();
        names.dedup();
        names.truncate(FIELDS_MAX);
        Ok(names)
    }
}

/// Fields that are suggested.
const FIELDS_MAX: usize = 60;
/// Fields of one level that are looked at.
const FIELDS_WIDE: usize = 40;
/// Dots in a name that is suggested, at most.
const FIELDS_DEEP: usize = 4;

fn fields_add(names: &mut Vec<String>, before: &str, value: &Value) {
    let Value::Object(members) = value else {
        if before.contains('.') && !value.is_null() {
            names.push(before.to_owned());
        }
        return;
    };
    if before.matches('.').count() >= FIELDS_DEEP {
        return;
    }
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    for (name, member) in members.iter().filter(|(name, _)| plain(name)).take(FIELDS_WIDE) {
        fields_add(names, &format!("{before}.{name}"), member);
    }
}

/// Keeps as many matches as are taken. Answers whether they are all there are: a list that was cut is that as little as one that did not look
/// at every payload.
fn cut<T>(hits: &mut Vec<T>, looked_at_all: bool) -> bool {
    let fits = hits.len() <= MATCHES_MAX;
    hits.truncate(MATCHES_MAX);
    looked_at_all && fits
}

/// `reading.pressure_kpa` as a path of SQLite into an intent; a number is a place in a list.
fn path(field: &str) -> String {
    let mut path = "$.fields".to_owned();
    for name in field.split('.') {
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{name}]"));
        } else {
            path.push_str(&format!(".\"{}\"", name.replace('"', "")));
        }
    }
    path
}

/// The longest piece of a value that every payload with it holds letter by letter, as JSON writes it, in small letters.
fn needle(text: &str) -> String {
    let longest = text.split('*').max_by_key(|piece| piece.len()).unwrap_or_default();
    let written = Value::from(longest).to_string();
    written[1..written.len() - 1].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_the_fields_of_the_intent() {
        assert_eq!(path("reading.pressure_kpa"), r#"$.fields."reading"."pressure_kpa""#);
        assert_eq!(path("photos.0.id"), r#"$.fields."photos"[0]."id""#);
        assert_eq!(path(r#"a".b"#), r#"$.fields."a"."b""#);
    }

    #[test]
    fn a_list_of_matches_that_was_cut_never_says_that_it_has_all() {
        for (found, looked_at_all, taken, all) in
            [(MATCHES_MAX, true, MATCHES_MAX, true), (MATCHES_MAX + 1, true, MATCHES_MAX, false), (3, false, 3, false)]
        {
            let mut hits = vec![(); found];
            assert_eq!((cut(&mut hits, looked_at_all), hits.len()), (all, taken), "{found}");
        }
    }

    #[test]
    fn a_needle_is_the_longest_piece_as_json_writes_it() {
        assert_eq!(needle("412"), "412");
        assert_eq!(needle("Pump*north wing"), "north wing");
        assert_eq!(needle("say \"Hi\""), "say \\\"hi\\\"");
        assert_eq!(needle("*"), "");
    }

    #[test]
    fn fields_are_named_as_the_filter_names_them() {
        let mut names = Vec::new();
        fields_add(&mut names, "payload", &json!({"reading": {"pressure_kpa": "412", "ok": null}, "photos": [1], "odd name": 1}));
        assert_eq!(names, ["payload.photos", "payload.reading.pressure_kpa"]);
    }
}
