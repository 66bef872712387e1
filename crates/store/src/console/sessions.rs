//! Sessions of the console: opaque data with an end.

use sqlx::FromRow;
use tidewatch_domain::time::Millis;

use super::{Console, constraint};
use crate::{Error, Result};

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SessionRow {
    /// Random id, as the cookie carries it.
    pub id: String,
    /// JSON object.
    pub data: String,
    /// Ends at, milliseconds since 1970.
    pub expires_ms: i64,
}

impl Console {
    /// Adds a session; answers `false` when the id is taken.
    ///
    /// # Errors
    /// As the database.
    pub async fn session_insert(&self, session: &SessionRow) -> Result<bool> {
        let mut writer = self.writer().await;
        let done = sqlx::query("insert into sessions(id, data, expires_ms) values ($1, $2, $3) on conflict(id) do nothing")
            .bind(&session.id)
            .bind(&session.data)
            .bind(session.expires_ms)
            .execute(writer.connection()?)
            .await
            .map_err(constraint)?;
        Ok(done.rows_affected() == 1)
    }

    /// Adds or replaces a session.
    ///
    /// # Errors
    /// As the database.
    pub async fn session_save(&self, session: &SessionRow) -> Result<()> {
        let mut writer = self.writer().await;
        sqlx::query(
            "insert into sessions(id, data, expires_ms) values ($1, $2, $3)
             on conflict(id) do update set data = excluded.data, expires_ms = excluded.expires_ms",
        )
        .bind(&session.id)
        .bind(&session.data)
        .bind(session.expires_ms)
        .execute(writer.connection()?)
        .await
        .map_err(constraint)?;
        Ok(())
    }

    /// A session that has not ended.
    ///
    /// # Errors
    /// As the database.
    pub async fn session_view(&self, id: &str, now: Millis) -> Result<Option<SessionRow>> {
        let row = sqlx::query_as("select id, data, expires_ms from sessions where id = $1 and expires_ms > $2")
            .bind(id)
            .bind(now.0)
            .fetch_optional(&self.database.readers)
            .await?;
        Ok(row)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As the database.
    pub async fn session_delete(&self, id: &str) -> Result<()> {
        let mut writer = self.writer().await;
        sqlx::query("delete from sessions where id = $1").bind(id).execute(writer.connection()?).await.map_err(Error::Sqlx)?;
        Ok(())
    }

    /// Removes at most 1,000 sessions that have ended; answers how many.
    ///
    /// # Errors
    /// As the database.
    pub async fn sessions_purge(&self, now: Millis) -> Result<u64> {
        let mut writer = self.writer().await;
        let done = sqlx::query(
            "delete from sessions where id in (select id from sessions where expires_ms <= $1 order by expires_ms limit 1000)",
        )
        .bind(now.0)
        .execute(writer.connection()?)
        .await?;
        Ok(done.rows_affected())
    }
}
