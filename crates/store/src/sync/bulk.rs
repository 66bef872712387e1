//! Writes many rows with few statements: each size of an [`Insert`] is prepared once and used again.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Sqlite};

use super::statements::{CHUNKS, Insert};
use crate::Result;

pub(crate) type Bound = Query<'static, Sqlite, SqliteArguments>;

/// Writes every row; `bind` adds the columns of one row.
pub(crate) async fn write_all<T>(
    connection: &mut SqliteConnection,
    insert: &Insert,
    mut rows: &[T],
    bind: impl Fn(Bound, &T) -> Bound,
) -> Result<()> {
    for (chunk, size) in CHUNKS.into_iter().enumerate() {
        while rows.len() >= size {
            let (now, later) = rows.split_at(size);
            // The text is made of constants only, see `Insert::text`.
            let query = sqlx::query(AssertSqlSafe(insert.text(chunk)));
            now.iter().fold(query, &bind).execute(&mut *connection).await?;
            rows = later;
        }
    }
    Ok(())
}
