//! The control round: asks for commands, says what becomes of them, and carries them out. It has a backoff of its own and goes before
//! everything else, so that a client whose pushes are refused for ever, or that has stopped by itself, can be helped.

mod drain;
mod logs;
mod obey;

use std::collections::{HashMap, HashSet};

use rand::RngCore;
use serde_json::{Value, json};
use tidewatch_domain::control::CommandKind;
use tidewatch_domain::time::Millis;

use super::{Action, Answer, Client, Error, Handled, InFlight};
use crate::control::NotTaken;
use crate::journal::Journal;
use crate::link::{Stop, backoff_ms};
use crate::state::Event;
use crate::wire::{Failure, Purpose};

/// What the round remembers between two starts of the process.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Commands are to be asked for.
    due: bool,
    /// Keys are to be fetched.
    keys_due: bool,
    /// Commands that wait for them: they are not handed over again for a while.
    unverified: Vec<Value>,
    not_before: Option<Millis>,
    failures: u32,
    /// The command that the server has confirmed to be wanted.
    begun: Option<String>,
    /// Of that command: payloads that are in the archive, and those that were refused there, with the reason.
    uploaded: HashSet<String>,
    /// Entries that the server has applied: their answer was lost, and no payload of them is kept.
    settled: HashSet<String>,
    refused: HashMap<String, (String, String)>,
    /// Revision of the server's configuration, as it last said.
    collections_revision: Option<i64>,
}

impl Round {
    fn begin(&mut self, id: &str) {
        self.begun = Some(id.to_owned());
        self.uploaded.clear();
        self.settled.clear();
        self.refused.clear();
    }

    fn failed(&mut self, now: Millis, retry_after_ms: Option<i64>, rng: &mut dyn RngCore) {
        let ms = backoff_ms(self.failures, rng).max(retry_after_ms.unwrap_or(0));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.plus(ms));
    }

    fn succeeded(&mut self) {
        (self.failures, self.not_before) = (0, None);
    }
}

impl<J: Journal> Client<J> {
    /// Makes a look at the control channel due.
    pub fn control_begin(&mut self) {
        self.round.due = true;
    }

    /// Whether a look at the control channel is due, or a command is under way that needs one.
    fn control_wanted(&self) -> bool {
        let waits_for_pull = |taken: &crate::control::Taken| taken.pulling && taken.report.is_none();
        let command = self.state.commands.focus().is_some_and(|taken| !waits_for_pull(taken) || !self.has_begun(&taken.id));
        self.round.due || self.round.keys_due || command
    }

    fn has_begun(&self, id: &str) -> bool {
        self.round.begun.as_deref() == Some(id)
    }

    /// When the control channel may be used again, if it wants to be.
    pub(super) fn control_wakes(&self, now: Millis) -> Option<Millis> {
        self.round.not_before.filter(|at| *at > now && self.control_wanted())
    }

    /// Whether a fresh copy was ordered: then pulls go before pushes, and no jam holds them up.
    pub(super) fn resyncing(&self) -> bool {
        self.state.commands.focus().is_some_and(|taken| taken.pulling && taken.report.is_none())
    }

    /// The next request of the control channel, if it has one to make now.
    pub(super) fn control_action(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<Option<Action>, Error> {
        let later = self.round.not_before.is_some_and(|at| at > now);
        if later || !self.control_wanted() || self.link.stop == Some(Stop::NeedsSignIn) {
            return Ok(None);
        }
        match self.account_request(now, rng)? {
            Some(Action::Stopped(_)) => return Ok(None),
            Some(request) => return Ok(Some(request)),
            None => {}
        }
        if self.round.keys_due {
            return Ok(Some(self.control_send(Purpose::ControlKeys, "/control/keys".to_owned(), None, Vec::new())));
        }
        if let Some(action) = self.command_action() {
            return Ok(Some(action));
        }
        if self.round.due {
            return Ok(Some(self.control_send(Purpose::Commands, "/control/commands".to_owned(), None, Vec::new())));
        }
        Ok(None)
    }

    /// What the command in focus needs next.
    fn command_action(&mut self) -> Option<Action> {
        let taken = self.state.commands.focus()?;
        let (id, path) = (taken.id.clone(), format!("/control/commands/{}/status", taken.id));
        let body = match &taken.report {
            Some(report) => Some(report.clone()),
            None if !self.has_begun(&id) => Some(json!({ "state": "running" })),
            None => None,
        };
        match body {
            Some(body) => Some(self.control_send(Purpose::CommandStatus, path, Some(body.to_string()), vec![id])),
            None if taken.kind == CommandKind::UploadLogs.as_str() => self.logs_action(),
            None => self.escrow_action(),
        }
    }

    fn control_send(&mut self, purpose: Purpose, path: String, body: Option<String>, operations: Vec<String>) -> Action {
        self.in_flight = Some(InFlight { purpose, operations, since: None, reports: 0 });
        self.request(purpose, path, body)
    }

    /// The control channel failed: it waits, and nothing else does.
    pub(super) fn control_failed(&mut self, now: Millis, retry_after_ms: Option<i64>, rng: &mut dyn RngCore) {
        self.round.failed(now, retry_after_ms, rng);
    }

    pub(super) fn control_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, retry_after_ms, now, .. } = answer;
        let passes = status >= 500 || matches!(status, 408 | 429) || (status == 401 || status == 403);
        if passes {
            let error = Failure::of_problem(body, Some(status));
            let asked = retry_after_ms.or_else(|| body.get("retry_after_ms").and_then(Value::as_i64));
            return Ok(self.failed(flight, now, error, asked, rng));
        }
        self.just_refreshed = false;
        self.round.succeeded();
        match flight.purpose {
            Purpose::ControlKeys => self.keys_take(status, body),
            Purpose::Commands => self.commands_take(status, body),
            Purpose::CommandStatus => self.status_take(answer, rng),
            Purpose::Logs => self.logs_take(answer),
            _ => self.escrow_take(answer, rng),
        }
    }

    fn keys_take(&mut self, status: u16, body: &Value) -> Result<Handled, Error> {
        self.round.keys_due = false;
        if status == 200 {
            let keys = self.state.commands.followed(body);
            if keys != self.state.commands.keys() {
                self.record(Event::Pinned { keys })?;
            }
        }
        for command in std::mem::take(&mut self.round.unverified) {
            self.command_take(command, true)?;
        }
        Ok(Handled::default())
    }

    fn commands_take(&mut self, status: u16, body: &Value) -> Result<Handled, Error> {
        self.round.due = false;
        if status != 200 {
            // An older server has no control channel.
            return Ok(Handled { failed: Some(Failure::of_problem(body, Some(status)).code), ..Handled::default() });
        }
        self.round.collections_revision = body.pointer("/policy/collections_revision").and_then(Value::as_i64);
        for command in body.get("commands").and_then(Value::as_array).into_iter().flatten() {
            self.command_take(command.clone(), false)?;
        }
        Ok(Handled::default())
    }

    /// Takes a command when it holds. One whose key is not known waits for the keys, once.
    fn command_take(&mut self, command: Value, keys_are_fresh: bool) -> Result<(), Error> {
        let client_id = self.state.client_id.as_deref().unwrap_or_default();
        match self.state.commands.verify(&command, client_id) {
            Ok(taken) => self.record(Event::Commanded { taken }),
            Err(NotTaken::UnknownKey) if !keys_are_fresh => {
                self.round.keys_due = true;
                self.round.unverified.push(command);
                Ok(())
            }
            Err(NotTaken::Known) => Ok(()),
            Err(NotTaken::UnknownKey | NotTaken::Forged) => self.command_refuse(&command),
            Err(NotTaken::Broken) => {
                tracing::warn!("a command cannot be read");
                Ok(())
            }
        }
    }

    /// A command that nobody vouches for is not obeyed, and the server is told.
    fn command_refuse(&mut self, command: &Value) -> Result<(), Error> {
        let Some(id) = command.get("id").and_then(Value::as_str).filter(|id| id.len() <= 64) else { return Ok(()) };
        tracing::warn!(command = id, "command {id} is not signed by a key that is trusted here");
        let report = failure("signature_invalid", "it is not signed for this device by a key that it trusts");
        let kind = String::new();
        let taken = crate::control::Taken {
            id: id.to_owned(),
            kind,
            args: Value::Null,
            priority: 5,
            pulling: false,
            escrowed: 0,
            report: Some(report),
        };
        self.record(Event::Commanded { taken })
    }

    fn status_take(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, now, .. } = answer;
        let Some(id) = flight.operations.first().cloned() else { return Ok(Handled::default()) };
        let finished = self.state.commands.focus().is_some_and(|taken| taken.id == id && taken.report.is_some());
        let state = body.get("state").and_then(Value::as_str).unwrap_or_default();
        if !finished && status == 200 && state == "running" {
            self.round.begin(&id);
            return self.obey(now, rng);
        }
        // Confirmed, or no longer wanted: it was taken back, its time is over, or the server does not know it.
        self.round.begun = None;
        self.record(Event::Ended { command: id })?;
        let failed = (status >= 300).then(|| Failure::of_problem(body, Some(status)).code);
        Ok(Handled { failed, ..Handled::default() })
    }
}

/// The last word about a command that could not be done.
fn failure(code: &str, message: &str) -> Value {
    json!({ "state": "failed", "error": { "code": code, "message": message } })
}

#[cfg(test)]
mod tests;
