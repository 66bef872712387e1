//! `tidewatch simulate`: a simulated fleet against a server that runs already.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidewatch_fleet_sim::{FleetOptions, Progress, Scenario, fleet_run};
use tokio::sync::watch;

use crate::clock::Clock;

/// How often a running fleet says what it does.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `tidewatch simulate`.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// Server to sync with, for example http://127.0.0.1:4600
    #[arg(long, env = "TIDEWATCH_URL")]
    pub url: String,
    /// Enrolment token, as `tidewatch token create --kind enrolment` prints it
    #[arg(long, env = "TIDEWATCH_ENROL", hide_env_values = true)]
    pub enrol: String,
    /// How many devices
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    pub devices: u64,
    /// Draws the fleet: the same seed is the same fleet
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// ordinary, bad_release, dark_depot or fast_clocks
    #[arg(long, default_value = "bad_release", value_parser = scenario_read)]
    pub scenario: Scenario,
    /// Stop by itself after so many minutes
    #[arg(long)]
    pub minutes: Option<u64>,
    /// Devices that enrol upload the reports of an invented week before
    #[arg(long)]
    pub history: bool,
    /// Folder for the journals of the devices, so that the same fleet can go on later
    #[arg(long)]
    pub state: Option<PathBuf>,
}

/// Reads the name of a scenario.
///
/// # Errors
/// Words that name the scenarios.
pub fn scenario_read(text: &str) -> Result<Scenario, String> {
    Scenario::parse(text).ok_or_else(|| {
        let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.as_str()).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// Runs the fleet until it is interrupted, or for the minutes asked.
///
/// # Errors
/// When the transport can not be set up or a journal can not be opened.
pub async fn simulate(args: SimulateArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let options = FleetOptions {
        url: args.url,
        enrolment_token: args.enrol,
        devices: args.devices,
        seed: args.seed,
        scenario: args.scenario,
        history: args.history,
        state: args.state,
        clock: Arc::new(move || clock.now()),
    };
    let progress = Arc::new(Progress::default());
    let (stop, stopped) = watch::channel(false);
    let fleet = tokio::spawn(fleet_run(options, Arc::clone(&progress), stopped));
    let limit = args.minutes.map_or(Duration::MAX, |minutes| Duration::from_secs(minutes.saturating_mul(60)));
    tokio::select! {
        () = tell(&progress, args.devices) => {}
        () = tokio::time::sleep(limit) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    // The fleet may be gone already; then there is nobody to tell.
    let _ = stop.send(true);
    fleet.await??;
    println!("{}", line(&progress, args.devices));
    Ok(())
}

/// Says what the fleet does, for ever.
async fn tell(progress: &Progress, devices: u64) {
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        println!("{}", line(progress, devices));
    }
}

/// What the fleet has done, in one line.
#[must_use]
pub fn line(progress: &Progress, devices: u64) -> String {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    format!(
        "{} of {devices} devices enrolled in this run; {} requests answered, {} lost or refused; {} operations settled, {} of them rejected, {} contested",
        count(&progress.enrolled),
        count(&progress.answered),
        count(&progress.failed),
        count(&progress.settled),
        count(&progress.rejected),
        count(&progress.contested),
    )
}
