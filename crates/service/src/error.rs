//! What a use case can answer instead of a result. HTTP-agnostic; the edges map it (`server/src/api/error.rs`, `app/src/error.rs`).

use tidewatch_domain::fleet::DrainChange;
use tidewatch_domain::sync::{BatchRefusal, CursorRefusal};

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a use case did not happen. What a variant shows is safe for the caller; the cause behind [`Error::Internal`] has no `Display`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has signed in, or the session or token has ended.
    #[error("sign in first")]
    Unauthenticated,
    /// Known, but not allowed.
    #[error("this role may not do that")]
    Forbidden,
    /// The role may do this, but not with so many at once.
    #[error("this role may drain {most} entries in one go")]
    RoleLimit {
        /// Entries that were meant, or more.
        entries: u64,
        /// How many the role may drain in one go.
        most: u64,
    },
    /// No such thing.
    #[error("{0} was not found")]
    NotFound(&'static str),
    /// Bad input: which field, and what is wrong with it.
    #[error("{field}: {detail}")]
    Invalid {
        /// Name of the field as the caller sent it.
        field: &'static str,
        /// What is wrong, in words.
        detail: String,
    },
    /// The cursor was refused.
    #[error(transparent)]
    Cursor(#[from] CursorRefusal),
    /// The batch was refused as a whole; nothing of it was kept.
    #[error(transparent)]
    Refused(Box<BatchRefusal>),
    /// The writer queue is full.
    #[error("the writer is overloaded")]
    Overloaded {
        /// When to come back.
        retry_after_ms: i64,
    },
    /// The disk is full, or takes nothing.
    #[error("the disk does not take what was sent")]
    StorageFull,
    /// Too many tries.
    #[error("too many tries")]
    RateLimited {
        /// When to come back.
        retry_after_ms: i64,
    },
    /// A push of the same device is under way.
    #[error("a request of this device is under way")]
    InFlight,
    /// The command has ended.
    #[error("the command has ended")]
    CommandEnded,
    /// The device is at the command; a forced end leaves something behind.
    #[error("the device is at it: {0}")]
    CommandUnderWay(&'static str),
    /// The device's schema is older than is still served.
    #[error("the schema of `{collection}` is no longer served")]
    SchemaUnsupported {
        /// Collection.
        collection: String,
        /// Oldest version that is served.
        min: i64,
        /// Current version.
        max: i64,
    },
    /// The device is blocked.
    #[error("this device is blocked")]
    ClientBlocked,
    /// What a drain names is not what was frozen: nothing was done.
    #[error("the set has changed")]
    SetChanged(DrainChange),
    /// The thing is not in a state for this; in words.
    #[error("{0}")]
    StateConflict(String),
    /// Our fault. The cause goes to the log, once, where this is handled.
    #[error("internal error")]
    Internal(Cause),
}

/// The private half of an internal error. Deliberately without `Display`.
#[derive(Debug)]
pub struct Cause(pub Box<dyn std::error::Error + Send + Sync>);

impl From<tidewatch_store::Error> for Error {
    fn from(error: tidewatch_store::Error) -> Self {
        match error {
            tidewatch_store::Error::NotFound(what) => Self::NotFound(what),
            tidewatch_store::Error::Busy { retry_after_ms } => Self::Overloaded { retry_after_ms },
            tidewatch_store::Error::StorageFull(_) => Self::StorageFull,
            tidewatch_store::Error::Cursor(refusal) => Self::Cursor(refusal),
            tidewatch_store::Error::Refused(refusal) => Self::Refused(refusal),
            other => Self::Internal(Cause(Box::new(other))),
        }
    }
}
