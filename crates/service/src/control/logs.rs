//! Log lines that devices upload because a command asked for them, and who may read them. A message is free text, so it is a payload
//! (`docs/adr/0012-redaction.md`): everybody sees a name in its place; whoever may have a payload revealed sees its words, with what
//! looks like a secret masked, and that is audited before anything is shown.

use serde_json::json;
use tidewatch_domain::control::{CommandKind, LogLine, LogsHeld};
use tidewatch_domain::fleet::{CommandLogs, CommandRow};
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position, Total};
use tidewatch_domain::redact::{Rules, Secret, message_redact, redact};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;
use tidewatch_store::telemetry::LogUpload;

use crate::fleet::REVEAL_MS;
use crate::{Cx, Error, Result, Service};

/// What a device uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLines {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Since when the log of the device goes back.
    pub begins: Option<Millis>,
    /// Lines that the limit of that log has cost it since.
    pub dropped: u64,
}

impl Service {
    /// Keeps the lines that a command asked the acting device for. Answers what is kept, and whether it was there before: the first
    /// upload of a command stands.
    ///
    /// # Errors
    /// Not found unless it is a command of this device; invalid with field `command` when it asks for no logs; command ended;
    /// overloaded, and then nothing was kept.
    pub async fn logs_put(&self, cx: &Cx, command: &str, upload: LogLines) -> Result<(LogsHeld, bool)> {
        let client_id = self.control_device(cx)?;
        let row = self.store.sync().command_view(command).await?.row;
        if row.client_id != *client_id {
            return Err(Error::NotFound("command"));
        }
        if row.kind != CommandKind::UploadLogs {
            return Err(Error::Invalid { field: "command", detail: "does not ask for logs".to_owned() });
        }
        if let Some(held) = self.store.telemetry().logs_held(command).await? {
            return Ok((held, true));
        }
        if !row.state.is_open() {
            return Err(Error::CommandEnded);
        }
        let LogLines { lines, begins, dropped } = upload;
        let upload = LogUpload { client_id: client_id.clone(), command: command.to_owned(), lines, begins, dropped };
        Ok(self.store.telemetry().logs_put(upload, cx.now).await?)
    }

    /// A page of the lines that a command brought, oldest first, as the actor may see them. Whoever sees words is in the audit log by
    /// then, once in ten minutes.
    ///
    /// # Errors
    /// Not found for a command without lines that are kept; invalid with field `after` or `before`.
    pub async fn command_logs(&self, cx: &Cx, id: &str, position: &Position, rows: u32) -> Result<CommandLogs> {
        let role = cx.require(Action::Look)?;
        let row = self.store.sync().command_view(id).await?.row;
        let held = self.store.telemetry().logs_held(id).await?.ok_or(Error::NotFound("logs"))?;
        let lines = self.store.telemetry().logs_lines(id).await?.ok_or(Error::NotFound("logs"))?;
        let (from, to) = window(position, lines.len(), rows)?;
        let readable = role.can(Action::RevealPayload);
        if readable {
            self.logs_look_note(cx, &row).await?;
        }
        let secret = self.redaction_secret().await?;
        let shown = lines[from..to].iter().map(|line| shown(line, readable, &secret)).collect();
        let page = Page {
            rows: shown,
            next: (to < lines.len()).then(|| to.to_string()),
            previous: (from > 0).then(|| from.to_string()),
            total: Total::Exact(lines.len() as u64),
        };
        Ok(CommandLogs { held, readable, page })
    }

    /// Writes into the audit log that the actor reads the lines, unless that is there already from the last minutes. A page and its refresh
    /// may ask at once: one after the other.
    async fn logs_look_note(&self, cx: &Cx, row: &CommandRow) -> Result<()> {
        let _one_look = self.log_looks.lock().await;
        let (actor, key) = (cx.actor.audit_name(), format!("logs:{}", row.id));
        let console = self.store.console();
        if console.reveal_until(&actor, &row.client_id, &key, cx.now).await?.is_some() {
            return Ok(());
        }
        let until = cx.now.plus(REVEAL_MS);
        let after = json!({ "command": row.id, "until": until.to_string() });
        let entry = cx.audit("logs_read", format!("device:{}", row.client_id), Some(after));
        self.store.sync().audit_append(vec![entry]).await?;
        console.reveal_put(&actor, &row.client_id, &key, until, cx.now).await?;
        Ok(())
    }
}

/// The first line of a page, and the one behind its last.
fn window(position: &Position, lines: usize, rows: u32) -> Result<(usize, usize)> {
    let rows = rows.clamp(1, PAGE_ROWS_MAX) as usize;
    let read = |field, text: &str| {
        let at = text.parse::<usize>().ok().filter(|at| *at <= lines);
        at.ok_or(Error::Invalid { field, detail: "is not a position of this list".to_owned() })
    };
    Ok(match position {
        Position::Start => (0, rows.min(lines)),
        Position::After(text) => {
            let from = read("after", text)?;
            (from, (from + rows).min(lines))
        }
        Position::Before(text) => {
            let to = read("before", text)?;
            (to.saturating_sub(rows), to)
        }
    })
}

/// A line with its words, or with names for them.
fn shown(line: &LogLine, readable: bool, secret: &Secret) -> LogLine {
    let name = |text: &str| match redact(&json!({ "message": text }), Rules { secret, known: &[], fault: None }).to_json() {
        serde_json::Value::Object(members) => members["message"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let message = if readable { message_redact(&line.message, Some(secret)) } else { name(&line.message) };
    LogLine { target: message_redact(&line.target, Some(secret)), message, ..line.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_the_lines_end_and_goes_back_to_the_first() {
        let at = |position: Position| window(&position, 10, 4).map_err(|_| ());
        assert_eq!(at(Position::Start), Ok((0, 4)));
        assert_eq!(at(Position::After("8".into())), Ok((8, 10)));
        assert_eq!(at(Position::After("10".into())), Ok((10, 10)));
        assert_eq!(at(Position::Before("8".into())), Ok((4, 8)));
        assert_eq!(at(Position::Before("3".into())), Ok((0, 3)));
        assert_eq!([at(Position::After("11".into())), at(Position::Before("x".into()))], [Err(()), Err(())]);
        assert_eq!(window(&Position::Start, 0, 4).expect("empty"), (0, 0));
    }
}
