//! Draining in bulk: freezing, submitting, a thousand entries, a hundred thousand with an audit row each, and the list while that goes on.
//!
//! Every device has five hundred poisoned entries whose payloads are in the archive, ten ways to fail. What is drained is quarantined; each
//! device that keeps a copy is told. The larger store has a million entries, of which one group of a hundred thousand is drained.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::report::{EntryState, OutboxDigest, OutboxEntry, Report, ReportedError};
use tidewatch_domain::signature::{signature, signature_id};
use tidewatch_domain::sync::ClientRegistration;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::NewLetter;
use tidewatch_store::{Durability, Store, StoreOptions};

use crate::clock;
use crate::http::{Connection, Request};
use crate::options::Options;
use crate::server::{Place, Server, fresh};
use crate::table::{Bar, Table, number};
use crate::world;

/// Entries of a device.
const PER_DEVICE: u32 = 500;
/// Ways to fail: each is a group.
const WAYS: u32 = 10;
/// Devices that are filled at a time.
const TOGETHER: usize = 16;
/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Nothing that is drained here takes this long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks at the list during a bulk.
const PAUSE: Duration = Duration::from_millis(20);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures at each size.
pub(crate) async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let sizes: &[(u32, u32)] = if options.quick { &[(5_000, 5_000)] } else { &[(100_000, 100_000), (1_000_000, 100_000)] };
    for &(size, bulk) in sizes {
        let place = Place { binary: options.binary.clone(), data: options.folder.join("drain") };
        fresh(&place.data)?;
        eprintln!("    filling archive and mirror with {size} entries");
        let started = Instant::now();
        let followed = fill(&place, size).await?;
        eprintln!("    filled in {:.0} s", started.elapsed().as_secs_f64());
        let what = format!("Mirror behind by {}, until it has caught up", number(f64::from(size)));
        table.add(
            what,
            followed.as_secs_f64(),
            "s",
            Bar::None,
            "all of them in the archive and in the mirror, and still to be followed",
        );
        one_size(&place, size, bulk, table).await?;
    }
    Ok(())
}

async fn one_size(place: &Place, size: u32, bulk: u32, table: &mut Table) -> anyhow::Result<()> {
    let token = |name: &str, role: &str| place.errand(&["token", "create", "--name", name, "--kind", "api", "--role", role], "");
    let (first, second) = (token("first", "operator")?, token("second", "product_owner")?);
    let (server, _) = place.start()?;
    // A server that has just come up registers the devices with its mirror and counts its figures once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut staff = Staff::open(&server, &first).await?;
    let mut other = Staff::open(&server, &second).await?;
    let of = format!("of {} entries", number(f64::from(size)));
    let thousand: Vec<Value> = (0..1_000)
        .map(|k| json!({"client_id": world::client(k % (size / PER_DEVICE)).as_str(), "operation_id": operation(k % (size / PER_DEVICE) * PER_DEVICE + k / (size / PER_DEVICE))}))
        .collect();
    let small = staff.run(&mut other, "hold", json!({"entries": thousand}), 1_000).await?;
    table.add(
        format!("1,000 held {of}"),
        small.done.as_secs_f64() * 1e3,
        "ms",
        Bar::AtMost(100.0),
        "from its approval until every entry is done",
    );
    let selection = if size == bulk { json!({"filter": ""}) } else { json!({"group": group(3)}) };
    let watcher = Watcher::start(&server, &first);
    let large = staff.run(&mut other, "quarantine", selection, u64::from(bulk)).await?;
    let (mut listed, memory) = (watcher.stop().await?, server.memory()?);
    let followed = staff.followed(&large.job).await?;
    listed.sort_unstable();
    let at = |share: usize| listed.get(listed.len() * share / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let count = number(f64::from(bulk));
    table.add(format!("Freezing {count} {of}"), large.frozen.as_secs_f64() * 1e3, "ms", Bar::None, "with its dry run");
    table.add(
        format!("Bulk of {count} accepted {of}"),
        large.accepted.as_secs_f64() * 1e3,
        "ms",
        Bar::AtMost(200.0),
        "POST until its answer",
    );
    let note = "an audit row and a journal row each; devices told";
    table.add(format!("{count} quarantined {of}"), large.done.as_secs_f64(), "s", Bar::AtMost(8.0), note);
    table.add(format!("List during it, p50 {of}"), at(50), "ms", Bar::AtMost(20.0), format!("{} looks, 50 rows", listed.len()));
    table.add(format!("List during it, p95 {of}"), at(95), "ms", Bar::None, "the slowest of twenty");
    let note = "after that, until the list says it of the last one: the mirror follows";
    table.add(format!("Mirrored {of}"), followed.as_secs_f64(), "s", Bar::None, note);
    let note = format!("resident; {:.0} MB of it mapped files", memory.files as f64 / MIB);
    table.add(format!("Memory after it {of}"), memory.resident as f64 / MIB, "MB", Bar::AtMost(150.0), note);
    let note = "the most since the start of the server, the freezing among it";
    table.add(format!("Memory at most {of}"), memory.peak as f64 / MIB, "MB", Bar::AtMost(150.0), note);
    server.stop()?;
    Ok(())
}

/// How long the parts of a drain took.
struct Took {
    job: String,
    frozen: Duration,
    accepted: Duration,
    done: Duration,
}

/// Somebody with an API token.
struct Staff {
    connection: Connection,
    head: String,
}

impl Staff {
    async fn open(server: &Server, token: &str) -> anyhow::Result<Self> {
        let head = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        Ok(Self { connection: Connection::open(server.address).await?, head })
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let answer = self.connection.send(Request::get(path, &self.head)).await?.expect(200)?;
        serde_json::from_slice(&answer.body).context("an answer is JSON")
    }

    async fn post(&mut self, path: &str, body: &Value, status: u16) -> anyhow::Result<Value> {
        let text = body.to_string();
        let answer = self.connection.send(Request::post(path, &self.head, text.as_bytes())).await?.expect(status)?;
        serde_json::from_slice(&answer.body).context("an answer is JSON")
    }

    /// Freezes, submits, has it approved when that is asked for, and waits for its end.
    async fn run(&mut self, second: &mut Self, action: &str, selection: Value, entries: u64) -> anyhow::Result<Took> {
        let dependants = if action == "hold" { "take_along" } else { "cut" };
        let order = json!({"action": action, "dependants": dependants, "selection": selection});
        let started = Instant::now();
        let set = self.post("/api/v1/outbox/drain/previews", &order, 201).await?;
        let frozen = started.elapsed();
        ensure!(set["entries"] == entries, "the set holds {} entries, not {entries}", set["entries"]);
        let body = json!({
            "set": set["set"], "count": entries, "typed_count": entries, "hash": set["hash"], "selection": set["selection"],
            "reason": "measured on purpose", "idempotency_key": set["idempotency_key"], "canary": 0,
        });
        let started = Instant::now();
        let job = self.post("/api/v1/outbox/drain/jobs", &body, 202).await?;
        let accepted = started.elapsed();
        let job = job["job"].as_str().context("an id")?.to_owned();
        let path = format!("/api/v1/outbox/drain/jobs/{job}");
        if set["needs_approval"] == true {
            second.post(&format!("{path}/approve"), &json!({}), 200).await?;
        }
        let started = Instant::now();
        loop {
            let view = self.get(&path).await?;
            if view["state"] == "done" {
                ensure!(view["tally"]["ok"] == entries, "the job ended with {}", view["tally"]);
                return Ok(Took { job, frozen, accepted, done: started.elapsed() });
            }
            ensure!(started.elapsed() < PATIENCE, "the job does not end: {view}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Staff {
    /// Waits until the mirror shows what became of the last entry of a job: it follows in their order.
    async fn followed(&mut self, job: &str) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let last = self.get(&format!("/api/v1/outbox/drain/jobs/{job}/items?limit=1&before={}", i64::MAX)).await?;
        let word = |name: &str| last["rows"][0][name].as_str().context("an item has a name");
        let path = format!("/api/v1/outbox/entries/{}/{}", word("client_id")?, word("operation_id")?);
        while self.get(&path).await?["entry"]["state"] != "quarantined" {
            ensure!(started.elapsed() < PATIENCE, "the mirror does not follow: {path}");
            tokio::time::sleep(LOOK).await;
        }
        Ok(started.elapsed())
    }
}

/// Looks at the list again and again while a bulk goes on.
struct Watcher {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<Vec<Duration>>>,
}

impl Watcher {
    fn start(server: &Server, token: &str) -> Self {
        let (stop, address) = (Arc::new(AtomicBool::new(false)), server.address);
        let (stopped, head) = (Arc::clone(&stop), format!("Authorization: Bearer {token}\r\n"));
        let task = tokio::spawn(async move {
            let (mut connection, mut looks) = (Connection::open(address).await?, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                connection.send(Request::get("/api/v1/outbox/entries", &head)).await?.expect(200)?;
                looks.push(started.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            Ok(looks)
        });
        Self { stop, task }
    }

    async fn stop(self) -> anyhow::Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("the watcher panicked")?
    }
}

/// Answers how long the mirror took to follow all of it.
async fn fill(place: &Place, size: u32) -> anyhow::Result<Duration> {
    let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::new(clock::now(), 0x7469_6465) };
    let store = Store::open(&place.data, options).await.context("the store does not open")?;
    let devices: Vec<u32> = (0..size / PER_DEVICE).collect();
    for together in devices.chunks(TOGETHER) {
        let tasks: Vec<_> = together.iter().map(|n| tokio::spawn(device_fill(store.clone(), *n))).collect();
        for task in tasks {
            task.await.expect("it does not panic")?;
        }
    }
    // What a server does beside it: without this, the mirror would be behind by as much as there is.
    let started = Instant::now();
    while store.telemetry().entries_follow(clock::now()).await? {}
    let followed = started.elapsed();
    store.close().await.context("the store does not close")?;
    Ok(followed)
}

async fn device_fill(store: Store, n: u32) -> anyhow::Result<()> {
    let (client, now) = (world::client(n), clock::now());
    let registration = ClientRegistration {
        client_id: None,
        principal: "bench".to_owned(),
        platform: None,
        app_version: None,
        schema_version: Some(1),
        scopes: vec![world::site(n)],
        simulated: true,
        public_key: None,
    };
    store.sync().client_register(registration, client.clone(), now).await?;
    let numbers = || (0..PER_DEVICE).map(|k| n * PER_DEVICE + k);
    let letters: Vec<NewLetter> = numbers().map(letter).collect::<anyhow::Result<_>>()?;
    store.sync().letters_put(&client, letters, now).await?;
    let mut report = Report { report_id: format!("d-{n}"), at: now, raw: "{}".to_owned(), ..Report::default() };
    report.device.name = Some(world::name(n));
    let entries = numbers().map(|at| entry(at, now)).collect();
    report.outbox = Some(OutboxDigest { total: i64::from(PER_DEVICE), bytes: None, truncated: false, entries });
    store.telemetry().reports_ingest(&client, vec![report], now).await?;
    Ok(())
}

fn operation(at: u32) -> String {
    format!("op-{at:08}")
}

fn message(way: u32) -> String {
    let names = ["reading", "pressure", "depth", "weight", "length", "count", "speed", "angle", "level", "mass"];
    format!("{} must hold a number", names[way as usize % names.len()])
}

fn group(way: u32) -> String {
    signature_id(&signature("schema_invalid", "inspections", "update", Some(&message(way))))
}

fn letter(at: u32) -> anyhow::Result<NewLetter> {
    let id = operation(at);
    let mutation = json!({
        "operation_id": id, "collection": "inspections", "record_id": format!("R-{at}"), "scope": "site:a", "op": "update",
        "fields": {"reading": "n/a", "note": "x".repeat(380)},
    });
    Ok(NewLetter {
        operation_id: OperationId::parse(id)?,
        code: "schema_invalid".to_owned(),
        detail: Some(message(at % WAYS)),
        mutation: mutation.to_string(),
        origin: ArchiveOrigin::Refused,
        state: ArchiveState::Poisoned,
    })
}

fn entry(at: u32, now: Millis) -> OutboxEntry {
    OutboxEntry {
        operation_id: operation(at),
        collection: "inspections".to_owned(),
        record_id: format!("R-{at}"),
        scope: Some("site:a".to_owned()),
        op: "update".to_owned(),
        priority: 3,
        created_at: Some(now.plus(-i64::from(at % 100_000) * 100)),
        depends_on: Vec::new(),
        attempts: 1,
        last_attempt_at: Some(now),
        next_attempt_at: None,
        bytes: Some(522),
        state: EntryState::Poisoned,
        error: Some(ReportedError { code: "schema_invalid".to_owned(), status: Some(422), message: Some(message(at % WAYS)) }),
    }
}
