//! The sync machine: one request at a time, decided here, carried out by the caller.
//!
//! A round (asked for with [`Client::round_begin`]) pushes what is ready, pulls until the feed's end, and sends the reports
//! that wait. A failure of the link ends the round's requests until the backoff is over; the round itself stays due. A
//! report that can not be sent never holds up a push or a pull.

mod account;
mod backfill;
mod control;
mod flight;
mod handled;
mod head_start;
mod noting;
mod pull;
mod push;
mod report;

use std::io;

use rand::RngCore;
use serde_json::Value;
use tidewatch_domain::time::Millis;

use self::flight::{Answer, InFlight};
pub use self::handled::{Handled, Pulled, Settlement};
use crate::intent::{Draft, Freezing, Intent, uuid_v7};
use crate::journal::Journal;
use crate::link::{Attempts, Link, Stop};
use crate::logs::LogRing;
use crate::outbox::ENTRIES_MAX;
use crate::replica::Key;
use crate::state::{Event, State};
use crate::wire::{Failure, Purpose, Reply, Request, server_time};

/// Journals smaller than this are not worth compacting.
const COMPACT_BYTES_MIN: u64 = 256 << 10;

/// What an installation is set up with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Buys the first tokens, and new ones when the old are gone.
    pub enrolment_token: Option<String>,
    /// Who it belongs to.
    pub principal: String,
    /// Platform.
    pub platform: String,
    /// App version.
    pub app_version: String,
    /// Schema version of the local database.
    pub schema_version: i64,
    /// Scopes it subscribes to; empty means all it may read.
    pub scopes: Vec<String>,
    /// Whether a simulator made it.
    pub simulated: bool,
    /// Entries of a push.
    pub batch_entries: usize,
    /// Rows of a page.
    pub page_rows: usize,
    /// Acknowledged intents to remember.
    pub acknowledged_limit: usize,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Carry this out and hand the reply to [`Client::handle`].
    Send(Request),
    /// Nothing before this time.
    Wait(Millis),
    /// The round is done.
    Idle,
    /// Stopped by itself; the outbox is kept.
    Stopped(Stop),
}

/// What can go wrong locally.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal could not be written or read; what was asked for did not happen.
    #[error("the journal failed: {0}")]
    Journal(#[from] io::Error),
    /// The outbox holds all it may.
    #[error("the outbox is full: {ENTRIES_MAX} operations wait")]
    OutboxFull,
}

/// The client.
#[derive(Debug)]
pub struct Client<J> {
    config: Config,
    journal: J,
    state: State,
    link: Link,
    in_flight: Option<InFlight>,
    batch_limit: usize,
    push_due: bool,
    pull_due: bool,
    refresh_due: bool,
    just_refreshed: bool,
    scan_wanted: bool,
    compact_above: u64,
    reports: report::Queue,
    round: control::Round,
    head_start: head_start::HeadStart,
    logs: LogRing,
    backfill: Option<backfill::Backfill>,
}

impl<J: Journal> Client<J> {
    /// Opens a client on what its journal remembers.
    ///
    /// # Errors
    /// As the journal.
    pub fn open(config: Config, mut journal: J) -> Result<Self, Error> {
        let mut state = State::new(config.acknowledged_limit);
        for frame in journal.read()? {
            match serde_json::from_slice(&frame) {
                Ok(event) => state.apply(event),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error).into()),
            }
        }
        let compact_above = COMPACT_BYTES_MIN.max(2 * journal.bytes());
        Ok(Self {
            batch_limit: config.batch_entries,
            config,
            journal,
            state,
            link: Link::default(),
            in_flight: None,
            push_due: false,
            pull_due: false,
            refresh_due: false,
            just_refreshed: false,
            scan_wanted: false,
            compact_above,
            reports: report::Queue::default(),
            round: control::Round::default(),
            head_start: head_start::HeadStart::default(),
            logs: LogRing::default(),
            backfill: None,
        })
    }

    /// The state, to look at.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The link, to look at.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Takes the round trips since the last report, sorted.
    pub(crate) fn take_round_trips_ms(&mut self) -> Vec<f64> {
        self.link.take_round_trips_ms()
    }

    /// Starts the counts of a report anew.
    pub(crate) fn counts_reset(&mut self) {
        self.link.attempts = Attempts::default();
        self.link.token_errors = 0;
    }

    /// Gives the journal back: what a crash leaves.
    #[must_use]
    pub fn into_journal(self) -> J {
        self.journal
    }

    /// Chooses the id before the first registration, so that a lost answer does not make two devices. Without this call
    /// one is drawn.
    ///
    /// # Errors
    /// As the journal.
    pub fn name(&mut self, client_id: &str) -> Result<(), Error> {
        if self.state.client_id.is_none() {
            self.record(Event::Named { client_id: client_id.to_owned() })?;
        }
        Ok(())
    }

    /// Puts an edit into the outbox. It is queued once this returns its operation id, and not before.
    ///
    /// # Errors
    /// As the journal; then the edit did not happen.
    pub fn enqueue(&mut self, draft: Draft, now: Millis, rng: &mut dyn RngCore) -> Result<String, Error> {
        if self.state.outbox.len() >= ENTRIES_MAX {
            return Err(Error::OutboxFull);
        }
        let key: Key = (draft.collection.to_string(), draft.record_id.to_string());
        let client_id = self.client_id(now, rng)?;
        let mut hlc = self.state.hlc.clone();
        let stamp = hlc.tick(now, &client_id.replace('-', "")[24..]);
        let at = Freezing { now, stamp, client_seq: self.state.client_seq + 1, base: self.state.base_of(&key) };
        let intent = Intent::freeze(draft, at, rng);
        self.record(Event::Queued { intent: intent.text, depends_on: intent.depends_on })?;
        Ok(intent.operation_id)
    }

    fn client_id(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<String, Error> {
        if let Some(client_id) = &self.state.client_id {
            return Ok(client_id.clone());
        }
        let client_id = uuid_v7(now, rng);
        self.record(Event::Named { client_id: client_id.clone() })?;
        Ok(client_id)
    }

    /// Makes a push and a pull due.
    pub fn round_begin(&mut self) {
        (self.push_due, self.pull_due) = (true, true);
    }

    /// Whether a round is still due.
    #[must_use]
    pub fn round_is_due(&self) -> bool {
        self.push_due || self.pull_due
    }

    /// What to do now.
    ///
    /// # Errors
    /// As the journal.
    pub fn next_action(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<Action, Error> {
        assert!(self.in_flight.is_none(), "one request at a time: handle the reply, or say that it was lost");
        self.note_begin(now);
        if let Some(action) = self.control_action(now, rng)? {
            return Ok(action);
        }
        if let Some(stop) = &self.link.stop {
            return Ok(Action::Stopped(stop.clone()));
        }
        let wakes = self.control_wakes(now);
        if let Some(at) = self.link.not_before.filter(|at| *at > now) {
            return Ok(Action::Wait(wakes.map_or(at, |own| own.min(at))));
        }
        let wants = self.round_is_due() || self.backfill.is_some() || self.reports.is_due(now);
        if !wants {
            return Ok(wakes.map_or(Action::Idle, Action::Wait));
        }
        if let Some(request) = self.account_request(now, rng)? {
            return Ok(request);
        }
        if self.resyncing() && self.pull_due {
            return self.pull_request(now);
        }
        if self.push_due {
            if let Some(request) = self.push_request(now, rng) {
                return Ok(request);
            }
            self.push_due = false;
        }
        if self.pull_due {
            return self.pull_request(now);
        }
        if let Some(request) = self.backfill_request(now) {
            return Ok(request);
        }
        Ok(self.report_request(now, rng).unwrap_or(Action::Idle))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// As the journal; then the answer was not taken and the same request will be made again.
    pub fn handle(&mut self, reply: Reply, now: Millis, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let flight = self.in_flight.take().expect("a reply answers the request that was handed out");
        let handled = self.answer(&flight, reply, now, rng)?;
        self.note(&flight, &handled, now);
        Ok(handled)
    }

    fn answer(&mut self, flight: &InFlight, reply: Reply, now: Millis, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let (status, body, retry_after_ms, took_ms) = match reply {
            Reply::Answer { status, body, retry_after_ms, took_ms } => (status, body, retry_after_ms, took_ms),
            Reply::Bytes { status, bytes, took_ms } => return self.part_answer(flight, (status, &bytes), took_ms, now, rng),
            Reply::Lost { detail } => return Ok(self.failed(flight, now, Failure::of_network(&detail), None, rng)),
        };
        if let Some(server) = server_time(&body) {
            self.link.clock_offset_ms = Some(now.since(server));
        }
        let answer = Answer { flight, status, body: &body, retry_after_ms, took_ms, now };
        if status == 401 && !matches!(flight.purpose, Purpose::Register | Purpose::Refresh) {
            return Ok(self.token_refused(answer, rng));
        }
        let handled = match flight.purpose {
            Purpose::Register | Purpose::Refresh => self.account_answer(answer, rng)?,
            Purpose::Push => self.push_answer(answer, rng)?,
            Purpose::Pull => self.pull_answer(answer, rng)?,
            Purpose::Snapshot => self.snapshot_answer(answer, rng)?,
            Purpose::SnapshotPart => self.head_start_refused(answer, rng)?,
            Purpose::ScopeScan => self.scope_scan_answer(answer, rng)?,
            Purpose::Backfill => self.backfill_answer(answer, rng)?,
            Purpose::Report => self.report_answer(answer, rng),
            Purpose::ControlKeys | Purpose::Commands | Purpose::CommandStatus | Purpose::Escrow | Purpose::Logs => {
                self.control_answer(answer, rng)?
            }
        };
        self.compact_if_worth_it()?;
        Ok(handled)
    }

    /// Writes an event down, then acts on it.
    fn record(&mut self, event: Event) -> Result<(), Error> {
        let frame = serde_json::to_vec(&event).expect("an event is serialisable");
        self.journal.append(&frame, event.must_be_durable())?;
        self.state.apply(event);
        Ok(())
    }

    fn compact_if_worth_it(&mut self) -> Result<(), Error> {
        if self.journal.bytes() < self.compact_above || self.state.replica.scan_cursor().is_some() {
            return Ok(());
        }
        let frames: Vec<_> =
            self.state.compacted().iter().map(|event| serde_json::to_vec(event).expect("an event is serialisable")).collect();
        self.journal.replace(&frames)?;
        self.compact_above = COMPACT_BYTES_MIN.max(2 * self.journal.bytes());
        Ok(())
    }

    /// A failure of the link: back off. A report's failure holds up reports only.
    fn failed(
        &mut self,
        flight: &InFlight,
        now: Millis,
        error: Failure,
        retry_after_ms: Option<i64>,
        rng: &mut dyn RngCore,
    ) -> Handled {
        let code = error.code.clone();
        if flight.purpose == Purpose::Report {
            self.reports.failed(now, retry_after_ms, rng);
        } else if flight.purpose.is_control() {
            self.control_failed(now, retry_after_ms, rng);
        } else {
            for id in &flight.operations {
                if let Some(entry) = self.state.outbox.get_mut(id) {
                    entry.attempts += 1;
                    entry.error = Some(error.clone());
                }
            }
            self.link.failed(now, error, retry_after_ms, rng);
        }
        Handled { failed: Some(code), ..Handled::default() }
    }

    /// An answer that cannot be read is as good as none.
    fn unreadable(&mut self, answer: Answer<'_>, words: &str, rng: &mut dyn RngCore) -> Handled {
        self.failed(answer.flight, answer.now, Failure::of_network(words), None, rng)
    }

    /// A refusal that no retry of this version mends, or one that passes: by its status.
    fn refused(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Handled {
        let Answer { flight, status, body, retry_after_ms, now, .. } = answer;
        let error = Failure::of_problem(body, Some(status));
        let asked = retry_after_ms.or_else(|| body.get("retry_after_ms").and_then(Value::as_i64));
        match (status, error.code.as_str()) {
            (426, _) => self.link.stop = Some(Stop::NeedsUpgrade(error.code.clone())),
            (403, "client_blocked" | "offline_disabled") => self.link.stop = Some(Stop::Refused(error.code.clone())),
            _ => {}
        }
        self.failed(flight, now, error, asked, rng)
    }

    fn request(&self, purpose: Purpose, path: String, body: Option<String>) -> Action {
        let bearer = match purpose {
            Purpose::Register => self.config.enrolment_token.clone(),
            Purpose::Refresh => None,
            _ => self.state.account.as_ref().map(|account| account.access_token.clone()),
        };
        let client_id = self.state.client_id.clone();
        Action::Send(Request { purpose, path, bearer, client_id, schema_version: self.config.schema_version, body, range: None })
    }

    /// A request without a body, for the bytes of something from some byte on.
    fn ranged(&self, purpose: Purpose, path: String, range: Option<(u64, String)>) -> Action {
        match self.request(purpose, path, None) {
            Action::Send(request) => Action::Send(Request { range, ..request }),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
