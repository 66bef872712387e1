//! Who holds up whom on a device: an entry waits behind another of its record that is older, or that it names in `depends_on`. One that
//! was refused because of what it names stands behind that as much as one that was never sent.

use std::time::Instant;

use tidewatch_domain::page::Total;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::list::EntryRead;
use crate::Result;

/// Devices of a group whose queues are looked at; of more, the number is a floor.
const DEVICES_MAX: i64 = 200;
/// A count that took so long is made again after fifty times as long.
const PAUSE_FACTOR: i64 = 50;
/// Groups whose counts are kept.
const KEPT_MAX: usize = 64;

/// What waited behind a group.
#[derive(Debug)]
pub(in super::super) struct KeptBlocked {
    blocked: Total,
    at: Millis,
    /// Not counted again before.
    pause_ms: i64,
}

impl Telemetry {
    /// How many entries wait behind each: of the same record or named in their `depends_on`, on the same device.
    pub(super) async fn blocks(&self, rows: &[EntryRead]) -> Result<Vec<u64>> {
        const TEXT: &str = r"
            select wanted.key, (
                select count(*) from outbox o indexed by outbox_by_state
                where o.device = wanted.value ->> '$[0]' and o.state = 3 and o.operation_id <> wanted.value ->> '$[1]'
                    and (o.collection = wanted.value ->> '$[2]' and o.record_id = wanted.value ->> '$[3]' and o.sort_age >= wanted.value ->> '$[4]'
                        or exists (select 1 from json_each(o.depends_on) as d where d.value = wanted.value ->> '$[1]'))
            ) + (
                select count(*) from outbox o indexed by outbox_refused_behind
                where o.device = wanted.value ->> '$[0]' and o.state = 0 and o.error_code = 'dependency_failed'
                    and exists (select 1 from json_each(o.depends_on) as d where d.value = wanted.value ->> '$[1]'))
            from json_each(?1) as wanted";
        let wanted: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| serde_json::json!([row.device, row.operation_id, row.collection, row.record_id, row.sort_age]))
            .collect();
        let mut blocks = vec![0; rows.len()];
        let counts: Vec<(i64, i64)> =
            sqlx::query_as(TEXT).bind(serde_json::Value::from(wanted).to_string()).fetch_all(&self.database.readers).await?;
        for (at, count) in counts {
            blocks[usize::try_from(at).expect("an index of the array")] = count.cast_unsigned();
        }
        Ok(blocks)
    }

    /// How many entries wait behind those of a group of failures, as of a moment ago.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_group_blocked(&self, signature: &str, now: Millis) -> Result<Total> {
        let mut kept = self.snapshots.blocked.lock().await;
        kept.retain(|_, known| now.since(known.at).abs() < known.pause_ms);
        if let Some(known) = kept.get(signature) {
            return Ok(known.blocked);
        }
        let started = Instant::now();
        let blocked = self.group_blocked(signature).await?;
        let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX / PAUSE_FACTOR);
        if kept.len() < KEPT_MAX {
            kept.insert(signature.to_owned(), KeptBlocked { blocked, at: now, pause_ms: took * PAUSE_FACTOR });
        }
        Ok(blocked)
    }

    async fn group_blocked(&self, signature: &str) -> Result<Total> {
        const TEXT: &str = r"
            with stuck (device) as materialized (
                select distinct device from outbox indexed by outbox_failed where state <= 1 and signature = ?1 limit ?2)
            select (select count(*) from stuck), (
                select count(*) from stuck cross join outbox w indexed by outbox_refused_behind
                    on w.device = stuck.device and w.state = 0 and w.error_code = 'dependency_failed'
                where exists (
                    select 1 from json_each(w.depends_on) as d cross join outbox f on f.device = w.device and f.operation_id = d.value
                    where f.state <= 1 and f.signature = ?1)
            ) + (
                select count(*) from stuck cross join outbox w indexed by outbox_by_state on w.device = stuck.device and w.state = 3
                where exists (
                    select 1 from outbox f indexed by outbox_by_record
                    where f.record_id = w.record_id collate nocase and f.device = w.device and f.record_id = w.record_id
                        and f.collection = w.collection and f.sort_age <= w.sort_age and f.state <= 1 and f.signature = ?1)
                or w.depends_on <> '[]' and exists (
                    select 1 from json_each(w.depends_on) as d cross join outbox f on f.device = w.device and f.operation_id = d.value
                    where f.state <= 1 and f.signature = ?1))";
        let (devices, blocked): (i64, i64) =
            sqlx::query_as(TEXT).bind(signature).bind(DEVICES_MAX).fetch_one(&self.database.readers).await?;
        let blocked = blocked.cast_unsigned();
        Ok(if devices < DEVICES_MAX { Total::Exact(blocked) } else { Total::AtLeast(blocked) })
    }
}
