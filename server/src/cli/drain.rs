//! `tidewatch drain …`: draining from scripts. Talks to a running server over HTTP with an API token, so that a script may do exactly what
//! the role of its token may.
//!
//! Exit codes: 0 done; 1 it did not work, or the job ended with failures; 2 bad arguments; 3 the set has changed, nothing was done;
//! 4 the job waits for a second person or has stopped.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Draining.
#[derive(Clone, Debug, Subcommand)]
pub enum DrainCommand {
    /// Freeze a selection and print its dry run, JSON
    Preview(PreviewArgs),
    /// Submit a frozen set; prints the id of the job
    Submit(SubmitArgs),
    /// Watch a job until it is over
    Watch {
        /// Id of the job
        job: String,
        /// Give up after so many seconds
        #[arg(long, default_value_t = 3_600)]
        timeout: u64,
        /// The server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List jobs, newest first
    List {
        /// So many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
        /// The server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Move a job
    Change {
        /// How
        change: ChangeChoice,
        /// Id of the job
        job: String,
        /// For its history
        #[arg(long)]
        remark: Option<String>,
        /// The server.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Purge payloads that retention does not keep any more, before the clock does; without --count, says how many are due
    Purge(super::purge::PurgeArgs),
    /// Cancel a job: what was done stays done
    Cancel {
        /// Id of the job
        job: String,
        /// For its history
        #[arg(long)]
        remark: Option<String>,
        /// The server.
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// How a job is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChangeChoice {
    /// Agree, as the second person
    Approve,
    /// Do not agree
    Refuse,
    /// Stop for now
    Pause,
    /// Go on
    Resume,
    /// Take back what can be
    Undo,
    /// Say that its end was seen
    Acknowledge,
}

impl ChangeChoice {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Undo => "undo",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// Which server, as whom.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Address of the server
    #[arg(long, env = "TIDEWATCH_URL", default_value = "http://127.0.0.1:4600")]
    pub url: String,
    /// API token, `twa_…`
    #[arg(long, env = "TIDEWATCH_TOKEN", hide_env_values = true)]
    pub token: String,
}

/// What is frozen.
#[derive(Clone, Debug, Args)]
pub struct PreviewArgs {
    /// retry, hold, skip, patch, to_conflict, quarantine, discard or restore
    #[arg(long)]
    pub action: String,
    /// What becomes of those that wait behind: take_along, hold or cut
    #[arg(long)]
    pub dependants: String,
    /// Filter of the list of entries
    #[arg(long, conflicts_with = "entry")]
    pub filter: Option<String>,
    /// Group of failures
    #[arg(long, conflicts_with = "entry")]
    pub group: Option<String>,
    /// One entry, as device/operation; may stand more than once
    #[arg(long)]
    pub entry: Vec<String>,
    /// With patch: operations of RFC 6902, or {"op": "convert", "path": "/reading", "to": "number"}; a JSON list
    #[arg(long)]
    pub patch: Option<String>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What is submitted.
#[derive(Clone, Debug, Args)]
pub struct SubmitArgs {
    /// Id of the set
    pub set: String,
    /// Entries that the dry run showed: what does not fit is refused
    #[arg(long)]
    pub count: u64,
    /// Hash that the dry run showed
    #[arg(long)]
    pub hash: String,
    /// Why, 8 to 500 characters
    #[arg(long)]
    pub reason: String,
    /// The same key is the same submission; that of the set when absent
    #[arg(long)]
    pub key: Option<String>,
    /// Entries that go ahead
    #[arg(long)]
    pub canary: Option<u32>,
    /// Entries a second, at most
    #[arg(long)]
    pub rate: Option<u32>,
    /// The server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// One server.
pub(super) struct Caller {
    client: reqwest::Client,
    server: ServerArgs,
}

/// An answer that is a problem.
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) words: String,
}

impl Caller {
    pub(super) fn new(server: &ServerArgs) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().context("no HTTP client")?;
        Ok(Self { client, server: server.clone() })
    }

    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Result<Value, Refused>> {
        let url = format!("{}/api/v1/outbox{path}", self.server.url.trim_end_matches('/'));
        let mut request = self.client.request(method, &url).bearer_auth(&self.server.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("--url {} does not answer", self.server.url))?;
        let good = answer.status().is_success();
        let text = answer.text().await.context("the answer broke off")?;
        let value: Value = serde_json::from_str(&text).context("the answer is no JSON")?;
        if good {
            return Ok(Ok(value));
        }
        let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Ok(Err(Refused { code: word("code"), words: format!("{}: {}", word("title"), word("detail")) }))
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        match self.ask(reqwest::Method::GET, path, None).await? {
            Ok(value) => Ok(value),
            Err(refused) => bail!("{}", refused.words),
        }
    }
}

/// Runs one of the commands.
///
/// # Errors
/// When the server does not answer or refuses.
pub(super) async fn drain(command: DrainCommand) -> anyhow::Result<ExitCode> {
    match command {
        DrainCommand::Preview(args) => preview(args).await,
        DrainCommand::Submit(args) => submit(args).await,
        DrainCommand::Watch { job, timeout, server } => watch(&Caller::new(&server)?, &job, timeout).await,
        DrainCommand::List { limit, server } => list(&Caller::new(&server)?, limit).await,
        DrainCommand::Change { change, job, remark, server } => changed(&server, change.as_str(), &job, remark).await,
        DrainCommand::Purge(args) => super::purge::purge(args).await,
        DrainCommand::Cancel { job, remark, server } => changed(&server, "cancel", &job, remark).await,
    }
}

fn selection(args: &PreviewArgs) -> anyhow::Result<Value> {
    if args.entry.is_empty() {
        return Ok(match &args.group {
            Some(group) => json!({"group": group, "filter": args.filter.clone().unwrap_or_default()}),
            None => json!({"filter": args.filter.clone().context("--filter, --group or --entry says which entries")?}),
        });
    }
    let named = args.entry.iter().map(|entry| {
        let (device, operation) = entry.split_once('/').context("--entry is device/operation")?;
        Ok(json!({"client_id": device, "operation_id": operation}))
    });
    Ok(json!({"entries": named.collect::<anyhow::Result<Vec<_>>>()?}))
}

async fn preview(args: PreviewArgs) -> anyhow::Result<ExitCode> {
    let mut body = json!({"action": args.action, "dependants": args.dependants, "selection": selection(&args)?});
    if let Some(patch) = &args.patch {
        body["patch"] = serde_json::from_str(patch).context("--patch is no JSON")?;
    }
    match Caller::new(&args.server)?.ask(reqwest::Method::POST, "/drain/previews", Some(&body)).await? {
        Ok(set) => {
            println!("{set:#}");
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => bail!("{}", refused.words),
    }
}

async fn submit(args: SubmitArgs) -> anyhow::Result<ExitCode> {
    let caller = Caller::new(&args.server)?;
    let set = caller.get(&format!("/drain/previews/{}", args.set)).await?;
    let mut body = json!({
        "set": args.set, "count": args.count, "hash": args.hash, "reason": args.reason, "selection": set["selection"],
        "idempotency_key": args.key.map_or_else(|| set["idempotency_key"].clone(), Value::from),
    });
    if set["needs_approval"] == true {
        body["typed_count"] = json!(args.count);
    }
    if let Some(canary) = args.canary {
        body["canary"] = json!(canary);
    }
    if let Some(rate) = args.rate {
        body["rate_per_s"] = json!(rate);
    }
    match caller.ask(reqwest::Method::POST, "/drain/jobs", Some(&body)).await? {
        Ok(submitted) => {
            println!("{}", submitted["job"].as_str().unwrap_or_default());
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) if refused.code == "set_changed" => {
            eprintln!("tidewatch: {}", refused.words);
            Ok(ExitCode::from(3))
        }
        Err(refused) => bail!("{}", refused.words),
    }
}

/// One line a change, until nothing more happens by itself.
async fn watch(caller: &Caller, job: &str, timeout: u64) -> anyhow::Result<ExitCode> {
    let (until, mut shown) = (tokio::time::Instant::now() + Duration::from_secs(timeout), String::new());
    loop {
        let view = caller.get(&format!("/drain/jobs/{job}")).await?;
        let line = line(&view);
        if line != shown {
            println!("{line}");
            shown = line;
        }
        if view["finished"].is_string() {
            let failed = view["tally"]["failed"].as_u64().unwrap_or(0);
            return Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if matches!(view["state"].as_str(), Some("paused" | "requested")) {
            return Ok(ExitCode::from(4));
        }
        if tokio::time::Instant::now() > until {
            bail!("{job} is not over after {timeout} s");
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn line(job: &Value) -> String {
    let text = |name: &str| job[name].as_str().unwrap_or_default().to_owned();
    let count = |name: &str| job["tally"][name].as_u64().unwrap_or(0);
    let rolled = job["rolled"]["file"].as_str().map(|file| format!("; its entries are in {file}")).unwrap_or_default();
    format!(
        "{} {} {}: {} ok, {} skipped, {} failed, {} under way, {} waiting{rolled}",
        text("id"),
        text("action"),
        text("state"),
        count("ok"),
        count("skipped"),
        count("failed"),
        count("sent") + count("asleep"),
        count("waiting")
    )
}

async fn list(caller: &Caller, limit: u32) -> anyhow::Result<ExitCode> {
    let page = caller.get(&format!("/drain/jobs?limit={limit}")).await?;
    for job in page["rows"].as_array().into_iter().flatten() {
        println!("{}", line(job));
    }
    Ok(ExitCode::SUCCESS)
}

async fn changed(server: &ServerArgs, change: &str, job: &str, remark: Option<String>) -> anyhow::Result<ExitCode> {
    let body = remark.map_or_else(|| json!({}), |remark| json!({"remark": remark}));
    let path = format!("/drain/jobs/{job}/{change}");
    match Caller::new(server)?.ask(reqwest::Method::POST, &path, Some(&body)).await? {
        Ok(view) => {
            println!("{}", line(&view));
            Ok(ExitCode::SUCCESS)
        }
        Err(refused) => bail!("{}", refused.words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(filter: Option<&str>, group: Option<&str>, entry: &[&str]) -> PreviewArgs {
        PreviewArgs {
            action: "retry".into(),
            dependants: "cut".into(),
            filter: filter.map(str::to_owned),
            group: group.map(str::to_owned),
            entry: entry.iter().map(|&text| text.to_owned()).collect(),
            patch: None,
            server: ServerArgs { url: String::new(), token: String::new() },
        }
    }

    #[test]
    fn a_selection_is_a_list_or_names_its_entries() {
        assert_eq!(selection(&args(Some("state:poisoned"), None, &[])).expect("a list"), json!({"filter": "state:poisoned"}));
        assert_eq!(selection(&args(None, Some("ab12"), &[])).expect("a group"), json!({"group": "ab12", "filter": ""}));
        let named = selection(&args(None, None, &["dev/op-1"])).expect("an entry");
        assert_eq!(named, json!({"entries": [{"client_id": "dev", "operation_id": "op-1"}]}));
        assert!(selection(&args(None, None, &[])).is_err() && selection(&args(None, None, &["dev"])).is_err());
    }
}
