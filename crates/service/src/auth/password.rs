//! Passwords: Argon2id, off the async threads, few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::error::Cause;
use crate::{Error, Result};

/// Hashes that run at a time; each takes 19 MiB.
const HASHES_AT_ONCE: usize = 2;
/// Hashes that may wait; more are told to come back.
const HASHES_WAITING_MAX: usize = 64;

/// What a hash costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordCost {
    /// 19 MiB and two passes.
    #[default]
    Standard,
    /// Next to nothing: for tests.
    Test,
}

impl PasswordCost {
    fn argon2(self) -> Argon2<'static> {
        let params = match self {
            Self::Standard => Params::default(),
            Self::Test => Params::new(8, 1, 1, None).expect("the smallest parameters are valid"),
        };
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    cost: PasswordCost,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// A hash that no password has: verified for unknown names, so that they take as long as known ones.
    nobody: Arc<str>,
}

impl Passwords {
    pub(crate) fn new(cost: PasswordCost) -> Self {
        let nobody = hash(cost, "no password hashes to this one, it is compared with the wrong answer on purpose")
            .expect("hashing a constant works");
        Self { cost, permits: Arc::new(Semaphore::new(HASHES_AT_ONCE)), waiting: Arc::default(), nobody: nobody.into() }
    }

    /// PHC string of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        self.off_thread(move || hash(cost, &password)).await?
    }

    /// Whether a password fits; without a hash it never does, and takes as long.
    pub(crate) async fn fits(&self, password: String, phc: Option<String>) -> Result<bool> {
        let nobody = self.nobody.clone();
        let cost = self.cost;
        self.off_thread(move || {
            let fits = verify(cost, &password, phc.as_deref().unwrap_or(&nobody));
            fits && phc.is_some()
        })
        .await
    }

    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _place = Place::take(&self.waiting)?;
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|error| Error::Internal(Cause(Box::new(error))))
    }
}

/// A place in the queue of hashes.
struct Place<'w>(&'w AtomicUsize);

impl<'w> Place<'w> {
    fn take(waiting: &'w AtomicUsize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < HASHES_WAITING_MAX {
            Ok(place)
        } else {
            Err(Error::RateLimited { retry_after_ms: 2_000 })
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(cost: PasswordCost, password: &str) -> Result<String> {
    let hash = cost.argon2().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| Error::Internal(Cause(Box::new(error))))?.to_string())
}

fn verify(cost: PasswordCost, password: &str, phc: &str) -> bool {
    // The stored string names its own cost; the argument only says which algorithm.
    PasswordHash::new(phc).is_ok_and(|hash| cost.argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let passwords = Passwords::new(PasswordCost::Test);
        let phc = passwords.hash("correct horse".to_owned()).await.expect("hashed");
        assert!(phc.starts_with("$argon2id$"));
        assert!(passwords.fits("correct horse".to_owned(), Some(phc.clone())).await.expect("verified"));
        assert!(!passwords.fits("wrong horse".to_owned(), Some(phc)).await.expect("verified"));
        assert!(!passwords.fits("correct horse".to_owned(), None).await.expect("verified"));
    }
}
