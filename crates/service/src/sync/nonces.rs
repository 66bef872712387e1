//! Nonces of signed requests: each is taken once. Kept in memory, bounded; the store keeps a copy so that a restart forgets none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_store::Store;
use tidewatch_store::sync::NonceRow;
use tokio::sync::OnceCell;

use crate::{Result, Service};

/// Most nonces that are remembered.
const NONCES_MAX: usize = 100_000;

/// What came of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was taken now.
    Fresh,
    /// It was taken before.
    Used,
    /// There is no room, even without those that have ended.
    Full,
}

/// The nonces that may not come again.
#[derive(Debug, Default)]
pub(crate) struct Nonces {
    seen: Mutex<Seen>,
    loaded: OnceCell<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The second at which each ends.
    ends: HashMap<(ClientId, String), i64>,
    /// Not yet in the store.
    fresh: Vec<NonceRow>,
}

impl Nonces {
    /// Reads what the process before has left, once.
    pub(super) async fn load(&self, store: &Store, now: Millis) -> Result<()> {
        let load = || async {
            let rows = store.sync().nonces_list(now, u32::try_from(NONCES_MAX).unwrap_or(u32::MAX)).await?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.ends.extend(rows.into_iter().map(|(client, nonce, end)| ((client, nonce), end)));
            Ok::<(), crate::Error>(())
        };
        self.loaded.get_or_try_init(load).await.map(|_| ())
    }

    pub(super) fn take(&self, client_id: &ClientId, nonce: &str, now: Millis, end: i64) -> Taken {
        let second = now.0.div_euclid(SECOND_MS);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (client_id.clone(), nonce.to_owned());
        if seen.ends.get(&key).is_some_and(|end| *end >= second) {
            return Taken::Used;
        }
        if seen.ends.len() >= NONCES_MAX {
            seen.ends.retain(|_, end| *end >= second);
        }
        if seen.ends.len() >= NONCES_MAX {
            return Taken::Full;
        }
        seen.ends.insert(key, end);
        seen.fresh.push((client_id.clone(), nonce.to_owned(), end));
        Taken::Fresh
    }

    fn fresh_take(&self) -> Vec<NonceRow> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).fresh)
    }
}

impl Service {
    /// Writes the nonces that were taken since the last time, meant for every few seconds.
    ///
    /// # Errors
    /// As the store; the nonces stay in memory.
    pub async fn nonces_keep(&self, now: Millis) -> Result<()> {
        let fresh = self.nonces.fresh_take();
        if fresh.is_empty() {
            return Ok(());
        }
        Ok(self.store.sync().nonces_put(fresh, now).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u32) -> ClientId {
        ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
    }

    #[test]
    fn a_nonce_is_taken_once_by_each_device_until_it_ends() {
        let nonces = Nonces::default();
        let at = |second: i64| Millis(second * SECOND_MS);
        assert_eq!(nonces.take(&client(1), "n", at(0), 600), Taken::Fresh);
        assert_eq!(nonces.take(&client(1), "n", at(600), 1_200), Taken::Used);
        assert_eq!(nonces.take(&client(2), "n", at(600), 1_200), Taken::Fresh);
        assert_eq!(nonces.take(&client(1), "n", at(601), 1_201), Taken::Fresh);
    }

    #[test]
    fn a_full_memory_takes_no_more_until_the_first_have_ended() {
        let nonces = Nonces::default();
        for n in 0..NONCES_MAX {
            nonces.seen.lock().expect("mine").ends.insert((client(1), n.to_string()), 10);
        }
        assert_eq!(nonces.take(&client(1), "n", Millis(0), 600), Taken::Full);
        assert_eq!(nonces.take(&client(1), "n", Millis(11 * SECOND_MS), 611), Taken::Fresh);
    }
}
