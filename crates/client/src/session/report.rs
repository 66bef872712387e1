//! Sending reports. They have their own queue and their own backoff: telemetry never holds up a sync, nor a sync telemetry.

use std::collections::VecDeque;

use rand::RngCore;
use serde_json::Value;
use tidewatch_domain::time::Millis;

use super::{Action, Answer, Client, Handled, InFlight};
use crate::journal::Journal;
use crate::link::backoff_ms;
use crate::wire::{Failure, Purpose};

/// Reports that wait; the oldest goes first when there are more.
const REPORTS_WAITING_MAX: usize = 1_000;
/// Reports of one request, as the server takes them.
const REPORTS_PER_REQUEST: usize = 100;
/// Bytes of one request, below what the server takes.
const REQUEST_BYTES_MAX: usize = 900 << 10;

/// Reports that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Box<str>>,
    not_before: Option<Millis>,
    failures: u32,
}

impl Queue {
    pub(super) fn is_due(&self, now: Millis) -> bool {
        !self.waiting.is_empty() && self.not_before.is_none_or(|at| at <= now)
    }

    pub(super) fn failed(&mut self, now: Millis, retry_after_ms: Option<i64>, rng: &mut dyn RngCore) {
        let ms = backoff_ms(self.failures, rng).max(retry_after_ms.unwrap_or(0));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.plus(ms));
    }
}

impl<J: Journal> Client<J> {
    /// Puts a report in the queue, to go out when the round has synced.
    pub fn report_enqueue(&mut self, report: &Value) {
        if self.reports.waiting.len() >= REPORTS_WAITING_MAX {
            self.reports.waiting.pop_front();
        }
        self.reports.waiting.push_back(report.to_string().into());
    }

    /// Reports that wait.
    #[must_use]
    pub fn reports_waiting(&self) -> usize {
        self.reports.waiting.len()
    }

    pub(super) fn report_request(&mut self, now: Millis, _rng: &mut dyn RngCore) -> Option<Action> {
        if !self.reports.is_due(now) {
            return None;
        }
        let mut bytes = 0;
        let fits = |report: &&str| {
            let before = bytes;
            bytes += report.len();
            before == 0 || bytes <= REQUEST_BYTES_MAX
        };
        let batch: Vec<&str> =
            self.reports.waiting.iter().map(|report| &**report).take(REPORTS_PER_REQUEST).take_while(fits).collect();
        let client_id = self.state.client_id.as_deref().unwrap_or_default();
        let body = format!("{{\"client_id\":\"{client_id}\",\"reports\":[{}]}}", batch.join(","));
        self.in_flight = Some(InFlight { purpose: Purpose::Report, operations: Vec::new(), since: None, reports: batch.len() });
        Some(self.request(Purpose::Report, "/telemetry".to_owned(), Some(body)))
    }

    pub(super) fn report_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Handled {
        let Answer { flight, status, body, .. } = answer;
        match status {
            200..300 => {}
            // Refused for good: the same bytes will not fare better.
            400 | 413 | 422 => tracing::warn!(status, %body, "reports refused"),
            _ => return self.refused(answer, rng),
        }
        for refused in body.get("rejected").and_then(Value::as_array).into_iter().flatten() {
            tracing::warn!(%refused, "a report was refused");
        }
        if body.get("commands_waiting").and_then(Value::as_u64).is_some_and(|waiting| waiting > 0) {
            self.control_begin();
        }
        self.reports.waiting.drain(..flight.reports.min(self.reports.waiting.len()));
        (self.reports.failures, self.reports.not_before) = (0, None);
        let failed = (status >= 300).then(|| Failure::of_problem(body, Some(status)).code);
        Handled { failed, ..Handled::default() }
    }
}
