//! What reached the store in a run, and the same once more: batch by batch in the order of the log, in a store that was made of other
//! random bits, is opened at another time and never closed in between.

use std::collections::BTreeMap;

use tidewatch_domain::engine::capture::Captured;
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::sync::{BatchTerms, Mutation, Push};
use tidewatch_domain::time::Millis;
use tidewatch_store::{Error, Store};
use tokio::runtime::Runtime;

use super::steps::batch;
use super::{BEGIN, COLLECTIONS, Mutant, OTHER, ROLES, SCOPES, World, client, copied, definition, open, scope};

/// When the second store is opened: before its first batch, and not when the first one was.
const EARLIER: i64 = BEGIN - 86_399_999;

/// Rows and digest by scope and collection.
pub type Digests = BTreeMap<(String, String), (i64, u64)>;

/// Something that reached the store and changes what it decides.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A batch, as it was sent.
    Batch {
        /// Who sent it.
        device: usize,
        /// Its intents.
        intents: Vec<Mutation>,
        /// What it asked for as a whole.
        terms: BatchTerms,
        /// When it arrived.
        at: i64,
    },
    /// The first collection has its other policy, or its first one again.
    Policy { other: bool, at: i64 },
    /// A scope is opened or closed.
    Scope { device: usize, place: String, open: bool, at: i64 },
    /// A device has another role.
    Role { device: usize, rank: i64 },
}

/// What the second store came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// The chain at its head.
    pub chain: String,
    /// Its digests.
    pub digests: Digests,
}

impl World {
    /// Groups that were decided since the last time, with all that decided them.
    pub(super) fn groups_keep(&mut self) {
        while let Ok((captured, answers)) = self.groups.try_recv() {
            let captured = if self.mutant == Mutant::Unrecorded { forgetful(captured) } else { captured };
            self.seen.groups.push((captured, answers));
        }
    }

    /// Notes a batch that reached the store.
    pub(super) fn reached(&mut self, device: usize, intents: &[Mutation], terms: BatchTerms) {
        self.inputs.push(Input::Batch { device, intents: intents.to_vec(), terms, at: self.now });
    }

    /// When a batch arrives. A store that looks at a clock of its own decides by another time than anybody has noted.
    pub(super) fn arrival(&self) -> Millis {
        let own = self.mutant == Mutant::OwnClock && self.inputs.len() % 2 == 1;
        Millis(self.now + i64::from(own))
    }

    /// The same once more.
    pub(super) fn again(&self) -> Result<Again, String> {
        let dir = copied();
        let (runtime, store) = open(dir.path(), EARLIER, 8);
        for input in &self.inputs {
            repeated(&runtime, &store, input)?;
        }
        let digests = digests(&store);
        let report = runtime.block_on(store.verify()).map_err(|error| error.to_string())?;
        runtime.block_on(store.close()).map_err(|error| error.to_string())?;
        Ok(Again { chain: report.chain, digests })
    }
}

fn repeated(runtime: &Runtime, store: &Store, input: &Input) -> Result<(), String> {
    let sync = store.sync();
    let done = match input {
        Input::Batch { device, intents, terms, at } => {
            let push = Push { terms: terms.clone(), ..batch(*device, intents) };
            match runtime.block_on(sync.mutations_push(push, Millis(*at))) {
                Ok(_) | Err(Error::Refused(_)) => Ok(()),
                Err(error) => Err(error),
            }
        }
        Input::Policy { other, at } => {
            let policy = if *other { OTHER.0 } else { COLLECTIONS[0].1 };
            runtime.block_on(sync.collections_put(vec![definition(COLLECTIONS[0].0, policy)], "u1", Millis(*at)))
        }
        Input::Scope { device, place, open, at } => {
            runtime.block_on(sync.client_scope_set(client(*device), scope(place), *open, Millis(*at))).map(|_| ())
        }
        Input::Role { device, rank } => {
            let role = ROLES[usize::try_from(*rank).expect("a rank is not below 0")].map(str::to_owned);
            runtime.block_on(sync.client_role_set(client(*device), role, *rank))
        }
    };
    done.map_err(|error| format!("the second time: {error}"))
}

/// Rows and digests of all scopes and collections.
pub(super) fn digests(store: &Store) -> Digests {
    let places = COLLECTIONS.iter().flat_map(|(name, ..)| SCOPES.map(|place| (place, *name)));
    let known = places.filter_map(|(place, name)| {
        let collection = CollectionName::parse(name).expect("a name");
        let (rows, digest, _) = store.sync().scope_digest(&scope(place), &collection)?;
        Some(((place.to_owned(), name.to_owned()), (rows, digest)))
    });
    known.collect()
}

/// What nobody wrote down: roles, and older versions.
fn forgetful(mut captured: Captured) -> Captured {
    captured.set.history.clear();
    captured.batches.iter_mut().for_each(|batch| (batch.role, batch.role_rank) = (None, 0));
    captured
}
