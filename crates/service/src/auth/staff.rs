//! Members of staff: sign-in, adding, passwords, removal.

use serde_json::json;
use tidewatch_domain::fleet::Approver;
use tidewatch_domain::role::{Action, Role};
use tidewatch_domain::time::Millis;
use tidewatch_store::console::UserRow;

use crate::error::Cause;
use crate::{Cx, Error, Result, Service};

/// Most members of staff that are listed.
const USERS_MAX: u32 = 500;
/// Bytes of a password.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 10..=1_024;
/// Name of the first-run admin.
const FIRST_ADMIN: &str = "admin";

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Sign-in name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Since.
    pub created: Millis,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self { name: row.name, role: row.role, created: row.created }
    }
}

fn name_check(name: &str) -> Result<()> {
    let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(ok) {
        return Ok(());
    }
    Err(Error::Invalid { field: "name", detail: "must be 1 to 64 characters of a-z 0-9 . _ - @".to_owned() })
}

fn password_check(password: &str) -> Result<()> {
    if PASSWORD_BYTES.contains(&password.len()) {
        return Ok(());
    }
    let detail = format!("must have {} to {} bytes", PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
    Err(Error::Invalid { field: "password", detail })
}

impl Service {
    /// Checks name and password; rate-limited by name; audited either way. Takes the same time for an unknown name.
    ///
    /// # Errors
    /// Unauthenticated, or rate-limited.
    pub async fn sign_in(&self, cx: &Cx, name: &str, password: &str) -> Result<User> {
        // A name that cannot be is not written down: people type passwords into the wrong box.
        let known_form = name_check(name).is_ok();
        let subject = if known_form { name } else { "" };
        self.auth.failures_check(subject, cx.now)?;
        let user = if known_form { self.store.console().user_view(name).await? } else { None };
        let attempt = if PASSWORD_BYTES.contains(&password.len()) { password.to_owned() } else { String::new() };
        let fits = self.auth.passwords.fits(attempt, user.as_ref().map(|user| user.password.clone())).await?;
        let Some(user) = user.filter(|_| fits) else {
            self.auth.failure_note(subject, cx.now);
            let subject = if subject.is_empty() { "user".to_owned() } else { format!("user:{subject}") };
            self.audit_append(cx.audit("session_refuse", subject, None)).await?;
            return Err(Error::Unauthenticated);
        };
        self.auth.failures_clear(name);
        let mut entry = cx.audit("session_create", format!("user:{name}"), None);
        entry.actor = format!("user:{name}");
        self.audit_append(entry).await?;
        Ok(user.into())
    }

    /// The first-run admin: made when there is no user yet; its password is returned once.
    ///
    /// # Errors
    /// As the store.
    pub async fn first_admin(&self, cx: &Cx) -> Result<Option<(User, String)>> {
        if !self.store.console().users_list(1).await?.is_empty() {
            return Ok(None);
        }
        let password = password_make()?;
        let row = UserRow {
            name: FIRST_ADMIN.to_owned(),
            role: Role::Admin,
            password: self.auth.passwords.hash(password.clone()).await?,
            created: cx.now,
        };
        if !self.store.console().user_insert(&row, true).await? {
            return Ok(None);
        }
        self.audit_append(cx.audit("user_create", format!("user:{FIRST_ADMIN}"), Some(json!({"role": Role::Admin.as_str()}))))
            .await?;
        Ok(Some((row.into(), password)))
    }

    /// Adds a member of staff.
    ///
    /// # Errors
    /// Forbidden; invalid with field `name` (also when it is taken) or `password`.
    pub async fn user_create(&self, cx: &Cx, name: &str, role: Role, password: &str) -> Result<User> {
        cx.require_admin(Action::ManageUsers)?;
        name_check(name)?;
        password_check(password)?;
        let hash = self.auth.passwords.hash(password.to_owned()).await?;
        let row = UserRow { name: name.to_owned(), role, password: hash, created: cx.now };
        match self.store.console().user_insert(&row, false).await {
            Err(tidewatch_store::Error::Constraint(_)) => {
                return Err(Error::Invalid { field: "name", detail: "is taken".to_owned() });
            }
            done => done?,
        };
        self.auth.forget();
        self.audit_append(cx.audit("user_create", format!("user:{name}"), Some(json!({"role": role.as_str()})))).await?;
        Ok(row.into())
    }

    /// Sets a password and ends that user's sessions.
    ///
    /// # Errors
    /// Forbidden, not found; invalid with field `password`.
    pub async fn user_password_set(&self, cx: &Cx, name: &str, password: &str) -> Result<()> {
        cx.require_admin(Action::ManageUsers)?;
        password_check(password)?;
        let hash = self.auth.passwords.hash(password.to_owned()).await?;
        self.store.console().user_password_set(name, &hash).await?;
        self.auth.failures_clear(name);
        self.audit_append(cx.audit("user_password_set", format!("user:{name}"), None)).await
    }

    /// Removes a member of staff and ends their sessions.
    ///
    /// # Errors
    /// Forbidden, not found.
    pub async fn user_delete(&self, cx: &Cx, name: &str) -> Result<()> {
        cx.require_admin(Action::ManageUsers)?;
        self.store.console().user_delete(name).await?;
        self.auth.forget();
        self.audit_append(cx.audit("user_delete", format!("user:{name}"), None)).await
    }

    /// Members of staff by name, 500 at most.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn users_list(&self, cx: &Cx) -> Result<Vec<User>> {
        cx.require_admin(Action::ManageUsers)?;
        Ok(self.store.console().users_list(USERS_MAX).await?.into_iter().map(User::from).collect())
    }

    /// Members of staff who can approve what somebody else has asked for, by name; whoever asked is named as the audit log does, and
    /// is the person behind a token.
    ///
    /// # Errors
    /// As the store.
    pub(crate) async fn approvers(&self, author: &str) -> Result<Vec<Approver>> {
        let author = self.person(author).await?;
        let users = self.store.console().users_list(USERS_MAX).await?;
        let other = |name: &str| author.strip_prefix("user:") != Some(name);
        let may = users.into_iter().filter(|user| user.role.can(Action::Approve) && other(&user.name));
        Ok(may.map(|user| Approver { name: user.name, role: user.role }).collect())
    }

    /// Role of a member of staff now; `None` when there is none of that name (any more).
    ///
    /// # Errors
    /// As the store.
    pub async fn user_role(&self, now: Millis, name: &str) -> Result<Option<Role>> {
        self.revision_check(now).await?;
        if let Some(role) = self.auth.role(name) {
            return Ok(role);
        }
        let role = self.store.console().user_view(name).await?.map(|user| user.role);
        self.auth.role_keep(name, role);
        Ok(role)
    }

    /// Once a second: forgets who is who when rights were taken away, here or by another process.
    pub(super) async fn revision_check(&self, now: Millis) -> Result<()> {
        if self.auth.ask_due(now) {
            self.auth.revision_take(self.store.console().auth_revision().await?);
        }
        Ok(())
    }
}

/// 20 characters that nobody mistakes for one another, in groups of five: 100 bits.
fn password_make() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 20];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(Cause(Box::new(error))))?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    Ok(letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}
