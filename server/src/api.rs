//! The HTTP API: problem JSON for every refusal, bounded bodies, one handler file a resource.

pub mod adapters;
pub mod body;
pub mod control;
pub mod error;
pub mod openapi;
pub mod query;
pub mod refusals;
pub mod sync;
pub mod system;
pub mod v1;

pub use error::Refusal;
