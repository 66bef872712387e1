//! What the store can answer instead of a result.

use tidewatch_domain::sync::{BatchRefusal, CursorRefusal};

/// Result of a store method.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such row.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The writer queue is full.
    #[error("writer queue full")]
    Busy {
        /// Drain estimate.
        retry_after_ms: i64,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The commit that this was part of failed; nothing of it was kept.
    #[error("commit failed: {0}")]
    CommitFailed(String),
    /// The log is shorter than it once was: it was put back from a copy.
    #[error("the log ends at {head}, but it once reached {hint}: it was restored; open it with a new epoch")]
    RolledBack {
        /// Where it ends.
        head: i64,
        /// Where it once ended.
        hint: i64,
    },
    /// A named constraint refused the row.
    #[error("constraint {0}")]
    Constraint(String),
    /// The cursor was refused.
    #[error(transparent)]
    Cursor(#[from] CursorRefusal),
    /// The batch was refused as a whole; nothing of it was kept.
    #[error(transparent)]
    Refused(#[from] Box<BatchRefusal>),
    /// What was read cannot be.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// The database itself.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// Migrations.
    #[error(transparent)]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
