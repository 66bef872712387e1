//! Enrolment and API tokens, by the SHA-256 of their text.

use sqlx::FromRow;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;

use super::{Console, constraint};
use crate::{Error, Result};

/// A token as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Name.
    pub name: String,
    /// Role of an API token; `None` for an enrolment token.
    pub role: Option<Role>,
    /// Scopes of an enrolment token.
    pub scopes: Vec<Scope>,
    /// Made at.
    pub created: Millis,
    /// Made by.
    pub created_by: String,
    /// Revoked at.
    pub revoked: Option<Millis>,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInsert {
    /// How it is listed.
    pub row: TokenRow,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
}

#[derive(FromRow)]
struct Row {
    name: String,
    role: Option<String>,
    scopes: Option<String>,
    created_ms: i64,
    created_by: String,
    revoked_ms: Option<i64>,
}

impl Row {
    fn into_token(self) -> Result<TokenRow> {
        let unknown_role = || Error::Corrupt("a token has an unknown role".to_owned());
        Ok(TokenRow {
            name: self.name,
            role: self.role.map(|role| Role::parse(&role).ok_or_else(unknown_role)).transpose()?,
            scopes: self.scopes.as_deref().map(scopes_read).transpose()?.unwrap_or_default(),
            created: Millis(self.created_ms),
            created_by: self.created_by,
            revoked: self.revoked_ms.map(Millis),
        })
    }
}

/// Scopes from their JSON array.
pub(super) fn scopes_read(text: &str) -> Result<Vec<Scope>> {
    let corrupt = |_| Error::Corrupt("a token has broken scopes".to_owned());
    let texts: Vec<String> = serde_json::from_str(text).map_err(corrupt)?;
    texts.into_iter().map(|text| Scope::parse(text).map_err(|error| Error::Corrupt(error.to_string()))).collect()
}

/// Scopes as a JSON array.
pub(super) fn scopes_write(scopes: &[Scope]) -> String {
    let texts: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    serde_json::to_string(&texts).expect("texts are JSON")
}

impl Console {
    /// Adds a token.
    ///
    /// # Errors
    /// Constraint when the name is taken.
    pub async fn token_insert(&self, token: &TokenInsert) -> Result<()> {
        let mut writer = self.writer().await;
        let row = &token.row;
        let scopes = row.role.is_none().then(|| scopes_write(&row.scopes));
        sqlx::query(
            "insert into tokens(name, kind, hash, role, scopes, created_ms, created_by) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&row.name)
        .bind(if row.role.is_some() { "api" } else { "enrolment" })
        .bind(token.hash.as_slice())
        .bind(row.role.map(Role::as_str))
        .bind(scopes)
        .bind(row.created.0)
        .bind(&row.created_by)
        .execute(writer.connection()?)
        .await
        .map_err(constraint)?;
        Ok(())
    }

    /// A token by the hash of its text, revoked or not.
    ///
    /// # Errors
    /// As the database.
    pub async fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRow>> {
        let row: Option<Row> =
            sqlx::query_as("select name, role, scopes, created_ms, created_by, revoked_ms from tokens where hash = $1")
                .bind(hash.as_slice())
                .fetch_optional(&self.database.readers)
                .await?;
        row.map(Row::into_token).transpose()
    }

    /// Who made a token, revoked or not; none when there is none of that name.
    ///
    /// # Errors
    /// As the database.
    pub async fn token_maker(&self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query_scalar("select created_by from tokens where name = $1").bind(name.to_owned());
        Ok(query.fetch_optional(&self.database.readers).await?)
    }

    /// The first tokens by name, at most `limit`.
    ///
    /// # Errors
    /// As the database.
    pub async fn tokens_list(&self, limit: u32) -> Result<Vec<TokenRow>> {
        let rows: Vec<Row> =
            sqlx::query_as("select name, role, scopes, created_ms, created_by, revoked_ms from tokens order by name limit $1")
                .bind(limit)
                .fetch_all(&self.database.readers)
                .await?;
        rows.into_iter().map(Row::into_token).collect()
    }

    /// Revokes a token for good.
    ///
    /// # Errors
    /// Not found, also when it is revoked already.
    pub async fn token_revoke(&self, name: &str, now: Millis) -> Result<()> {
        let mut writer = self.writer().await;
        let done = sqlx::query("update tokens set revoked_ms = $2 where name = $1 and revoked_ms is null")
            .bind(name)
            .bind(now.0)
            .execute(writer.connection()?)
            .await?;
        if done.rows_affected() == 0 { Err(Error::NotFound("token")) } else { Ok(()) }
    }
}
