//! The console over a fleet that grows: pages at each size, then what a large fleet weighs in memory, and reports a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::time::{MINUTE_MS, Millis};
use tidewatch_protocol::v1::telemetry::Report;

use crate::console::{Browser, user_add};
use crate::devices::{Device, dealt, enrolment};
use crate::filling::fill;
use crate::http::{Connection, Request};
use crate::load::{self, Lane, Until};
use crate::log::collections_import;
use crate::options::{Measurement, Options};
use crate::pages::{self, PageTable};
use crate::server::{Place, Server, fresh};
use crate::table::{Bar, Table, number};
use crate::weight;
use crate::world::{self, Held, PER_SITE};

const MIB: f64 = 1024.0 * 1024.0;
/// Connections that report at a time: a fleet never waits for four devices.
const CONNECTIONS: usize = 32;
/// Reports in a request: those of a device that was away for most of an hour.
const BATCH: i64 = 10;
/// Devices of the fleet that report over HTTP.
const REPORTERS: u32 = 400;
/// A device reports once in so many seconds.
const REPORT_EVERY_S: u32 = 300;

/// Measures what was asked for of the fleet.
pub(crate) async fn measure(options: &Options, table: &mut Table, pages: &mut PageTable) -> anyhow::Result<()> {
    let place = Place { binary: options.binary.clone(), data: options.folder.join("fleet") };
    fresh(&place.data)?;
    collections_import(&place, &options.folder)?;
    user_add(&place)?;
    let sizes: &[u32] = if options.quick { &[1_000, 5_000] } else { &[1_000, 10_000, 100_000] };
    let mut before = 0;
    for &size in sizes {
        eprintln!("    filling the fleet to {size} devices");
        let started = Instant::now();
        fill(&place.data, before, size).await?;
        eprintln!("    filled in {:.0} s", started.elapsed().as_secs_f64());
        before = size;
        let last = Some(&size) == sizes.last();
        if last || options.wants(Measurement::Pages) {
            Fleet { place: &place, options, size }.measure(last, pages, table).await?;
        }
    }
    Ok(())
}

struct Fleet<'a> {
    place: &'a Place,
    options: &'a Options,
    size: u32,
}

impl Fleet<'_> {
    /// Measures at this size; at the last one everything that needs a large fleet.
    async fn measure(&self, last: bool, pages: &mut PageTable, table: &mut Table) -> anyhow::Result<()> {
        let (first, _) = self.place.start()?;
        first.stop()?;
        let (server, took) = self.place.start()?;
        let mut browser = Browser::sign_in(server.address).await?;
        if self.options.wants(Measurement::Pages) {
            pages.measure(&mut browser, self.size, &format!("{} devices", number(f64::from(self.size)))).await?;
            if last {
                let reporting = Reporting::start(self, &server).await?;
                pages.measure(&mut browser, self.size, "while all report").await?;
                reporting.stop().await?;
            }
        }
        if last && self.options.wants(Measurement::Weight) {
            weight::measure(&mut browser, table).await?;
        }
        if last && self.options.wants(Measurement::Telemetry) {
            self.telemetry(&server, table).await?;
        }
        if last && self.options.wants(Measurement::Memory) {
            self.memory(&mut browser, &server, took, table).await?;
        }
        server.stop()
    }

    /// What the server holds once people have looked at every page.
    async fn memory(&self, browser: &mut Browser, server: &Server, took: Duration, table: &mut Table) -> anyhow::Result<()> {
        PageTable::new(true, pages::PAGES).measure(browser, self.size, "again").await?;
        let memory = server.memory()?;
        let note = format!(
            "{} devices, every page seen; {:.0} MB of it mapped files, peak {:.0} MB",
            number(f64::from(self.size)),
            memory.files as f64 / MIB,
            memory.peak as f64 / MIB
        );
        table.add("Memory of serve", memory.resident as f64 / MIB, "MB", Bar::AtMost(256.0), note);
        let note = format!("{} devices, from the call to the first answer", number(f64::from(self.size)));
        table.add("Second start", took.as_secs_f64(), "s", Bar::None, note);
        Ok(())
    }

    async fn telemetry(&self, server: &Server, table: &mut Table) -> anyhow::Result<()> {
        let seconds = if self.options.quick { 2 } else { 6 };
        let devices = self.reporters(server).await?;
        for (batch, bar) in [(BATCH, Bar::AtLeast(10_000.0)), (1, Bar::None)] {
            let mut lanes = Vec::new();
            for devices in dealt(devices.clone(), CONNECTIONS) {
                let connection = Connection::open(server.address).await?;
                lanes.push(Reporter { connection, devices, at: 0, batch });
            }
            let (_, load) = load::run(server, lanes, Until::Time(Duration::from_secs(seconds))).await?;
            let what = if batch == 1 { "Reports, one a request".to_owned() } else { format!("Reports, {batch} a request") };
            let note = format!("{CONNECTIONS} connections, {} devices known, others {:.0} %", self.size, load.others);
            table.add(what, load.rate(), "/s", bar, note);
            table.add("  per CPU-second of the server", load.per_cpu(), "", Bar::None, "");
        }
        Ok(())
    }

    /// Devices from all over the fleet, let in again under their own ids.
    async fn reporters(&self, server: &Server) -> anyhow::Result<Vec<(u32, Device)>> {
        let sites: Vec<Scope> = (0..self.size.div_ceil(PER_SITE)).map(world::site_numbered).collect();
        let enrolment = ENROLMENT.get_or_init(|| enrolment(self.place, &sites).map_err(|error| format!("{error:#}")));
        let enrolment = enrolment.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut connection = Connection::open(server.address).await?;
        let mut devices = Vec::new();
        for at in 0..REPORTERS {
            let apart = self.size / REPORTERS;
            // Devices at equal distances would all fare alike: how a device fares goes by its number.
            let n = at * apart + at % apart;
            let scopes = [world::site(n)];
            devices.push((n, Device::enrol(&mut connection, enrolment, Some(&world::client(n)), &scopes).await?));
        }
        Ok(devices)
    }
}

/// One token a run: the large fleet is the only one that reports.
static ENROLMENT: std::sync::OnceLock<Result<String, String>> = std::sync::OnceLock::new();

/// The body of a request with reports of a device, five minutes apart, the newest from `until`. `name` tells its reports from
/// those of any other request.
fn body(n: u32, device: &Device, name: &str, reports: i64, until: Millis) -> Vec<u8> {
    let reports = (0..reports).map(|k| {
        let mut report = world::report(n, until.plus(-k * 5 * MINUTE_MS), &Held::default());
        report.report_id = format!("{name}-{k}");
        report
    });
    serde_json::to_vec(&Body { client_id: device.client_id.as_str(), reports: reports.collect() }).expect("reports are JSON")
}

/// Written at once and not by way of a tree of values: that costs the driver half of what a report costs the server on the same cores.
#[derive(Serialize)]
struct Body<'a> {
    client_id: &'a str,
    reports: Vec<Report>,
}

#[derive(Deserialize)]
struct Taken<'a> {
    accepted: u64,
    #[serde(borrow)]
    rejected: Vec<&'a serde_json::value::RawValue>,
}

async fn report(connection: &mut Connection, device: &Device, body: &[u8]) -> anyhow::Result<u64> {
    let answer = connection.send(Request::post("/telemetry", &device.head, body)).await?.expect(202)?;
    let taken: Taken<'_> = serde_json::from_slice(&answer.body)?;
    ensure!(taken.rejected.is_empty(), "a report was refused: {}", taken.rejected[0].get());
    Ok(taken.accepted)
}

/// A connection that reports for devices in turn. Each time, a device tells of a time before that of the time before.
struct Reporter {
    connection: Connection,
    devices: Vec<(u32, Device)>,
    at: usize,
    batch: i64,
}

impl Lane for Reporter {
    async fn turn(&mut self) -> anyhow::Result<u64> {
        let (n, device) = &self.devices[self.at % self.devices.len()];
        let round = (self.at / self.devices.len()) as i64;
        self.at += 1;
        let until = crate::clock::now().plus(-(round + 1) * self.batch * 5 * MINUTE_MS);
        let body = body(*n, device, &format!("b{}-{round}", self.batch), self.batch, until);
        let accepted = report(&mut self.connection, device, &body).await?;
        ensure!(accepted > 0, "no report was taken");
        Ok(accepted)
    }
}

/// The whole fleet reporting in the background, each device once in five minutes.
struct Reporting {
    ended: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Reporting {
    async fn start(fleet: &Fleet<'_>, server: &Server) -> anyhow::Result<Self> {
        let devices = fleet.reporters(server).await?;
        let mut connection = Connection::open(server.address).await?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let pause = Duration::from_secs(1) * REPORT_EVERY_S / fleet.size;
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(pause);
            for at in 0_usize.. {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                ticks.tick().await;
                let (n, device) = &devices[at % devices.len()];
                let body = body(*n, device, &format!("live-{at}"), 1, crate::clock::now());
                report(&mut connection, device, &body).await?;
            }
            Ok(())
        });
        Ok(Self { ended, task })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        self.task.await.context("the reporting ended early")?
    }
}
