//! The outbox page over a mirror that grows to a million entries: groups, lists at both ends, searches, single entries.
//!
//! Every device has five hundred entries, as many as a digest may list. Six in ten are poisoned in one of twelve ways, one retries,
//! three wait or are queued.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidewatch_domain::report::{EntryState, OutboxDigest, OutboxEntry, Report, ReportedError};
use tidewatch_domain::signature::{signature, signature_id};
use tidewatch_domain::time::{MINUTE_MS, Millis};
use tidewatch_store::{Durability, Store, StoreOptions};

use crate::clock;
use crate::console::{Browser, user_add};
use crate::options::Options;
use crate::pages::{Page, PageTable};
use crate::server::{Place, fresh};
use crate::table::{Bar, Table, number};
use crate::world;

/// Entries of a device.
const PER_DEVICE: u32 = 500;
/// Ways to fail.
const WAYS: u32 = 12;
/// Devices that report at a time.
const TOGETHER: u32 = 16;
const MIB: f64 = 1024.0 * 1024.0;

/// Pages of the outbox; `n` counts the requests, `entries` is how many there are. Bars of `queues.md` 4.4.
pub(crate) const PAGES: &[Page] = &[
    Page { bar_ms: 40.0, ..Page::new("By error", |_, _| "/outbox".to_owned()) },
    Page { bar_ms: 40.0, fresh: true, ..Page::new("By error, a second apart", |_, _| "/outbox".to_owned()) },
    Page { bar_ms: 40.0, ..Page::new("By collection", |_, _| "/outbox/collections".to_owned()) },
    Page { bar_ms: 30.0, ..Page::new("One group, first page", |n, _| format!("/outbox/groups/{}", group(n % WAYS))) },
    Page { bar_ms: 30.0, ..Page::new("All entries, first page", |_, _| "/outbox/entries".to_owned()) },
    Page {
        bar_ms: 30.0,
        ..Page::new("All entries, in the middle", |n, _| {
            format!("/outbox/entries?after=0~{}~0~a", clock::now().0 - i64::from(n) * MINUTE_MS)
        })
    },
    Page { bar_ms: 30.0, ..Page::new("All entries, last page", |_, _| "/outbox/entries?before=9~0~0~a".to_owned()) },
    Page {
        bar_ms: 50.0,
        ..Page::new("An operation by its id", |n, entries| {
            format!("/outbox/entries?filter=operation:{}", operation(n * 97 % entries))
        })
    },
    Page { bar_ms: 50.0, ..Page::new("A record", |n, entries| format!("/outbox/entries?filter=record:R-{}", n * 97 % entries)) },
    Page {
        bar_ms: 50.0,
        ..Page::new("A state of a collection", |_, _| "/outbox/entries?filter=collection:orders%20state:waiting".to_owned())
    },
    Page { bar_ms: 500.0, ..Page::new("A word of an error", |n, _| format!("/outbox/entries?filter=quota-{n}")) },
    Page { bar_ms: 500.0, ..Page::new("A word that is nowhere", |_, _| "/outbox/entries?filter=nowhere".to_owned()) },
    Page {
        bar_ms: 30.0,
        ..Page::new("One entry", |n, entries| {
            let at = n * 97 % entries;
            format!("/outbox/entries/{}/{}", world::client(at / PER_DEVICE), operation(at))
        })
    },
];

/// Measures the pages at each size.
pub(crate) async fn measure(options: &Options, table: &mut Table, pages: &mut PageTable) -> anyhow::Result<()> {
    let place = Place { binary: options.binary.clone(), data: options.folder.join("outbox") };
    fresh(&place.data)?;
    user_add(&place)?;
    let sizes: &[u32] = if options.quick { &[5_000, 20_000] } else { &[10_000, 100_000, 1_000_000] };
    let mut before = 0;
    for &size in sizes {
        eprintln!("    filling the mirror to {size} entries");
        let started = Instant::now();
        fill(&place, before, size).await?;
        eprintln!("    filled in {:.0} s", started.elapsed().as_secs_f64());
        before = size;
        let (server, _) = place.start()?;
        let mut browser = Browser::sign_in(server.address).await?;
        // A server that has just come up renews its figures once.
        tokio::time::sleep(Duration::from_secs(2)).await;
        pages.measure(&mut browser, size, &format!("{} entries", number(f64::from(size)))).await?;
        let memory = server.memory()?;
        let bar = if size == 100_000 { Bar::AtMost(150.0) } else { Bar::None };
        let what = format!("Memory with {} entries", number(f64::from(size)));
        let note = format!("every page of the outbox seen; {:.0} MB of it mapped files", memory.files as f64 / MIB);
        table.add(what, memory.resident as f64 / MIB, "MB", bar, note);
        server.stop()?;
    }
    Ok(())
}

async fn fill(place: &Place, from: u32, to: u32) -> anyhow::Result<()> {
    let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::new(clock::now(), 0x7469_6465) };
    let store = Store::open(&place.data, options).await.context("the store does not open")?;
    let devices: Vec<u32> = (from / PER_DEVICE..to / PER_DEVICE).collect();
    for together in devices.chunks(TOGETHER as usize) {
        let now = clock::now();
        let told = together.iter().map(|n| (world::client(*n), report(*n, now)));
        let told = told.map(|(client, report)| {
            let store = store.clone();
            tokio::spawn(async move { store.telemetry().reports_ingest(&client, vec![report], now).await })
        });
        for answer in told.collect::<Vec<_>>() {
            answer.await.expect("it does not panic")?;
        }
    }
    store.close().await.context("the store does not close")
}

fn operation(at: u32) -> String {
    format!("op-{at:08}")
}

fn message(way: u32) -> String {
    format!("{} must hold a number", ["reading", "pressure", "depth", "weight", "length", "count"][way as usize % 6])
}

fn collection(way: u32) -> &'static str {
    if way < WAYS / 2 { "inspections" } else { "orders" }
}

fn group(way: u32) -> String {
    signature_id(&signature("schema_invalid", collection(way), "update", Some(&message(way))))
}

fn report(n: u32, now: Millis) -> Report {
    let entries = (0..PER_DEVICE).map(|k| entry(n * PER_DEVICE + k, now)).collect();
    let mut report = Report { report_id: format!("o-{n}"), at: now, raw: "{}".to_owned(), ..Report::default() };
    report.device.name = Some(world::name(n));
    report.device.app_version = Some(format!("4.{}.0", 10 + n % 9));
    report.offline_resilience.queued_operations_count = Some(i64::from(PER_DEVICE));
    report.outbox = Some(OutboxDigest { total: i64::from(PER_DEVICE), bytes: Some(262_144), truncated: false, entries });
    report
}

fn entry(at: u32, now: Millis) -> OutboxEntry {
    let way = at % WAYS;
    let state = match at % 10 {
        0..6 => EntryState::Poisoned,
        6 => EntryState::Retrying,
        7 | 8 => EntryState::Waiting,
        _ => EntryState::Queued,
    };
    let error = match state {
        EntryState::Poisoned => Some(("schema_invalid", message(way))),
        // One word of each thousandth is like no other.
        EntryState::Retrying if at.is_multiple_of(1_000) => Some(("storage_full", format!("over quota-{}", at / 1_000 % 30))),
        EntryState::Retrying => Some(("upstream_away", "the store is away".to_owned())),
        _ => None,
    };
    OutboxEntry {
        operation_id: operation(at),
        collection: collection(way).to_owned(),
        record_id: format!("R-{at}"),
        scope: Some("site:a".to_owned()),
        op: "update".to_owned(),
        priority: 3,
        created_at: Some(now.plus(-i64::from(at % 100_000) * 100)),
        depends_on: Vec::new(),
        attempts: i64::from(error.is_some()),
        last_attempt_at: error.as_ref().map(|_| now),
        next_attempt_at: None,
        bytes: Some(522),
        state,
        error: error.map(|(code, message)| ReportedError { code: code.to_owned(), status: Some(422), message: Some(message) }),
    }
}
