//! Reports as they came, in append-only files of one hour each, dropped as whole files after 48 hours.
//!
//! A file is only ever appended to by the telemetry writer; a report that was sent twice around a crash may stand twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tidewatch_domain::time::{HOUR_MS, Millis};

use crate::Result;
use crate::sync::bulk::write_all;
use crate::sync::statements::Insert;

/// So many hours of raw reports are kept.
pub(crate) const RAW_HOURS_KEPT: i64 = 48;

static ADD: Insert = Insert::new("insert into reports (client_id, report_id, at_ms, received_ms, body)", 5, "");

const SCHEMA: &str = r"
create table if not exists reports (
    client_id   text    not null,
    report_id   text    not null,
    at_ms       integer not null,
    received_ms integer not null,
    body        text    not null
) strict";

/// One report as it came.
#[derive(Debug)]
pub(crate) struct RawReport {
    pub client_id: String,
    pub report_id: String,
    pub at: i64,
    pub received: i64,
    pub body: String,
}

/// The file of the current hour.
#[derive(Debug)]
pub(crate) struct RawLog {
    dir: PathBuf,
    open: Option<(i64, SqliteConnection)>,
}

/// Name of the file of an hour: `telemetry-YYYYMMDDHH.db`.
pub(crate) fn file_name(hour: i64) -> String {
    let text = Millis(hour * HOUR_MS).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(10).collect();
    format!("telemetry-{digits}.db")
}

impl RawLog {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None }
    }

    /// Appends reports to the file of the hour they came in.
    pub(crate) async fn append(&mut self, reports: &[RawReport]) -> Result<()> {
        let Some(last) = reports.last() else {
            return Ok(());
        };
        let connection = self.connection(last.received.div_euclid(HOUR_MS)).await?;
        let mut transaction = connection.begin().await?;
        write_all(&mut transaction, &ADD, reports, |query, report| {
            let query = query.bind(report.client_id.clone()).bind(report.report_id.clone()).bind(report.at);
            query.bind(report.received).bind(report.body.clone())
        })
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn connection(&mut self, hour: i64) -> Result<&mut SqliteConnection> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != hour) {
            self.close().await?;
            let mut connection = SqliteConnectOptions::new()
                .filename(self.dir.join(file_name(hour)))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal)
                .busy_timeout(Duration::from_secs(5))
                .connect()
                .await?;
            sqlx::query(SCHEMA).execute(&mut connection).await?;
            self.open = Some((hour, connection));
        }
        Ok(&mut self.open.as_mut().expect("opened above").1)
    }

    pub(crate) async fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some((_, connection)) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }

    /// Drops the files of hours that are over.
    pub(crate) async fn drop_old(&mut self, now: i64) -> Result<u32> {
        let oldest = file_name(now.div_euclid(HOUR_MS) - RAW_HOURS_KEPT);
        let mut dropped = 0;
        let mut files = tokio::fs::read_dir(&self.dir).await?;
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            let hour_file = name.starts_with("telemetry-") && name.contains(".db");
            // Names of one shape sort by time; `-wal` and `-shm` of a file go with it.
            if hour_file && name.get(..oldest.len()).is_some_and(|head| head < oldest.as_str()) {
                tokio::fs::remove_file(file.path()).await?;
                dropped += u32::from(name.len() == oldest.len());
            }
        }
        Ok(dropped)
    }
}
