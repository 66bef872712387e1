//! Members of staff.

use sqlx::FromRow;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;

use super::{Console, constraint};
use crate::{Error, Result};

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    /// Sign-in name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Password as a PHC string.
    pub password: String,
    /// Since.
    pub created: Millis,
}

#[derive(FromRow)]
struct Row {
    name: String,
    role: String,
    password: String,
    created_ms: i64,
}

impl Row {
    fn into_user(self) -> Result<UserRow> {
        let role = Role::parse(&self.role).ok_or_else(|| Error::Corrupt("a user has an unknown role".to_owned()))?;
        Ok(UserRow { name: self.name, role, password: self.password, created: Millis(self.created_ms) })
    }
}

impl Console {
    /// A member of staff by name.
    ///
    /// # Errors
    /// As the database.
    pub async fn user_view(&self, name: &str) -> Result<Option<UserRow>> {
        let row: Option<Row> = sqlx::query_as("select name, role, password, created_ms from users where name = $1")
            .bind(name)
            .fetch_optional(&self.database.readers)
            .await?;
        row.map(Row::into_user).transpose()
    }

    /// The first members of staff by name, at most `limit`.
    ///
    /// # Errors
    /// As the database.
    pub async fn users_list(&self, limit: u32) -> Result<Vec<UserRow>> {
        let rows: Vec<Row> = sqlx::query_as("select name, role, password, created_ms from users order by name limit $1")
            .bind(limit)
            .fetch_all(&self.database.readers)
            .await?;
        rows.into_iter().map(Row::into_user).collect()
    }

    /// Adds a member of staff; `only_first` adds none when there is one already. Answers whether it was added.
    ///
    /// # Errors
    /// Constraint when the name is taken.
    pub async fn user_insert(&self, user: &UserRow, only_first: bool) -> Result<bool> {
        let mut writer = self.writer().await;
        let done = sqlx::query(
            "insert into users(name, role, password, created_ms)
             select $1, $2, $3, $4 where not ($5 and exists (select 1 from users))",
        )
        .bind(&user.name)
        .bind(user.role.as_str())
        .bind(&user.password)
        .bind(user.created.0)
        .bind(only_first)
        .execute(writer.connection()?)
        .await
        .map_err(constraint)?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets a password and ends the sessions of that user.
    ///
    /// # Errors
    /// Not found.
    pub async fn user_password_set(&self, name: &str, password: &str) -> Result<()> {
        let mut writer = self.writer().await;
        let done = sqlx::query("update users set password = $2 where name = $1")
            .bind(name)
            .bind(password)
            .execute(writer.connection()?)
            .await?;
        sessions_of_user_delete(&mut writer, name).await?;
        if done.rows_affected() == 0 { Err(Error::NotFound("user")) } else { Ok(()) }
    }

    /// Removes a member of staff and ends their sessions.
    ///
    /// # Errors
    /// Not found.
    pub async fn user_delete(&self, name: &str) -> Result<()> {
        let mut writer = self.writer().await;
        let done = sqlx::query("delete from users where name = $1").bind(name).execute(writer.connection()?).await?;
        sessions_of_user_delete(&mut writer, name).await?;
        if done.rows_affected() == 0 { Err(Error::NotFound("user")) } else { Ok(()) }
    }
}

async fn sessions_of_user_delete(writer: &mut super::Writer<'_>, name: &str) -> Result<()> {
    sqlx::query("delete from sessions where json_extract(data, '$.user') = $1").bind(name).execute(writer.connection()?).await?;
    Ok(())
}
