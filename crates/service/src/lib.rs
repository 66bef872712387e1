//! The use cases: authorise, act, audit. Called by the HTTP API and by the pages alike; the only way to the store.
//!
//! The first parameter of every use case is [`Cx`]: who acts, when, under which request id. One module a capability:
//! [`sync`] (devices' data), [`fleet`] (telemetry and what is made of it), [`drain`] (taking entries of outboxes out of the way),
//! [`explore`] (log, traces, audit), [`auth`] (staff, sessions, tokens), [`control`] (commands to devices).

pub mod auth;
pub mod control;
pub mod cx;
pub mod drain;
pub mod error;
pub mod explore;
pub mod fleet;
pub mod sync;
mod written;

pub use cx::{Actor, Cx};
pub use error::{Error, Result};

use std::sync::Arc;

use tidewatch_domain::drain::{ItemRetention, Retention};
use tidewatch_domain::fleet::Released;
use tidewatch_domain::redact::Secret;
use tidewatch_store::Store;
use tidewatch_store::sync::roll::RollPlace;

use auth::{Auth, PasswordCost};

/// The use cases over one store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) store: Store,
    pub(crate) auth: Arc<Auth>,
    pub(crate) in_flight: sync::InFlight,
    pub(crate) nonces: Arc<sync::Nonces>,
    /// Held while a set is frozen.
    pub(crate) freezing: Arc<tokio::sync::Mutex<()>>,
    /// Held while it is looked up and noted who reads a log.
    pub(crate) log_looks: Arc<tokio::sync::Mutex<()>>,
    pub(crate) budgets: Arc<drain::Budgets>,
    pub(crate) newer: Arc<drain::Counts<u64>>,
    pub(crate) released: Arc<drain::Counts<Option<Released>>>,
    pub(crate) untold: Arc<drain::Counts<u64>>,
    /// Reads archived intents; the wire is not known here.
    pub(crate) reader: Option<drain::IntentReader>,
    pub(crate) signers: Arc<control::Signers>,
    /// Complete lists of outboxes that are to be compared with what their devices have not been told yet.
    pub(crate) lists: Arc<control::Lists>,
    /// Until when those who wait for what falls due have been woken.
    pub(crate) woken: Arc<control::Woken>,
    pub(crate) retention: Retention,
    pub(crate) item_retention: ItemRetention,
    /// Where the round of jobs whose items may roll has come to.
    pub(crate) rolls: Arc<std::sync::Mutex<RollPlace>>,
    /// What names of redacted texts are made with, once it was read.
    pub(crate) redaction: Arc<tokio::sync::OnceCell<Secret>>,
}

impl Service {
    /// Use cases over this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_password_cost(store, PasswordCost::Standard)
    }

    /// Use cases over this store, with this cost of a password.
    #[must_use]
    pub fn with_password_cost(store: Store, cost: PasswordCost) -> Self {
        Self {
            store,
            auth: Arc::new(Auth::new(cost)),
            in_flight: sync::InFlight::default(),
            nonces: Arc::default(),
            freezing: Arc::default(),
            log_looks: Arc::default(),
            budgets: Arc::default(),
            newer: Arc::default(),
            released: Arc::default(),
            untold: Arc::default(),
            reader: None,
            signers: Arc::default(),
            lists: Arc::default(),
            woken: Arc::default(),
            retention: Retention::default(),
            item_retention: ItemRetention::default(),
            rolls: Arc::default(),
            redaction: Arc::default(),
        }
    }

    /// The same, able to decide archived intents again.
    #[must_use]
    pub fn with_reader(self, reader: drain::IntentReader) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// The same, with payloads of what was given up kept so long.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// The same, with what became of each entry of a job kept so long in the store.
    #[must_use]
    pub fn with_item_retention(self, item_retention: ItemRetention) -> Self {
        Self { item_retention, ..self }
    }
}
