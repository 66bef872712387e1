//! Wire types of the sync protocol, version 1, their limits, and their conversions to and from the domain.
//!
//! Used by both ends: the server reads requests and writes answers, the client the other way round. Reading of what
//! devices send is strict I-JSON ([`strict`]) and names the member at fault ([`members`]); it never guesses. This crate
//! knows nothing of HTTP servers, stores or use cases.

pub mod capture;
pub mod checksum;
pub mod facades;
pub mod headers;
pub mod http_signature;
pub mod keys;
pub mod limits;
pub mod members;
pub mod problem;
pub mod strict;
pub mod timestamp;
pub mod v1;

pub use problem::{Code, FieldError, Met, Problem};
pub use timestamp::Timestamp;
