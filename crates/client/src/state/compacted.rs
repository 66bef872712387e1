//! A journal that holds the state and nothing of how it came about.

use super::{Event, State};

impl State {
    /// The events of a journal that holds this state and nothing else. Only between scans.
    #[must_use]
    pub fn compacted(&self) -> Vec<Event> {
        const IMAGES_PER_EVENT: usize = 500;
        let mut events = Vec::new();
        match (&self.account, &self.client_id) {
            (Some(account), _) => events.push(Event::Account(account.clone())),
            (None, Some(client_id)) => events.push(Event::Named { client_id: client_id.clone() }),
            (None, None) => {}
        }
        let images: Vec<_> = self.replica.images().map(|(key, image)| (key.clone(), image.clone())).collect();
        events.extend(images.chunks(IMAGES_PER_EVENT).map(|chunk| Event::Images { images: chunk.to_vec() }));
        events.extend(self.replica.fills_waiting());
        for entry in self.outbox.entries() {
            events.push(Event::Queued { intent: entry.intent.text.clone(), depends_on: entry.intent.depends_on.clone() });
            if let (true, Some(error)) = (entry.poisoned, &entry.error) {
                events.push(Event::Poisoned { operation_id: entry.intent.operation_id.clone(), error: error.clone() });
            }
            if entry.held {
                events.push(Event::Held { operation_id: entry.intent.operation_id.clone() });
            }
        }
        events.push(Event::Control { commands: self.commands.clone() });
        if let Some(mesh) = &self.mesh {
            events.push(Event::Meshed { mesh: mesh.clone() });
        }
        events.push(Event::Marks {
            client_seq: self.client_seq,
            stamp: self.last_stamp.clone(),
            cursor: self.replica.cursor().map(str::to_owned),
            acknowledged: self.acknowledged.iter().map(|(seq, intent)| (*seq, intent.text.clone())).collect(),
        });
        events
    }
}
