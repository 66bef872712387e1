//! Log lines that devices uploaded on command. They come through the writer of the telemetry, never that of the log, and are on the
//! disk when their upload is answered, because the command is done then.

use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::control::{LOG_BYTES_MAX, LOG_UPLOADS_KEPT, LogLevel, LogLine, LogsHeld};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;
use tokio::sync::oneshot;

use super::writer::Work;
use super::{RETRY_AFTER_MS, Telemetry};
use crate::{Error, Result};

/// How hard lines are packed: they are written once and hardly read.
const PACK_LEVEL: i32 = 5;
/// A packed upload may not grow beyond this; what is stored was bounded when it came.
const TEXT_BYTES_MAX: usize = 2 * LOG_BYTES_MAX;

pub(super) const LOGS_ADD: &str = r"
    insert into device_logs (command, client_id, stored_ms, lines, bytes, begins_ms, dropped, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    on conflict (command) do nothing";
/// All but the newest few of a device.
pub(super) const LOGS_TRIM: &str = r"
    delete from device_logs where client_id = ?1 and n <= (
        select n from device_logs where client_id = ?1 order by n desc limit 1 offset ?2)";
pub(super) const LOGS_HELD: &str = "select lines, bytes, begins_ms, dropped, stored_ms from device_logs where command = ?1";
pub(super) const LOGS_BODY: &str = "select body from device_logs where command = ?1";

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogUpload {
    /// Which device.
    pub client_id: ClientId,
    /// The command that asked for it; it has one upload.
    pub command: String,
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Since when the log of the device goes back.
    pub begins: Option<Millis>,
    /// Lines that the limit of that log has cost it since.
    pub dropped: u64,
}

/// An upload as it is written.
#[derive(Debug)]
pub(crate) struct PackedLogs {
    command: String,
    client_id: String,
    held: LogsHeld,
    body: Vec<u8>,
}

type HeldRow = (i64, i64, Option<i64>, i64, i64);

fn held_read((lines, bytes, begins, dropped, stored): HeldRow) -> LogsHeld {
    LogsHeld {
        lines: lines.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
        begins: begins.map(Millis),
        dropped: dropped.unsigned_abs(),
        stored: Millis(stored),
    }
}

impl Telemetry {
    /// Keeps the lines that a command asked for, and lets go of the oldest upload of the device beyond [`LOG_UPLOADS_KEPT`]. On the disk
    /// when it returns. Answers what is kept for the command, and whether it was there before: then nothing was written.
    ///
    /// # Errors
    /// Busy when too many requests wait; as the database.
    pub async fn logs_put(&self, upload: LogUpload, now: Millis) -> Result<(LogsHeld, bool)> {
        let packed = tokio::task::spawn_blocking(move || pack(upload, now));
        let packed = packed.await.map_err(|error| Error::Corrupt(error.to_string()))??;
        let (reply, answer) = oneshot::channel();
        let work = Work::Logs { packed: Box::new(packed), reply };
        self.works.try_send(work).map_err(|_| Error::Busy { retry_after_ms: RETRY_AFTER_MS })?;
        answer.await.map_err(|_| Error::Corrupt("the telemetry writer has stopped".into()))?
    }

    /// What is kept of the lines that a command asked for.
    ///
    /// # Errors
    /// As the database.
    pub async fn logs_held(&self, command: &str) -> Result<Option<LogsHeld>> {
        let query = sqlx::query_as(LOGS_HELD).bind(command.to_owned());
        let row: Option<HeldRow> = query.fetch_optional(&self.database.readers).await?;
        Ok(row.map(held_read))
    }

    /// The lines that a command asked for, oldest first, while they are kept.
    ///
    /// # Errors
    /// As the database.
    pub async fn logs_lines(&self, command: &str) -> Result<Option<Vec<LogLine>>> {
        let query = sqlx::query_scalar(LOGS_BODY).bind(command.to_owned());
        let Some(body): Option<Vec<u8>> = query.fetch_optional(&self.database.readers).await? else { return Ok(None) };
        let lines = tokio::task::spawn_blocking(move || unpack(&body));
        lines.await.map_err(|error| Error::Corrupt(error.to_string()))?.map(Some)
    }
}

fn pack(upload: LogUpload, now: Millis) -> Result<PackedLogs> {
    let mut text = String::new();
    for line in &upload.lines {
        let level = LogLevel::ALL.into_iter().position(|level| level == line.level);
        text.push_str(&serde_json::json!([line.at.0, level, line.target, line.message]).to_string());
        text.push('\n');
    }
    let body = zstd::bulk::compress(text.as_bytes(), PACK_LEVEL).map_err(|error| Error::Corrupt(error.to_string()))?;
    let held = LogsHeld {
        lines: upload.lines.len() as u64,
        bytes: text.len() as u64,
        begins: upload.begins,
        dropped: upload.dropped,
        stored: now,
    };
    Ok(PackedLogs { command: upload.command, client_id: upload.client_id.into_string(), held, body })
}

fn unpack(body: &[u8]) -> Result<Vec<LogLine>> {
    let corrupt = |error: String| Error::Corrupt(format!("log lines: {error}"));
    let text = zstd::bulk::decompress(body, TEXT_BYTES_MAX).map_err(|error| corrupt(error.to_string()))?;
    let rows = serde_json::Deserializer::from_slice(&text).into_iter::<(i64, usize, String, String)>();
    rows.map(|row| {
        let (at, level, target, message) = row.map_err(|error| corrupt(error.to_string()))?;
        let level = LogLevel::ALL.get(level).copied().ok_or_else(|| corrupt("an unknown level".to_owned()))?;
        Ok(LogLine { at: Millis(at), level, target, message })
    })
    .collect()
}

/// Writes an upload by itself, synced: the rest of the telemetry may be lost with the power, what a command counts as done may not.
pub(super) async fn logs_write(connection: &mut SqliteConnection, packed: &PackedLogs) -> Result<(LogsHeld, bool)> {
    sqlx::query("pragma synchronous = full").execute(&mut *connection).await?;
    let written = logs_commit(connection, packed).await;
    sqlx::query("pragma synchronous = normal").execute(&mut *connection).await?;
    written
}

async fn logs_commit(connection: &mut SqliteConnection, packed: &PackedLogs) -> Result<(LogsHeld, bool)> {
    let mut transaction = connection.begin_with("begin immediate").await?;
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let held = &packed.held;
    let added = sqlx::query(LOGS_ADD)
        .bind(packed.command.clone())
        .bind(packed.client_id.clone())
        .bind(held.stored.0)
        .bind(number(held.lines))
        .bind(number(held.bytes))
        .bind(held.begins.map(|at| at.0))
        .bind(number(held.dropped))
        .bind(packed.body.clone())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if added == 0 {
        let row: HeldRow = sqlx::query_as(LOGS_HELD).bind(packed.command.clone()).fetch_one(&mut *transaction).await?;
        transaction.rollback().await?;
        return Ok((held_read(row), true));
    }
    sqlx::query(LOGS_TRIM).bind(packed.client_id.clone()).bind(i64::from(LOG_UPLOADS_KEPT)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok((*held, false))
}
