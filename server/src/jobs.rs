//! Work of the server itself that no request asks for.
//!
//! Each job runs on a timer until the server stops, takes no input, and does no harm when it runs twice. A failure is logged and
//! the job goes on: one bad minute must not end the housekeeping.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::JoinHandle;

use tidewatch_service::drain::Pace;

use crate::state::App;

const TIDY_PAUSE: Duration = Duration::from_secs(60);
const ROLL_PAUSE: Duration = Duration::from_secs(1);
const COMMANDS_PAUSE: Duration = Duration::from_secs(1);
const RETAIN_PAUSE: Duration = Duration::from_secs(60);
const RETAIN_STEP_PAUSE: Duration = Duration::from_millis(50);
const SOON_PAUSE: Duration = Duration::from_millis(100);
/// Stretches of sets that nobody has submitted, dropped at a time.
const SETS_AT_ONCE: u32 = 50;
const NONCES_PAUSE: Duration = Duration::from_secs(2);

/// Starts the jobs.
#[must_use]
pub fn start(app: &App, metrics: Option<metrics_exporter_prometheus::PrometheusHandle>) -> Vec<JoinHandle<()>> {
    let (tidied, signed, told) = (app.clone(), app.clone(), app.clone());
    vec![
        tokio::spawn(drains(app.clone())),
        tokio::spawn(retains(app.clone(), "purge", |app| async move { app.service().purge_work(&app.system_cx()).await })),
        tokio::spawn(retains(app.clone(), "roll_items", |app| async move { app.service().roll_work(&app.system_cx()).await })),
        tokio::spawn(rolls(app.clone())),
        tokio::spawn(every(app.clone(), "tidy", TIDY_PAUSE, move || {
            let (app, metrics) = (tidied.clone(), metrics.clone());
            async move {
                if let Some(metrics) = &metrics {
                    metrics.run_upkeep();
                }
                tidy(&app).await
            }
        })),
        tokio::spawn(every(app.clone(), "nonces", NONCES_PAUSE, move || {
            let app = signed.clone();
            async move { app.service().nonces_keep(app.now()).await }
        })),
        tokio::spawn(every(app.clone(), "commands", COMMANDS_PAUSE, move || {
            let app = told.clone();
            async move {
                app.service().untold_follow().await?;
                app.service().commands_expire(app.now()).await?;
                app.service().untold_wake(app.now());
                Ok(())
            }
        })),
    ]
}

/// Works off drain jobs: at once while there is something to do, else when something has changed, or about once a second.
async fn drains(app: App) {
    let mut changed = app.service().drain_watch();
    loop {
        let pace = match AssertUnwindSafe(app.service().drain_work(app.now())).catch_unwind().await {
            Ok(Ok(pace)) => pace,
            Ok(Err(error)) if error.passes() => Pace::Idle,
            Ok(Err(error)) => failed("drain", &format!("{error:?}")),
            Err(_) => failed("drain", "it panicked"),
        };
        let pause = match pace {
            Pace::Now => Duration::ZERO,
            Pace::Soon => SOON_PAUSE,
            Pace::Idle => ROLL_PAUSE,
        };
        tokio::select! {
            () = app.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            Ok(()) = changed.changed(), if pace == Pace::Idle => {}
        }
    }
}

/// Removes what retention does not keep any more: a step at a time while there is something to do, else it looks once a minute.
async fn retains<F: Future<Output = tidewatch_service::Result<Pace>>>(app: App, job: &'static str, work: impl Fn(App) -> F) {
    loop {
        let pace = match AssertUnwindSafe(work(app.clone())).catch_unwind().await {
            Ok(Ok(pace)) => pace,
            Ok(Err(error)) if error.passes() => Pace::Idle,
            Ok(Err(error)) => failed(job, &format!("{error:?}")),
            Err(_) => failed(job, "it panicked"),
        };
        let pause = if pace == Pace::Now { RETAIN_STEP_PAUSE } else { RETAIN_PAUSE };
        tokio::select! {
            () = app.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Moves telemetry on: about once a second, and at once while the mirror has more of the log to follow.
async fn rolls(app: App) {
    let mut pause = ROLL_PAUSE;
    loop {
        tokio::select! {
            () = app.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let pace = match AssertUnwindSafe(app.service().telemetry_roll(app.now())).catch_unwind().await {
            Ok(Ok(true)) => Pace::Now,
            Ok(Ok(false)) => Pace::Idle,
            Ok(Err(error)) => failed("roll", &format!("{error:?}")),
            Err(_) => failed("roll", "it panicked"),
        };
        pause = if pace == Pace::Now { Duration::ZERO } else { ROLL_PAUSE };
    }
}

fn failed(job: &'static str, failure: &str) -> Pace {
    metrics::counter!("tidewatch_job_failures_total", "job" => job).increment(1);
    tracing::error!(job, failure, "job {job} failed");
    Pace::Idle
}

async fn every<F: Future<Output = tidewatch_service::Result<()>>>(
    app: App,
    job: &'static str,
    pause: Duration,
    work: impl Fn() -> F,
) {
    loop {
        tokio::select! {
            () = app.stopping().cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let failure = match AssertUnwindSafe(work()).catch_unwind().await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("{error:?}"),
            Err(_) => "it panicked".to_owned(),
        };
        metrics::counter!("tidewatch_job_failures_total", "job" => job).increment(1);
        tracing::error!(job, failure, "job {job} failed");
    }
}

async fn tidy(app: &App) -> tidewatch_service::Result<()> {
    let limits = app.limits();
    limits.devices.retain_recent();
    limits.control.retain_recent();
    limits.enrol.retain_recent();
    limits.sign_in.retain_recent();
    for _ in 0..SETS_AT_ONCE {
        if !app.service().drain_tidy(app.now()).await? {
            break;
        }
    }
    app.service().snapshots_tidy(app.now()).await?;
    app.service().auth_tidy(&app.system_cx()).await
}
