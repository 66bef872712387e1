//! A node without a store: the engine over one record in memory. Writes reach it in any order, and again when they like.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;
use tidewatch_domain::engine::{
    Batch, Catalogue, ClientKey, Collection, CollectionKey, Effects, LogState, Record, Rules, ScopeKey, WorkingSet, batch_apply,
};
use tidewatch_domain::hlc::{Hlc, ServerClock};
use tidewatch_domain::ids::{ClientId, CollectionName, Scope, Seq};
use tidewatch_domain::policy::Policy;
use tidewatch_domain::sync::{Body, Intent, Mutation};
use tidewatch_domain::time::Millis;

use crate::text;

/// A write with the device that made it, and its rank.
#[derive(Clone, Debug)]
pub struct Write {
    /// Who.
    pub device: String,
    /// Its rank.
    pub rank: i64,
    /// What.
    pub intent: Mutation,
}

/// A collection that settles by this policy.
#[must_use]
pub fn collection(name: &str, policy: &str) -> Arc<Collection> {
    let name = CollectionName::parse(name).expect("a name");
    Arc::new(Collection { key: CollectionKey(1), name, policy: Policy::parse(policy).expect("a policy"), policy_rev: 1 })
}

/// What a node shows: the body, none when there is nothing or it was deleted; texts as their words.
pub type Shown = Option<Body>;

/// The node.
#[derive(Debug)]
pub struct Node {
    log: LogState,
    set: WorkingSet,
    catalogue: Catalogue,
    scopes: HashMap<Scope, ScopeKey>,
    devices: BTreeMap<String, i64>,
    now: Millis,
}

impl Node {
    /// A node that holds nothing. Every stamp of the writes lies before `now`.
    #[must_use]
    pub fn new(collection: &Arc<Collection>, write: &Mutation, now: Millis) -> Self {
        let log = LogState { head: Seq(1), chain: [0; 32], clock: ServerClock::default(), conflict_id: 0, committed: now };
        Self {
            log,
            set: WorkingSet::default(),
            catalogue: HashMap::from([(collection.name.clone(), Arc::clone(collection))]),
            scopes: HashMap::from([(write.scope.clone(), ScopeKey(1))]),
            devices: BTreeMap::new(),
            now,
        }
    }

    /// A write arrives.
    pub fn take(&mut self, write: &Write) {
        let count = i64::try_from(self.devices.len()).expect("few");
        let client = ClientKey(*self.devices.entry(write.device.clone()).or_insert(count + 1));
        let client_id = ClientId::parse(&write.device).expect("a UUID");
        let intents = [Intent::Valid(Box::new(write.intent.clone()))];
        let batch = Batch {
            client,
            client_id: &client_id,
            role: None,
            role_rank: write.rank,
            scopes: &self.scopes,
            now: self.now,
            intents: &intents,
            rules: Rules::default(),
        };
        let mut effects = Effects::default();
        batch_apply(&mut self.log, &mut self.set, &self.catalogue, &batch, &mut effects)
            .expect("an ordinary batch is never refused");
    }

    /// The answer to a write is not remembered any more: when it arrives again, it is decided again.
    pub fn forget(&mut self, write: &Write) {
        self.set.memory.retain(|(_, key), _| *key != write.intent.idempotency_key);
    }

    fn record(&self) -> Option<&Record> {
        self.set.records.values().next()
    }

    /// Its body, none when there is nothing or it was deleted.
    #[must_use]
    pub fn body(&self) -> Option<Body> {
        Some(serde_json::from_str(self.record()?.body.as_deref()?).expect("the engine writes objects"))
    }

    /// What it shows.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let mut body = self.body()?;
        for value in body.values_mut().filter(|value| value.get("$yjs1").is_some()) {
            let (words, missing) = text::read(value);
            *value = Value::from(if missing { format!("{words} …") } else { words });
        }
        Some(body)
    }

    /// Whose write its record is, with the stamp of it.
    #[must_use]
    pub fn last(&self) -> Option<(String, String, Hlc)> {
        let record = self.record()?;
        Some((record.last_client_id.clone(), record.last_operation_id.clone(), record.hlc.clone()))
    }

    /// Whose write each field is: stamp, device and operation, with the names of its fields.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String, String, Vec<String>)> {
        let meta: Value = self.record().and_then(|record| serde_json::from_str(record.meta.as_deref()?).ok()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = meta["clocks"].as_array().into_iter().flatten();
        let names = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
        entries.map(|entry| (text(&entry[0]), text(&entry[1]), text(&entry[2]), names(&entry[3]))).collect()
    }
}
