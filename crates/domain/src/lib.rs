//! The rules of Tidewatch, pure: no async, no IO, no clock, no randomness, no derived serialisation; builds for any target.
//!
//! Two halves share the words of the glossary (`docs/ARCHITECTURE.md`). *Sync*: [`ids`], [`hlc`], [`cursor`], [`json`],
//! [`digest`], [`policy`], [`command`], [`patch`], [`decide`], [`engine`]. *Fleet*: [`report`], [`score`], [`health`], [`fleet`], [`filter`],
//! [`drain`], [`control`]. Both stand on [`time`], [`role`], [`page`] and [`audit`].

pub mod audit;
pub mod command;
pub mod contact;
pub mod control;
pub mod crdt;
pub mod cursor;
pub mod decide;
pub mod digest;
pub mod drain;
pub mod engine;
pub mod expr;
pub mod filter;
pub mod fleet;
pub mod health;
pub mod hlc;
pub mod ids;
pub mod json;
pub mod manifest;
pub mod page;
pub mod patch;
pub mod policy;
pub mod redact;
pub mod report;
pub mod role;
pub mod score;
pub mod signature;
pub mod sync;
pub mod time;
pub mod trend;
