//! A head start for a scan of the whole state: prebuilt snapshots of the scopes, where the server offers them. A scope that is too small
//! for one is scanned by itself. Then the scan goes on from the oldest position among them, and brings what has changed since.
//!
//! Whatever goes wrong for good, the scan begins from nothing, as without snapshots. Only a client that names its scopes gets a head
//! start: one that reads whatever is open to it cannot know that it has asked for all of it.

use std::collections::VecDeque;

use rand::RngCore;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::{Action, Answer, Client, Error, Handled, InFlight};
use crate::journal::Journal;
use crate::state::Event;
use crate::wire::{Failure, Manifest, Purpose, Row, read_lines, read_manifest, read_page};

/// A client with more scopes scans: it is done sooner than it has asked for all of them.
const SCOPES_MAX: usize = 16;
/// Answers in a row that bring nothing new, after which the scan begins from nothing.
const TRIES_MAX: u32 = 8;
/// Longest pause while a snapshot is being made.
const PAUSE_MS_MAX: i64 = 30 * SECOND_MS;

/// The head start of the scan under way.
#[derive(Debug, Default)]
pub(super) enum HeadStart {
    /// The process has just started: what there was of it is forgotten.
    #[default]
    Unknown,
    /// There is something to ask for.
    UnderWay(Box<Way>),
    /// There is none, or it is used up.
    Over,
}

/// What is left to do.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Scopes to ask for.
    ask: VecDeque<String>,
    /// Snapshots whose parts are not here yet.
    ready: VecDeque<Manifest>,
    /// Part of the first of them that is next, and what is here of it.
    part: usize,
    bytes: Vec<u8>,
    /// Scopes to scan by themselves, and how far that of the first has come.
    small: VecDeque<String>,
    cursor: Option<String>,
    /// Oldest position among the snapshots, and their epoch.
    from: Option<(i64, String)>,
    tries: u32,
}

/// What a request is for, its path, and from which byte of which digest on it reads.
type Next = (Purpose, String, Option<(u64, String)>);

/// What a part came to.
enum Part {
    /// Some bytes are here; the rest is to be asked for.
    Broken,
    /// They are not what the manifest says.
    Wrong,
    Rows(Vec<Row>),
}

impl Way {
    /// The path of the next request, what it is for, and from which byte of which digest on it reads.
    fn next(&self, page_rows: usize) -> Option<Next> {
        if let Some(scope) = self.ask.front() {
            return Some((Purpose::Snapshot, format!("/snapshots?scope={scope}"), None));
        }
        if let Some(manifest) = self.ready.front() {
            let part = manifest.parts.get(self.part)?;
            let range = (!self.bytes.is_empty()).then(|| (self.bytes.len() as u64, part.sha256.clone()));
            return Some((Purpose::SnapshotPart, format!("/snapshots/{}/parts/{}", manifest.id, self.part + 1), range));
        }
        let (scope, since) = (self.small.front()?, self.cursor.as_deref().unwrap_or("0"));
        self.from.as_ref()?;
        Some((Purpose::ScopeScan, format!("/changes?since={since}&limit={page_rows}&compact=true&scopes={scope}"), None))
    }

    /// Takes the manifest of the scope that was asked for.
    fn manifest_take(&mut self, manifest: Manifest) {
        let older = self.from.as_ref().is_none_or(|(seq, _)| manifest.seq < *seq);
        if older {
            self.from = Some((manifest.seq, manifest.epoch.clone()));
        }
        self.ask.pop_front();
        self.tries = 0;
        if !manifest.parts.is_empty() {
            self.ready.push_back(manifest);
        }
    }

    /// Takes bytes of the part that was asked for: all of it from the beginning, or the rest.
    fn bytes_take(&mut self, bytes: &[u8], rest: bool) -> Part {
        let Some(part) = self.ready.front().and_then(|manifest| manifest.parts.get(self.part)) else { return Part::Wrong };
        let before = if rest { self.bytes.len() } else { 0 };
        self.bytes.truncate(before);
        self.bytes.extend_from_slice(bytes);
        if (self.bytes.len() as u64) < part.bytes {
            self.tries = if bytes.is_empty() { self.tries + 1 } else { 0 };
            return Part::Broken;
        }
        let found = std::mem::take(&mut self.bytes);
        let whole = found.len() as u64 == part.bytes && hex::encode(Sha256::digest(&found)) == part.sha256;
        let rows = if whole { read_lines(&found, part.raw_bytes, part.rows) } else { None };
        match rows {
            Some(rows) => Part::Rows(rows),
            None => {
                self.tries += 1;
                Part::Wrong
            }
        }
    }

    fn part_done(&mut self) {
        (self.part, self.tries) = (self.part + 1, 0);
        if self.ready.front().is_none_or(|manifest| self.part >= manifest.parts.len()) {
            self.ready.pop_front();
            self.part = 0;
        }
    }
}

impl<J: Journal> Client<J> {
    /// A scan from nothing has begun. One that a gap has asked for gets no head start: a scope that was opened is said again by every scan from
    /// before that, and each would ask for the next.
    pub(super) fn head_start_begin(&mut self) {
        let offered = self.state.account.as_ref().is_some_and(|account| account.snapshots) && !self.state.replica.has_gap();
        let scopes = &self.config.scopes;
        self.head_start = if offered && (1..=SCOPES_MAX).contains(&scopes.len()) {
            HeadStart::UnderWay(Box::new(Way { ask: scopes.iter().cloned().collect(), ..Way::default() }))
        } else {
            HeadStart::Over
        };
    }

    /// Whether the scan has not asked for anything yet that this process would remember.
    pub(super) const fn head_start_is_forgotten(&self) -> bool {
        matches!(self.head_start, HeadStart::Unknown)
    }

    /// The next request of the head start, if it has one.
    pub(super) fn head_start_request(&mut self, now: Millis) -> Result<Option<Action>, Error> {
        let HeadStart::UnderWay(way) = &mut self.head_start else { return Ok(None) };
        if let Some((purpose, path, range)) = way.next(self.config.page_rows) {
            self.link.last_attempt_at = Some(now);
            self.in_flight = Some(InFlight { purpose, operations: Vec::new(), since: None, reports: 0 });
            return Ok(Some(self.ranged(purpose, path, range)));
        }
        let from = way.from.take();
        self.head_start = HeadStart::Over;
        if let Some((since, epoch)) = from {
            self.record(Event::ScanSeeded { since, epoch })?;
        }
        Ok(None)
    }

    /// The scan begins from nothing.
    fn head_start_give_up(&mut self, why: &str) -> Result<(), Error> {
        tracing::info!(why, "no snapshot is used: {why}");
        self.head_start = HeadStart::Over;
        if self.state.replica.scan_is_seeded() { self.record(Event::ScanBegun) } else { Ok(()) }
    }

    /// The head start has asked often enough without getting further.
    fn head_start_tried(&mut self) -> Result<(), Error> {
        match &self.head_start {
            HeadStart::UnderWay(way) if way.tries >= TRIES_MAX => self.head_start_give_up("it does not get further"),
            _ => Ok(()),
        }
    }

    /// An answer to a request of the head start that was no success.
    pub(super) fn head_start_refused(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { status, body, .. } = answer;
        if status >= 500 || matches!(status, 408 | 416 | 429) {
            if let HeadStart::UnderWay(way) = &mut self.head_start {
                way.tries += 1;
                way.bytes.clear();
            }
            self.head_start_tried()?;
        } else {
            // Gone, or closed to this device: the scan says the same, if it is so.
            let code = Failure::of_problem(body, Some(status)).code;
            self.head_start_give_up(&code)?;
            if status != 426 {
                return Ok(Handled { failed: Some(code), ..Handled::default() });
            }
        }
        Ok(self.refused(answer, rng))
    }

    pub(super) fn snapshot_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { status, body, retry_after_ms, took_ms, now, .. } = answer;
        let HeadStart::UnderWay(way) = &mut self.head_start else { return Ok(Handled::default()) };
        match status {
            200 => match read_manifest(body) {
                Some(manifest) => way.manifest_take(manifest),
                None => self.head_start_give_up("its manifest cannot be read")?,
            },
            202 => {
                way.tries += 1;
                let asked = retry_after_ms.or_else(|| body.get("retry_after_ms").and_then(Value::as_i64)).unwrap_or(SECOND_MS);
                self.link.succeeded(took_ms);
                self.link.not_before = Some(now.plus(asked.clamp(SECOND_MS, PAUSE_MS_MAX)));
                self.head_start_tried()?;
                return Ok(Handled::default());
            }
            404 => way.small.extend(way.ask.pop_front()),
            _ => return self.head_start_refused(answer, rng),
        }
        self.link.succeeded(took_ms);
        Ok(Handled::default())
    }

    pub(super) fn part_answer(
        &mut self,
        flight: &InFlight,
        (status, bytes): (u16, &[u8]),
        took_ms: f64,
        now: Millis,
        rng: &mut dyn RngCore,
    ) -> Result<Handled, Error> {
        let HeadStart::UnderWay(way) = &mut self.head_start else { return Ok(Handled::default()) };
        match way.bytes_take(bytes, status == 206) {
            Part::Rows(rows) => {
                way.part_done();
                self.record(Event::ScanRows { rows })?;
                self.link.succeeded(took_ms);
                Ok(Handled::default())
            }
            broken => {
                let words = if matches!(broken, Part::Wrong) { "a part is not what its digest says" } else { "a part broke off" };
                self.head_start_tried()?;
                Ok(self.failed(flight, now, Failure::of_network(words), None, rng))
            }
        }
    }

    pub(super) fn scope_scan_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { status, body, took_ms, .. } = answer;
        if status != 200 {
            return self.head_start_refused(answer, rng);
        }
        let HeadStart::UnderWay(way) = &mut self.head_start else { return Ok(Handled::default()) };
        let Ok(page) = read_page(body) else {
            // The scan from nothing meets it again, and says so.
            self.head_start_give_up("a page of a small scope cannot be read")?;
            return Ok(Handled::default());
        };
        way.cursor = (!page.complete).then_some(page.cursor);
        if page.complete {
            way.small.pop_front();
        }
        self.record(Event::ScanRows { rows: page.rows })?;
        self.link.succeeded(took_ms);
        Ok(Handled::default())
    }
}

#[cfg(test)]
mod tests;
