//! Many batches at once: whose turn it is.

use tidewatch_domain::ids::RecordId;
use tidewatch_domain::sync::{Mutation, MutationOp};
use tidewatch_domain::time::Millis;

use super::steps::batch;
use super::{COLLECTIONS, SCOPES, STRICT, World, scope};
use crate::command::{DEVICES, Edit, On};
use crate::reference::Answer;

/// A priority of each lane.
const PRIORITIES: [u8; 3] = [1, 3, 5];

impl World {
    /// As many batches of each lane as are wanted, all before the store takes the first: each makes a record that no other speaks of. The
    /// reference has no queue, and is given them in the order of the log.
    pub(super) fn crowd(&mut self, lanes: [usize; 3]) -> Result<(), String> {
        let places = lanes.into_iter().enumerate().flat_map(|(lane, count)| std::iter::repeat_n(lane, count));
        let made: Vec<(usize, usize, Mutation)> = places.enumerate().filter_map(|(at, lane)| self.comer(at, lane)).collect();
        let (runtime, store) = self.both();
        let now = Millis(self.now);
        let pushes =
            made.iter().map(|(n, _, intent)| Box::pin(store.sync().mutations_push(batch(*n, std::slice::from_ref(intent)), now)));
        let mut pushes: Vec<_> = pushes.collect();
        let answers = runtime.block_on(async {
            for push in &mut pushes {
                // Polled once, it stands in the queue.
                tokio::select! { biased; answer = push => panic!("answered before anybody was asked: {answer:?}"), () = std::future::ready(()) => {} }
            }
            let mut answers = Vec::new();
            for push in pushes {
                answers.push(push.await);
            }
            answers
        });
        let mut done = Vec::new();
        for ((n, lane, intent), answer) in made.into_iter().zip(answers) {
            let answer = answer.map_err(|error| error.to_string())?;
            done.push((answer.results[0].seq, lane, n, intent, Answer::from(&answer.results[0])));
        }
        done.sort_by_key(|(seq, ..)| *seq);
        self.seen.crowds.push(done.iter().map(|(_, lane, ..)| *lane).collect());
        for (_, _, n, intent, answer) in done {
            self.decided(n, std::slice::from_ref(&intent), std::slice::from_ref(&answer))?;
            self.devices[n].settle(std::slice::from_ref(&intent), std::slice::from_ref(&answer));
        }
        Ok(())
    }

    /// A batch of one intent of a device that may write somewhere.
    fn comer(&mut self, at: usize, lane: usize) -> Option<(usize, usize, Mutation)> {
        // Whoever counts sends one batch after the other.
        let n = if at % DEVICES == STRICT { 0 } else { at % DEVICES };
        let place = SCOPES.iter().find(|name| self.open[n].contains(**name))?;
        let collection = COLLECTIONS.iter().position(|(name, ..)| *name == "readings").expect("it is there");
        let edit =
            Edit { device: n, collection, record: 0, op: MutationOp::Create, on: On::Nothing, values: (2, 2), moved: false };
        let mut intent = self.intent(&edit, None);
        let record = RecordId::parse(format!("c-{}", intent.operation_id)).expect("an id");
        (intent.record_id, intent.scope, intent.priority) = (record, scope(place), PRIORITIES[lane]);
        *self.devices[n].queued.last_mut().expect("it was made") = intent.clone();
        Some((n, lane, intent))
    }
}
