//! What handlers share: use cases, clock, limits, open streams, and the sign that the server is stopping.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::DefaultClock;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use metrics_exporter_prometheus::PrometheusHandle;
use tidewatch_app::context::Assets;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;
use tidewatch_service::{Actor, Cx, Service};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::export::manifests::Manifests;
use crate::gate::SESSION_IDLE_S;
use crate::tickets::Tickets;

/// Requests per second of one device, and how many it may save up.
pub const DEVICE_QUOTA: (u32, u32) = (50, 200);
/// The same on the control channel: polls wait, and hardly ever say anything.
const CONTROL_QUOTA: (u32, u32) = (10, 100);
/// Registrations and token refreshes per second of one address: a whole site may be behind it.
const ENROL_QUOTA: (u32, u32) = (500, 2_000);
/// Sign-in attempts per second of one address.
const SIGN_IN_QUOTA: (u32, u32) = (2, 30);
/// Event streams that are open at a time: of devices, and of browsers.
const STREAMS_MAX: (usize, usize) = (20_000, 1_000);
/// Log lines are read in memory, so that they are taken whole or not at all: so many uploads at a time, of a megabyte each.
const LOG_UPLOADS_MAX: usize = 8;
/// Devices that wait for a command at a time, requests of the control channel that are looked after at a time, and uploads in escrow.
const CONTROL_MAX: (usize, usize, usize) = (20_000, 32, 16);

/// Shared state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
    session_idle_s: u32,
    signatures_required: bool,
}

#[derive(Debug)]
struct Inner {
    service: Service,
    clock: Clock,
    assets: Assets,
    limits: Limits,
    streams: Streams,
    tickets: Tickets,
    manifests: Manifests,
    stopping: CancellationToken,
    metrics: Option<PrometheusHandle>,
}

/// The buckets of devices; each answer says what is left.
pub type DeviceLimiter =
    RateLimiter<ClientId, DefaultKeyedStateStore<ClientId>, DefaultClock, governor::middleware::StateInformationMiddleware>;

/// Rate limits.
#[derive(Debug)]
pub struct Limits {
    /// By device.
    pub devices: DeviceLimiter,
    /// By device, on the control channel.
    pub control: DefaultKeyedRateLimiter<ClientId>,
    /// Registration and refresh by address.
    pub enrol: DefaultKeyedRateLimiter<IpAddr>,
    /// Sign-in by address.
    pub sign_in: DefaultKeyedRateLimiter<IpAddr>,
}

/// Open event streams.
#[derive(Debug)]
pub struct Streams {
    /// Places for devices.
    pub device_places: Arc<Semaphore>,
    /// Places for browsers.
    pub console_places: Arc<Semaphore>,
    /// Places for devices that wait for a command.
    pub control_places: Arc<Semaphore>,
    /// Turns of the control channel.
    pub control_turns: Semaphore,
    /// Places for uploads in escrow.
    pub escrow_places: Arc<Semaphore>,
    /// Places for uploads of log lines.
    pub log_places: Arc<Semaphore>,
    by_device: Mutex<HashMap<ClientId, CancellationToken>>,
}

impl Streams {
    /// The one stream of a device: an older one of the same device ends, since nobody can tell whether its reader is still there.
    pub fn device_take(&self, client_id: &ClientId, stopping: &CancellationToken) -> CancellationToken {
        let mine = stopping.child_token();
        let older = self.by_device.lock().unwrap_or_else(PoisonError::into_inner).insert(client_id.clone(), mine.clone());
        if let Some(older) = older {
            older.cancel();
        }
        mine
    }

    /// Gives the place back, unless a newer stream has it.
    pub fn device_leave(&self, client_id: &ClientId, mine: &CancellationToken) {
        mine.cancel();
        let mut all = self.by_device.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(client_id).is_some_and(CancellationToken::is_cancelled) {
            all.remove(client_id);
        }
    }
}

fn quota((per_second, burst): (u32, u32)) -> Quota {
    let count = |n: u32| NonZeroU32::new(n).expect("a quota is not zero");
    Quota::per_second(count(per_second)).allow_burst(count(burst))
}

impl App {
    /// Shared state over these use cases.
    #[must_use]
    pub fn new(service: Service, clock: Clock, assets: Assets, metrics: Option<PrometheusHandle>) -> Self {
        let limits = Limits {
            devices: RateLimiter::keyed(quota(DEVICE_QUOTA)).with_middleware(),
            control: RateLimiter::keyed(quota(CONTROL_QUOTA)),
            enrol: RateLimiter::keyed(quota(ENROL_QUOTA)),
            sign_in: RateLimiter::keyed(quota(SIGN_IN_QUOTA)),
        };
        let streams = Streams {
            device_places: Arc::new(Semaphore::new(STREAMS_MAX.0)),
            console_places: Arc::new(Semaphore::new(STREAMS_MAX.1)),
            control_places: Arc::new(Semaphore::new(CONTROL_MAX.0)),
            control_turns: Semaphore::new(CONTROL_MAX.1),
            escrow_places: Arc::new(Semaphore::new(CONTROL_MAX.2)),
            log_places: Arc::new(Semaphore::new(LOG_UPLOADS_MAX)),
            by_device: Mutex::default(),
        };
        let stopping = CancellationToken::new();
        let (tickets, manifests) = (Tickets::default(), Manifests::default());
        let inner = Arc::new(Inner { service, clock, assets, limits, streams, tickets, manifests, stopping, metrics });
        Self { inner, session_idle_s: SESSION_IDLE_S, signatures_required: false }
    }

    /// The same, with sessions that end after so many seconds without a request.
    #[must_use]
    pub const fn with_session_idle(mut self, seconds: u32) -> Self {
        self.session_idle_s = seconds;
        self
    }

    /// The same, where devices that have bound a key must sign every request.
    #[must_use]
    pub const fn with_signatures_required(mut self, required: bool) -> Self {
        self.signatures_required = required;
        self
    }

    /// Whether devices that have bound a key must sign every request.
    #[must_use]
    pub const fn signatures_required(&self) -> bool {
        self.signatures_required
    }

    /// A session ends after so many seconds without a request.
    #[must_use]
    pub const fn session_idle_s(&self) -> u32 {
        self.session_idle_s
    }

    /// The use cases.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.inner.service
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.inner.clock.now()
    }

    /// Built files.
    #[must_use]
    pub fn assets(&self) -> &Assets {
        &self.inner.assets
    }

    /// Rate limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Open event streams.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.inner.streams
    }

    /// Tickets for event streams.
    #[must_use]
    pub fn tickets(&self) -> &Tickets {
        &self.inner.tickets
    }

    /// Files that were exported lately.
    #[must_use]
    pub fn manifests(&self) -> &Manifests {
        &self.inner.manifests
    }

    /// Cancelled when the server stops.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// The metrics, when this process has them.
    #[must_use]
    pub fn metrics(&self) -> Option<&PrometheusHandle> {
        self.inner.metrics.as_ref()
    }

    /// A context for this moment.
    #[must_use]
    pub fn cx(&self, actor: Actor, request_id: &str) -> Cx {
        Cx { actor, now: self.now(), request_id: request_id.to_owned() }
    }

    /// A context of a job of the console itself.
    #[must_use]
    pub fn system_cx(&self) -> Cx {
        self.cx(Actor::System, &uuid::Uuid::now_v7().to_string())
    }
}
