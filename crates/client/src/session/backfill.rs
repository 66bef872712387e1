//! A column that is new here: its values for the records that are here already, once the feed is read to its end.

use rand::RngCore;
use serde_json::json;
use tidewatch_domain::time::Millis;

use super::{Action, Answer, Client, Error, Handled, InFlight};
use crate::journal::Journal;
use crate::state::Event;
use crate::wire::{Purpose, read_fills};

/// What is asked for, and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Backfill {
    collection: String,
    names: Vec<String>,
    cursor: Option<String>,
}

impl<J: Journal> Client<J> {
    /// Asks for fields of the records of a collection that are here already: the app has learned of new columns. They are asked for
    /// when the feed has come to its end. Ask again after a restart, unless it was over: it begins anew.
    pub fn backfill_begin(&mut self, collection: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.backfill = Some(Backfill { collection: collection.to_owned(), names, cursor: None });
        self.pull_due = true;
    }

    /// Whether values are still asked for, or wait for the feed.
    #[must_use]
    pub fn backfill_is_under_way(&self) -> bool {
        self.backfill.is_some() || self.state.replica.fills_len() > 0
    }

    pub(super) fn backfill_request(&mut self, now: Millis) -> Option<Action> {
        let asked = self.backfill.as_ref()?;
        let mut body = json!({"collection": asked.collection, "fields": asked.names, "limit": self.config.page_rows});
        if !self.config.scopes.is_empty() {
            body["scopes"] = json!(self.config.scopes);
        }
        if let Some(cursor) = &asked.cursor {
            body["cursor"] = json!(cursor);
        }
        self.link.last_attempt_at = Some(now);
        self.in_flight = Some(InFlight { purpose: Purpose::Backfill, operations: Vec::new(), since: None, reports: 0 });
        Some(self.request(Purpose::Backfill, "/records/backfill".to_owned(), Some(body.to_string())))
    }

    pub(super) fn backfill_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { status, body, took_ms, .. } = answer;
        let Some(mut asked) = self.backfill.clone() else { return Ok(Handled::default()) };
        // What its rows wait for, or a position that is lost, is the feed's to bring.
        self.pull_due = true;
        if status != 200 {
            self.backfill = match status {
                400 | 403 | 404 | 413 => None,
                409 | 410 => Some(Backfill { cursor: None, ..asked }),
                _ => Some(asked),
            };
            return Ok(self.refused(answer, rng));
        }
        let Some(page) = read_fills(body) else {
            return Ok(self.unreadable(answer, "a page of fields was not readable", rng));
        };
        let (collection, names) = (asked.collection.clone(), asked.names.clone());
        self.record(Event::Filled { collection, names, rows: page.rows })?;
        self.link.succeeded(took_ms);
        asked.cursor = Some(page.cursor);
        self.backfill = page.has_more.then_some(asked);
        Ok(Handled::default())
    }
}

#[cfg(test)]
mod tests;
