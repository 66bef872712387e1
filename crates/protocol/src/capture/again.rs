//! Decides captured groups again and says what comes out another way.

use std::collections::HashMap;
use std::fmt;

use tidewatch_domain::engine::capture::replay;
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::policy::Policy;
use tidewatch_domain::sync::{Intent, IntentResult};

use super::{CaptureFault, Revisions, group_read};
use crate::v1::mutations::MutationResult;

/// What deciding a group again came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Again {
    /// Intents that were decided.
    pub intents: usize,
    /// Those that came out another way. Other positions are none: see `same_log`.
    pub differences: Vec<Difference>,
    /// Batches that are refused as a whole, and were not, or the other way round, in words.
    pub batches: Vec<String>,
    /// The rows of the log are the same, byte for byte.
    pub same_log: bool,
}

/// An intent that is decided another way.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Device.
    pub client_id: String,
    /// Collection and record; empty for an intent that could not be read.
    pub record: String,
    /// How it was decided.
    pub was: MutationResult,
    /// How it is decided now.
    pub now: MutationResult,
}

/// Decides the group of a line again, with the policies that decided it, or with those in `instead`.
///
/// # Errors
/// The line is no group.
pub fn again(line: &str, revisions: &Revisions, instead: &HashMap<CollectionName, (i64, Policy)>) -> Result<Again, CaptureFault> {
    let (captured, given) = group_read(line, revisions)?;
    let replayed = replay(&captured, instead);
    let mut out = Again { intents: 0, differences: Vec::new(), batches: Vec::new(), same_log: replayed.same_log };
    for ((batch, given), now) in captured.batches.iter().zip(given).zip(replayed.answers) {
        out.intents += batch.intents.len();
        let client_id = batch.client_id.to_string();
        match (given, now) {
            (Ok(given), Ok(now)) => out.compare(&client_id, &batch.intents, given, now),
            (Err(was), Err(now)) if was == now => {}
            (was, now) => out.batches.push(format!(
                "a batch of {client_id}: {} -> {}",
                was.map_or_else(|code| format!("refused ({code})"), |_| "taken".to_owned()),
                now.map_or_else(|code| format!("refused ({code})"), |_| "taken".to_owned()),
            )),
        }
    }
    Ok(out)
}

impl Again {
    fn compare(&mut self, client_id: &str, intents: &[Intent], given: Vec<MutationResult>, now: Vec<IntentResult>) {
        for ((intent, was), now) in intents.iter().zip(given).zip(now) {
            let now = MutationResult::from(now);
            if unplaced(&was) != unplaced(&now) {
                self.differences.push(Difference { client_id: client_id.to_owned(), record: record_of(intent), was, now });
            }
        }
    }
}

/// Without what only follows from the intents before it in the batch: positions in the log and in the conflicts log.
fn unplaced(result: &MutationResult) -> MutationResult {
    let conflict_id = result.conflict_id.as_ref().map(|_| "cf".to_owned());
    MutationResult { seq: None, conflict_id, ..result.clone() }
}

fn record_of(intent: &Intent) -> String {
    match intent {
        Intent::Valid(mutation) => format!("{}/{}", mutation.collection, mutation.record_id),
        Intent::Invalid { .. } => String::new(),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut was, mut now) = (words(&self.was), words(&self.now));
        if was == now {
            let stamp = |result: &MutationResult| format!(" stamped {}", result.hlc.as_deref().unwrap_or("never"));
            (was, now) = (was + &stamp(&self.was), now + &stamp(&self.now));
        }
        write!(f, "{} of {} on {}: {was} -> {now}", self.was.operation_id, self.client_id, self.record)
    }
}

/// An answer in a few words.
fn words(result: &MutationResult) -> String {
    let mut out = format!("{:?}", result.status).to_lowercase();
    if result.noop {
        out.push_str(" without effect");
    }
    if let Some(problem) = &result.problem {
        out.push_str(&format!(" ({})", problem.code));
    }
    if let Some(branch) = &result.branch {
        out.push_str(&format!(" as branch {branch}"));
    }
    if let Some(record_id) = &result.record_id {
        out.push_str(&format!(" into {record_id}"));
    }
    if let Some(version) = result.version {
        out.push_str(&format!(" version {version}"));
    }
    if let Some(resolution) = &result.resolution {
        out.push_str(&format!(
            " by {} {}, kept [{}], lost [{}]",
            resolution.policy,
            resolution.policy_rev,
            resolution.kept.join(" "),
            resolution.lost.join(" ")
        ));
    }
    if let Some(record) = &result.record {
        out.push_str(&format!(", record {}", serde_json::Value::Object(record.clone())));
    }
    out
}
