//! One push of a device at a time: a second one would race the first for the same records.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tidewatch_domain::ids::ClientId;

/// The devices whose push is under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    clients: Arc<Mutex<HashSet<ClientId>>>,
}

/// A push under way; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    clients: Arc<Mutex<HashSet<ClientId>>>,
    client_id: ClientId,
}

impl InFlight {
    /// Begins a push, unless one of the same device is under way.
    pub(crate) fn enter(&self, client_id: &ClientId) -> Option<Turn> {
        let first = self.clients.lock().expect("no holder of this lock panics").insert(client_id.clone());
        first.then(|| Turn { clients: Arc::clone(&self.clients), client_id: client_id.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.clients.lock().expect("no holder of this lock panics").remove(&self.client_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_push_of_a_device_waits_for_the_first_to_end() {
        let in_flight = InFlight::default();
        let (a, b) = ("0192f0c1-7b1e-7c3a-9d2e-000000000001", "0192f0c1-7b1e-7c3a-9d2e-000000000002");
        let [a, b] = [a, b].map(|id| ClientId::parse(id).expect("a UUID"));
        let turn = in_flight.enter(&a).expect("nobody else");
        assert!(in_flight.enter(&a).is_none());
        assert!(in_flight.enter(&b).is_some());
        drop(turn);
        assert!(in_flight.enter(&a).is_some());
    }
}
