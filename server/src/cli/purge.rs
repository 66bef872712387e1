//! `tidewatch drain purge`: payloads that retention does not keep any more, purged before the clock does it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::drain::{Caller, ServerArgs};

/// How often the run is looked at, and for how long.
const LOOK: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(600);

/// What is purged.
#[derive(Clone, Debug, Args)]
pub struct PurgeArgs {
    /// Payloads that are due, as this command says without it: another count is refused
    #[arg(long, requires = "reason")]
    pub count: Option<u64>,
    /// Why, 8 to 500 characters
    #[arg(long)]
    pub reason: Option<String>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Says what is due, or begins a run and waits for its end. Exit code 3 when another count is due, or none.
pub(super) async fn purge(args: PurgeArgs) -> anyhow::Result<ExitCode> {
    let caller = Caller::new(&args.server)?;
    let Some(count) = args.count else {
        let report = caller.get("/purges?limit=1").await?;
        println!("{} due; {}", report["due"], retention(&report));
        return Ok(ExitCode::SUCCESS);
    };
    let body = json!({"count": count, "reason": args.reason});
    let run = match caller.ask(Method::POST, "/purges", Some(&body)).await? {
        Ok(run) => run,
        Err(refused) if refused.code == "state_conflict" => {
            eprintln!("tidewatch: {}", refused.words);
            return Ok(ExitCode::from(3));
        }
        Err(refused) => bail!("{}", refused.words),
    };
    ended(&caller, run["id"].as_str().context("the answer names no run")?).await
}

async fn ended(caller: &Caller, id: &str) -> anyhow::Result<ExitCode> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let run = caller.get(&format!("/purges/{id}")).await?;
        if run["finished_at"].is_string() {
            println!("{}", line(&run));
            return Ok(if run["state"] == "done" { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if tokio::time::Instant::now() > until {
            bail!("{id} is not over after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn line(run: &Value) -> String {
    let text = |name: &str| run[name].as_str().unwrap_or("none").to_owned();
    format!(
        "{} {}: {} of {} purged, in {}, sha256 {}",
        text("id"),
        text("state"),
        run["removed"],
        run["entries"],
        text("file"),
        text("sha256")
    )
}

fn retention(report: &Value) -> String {
    let days = |name: &str| match report["retention"][name].as_u64() {
        Some(days) => format!("for {days} d"),
        None => "for ever".to_owned(),
    };
    format!("discarded is kept {}, quarantined {}", days("discarded_days"), days("quarantined_days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_and_what_is_kept_are_one_line_each() {
        let run =
            json!({"id": "P3", "state": "done", "removed": 7, "entries": 8, "file": "purged/P3.ndjson.zst", "sha256": "ab"});
        assert_eq!(line(&run), "P3 done: 7 of 8 purged, in purged/P3.ndjson.zst, sha256 ab");
        let report = json!({"retention": {"discarded_days": 30, "quarantined_days": null}});
        assert_eq!(retention(&report), "discarded is kept for 30 d, quarantined for ever");
    }
}
