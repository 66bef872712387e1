//! I-12: where a policy claims that order does not matter, it does not: writes of a run that did not know of each other come to the
//! same record in any order, in any grouping and with any repeats, and whose write it is is settled the same way everywhere.
//!
//! The writes that a run made to a record are given to nodes in memory as if no device had known of another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tidewatch_domain::engine::Collection;
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{IdempotencyKey, OperationId, Scope, Version};
use tidewatch_domain::sync::{Base, Body, Mutation, MutationOp};
use tidewatch_domain::time::Millis;

use crate::device::Device;
use crate::nodes::{Node, Shown, Write, collection};
use crate::reference::{DAY, HORIZON, Key};
use crate::rules::STEPPED;
use crate::world::{SCOPES, Seen, made_at};

/// What a collection claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    /// The newest write or deletion is the record, by stamp or by rank and stamp.
    Newest,
    /// The newest write of each field.
    Fields,
    /// What was changed on one base adds up, or the greatest of it stays.
    Numbers,
    /// Every operation counts once.
    Merging,
}

/// Claims of collections. Of `lww_field` a replacement is none: it takes what it found. Of `field_merge` fields without a rule are none:
/// the stamp of the record is all they have.
const CLAIMS: [(&str, Law); 6] = [
    ("assets", Law::Newest),
    ("plans", Law::Newest),
    ("profiles", Law::Fields),
    ("forms", Law::Fields),
    ("orders", Law::Numbers),
    ("boards", Law::Merging),
];

/// Most writes to one record that are tried in several orders.
const WRITES_MAX: usize = 5;
/// Records of a collection that are tried: those with the most writes.
const RECORDS_MAX: usize = 2;

/// Names records that depend on the order of what was written.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, law) in CLAIMS {
        for (key, writes) in concurrent(seen, name, law) {
            let trial = Trial { law, collection: collection(name, &seen.policies[name]), repeats: seen.forgets_repeats };
            faults.extend(trial.faults(&writes).into_iter().map(|fault| format!("{key:?}: {fault}")));
            if matches!(law, Law::Newest | Law::Fields) {
                let tied = trial.faults(&tied(&writes)).into_iter();
                faults.extend(tied.map(|fault| format!("{key:?} under equal stamps: {fault}")));
            }
        }
    }
    faults
}

/// The writes to each record that a law speaks of, the first few, without what they knew.
fn concurrent(seen: &Seen, collection: &str, law: Law) -> Vec<(Key, Vec<Write>)> {
    let mut records: BTreeMap<Key, Vec<Write>> = BTreeMap::new();
    for (device, rank) in seen.devices.iter().zip(&seen.ranks) {
        for intent in device.queued.iter().filter(|intent| intent.collection.as_str() == collection) {
            let writes = records.entry((collection.to_owned(), intent.record_id.to_string())).or_default();
            writes.extend(alone(device, *rank, intent, law));
        }
    }
    for writes in records.values_mut() {
        let Some(latest) = writes.iter().map(|write| made_at(&write.intent)).max() else { continue };
        writes.retain(|write| latest - made_at(&write.intent) < HORIZON - DAY);
        // What removes follows what it has seen.
        let all: BTreeSet<String> = writes.iter().map(|write| write.intent.operation_id.to_string()).collect();
        writes.retain(|write| causes(&write.intent).iter().all(|cause| all.contains(cause)));
        writes.sort_by_key(|write| (made_at(&write.intent), write.device.clone()));
        writes.truncate(WRITES_MAX);
        let kept: BTreeSet<String> = writes.iter().map(|write| write.intent.operation_id.to_string()).collect();
        writes.retain(|write| causes(&write.intent).iter().all(|cause| kept.contains(cause)));
        // Where they were made in the same moment, or time went back, what was seen comes first all the same.
        writes.sort_by_key(|write| !causes(&write.intent).is_empty());
    }
    let mut records: Vec<(Key, Vec<Write>)> = records.into_iter().filter(|(_, writes)| writes.len() > 1).collect();
    records.sort_by_key(|(_, writes)| Reverse(writes.len()));
    records.truncate(RECORDS_MAX);
    records
}

/// A write as one that knew of nothing, when a law speaks of it.
fn alone(device: &Device, rank: i64, intent: &Mutation, law: Law) -> Option<Write> {
    let mut intent = Mutation { base: Base::Unknown, terms: None, scope: Scope::parse(SCOPES[0]).ok()?, ..intent.clone() };
    let spoken = match law {
        Law::Newest => matches!(intent.op, MutationOp::Create | MutationOp::Put | MutationOp::Delete),
        Law::Fields => intent.op == MutationOp::Update,
        Law::Merging => intent.op == MutationOp::Crdt,
        Law::Numbers => {
            intent.fields.retain(|name, _| ["qty", "grade"].contains(&name.as_str()));
            intent.base = Base::Version(Version(1));
            intent.op == MutationOp::Update && !intent.fields.is_empty()
        }
    };
    spoken.then(|| Write { device: device.id.clone(), rank, intent })
}

/// Operations that one has seen.
fn causes(intent: &Mutation) -> Vec<String> {
    let removed = intent.fields.get("remove").filter(|_| intent.op == MutationOp::Crdt).and_then(Value::as_array);
    let tags = removed.into_iter().flatten().filter_map(|removed| removed["tags"].as_array()).flatten();
    tags.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The same under one stamp: device and operation decide.
fn tied(writes: &[Write]) -> Vec<Write> {
    let stamp = writes.first().and_then(|write| write.intent.logical_timestamp.clone());
    let tied =
        |write: &Write| Write { intent: Mutation { logical_timestamp: stamp.clone(), ..write.intent.clone() }, ..write.clone() };
    writes.iter().map(tied).collect()
}

/// One record under one policy.
struct Trial {
    law: Law,
    collection: Arc<Collection>,
    /// What is known of a repeat is forgotten, also where every operation counts once.
    repeats: bool,
}

/// What a node came to: what it shows, and whose write that is.
type Came = (Shown, Option<(String, String, Hlc)>);

impl Trial {
    fn faults(&self, writes: &[Write]) -> Vec<String> {
        let straight: Vec<usize> = (0..writes.len()).collect();
        let first = self.came(&self.after(writes, &straight));
        let mut faults = Vec::new();
        for order in orders(writes) {
            let mut node = self.after(writes, &order);
            let came = self.came(&node);
            if came != first {
                faults.push(format!("{came:?} in the order {order:?}, and {first:?} in that of their making"));
            }
            self.repeat(&mut node, writes, &order);
            let repeated = self.came(&node);
            if repeated != first {
                faults.push(format!("{repeated:?} with repeats of {order:?}, and {first:?} without"));
            }
            let grouped = self.grouped(writes, &order);
            if grouped != first {
                faults.push(format!("{grouped:?} when the last two of {order:?} meet first, and {first:?} one by one"));
            }
        }
        faults
    }

    fn node(&self, writes: &[Write]) -> Node {
        let ms = |write: &Write| {
            let stamp = write.intent.logical_timestamp.as_deref().and_then(Hlc::parse);
            stamp.map_or(0, |stamp| i64::try_from(stamp.ticks.0 >> 16).unwrap_or(0)).max(made_at(&write.intent))
        };
        let now = Millis(writes.iter().map(ms).max().unwrap_or(0));
        let mut node = Node::new(&self.collection, &writes[0].intent, now);
        if self.law != Law::Merging {
            node.take(&beginning(&writes[0]));
        }
        node
    }

    fn after(&self, writes: &[Write], order: &[usize]) -> Node {
        let mut node = self.node(writes);
        order.iter().for_each(|at| node.take(&writes[*at]));
        node
    }

    /// Everything arrives again, the last one first. Where an operation counts once, its repeat has to be known as one.
    fn repeat(&self, node: &mut Node, writes: &[Write], order: &[usize]) {
        for at in order.iter().rev() {
            let counts = self.law == Law::Numbers || writes[*at].intent.fields.contains_key("delta");
            // A removal that comes again takes nothing more; an addition that comes again after its removal is not one.
            let known = counts || writes[*at].intent.fields.contains_key("add");
            if self.repeats || !known {
                node.forget(&writes[*at]);
            }
            node.take(&writes[*at]);
        }
    }

    /// The last two meet on a node of their own, and what they come to meets the others.
    fn grouped(&self, writes: &[Write], order: &[usize]) -> Came {
        let (before, last) = order.split_at(order.len() - 2);
        let mut node = self.after(writes, before);
        let other = self.after(writes, last);
        self.carried(&other, writes, last).iter().for_each(|write| node.take(write));
        self.came(&node)
    }

    /// What a node came to, as writes.
    fn carried(&self, node: &Node, writes: &[Write], order: &[usize]) -> Vec<Write> {
        let made = |device: &str, operation: &str| {
            let known = writes.iter().find(|write| write.device == device && write.intent.operation_id.as_str() == operation);
            known.cloned()
        };
        let shown = node.shown();
        match self.law {
            // Nobody has won against the beginning: then nothing has happened to it.
            Law::Newest => {
                let last = node.last().and_then(|(device, operation, _)| made(&device, &operation));
                let op = if shown.is_some() { MutationOp::Put } else { MutationOp::Delete };
                let intent = |write: &Write| Mutation { op, fields: shown.clone().unwrap_or_default(), ..write.intent.clone() };
                last.map(|write| Write { intent: intent(&write), ..write }).into_iter().collect()
            }
            Law::Fields => {
                let body = shown.unwrap_or_default();
                let value = |name: &String| body.get(name).cloned().unwrap_or_else(|| json!({"$unset": true}));
                let parts = node.fields().into_iter().filter_map(|(_, device, operation, names)| {
                    let write = made(&device, &operation)?;
                    let fields: Body = names.iter().map(|name| (name.clone(), value(name))).collect();
                    // In the names that the record has: those of the current schema.
                    Some(Write { intent: Mutation { fields, schema_version: 2, ..write.intent.clone() }, ..write })
                });
                parts.collect()
            }
            Law::Numbers => order.iter().map(|at| writes[*at].clone()).collect(),
            Law::Merging => {
                let sets = order.iter().map(|at| &writes[*at]).filter(|write| write.intent.fields["type"] == "set").cloned();
                sets.chain(summed(&node.body().unwrap_or_default(), &writes[order[0]])).collect()
            }
        }
    }

    fn came(&self, node: &Node) -> Came {
        // Of numbers and of what merges there is no one whose write it is.
        (node.shown(), node.last().filter(|_| self.law == Law::Newest))
    }
}

/// A count and a text as one operation each.
fn summed(body: &Body, like: &Write) -> Vec<Write> {
    let count = body.get("count").map(|count| json!({"type": "counter", "field": "count", "delta": count}));
    let text = body.get("text").map(|text| json!({"type": "yjs1", "field": "text", "update": text["$yjs1"]}));
    let write = |(name, fields): (&str, Value)| {
        let fields = fields.as_object().cloned().unwrap_or_default();
        Write { intent: named(name, Mutation { fields, ..like.intent.clone() }), ..like.clone() }
    };
    [("count", count), ("text", text)].into_iter().filter_map(|(name, fields)| Some(write((name, fields?)))).collect()
}

/// An intent under another name.
fn named(name: &str, intent: Mutation) -> Mutation {
    let (id, key) = (OperationId::parse(name).expect("an id"), IdempotencyKey::parse(name).expect("a key"));
    Mutation { operation_id: id, idempotency_key: key, ..intent }
}

/// The record before anybody wrote: all that the laws speak of is there, and older than they are.
fn beginning(like: &Write) -> Write {
    let hlc = Hlc { ticks: Ticks(1), node: "a".to_owned() };
    let names: &[&str] =
        if like.intent.collection.as_str() == STEPPED { &["title", "stars"] } else { &["a", "b", "qty", "grade"] };
    let intent = Mutation {
        op: MutationOp::Create,
        base: Base::Unknown,
        fields: names.iter().map(|name| ((*name).to_owned(), json!(2))).collect(),
        logical_timestamp: Some(hlc.to_string()),
        schema_version: 2,
        ..named("begin", like.intent.clone())
    };
    Write { device: "0192f0c1-7b1e-7c3a-9d2e-00000000000b".to_owned(), rank: 0, intent }
}

/// Orders to try: all of a few writes, some of more. Nothing comes before what it has seen.
fn orders(writes: &[Write]) -> Vec<Vec<usize>> {
    let straight: Vec<usize> = (0..writes.len()).collect();
    let mut orders = Vec::new();
    if writes.len() <= 3 {
        permuted(&mut straight.clone(), 0, &mut orders);
    } else {
        let backwards: Vec<usize> = straight.iter().rev().copied().collect();
        for order in [straight, backwards] {
            let (later, earlier) = (&order[order.len() / 2..], &order[..order.len() / 2]);
            orders.push([later, earlier].concat());
            orders.push(order);
        }
    }
    let place = |order: &[usize], operation: &str| {
        order.iter().position(|at| writes[*at].intent.operation_id.as_str() == operation).unwrap_or(usize::MAX)
    };
    let follows = |order: &Vec<usize>| {
        let mut placed = order.iter().enumerate();
        placed.all(|(at, write)| causes(&writes[*write].intent).iter().all(|cause| place(order, cause) < at))
    };
    orders.retain(follows);
    orders
}

fn permuted(order: &mut Vec<usize>, from: usize, out: &mut Vec<Vec<usize>>) {
    if from + 1 >= order.len() {
        out.push(order.clone());
        return;
    }
    for at in from..order.len() {
        order.swap(from, at);
        permuted(order, from + 1, out);
        order.swap(from, at);
    }
}
