//! Pulling: pages of the feed, or a scan of the whole state when there is no position to go on from.

use rand::RngCore;
use serde_json::Value;
use tidewatch_domain::time::Millis;

use super::{Action, Answer, Client, Error, Handled, InFlight, Pulled};
use crate::journal::Journal;
use crate::link::Stop;
use crate::state::Event;
use crate::wire::{Failure, PageError, Purpose, read_page};

impl<J: Journal> Client<J> {
    /// The next page of the feed, or of the scan.
    pub(super) fn pull_request(&mut self, now: Millis) -> Result<Action, Error> {
        let replica = &self.state.replica;
        let scan_due = self.scan_wanted || replica.cursor().is_none() || replica.has_gap();
        if scan_due && replica.scan_cursor().is_none() {
            self.record(Event::ScanBegun)?;
            self.scan_wanted = false;
            self.head_start_begin();
        } else if replica.scan_cursor() == Some(None) && self.head_start_is_forgotten() {
            if replica.scan_is_seeded() {
                self.record(Event::ScanBegun)?;
            }
            self.head_start_begin();
        }
        if let Some(action) = self.head_start_request(now)? {
            return Ok(action);
        }
        let replica = &self.state.replica;
        let (since, compact) = match replica.scan_cursor() {
            Some(cursor) => (cursor.unwrap_or("0").to_owned(), "&compact=true"),
            None => (replica.cursor().unwrap_or("0").to_owned(), ""),
        };
        let mut path = format!("/changes?since={since}&limit={}{compact}", self.config.page_rows);
        if let Some(epoch) = replica.scan_epoch() {
            path.push_str("&epoch=");
            path.push_str(epoch);
        }
        if !self.config.scopes.is_empty() {
            path.push_str("&scopes=");
            path.push_str(&self.config.scopes.join(","));
        }
        self.link.last_attempt_at = Some(now);
        self.in_flight = Some(InFlight { purpose: Purpose::Pull, operations: Vec::new(), since: Some(since), reports: 0 });
        Ok(self.request(Purpose::Pull, path, None))
    }

    pub(super) fn pull_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, took_ms, now, .. } = answer;
        match status {
            200 => {}
            304 => {
                self.round_ended(took_ms, now);
                return Ok(Handled::default());
            }
            409 | 410 if is_about_the_cursor(body) => return self.position_lost(answer, rng),
            _ => return Ok(self.refused(answer, rng)),
        }
        let page = match read_page(body) {
            Ok(page) => page,
            Err(PageError::Broken) => {
                return Ok(self.unreadable(answer, "a page of the feed was not readable", rng));
            }
            Err(PageError::UnknownOp(op)) => {
                self.link.stop = Some(Stop::NeedsUpgrade(format!("unknown feed operation {op}")));
                return Ok(Handled { failed: Some("unknown_op".into()), ..Handled::default() });
            }
        };
        let scan = self.state.replica.scan_cursor().is_some();
        let pulled = Pulled {
            seqs: page.rows.iter().map(|row| row.seq).collect(),
            scan,
            since: flight.since.clone(),
            cursor: page.cursor.clone(),
        };
        let moved = flight.since.as_deref() != Some(&page.cursor);
        if moved || !page.rows.is_empty() || scan {
            self.record(Event::Page { rows: page.rows, cursor: page.cursor, scan: scan.then_some(page.complete) })?;
            self.link.last_applied_at = Some(now);
        }
        let mut obeyed = None;
        if page.has_more || scan && !page.complete || self.state.replica.has_gap() {
            self.link.succeeded(took_ms);
            self.just_refreshed = false;
        } else {
            self.round_ended(took_ms, now);
            obeyed = self.resync_pulled()?;
        }
        Ok(Handled { pulled: Some(pulled), obeyed, ..Handled::default() })
    }

    fn round_ended(&mut self, took_ms: f64, now: Millis) {
        self.link.succeeded(took_ms);
        self.just_refreshed = false;
        self.pull_due = false;
        self.link.last_success_at = Some(now);
    }

    /// The store does not know this position: scan its state again. Own intents are kept, and those that a lost tail of
    /// the store took with it go out again.
    fn position_lost(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, now, .. } = answer;
        let error = Failure::of_problem(body, Some(status));
        self.scan_wanted = true;
        if matches!(error.code.as_str(), "cursor_epoch_mismatch" | "cursor_ahead") {
            let above_seq = body.get("fork_seq").and_then(Value::as_i64);
            self.record(Event::Replayed { above_seq })?;
            self.push_due = true;
        }
        if self.state.replica.scan_cursor().is_some() {
            // Even the scan's own position is gone: begin it anew.
            self.record(Event::ScanBegun)?;
        }
        Ok(self.failed(flight, now, error, None, rng))
    }
}

fn is_about_the_cursor(body: &Value) -> bool {
    body.get("code").and_then(Value::as_str).is_some_and(|code| code.starts_with("cursor_"))
}
