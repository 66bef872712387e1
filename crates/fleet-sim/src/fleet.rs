//! A fleet over real HTTP, in one process: every device is a task with its own rhythm, its own link and its own owner.
//!
//! Requests of the whole fleet pass a gate, so that a few are under way at any time however many devices wake at once.
//! With a state folder every device keeps its journal in a file, and the same fleet goes on after a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidewatch_client::http::HttpTransport;
use tidewatch_client::link::Stop;
use tidewatch_client::{Action, FileJournal, Journal, MemoryJournal, Reply};
use tidewatch_domain::time::{MINUTE_MS, Millis, SECOND_MS};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::device::{Setup, SimDevice};
use crate::dice::Dice;
use crate::history;
use crate::outing;
use crate::persona::{Profile, fleet};
use crate::rhythm::{Rhythm, Window};
use crate::scenario::Scenario;

/// Requests under way at any time.
const REQUESTS_UNDER_WAY_MAX: usize = 12;
/// Requests of one device before it looks at its window again.
const REQUESTS_PER_ROUND_MAX: usize = 50;
/// Mean time between two edits of one device.
const EDIT_EVERY_MS: f64 = 40_000.0;
/// The day begins with everybody at the shared lists: so long, and so many times as many edits.
const BUSY_MS: i64 = 2 * MINUTE_MS;
const BUSY_FACTOR: f64 = 4.0;
/// A device reports at most so often.
const REPORT_EVERY_MS: i64 = 15 * SECOND_MS;
/// Without the network it takes a report each so often, to send them when it is back.
const REPORT_AWAY_EVERY_MS: i64 = MINUTE_MS;
/// An hour of the run stands for so many in batteries and storage.
const STRETCH: f64 = 12.0;
/// When a site that goes dark does.
const DARK_AFTER_MS: i64 = 2 * MINUTE_MS;

/// A wall clock: the simulator reads none by itself.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// What to run.
#[derive(Clone)]
pub struct FleetOptions {
    /// Server, e.g. `http://127.0.0.1:4600`.
    pub url: String,
    /// Enrolment token.
    pub enrolment_token: String,
    /// How many devices.
    pub devices: u64,
    /// Draws the fleet.
    pub seed: u64,
    /// What kind of week it has.
    pub scenario: Scenario,
    /// Whether devices that enrol upload the week before.
    pub history: bool,
    /// Where devices keep their journals; without it they forget everything at the end.
    pub state: Option<PathBuf>,
    /// The wall clock.
    pub clock: Clock,
}

/// What the fleet has done, for a terminal.
#[derive(Debug, Default)]
pub struct Progress {
    /// Devices that have enrolled.
    pub enrolled: AtomicU64,
    /// Requests answered.
    pub answered: AtomicU64,
    /// Requests lost or refused.
    pub failed: AtomicU64,
    /// Operations with a final answer.
    pub settled: AtomicU64,
    /// Of them, rejected.
    pub rejected: AtomicU64,
    /// Of them, merged, superseded or in conflict.
    pub contested: AtomicU64,
    /// Commands that were carried out.
    pub obeyed: AtomicU64,
    /// Reports of the past that were uploaded.
    pub history: AtomicU64,
}

/// Runs the fleet until `stop` turns true or its sender is gone.
///
/// # Errors
/// When the transport can not be set up or a journal can not be opened. What goes wrong later stops one device, not the fleet.
pub async fn fleet_run(options: FleetOptions, progress: Arc<Progress>, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let transport = HttpTransport::new(&options.url)?;
    let gate = Arc::new(Semaphore::new(REQUESTS_UNDER_WAY_MAX));
    let begins = (options.clock)();
    let mut tasks = JoinSet::new();
    for profile in fleet(options.seed, options.devices, options.scenario) {
        let mut life = Life::new(profile, &options, transport.clone(), Arc::clone(&gate), Arc::clone(&progress), begins)?;
        let mut stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                ended = life.live() => {
                    if let Err(error) = ended {
                        tracing::error!(device = life.device.profile.name, %error, "a simulated device stopped");
                    }
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

type AnyJournal = Box<dyn Journal + Send>;

/// One device and its days.
struct Life {
    device: SimDevice<AnyJournal>,
    rhythm: Rhythm,
    dice: Dice,
    transport: HttpTransport,
    gate: Arc<Semaphore>,
    progress: Arc<Progress>,
    clock: Clock,
    begins: Millis,
    seed: u64,
    wants_history: bool,
    next_edit: Millis,
    last_report: Option<Millis>,
    offline_since: Option<Millis>,
    /// The window's link carries telemetry only.
    thin: bool,
}

impl Life {
    fn new(
        profile: Profile,
        options: &FleetOptions,
        transport: HttpTransport,
        gate: Arc<Semaphore>,
        progress: Arc<Progress>,
        begins: Millis,
    ) -> anyhow::Result<Self> {
        let journal: AnyJournal = match &options.state {
            Some(folder) => Box::new(FileJournal::open(&folder.join(format!("{}.journal", profile.name)))?),
            None => Box::new(MemoryJournal::default()),
        };
        let start = u64::try_from(begins.0).unwrap_or(0);
        let setup =
            Setup { seed: options.seed, enrolment_token: Some(options.enrolment_token.clone()), start, acknowledged_limit: 20 };
        let mut dice = Dice::new(options.seed ^ start, "fleet", profile.index);
        let mut device = SimDevice::open(profile.clone(), &setup, journal)?;
        let fresh = device.client.state().account.is_none();
        if fresh && options.history {
            let (edits, over_ms) = outing::edits_before(profile.persona, &mut dice);
            device.edit_before(begins, edits, over_ms)?;
        }
        Ok(Self {
            rhythm: Rhythm::new(profile.persona, 1),
            next_edit: begins.plus(dice.waiting_ms(if profile.bad_release {
                EDIT_EVERY_MS / 6.0
            } else {
                EDIT_EVERY_MS / BUSY_FACTOR
            })),
            device,
            dice,
            transport,
            gate,
            progress,
            clock: Arc::clone(&options.clock),
            begins,
            seed: options.seed,
            wants_history: options.history && fresh,
            last_report: None,
            offline_since: None,
            thin: false,
        })
    }

    fn now(&self) -> Millis {
        (self.clock)()
    }

    async fn live(&mut self) -> anyhow::Result<()> {
        for number in 0_u64.. {
            let now = self.now();
            let window = self.next_window(now, number);
            self.offline_since.get_or_insert(now);
            self.edit_until(window.opens).await?;
            if self.device.profile.cut_off && self.now().since(self.begins) > DARK_AFTER_MS {
                // The whole site is dark: people go on working, nothing gets out.
                self.edit_until(window.closes).await?;
                continue;
            }
            self.use_window(window).await?;
        }
        Ok(())
    }

    /// The next time in which the network may be used: soon at first, later after a trip.
    fn next_window(&mut self, now: Millis, number: u64) -> Window {
        let persona = self.device.profile.persona;
        let mut window = self.rhythm.next_window(now, number == 0, &mut self.dice);
        if number > 0 {
            let away = outing::trip_ms(persona, number == 1, &mut self.dice);
            (window.opens, window.closes) = (window.opens.plus(away), window.closes.plus(away));
        }
        self.thin = outing::link_is_thin(persona, &mut self.dice);
        window
    }

    /// Lets time pass while the owner works.
    async fn edit_until(&mut self, until: Millis) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            if now >= until {
                return Ok(());
            }
            if self.next_edit <= now {
                self.device.edit(now)?;
                let busy = now.since(self.begins) < BUSY_MS;
                let pause = self.dice.waiting_ms(if busy { EDIT_EVERY_MS / BUSY_FACTOR } else { EDIT_EVERY_MS });
                self.next_edit = now.plus(pause);
            }
            self.report_if_older(now, REPORT_AWAY_EVERY_MS);
            let report_due = self.last_report.map_or(until, |last| last.plus(REPORT_AWAY_EVERY_MS));
            let next = self.next_edit.min(until).min(report_due).since(now).max(1);
            tokio::time::sleep(Duration::from_millis(u64::try_from(next).unwrap_or(1))).await;
        }
    }

    async fn use_window(&mut self, window: Window) -> anyhow::Result<()> {
        while self.now() < window.closes {
            let now = self.now();
            // How it stands, before the round changes it: telemetry does not wait for the sync.
            self.report_if_older(now, REPORT_EVERY_MS);
            let offline_ms = self.offline_since.take().map_or(0, |since| now.since(since));
            self.sync(window.closes).await?;
            self.device.round_begin(offline_ms, window.foreground);
            self.device.client.control_begin();
            self.sync(window.closes).await?;
            let jittered = window.every_ms + self.dice.between(-window.every_ms / 5, window.every_ms / 5);
            let next_round = self.now().plus(jittered).min(window.closes);
            self.edit_until(next_round).await?;
        }
        Ok(())
    }

    /// Takes a report unless the last one is younger than this.
    fn report_if_older(&mut self, now: Millis, age_ms: i64) {
        if self.last_report.is_none_or(|last| now.since(last) >= age_ms) {
            self.last_report = Some(now);
            self.device.away(self.offline_since.map_or(0, |since| now.since(since)));
            self.device.report(now, STRETCH);
        }
    }

    /// Sends what the client wants to send, until it is idle or has to wait beyond the window.
    async fn sync(&mut self, until: Millis) -> anyhow::Result<()> {
        for _ in 0..REQUESTS_PER_ROUND_MAX {
            let now = self.now();
            match self.device.next_action(now)? {
                Action::Send(request) => {
                    let reply = self.exchange(&request).await;
                    self.answered(reply)?;
                }
                Action::Wait(device_clock) => {
                    let wait = device_clock.since(self.device.clock(now)).max(1);
                    if now.plus(wait) >= until || wait > 10 * SECOND_MS {
                        return Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(1))).await;
                }
                Action::Idle => return Ok(()),
                // Its sync is over until somebody helps; the control channel is how they do.
                Action::Stopped(Stop::Refused(_)) => return Ok(()),
                Action::Stopped(stop) => anyhow::bail!("the client stopped: {stop:?}"),
            }
        }
        Ok(())
    }

    /// One exchange over a link that takes its time, loses some requests, and some answers of requests that were carried out.
    async fn exchange(&mut self, request: &tidewatch_client::Request) -> Reply {
        let given_up = if self.thin { outing::given_up_after_ms(request, &mut self.dice) } else { None };
        if let Some(after_ms) = given_up {
            wait(after_ms).await;
            return lost();
        }
        let trip_ms = self.device.vitals.round_trip_ms(&mut self.dice);
        wait(trip_ms).await;
        let loss = self.device.vitals.loss();
        if self.dice.chance(loss / 2.0) {
            return lost();
        }
        let _permit = self.gate.acquire().await.expect("the gate is never closed");
        let reply = self.transport.send(request).await;
        if self.dice.chance(loss / 2.0) { lost() } else { delayed(reply, trip_ms) }
    }

    fn answered(&mut self, reply: Reply) -> anyhow::Result<()> {
        let enrolled_before = self.device.client.state().account.is_some();
        let now = self.now();
        let handled = self.device.handle(reply, now)?;
        let count = |counter: &AtomicU64, by: usize| counter.fetch_add(by as u64, Ordering::Relaxed);
        count(if handled.failed.is_some() { &self.progress.failed } else { &self.progress.answered }, 1);
        count(&self.progress.settled, handled.settled.iter().filter(|settled| settled.status != "deferred").count());
        count(&self.progress.obeyed, usize::from(handled.obeyed.is_some()));
        count(&self.progress.rejected, handled.settled.iter().filter(|settled| settled.status == "rejected").count());
        let contested = |status: &str| matches!(status, "merged" | "superseded" | "conflict");
        count(&self.progress.contested, handled.settled.iter().filter(|settled| contested(&settled.status)).count());
        if !enrolled_before && self.device.client.state().account.is_some() {
            count(&self.progress.enrolled, 1);
            if std::mem::take(&mut self.wants_history) {
                let reports = history::week(&self.device.profile, self.seed, now);
                count(&self.progress.history, reports.len());
                reports.iter().for_each(|report| self.device.client.report_enqueue(report));
            }
        }
        Ok(())
    }
}

async fn wait(ms: i64) {
    tokio::time::sleep(Duration::from_millis(u64::try_from(ms).unwrap_or(0))).await;
}

/// The reply as the device sees it, its way over the link included.
fn delayed(reply: Reply, link_ms: i64) -> Reply {
    match reply {
        Reply::Answer { status, body, retry_after_ms, took_ms } => {
            #[expect(clippy::cast_precision_loss, reason = "below a few seconds")]
            let took_ms = took_ms + link_ms as f64;
            Reply::Answer { status, body, retry_after_ms, took_ms }
        }
        Reply::Bytes { status, bytes, took_ms } => {
            #[expect(clippy::cast_precision_loss, reason = "below a few seconds")]
            let took_ms = took_ms + link_ms as f64;
            Reply::Bytes { status, bytes, took_ms }
        }
        lost => lost,
    }
}

fn lost() -> Reply {
    Reply::Lost { detail: "the link dropped".to_owned() }
}
