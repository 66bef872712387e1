//! Proof that the counts of a device are those of its mirrored entries: what lists show is kept beside what it counts.

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::Telemetry;
use crate::Result;
use crate::sync::VerifyReport;

/// Findings that are read; more would all say the same.
const FINDINGS_MAX: i64 = 100;

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
}

/// Devices whose counts are not those of their entries.
async fn astray(connection: &mut SqliteConnection) -> Result<Vec<Astray>> {
    const TEXT: &str = r"
        select d.client_id, d.poisoned, d.waiting, x.doc -> '$.states' as states,
            json_array(coalesce(c.s0, 0), coalesce(c.s1, 0), coalesce(c.s2, 0), coalesce(c.s3, 0), coalesce(c.s4, 0), coalesce(c.s5, 0)) as counted
        from devices d join device_docs x on x.id = d.id
        left join (
            select device, sum(state = 0) as s0, sum(state = 1) as s1, sum(state = 2) as s2, sum(state = 3) as s3, sum(state = 4) as s4,
                sum(state = 5) as s5
            from outbox indexed by outbox_by_state group by device) c on c.device = d.id
        where d.poisoned <> coalesce(c.s0, 0) or d.waiting <> coalesce(c.s3, 0) or coalesce(x.doc -> '$.states', '[0,0,0,0,0,0]') <> counted
        limit ?1";
    Ok(sqlx::query_as(TEXT).bind(FINDINGS_MAX).fetch_all(connection).await?)
}
