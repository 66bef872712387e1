//! The reference sync client (`protocol.md` 2): what an app embeds to queue edits offline and to sync later.
//!
//! [`Client`] is a state machine without IO: the caller owns the clock, the randomness and the network. It asks
//! [`Client::next_action`] what to do, carries the request out, and gives the answer to [`Client::handle`]. The HTTP
//! transport ([`http`]) and the fleet simulator drive the very same machine.
//!
//! Everything that must outlive a crash goes through one append-only journal ([`journal`]): an intent counts as queued
//! only once it is synced to the disk, and the rows of a page and its cursor are one frame, so they stand or fall together.

pub mod clock;
pub mod control;
pub mod http;
pub mod intent;
pub mod journal;
pub mod link;
pub mod logs;
pub mod mesh;
pub mod outbox;
pub mod replica;
pub mod session;
pub mod state;
pub mod telemetry;
pub mod wire;

pub use clock::Hlc;
pub use intent::{Draft, Intent};
pub use journal::{FileJournal, Journal, MemoryJournal};
pub use session::{Action, Client, Config, Error, Handled, Pulled, Settlement};
pub use wire::{Purpose, Reply, Request};
