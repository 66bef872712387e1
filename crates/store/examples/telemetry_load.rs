//! Measures the telemetry part of the store: reports taken in a second, then how long the lists take that pages show.
//!
//! `cargo run --release -p tidewatch-store --example telemetry_load -- [devices] [reports per device] [folder]`

use std::path::PathBuf;
use std::time::Instant;

use tidewatch_domain::contact::Contact;
use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::fleet::DeviceSort;
use tidewatch_domain::ids::{ClientId, Scope, Seq};
use tidewatch_domain::page::Position;
use tidewatch_domain::report::{
    AttemptCounts, EntryState, LatencySummary, OutboxDigest, OutboxEntry, RelayQuality, Report, ReportedError,
};
use tidewatch_domain::time::{MINUTE_MS, Millis, TimeRange};
use tidewatch_store::{Store, StoreOptions};

const NOW: Millis = Millis(1_763_000_000_000);
const LANES: u32 = 64;
const RUNS: usize = 40;

fn client(n: u32) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
}

/// A report as a device of the simulator makes them; one in twenty has a poisoned entry.
fn report(n: u32, round: u32, at: Millis) -> Report {
    let mut report = Report {
        report_id: format!("r{round}"),
        at,
        raw: format!("{{\"seq\":{round},\"pad\":\"{}\"}}", "x".repeat(600)),
        ..Report::default()
    };
    report.device.name = Some(format!("Tablet {n:06}"));
    report.device.platform = Some(["ios", "android", "windows", "web"][n as usize % 4].to_owned());
    report.device.app_version = Some(format!("4.{}.{}", 10 + n % 9, n % 3));
    report.device.os_version = Some(format!("{}.0", 12 + n % 6));
    report.device.battery_percent = Some(f64::from(20 + (n + round) % 80));
    report.device.labels = vec![("region".to_owned(), ["north", "south", "east"][n as usize % 3].to_owned())];
    report.connectivity.relay_connection_quality = Some(RelayQuality::Good);
    report.connectivity.network_partition_duration = Some(0.0);
    report.offline_resilience.queued_operations_count = Some(i64::from(n % 13));
    report.offline_resilience.storage_usage_percent = Some(f64::from(n % 80));
    report.offline_resilience.critical_operations_pending = Some(0);
    report.battery_optimization.battery_impact_score = Some(f64::from(n % 10));
    report.battery_optimization.background_processing_efficiency = Some(0.8);
    report.user_experience.offline_feature_availability_percent = Some(97.0);
    report.sync.attempts = Some(AttemptCounts { first_try_ok: 5, ok: 6, total: 6 });
    report.sync.latency_ms = Some(LatencySummary { count: 6, p50: 90.0, p95: f64::from(200 + n % 300), p99: 900.0 });
    report.sync.last_ack_at = Some(at);
    if n.is_multiple_of(20) {
        report.outbox = Some(OutboxDigest {
            total: 10,
            bytes: Some(4_000),
            truncated: false,
            entries: (0..10).map(|k| entry(n, k, at)).collect(),
        });
    }
    report
}

fn entry(n: u32, k: u32, at: Millis) -> OutboxEntry {
    let poisoned = k == 0;
    OutboxEntry {
        operation_id: format!("op-{n}-{k}"),
        collection: "inspections".to_owned(),
        record_id: format!("INS-{k}"),
        scope: Some(format!("site:{}", n % 500)),
        op: "update".to_owned(),
        priority: 2,
        created_at: Some(at.plus(-10 * MINUTE_MS)),
        depends_on: Vec::new(),
        attempts: i64::from(k),
        last_attempt_at: Some(at),
        next_attempt_at: None,
        bytes: Some(400),
        state: if poisoned { EntryState::Poisoned } else { EntryState::Waiting },
        error: poisoned.then(|| ReportedError {
            code: "schema_invalid".to_owned(),
            status: Some(422),
            message: Some("pressure_kpa is \"412\", expected a number".to_owned()),
        }),
    }
}

async fn ingest(store: &Store, devices: u32, rounds: u32) {
    for round in 0..rounds {
        let at = NOW.plus(i64::from(round) * 5 * MINUTE_MS);
        let started = Instant::now();
        let lanes = (0..LANES).map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (lane..devices).step_by(LANES as usize) {
                    store.telemetry().reports_ingest(&client(n), vec![report(n, round, at)], at).await.expect("stored");
                }
            })
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await.expect("a lane does not panic");
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "round {round}: {devices} reports, one a request, in {seconds:.2} s = {:.0} reports/s",
            f64::from(devices) / seconds
        );
    }
    let started = Instant::now();
    let at = NOW.plus(i64::from(rounds) * 5 * MINUTE_MS);
    let scopes = vec![Scope::parse("site:1").expect("a scope")];
    for n in 0..devices {
        let contact = Contact::Pulled { scopes: scopes.clone(), to: Seq(1), rows: 0, took_ms: 2.0 };
        store.telemetry().contact_note(&client(n), at, contact);
        if n.is_multiple_of(10_000) {
            store.telemetry().settle().await.expect("written");
        }
    }
    store.telemetry().settle().await.expect("written");
    let seconds = started.elapsed().as_secs_f64();
    println!("notes: {:.0} notes/s, {} dropped", f64::from(devices) / seconds, store.telemetry().notes_dropped());
}

async fn timed<F: Future>(name: &str, mut run: impl FnMut() -> F) {
    let mut took = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        run().await;
        took.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    took.sort_unstable_by(f64::total_cmp);
    println!("{name}: p50 {:.1} ms, p95 {:.1} ms", took[RUNS / 2], took[RUNS * 95 / 100]);
}

async fn read(store: &Store, now: Millis) {
    let telemetry = store.telemetry();
    let started = Instant::now();
    telemetry.roll(now).await.expect("rolls");
    println!("first roll: {:.0} ms", started.elapsed().as_secs_f64() * 1_000.0);
    timed("roll", || async { telemetry.roll(now).await.expect("rolls") }).await;
    for sort in DeviceSort::ALL {
        for text in ["", "platform:ios queue:>3", "condition:stuck", "name:*0042*", "battery:<200"] {
            let filter = Filter::parse(keys::DEVICES, text).expect("a filter");
            let position = Position::Start;
            timed(&format!("devices sort={} filter={text:?}", sort.as_str()), || async {
                telemetry.devices_page(&filter, sort, &position, 50, now).await.expect("read");
            })
            .await;
        }
    }
    timed("device", || async { drop(telemetry.device_view(&client(20), now).await.expect("known")) }).await;
    timed("outbox", || async { drop(telemetry.device_outbox(&client(20), None, &Position::Start, 50).await.expect("known")) })
        .await;
    timed("timeline", || async {
        drop(telemetry.device_timeline(&client(20), None, &Position::Start, 50).await.expect("known"))
    })
    .await;
    for range in TimeRange::ALL {
        timed(&format!("fleet trend {}", range.as_str()), || async {
            drop(telemetry.fleet_trend(range, now).await.expect("read"))
        })
        .await;
    }
    timed("device trend", || async { drop(telemetry.device_trend(&client(20), TimeRange::Day, now).await.expect("read")) }).await;
    timed("facts", || async { drop(telemetry.fleet_facts(now).await.expect("read")) }).await;
    timed("scores", || async { drop(telemetry.score_spread(now.plus(-TimeRange::Day.span_ms())).await.expect("read")) }).await;
    timed("board", || async { drop(telemetry.board(now).await.expect("read")) }).await;
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u32| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (devices, rounds) = (number(10_000), number(3));
    let folder = std::env::args().nth(3).map_or_else(|| std::env::temp_dir().join("tidewatch-load"), PathBuf::from);
    let store = Store::open(&folder, StoreOptions::new(NOW, 7)).await.expect("opens");
    ingest(&store, devices, rounds).await;
    read(&store, NOW.plus(i64::from(rounds) * 5 * MINUTE_MS + 1_000)).await;
    store.close().await.expect("closes");
}
