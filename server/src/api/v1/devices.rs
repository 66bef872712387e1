//! `GET /api/v1/devices` and `GET /api/v1/devices/{client_id}`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use tidewatch_domain::fleet::{
    Convergence, ConvergenceVerdict, DeviceRow, DeviceSort, DeviceView, DriftCause, Gate, Score, Scores,
};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::Error;

use super::Listing;
use super::report::{RecommendationEntry, RiskEntry};
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// One device. `null` is *not reported* or *not known*, never zero.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DeviceEntry {
    /// Id.
    pub client_id: String,
    /// Name.
    pub name: String,
    /// Who it belongs to.
    pub principal: String,
    /// Platform.
    pub platform: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// Made by the simulator.
    pub simulated: bool,
    /// First axis: `stuck`, `diverged`, …
    pub condition: &'static str,
    /// First axis, coarse: `healthy`, `degraded`, `failing`, `unknown`.
    pub health: &'static str,
    /// What is behind it.
    pub condition_note: String,
    /// Second axis: `active`, `quiet`, `overdue`, `lost`, `never`.
    pub contact: &'static str,
    /// Last contact.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_contact: Option<Timestamp>,
    /// Usual gap between contacts.
    pub interval_ms: Option<i64>,
    /// Operations not finally answered.
    pub queue_depth: Option<i64>,
    /// Of them, poisoned.
    pub poisoned: i64,
    /// When the oldest of them was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_pending: Option<Timestamp>,
    /// Drift age.
    pub drift_age_ms: Option<i64>,
    /// The shut gate.
    pub drift_cause: Option<&'static str>,
    /// Battery charge.
    pub battery_percent: Option<f64>,
    /// Resilience score.
    pub score: ScoreEntry,
    /// Open conflicts.
    pub conflicts: i64,
    /// Changes of its scopes it has not pulled.
    pub behind: Option<i64>,
}

/// A score and the share of its inputs that was reported.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct ScoreEntry {
    /// 0 to 100; `null` when there is not enough data.
    pub value: Option<f64>,
    /// 0 to 1.
    pub coverage: f64,
}

impl From<Score> for ScoreEntry {
    fn from(score: Score) -> Self {
        Self { value: score.value, coverage: score.coverage }
    }
}

/// The score and its four groups.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct ScoreGroups {
    /// All groups.
    pub total: ScoreEntry,
    /// Connectivity.
    pub connectivity: ScoreEntry,
    /// Offline resilience.
    pub offline_resilience: ScoreEntry,
    /// Battery.
    pub battery: ScoreEntry,
    /// User experience.
    pub user_experience: ScoreEntry,
}

impl From<Scores> for ScoreGroups {
    fn from(scores: Scores) -> Self {
        Self {
            total: scores.total.into(),
            connectivity: scores.connectivity.into(),
            offline_resilience: scores.offline_resilience.into(),
            battery: scores.battery.into(),
            user_experience: scores.user_experience.into(),
        }
    }
}

impl From<DeviceRow> for DeviceEntry {
    fn from(row: DeviceRow) -> Self {
        Self {
            client_id: row.client_id.into_string(),
            name: row.name,
            principal: row.principal,
            platform: row.platform,
            os_version: row.os_version,
            app_version: row.app_version,
            simulated: row.simulated,
            condition: row.condition.as_str(),
            health: row.condition.health().as_str(),
            condition_note: row.condition_note,
            contact: row.contact.as_str(),
            last_contact: row.last_contact.map(Timestamp),
            interval_ms: row.interval_ms,
            queue_depth: row.queue_depth,
            poisoned: row.poisoned,
            oldest_pending: row.oldest_pending.map(Timestamp),
            drift_age_ms: row.drift_age_ms,
            drift_cause: row.drift_cause.map(DriftCause::as_str),
            battery_percent: row.battery_percent,
            score: row.score.into(),
            conflicts: row.conflicts,
            behind: row.behind,
        }
    }
}

/// One device with what was made of its reports.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DeviceDetail {
    /// Its row in the list.
    #[serde(flatten)]
    pub device: DeviceEntry,
    /// One sentence that says what is the matter.
    pub sentence: String,
    /// Drift by cause.
    pub drift: Vec<DriftGate>,
    /// Scores.
    pub scores: ScoreGroups,
    /// Per scope and collection.
    pub convergence: Vec<ConvergenceEntry>,
    /// Expected next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_expected: Option<Timestamp>,
    /// Enrolled at.
    #[schema(value_type = String, format = DateTime)]
    pub enrolled_at: Timestamp,
    /// Whether it is refused.
    pub blocked: bool,
    /// Risks that follow from its trends.
    pub predicted_risks: Vec<RiskEntry>,
    /// What to do.
    pub recommended_actions: Vec<RecommendationEntry>,
}

/// One gate of drift.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct DriftGate {
    /// `not_connected`, `not_pulling`, `not_applying`, `not_acknowledged`.
    pub cause: &'static str,
    /// How long it has been shut; `null` when it cannot be told.
    pub shut_ms: Option<i64>,
    /// The fact behind it.
    pub note: String,
}

impl From<Gate> for DriftGate {
    fn from(gate: Gate) -> Self {
        Self { cause: gate.cause.as_str(), shut_ms: gate.shut_ms, note: gate.note }
    }
}

/// What a digest says about one collection in one scope.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ConvergenceEntry {
    /// Scope.
    pub scope: String,
    /// Collection.
    pub collection: String,
    /// `identical`, `behind`, `diverged`, `blocked`, `not_reported`.
    pub verdict: &'static str,
    /// Position at which it was identical.
    pub seq: Option<i64>,
    /// Changes behind, or entries that are stuck.
    pub count: Option<i64>,
    /// Diverged since.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

impl From<Convergence> for ConvergenceEntry {
    fn from(convergence: Convergence) -> Self {
        let (verdict, seq, count, since) = match convergence.verdict {
            ConvergenceVerdict::Identical(seq) => ("identical", Some(seq.0), None, None),
            ConvergenceVerdict::Behind(count) => ("behind", None, Some(count), None),
            ConvergenceVerdict::Diverged(since) => ("diverged", None, None, since.map(Timestamp)),
            ConvergenceVerdict::Blocked(count) => ("blocked", None, Some(count), None),
            ConvergenceVerdict::NotReported => ("not_reported", None, None, None),
        };
        Self { scope: convergence.scope, collection: convergence.collection, verdict, seq, count, since }
    }
}

impl From<DeviceView> for DeviceDetail {
    fn from(view: DeviceView) -> Self {
        Self {
            device: view.row.into(),
            sentence: view.sentence,
            drift: view.drift.gates.into_iter().map(DriftGate::from).collect(),
            scores: view.scores.into(),
            convergence: view.convergence.into_iter().map(ConvergenceEntry::from).collect(),
            next_expected: view.next_expected.map(Timestamp),
            enrolled_at: Timestamp(view.enrolled),
            blocked: view.blocked,
            predicted_risks: view.risks.into_iter().map(RiskEntry::from).collect(),
            recommended_actions: view.recommended.into_iter().map(RecommendationEntry::from).collect(),
        }
    }
}

/// Lists devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "console", security(("api" = []), ("session" = [])),
    params(("q" = Option<String>, Query, description = "filter, e.g. `platform:ios -version:<4.2 queue:>100`"),
        ("sort" = Option<String>, Query, description = "`worst`, `queue`, `drift`, `contact`, `name`, `score`"),
        ("limit" = Option<u32>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<DeviceEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn devices_list(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<DeviceEntry>>> {
    let mut params = Params::of(&uri)?;
    let filter = params.take("q").unwrap_or_default();
    let sort = match params.take("sort") {
        None => DeviceSort::default(),
        Some(sort) => DeviceSort::parse(&sort)
            .ok_or_else(|| Refusal::query("sort", "must be worst, queue, drift, contact, name or score"))?,
    };
    let (position, rows) = params.take_page()?;
    params.done()?;
    let list = app.service().devices_list(&cx, &filter, sort, &position, rows).await?;
    Ok(Json(Listing::of(list.page, DeviceEntry::from)))
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{client_id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("client_id" = String, Path)),
    responses((status = 200, body = DeviceDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn device_view(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(client_id): Path<String>,
) -> Answer<Json<DeviceDetail>> {
    let client_id = ClientId::parse(client_id).map_err(|_| Error::NotFound("device"))?;
    Ok(Json(app.service().device_view(&cx, &client_id).await?.into()))
}
