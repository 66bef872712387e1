//! What authorisation keeps in memory: who is who for a moment, and who failed to sign in.
//!
//! Invariant: an answer from here is at most [`TRUST_MS`] older than the store's word on rights taken away.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use tidewatch_domain::role::Role;
use tidewatch_domain::time::{MINUTE_MS, Millis};

use crate::auth::password::{PasswordCost, Passwords};
use crate::{Actor, Error, Result};

/// How long the caches are trusted before the store is asked whether rights were taken away.
const TRUST_MS: i64 = 1_000;
/// Most bearer tokens remembered.
const BEARERS_MAX: usize = 100_000;
/// Most names with failures remembered.
const NAMES_MAX: usize = 10_000;
/// Failures of one name within [`FAILURES_WINDOW_MS`] that are answered.
const FAILURES_MAX: u32 = 10;
/// After this long without a failure a name starts anew.
const FAILURES_WINDOW_MS: i64 = 5 * MINUTE_MS;

/// What a bearer token stands for, until when.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) actor: Actor,
    pub(crate) until: Option<Millis>,
}

/// State of authorisation.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) passwords: Passwords,
    bearers: RwLock<HashMap<[u8; 32], Known>>,
    roles: RwLock<HashMap<String, Option<Role>>>,
    failures: Mutex<HashMap<String, (u32, Millis)>>,
    revision: AtomicI64,
    asked_at: AtomicI64,
}

impl Auth {
    pub(crate) fn new(cost: PasswordCost) -> Self {
        Self {
            passwords: Passwords::new(cost),
            bearers: RwLock::default(),
            roles: RwLock::default(),
            failures: Mutex::default(),
            revision: AtomicI64::new(-1),
            asked_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether it is time to ask the store for its revision; `true` for one caller per [`TRUST_MS`].
    pub(crate) fn ask_due(&self, now: Millis) -> bool {
        let asked = self.asked_at.load(Ordering::Relaxed);
        let due = now.0 < asked || now.0.saturating_sub(asked) >= TRUST_MS;
        due && self.asked_at.compare_exchange(asked, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes the store's revision; forgets everybody when it moved.
    pub(crate) fn revision_take(&self, revision: i64) {
        if self.revision.swap(revision, Ordering::AcqRel) != revision {
            self.forget();
        }
    }

    /// Forgets everybody: the next request asks the store.
    pub(crate) fn forget(&self) {
        self.bearers.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.roles.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn bearer(&self, hash: &[u8; 32]) -> Option<Known> {
        self.bearers.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    pub(crate) fn bearer_keep(&self, hash: [u8; 32], known: Known) {
        let mut bearers = self.bearers.write().unwrap_or_else(PoisonError::into_inner);
        if bearers.len() >= BEARERS_MAX {
            bearers.clear();
        }
        bearers.insert(hash, known);
    }

    /// Forgets the tokens of one device.
    pub(crate) fn device_forget(&self, client_id: &tidewatch_domain::ids::ClientId) {
        let mut bearers = self.bearers.write().unwrap_or_else(PoisonError::into_inner);
        bearers.retain(|_, known| !matches!(&known.actor, Actor::Device { client_id: other, .. } if other == client_id));
    }

    pub(crate) fn role(&self, name: &str) -> Option<Option<Role>> {
        self.roles.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    pub(crate) fn role_keep(&self, name: &str, role: Option<Role>) {
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        if roles.len() >= NAMES_MAX {
            roles.clear();
        }
        roles.insert(name.to_owned(), role);
    }

    /// Refuses a name that failed too often of late.
    pub(crate) fn failures_check(&self, name: &str, now: Millis) -> Result<()> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(name) {
            Some((count, last)) if *count >= FAILURES_MAX && now.since(*last) < FAILURES_WINDOW_MS => {
                Err(Error::RateLimited { retry_after_ms: FAILURES_WINDOW_MS - now.since(*last) })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn failure_note(&self, name: &str, now: Millis) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= NAMES_MAX && !failures.contains_key(name) {
            failures.clear();
        }
        let entry = failures.entry(name.to_owned()).or_insert((0, now));
        let count = if now.since(entry.1) < FAILURES_WINDOW_MS { entry.0 } else { 0 };
        *entry = (count + 1, now);
    }

    pub(crate) fn failures_clear(&self, name: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    pub(crate) fn limits_forget(&self, now: Millis) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, last)| now.since(*last) < FAILURES_WINDOW_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_failure_shuts_a_name_out_until_the_window_has_passed() {
        let auth = Auth::new(PasswordCost::Test);
        let now = Millis(1_000_000);
        for _ in 0..FAILURES_MAX - 1 {
            auth.failure_note("maya", now);
        }
        assert!(auth.failures_check("maya", now).is_ok());
        auth.failure_note("maya", now);
        assert!(matches!(auth.failures_check("maya", now), Err(Error::RateLimited { retry_after_ms: FAILURES_WINDOW_MS })));
        assert!(auth.failures_check("noor", now).is_ok());
        assert!(auth.failures_check("maya", now.plus(FAILURES_WINDOW_MS)).is_ok());
    }

    #[test]
    fn a_new_revision_forgets_everybody() {
        let auth = Auth::new(PasswordCost::Test);
        auth.revision_take(1);
        auth.bearer_keep([1; 32], Known { actor: Actor::System, until: None });
        auth.revision_take(1);
        assert!(auth.bearer(&[1; 32]).is_some());
        auth.revision_take(2);
        assert!(auth.bearer(&[1; 32]).is_none());
    }

    #[test]
    fn one_caller_a_second_asks_the_store() {
        let auth = Auth::new(PasswordCost::Test);
        assert!(auth.ask_due(Millis(5_000)));
        assert!(!auth.ask_due(Millis(5_999)));
        assert!(auth.ask_due(Millis(6_000)));
    }
}
