//! Proof that the counts of a device are those of its mirrored entries, and that what the archive keeps is listed in the state that the
//! archive says: what lists show is kept beside what it counts, and beside what it follows.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tidewatch_domain::report::EntryState;

use super::mirror::follow::MARK;
use super::{Telemetry, sync_facts};
use crate::Result;
use crate::sync::VerifyReport;

/// Findings that are read; more would all say the same.
const FINDINGS_MAX: i64 = 100;
/// Entries of the archive that are compared at a time.
const CHUNK: i64 = 5_000;

#[derive(Debug, sqlx::FromRow)]
struct Astray {
    client_id: String,
    poisoned: i64,
    waiting: i64,
    states: Option<String>,
    counted: String,
}

impl Telemetry {
    /// Compares the counts of every device with its entries, in one snapshot.
    ///
    /// # Errors
    /// As the database.
    pub async fn verify(&self, report: &mut VerifyReport) -> Result<()> {
        // A connection of its own: those of the pool may belong to a runtime that stands still.
        let mut connection = self.database.readers.connect_options().connect().await?;
        let found = astray(&mut connection).await?;
        connection.close().await?;
        for astray in found {
            report.find(format!(
                "device {}: {} poisoned and {} waiting, states {}; its entries count {}",
                astray.client_id,
                astray.poisoned,
                astray.waiting,
                astray.states.as_deref().unwrap_or("unknown"),
                astray.counted
            ));
        }
        Ok(())
    }

    /// Compares what the archive keeps with what the mirror lists, but for what the mirror has not been told yet.
    ///
    /// # Errors
    /// As the database.
    pub async fn archive_verify(&self, report: &mut VerifyReport) -> Result<()> {
        const THROUGH: &str = "select coalesce((select v from marks where k = ?1), 0)";
        const DIFFERENT: &str = r"
            select w.value ->> '$[0]' as client_id, w.value ->> '$[1]' as operation_id, w.value ->> '$[2]' as kept, o.state as listed
            from json_each(?1) as w
            left join devices d on d.client_id = w.value ->> '$[0]'
            left join outbox o on o.device = d.id and o.operation_id = w.value ->> '$[1]'
            where o.state is not w.value ->> '$[2]' or o.kept <> 1 limit ?2";
        const LISTED: &str = "select count(*) from outbox where kept = 1";
        let mut mirror = self.database.readers.connect_options().connect().await?;
        let through: i64 = sqlx::query_scalar(THROUGH).bind(MARK).fetch_one(&mut mirror).await?;
        let mut log = self.facts.connect().await?;
        let untold: HashSet<(String, String)> = sync_facts::entries_untold(&mut log, through).await?.into_iter().collect();
        let (mut after, mut kept) = (0, 0);
        loop {
            let letters = sync_facts::archive_kept(&mut log, after, CHUNK).await?;
            let Some(last) = letters.last() else { break };
            after = last.id;
            let told = letters.iter().filter(|letter| !untold.contains(&letter.entry()));
            let rows: Vec<Value> =
                told.map(|letter| json!([letter.client_id, letter.operation_id, letter.mirror_state()])).collect();
            kept += rows.len() as i64;
            let text = Value::from(rows).to_string();
            let found: Vec<Different> = sqlx::query_as(DIFFERENT).bind(text).bind(FINDINGS_MAX).fetch_all(&mut mirror).await?;
            found.iter().for_each(|different| report.find(different.words()));
        }
        log.close().await?;
        let listed: i64 = sqlx::query_scalar(LISTED).fetch_one(&mut mirror).await?;
        mirror.close().await?;
        if listed > kept && untold.is_empty() {
            report.find(format!("the mirror keeps {listed} entries for the archive, which has {kept}"));
        }
        Ok(())
    }
}

/// An entry that the archive keeps and the mirror has otherwise or not at all.
#[derive(Debug, sqlx::FromRow)]
struct Different {
    client_id: String,
    operation_id: String,
    kept: i64,
    listed: Option<i64>,
}

impl Different {
    fn words(&self) -> String {
        let word = |state: i64| {
            usize::try_from(state).ok().and_then(|at| EntryState::ALL.get(at)).map_or("unknown", |state| state.as_str())
        };
        let listed = self.listed.map_or("not listed", word);
        format!(
            "entry {} of device {}: {} in the archive, {listed} in the mirror",
            self.operation_id,
            self.client_id,
            word(self.kept)
        )
    }
}

/// Devices whose counts are not those of their entries.
async fn astray(connection: &mut SqliteConnection) -> Result<Vec<Astray>> {
    const TEXT: &str = r"
        select d.client_id, d.poisoned, d.waiting, kept.states, coalesce(c.counted, '[0,0,0,0,0,0,0,0,0,0,0]') as counted
        from devices d
        join (
            select id, '[' || trim(coalesce(doc -> '$.states', '[0,0,0,0,0,0]'), '[]') || ','
                || trim(coalesce(doc -> '$.drained', '[0,0,0,0,0]'), '[]') || ']' as states
            from device_docs) kept on kept.id = d.id
        left join (
            select device, sum(state = 0) as s0, sum(state = 3) as s3, json_array(
                sum(state = 0), sum(state = 1), sum(state = 2), sum(state = 3), sum(state = 4), sum(state = 5), sum(state = 6),
                sum(state = 7), sum(state = 8), sum(state = 9), sum(state = 10)) as counted
            from outbox indexed by outbox_by_state group by device) c on c.device = d.id
        where d.poisoned <> coalesce(c.s0, 0) or d.waiting <> coalesce(c.s3, 0)
            or kept.states <> coalesce(c.counted, '[0,0,0,0,0,0,0,0,0,0,0]')
        limit ?1";
    Ok(sqlx::query_as(TEXT).bind(FINDINGS_MAX).fetch_all(connection).await?)
}
