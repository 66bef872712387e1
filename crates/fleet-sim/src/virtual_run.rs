//! A fleet in virtual time against a service in this process: a phase of faults, then calm, then the checkers.
//!
//! One event after the other, each at its time of the world; nothing waits for a real clock, so days take seconds and the
//! same seed takes the same course. The service commits in the order of events because every request is awaited before
//! the next event is looked at.

mod calm;
mod command;
mod observe;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tidewatch_client::{Action, Handled, MemoryJournal, Reply, Request};
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis, SECOND_MS};

use crate::checks::{DeviceObserved, Observed, PageSeen};
use crate::device::{SimDevice, device_id};
use crate::dice::Dice;
use crate::in_process::InProcess;
use crate::persona::{Profile, fleet};
use crate::places::SITES;
use crate::rhythm::{Rhythm, Window};
use crate::scenario::Scenario;
use crate::world::{Fate, Network, Roughness};

/// How long a device waits for an answer.
const TIMEOUT_MS: i64 = 30 * SECOND_MS;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Draws everything.
    pub seed: u64,
    /// How many devices.
    pub devices: u64,
    /// Scenario.
    pub scenario: Scenario,
    /// When the world begins.
    pub begins: Millis,
    /// Length of the phase of faults.
    pub faults_ms: i64,
    /// Factor on the pauses of personas.
    pub stretch: i64,
    /// Mean time between two edits of one device.
    pub edit_every_ms: i64,
    /// Mean time between two commands to one device; none without.
    pub command_every_ms: Option<i64>,
    /// How rough the network is.
    pub roughness: Roughness,
}

impl RunOptions {
    /// A rough half day of a small fleet with this seed.
    #[must_use]
    pub const fn rough(seed: u64) -> Self {
        Self {
            seed,
            devices: 16,
            scenario: Scenario::BadRelease,
            begins: Millis(1_790_000_000_000),
            faults_ms: 12 * HOUR_MS,
            stretch: 30,
            edit_every_ms: 10 * MINUTE_MS,
            command_every_ms: None,
            roughness: Roughness::ROUGH,
        }
    }
}

/// Something that happens.
#[derive(Debug)]
enum Happening {
    /// A window is to be drawn.
    Rest { first: bool },
    /// A window opens.
    Open(Window),
    /// A round is due inside the window.
    Round,
    /// The device may go on.
    Go,
    /// Its owner does something.
    Edit,
    /// Staff gives it a command.
    Command,
    /// A request reaches the service.
    Arrive(Box<(Request, Fate)>),
    /// A copy of a request reaches the service.
    Again(Box<Request>),
    /// A reply reaches the device.
    Reply(Box<(Reply, bool)>),
}

/// An event: when, in which order, whose, of which start of its process.
#[derive(Debug)]
struct Event {
    at: Millis,
    order: u64,
    device: usize,
    start: u64,
    happening: Happening,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// One device and its life in the world.
struct Life {
    device: Option<SimDevice<MemoryJournal>>,
    profile: Profile,
    rhythm: Rhythm,
    dice: Dice,
    window: Option<Window>,
    waiting_for_reply: bool,
    start: u64,
    site: usize,
    seen: DeviceObserved,
}

/// The world.
struct World<'t> {
    options: RunOptions,
    transport: &'t InProcess,
    network: Network,
    lives: Vec<Life>,
    events: BinaryHeap<Reverse<Event>>,
    order: u64,
    now: Millis,
}

/// Runs a world and answers what was observed.
///
/// # Errors
/// When a journal in memory fails, or the service can not be read at the end; both are defects of the simulation itself.
pub async fn run(transport: &InProcess, options: RunOptions) -> anyhow::Result<Observed> {
    let mut world = World::new(transport, options)?;
    let end = options.begins.plus(options.faults_ms);
    while let Some(Reverse(event)) = world.events.pop() {
        world.now = world.now.max(event.at);
        // After the end nobody begins anything; what is on its way still arrives.
        let begins = !matches!(event.happening, Happening::Arrive(_) | Happening::Again(_) | Happening::Reply(_));
        if begins && event.at > end {
            continue;
        }
        world.happen(event).await?;
    }
    let settled = world.calm_down().await?;
    world.observe(settled).await
}

impl<'t> World<'t> {
    fn new(transport: &'t InProcess, options: RunOptions) -> anyhow::Result<Self> {
        let mut world = Self {
            network: Network::new(options.seed, SITES.len(), options.roughness, options.begins),
            lives: Vec::new(),
            events: BinaryHeap::new(),
            order: 0,
            now: options.begins,
            options,
            transport,
        };
        for profile in fleet(options.seed, options.devices, options.scenario) {
            let life = Life::new(profile, options)?;
            world.lives.push(life);
            let index = world.lives.len() - 1;
            world.plan(0, index, Happening::Rest { first: true });
            world.plan_edit(index);
            world.plan_command(index);
        }
        Ok(world)
    }

    fn plan(&mut self, in_ms: i64, device: usize, happening: Happening) {
        self.order += 1;
        let event = Event { at: self.now.plus(in_ms), order: self.order, device, start: self.lives[device].start, happening };
        self.events.push(Reverse(event));
    }

    fn plan_edit(&mut self, index: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a mean of minutes")]
        let mean = self.options.edit_every_ms as f64;
        let pause = self.lives[index].dice.waiting_ms(mean);
        self.plan(pause, index, Happening::Edit);
    }

    async fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        let index = event.device;
        match event.happening {
            Happening::Rest { first } => {
                let (now, life) = (self.now, &mut self.lives[index]);
                let window = life.rhythm.next_window(now, first, &mut life.dice);
                self.plan(window.opens.since(now), index, Happening::Open(window));
                self.plan(window.closes.since(now), index, Happening::Rest { first: false });
            }
            Happening::Open(window) => {
                self.lives[index].window = Some(window);
                self.round(index)?;
            }
            Happening::Round => self.round(index)?,
            Happening::Go => self.go(index)?,
            Happening::Edit => {
                let now = self.now;
                let life = &mut self.lives[index];
                if let Some(operation) = life.device_mut().edit(now)? {
                    life.seen.queued.push(operation);
                }
                self.plan_edit(index);
            }
            Happening::Command => self.command(index).await?,
            Happening::Arrive(exchange) => self.arrive(index, *exchange).await,
            Happening::Again(request) => drop(self.transport.send(&request, self.now).await),
            Happening::Reply(reply) if event.start == self.lives[index].start => self.reply(index, reply.0, reply.1)?,
            Happening::Reply(_) => {}
        }
        Ok(())
    }

    fn round(&mut self, index: usize) -> anyhow::Result<()> {
        let (now, life) = (self.now, &mut self.lives[index]);
        let Some(window) = life.window.filter(|window| now < window.closes) else { return Ok(()) };
        life.device_mut().round_begin(0, window.foreground);
        if self.options.command_every_ms.is_some() {
            life.device_mut().client.control_begin();
        }
        self.plan(window.every_ms, index, Happening::Round);
        self.go(index)
    }

    /// Lets a device send its next request, if it may.
    fn go(&mut self, index: usize) -> anyhow::Result<()> {
        let (now, life) = (self.now, &mut self.lives[index]);
        if life.waiting_for_reply || life.window.is_none_or(|window| now >= window.closes) {
            return Ok(());
        }
        match life.device_mut().next_action(now)? {
            Action::Send(request) => {
                life.waiting_for_reply = true;
                let fate = self.network.fate(life.site, now);
                if fate.arrives {
                    self.plan(fate.there_ms, index, Happening::Arrive(Box::new((request, fate))));
                } else {
                    self.plan(TIMEOUT_MS, index, Happening::Reply(Box::new((lost(), fate.crash))));
                }
            }
            Action::Wait(device_clock) => {
                let wait = device_clock.since(life.device_mut().clock(now)).max(1);
                self.plan(wait, index, Happening::Go);
            }
            Action::Idle | Action::Stopped(_) => {}
        }
        Ok(())
    }

    async fn arrive(&mut self, index: usize, (request, fate): (Request, Fate)) {
        let reply = self.transport.send(&request, self.now).await;
        if let Some(later) = fate.again_ms {
            self.plan(later, index, Happening::Again(Box::new(request)));
        }
        if fate.answered {
            self.plan(fate.back_ms, index, Happening::Reply(Box::new((reply, fate.crash))));
        } else {
            self.plan(TIMEOUT_MS, index, Happening::Reply(Box::new((lost(), fate.crash))));
        }
    }

    fn reply(&mut self, index: usize, reply: Reply, crash: bool) -> anyhow::Result<()> {
        let (now, options) = (self.now, self.options);
        let life = &mut self.lives[index];
        life.waiting_for_reply = false;
        if crash {
            return life.crash(options);
        }
        // A process that the system suspended does not see the answer.
        let suspended = life.window.is_none_or(|window| now >= window.closes.plus(TIMEOUT_MS));
        let handled = life.device_mut().handle(if suspended { lost() } else { reply }, now)?;
        life.note(handled, now);
        self.go(index)
    }
}

impl Life {
    fn new(profile: Profile, options: RunOptions) -> anyhow::Result<Self> {
        let site = SITES.iter().position(|site| site == profile.site).expect("profiles are of known sites");
        let device = SimDevice::open(profile.clone(), &setup(options, 0), MemoryJournal::default())?;
        let seen = DeviceObserved {
            name: profile.name.clone(),
            client_id: device_id(options.seed, profile.index),
            scopes: profile.scopes(),
            ..DeviceObserved::default()
        };
        Ok(Self {
            device: Some(device),
            rhythm: Rhythm::new(profile.persona, options.stretch),
            dice: Dice::new(options.seed, "world", profile.index),
            window: None,
            waiting_for_reply: false,
            start: 0,
            site,
            seen,
            profile,
        })
    }

    fn device_mut(&mut self) -> &mut SimDevice<MemoryJournal> {
        self.device.as_mut().expect("a device is only away while it crashes")
    }

    /// The process dies and starts again on what its journal kept.
    fn crash(&mut self, options: RunOptions) -> anyhow::Result<()> {
        let device = self.device.take().expect("a device is only away while it crashes");
        let mut journal = device.client.into_journal();
        journal.crash(self.dice.rng());
        self.start += 1;
        self.device = Some(SimDevice::open(self.profile.clone(), &setup(options, self.start), journal)?);
        Ok(())
    }

    fn note(&mut self, handled: Handled, now: Millis) {
        self.seen.answers.extend(handled.settled);
        self.seen.obeyed.extend(handled.obeyed.map(|command| (command, now.0)));
        self.seen.drained.extend(handled.drained);
        let start = self.start;
        self.seen.pages.extend(handled.pulled.map(|pulled| PageSeen { start, pulled }));
    }
}

fn setup(options: RunOptions, start: u64) -> crate::device::Setup {
    crate::device::Setup { seed: options.seed, enrolment_token: Some("in process".to_owned()), start, acknowledged_limit: 100 }
}

fn lost() -> Reply {
    Reply::Lost { detail: "no answer".to_owned() }
}
