//! Telemetry on a real SQLite in a temporary folder; helpers for the modules below.

use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::fleet::{Condition, Contact as ContactAxis, DeviceSort, Metric};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::page::{Position, Total};
use tidewatch_domain::report::{AttemptCounts, EntryState, LatencySummary, OutboxDigest, OutboxEntry, ReportedError};
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange};

use super::*;
use crate::Store;
use crate::sync::CollectionDefinition;

mod follow;
mod handed;
mod ingest;
mod logs;
mod mirror;
mod outbox;
mod pages;
mod rollups;
mod steady;

const NOW: Millis = Millis(1_763_000_000_000);

fn client(n: u32) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
}

async fn store(dir: &Path) -> Store {
    let options = StoreOptions { durability: Durability::Normal, readers: 2, ..StoreOptions::new(NOW, 7) };
    Store::open(dir, options).await.expect("opens")
}

fn report(id: &str, at: Millis) -> Report {
    Report { report_id: id.to_owned(), at, raw: "{}".to_owned(), ..Report::default() }
}

fn entry(operation: &str, state: EntryState, created: Millis) -> OutboxEntry {
    OutboxEntry {
        operation_id: operation.to_owned(),
        collection: "inspections".to_owned(),
        record_id: "INS-1".to_owned(),
        scope: Some("site:a".to_owned()),
        op: "update".to_owned(),
        priority: 2,
        created_at: Some(created),
        depends_on: Vec::new(),
        attempts: 1,
        last_attempt_at: Some(created.plus(1_000)),
        next_attempt_at: None,
        bytes: Some(100),
        state,
        error: None,
    }
}

fn outbox(truncated: bool, total: i64, entries: Vec<OutboxEntry>) -> Option<OutboxDigest> {
    Some(OutboxDigest { total, bytes: Some(1_000), truncated, entries })
}

fn filter(text: &str) -> Filter {
    Filter::parse(keys::DEVICES, text).expect("a filter")
}
