//! The columns of a device's row in the table: what lists filter, sort and count by, made from its [`DeviceDoc`] at one instant.

use serde_json::{Value, json};
use tidewatch_domain::filter::VersionKey;
use tidewatch_domain::fleet::{Condition, Contact, DriftCause};
use tidewatch_domain::health::GateState;
use tidewatch_domain::report::EntryState;

use super::device::DeviceDoc;

/// A key that sorts after every real one.
const LAST: i64 = i64::MAX / 2;
/// A score that sorts after every real one.
const NO_SCORE: f64 = 1_000.0;
/// Depths are cut here in the combined key of the default order.
const DEPTH_MAX: i64 = 1 << 32;

/// Place of a condition, worst first.
pub(crate) fn condition_rank(condition: Condition) -> usize {
    Condition::ALL.iter().position(|known| *known == condition).expect("every condition is listed")
}

/// Place of a contact, worst first.
pub(crate) fn contact_rank(contact: Contact) -> usize {
    Contact::ALL.iter().position(|known| *known == contact).expect("every contact is listed")
}

/// Place of a cause, in the order of the gates.
pub(crate) fn cause_rank(cause: DriftCause) -> usize {
    DriftCause::ALL.iter().position(|known| *known == cause).expect("every cause is listed")
}

/// Place of an entry state, worst first.
pub(crate) fn state_rank(state: EntryState) -> usize {
    EntryState::ALL.iter().position(|known| *known == state).expect("every state is listed")
}

/// What pages call the device: its name, or the head of its id.
pub(crate) fn display_name(doc: &DeviceDoc, client_id: &str) -> String {
    doc.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| client_id.chars().take(8).collect())
}

fn version_key(text: Option<&String>) -> Option<String> {
    text.and_then(|text| VersionKey::parse(text)).map(|key| key.sort_text())
}

/// The columns in the order of the upsert in `writer.rs`, as one JSON array. `id` and `client_id` come first.
pub(crate) fn columns(id: i64, client_id: &str, doc: &DeviceDoc, now: i64) -> Value {
    let health = doc.assess(now);
    let scores = doc.scores(now);
    let condition = condition_rank(health.condition) as i64;
    let depth = doc.queue_depth();
    let drift_since = health.drift_since().map(|at| at.0);
    let name = display_name(doc, client_id);
    let depth_key = depth.unwrap_or(-1).clamp(-1, DEPTH_MAX - 2);
    let labels: serde_json::Map<String, Value> = doc.labels.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect();
    json!([
        id,
        client_id,
        name,
        doc.platform,
        version_key(doc.os_version.as_ref()),
        version_key(doc.app_version.as_ref()),
        doc.app_version,
        (!labels.is_empty()).then(|| Value::Object(labels).to_string()),
        doc.battery_percent,
        doc.storage,
        doc.clock(),
        depth,
        doc.state_count(EntryState::Poisoned),
        doc.state_count(EntryState::Waiting),
        doc.oldest(),
        doc.conflicts_open,
        doc.behind,
        doc.failing_code.as_ref().or(doc.error_code.as_ref()),
        doc.last_contact,
        doc.interval_ms(),
        condition,
        contact_rank(health.contact),
        drift_since,
        i64::from(health.gates.iter().any(|gate| *gate != GateState::Unknown)),
        health.drift_cause().map(cause_rank),
        health.due.map(|at| at.0),
        scores.total.value,
        scores.connectivity.value,
        scores.offline_resilience.value,
        scores.battery.value,
        scores.user_experience.value,
        doc.pull_pos,
        condition * DEPTH_MAX + (DEPTH_MAX - 2 - depth_key),
        -depth.unwrap_or(-1),
        drift_since.unwrap_or(LAST),
        -doc.last_contact.unwrap_or(0),
        name.to_lowercase(),
        scores.total.value.unwrap_or(NO_SCORE),
    ])
}
