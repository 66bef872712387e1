//! `GET /api/v1/resilience-report`: the report of seed 000, the same answer as the overview page.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidewatch_domain::fleet::{Figure, Overview, Recommendation, Risk, Target, WorkItem};
use tidewatch_domain::time::TimeRange;
use tidewatch_protocol::{Problem, Timestamp};

use super::devices::ScoreGroups;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// The report.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ResilienceReport {
    /// Computed at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Over: `1h`, `6h`, `24h`, `7d`, `30d`.
    pub range: &'static str,
    /// The finding, one sentence.
    pub headline: String,
    /// Mean score of the fleet; `null` when there is not enough data.
    pub current_resilience_score: Option<f64>,
    /// Means by group.
    pub scores: ScoreGroups,
    /// 10th percentile of device scores.
    pub score_p10: Option<f64>,
    /// Median of device scores.
    pub score_p50: Option<f64>,
    /// Devices with a score.
    pub scored_devices: u64,
    /// All devices.
    pub devices: u64,
    /// Worst first.
    pub critical_issues: Vec<IssueEntry>,
    /// Where something could be better.
    pub optimization_opportunities: Vec<RecommendationEntry>,
    /// Soonest first.
    pub predicted_risks: Vec<RiskEntry>,
    /// Worst first.
    pub recommended_actions: Vec<RecommendationEntry>,
    /// The six figures of the overview.
    pub figures: Vec<FigureEntry>,
}

/// Something that needs a person.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct IssueEntry {
    /// `Now`, `Today`, `This week`.
    pub urgency: &'static str,
    /// What, to how many.
    pub title: String,
    /// The consequence.
    pub detail: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// How many devices.
    pub devices: u64,
    /// Page that shows it.
    pub link: String,
}

/// A risk that a trend foretells.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RiskEntry {
    /// What will happen.
    pub title: String,
    /// When, at this rate.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
    /// How it was predicted, with its error.
    pub basis: String,
    /// Page that shows it.
    pub link: String,
}

/// Something to do.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RecommendationEntry {
    /// What to do.
    pub title: String,
    /// What it will change.
    pub detail: String,
    /// Page where it is done.
    pub link: String,
}

/// One figure.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct FigureEntry {
    /// `queue_depth`, `sync_success`, `drift_age`, `conflict_rate`, `sync_latency`, `battery_score`.
    pub metric: &'static str,
    /// In the metric's unit; `null` without data.
    pub value: Option<f64>,
    /// The verdict.
    pub verdict: String,
    /// The limit that the verdict is measured against.
    pub slo: Option<f64>,
}

fn link(target: &Target) -> String {
    tidewatch_app::paths::target(target)
}

impl From<Risk> for RiskEntry {
    fn from(risk: Risk) -> Self {
        Self { link: link(&risk.target), title: risk.title, due: Timestamp(risk.due), basis: risk.basis }
    }
}

impl From<Recommendation> for RecommendationEntry {
    fn from(recommendation: Recommendation) -> Self {
        Self { link: link(&recommendation.target), title: recommendation.title, detail: recommendation.detail }
    }
}

impl From<WorkItem> for IssueEntry {
    fn from(item: WorkItem) -> Self {
        Self {
            urgency: item.urgency.label(),
            link: link(&item.target),
            title: item.title,
            detail: item.detail,
            since: item.since.map(Timestamp),
            devices: item.devices,
        }
    }
}

impl From<Figure> for FigureEntry {
    fn from(figure: Figure) -> Self {
        Self { metric: figure.metric.as_str(), value: figure.value, verdict: figure.verdict, slo: figure.slo }
    }
}

impl From<Overview> for ResilienceReport {
    fn from(overview: Overview) -> Self {
        let score = overview.score;
        Self {
            as_of: Timestamp(overview.as_of),
            range: overview.range.as_str(),
            headline: overview.headline,
            current_resilience_score: score.scores.total.value,
            scores: score.scores.into(),
            score_p10: score.p10,
            score_p50: score.p50,
            scored_devices: score.devices,
            devices: overview.counts.devices,
            critical_issues: overview.work.into_iter().map(IssueEntry::from).collect(),
            optimization_opportunities: overview.opportunities.into_iter().map(RecommendationEntry::from).collect(),
            predicted_risks: overview.risks.into_iter().map(RiskEntry::from).collect(),
            recommended_actions: overview.recommended.into_iter().map(RecommendationEntry::from).collect(),
            figures: overview.figures.into_iter().map(FigureEntry::from).collect(),
        }
    }
}

/// How the fleet copes, and what to do.
#[utoipa::path(get, path = "/api/v1/resilience-report", tag = "console", security(("api" = []), ("session" = [])),
    params(("range" = Option<String>, Query, description = "`1h`, `6h`, `24h`, `7d`, `30d`; 24 hours when absent")),
    responses((status = 200, body = ResilienceReport), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn resilience_report(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<ResilienceReport>> {
    let mut params = Params::of(&uri)?;
    let range = match params.take("range") {
        None => TimeRange::default(),
        Some(text) => TimeRange::parse(&text).ok_or_else(|| Refusal::query("range", "must be 1h, 6h, 24h, 7d or 30d"))?,
    };
    params.done()?;
    Ok(Json(app.service().overview(&cx, range, false).await?.into()))
}
