//! The control channel in this process: the same readers and the same signatures as over HTTP.

use serde_json::{Value, json};
use tidewatch_client::Request;
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::control::{escrow_line_read, log_lines_read, status_report_read};
use tidewatch_protocol::v1::{CommandEntry, CommandsAnswered, EscrowAnswered, EscrowRefused, LogsAnswered, PolicyEntry};
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp, keys};
use tidewatch_service::Error;
use tidewatch_service::control::{EscrowLine, LogLines};

use super::{InProcess, problem, to_value};

impl InProcess {
    pub(super) async fn control_keys(&self, now: Millis) -> Result<Value, Problem> {
        let all = self.service.control_keys(now).await.map_err(problem)?;
        let entry = |key: &tidewatch_service::control::ControlKey| {
            let (signed_by, signature) = key.signed.clone().unzip();
            json!({
                "kid": key.kid, "public_key": keys::bytes_written(&key.public), "created_at": Timestamp(key.created),
                "signed_by": signed_by, "sig": signature.map(|signature| keys::bytes_written(&signature)),
            })
        };
        Ok(json!({ "keys": all.iter().map(entry).collect::<Vec<_>>() }))
    }

    pub(super) async fn commands(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let cx = self.cx(request, now)?;
        let client_id = self.device(request)?;
        let kid = self.service.control_kid(now).await.map_err(problem)?;
        let mut commands = Vec::new();
        for command in self.service.commands_poll(&cx).await.map_err(problem)? {
            let entry = CommandEntry::unsigned(command, &client_id, &kid).map_err(|_| Problem::new(Code::Internal))?;
            let signature = self.service.control_sign(now, &kid, &entry.signed_bytes()).await.map_err(problem)?;
            commands.push(entry.signed(&signature.ok_or_else(|| Problem::new(Code::Internal))?));
        }
        let policy = PolicyEntry { collections_revision: self.service.collections_revision() };
        Ok(to_value(&CommandsAnswered { commands, policy, server_time: Timestamp(now) }))
    }

    pub(super) async fn command_status(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let id = request.path.strip_prefix("/control/commands/").and_then(|rest| rest.strip_suffix("/status"));
        let id = id.ok_or_else(|| Problem::new(Code::NotFound))?;
        let report = status_report_read(request.body.as_deref().unwrap_or_default().as_bytes())?;
        match self.service.command_report(&self.cx(request, now)?, id, report).await.map_err(problem)? {
            Ok(state) => Ok(json!({ "id": id, "state": state.as_str() })),
            Err(refused) => Err(Problem::new(Code::SchemaInvalid).field(FieldError::new(refused.field, refused.detail))),
        }
    }

    pub(super) async fn escrow(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let command = request.path.split_once("?command=").map(|(_, id)| id);
        let (mut lines, mut answered) = (Vec::new(), EscrowAnswered::default());
        for (line, text) in (1..).zip(request.body.as_deref().unwrap_or_default().lines()) {
            match escrow_line_read(text) {
                Ok(read) => {
                    let operation_id = read.operation_id.into_string();
                    lines.push(EscrowLine { operation_id, intent: read.intent, error: read.error, held: read.held });
                }
                Err((operation_id, code, error)) => {
                    let (code, detail) = (code.as_str().to_owned(), error.to_string());
                    answered.refused.push(EscrowRefused { line, operation_id, code, detail });
                }
            }
        }
        let (kept, settled) = self.service.escrow_put(&self.cx(request, now)?, command, lines).await.map_err(problem)?;
        (answered.stored, answered.duplicates, answered.settled) = (kept.stored, kept.duplicates, settled);
        answered.refused.extend(kept.refused.into_iter().map(|(operation_id, code, detail)| EscrowRefused {
            line: 0,
            operation_id: Some(operation_id),
            code: code.to_owned(),
            detail,
        }));
        Ok(to_value(&answered))
    }

    pub(super) async fn logs(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let (mut command, mut upload) = (None, LogLines::default());
        for pair in request.path.split_once('?').map_or("", |(_, query)| query).split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("command", id) => command = Some(id.to_owned()),
                ("begins_at", at) => upload.begins = Millis::parse_rfc3339(at),
                ("dropped", count) => upload.dropped = count.parse().map_err(|_| Problem::new(Code::QueryInvalid))?,
                _ => return Err(Problem::new(Code::QueryInvalid)),
            }
        }
        let command = command.ok_or_else(|| Problem::new(Code::QueryInvalid))?;
        upload.lines = log_lines_read(request.body.as_deref().unwrap_or_default().as_bytes())?;
        let (held, duplicate) = self.service.logs_put(&self.cx(request, now)?, &command, upload).await.map_err(problem)?;
        Ok(to_value(&LogsAnswered { lines: held.lines, bytes: held.bytes, duplicate }))
    }

    fn device(&self, request: &Request) -> Result<tidewatch_domain::ids::ClientId, Problem> {
        match self.cx(request, Millis(0))?.actor {
            tidewatch_service::Actor::Device { client_id, .. } => Ok(client_id),
            _ => Err(problem(Error::Forbidden)),
        }
    }
}
