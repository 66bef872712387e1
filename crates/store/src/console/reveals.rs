//! Secrets of the store, and who may see which payload plainly for a while.

use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::{Console, constraint};
use crate::{Error, Result};

/// Ended reveals that are removed at a time.
const TIDIED_MAX: i64 = 1_000;

impl Console {
    /// The secret with a name, when it has been made.
    ///
    /// # Errors
    /// Corrupt when it has another length; as the database.
    pub async fn secret_view(&self, name: &str) -> Result<Option<[u8; 32]>> {
        let found: Option<Vec<u8>> = sqlx::query_scalar("select value from secrets where name = $1")
            .bind(name)
            .fetch_optional(&self.database.readers)
            .await?;
        let length = |_| Error::Corrupt(format!("the secret {name} has a wrong length"));
        found.map(|value| value.try_into().map_err(length)).transpose()
    }

    /// Keeps a secret, unless there is one with this name; answers the one that is kept.
    ///
    /// # Errors
    /// As the database.
    pub async fn secret_keep(&self, name: &str, value: [u8; 32]) -> Result<[u8; 32]> {
        {
            let mut writer = self.writer().await;
            sqlx::query("insert into secrets(name, value) values ($1, $2) on conflict(name) do nothing")
                .bind(name)
                .bind(value.as_slice())
                .execute(writer.connection()?)
                .await
                .map_err(constraint)?;
        }
        self.secret_view(name).await?.ok_or(Error::NotFound("secret"))
    }

    /// Lets an actor see a payload plainly until an instant. Takes some ended reveals out of the way.
    ///
    /// # Errors
    /// As the database.
    pub async fn reveal_put(
        &self,
        actor: &str,
        client_id: &ClientId,
        operation_id: &str,
        until: Millis,
        now: Millis,
    ) -> Result<()> {
        let mut writer = self.writer().await;
        let connection = writer.connection()?;
        sqlx::query(
            "delete from reveals where (actor, client_id, operation_id) in
             (select actor, client_id, operation_id from reveals where until_ms <= $1 order by until_ms limit $2)",
        )
        .bind(now.0)
        .bind(TIDIED_MAX)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "insert into reveals(actor, client_id, operation_id, until_ms) values ($1, $2, $3, $4)
             on conflict(actor, client_id, operation_id) do update set until_ms = excluded.until_ms",
        )
        .bind(actor)
        .bind(client_id.as_str())
        .bind(operation_id)
        .bind(until.0)
        .execute(connection)
        .await
        .map_err(constraint)?;
        Ok(())
    }

    /// Until when an actor sees a payload plainly; `None` when they do not.
    ///
    /// # Errors
    /// As the database.
    pub async fn reveal_until(
        &self,
        actor: &str,
        client_id: &ClientId,
        operation_id: &str,
        now: Millis,
    ) -> Result<Option<Millis>> {
        let until: Option<i64> = sqlx::query_scalar(
            "select until_ms from reveals where actor = $1 and client_id = $2 and operation_id = $3 and until_ms > $4",
        )
        .bind(actor)
        .bind(client_id.as_str())
        .bind(operation_id)
        .bind(now.0)
        .fetch_optional(&self.database.readers)
        .await?;
        Ok(until.map(Millis))
    }
}
