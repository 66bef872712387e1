//! Lines of a device's log: as it uploads them, and as they are shown and exported.

use serde::{Deserialize, Serialize};
use tidewatch_domain::control::{LOG_LINES_MAX, LOG_MESSAGE_BYTES_MAX, LOG_TARGET_BYTES_MAX, LogLevel, LogLine};

use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict;
use crate::timestamp::Timestamp;

/// The last instant that is written with four digits of a year.
const AT_MS_MAX: i64 = 253_402_300_799_999;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLineEntry {
    /// By the clock of the device.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `trace`, `debug`, `info`, `warn`, `error`.
    pub level: String,
    /// What wrote it, at most 128 bytes.
    pub target: String,
    /// One line of at most 2,000 bytes.
    pub message: String,
}

impl From<&LogLine> for LogLineEntry {
    fn from(line: &LogLine) -> Self {
        Self {
            at: Timestamp(line.at),
            level: line.level.as_str().to_owned(),
            target: line.target.clone(),
            message: line.message.clone(),
        }
    }
}

/// The answer to an upload of log lines. They are stored, all of them, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogsAnswered {
    /// Lines that are kept for this command.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the command had its lines before: those stay, and what was sent now is not looked at.
    pub duplicate: bool,
}

/// Writes lines as an upload has them: one JSON object a line.
#[must_use]
pub fn log_lines_written(lines: &[LogLine]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(&LogLineEntry::from(line)).expect("a line is JSON"));
        text.push('\n');
    }
    text
}

/// Reads an upload whole; empty lines say nothing.
///
/// # Errors
/// `json_invalid`, `schema_invalid` with the line and its member (`lines[3].level`, counted from nothing), or `batch_too_large`.
pub fn log_lines_read(body: &[u8]) -> Result<Vec<LogLine>, Problem> {
    let broken = |detail: &str| Problem::new(Code::JsonInvalid).detail(detail.to_owned());
    let text = std::str::from_utf8(body).map_err(|_| broken("the lines are not UTF-8"))?;
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if lines.len() == LOG_LINES_MAX {
            return Err(Problem::new(Code::BatchTooLarge).detail(format!("an upload has at most {LOG_LINES_MAX} lines")));
        }
        lines.push(line_read(line, &format!("lines[{}]", lines.len()))?);
    }
    Ok(lines)
}

fn line_read(line: &str, path: &str) -> Result<LogLine, Problem> {
    let invalid = |error: FieldError| Problem::new(Code::SchemaInvalid).field(error);
    let value = strict::parse(line)
        .map_err(|fault| Problem::new(Code::JsonInvalid).field(FieldError::new(path.to_owned(), fault.to_string())))?;
    let members = Members::of(&value, path).map_err(invalid)?;
    members_read(&members).map_err(invalid)
}

fn members_read(members: &Members<'_>) -> Result<LogLine, FieldError> {
    const KNOWN: [&str; 4] = ["at", "level", "target", "message"];
    if let Some(unknown) = members.names().find(|name| !KNOWN.contains(name)) {
        return Err(members.fault(unknown, "is no member of a log line; what else there is to say belongs into its message"));
    }
    let level = LogLevel::parse(members.text_required("level", 16)?);
    let one_line = |name: &str, max: usize| {
        let text = members.text_required(name, max)?;
        let plain = !text.chars().any(char::is_control);
        plain.then(|| text.to_owned()).ok_or_else(|| members.fault(name, "must be one line without control characters"))
    };
    let at = members.instant("at")?.ok_or_else(|| members.missing("at"))?;
    if !(0..=AT_MS_MAX).contains(&at.0) {
        return Err(members.fault("at", "must be a time since 1970"));
    }
    Ok(LogLine {
        at,
        level: level.ok_or_else(|| members.fault("level", "must be trace, debug, info, warn or error"))?,
        target: one_line("target", LOG_TARGET_BYTES_MAX)?,
        message: one_line("message", LOG_MESSAGE_BYTES_MAX)?,
    })
}
