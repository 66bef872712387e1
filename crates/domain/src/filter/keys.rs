//! The key tables of the lists. A list's store module translates each of these, and no other.

use super::{Key, Kind};

/// Platforms that a filter can name.
pub const PLATFORMS: &[&str] = &["ios", "android", "windows", "macos", "linux", "web"];
const CONDITIONS: &[&str] = &["stuck", "diverged", "stalling", "held", "unknown", "catching_up", "converged"];
const HEALTHS: &[&str] = &["failing", "degraded", "unknown", "healthy"];
const CONTACTS: &[&str] = &["lost", "overdue", "never", "quiet", "active", "late"];
const CAUSES: &[&str] = &["not_connected", "not_pulling", "not_applying", "not_acknowledged"];
const ENTRY_STATES: &[&str] =
    &["poisoned", "retrying", "held", "waiting", "queued", "sending", "escrowed", "quarantined", "skipped", "discarded", "done"];
const DRAIN_ACTIONS: &[&str] = &["retry", "hold", "skip", "patch", "to_conflict", "quarantine", "discard", "restore"];
const OPS: &[&str] = &["create", "update", "put", "delete", "genesis"];
const DECISIONS: &[&str] = &["applied", "merged", "superseded", "conflict", "resolved"];

const fn key(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, help }
}

/// Keys of the device table.
pub const DEVICES: &[Key] = &[
    key("condition", Kind::Enum(CONDITIONS), "stuck, diverged, stalling, held, unknown, catching_up or converged"),
    key("health", Kind::Enum(HEALTHS), "failing, degraded, unknown or healthy"),
    key("contact", Kind::Enum(CONTACTS), "active, quiet, overdue, lost or never; late is overdue or lost"),
    key("cause", Kind::Enum(CAUSES), "the shut gate of its drift"),
    key("platform", Kind::Text, "ios, android, windows, macos, linux, web"),
    key("os", Kind::Version, "version of the operating system"),
    key("version", Kind::Version, "version of the app, e.g. <4.18 or 4.18.*"),
    key("name", Kind::Text, "name of the device, * stands for anything"),
    key("id", Kind::Text, "id of the device, * stands for anything"),
    key("principal", Kind::Text, "who it belongs to"),
    key("label.", Kind::Text, "a label it reports, e.g. label.region:north"),
    key("queue", Kind::Number, "operations not finally answered"),
    key("poisoned", Kind::Number, "entries that cannot succeed by retrying"),
    key("pending", Kind::Duration, "age of its oldest pending operation"),
    key("drift", Kind::Duration, "how long it has not been proven equal to the store"),
    key("lag", Kind::Duration, "time since its last contact"),
    key("behind", Kind::Number, "changes of its scopes it has not pulled"),
    key("battery", Kind::Number, "battery charge, percent"),
    key("storage", Kind::Number, "storage in use, percent"),
    key("skew", Kind::Duration, "how far its clock is off, either way"),
    key("score", Kind::Number, "resilience score, 0 to 100"),
    key("conflicts", Kind::Number, "open conflicts"),
    key("error", Kind::Text, "code of its last failure, e.g. schema_invalid"),
    key("signature", Kind::Text, "signature of a failure in its outbox"),
    key("simulated", Kind::Bool, "made by the simulator"),
];

/// Keys of the outbox across devices.
pub const OUTBOX: &[Key] = &[
    key("state", Kind::Enum(ENTRY_STATES), "as the device has it, or escrowed, quarantined, skipped, discarded or done"),
    key("collection", Kind::Text, "collection"),
    key("record", Kind::Text, "record id"),
    key("operation", Kind::Text, "operation id"),
    key("payload.", Kind::Text, "a field of a payload that is here, e.g. payload.reading.pressure_kpa:412"),
    key("pending", Kind::Enum(DRAIN_ACTIONS), "an action that is on its way to the device"),
    key("job", Kind::Text, "drain job that it was last in, e.g. J17"),
    key("op", Kind::Text, "create, update, put or delete"),
    key("code", Kind::Text, "code of its last failure, e.g. schema_invalid"),
    key("device", Kind::Text, "name or id of the device, * stands for anything"),
    key("platform", Kind::Text, "ios, android, windows, macos, linux, web"),
    key("version", Kind::Version, "version of the app, e.g. <4.18 or 4.18.*"),
    key("scope", Kind::Text, "scope, e.g. building:42"),
    key("tries", Kind::Number, "attempts so far"),
    key("age", Kind::Duration, "time since it was made"),
    key("bytes", Kind::Number, "size of the intent"),
];

/// Keys of the log explorer.
pub const CHANGES: &[Key] = &[
    key("collection", Kind::Text, "collection"),
    key("record", Kind::Text, "record id"),
    key("scope", Kind::Text, "scope, e.g. building:42"),
    key("device", Kind::Text, "id of the device that made it"),
    key("op", Kind::Enum(OPS), "create, update, put, delete or genesis"),
    key("decision", Kind::Enum(DECISIONS), "how it was decided"),
    key("operation", Kind::Text, "operation id"),
    key("seq", Kind::Number, "position in the log"),
];

/// Keys of the audit log.
pub const AUDIT: &[Key] = &[
    key("actor", Kind::Text, "who, e.g. user:maya"),
    key("action", Kind::Text, "what, e.g. session_create or session_*"),
    key("subject", Kind::Text, "on what, e.g. device:…"),
];
