//! The command line. One binary, one sentence for what is wrong: exit 2 for bad settings, 1 for a failure, 0 otherwise.

mod drain;
mod purge;
mod staff;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::capture::{self, ReplayArgs};
use crate::demo::{self, DemoArgs};
use crate::serve;
use crate::settings::{DataArgs, LogArgs, ServeArgs};
use crate::simulate::{self, SimulateArgs};

pub use drain::{ChangeChoice, DrainCommand};
pub use purge::PurgeArgs;
pub use staff::{CollectionsCommand, ControlCommand, DeviceCommand, TokenCommand, UserCommand};

/// An operations console for fleets of offline-first clients, with its own sync store.
#[derive(Clone, Debug, Parser)]
#[command(name = "tidewatch", version, about)]
pub struct Cli {
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run a server with a simulated fleet that talks to it
    Demo(DemoArgs),
    /// Run a simulated fleet against a server
    Simulate(SimulateArgs),
    /// Staff: add, set a password, remove, list
    #[command(subcommand)]
    User(UserCommand),
    /// Tokens: create, list, revoke
    #[command(subcommand)]
    Token(TokenCommand),
    /// Devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// The control channel
    #[command(subcommand)]
    Control(ControlCommand),
    /// Collections: import, list, export
    #[command(subcommand)]
    Collections(CollectionsCommand),
    /// Drain entries of outboxes, on a running server: preview, submit, watch, list, change, purge, cancel
    #[command(subcommand)]
    Drain(DrainCommand),
    /// Bring the schema of the store up to date, and stop
    Migrate(DataArgs),
    /// Compute the chains of the log and of the audit log again, rebuild records and digests, and compare
    Verify(DataArgs),
    /// Decide a captured log again, and compare
    Replay(ReplayArgs),
    /// Print the OpenAPI description
    Openapi,
}

/// What was wrong, and how bad.
#[derive(Debug)]
pub enum Failure {
    /// A setting, in one sentence that names it.
    Settings(String),
    /// Something that did not work.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli) {
        Ok(code) => code,
        Err(Failure::Settings(sentence)) => {
            eprintln!("tidewatch: {sentence}");
            ExitCode::from(2)
        }
        Err(Failure::Broken(error)) => {
            eprintln!("tidewatch: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Help and version go out whole; of a bad setting the one sentence that names it.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // Nowhere to print to is no reason to fail.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let text = error.to_string();
    let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    eprintln!("tidewatch: {sentence}");
    ExitCode::from(2)
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    crate::observe::logs_start(&cli.log.log, cli.log.log_format).map_err(Failure::Settings)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::Broken(error.into()))?;
    if let Command::Drain(command) = cli.command {
        return Ok(runtime.block_on(drain::drain(command))?);
    }
    run_plain(cli.command, &runtime).map(|()| ExitCode::SUCCESS)
}

/// Commands that either work or fail.
fn run_plain(command: Command, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    match command {
        Command::Drain(_) => Ok(()),
        Command::Serve(args) => {
            let listen = args.listen_address().map_err(Failure::Settings)?;
            Ok(runtime.block_on(serve::serve(&args, listen))?)
        }
        Command::Demo(args) => Ok(runtime.block_on(demo::demo(&args))?),
        Command::Simulate(args) => Ok(runtime.block_on(simulate::simulate(args))?),
        Command::User(command) => Ok(runtime.block_on(staff::user(command))?),
        Command::Token(command) => Ok(runtime.block_on(staff::token(command))?),
        Command::Device(command) => Ok(runtime.block_on(staff::device(command))?),
        Command::Control(command) => Ok(runtime.block_on(staff::control(command))?),
        Command::Collections(command) => Ok(runtime.block_on(staff::collections(command))?),
        Command::Migrate(data) => Ok(runtime.block_on(migrate(&data))?),
        Command::Verify(data) => Ok(runtime.block_on(verify(&data))?),
        Command::Replay(args) => Ok(capture::replay_print(&args)?),
        Command::Openapi => {
            println!("{}", crate::api::openapi::text());
            Ok(())
        }
    }
}

async fn migrate(data: &DataArgs) -> anyhow::Result<()> {
    serve::Opened::open(data, &crate::clock::Clock::system()).await?.close().await?;
    println!("The store under {} is up to date", data.data.display());
    Ok(())
}

/// Fails when anything is wrong, after it has said what.
async fn verify(data: &DataArgs) -> anyhow::Result<()> {
    anyhow::ensure!(data.data.join("sync.db").is_file(), "--data {} holds no store", data.data.display());
    let opened = serve::Opened::open(data, &crate::clock::Clock::system()).await?;
    let report = opened.store().verify().await?;
    opened.close().await?;
    for finding in &report.findings {
        println!("{finding}");
    }
    let tidewatch_store::sync::VerifyReport {
        changes,
        records,
        audit_events,
        sealed,
        purged,
        rolled,
        snapshots,
        wrong,
        chain,
        ..
    } = &report;
    anyhow::ensure!(report.is_sound(), "{wrong} things are wrong with the store under {}", data.data.display());
    println!(
        "Sound: {changes} changes, {records} records, {audit_events} audit events, {sealed} sealed and {purged} purged payloads, {rolled} drains whose entries are in files, {snapshots} snapshots; the log's chain ends in {chain}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bad_setting_is_named() {
        let error = Cli::try_parse_from(["tidewatch", "serve", "--listen", "nowhere"]).expect_err("refused");
        assert!(error.to_string().lines().next().is_some_and(|line| line.contains("--listen")));
    }
}
