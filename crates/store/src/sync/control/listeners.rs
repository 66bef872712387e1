//! Who waits for commands: a cell a device, which outlives a poll by nothing but its entry in a map.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidewatch_domain::engine::ClientKey;
use tokio::sync::watch;

/// Entries above which those that nobody listens to are dropped.
const IDLE_MAX: usize = 1_024;

/// Those who wait.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    cells: Mutex<HashMap<ClientKey, watch::Sender<()>>>,
}

impl Listeners {
    pub(crate) fn listen(&self, client: ClientKey) -> watch::Receiver<()> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= IDLE_MAX {
            cells.retain(|_, cell| cell.receiver_count() > 0);
        }
        cells.entry(client).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Wakes whoever waits for commands of these devices.
    pub(crate) fn wake(&self, clients: impl IntoIterator<Item = ClientKey>) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        for client in clients {
            if cells.get(&client).is_some_and(|cell| cell.send(()).is_err()) {
                cells.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_device_that_is_meant_wakes() {
        let listeners = Listeners::default();
        let (mut one, two) = (listeners.listen(ClientKey(1)), listeners.listen(ClientKey(2)));
        listeners.wake([ClientKey(1), ClientKey(3)]);
        one.changed().await.expect("the cell is there");
        assert!(!two.has_changed().expect("the cell is there"));
    }

    #[test]
    fn a_cell_that_nobody_listens_to_goes() {
        let listeners = Listeners::default();
        drop(listeners.listen(ClientKey(1)));
        listeners.wake([ClientKey(1)]);
        assert!(listeners.cells.lock().expect("not poisoned").is_empty());
    }
}
