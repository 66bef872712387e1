//! The lines of the client's own log, uploaded under the command that asks for them. The server keeps the first upload of a command, so
//! one whose answer was lost is made again.

use serde_json::json;
use tidewatch_domain::control::{CommandKind, Order};

use super::super::{Action, Answer, Client, Error, Handled, InFlight};
use super::failure;
use crate::journal::Journal;
use crate::wire::{Failure, Purpose};

impl<J: Journal> Client<J> {
    /// The upload that the command in focus waits for.
    pub(super) fn logs_action(&mut self) -> Option<Action> {
        let taken = self.state.commands.focus()?;
        let Ok(Order::UploadLogs { since }) = Order::read(CommandKind::UploadLogs, &taken.args) else { return None };
        let (id, dropped) = (taken.id.clone(), self.logs.dropped());
        let begins = self.logs.begins().map(|at| format!("&begins_at={at}")).unwrap_or_default();
        let path = format!("/control/logs?command={id}&dropped={dropped}{begins}");
        let body = self.logs.since(since);
        self.in_flight = Some(InFlight { purpose: Purpose::Logs, operations: vec![id], since: None, reports: 0 });
        Some(self.request(Purpose::Logs, path, Some(body)))
    }

    /// The server has them, or will not have them.
    pub(super) fn logs_take(&mut self, answer: Answer<'_>) -> Result<Handled, Error> {
        let Answer { flight, status, body, .. } = answer;
        let Some(id) = flight.operations.first() else { return Ok(Handled::default()) };
        let report = if status == 200 {
            json!({ "state": "done", "result": { "lines": body.get("lines") } })
        } else {
            let error = Failure::of_problem(body, Some(status));
            failure("logs_refused", &format!("{}: {}", error.code, error.message))
        };
        self.finish(id, Vec::new(), report)
    }
}
