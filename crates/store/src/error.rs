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
    /// The disk is full, or takes nothing; nothing of the commit was kept, and nothing that it held is at fault.
    #[error("the disk does not take the commit: {0}")]
    StorageFull(String),
    /// The log is shorter than it once was: it was put back from a copy.
    #[error("the log ends at {head}, but it once reached {hint}: it was restored; open it with a new epoch")]
    RolledBack {
        /// Where it ends.
        head: i64,
        /// Where it once ended.
        hint: i64,
    },
    /// The file of the keys that open payloads in escrow is not what the store needs.
    #[error("the escrow key file {file} {detail}")]
    EscrowKey {
        /// The file.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Not all payloads were looked at, or not all matches were taken, so that not everything that matches is known.
    #[error("of the payloads only the newest {looked} were looked at, or only some of the matches were taken")]
    NotAllSeen {
        /// Payloads that were looked at.
        looked: u64,
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
    /// The same, where rows of the feed are read.
    #[error(transparent)]
    Rows(#[from] rusqlite::Error),
    /// Migrations.
    #[error(transparent)]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// SQLite's `SQLITE_FULL`.
const FULL: i32 = 13;
/// SQLite's `SQLITE_IOERR`; an extended code has it in its low byte.
const IO: i32 = 10;

impl Error {
    /// What the callers of a commit that failed on this are told.
    pub(crate) fn of_commit(error: &Self) -> Self {
        let code = match error {
            Self::Sqlx(sqlx::Error::Database(error)) => error.code().and_then(|code| code.parse::<i32>().ok()),
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(FULL | IO) => Self::StorageFull(error.to_string()),
            _ => Self::CommitFailed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_is_full_is_told_from_a_commit_that_fails_on_what_it_holds() {
        let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.expect("opens");
        for statement in ["create table t (a blob check (a != x'00')) strict", "pragma max_page_count = 3"] {
            sqlx::query(statement).execute(&mut connection).await.expect("runs");
        }
        let mut failed = async |statement: &'static str| {
            Error::of_commit(&sqlx::query(statement).execute(&mut connection).await.expect_err("fails").into())
        };
        let full = failed("insert into t values (zeroblob(1000000))").await;
        assert!(matches!(full, Error::StorageFull(_)), "{full:?}");
        let refused = failed("insert into t values (x'00')").await;
        assert!(matches!(refused, Error::CommitFailed(_)), "{refused:?}");
        assert!(matches!(Error::of_commit(&Error::Closed), Error::CommitFailed(_)));
    }
}
