//! Closed loops over connections, and what they came to: a rate over the wall clock, and one per second of the server's processor
//! time, which survives a busy machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::proc;
use crate::server::Server;

/// One connection and what it does over and over.
pub(crate) trait Lane: Send + 'static {
    /// Sends one request, checks the answer, and says how many units it was; 0 ends the lane.
    fn turn(&mut self) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this time.
    Time(Duration),
    /// When so many units are done.
    Units(u64),
}

/// What a load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) units: u64,
    pub(crate) seconds: f64,
    pub(crate) server_seconds: f64,
    /// Share of the machine that neither the server nor this driver used, in percent.
    pub(crate) others: f64,
}

impl Load {
    /// Units a second.
    pub(crate) fn rate(&self) -> f64 {
        self.units as f64 / self.seconds
    }

    /// Both, one after the other.
    pub(crate) fn plus(self, other: Self) -> Self {
        let seconds = self.seconds + other.seconds;
        let others = (self.others * self.seconds + other.others * other.seconds) / seconds;
        let server_seconds = self.server_seconds + other.server_seconds;
        Self { units: self.units + other.units, seconds, server_seconds, others }
    }

    /// Units for a second of the server's processor time.
    pub(crate) fn per_cpu(&self) -> f64 {
        self.units as f64 / self.server_seconds.max(0.01)
    }
}

/// Watches what a stretch of time costs.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    server: Duration,
    own: Duration,
    machine: Duration,
}

impl Meter {
    pub(crate) fn start(server: &Server) -> anyhow::Result<Self> {
        let (own, machine) = (proc::process_cpu("self")?, proc::machine_cpu()?);
        Ok(Self { server: server.cpu()?, own, machine, started: Instant::now() })
    }

    pub(crate) fn stop(self, server: &Server, units: u64) -> anyhow::Result<Load> {
        let seconds = self.started.elapsed().as_secs_f64();
        let server_seconds = (server.cpu()?.saturating_sub(self.server)).as_secs_f64();
        let own = proc::process_cpu("self")?.saturating_sub(self.own).as_secs_f64();
        let machine = proc::machine_cpu()?.saturating_sub(self.machine).as_secs_f64();
        let others = (machine - own - server_seconds).max(0.0) / (seconds * proc::cores() as f64) * 100.0;
        Ok(Load { units, seconds, server_seconds, others })
    }
}

/// Runs the lanes side by side; gives them back with what they came to.
pub(crate) async fn run<L: Lane>(server: &Server, lanes: Vec<L>, until: Until) -> anyhow::Result<(Vec<L>, Load)> {
    let meter = Meter::start(server)?;
    let started = Instant::now();
    let done = Arc::new(AtomicU64::new(0));
    let left = Arc::new(AtomicI64::new(match until {
        Until::Units(units) => units.cast_signed(),
        Until::Time(_) => i64::MAX,
    }));
    let running = lanes.into_iter().map(|mut lane| {
        let (done, left) = (Arc::clone(&done), Arc::clone(&left));
        tokio::spawn(async move {
            let open =
                || left.load(Ordering::Relaxed) > 0 && !matches!(until, Until::Time(length) if started.elapsed() >= length);
            while open() {
                let units = lane.turn().await?;
                if units == 0 {
                    break;
                }
                done.fetch_add(units, Ordering::Relaxed);
                left.fetch_sub(units.cast_signed(), Ordering::Relaxed);
            }
            anyhow::Ok(lane)
        })
    });
    let mut lanes = Vec::new();
    for lane in running.collect::<Vec<_>>() {
        lanes.push(lane.await.expect("a lane does not panic")?);
    }
    let load = meter.stop(server, done.load(Ordering::Relaxed))?;
    Ok((lanes, load))
}
