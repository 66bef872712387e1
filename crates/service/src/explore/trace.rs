//! The trace of one operation from what the log knows: its stages in words.

use serde_json::Value;
use tidewatch_domain::fleet::{Tone, Trace, TraceStage};
use tidewatch_domain::json::shape;
use tidewatch_domain::sync::{IntentResult, IntentStatus};
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::OperationFacts;

/// The trace, as far as the log knows it.
pub(super) fn trace_of(operation_id: &str, facts: &OperationFacts) -> Trace {
    let subject = facts.change.as_ref().map(|change| (change.collection.clone(), change.record_id.clone()));
    let subject =
        subject.or_else(|| facts.conflict.as_ref().map(|conflict| (conflict.collection.clone(), conflict.record_id.clone())));
    let letter = facts.dead_letter.as_ref().and_then(|letter| serde_json::from_str::<Value>(&letter.mutation).ok());
    let member = |name: &str| letter.as_ref().and_then(|letter| letter[name].as_str()).map(str::to_owned);
    let scope = facts.change.as_ref().map(|change| change.scope.clone());
    let scope = scope.or_else(|| facts.conflict.as_ref().map(|conflict| conflict.scope.clone()));
    Trace {
        operation_id: operation_id.to_owned(),
        client_id: facts.client_id.clone(),
        device_name: None,
        subject: subject.or_else(|| member("collection").zip(member("record_id"))),
        scope: scope.or_else(|| member("scope")),
        stages: stages(operation_id, facts, letter.as_ref()),
        status: facts.status().map(|status| status.as_str().to_owned()),
        shape: payload(facts, letter.as_ref()).map(|payload| shape(&payload).to_string()),
        pulled: None,
    }
}

/// The body after the change, or what the device wanted when there is none.
fn payload(facts: &OperationFacts, letter: Option<&Value>) -> Option<Value> {
    let body = facts.change.as_ref().and_then(|change| change.body.as_deref());
    let local = facts.conflict.as_ref().map(|conflict| conflict.local.as_str());
    let text = body.or(local).and_then(|text| serde_json::from_str(text).ok());
    text.or_else(|| letter.map(|letter| letter["fields"].clone()).filter(|fields| !fields.is_null()))
}

fn stages(operation_id: &str, facts: &OperationFacts, letter: Option<&Value>) -> Vec<TraceStage> {
    let mut stages = Vec::new();
    if let Some(at) = enqueued(operation_id, letter) {
        stages.push(stage(Some(at), "enqueued", Tone::Idle, "Queued on the device", "by the clock of the device"));
    }
    let answered = facts.answer.as_ref().map(|(_, at)| *at);
    let seen = answered.or(facts.change.as_ref().map(|change| change.committed));
    let seen =
        seen.or(facts.conflict.as_ref().map(|conflict| conflict.at)).or(facts.dead_letter.as_ref().map(|letter| letter.at));
    if let Some(letter) = facts.dead_letter.as_ref().filter(|letter| letter.uploaded) {
        stages.push(stage(
            Some(letter.at),
            "uploaded",
            Tone::Idle,
            "Payload uploaded",
            "as a command asked; its device keeps it",
        ));
        if facts.status().is_none() {
            return stages;
        }
    }
    stages.push(stage(seen, "received", Tone::Idle, "Received", "in a batch of the device"));
    if let Some(letter) = facts.refusal() {
        let detail = facts.answer.as_ref().and_then(|(answer, _)| answer.problem.as_ref()).map(|problem| problem.detail.clone());
        let detail = detail.map_or_else(|| letter.code.clone(), |detail| format!("{}: {detail}", letter.code));
        stages.push(stage(Some(letter.at), "decided", Tone::Act, "Rejected", detail));
        return stages;
    }
    stages.push(stage(seen, "validated", Tone::Good, "Checks passed", "scope, schema, deadline and size"));
    stages.push(decided(facts, seen));
    if let Some(change) = &facts.change {
        let detail = format!("position {}, version {} of the record, {}", change.seq, change.version, change.op);
        stages.push(stage(Some(change.committed), "committed", Tone::Good, "Committed", detail));
    }
    stages
}

fn decided(facts: &OperationFacts, at: Option<Millis>) -> TraceStage {
    let rev = facts.change.as_ref().map(|change| format!("policy revision {}", change.policy_rev));
    let entry = facts.conflict.as_ref().map(|conflict| format!("conflicts log cf_{}", conflict.id));
    let skew = facts
        .change
        .as_ref()
        .and_then(|change| change.hlc_claimed.as_ref().map(|claimed| format!("clock {} instead of {claimed}", change.hlc)));
    let fields = facts.answer.as_ref().and_then(|(answer, _)| fields(answer));
    let detail: Vec<String> = [rev, fields, entry, skew].into_iter().flatten().collect();
    let noop = facts.answer.as_ref().is_some_and(|(answer, _)| answer.noop);
    let (tone, title) = match facts.status() {
        Some(IntentStatus::Applied) if noop => (Tone::Good, "Applied without a change: the record was so already"),
        Some(IntentStatus::Applied) => (Tone::Good, "Applied"),
        Some(IntentStatus::Merged) => (Tone::Good, "Merged with another write"),
        Some(IntentStatus::Superseded) => (Tone::Watch, "Superseded by a newer write"),
        Some(IntentStatus::Conflict) => (Tone::Act, "In conflict: a person has to decide"),
        Some(IntentStatus::Rejected | IntentStatus::Deferred | IntentStatus::Unknown) | None => (Tone::Idle, "Answered"),
    };
    stage(at, "decided", tone, title, detail.join(" · "))
}

fn fields(answer: &IntentResult) -> Option<String> {
    let resolution = answer.resolution.as_ref()?;
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Some(format!("{}: kept {}, lost {}", resolution.policy, list(&resolution.kept), list(&resolution.lost)))
}

/// When the device queued it: what the intent says, or the time in a UUIDv7.
fn enqueued(operation_id: &str, letter: Option<&Value>) -> Option<Millis> {
    let said = letter.and_then(|letter| letter["created_at"].as_str()).and_then(Millis::parse_rfc3339);
    said.or_else(|| tidewatch_domain::engine::uuid_v7_millis(operation_id))
}

fn stage(at: Option<Millis>, stage: &'static str, tone: Tone, title: &str, detail: impl Into<String>) -> TraceStage {
    TraceStage { at, stage, tone, title: title.to_owned(), detail: detail.into() }
}
