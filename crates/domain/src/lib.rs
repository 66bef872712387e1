//! The rules of Tidewatch, pure: no async, no IO, no clock, no randomness, no derived serialisation; builds for any target.
//!
//! Two halves share the words of the glossary (`docs/ARCHITECTURE.md`). *Sync*: [`ids`], [`hlc`], [`cursor`], [`json`],
//! [`mutation`], [`policy`], [`decide`], [`engine`]. *Fleet*: [`report`], [`score`], [`health`], [`fleet`], [`filter`].
//! Both stand on [`time`], [`role`], [`page`] and [`audit`].

pub mod audit;
pub mod contact;
pub mod filter;
pub mod fleet;
pub mod health;
pub mod ids;
pub mod page;
pub mod report;
pub mod role;
pub mod score;
pub mod sync;
pub mod time;
