//! Pushing: one batch, one answer per intent. What has no final answer stays in the outbox, whatever happened.

use rand::RngCore;
use serde_json::{Value, json};
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::{Action, Answer, Client, Error, Handled, InFlight, Settlement};
use crate::intent::uuid_v7;
use crate::journal::Journal;
use crate::link::Stop;
use crate::state::Event;
use crate::wire::{Failure, Purpose, PushResult, ResultStatus, read_results};

/// Bytes of intents in one batch: well below what a server takes.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Answers `500` to an intent that was alone in its batch before it is given up.
const SERVER_ERRORS_MAX: u32 = 5;
/// When to send a deferred intent again if the answer does not say.
const DEFERRED_MS: i64 = 2 * SECOND_MS;

impl<J: Journal> Client<J> {
    /// The next batch, if any entry may go now.
    pub(super) fn push_request(&mut self, now: Millis, rng: &mut dyn RngCore) -> Option<Action> {
        let batch = self.state.outbox.batch(now, self.batch_limit, BATCH_BYTES_MAX);
        let operations: Vec<String> = batch.iter().map(|intent| intent.operation_id.clone()).collect();
        let texts: Vec<&str> = batch.iter().map(|intent| &*intent.text).collect();
        let head = json!({
            "protocol": 1, "client_id": self.state.client_id, "batch_id": uuid_v7(now, rng),
            "schema_version": self.config.schema_version, "sent_at": now.to_string(), "sequencing": "relaxed",
        });
        let head = head.to_string();
        let body = format!("{},\"mutations\":[{}]}}", head.strip_suffix('}').expect("an object"), texts.join(","));
        if operations.is_empty() {
            return None;
        }
        for id in &operations {
            if let Some(entry) = self.state.outbox.get_mut(id) {
                entry.last_attempt_at = Some(now);
                entry.next_attempt_at = None;
            }
        }
        self.link.last_attempt_at = Some(now);
        self.in_flight = Some(InFlight { purpose: Purpose::Push, operations, since: None, reports: 0 });
        Some(self.request(Purpose::Push, "/mutations".to_owned(), Some(body)))
    }

    pub(super) fn push_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, took_ms, now, .. } = answer;
        match status {
            200 => {}
            413 | 500 => return self.batch_failed(answer, rng),
            _ => return Ok(self.refused(answer, rng)),
        }
        let Some(results) = read_results(body) else {
            return Ok(self.unreadable(answer, "the answer to a push was not readable", rng));
        };
        self.just_refreshed = false;
        self.link.succeeded(took_ms);
        self.batch_limit = (self.batch_limit * 2).min(self.config.batch_entries);
        let mut handled = Handled::default();
        for result in results.into_iter().filter(|result| flight.operations.contains(&result.operation_id)) {
            handled.settled.push(settlement(&result));
            self.result_take(result, now)?;
        }
        // An intent the answer does not mention is as good as not answered.
        for id in &flight.operations {
            let answered = handled.settled.iter().any(|settled| settled.operation_id == *id);
            if let Some(entry) = self.state.outbox.get_mut(id).filter(|_| !answered) {
                entry.attempts += 1;
                entry.next_attempt_at = Some(now.plus(DEFERRED_MS));
            }
        }
        Ok(handled)
    }

    fn result_take(&mut self, result: PushResult, now: Millis) -> Result<(), Error> {
        let PushResult { operation_id, status, seq, version, record, lost, problem, retry_after_ms, .. } = result;
        let as_sent = matches!(status, ResultStatus::Applied);
        match status {
            ResultStatus::Applied | ResultStatus::Merged | ResultStatus::Superseded | ResultStatus::Conflict => {
                let conflicted = matches!(status, ResultStatus::Superseded | ResultStatus::Conflict) || !lost.is_empty();
                self.link.conflicts += u32::from(conflicted);
                self.link.conflicts_settled += u32::from(conflicted && status != ResultStatus::Conflict);
                self.link.last_ack_at = Some(now);
                self.record(Event::Settled { operation_id, seq, version, record, as_sent })
            }
            ResultStatus::Rejected => {
                self.link.last_ack_at = Some(now);
                if let Some(entry) = self.state.outbox.get_mut(&operation_id) {
                    entry.attempts += 1;
                }
                let error = problem.unwrap_or_else(|| Failure::of_problem(&Value::Null, Some(422)));
                self.record(Event::Poisoned { operation_id, error })
            }
            ResultStatus::Deferred => {
                if let Some(entry) = self.state.outbox.get_mut(&operation_id) {
                    entry.next_attempt_at = Some(now.plus(retry_after_ms.unwrap_or(DEFERRED_MS).max(1)));
                    entry.error = problem;
                }
                Ok(())
            }
            ResultStatus::Unknown(word) => {
                self.link.stop = Some(Stop::NeedsUpgrade(format!("unknown status {word}")));
                Ok(())
            }
        }
    }

    /// The batch as a whole could not be taken. A smaller one finds the culprit; alone, an intent counts its failures.
    fn batch_failed(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, retry_after_ms, now, .. } = answer;
        let error = Failure::of_problem(body, Some(status));
        let handled = self.failed(flight, now, error.clone(), retry_after_ms, rng);
        let [alone] = flight.operations.as_slice() else {
            self.batch_limit = (flight.operations.len() / 2).max(1);
            return Ok(handled);
        };
        if let Some(entry) = self.state.outbox.get_mut(alone) {
            entry.server_errors += u32::from(status == 500);
            if status == 413 || entry.server_errors >= SERVER_ERRORS_MAX {
                self.record(Event::Poisoned { operation_id: alone.clone(), error })?;
            }
        }
        Ok(handled)
    }
}

fn settlement(result: &PushResult) -> Settlement {
    Settlement {
        operation_id: result.operation_id.clone(),
        status: result.status.as_str().to_owned(),
        replayed: result.replayed,
        noop: result.noop,
        seq: result.seq,
        conflict_id: result.conflict_id.clone(),
        code: result.problem.as_ref().map(|problem| problem.code.clone()),
    }
}
