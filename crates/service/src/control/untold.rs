//! What devices say of themselves against what they have not been told yet: a complete list of an outbox that leaves an entry out ends what
//! was to be said of it. A report is noted when it comes in and compared later, since telemetry never waits for the writer of the log. A
//! note that is lost is made again by the next report.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::Report;
use tidewatch_domain::time::Millis;
use tokio::sync::watch;

use crate::{Result, Service};

/// Devices whose lists wait to be compared, at most.
const LISTS_MAX: usize = 1_000;

/// The newest complete list of the outbox of each device that has something to be told.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<ClientId, (Millis, HashSet<String>)>>);

impl Lists {
    fn note(&self, client_id: &ClientId, at: Millis, operations: HashSet<String>) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = lists.len() < LISTS_MAX || lists.contains_key(client_id);
        if room && lists.get(client_id).is_none_or(|(known, _)| *known <= at) {
            lists.insert(client_id.clone(), (at, operations));
        }
    }

    fn take(&self) -> HashMap<ClientId, (Millis, HashSet<String>)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Until when those who wait for what falls due have been woken.
#[derive(Debug, Default)]
pub(crate) struct Woken(AtomicI64);

impl Service {
    /// Wakes the devices to which something is to be said again by now, and whoever watches what devices are told: nothing is committed when
    /// it falls due. Called about once a second by the server's jobs.
    pub fn untold_wake(&self, now: Millis) {
        let since = Millis(self.woken.0.fetch_max(now.0, Ordering::Relaxed));
        self.store.sync().untold_wake(since, now);
    }

    /// Wakes when devices were handed commands, or something is to be said to them again.
    #[must_use]
    pub fn told_watch(&self) -> watch::Receiver<u64> {
        self.store.sync().told_watch()
    }

    /// Notes what the newest of these reports lists, when it lists everything and the device has something to be told: from memory.
    pub(crate) fn outbox_listed(&self, client_id: &ClientId, reports: &[Report], now: Millis) {
        if !self.store.sync().untold_any(client_id) {
            return;
        }
        let newest = reports.iter().filter_map(|report| Some((report.at.min(now), report.outbox.as_ref()?)));
        if let Some((at, digest)) = newest.max_by_key(|(at, _)| *at).filter(|(_, digest)| !digest.truncated) {
            let operations = digest.entries.iter().map(|entry| entry.operation_id.clone()).collect();
            self.lists.note(client_id, at, operations);
        }
    }

    /// Compares what was noted. Called about once a second by the server's jobs.
    ///
    /// # Errors
    /// As the store. What was not compared by then comes with the next reports of those devices.
    pub async fn untold_follow(&self) -> Result<()> {
        for (client_id, (at, operations)) in self.lists.take() {
            self.store.sync().untold_listed(&client_id, at, &operations).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_list_of_a_device_counts_whenever_it_arrives() {
        let (lists, of) = (Lists::default(), ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id"));
        let listed = |id: &str| HashSet::from([id.to_owned()]);
        lists.note(&of, Millis(2), listed("b"));
        lists.note(&of, Millis(1), listed("a"));
        assert_eq!(lists.take(), HashMap::from([(of.clone(), (Millis(2), listed("b")))]));
        lists.note(&of, Millis(1), listed("a"));
        assert_eq!(lists.take().len(), 1, "what was taken is forgotten");
    }
}
