//! What devices are like and what they send: a pure function of the number of a device, so that every run measures the same fleet.

use std::collections::BTreeMap;

use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::Body;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use tidewatch_protocol::Timestamp;
use tidewatch_protocol::v1::Mutation;
use tidewatch_protocol::v1::telemetry::{
    Attempts, BatteryOptimization, Connectivity, DeviceFacts, DigestEntry, Latency, OfflineResilience, Outbox, OutboxEntry,
    Report, ReportedError, SyncFacts, UserExperience,
};

/// Devices that share a site.
pub(crate) const PER_SITE: u32 = 200;
/// Entries in the outbox of a stuck device.
const STUCK_ENTRIES: u32 = 20;
/// Entries in the outbox of a stalling device.
const STALLING_ENTRIES: u32 = 3;

/// How a device fares. Of a hundred devices …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persona {
    /// … five are stuck behind a rejected entry,
    Stuck,
    /// five retry,
    Stalling,
    /// two wrote what somebody else had changed meanwhile,
    Conflicted,
    /// three have been silent for days,
    Silent,
    /// two have a wrong clock,
    Skewed,
    /// one differs from the store,
    Diverged,
    /// ten have not pulled for a while,
    Behind,
    /// and the rest is fine.
    Fine,
}

pub(crate) const fn persona(n: u32) -> Persona {
    match n % 100 {
        0..5 => Persona::Stuck,
        5..10 => Persona::Stalling,
        10..12 => Persona::Conflicted,
        12..15 => Persona::Silent,
        15..17 => Persona::Skewed,
        17 => Persona::Diverged,
        18..28 => Persona::Behind,
        _ => Persona::Fine,
    }
}

/// Id of a device.
pub(crate) fn client(n: u32) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
}

/// Where a device works.
pub(crate) fn site(n: u32) -> Scope {
    site_numbered(n / PER_SITE)
}

/// A site by its number.
pub(crate) fn site_numbered(site: u32) -> Scope {
    Scope::parse(format!("site:{site}")).expect("a scope")
}

/// Name of a device.
pub(crate) fn name(n: u32) -> String {
    format!("Tablet {n:06}")
}

/// Scatters numbers: neighbours end far apart, and no two end at one place.
const fn scattered(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    (n ^ (n >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d)
}

/// Id of an operation made at a time: a UUID of version 7, as the protocol recommends.
pub(crate) fn operation(at: Millis, n: u64) -> String {
    let (ms, tail) = (at.0.cast_unsigned(), scattered(n));
    format!("{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}", ms >> 16, ms & 0xffff, n & 0xfff, (n >> 12) & 0xfff, tail >> 16)
}

/// An asset of a site: about 350 bytes as JSON.
pub(crate) fn asset(n: u64, round: u64) -> Body {
    let kind = ["hvac", "pump", "panel", "meter"][(n % 4) as usize];
    let status = ["in_service", "needs_check", "out_of_order"][((n + round) % 3) as usize];
    let text = serde_json::json!({
        "name": format!("Air handling unit {n}"),
        "kind": kind,
        "serial": format!("SN-{:012x}", scattered(n)),
        "room": format!("B{}.{:03}", n % 7, n % 400),
        "status": status,
        "pressure_kpa": 300 + (n * 7 + round) % 200,
        "hours": (n % 9_000) as f64 + 0.5,
        "checked_by": format!("tech-{}", n % 900),
        "note": format!("Round {round}: filters changed, belt tension within limits, next inspection due in ninety days, no leak seen"),
    });
    match text {
        serde_json::Value::Object(body) => body,
        _ => unreachable!("made as an object"),
    }
}

/// One intent, with its base when it changes a record.
pub(crate) fn intent(scope: &Scope, record: u64, base: Option<i64>, at: Millis, n: u64) -> Mutation {
    Mutation {
        operation_id: operation(at, n),
        client_seq: None,
        collection: "assets".to_owned(),
        record_id: format!("eq-{:016x}", scattered(record)),
        scope: scope.to_string(),
        op: if base.is_some() { "update" } else { "create" }.to_owned(),
        base_version: base,
        fields: Some(asset(record, u64::from(base.is_some()))),
        logical_timestamp: Some(format!("{:012x}{:04x}-bench", at.0, n & 0xffff)),
        created_at: Some(Timestamp(at)),
        priority: Some(3),
        ..Mutation::default()
    }
}

/// What a report can only say of the store: cursor and digest as a device would hold them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) cursor: Option<String>,
    pub(crate) digest: Option<DigestEntry>,
}

/// A report of a device.
pub(crate) fn report(n: u32, at: Millis, held: &Held) -> Report {
    let round = at.0 / (5 * MINUTE_MS);
    let persona = persona(n);
    let mut report = Report::new(format!("r-{n:x}-{round}"), Timestamp(at));
    let depth = match persona {
        Persona::Stuck => STUCK_ENTRIES,
        Persona::Stalling => STALLING_ENTRIES,
        _ => 0,
    };
    report.seq = Some(round);
    report.device = Some(facts(n, round));
    report.connectivity = Some(Connectivity {
        p2p_peers_connected: Some(i64::from(n % 4)),
        relay_connection_quality: Some(["excellent", "good", "fair", "poor"][(n % 4) as usize].to_owned()),
        network_partition_duration: Some(f64::from(n % 60)),
        last_successful_sync: Some(Timestamp(at.plus(-MINUTE_MS))),
    });
    report.offline_resilience = Some(OfflineResilience {
        queued_operations_count: Some(i64::from(depth)),
        critical_operations_pending: Some(0),
        storage_usage_percent: Some(f64::from(20 + n % 70)),
        sync_conflicts_detected: Some(i64::from(persona == Persona::Conflicted)),
    });
    report.battery_optimization = Some(BatteryOptimization {
        background_processing_efficiency: Some(0.8),
        battery_impact_score: Some(f64::from(n % 10)),
        sync_frequency_adaptive_rate: Some(0.7),
    });
    report.user_experience = Some(UserExperience {
        offline_feature_availability_percent: Some(97.0),
        sync_conflict_resolution_success_rate: Some(0.95),
        user_intervention_required_count: Some(0),
    });
    report.sync = Some(sync(n, at, held));
    report.outbox = Some(Outbox {
        total: i64::from(depth),
        bytes: Some(i64::from(depth) * 412),
        truncated: false,
        entries: (0..depth).map(|k| entry(n, k, at)).collect(),
    });
    report
}

fn facts(n: u32, round: i64) -> DeviceFacts {
    DeviceFacts {
        name: Some(name(n)),
        platform: Some(["ios", "android", "windows", "web"][n as usize % 4].to_owned()),
        os_version: Some(format!("{}.0", 12 + n % 6)),
        app_version: Some(format!("4.{}.{}", 10 + n % 9, n % 3)),
        schema_version: Some(1),
        model: Some("Field tablet 11".to_owned()),
        labels: Some(BTreeMap::from([
            ("region".to_owned(), ["north", "south", "east", "west"][(n / PER_SITE) as usize % 4].to_owned()),
            ("team".to_owned(), format!("team-{}", n % 40)),
        ])),
        power: Some("battery".to_owned()),
        battery_percent: Some((20 + (i64::from(n) + round) % 80) as f64),
        network: Some("wifi".to_owned()),
        foreground: Some(n.is_multiple_of(2)),
        clock_offset_ms: Some(if persona(n) == Persona::Skewed { 400_000 } else { i64::from(n % 900) }),
    }
}

fn sync(n: u32, at: Millis, held: &Held) -> SyncFacts {
    let stuck = persona(n) == Persona::Stuck;
    SyncFacts {
        cursors: held.cursor.clone().map(|cursor| BTreeMap::from([(site(n).to_string(), cursor)])),
        digests: held
            .digest
            .clone()
            .map(|digest| BTreeMap::from([(site(n).to_string(), BTreeMap::from([("assets".to_owned(), digest)]))])),
        oldest_pending_at: stuck.then(|| Timestamp(at.plus(-6 * HOUR_MS))),
        last_attempt_at: Some(Timestamp(at.plus(-20_000))),
        last_ack_at: Some(Timestamp(at.plus(if stuck { -DAY_MS } else { -20_000 }))),
        last_applied_at: Some(Timestamp(at.plus(-20_000))),
        retry_count: Some(i64::from(matches!(persona(n), Persona::Stalling | Persona::Stuck)) * 4),
        latency_ms: Some(Latency { count: 6, p50: 90.0, p95: f64::from(200 + n % 300), p99: 900.0 }),
        attempts: Some(Attempts { first_try_ok: 5, ok: 6, total: 6 + i64::from(persona(n) == Persona::Stalling) }),
        token_errors: Some(0),
        last_error: None,
    }
}

fn entry(n: u32, k: u32, at: Millis) -> OutboxEntry {
    let state = match (persona(n), k) {
        (Persona::Stuck, 0) => "poisoned",
        (Persona::Stuck, _) => "waiting",
        _ => "retrying",
    };
    let error = match state {
        "poisoned" => Some(("schema_invalid", 422, format!("pressure_kpa is \"{}\", expected a number", 300 + n % 200))),
        "retrying" => Some(("unavailable", 503, "the gateway did not answer".to_owned())),
        _ => None,
    };
    let first = operation(at, u64::from(n) * 100);
    OutboxEntry {
        operation_id: format!("op-{n:x}-{k}"),
        collection: "assets".to_owned(),
        record_id: format!("eq-{n:x}-{k}"),
        scope: Some(site(n).to_string()),
        op: "update".to_owned(),
        priority: Some(3),
        created_at: Some(Timestamp(at.plus(-6 * HOUR_MS + i64::from(k) * MINUTE_MS))),
        depends_on: if state == "waiting" { vec![first] } else { Vec::new() },
        attempts: i64::from(k % 5 + 1),
        last_attempt_at: Some(Timestamp(at.plus(-MINUTE_MS))),
        next_attempt_at: None,
        bytes: Some(412),
        state: state.to_owned(),
        error: error.map(|(code, status, message)| ReportedError {
            code: code.to_owned(),
            status: Some(status),
            message: Some(message),
        }),
    }
}
