//! Keys that sign commands. The newest signs; all of them stay published.

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::time::Millis;

use super::jobs::ControlJob;
use crate::sync::Sync;
use crate::sync::statements::control::{CONTROL_KEY_ADD, CONTROL_KEY_LAST, CONTROL_KEY_LIST};
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// The public half of a key, and the proof that the key before it knew of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlKey {
    /// Its name.
    pub kid: String,
    /// 1 for the first.
    pub n: i64,
    /// Public key.
    pub public: [u8; 32],
    /// Signs since.
    pub created: Millis,
    /// Key that signed it, and that signature; none for the first.
    pub signed: Option<(String, [u8; 64])>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    kid: String,
    n: i64,
    public_key: Vec<u8>,
    created_ms: i64,
    signed_by: Option<String>,
    signature: Option<Vec<u8>>,
}

fn bytes<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| Error::Corrupt("a control key has the wrong length".to_owned()))
}

impl KeyRow {
    fn read(self) -> Result<ControlKey> {
        let signature = self.signature.map(bytes).transpose()?;
        let signed = self.signed_by.zip(signature);
        Ok(ControlKey { kid: self.kid, n: self.n, public: bytes(self.public_key)?, created: Millis(self.created_ms), signed })
    }
}

impl Sync {
    /// Every key, oldest first.
    ///
    /// # Errors
    /// As the database.
    pub async fn control_keys(&self) -> Result<Vec<ControlKey>> {
        let rows: Vec<KeyRow> = sqlx::query_as(CONTROL_KEY_LIST).fetch_all(&self.control_readers).await?;
        rows.into_iter().map(KeyRow::read).collect()
    }

    /// The newest key: its name, its place, its secret half.
    ///
    /// # Errors
    /// As the database.
    pub async fn control_key_secret(&self) -> Result<Option<(String, i64, [u8; 32])>> {
        let row: Option<(String, i64, Vec<u8>)> = sqlx::query_as(CONTROL_KEY_LAST).fetch_optional(&self.control_readers).await?;
        row.map(|(kid, n, secret)| Ok((kid, n, bytes(secret)?))).transpose()
    }

    /// Adds a key behind the newest. Answers whether it is there: somebody else may have taken its place before.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn control_key_add(&self, key: ControlKey, secret: [u8; 32], audit: AuditEntry) -> Result<bool> {
        self.control(|reply| ControlJob::KeyAdd { key, secret, audit, reply }).await
    }
}

impl Writer {
    pub(super) async fn control_key_write(&mut self, key: &ControlKey, secret: &[u8; 32], audit: AuditEntry) -> Result<bool> {
        let (signed_by, signature) = key.signed.clone().unzip();
        let done = sqlx::query(CONTROL_KEY_ADD)
            .bind(key.kid.clone())
            .bind(key.n)
            .bind(key.public.to_vec())
            .bind(secret.to_vec())
            .bind(key.created.0)
            .bind(signed_by)
            .bind(signature.map(|signature| signature.to_vec()))
            .execute(&mut self.connection)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_append(&[audit]).await?;
        Ok(true)
    }
}
