//! Tokens of devices: one pair each, by the SHA-256 of their text.

use sqlx::FromRow;
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::time::Millis;

use super::tokens::{scopes_read, scopes_write};
use super::{Console, constraint};
use crate::{Error, Result};

/// The pair of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTokenRow {
    /// Device.
    pub client_id: ClientId,
    /// Who it belongs to.
    pub principal: String,
    /// What it may read and write.
    pub scopes: Vec<Scope>,
    /// SHA-256 of the access token.
    pub access_hash: [u8; 32],
    /// Its end.
    pub access_expires: Millis,
    /// SHA-256 of the refresh token.
    pub refresh_hash: [u8; 32],
    /// Its end.
    pub refresh_expires: Millis,
    /// Whether the refresh token before this one still works.
    pub previous_works: bool,
    /// Revoked at.
    pub revoked: Option<Millis>,
}

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshUse {
    /// The pair was replaced.
    Rotated(ClientId),
    /// Known, but ended.
    Expired,
    /// Not known, or revoked.
    Unknown,
}

#[derive(FromRow)]
struct Row {
    client_id: String,
    principal: String,
    scopes: String,
    access_hash: Vec<u8>,
    access_expires_ms: i64,
    refresh_hash: Vec<u8>,
    refresh_expires_ms: i64,
    previous_works: bool,
    revoked_ms: Option<i64>,
}

impl Row {
    fn into_tokens(self) -> Result<DeviceTokenRow> {
        let hash = |bytes: Vec<u8>| {
            <[u8; 32]>::try_from(bytes).map_err(|_| Error::Corrupt("a token hash has the wrong length".to_owned()))
        };
        Ok(DeviceTokenRow {
            client_id: ClientId::parse(self.client_id).map_err(|error| Error::Corrupt(error.to_string()))?,
            principal: self.principal,
            scopes: scopes_read(&self.scopes)?,
            access_hash: hash(self.access_hash)?,
            access_expires: Millis(self.access_expires_ms),
            refresh_hash: hash(self.refresh_hash)?,
            refresh_expires: Millis(self.refresh_expires_ms),
            previous_works: self.previous_works,
            revoked: self.revoked_ms.map(Millis),
        })
    }
}

impl Console {
    /// The pair of a device by the hash of its access token.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_tokens_by_access(&self, hash: &[u8; 32]) -> Result<Option<DeviceTokenRow>> {
        let row: Option<Row> = sqlx::query_as(
            "select client_id, principal, scopes, access_hash, access_expires_ms, refresh_hash, refresh_expires_ms,
                    previous_refresh_hash is not null as previous_works, revoked_ms
             from device_tokens where access_hash = $1",
        )
        .bind(hash.as_slice())
        .fetch_optional(&self.database.readers)
        .await?;
        row.map(Row::into_tokens).transpose()
    }

    /// Gives a device its pair, in place of any other; a device that staff revoked gets none. Answers whether it got one.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_tokens_put(&self, tokens: &DeviceTokenRow, now: Millis) -> Result<bool> {
        let mut writer = self.writer().await;
        let done = sqlx::query(
            "insert into device_tokens(client_id, principal, scopes, access_hash, access_expires_ms, refresh_hash, refresh_expires_ms, issued_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict(client_id) do update set principal = excluded.principal, scopes = excluded.scopes,
               access_hash = excluded.access_hash, access_expires_ms = excluded.access_expires_ms,
               refresh_hash = excluded.refresh_hash, refresh_expires_ms = excluded.refresh_expires_ms,
               previous_refresh_hash = null, issued_ms = excluded.issued_ms
             where device_tokens.revoked_ms is null",
        )
        .bind(tokens.client_id.as_str())
        .bind(&tokens.principal)
        .bind(scopes_write(&tokens.scopes))
        .bind(tokens.access_hash.as_slice())
        .bind(tokens.access_expires.0)
        .bind(tokens.refresh_hash.as_slice())
        .bind(tokens.refresh_expires.0)
        .bind(now.0)
        .execute(writer.connection()?)
        .await
        .map_err(constraint)?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether staff revoked the tokens of a device.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_tokens_revoked(&self, client_id: &ClientId) -> Result<bool> {
        let found: Option<i64> =
            sqlx::query_scalar("select 1 from device_tokens where client_id = $1 and revoked_ms is not null")
                .bind(client_id.as_str())
                .fetch_optional(&self.database.readers)
                .await?;
        Ok(found.is_some())
    }

    /// Replaces the pair that belongs to a refresh token: the current one, or the one before it while its successor is unused.
    /// `next` holds access hash and end, refresh hash and end.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_tokens_rotate(
        &self,
        refresh: &[u8; 32],
        next: ([u8; 32], Millis, [u8; 32], Millis),
        now: Millis,
    ) -> Result<RefreshUse> {
        let mut writer = self.writer().await;
        let found: Option<(String, i64)> = sqlx::query_as(
            "select client_id, refresh_expires_ms from device_tokens
             where revoked_ms is null and (refresh_hash = $1 or previous_refresh_hash = $1)",
        )
        .bind(refresh.as_slice())
        .fetch_optional(writer.connection()?)
        .await?;
        let Some((client_id, expires)) = found else { return Ok(RefreshUse::Unknown) };
        if expires <= now.0 {
            return Ok(RefreshUse::Expired);
        }
        let (access_hash, access_expires, refresh_hash, refresh_expires) = next;
        sqlx::query(
            "update device_tokens set access_hash = $2, access_expires_ms = $3, refresh_hash = $4, refresh_expires_ms = $5,
               previous_refresh_hash = $6, issued_ms = $7
             where client_id = $1",
        )
        .bind(&client_id)
        .bind(access_hash.as_slice())
        .bind(access_expires.0)
        .bind(refresh_hash.as_slice())
        .bind(refresh_expires.0)
        .bind(refresh.as_slice())
        .bind(now.0)
        .execute(writer.connection()?)
        .await?;
        Ok(RefreshUse::Rotated(ClientId::parse(client_id).map_err(|error| Error::Corrupt(error.to_string()))?))
    }

    /// The pair was used: the refresh token before it no longer works.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_tokens_confirm(&self, access: &[u8; 32]) -> Result<()> {
        let mut writer = self.writer().await;
        sqlx::query("update device_tokens set previous_refresh_hash = null where access_hash = $1")
            .bind(access.as_slice())
            .execute(writer.connection()?)
            .await?;
        Ok(())
    }

    /// Revokes the tokens of a device for good.
    ///
    /// # Errors
    /// Not found, also when they are revoked already.
    pub async fn device_tokens_revoke(&self, client_id: &ClientId, now: Millis) -> Result<()> {
        let mut writer = self.writer().await;
        let done = sqlx::query("update device_tokens set revoked_ms = $2 where client_id = $1 and revoked_ms is null")
            .bind(client_id.as_str())
            .bind(now.0)
            .execute(writer.connection()?)
            .await?;
        if done.rows_affected() == 0 { Err(Error::NotFound("device")) } else { Ok(()) }
    }
}
