//! `tidewatch demo`: a primary, and a simulated fleet that talks to it over real HTTP from a runtime of its own.
//!
//! The fleet has no way into the server but the one that devices have. Its journals lie beside the demo's data, so a second
//! start goes on with the same devices.

pub mod accounts;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tidewatch_fleet_sim::{FleetOptions, Progress, Scenario, fleet_run};
use tidewatch_service::sync::COLLECTIONS_DEMO;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::serve::{Running, told_to_stop};
use crate::settings::{DataArgs, DurabilityChoice};
use crate::simulate::scenario_read;

use self::accounts::Accounts;

/// Arguments of `tidewatch demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Directory of the demo's data
    #[arg(long, default_value = "./data/demo", env = "TIDEWATCH_DATA")]
    pub data: PathBuf,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:4600", env = "TIDEWATCH_LISTEN")]
    pub listen: SocketAddr,
    /// How many simulated devices
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(0..=2_000))]
    pub devices: u64,
    /// Draws the fleet
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// ordinary, bad_release, dark_depot or fast_clocks
    #[arg(long, default_value = "bad_release", value_parser = scenario_read)]
    pub scenario: Scenario,
    /// Start without the invented week before
    #[arg(long)]
    pub no_history: bool,
}

/// Runs server and fleet until it is told to stop.
///
/// # Errors
/// When one of them does not start, or does not stop cleanly.
pub async fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let data = DataArgs { data: args.data.clone(), durability: DurabilityChoice::Full, escrow_key: None, accept_rollback: false };
    let running = Running::start(&data, args.listen, clock.clone()).await?;
    let (service, cx) = (running.app.service(), running.app.system_cx());
    if service.collections().is_empty() {
        service.collections_import(&cx, COLLECTIONS_DEMO).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    }
    let accounts = accounts::accounts(service, &args.data, clock.now()).await?;
    let fleet = FleetBeside::start(args, running.address, &accounts, clock)?;
    println!("{}", greeting(running.address, &accounts, args));
    told_to_stop().await?;
    tracing::info!("stopping");
    let ended = tokio::task::spawn_blocking(move || fleet.stop()).await?;
    running.stop().await?;
    ended
}

/// What is printed once the server listens.
fn greeting(listen: SocketAddr, accounts: &Accounts, args: &DemoArgs) -> String {
    let mut text = format!("Tidewatch demo: http://{listen}\n\nSign in with one of\n");
    for account in accounts.accounts.iter().rev() {
        text.push_str(&format!("  {:<9} {}   ({})\n", account.name, account.password, account.role));
    }
    text.push_str(&format!(
        "\n{} simulated devices are on their way ({}); data in {}. Ctrl-C ends both.",
        args.devices,
        args.scenario.as_str(),
        args.data.display()
    ));
    text
}

/// The fleet beside the server: a thread with a small runtime, so that a busy fleet can not starve the handlers.
#[derive(Debug)]
struct FleetBeside {
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl FleetBeside {
    /// Starts the fleet against a server that listens already.
    ///
    /// # Errors
    /// When the thread can not be started.
    fn start(args: &DemoArgs, listen: SocketAddr, accounts: &Accounts, clock: Clock) -> anyhow::Result<Self> {
        let options = FleetOptions {
            url: format!("http://{listen}"),
            enrolment_token: accounts.enrolment_token.clone(),
            devices: args.devices,
            seed: args.seed,
            scenario: args.scenario,
            history: !args.no_history,
            state: Some(args.data.join("fleet")),
            clock: Arc::new(move || clock.now()),
        };
        let (stop, stopped) = watch::channel(false);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(fleet_run(options, Arc::new(Progress::default()), stopped))
        };
        let thread = std::thread::Builder::new().name("fleet".to_owned()).spawn(run)?;
        Ok(Self { stop, thread })
    }

    /// Ends the fleet and waits for it; its journals are complete at any moment.
    ///
    /// # Errors
    /// What ended it early, if anything did.
    fn stop(self) -> anyhow::Result<()> {
        // It may have ended by itself; then nobody listens, and joining says why.
        let _ = self.stop.send(true);
        self.thread.join().map_err(|_| anyhow::anyhow!("the fleet's thread panicked"))?
    }
}
