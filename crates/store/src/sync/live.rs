//! What the log part keeps in memory: names and short names, heads of scopes, digests, devices, collections. Changed by the
//! writer after a commit, under one lock, so that a reader sees the state at one head.

use std::collections::HashMap;
use std::sync::Arc;

use tidewatch_domain::engine::{Catalogue, ClientKey, Collection, CollectionKey, ScopeKey};
use tidewatch_domain::ids::{ClientId, CollectionName, Scope, Seq};
use tidewatch_domain::policy::Policy;
use tidewatch_domain::sync::{CollectionInfo, PublicKey};
use tidewatch_domain::time::Millis;

use super::untold::Untold;
use crate::{Error, Result};

/// The scopes that a device may read and write. Devices with the same scopes share one.
pub(crate) type Grants = Arc<HashMap<Scope, ScopeKey>>;

/// A registered device, as the log knows it.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) key: ClientKey,
    pub(crate) grants: Grants,
    /// Which.
    pub client_id: ClientId,
    /// Who it belongs to.
    pub principal: String,
    /// Platform.
    pub platform: Option<String>,
    /// App version.
    pub app_version: Option<String>,
    /// Schema version of its database.
    pub schema_version: Option<i64>,
    /// Scopes it may read and write, sorted.
    pub scopes: Arc<[Scope]>,
    /// Made by the simulator.
    pub simulated: bool,
    /// May not sync.
    pub blocked: bool,
    /// Role that guards of policies ask for.
    pub role: Option<String>,
    /// Rank of that role; 0 without one.
    pub role_rank: i64,
    /// Registered at.
    pub created: Millis,
    /// Key that it signs with. Boxed: most devices have none.
    pub public_key: Option<Box<PublicKey>>,
}

/// How far a device has come in its own counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// The last counter that a strict batch decided; 0 before the first.
    pub(crate) last: i64,
    /// The device has stored the final answers up to this counter.
    pub(crate) floor: i64,
}

/// A collection with what devices are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(crate) engine: Arc<Collection>,
    pub(crate) info: CollectionInfo,
}

/// The state in memory.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) head: Seq,
    pub(crate) scopes: HashMap<Scope, ScopeKey>,
    pub(crate) scope_names: HashMap<ScopeKey, Scope>,
    pub(crate) scope_heads: HashMap<ScopeKey, Seq>,
    /// The newest row of each scope that changes no record; most scopes have none.
    pub(crate) control_heads: HashMap<ScopeKey, Seq>,
    /// The newest row of each scope that speaks of a conflict, since this process began.
    pub(crate) conflict_heads: HashMap<ScopeKey, Seq>,
    /// The newest row of each collection in each scope, since this process began.
    pub(crate) collection_heads: HashMap<(ScopeKey, CollectionKey), Seq>,
    pub(crate) digests: HashMap<(ScopeKey, CollectionKey), (i64, u64)>,
    pub(crate) collections: Vec<Configured>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) clients: HashMap<ClientId, Arc<Client>>,
    pub(crate) client_ids: HashMap<ClientKey, ClientId>,
    /// Only of devices that push strict batches or name an `ack_floor`.
    pub(crate) sequences: HashMap<ClientKey, Sequence>,
    /// Open commands of devices that have any, without those that a job holds back.
    pub(crate) commands_open: HashMap<ClientKey, u32>,
    /// Devices that have not been told something yet.
    pub(crate) untold: Untold,
    pub(crate) shared_grants: HashMap<Vec<Scope>, (Grants, Arc<[Scope]>)>,
}

impl Live {
    pub(crate) fn scope_add(&mut self, key: ScopeKey, name: Scope, head: Seq) {
        self.scopes.insert(name.clone(), key);
        self.scope_names.insert(key, name);
        self.scope_heads.insert(key, head);
    }

    /// Notes a row that changes no record.
    pub(crate) fn control_add(&mut self, scope: ScopeKey, seq: Seq, about_conflict: bool) {
        let conflicts = about_conflict.then_some(&mut self.conflict_heads);
        for heads in [&mut self.control_heads, &mut self.scope_heads].into_iter().chain(conflicts) {
            let head = heads.entry(scope).or_default();
            *head = (*head).max(seq);
        }
    }

    pub(crate) fn client_put(&mut self, client: Client) {
        self.client_ids.insert(client.key, client.client_id.clone());
        self.clients.insert(client.client_id.clone(), Arc::new(client));
    }

    /// The shared form of a set of scopes. Every scope must be known.
    pub(crate) fn grants(&mut self, scopes: &[Scope]) -> Result<(Grants, Arc<[Scope]>)> {
        let mut sorted = scopes.to_vec();
        sorted.sort();
        sorted.dedup();
        if let Some(found) = self.shared_grants.get(&sorted) {
            return Ok(found.clone());
        }
        let keys: Option<HashMap<Scope, ScopeKey>> =
            sorted.iter().map(|scope| Some((scope.clone(), *self.scopes.get(scope)?))).collect();
        let keys = keys.ok_or_else(|| Error::Corrupt("a device has a scope that is not in the store".to_owned()))?;
        let shared = (Arc::new(keys), Arc::from(sorted.as_slice()));
        self.shared_grants.insert(sorted, shared.clone());
        Ok(shared)
    }

    /// Replaces or adds a collection.
    pub(crate) fn collection_put(&mut self, configured: Configured) {
        match self.collections.iter_mut().find(|known| known.engine.key == configured.engine.key) {
            Some(known) => *known = configured,
            None => self.collections.push(configured),
        }
        let by_name = self.collections.iter().map(|known| (known.engine.name.clone(), Arc::clone(&known.engine)));
        self.catalogue = Arc::new(by_name.collect());
    }

    /// Adds to the open commands of devices.
    pub(crate) fn commands_count(&mut self, moved: &HashMap<ClientKey, i64>) {
        for (client, by) in moved {
            let before = i64::from(self.commands_open.get(client).copied().unwrap_or(0));
            match u32::try_from(before + by) {
                Ok(0) | Err(_) => drop(self.commands_open.remove(client)),
                Ok(after) => drop(self.commands_open.insert(*client, after)),
            }
        }
    }

    /// Brings what devices have not been told yet to what a group has come to.
    pub(crate) fn untold_put(&mut self, summed: Vec<(ClientKey, Option<Option<Millis>>)>) {
        for (client, due) in summed {
            match due {
                Some(due) => drop(self.untold.insert(client, due)),
                None => drop(self.untold.remove(&client)),
            }
        }
    }

    pub(crate) fn collection_name(&self, key: CollectionKey) -> Option<&CollectionName> {
        self.collections.iter().find(|known| known.engine.key == key).map(|known| &known.engine.name)
    }

    /// The collections that have rows above a position of their scope, in the order that they were configured in; `None` when a scope
    /// has moved by what belongs to no collection, or before this process began.
    pub(crate) fn collections_moved(&self, above: &[(Scope, Seq)]) -> Option<Vec<CollectionName>> {
        let mut moved = vec![false; self.collections.len()];
        for (scope, above) in above {
            let key = self.scopes.get(scope)?;
            let is_above =
                |known: &Configured| self.collection_heads.get(&(*key, known.engine.key)).is_some_and(|head| head > above);
            let here: Vec<bool> = self.collections.iter().map(is_above).collect();
            if !here.contains(&true) {
                return None;
            }
            moved.iter_mut().zip(here).for_each(|(moved, here)| *moved |= here);
        }
        let named = self.collections.iter().zip(moved).filter(|(_, moved)| *moved);
        Some(named.map(|(known, _)| known.engine.name.clone()).collect())
    }

    /// Heads of these scopes; 0 for one that is not known.
    pub(crate) fn heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        scopes
            .iter()
            .map(|scope| self.scopes.get(scope).and_then(|key| self.scope_heads.get(key)).copied().unwrap_or_default())
            .collect()
    }
}

impl Configured {
    pub(crate) fn new(key: CollectionKey, info: CollectionInfo) -> Result<Self> {
        let policy = Policy::parse(&info.policy).map_err(|error| Error::Corrupt(error.to_string()))?;
        let engine = Arc::new(Collection { key, name: info.name.clone(), policy, policy_rev: info.policy_rev });
        Ok(Self { engine, info })
    }
}
