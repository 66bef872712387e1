//! Captured logs: written by a server that runs with `--capture`, decided again by `tidewatch replay`.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use tidewatch_protocol::capture::{CaptureCollection, CaptureFault, Revisions, again, group_line, head_line};
use tidewatch_store::sync::CapturedGroup;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::task::JoinHandle;

use crate::state::App;

/// Longest line of a capture: a group of a thousand intents, each with a record of the largest size before and after.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// Arguments of `tidewatch replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The captured log
    #[arg(long)]
    pub from: PathBuf,
    /// Decide with this revision of each policy instead of the one that decided
    #[arg(long)]
    pub policy_rev: Option<i64>,
    /// Print every intent that comes out another way
    #[arg(long)]
    pub diff: bool,
}

/// Writes every group that is committed from now on into a new file, until the store closes.
///
/// # Errors
/// The file is there already, or cannot be made.
pub async fn start(app: &App, file: &Path) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let made = File::create_new(file).await.with_context(|| format!("--capture {} cannot be made", file.display()))?;
    let mut out = Writing { app: app.clone(), out: BufWriter::new(made), known: HashSet::new() };
    let mut groups = app.service().capture();
    out.head().await?;
    Ok(tokio::spawn(async move {
        while let Some(group) = groups.recv().await {
            out.group(group).await?;
        }
        Ok(())
    }))
}

struct Writing {
    app: App,
    out: BufWriter<File>,
    known: HashSet<(String, i64)>,
}

impl Writing {
    /// The collections with every revision so far; again whenever a group was decided by a new one.
    async fn head(&mut self) -> anyhow::Result<()> {
        let mut collections: Vec<CaptureCollection> = Vec::new();
        for (name, rev, policy) in self.app.service().policy_revisions().await? {
            self.known.insert((name.to_string(), rev));
            match collections.iter_mut().find(|known| known.name == name) {
                Some(known) => known.revisions.push((rev, policy)),
                None => collections.push(CaptureCollection { name, revisions: vec![(rev, policy)] }),
            }
        }
        self.line(&head_line(&collections)).await
    }

    async fn group(&mut self, (captured, results): CapturedGroup) -> anyhow::Result<()> {
        let fresh = |known: &HashSet<(String, i64)>| {
            captured.catalogue.values().any(|one| !known.contains(&(one.name.to_string(), one.policy_rev)))
        };
        if fresh(&self.known) {
            self.head().await?;
        }
        self.line(&group_line(&captured, &results)).await
    }

    async fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.out.write_all(line.as_bytes()).await.context("the capture cannot be written")?;
        self.out.write_all(b"\n").await.context("the capture cannot be written")?;
        // A line at a time, so that a server that is killed leaves whole ones.
        self.out.flush().await.context("the capture cannot be written")
    }
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Groups of batches that were decided again.
    pub groups: u64,
    /// Intents of them.
    pub intents: usize,
    /// Intents that come out another way, a line each.
    pub differences: Vec<String>,
    /// Groups that write another log.
    pub other_logs: u64,
}

/// Decides a captured log again, with the policies that decided it or with another revision of them.
///
/// # Errors
/// The file is no capture.
pub fn replay(from: &Path, policy_rev: Option<i64>) -> anyhow::Result<Replay> {
    // Twice through the file: a revision may have come after the groups that it is tried on.
    let mut revisions = Revisions::default();
    lines(from, |line| if Revisions::is_head(line) { revisions.read(line) } else { Ok(()) })?;
    let instead = policy_rev.map(|rev| revisions.of(rev)).unwrap_or_default();
    let mut found = Replay::default();
    lines(from, |line| {
        if Revisions::is_head(line) {
            return Ok(());
        }
        let group = again(line, &revisions, &instead)?;
        found.groups += 1;
        found.intents += group.intents;
        found.other_logs += u64::from(!group.same_log);
        found.differences.extend(group.differences.iter().map(ToString::to_string));
        found.differences.extend(group.batches);
        Ok(())
    })?;
    Ok(found)
}

/// Hands out a file line by line; a fault is told with the number of its line.
fn lines(from: &Path, mut take: impl FnMut(&str) -> Result<(), CaptureFault>) -> anyhow::Result<()> {
    let file = std::fs::File::open(from).with_context(|| format!("--from {} cannot be read", from.display()))?;
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        lines.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).with_context(|| format!("line {number} is no text"))?;
        if line.is_empty() {
            break;
        }
        take(&line).with_context(|| format!("line {number} of {}", from.display()))?;
    }
    Ok(())
}

/// `tidewatch replay`: says what comes out another way.
///
/// # Errors
/// The file is no capture; or, without `--policy-rev`, something comes out another way.
pub fn replay_print(args: &ReplayArgs) -> anyhow::Result<()> {
    let found = replay(&args.from, args.policy_rev)?;
    if args.diff {
        found.differences.iter().for_each(|difference| println!("{difference}"));
    }
    let Replay { groups, intents, differences, other_logs } = &found;
    let differing = differences.len();
    println!(
        "{intents} intents in {groups} groups decided again: {differing} come out another way, {other_logs} groups write another log"
    );
    ensure!(args.policy_rev.is_some() || differing == 0 && *other_logs == 0, "the log is not decided the same way");
    Ok(())
}
