//! Read models of one device: its line in the table and its page, from its [`DeviceDoc`] and what the log knows of it.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_domain::control::MeshMode;
use tidewatch_domain::fleet::{Condition, Contact, Convergence, ConvergenceVerdict, DeviceRow, DeviceView};
use tidewatch_domain::health::{self, Assessment, HealthFacts};
use tidewatch_domain::ids::{ClientId, Seq};
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

use super::Telemetry;
use super::columns::display_name;
use super::device::{DeviceDoc, relay_quality};
use super::list::device_find;
use super::story::counted;
use super::sync_facts::Registration;
use super::verdicts::condition_note;
use crate::{Error, Result};

/// Check-ins in a line of the table.
const RHYTHM_SLOTS: usize = 12;
/// Check-ins on the page of a device.
const KEPT_SLOTS: usize = 24;

/// A device as it is stored.
#[derive(Debug)]
pub(crate) struct StoredDevice {
    pub id: i64,
    pub client_id: String,
    pub principal: String,
    pub simulated: bool,
    pub enrolled: i64,
    pub doc: DeviceDoc,
}

impl StoredDevice {
    fn id(&self) -> ClientId {
        ClientId::parse(self.client_id.clone()).expect("only valid ids are stored")
    }
}

fn check_ins(doc: &DeviceDoc) -> Vec<Millis> {
    doc.check_ins.iter().copied().map(Millis).collect()
}

/// Its line in the table.
pub(crate) fn device_row(device: &StoredDevice, now: Millis) -> DeviceRow {
    let doc = &device.doc;
    let facts = doc.health_facts();
    let assessed = health::assess(&facts, now);
    DeviceRow {
        client_id: device.id(),
        name: display_name(doc, &device.client_id),
        principal: device.principal.clone(),
        platform: doc.platform.clone(),
        os_version: doc.os_version.clone(),
        app_version: doc.app_version.clone(),
        simulated: device.simulated,
        condition: assessed.condition,
        condition_note: condition_note(&facts, assessed.condition, doc.trouble_code(assessed.condition)),
        contact: assessed.contact,
        last_contact: facts.last_contact,
        interval_ms: facts.interval_ms,
        rhythm: health::rhythm(&check_ins(doc), facts.interval_ms, now, RHYTHM_SLOTS),
        queue_depth: facts.queue_depth,
        poisoned: facts.poisoned,
        oldest_pending: facts.oldest_pending,
        drift_age_ms: assessed.drift_age_ms(now),
        drift_cause: assessed.drift_cause(),
        battery_percent: doc.battery_percent,
        battery_trend: doc.battery_trend.iter().map(|(_, percent)| *percent).collect(),
        score: doc.scores(now.0).total,
        conflicts: doc.conflicts_open,
        behind: doc.behind,
    }
}

impl Telemetry {
    /// Everything about one device but its lists; risks and recommendations are the caller's.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn device_view(&self, client_id: &ClientId, now: Millis) -> Result<DeviceView> {
        let device = device_find(&self.database.readers, client_id.as_str()).await?.ok_or(Error::NotFound("device"))?;
        let registration = self.facts.registration(client_id.as_str()).await?;
        let blocked_by = self.poisoned_by_collection(device.id).await?;
        let doc = &device.doc;
        let facts = doc.health_facts();
        let assessed = health::assess(&facts, now);
        let slots = health::rhythm(&check_ins(doc), facts.interval_ms, now, KEPT_SLOTS);
        let kept = slots.iter().filter(|kept| **kept).count();
        let interval = facts.interval_ms.filter(|_| assessed.contact != Contact::Lost);
        Ok(DeviceView {
            row: device_row(&device, now),
            drift: assessed.drift(gate_notes(doc, &facts, &assessed), now),
            scores: doc.scores(now.0),
            sentence: sentence(&facts, &assessed, now),
            convergence: convergence(doc, &blocked_by),
            facts: facts_list(doc, registration.as_ref()),
            next_expected: interval.zip(facts.last_contact).map(|(gap, last)| last.plus(gap)),
            kept_of_24: (!slots.is_empty()).then_some((kept as u32, slots.len() as u32)),
            enrolled: Millis(registration.as_ref().map_or(device.enrolled, |r| r.created_ms)),
            blocked: registration.is_some_and(|r| r.blocked != 0),
            risks: Vec::new(),
            recommended: Vec::new(),
        })
    }

    /// Points of a device from which risks are fitted: storage percent, queue depth.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn device_points(&self, client_id: &ClientId) -> Result<(Vec<(Millis, f64)>, Vec<(Millis, f64)>)> {
        let device = device_find(&self.database.readers, client_id.as_str()).await?.ok_or(Error::NotFound("device"))?;
        let points = |points: &[(i64, f64)]| points.iter().map(|(at, value)| (Millis(*at), *value)).collect();
        Ok((points(&device.doc.storage_trend), points(&device.doc.queue_trend)))
    }

    async fn poisoned_by_collection(&self, device: i64) -> Result<BTreeMap<(String, String), i64>> {
        const TEXT: &str = r"
            select coalesce(scope, ''), collection, count(*) from outbox where device = ?1 and state = 0 group by 1, 2";
        let rows: Vec<(String, String, i64)> = sqlx::query_as(TEXT).bind(device).fetch_all(&self.database.readers).await?;
        Ok(rows.into_iter().map(|(scope, collection, count)| ((scope, collection), count)).collect())
    }
}

/// `8:11 h`, `4 d 6 h`, `12 min`.
pub(crate) fn elapsed(ms: i64) -> String {
    match ms.max(0) {
        ms if ms >= DAY_MS => format!("{} d {} h", ms / DAY_MS, ms % DAY_MS / HOUR_MS),
        ms if ms >= HOUR_MS => format!("{}:{:02} h", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        ms if ms >= MINUTE_MS => format!("{} min", ms / MINUTE_MS),
        ms => format!("{} s", ms / 1_000),
    }
}

fn sentence(facts: &HealthFacts, assessed: &Assessment, now: Millis) -> String {
    let drift = assessed.drift_age_ms(now).filter(|age| *age > 0).map(|age| format!(" for {}", elapsed(age))).unwrap_or_default();
    let trouble = match assessed.condition {
        Condition::Stuck if facts.poisoned > 0 => {
            let refused = counted(facts.poisoned, "entry was rejected", "entries were rejected");
            let waiting = if facts.waiting > 0 {
                format!(" and {} behind", counted(facts.waiting, "entry waits", "entries wait"))
            } else {
                String::new()
            };
            format!("Stuck{drift}. {refused}{waiting}.")
        }
        Condition::Stuck => format!("Stuck{drift}. It pushes, and its oldest operation is not acknowledged."),
        Condition::Diverged => format!("Diverged. Nothing is pending, yet {}.", condition_note(facts, Condition::Diverged, None)),
        Condition::Stalling => format!("Stalling{drift}. It fails and tries again by itself."),
        Condition::Held => format!("Held. {} stopped by a person.", counted(facts.held, "entry is", "entries are")),
        Condition::Unknown if facts.last_report.is_none() => "Unknown. It has not reported yet.".to_owned(),
        Condition::Unknown => "Unknown. What it last reported is too old to judge by.".to_owned(),
        Condition::CatchingUp => format!("Catching up: {}.", condition_note(facts, Condition::CatchingUp, None)),
        Condition::Converged => format!("Converged: {}.", condition_note(facts, Condition::Converged, None)),
    };
    let contact = match (assessed.contact, facts.last_contact) {
        (Contact::Never, _) | (_, None) => " It was never in contact.".to_owned(),
        (contact, Some(last)) => {
            let ago = elapsed(now.since(last));
            match contact {
                Contact::Active => format!(" It checked in {ago} ago, on its own rhythm."),
                Contact::Quiet => format!(" It checked in {ago} ago, later than usual."),
                _ => format!(" Its last contact was {ago} ago, past the one expected."),
            }
        }
    };
    trouble + &contact
}

fn gate_notes(doc: &DeviceDoc, facts: &HealthFacts, assessed: &Assessment) -> [String; 4] {
    let connected = match (assessed.contact, facts.interval_ms) {
        (Contact::Never, _) => "never in contact".to_owned(),
        (_, Some(gap)) => format!("usually every {}", elapsed(gap)),
        (_, None) => "its rhythm is not known yet".to_owned(),
    };
    let pulling = match (doc.pull_at, doc.behind) {
        (None, _) => "has never pulled".to_owned(),
        (Some(at), Some(behind)) => format!("last pull {}, {}", Millis(at), counted(behind, "change behind", "changes behind")),
        (Some(at), None) => format!("last pull {}", Millis(at)),
    };
    let applied = doc.cursors.iter().map(|(_, at)| *at).max();
    let applying =
        applied.map_or_else(|| "does not report what it has applied".to_owned(), |at| format!("applied through seq {at}"));
    let acknowledged = match facts.queue_depth {
        None => "does not report its outbox".to_owned(),
        Some(0) => "nothing to push".to_owned(),
        Some(depth) if facts.poisoned > 0 => format!("{} rejected of {depth}", facts.poisoned),
        Some(depth) => format!("{depth} to push"),
    };
    [connected, pulling, applying, acknowledged]
}

fn convergence(doc: &DeviceDoc, poisoned: &BTreeMap<(String, String), i64>) -> Vec<Convergence> {
    let mut keys: BTreeSet<(String, String)> = doc.digests.iter().map(|d| (d.0.clone(), d.1.clone())).collect();
    keys.extend(poisoned.keys().cloned());
    let verdict = |scope: &str, collection: &str| {
        if let Some(count) = poisoned.get(&(scope.to_owned(), collection.to_owned())) {
            return ConvergenceVerdict::Blocked(*count);
        }
        let known = doc.verdicts.iter().find(|v| v.scope == scope && v.collection == collection);
        match (known, doc.behind) {
            (Some(v), _) if !v.same => ConvergenceVerdict::Diverged(v.since.map(Millis)),
            (_, Some(behind @ 1..)) => ConvergenceVerdict::Behind(behind),
            (Some(v), _) => ConvergenceVerdict::Identical(Seq(v.position)),
            (None, _) => ConvergenceVerdict::NotReported,
        }
    };
    let mut found: Vec<Convergence> = keys
        .iter()
        .map(|(scope, collection)| Convergence {
            scope: scope.clone(),
            collection: collection.clone(),
            verdict: verdict(scope, collection),
        })
        .collect();
    found.extend(
        doc.pull_scopes.iter().filter(|scope| !keys.iter().any(|(known, _)| known == *scope)).map(|scope| Convergence {
            scope: scope.clone(),
            collection: String::new(),
            verdict: ConvergenceVerdict::NotReported,
        }),
    );
    found
}

/// Mode of the mesh, with what else is known of it.
fn mesh_words(doc: &DeviceDoc) -> Option<String> {
    let mode = MeshMode::parse(doc.mesh_mode.as_deref()?)?;
    let words = match mode {
        MeshMode::MultiHop => "multi hop",
        MeshMode::SingleHop => "single hop",
        MeshMode::Off => return Some("off".to_owned()),
    };
    let every = doc.mesh_interval_ms.map(|ms| format!(", every {} s", ms as f64 / 1_000.0)).unwrap_or_default();
    let key = doc.mesh_key.map(|revision| format!(", key {revision}")).unwrap_or_default();
    Some(format!("{words}{every}{key}"))
}

fn facts_list(doc: &DeviceDoc, registration: Option<&Registration>) -> Vec<(&'static str, Option<String>)> {
    let signed = |ms: i64| format!("{:+.1} s against the server", ms as f64 / 1_000.0);
    let labels: Vec<String> = doc.labels.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let storage = doc.storage.map(|percent| format!("{percent:.0} % in use"));
    let relay = doc.relay.map(relay_quality).map(|quality| format!("{quality:?}").to_lowercase());
    vec![
        ("Owner", registration.map(|r| r.principal.clone())),
        ("Platform", doc.platform.clone().map(|p| doc.os_version.as_ref().map_or(p.clone(), |os| format!("{p} {os}")))),
        ("Hardware", doc.model.clone()),
        ("App", doc.app_version.clone()),
        ("Schema", doc.schema_version.map(|v| v.to_string())),
        ("Battery", doc.battery_percent.map(|percent| format!("{percent:.0} %"))),
        ("Power", doc.power.clone()),
        ("Storage", storage),
        ("Network", doc.network.clone()),
        ("Relay", relay),
        ("Peers", doc.peers.map(|n| n.to_string())),
        ("Mesh", mesh_words(doc)),
        ("Clock", doc.clock().map(signed)),
        ("App in front", doc.foreground.map(|yes| if yes { "yes" } else { "no" }.to_owned())),
        ("Outbox", doc.outbox_bytes.map(|bytes| format!("{:.1} kB", bytes as f64 / 1_000.0))),
        ("Last error", doc.failing_code.clone().or_else(|| doc.error_code.clone())),
        ("Poisoned", Some(doc.state_count(EntryState::Poisoned).to_string())),
        ("Labels", (!labels.is_empty()).then(|| labels.join(", "))),
        ("Scopes", (!doc.pull_scopes.is_empty()).then(|| doc.pull_scopes.join(", "))),
        ("Last report", doc.report_at.map(|at| Millis(at).to_string())),
    ]
}
