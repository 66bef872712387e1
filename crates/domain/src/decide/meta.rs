//! What a policy keeps beside a body, and what a row of the log says of it. The first is a fold over the second, so that a
//! verification can compute it again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Stamp;
use crate::hlc::{Hlc, Ticks};
use crate::json::value_text;
use crate::policy::SchemaSteps;
use crate::sync::{Body, VectorClock};

/// What a policy keeps beside the body of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Rank of who wrote it last.
    pub rank: Option<i64>,
    /// What the record has seen, device by device, where its collection goes by that.
    pub vector: VectorClock,
    /// Stamps of single fields, removed ones included.
    clocks: BTreeMap<String, Clock>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Clock {
    ticks: Ticks,
    node: String,
    client: String,
    operation: String,
}

impl Clock {
    fn of(stamp: Stamp<'_>) -> Self {
        Self {
            ticks: stamp.ticks,
            node: stamp.node.to_owned(),
            client: stamp.client.to_owned(),
            operation: stamp.operation.to_owned(),
        }
    }

    fn stamp(&self) -> Stamp<'_> {
        Stamp { ticks: self.ticks, node: &self.node, client: &self.client, operation: &self.operation }
    }
}

impl Meta {
    /// The stamp of a field: its own; that of the record when fields have none yet; none for a field that never was.
    #[must_use]
    pub fn stamp<'a>(&'a self, field: &str, record: Stamp<'a>, present: bool) -> Option<Stamp<'a>> {
        let own = self.clocks.get(field).map(Clock::stamp);
        own.or_else(|| (present || self.clocks.is_empty()).then_some(record))
    }

    /// The newest stamp of any field.
    #[must_use]
    pub fn newest(&self) -> Option<Stamp<'_>> {
        self.clocks.values().max().map(Clock::stamp)
    }

    /// The same, with stamps under the current names of fields.
    #[must_use]
    pub fn restored(&self, steps: &SchemaSteps) -> Self {
        let mut clocks: BTreeMap<String, Clock> = BTreeMap::new();
        for (field, clock) in &self.clocks {
            let Some(name) = steps.name_restored(field) else { continue };
            let newest = clocks.entry(name.to_owned()).or_insert_with(|| clock.clone());
            *newest = clock.clone().max(newest.clone());
        }
        Self { clocks, ..self.clone() }
    }

    /// Reads what [`Meta::text`] writes; anything else is empty.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::default() };
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let mut clocks = BTreeMap::new();
        for entry in value["clocks"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let Some(hlc) = entry[0].as_str().and_then(Hlc::parse) else { continue };
            let text = |at: usize| entry[at].as_str().unwrap_or_default().to_owned();
            let clock = Clock { ticks: hlc.ticks, node: hlc.node, client: text(1), operation: text(2) };
            let fields = entry[3].as_array().map(Vec::as_slice).unwrap_or_default();
            clocks.extend(fields.iter().filter_map(Value::as_str).map(|field| (field.to_owned(), clock.clone())));
        }
        Self { rank: value["rank"].as_i64(), vector: vector_read(&value["vector"]).unwrap_or_default(), clocks }
    }

    /// Canonical text; `None` when there is nothing to keep. Fields that share a stamp share an entry.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut out = Body::new();
        if let Some(rank) = self.rank {
            out.insert("rank".to_owned(), rank.into());
        }
        let mut shared: BTreeMap<&Clock, Vec<&str>> = BTreeMap::new();
        for (field, clock) in &self.clocks {
            shared.entry(clock).or_default().push(field);
        }
        if !shared.is_empty() {
            let entries = shared.into_iter().map(|(clock, fields)| {
                let hlc = Hlc { ticks: clock.ticks, node: clock.node.clone() };
                json!([hlc.to_string(), clock.client, clock.operation, fields])
            });
            out.insert("clocks".to_owned(), entries.collect());
        }
        if !self.vector.is_empty() {
            out.insert("vector".to_owned(), json!(self.vector));
        }
        (!out.is_empty()).then(|| value_text(&Value::Object(out)))
    }

    /// After a row of the log.
    #[must_use]
    pub fn after(self, detail: &Detail, stamp: Stamp<'_>) -> Self {
        if detail.alias.is_some() {
            return self;
        }
        let mut vector = self.vector;
        for (node, count) in detail.vector.iter().flatten() {
            let known = vector.entry(node.clone()).or_default();
            *known = (*known).max(*count);
        }
        let Some(stamped) = &detail.stamped else { return Self { rank: detail.rank, vector, clocks: BTreeMap::new() } };
        let mut clocks = self.clocks;
        let clock = Clock::of(stamp);
        clocks.extend(stamped.iter().map(|field| (field.clone(), clock.clone())));
        Self { rank: detail.rank, vector, clocks }
    }
}

/// What a row of the log says beside the change itself, where a policy needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Rank of the writer.
    pub rank: Option<i64>,
    /// Fields that carry the stamp of the row.
    pub stamped: Option<Vec<String>>,
    /// The id under which the same thing was recorded again; the row changes nothing else.
    pub alias: Option<String>,
    /// The operation on a field that merges by itself.
    pub crdt: Option<Body>,
    /// Branches that the row merged.
    pub merges: Vec<String>,
    /// Entries of the conflicts log that the row settled.
    pub resolves: Vec<i64>,
    /// What the write had seen, device by device, itself included.
    pub vector: Option<VectorClock>,
}

fn vector_read(value: &Value) -> Option<VectorClock> {
    let members = value.as_object()?.iter();
    Some(members.filter_map(|(node, count)| Some((node.clone(), count.as_i64()?))).collect())
}

impl Detail {
    /// Reads what [`Detail::text`] writes; anything else is empty.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        let value: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let names = |value: &Value| {
            let names = value.as_array()?.iter().filter_map(Value::as_str);
            Some(names.map(str::to_owned).collect())
        };
        let alias = value["alias"].as_str().map(str::to_owned);
        let crdt = value["crdt"].as_object().cloned();
        Self {
            rank: value["rank"].as_i64(),
            stamped: names(&value["stamped"]),
            alias,
            crdt,
            merges: names(&value["merges"]).unwrap_or_default(),
            resolves: value["resolves"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect(),
            vector: vector_read(&value["vector"]),
        }
    }

    /// Canonical text; `None` when there is nothing to say.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let mut out = Body::new();
        if let Some(rank) = self.rank {
            out.insert("rank".to_owned(), rank.into());
        }
        if let Some(stamped) = &self.stamped {
            out.insert("stamped".to_owned(), json!(stamped));
        }
        if let Some(alias) = &self.alias {
            out.insert("alias".to_owned(), alias.as_str().into());
        }
        if !self.merges.is_empty() {
            out.insert("merges".to_owned(), json!(self.merges));
        }
        if !self.resolves.is_empty() {
            out.insert("resolves".to_owned(), json!(self.resolves));
        }
        if let Some(vector) = &self.vector {
            out.insert("vector".to_owned(), json!(vector));
        }
        if let Some(crdt) = &self.crdt {
            out.insert("crdt".to_owned(), Value::Object(crdt.clone()));
        }
        (!out.is_empty()).then(|| value_text(&Value::Object(out)))
    }
}
