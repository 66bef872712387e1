//! The log under load: mutations in, pages of the feed out, polls of readers that have everything.

mod growth;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::PushRequest;

use crate::clock;
use crate::devices::{Device, dealt, enrolment, needed};
use crate::http::{Connection, Request};
use crate::load::{self, Lane, Load, Until};
use crate::options::{Measurement, Options};
use crate::pages::percentile;
use crate::server::{Place, Server, fresh};
use crate::table::{Bar, Table};
use crate::world;

/// Connections at a time.
const CONNECTIONS: usize = 4;
/// Intents in a batch.
const BATCH: u64 = 100;
/// Sites that the log is spread over.
const SITES: u32 = 8;
/// Intents that are made beforehand at a time: they lie in memory until they are sent.
const CHUNK: u64 = 40_000;
/// Devices of each pushing connection.
const PUSHERS: usize = 8;
/// Polls a second that the devices of the polling load suffice for.
const POLLS_MAX: u64 = 40_000;
/// Rows of a feed page.
const PAGE: u32 = 1_000;
/// Feed pages a second that the reading devices suffice for.
const PAGES_MAX: u64 = 2_000;
/// Pages that a device reads at once, below what it may ask for in a burst; the next one goes on from the beginning.
const PAGES_EACH: u32 = 150;

const COLLECTIONS: &str = r#"[{"name":"assets","priority":"important","policy":{"kind":"lww","clock":"hlc"}}]"#;

/// Puts the collections that everything here writes to into a new store.
pub(crate) fn collections_import(place: &Place, folder: &std::path::Path) -> anyhow::Result<()> {
    let file = folder.join("collections.json");
    std::fs::write(&file, COLLECTIONS)?;
    let file = file.to_str().context("the folder has no name that a command line can carry")?;
    place.errand(&["collections", "import", file], "").map(drop)
}

/// Measures what was asked for of the log.
pub(crate) async fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let place = Place { binary: options.binary.clone(), data: options.folder.join("log") };
    fresh(&place.data)?;
    collections_import(&place, &options.folder)?;
    let sites: Vec<Scope> = (0..SITES).map(world::site_numbered).collect();
    let enrolment = enrolment(&place, &sites)?;
    let (server, _) = place.start()?;
    let mut log = Log { server, enrolment, sites, pushers: Vec::new(), rows: 0 };
    log.pushers_open().await?;
    let small = if options.quick { 40_000 } else { 200_000 };
    log.fill(small).await?;
    if options.wants(Measurement::Mutations) {
        let rate = log.mutations(options, table).await?;
        if options.rows > log.rows {
            log.fill(options.rows).await?;
            log.mutations_large(options, rate, table).await?;
        }
    }
    if options.wants(Measurement::Growth) {
        log.growth(options, table).await?;
    }
    log.pushers.clear();
    if options.wants(Measurement::Feed) {
        log.feed(options, table).await?;
    }
    if options.wants(Measurement::Polls) {
        log.polls(options, table).await?;
    }
    log.server.stop()
}

struct Log {
    server: Server,
    enrolment: String,
    sites: Vec<Scope>,
    pushers: Vec<Pusher>,
    rows: u64,
}

impl Log {
    async fn enrol(&self, count: u64, scopes: impl Fn(u64) -> Vec<Scope>) -> anyhow::Result<Vec<Device>> {
        let mut connection = Connection::open(self.server.address).await?;
        let mut devices = Vec::new();
        for at in 0..count {
            devices.push(Device::enrol(&mut connection, &self.enrolment, None, &scopes(at)).await?);
        }
        Ok(devices)
    }

    async fn pushers_open(&mut self) -> anyhow::Result<()> {
        let site = |at: u64| vec![self.sites[at as usize % self.sites.len()].clone()];
        let devices = self.enrol((CONNECTIONS * PUSHERS) as u64, site).await?;
        for (lane, devices) in dealt(devices, CONNECTIONS).into_iter().enumerate() {
            let sites = (0..devices.len()).map(|at| self.sites[(at * CONNECTIONS + lane) % self.sites.len()].clone());
            let hands = devices.iter().cloned().zip(sites).collect();
            self.pushers.push(Pusher::new(Connection::open(self.server.address).await?, hands, lane as u64));
        }
        Ok(())
    }

    /// Pushes until the log has so many rows.
    async fn fill(&mut self, rows: u64) -> anyhow::Result<()> {
        eprintln!("    filling the log to {rows} rows");
        while self.rows < rows {
            self.push((rows - self.rows).min(CHUNK)).await?;
        }
        Ok(())
    }

    async fn push(&mut self, intents: u64) -> anyhow::Result<Load> {
        let now = clock::now();
        for pusher in &mut self.pushers {
            pusher.prepare(intents.div_ceil(BATCH * CONNECTIONS as u64), now);
        }
        let pushers = std::mem::take(&mut self.pushers);
        let (pushers, load) = load::run(&self.server, pushers, Until::Units(u64::MAX >> 1)).await?;
        self.pushers = pushers;
        self.rows += load.units;
        Ok(load)
    }

    /// The rate at the size that the log has now; answers it.
    async fn mutations(&mut self, options: &Options, table: &mut Table) -> anyhow::Result<f64> {
        let what = format!("Mutations, from {} rows", self.thousands());
        let (load, note) = self.mutations_load(options).await?;
        table.add(what, load.rate(), "/s", Bar::AtLeast(12_000.0), note.clone());
        table.add("  per CPU-second of the server", load.per_cpu(), "", Bar::AtLeast(12_000.0), "");
        Ok(load.rate())
    }

    async fn mutations_large(&mut self, options: &Options, small: f64, table: &mut Table) -> anyhow::Result<()> {
        let what = format!("Mutations, from {} rows", self.thousands());
        let (load, note) = self.mutations_load(options).await?;
        table.add(what, load.rate(), "/s", Bar::AtLeast(small / 2.0), note);
        table.add("  per CPU-second of the server", load.per_cpu(), "", Bar::None, "");
        Ok(())
    }

    fn thousands(&self) -> String {
        format!("{} k", self.rows / 1_000)
    }

    /// Pushes in parts, because what is sent lies in memory before; the time between the parts does not count.
    async fn mutations_load(&mut self, options: &Options) -> anyhow::Result<(Load, String)> {
        self.pushers.iter_mut().for_each(|pusher| pusher.times.clear());
        let parts = if options.quick { 1 } else { 3 };
        let mut sum: Option<Load> = None;
        for _ in 0..parts {
            let load = self.push(CHUNK).await?;
            sum = Some(sum.map_or(load, |sum| sum.plus(load)));
        }
        let load = sum.context("there is at least one part")?;
        let mut times: Vec<f64> = self.pushers.iter().flat_map(|pusher| pusher.times.iter().copied()).collect();
        times.sort_unstable_by(f64::total_cmp);
        let note = format!(
            "{CONNECTIONS} connections, batches of {BATCH}, p50 {:.1} ms, p99 {:.1} ms, others {:.0} %",
            percentile(&times, 0.5),
            percentile(&times, 0.99),
            load.others
        );
        Ok((load, note))
    }

    async fn feed(&mut self, options: &Options, table: &mut Table) -> anyhow::Result<()> {
        let length = Duration::from_secs(if options.quick { 2 } else { 5 });
        let devices = needed(PAGES_MAX * length.as_secs(), length.as_secs());
        let one = self.enrol(devices, |at| vec![self.sites[at as usize % self.sites.len()].clone()]).await?;
        let load = self.read(one.clone(), "", length).await?;
        let note = |load: &Load| format!("pages of {PAGE}, {CONNECTIONS} connections, others {:.0} %", load.others);
        table.add("Change feed, one scope", load.rate(), "rows/s", Bar::AtLeast(150_000.0), note(&load));
        table.add("  per CPU-second of the server", load.per_cpu(), "rows", Bar::AtLeast(500_000.0), "");
        let load = self.read(one, "accept-encoding: zstd\r\n", length).await?;
        table.add("Change feed, one scope, zstd", load.rate(), "rows/s", Bar::None, note(&load));
        table.add("  per CPU-second of the server", load.per_cpu(), "rows", Bar::None, "");
        let all = self.enrol(devices, |_| self.sites.clone()).await?;
        let load = self.read(all, "", length).await?;
        table.add(format!("Change feed, {SITES} scopes merged"), load.rate(), "rows/s", Bar::None, note(&load));
        table.add("  per CPU-second of the server", load.per_cpu(), "rows", Bar::None, "");
        Ok(())
    }

    async fn read(&self, devices: Vec<Device>, extra: &str, length: Duration) -> anyhow::Result<Load> {
        let mut lanes = Vec::new();
        for mut devices in dealt(devices, CONNECTIONS) {
            devices.iter_mut().for_each(|device| device.head.push_str(extra));
            let connection = Connection::open(self.server.address).await?;
            lanes.push(Reader { connection, devices, at: 0, cursor: "0".to_owned(), pages: 0, plain: extra.is_empty() });
        }
        Ok(load::run(&self.server, lanes, Until::Time(length)).await?.1)
    }

    async fn polls(&mut self, options: &Options, table: &mut Table) -> anyhow::Result<()> {
        let length = Duration::from_secs(if options.quick { 2 } else { 5 });
        let count = needed(POLLS_MAX * length.as_secs(), length.as_secs());
        let devices = self.enrol(count, |at| vec![self.sites[at as usize % self.sites.len()].clone()]).await?;
        let mut lanes = Vec::new();
        for devices in dealt(devices, CONNECTIONS) {
            let mut connection = Connection::open(self.server.address).await?;
            let mut polls = Vec::new();
            for device in devices {
                let answer = connection.send(Request::get("/changes?since=now", &device.head)).await?.expect(200)?;
                let page: Page = serde_json::from_slice(&answer.body)?;
                let path = format!("/changes?since={}", page.cursor);
                let answer = connection.send(Request::get(&path, &device.head)).await?.expect(200)?;
                let tag = answer.header("etag").context("a page without a tag")?;
                polls.push((path, format!("{}if-none-match: {tag}\r\n", device.head)));
            }
            lanes.push(Poller { connection, polls, at: 0 });
        }
        let (_, load) = load::run(&self.server, lanes, Until::Time(length)).await?;
        let note = format!("{CONNECTIONS} connections, {count} devices, others {:.0} %", load.others);
        table.add("Polls of readers that have everything", load.rate(), "/s", Bar::AtLeast(5_000.0), note);
        table.add("  per CPU-second of the server", load.per_cpu(), "", Bar::None, "");
        Ok(())
    }
}

/// A connection that pushes what was made beforehand.
struct Pusher {
    connection: Connection,
    hands: Vec<(Device, Scope)>,
    waiting: VecDeque<(usize, Vec<u8>)>,
    /// Records of each hand so far, and how many of them were changed since.
    made: Vec<(u64, u64)>,
    lane: u64,
    sent: u64,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Pushed<'a> {
    #[serde(borrow)]
    results: Vec<PushedIntent<'a>>,
}

#[derive(Deserialize)]
struct PushedIntent<'a> {
    status: &'a str,
}

impl Pusher {
    fn new(connection: Connection, hands: Vec<(Device, Scope)>, lane: u64) -> Self {
        let made = vec![(0, 0); hands.len()];
        Self { connection, hands, waiting: VecDeque::new(), made, lane, sent: 0, times: Vec::new() }
    }

    fn prepare(&mut self, batches: u64, now: Millis) {
        for batch in 0..batches {
            let hand = batch as usize % self.hands.len();
            let body = self.batch(hand, now);
            self.waiting.push_back((hand, body));
        }
    }

    /// A batch: three new records to one change of an older record.
    fn batch(&mut self, hand: usize, now: Millis) -> Vec<u8> {
        let (device, scope) = &self.hands[hand];
        let (made, changed) = &mut self.made[hand];
        let record = |n: u64| (self.lane << 48) | ((hand as u64) << 40) | n;
        let mutations = (0..BATCH).map(|at| {
            self.sent += 1;
            let n = (self.lane << 40) | self.sent;
            let (about, base) = if at % 4 == 3 && *changed < *made {
                *changed += 1;
                (record(*changed - 1), Some(1))
            } else {
                *made += 1;
                (record(*made - 1), None)
            };
            world::intent(scope, about, base, now, n).frozen()
        });
        let request = PushRequest {
            protocol: 1,
            client_id: device.client_id.to_string(),
            schema_version: Some(1),
            mutations: mutations.collect(),
            ..PushRequest::default()
        };
        serde_json::to_vec(&request).expect("a batch is JSON")
    }
}

impl Lane for Pusher {
    async fn turn(&mut self) -> anyhow::Result<u64> {
        let Some((hand, body)) = self.waiting.pop_front() else { return Ok(0) };
        let started = Instant::now();
        let answer = self.connection.send(Request::post("/mutations", &self.hands[hand].0.head, &body)).await?.expect(200)?;
        self.times.push(started.elapsed().as_secs_f64() * 1_000.0);
        let answer: Pushed<'_> = serde_json::from_slice(&answer.body)?;
        let other = answer.results.iter().find(|result| result.status != "applied");
        ensure!(other.is_none(), "an intent was answered {}", other.map_or("", |result| result.status));
        Ok(answer.results.len() as u64)
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    cursor: &'a str,
    has_more: bool,
    changes: Vec<IgnoredAny>,
}

/// A connection that reads the feed from its beginning, again and again, as one device after the other.
struct Reader {
    connection: Connection,
    devices: Vec<Device>,
    at: usize,
    cursor: String,
    /// Pages that the device has read.
    pages: u32,
    /// Whether the pages come as they are, so that they can be read.
    plain: bool,
}

impl Lane for Reader {
    async fn turn(&mut self) -> anyhow::Result<u64> {
        let device = &self.devices[self.at % self.devices.len()];
        let path = format!("/changes?limit={PAGE}&since={}", self.cursor);
        let answer = self.connection.send(Request::get(&path, &device.head)).await?.expect(200)?;
        if !self.plain {
            ensure!(answer.header("content-encoding") == Some("zstd"), "the page is not compressed");
            // What is in it was read without compression before; every device asks for its first page.
            self.at += 1;
            return Ok(u64::from(PAGE));
        }
        let page: Page<'_> = serde_json::from_slice(&answer.body)?;
        ensure!(!page.changes.is_empty(), "a page without rows");
        self.pages += 1;
        let goes_on = page.has_more && self.pages < PAGES_EACH;
        self.cursor.clear();
        self.cursor.push_str(if goes_on { page.cursor } else { "0" });
        if !goes_on {
            (self.at, self.pages) = (self.at + 1, 0);
        }
        Ok(page.changes.len() as u64)
    }
}

/// A connection that polls for devices in turn.
struct Poller {
    connection: Connection,
    polls: Vec<(String, String)>,
    at: usize,
}

impl Lane for Poller {
    async fn turn(&mut self) -> anyhow::Result<u64> {
        let (path, head) = &self.polls[self.at % self.polls.len()];
        self.at += 1;
        self.connection.send(Request::get(path, head)).await?.expect(304)?;
        Ok(1)
    }
}
