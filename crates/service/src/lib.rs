//! The use cases: authorise, act, audit. Called by the HTTP API and by the pages alike; the only way to the store.
//!
//! The first parameter of every use case is [`Cx`]: who acts, when, under which request id. One module a capability:
//! [`sync`] (devices' data), [`fleet`] (telemetry and what is made of it), [`explore`] (log, traces, audit), [`auth`]
//! (staff, sessions, tokens).

pub mod auth;
pub mod cx;
pub mod error;
pub mod explore;
pub mod fleet;
pub mod sync;

pub use cx::{Actor, Cx};
pub use error::{Error, Result};

use tidewatch_store::Store;

/// The use cases over one store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) store: Store,
}

impl Service {
    /// Use cases over this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}
