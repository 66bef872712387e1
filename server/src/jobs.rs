//! Work of the server itself that no request asks for.
//!
//! Each job runs once a minute until the server stops, takes no input, and does no harm when it runs twice.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::state::App;

const PAUSE: Duration = Duration::from_secs(60);

/// Starts the jobs.
#[must_use]
pub fn start(app: &App, metrics: Option<metrics_exporter_prometheus::PrometheusHandle>) -> JoinHandle<()> {
    let app = app.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = app.stopping().cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            tidy(&app).await;
            if let Some(metrics) = &metrics {
                metrics.run_upkeep();
            }
        }
    })
}

async fn tidy(app: &App) {
    let limits = app.limits();
    limits.devices.retain_recent();
    limits.enrol.retain_recent();
    limits.sign_in.retain_recent();
    if let Err(error) = app.service().auth_tidy(&app.system_cx()).await {
        tracing::error!(?error, "sessions were not tidied");
    }
}
