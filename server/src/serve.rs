//! `tidewatch serve`: opens the store, listens, and stops in order: no new request, the running ones finish, the store is flushed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tidewatch_app::context::Assets;
use tidewatch_domain::drain::{ItemRetention, Retention};
use tidewatch_service::Service;
use tidewatch_store::{Store, StoreOptions, folder_make};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::gate::SESSION_IDLE_S;
use crate::settings::{DataArgs, ServeArgs};
use crate::state::App;
use crate::{assets, capture, errand, jobs, observe, router};

/// How long requests may go on after the sign to stop.
const GRACE: Duration = Duration::from_secs(15);

/// An opened store, and the lock that says whose it is.
#[derive(Debug)]
pub struct Opened {
    store: Store,
    lock: File,
}

impl Opened {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    /// When another process has it, or as the store.
    pub async fn open(data: &DataArgs, clock: &Clock) -> anyhow::Result<Self> {
        let dir = &data.data;
        folder_make(dir).with_context(|| format!("--data {} cannot be made", dir.display()))?;
        let lock = File::create(dir.join("lock")).with_context(|| format!("--data {} cannot be written", dir.display()))?;
        if lock.try_lock().is_err() {
            bail!("--data {} is in use by another process", dir.display());
        }
        let mut entropy = [0_u8; 8];
        getrandom::fill(&mut entropy).context("no randomness from the system")?;
        let mut options = StoreOptions::new(clock.now(), u64::from_le_bytes(entropy));
        options.durability = data.durability.into();
        options.accept_rollback = data.accept_rollback;
        options.hint = hint_path(dir);
        options.escrow_key = data.escrow_key.clone();
        options.readers = std::thread::available_parallelism().map_or(4, |cores| u32::try_from(cores.get() * 2).unwrap_or(4));
        let store =
            Store::open(dir, options).await.with_context(|| format!("the store under {} does not open", dir.display()))?;
        Ok(Self { store, lock })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Flushes and closes.
    ///
    /// # Errors
    /// As the store.
    pub async fn close(self) -> anyhow::Result<()> {
        self.store.close().await.context("the store was not flushed")?;
        self.lock.unlock().context("the lock on the store stayed")
    }
}

/// Beside the data directory and not in it: a restored copy of the directory must not bring its own.
fn hint_path(dir: &Path) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    let name = dir.file_name()?.to_str()?;
    Some(dir.with_file_name(format!("{name}.head-hint")))
}

/// What can be chosen of a server.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    /// Sessions of staff end after so many seconds without a request.
    pub session_idle_s: u32,
    /// Devices that have bound a key must sign every request.
    pub signatures_required: bool,
    /// How long payloads of what was given up are kept.
    pub retention: Retention,
    /// How long what became of each entry of a drain is kept in the store.
    pub item_retention: ItemRetention,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            session_idle_s: SESSION_IDLE_S,
            signatures_required: false,
            retention: Retention::default(),
            item_retention: ItemRetention::default(),
        }
    }
}

/// A server that runs in this process.
#[derive(Debug)]
pub struct Running {
    /// Shared state.
    pub app: App,
    /// Where it listens.
    pub address: SocketAddr,
    opened: Opened,
    serving: JoinHandle<std::io::Result<()>>,
    jobs: Vec<JoinHandle<()>>,
}

impl Running {
    /// Opens the store and listens.
    ///
    /// # Errors
    /// When the store does not open, or the address is taken.
    pub async fn start(data: &DataArgs, listen: SocketAddr, clock: Clock) -> anyhow::Result<Self> {
        Self::start_with(data, listen, clock, Choices::default()).await
    }

    /// The same, with what can be chosen.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub async fn start_with(data: &DataArgs, listen: SocketAddr, clock: Clock, choices: Choices) -> anyhow::Result<Self> {
        let opened = Opened::open(data, &clock).await?;
        let metrics = observe::metrics_start();
        let service = Service::new(opened.store().clone())
            .with_reader(crate::intents::intent_read)
            .with_retention(choices.retention)
            .with_item_retention(choices.item_retention);
        let app = App::new(service, clock, Assets::new(assets::urls()), metrics.clone())
            .with_session_idle(choices.session_idle_s)
            .with_signatures_required(choices.signatures_required);
        let listener = TcpListener::bind(listen).await.with_context(|| format!("--listen {listen} cannot be opened"))?;
        let address = listener.local_addr().context("the listener has no address")?;
        let service = router::router(&app).into_make_service_with_connect_info::<SocketAddr>();
        let stopping = app.stopping().clone();
        let serving =
            tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(stopping.cancelled_owned()).await });
        let mut jobs = jobs::start(&app, metrics);
        jobs.push(errand::listen(&app, &data.data).context("the errand socket cannot be opened")?);
        Ok(Self { app, address, opened, serving, jobs })
    }

    /// Stops in order.
    ///
    /// # Errors
    /// When the store cannot be flushed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.app.stopping().cancel();
        let abort = self.serving.abort_handle();
        match tokio::time::timeout(GRACE, self.serving).await {
            Ok(done) => done.context("the server task panicked")?.context("serving ended")?,
            Err(_) => {
                tracing::warn!("requests were still running after {} s", GRACE.as_secs());
                abort.abort();
            }
        }
        for job in self.jobs {
            job.await.context("a job panicked")?;
        }
        self.opened.close().await
    }
}

/// Runs until it is told to stop.
///
/// # Errors
/// When it does not start, or does not stop cleanly.
pub async fn serve(args: &ServeArgs, listen: SocketAddr) -> anyhow::Result<()> {
    let choices = Choices {
        session_idle_s: args.session_seconds,
        signatures_required: args.require_signatures,
        retention: args.retention.retention(),
        item_retention: args.retention.items(),
    };
    let running = Running::start_with(&args.data, listen, Clock::system(), choices).await?;
    let capture = match &args.capture {
        Some(file) => Some(capture::start(&running.app, file).await?),
        None => None,
    };
    let admin = running.app.service().first_admin(&running.app.system_cx()).await?;
    println!("Tidewatch listens on http://{}", running.address);
    if let Some((user, password)) = admin {
        println!("First run: sign in as `{}` with the password {password}", user.name);
        println!("It is not shown again; `tidewatch user passwd {}` sets another one.", user.name);
    }
    told_to_stop().await?;
    tracing::info!("stopping");
    running.stop().await?;
    match capture {
        Some(capture) => capture.await.context("the capture panicked")?,
        None => Ok(()),
    }
}

/// Waits for `SIGTERM` or `SIGINT`.
///
/// # Errors
/// When the signals cannot be listened to.
pub async fn told_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted.context("SIGINT cannot be listened to"),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.context("Ctrl-C cannot be listened to")
}
