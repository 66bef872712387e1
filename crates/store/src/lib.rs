//! The embedded sync store. The only crate that names `sqlx`; takes and returns domain types; its rows are private.
//!
//! Files under one data directory: `sync.db` (the log, its projections, audit), `telemetry.db` and hourly
//! `telemetry-YYYYMMDDHH.db` (reports and what is made of them), `console.db` (staff, sessions, tokens), `snapshots/` (the state of
//! scopes in files that are handed out, made from the log), `escrow.key` (what opens sealed payloads). None can block or bloat another.

pub mod console;
mod database;
pub mod error;
mod owned;
mod store;
pub mod sync;
pub mod telemetry;
mod vault;

pub use database::Durability;
pub use error::{Error, Result};
pub use store::{Store, StoreOptions, folder_make};
