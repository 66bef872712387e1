//! Intents that devices make: what they write, on what, and what they ask for beside it.

use serde_json::json;
use tidewatch_domain::digest::content_hash;
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::{CollectionName, GroupName, IdempotencyKey, OperationId, RecordId, Version};
use tidewatch_domain::json::body_text;
use tidewatch_domain::policy::ConflictWish;
use tidewatch_domain::sync::{Base, Body, Command as Asked, Mutation, MutationOp, Terms};
use tidewatch_domain::time::Millis;

use super::{COLLECTIONS, SCOPES, World, scope};
use crate::command::{Edit, On, Tie};
use crate::device::tags;
use crate::rules::{CLOCKED, Clock, STEPPED};
use crate::text::typed;

impl World {
    /// A device makes an intent and queues it.
    pub(super) fn queue(&mut self, edit: &Edit, terms: Option<Terms>) {
        let intent = self.intent(edit, terms);
        self.devices[edit.device].outbox.push(intent);
    }

    /// A device decides a conflict that it has looked at, and queues that.
    pub(super) fn resolve(&mut self, edit: &Edit, which: usize, merges: bool) {
        let known = self.reference.standoffs().iter().rev().nth(which);
        let place = known.and_then(|standoff| {
            let collection = COLLECTIONS.iter().position(|(name, ..)| *name == standoff.key.0)?;
            let record = standoff.key.1.strip_prefix("r-")?.parse().ok()?;
            Some(Edit { collection, record, moved: usize::from(record > 2) != usize::from(standoff.scope == SCOPES[1]), ..*edit })
        });
        let entry = known.map_or(i64::from(u16::MAX), |standoff| standoff.entry);
        let branch = known.and_then(|standoff| standoff.branch.clone()).filter(|_| merges);
        let terms = match branch {
            Some(branch) => Terms { merges: vec![branch], ..Terms::default() },
            None => Terms { resolves: vec![entry], ..Terms::default() },
        };
        self.queue(&place.unwrap_or(*edit), Some(terms));
    }

    /// A device queues an intent with a wish.
    pub(super) fn wishes(&mut self, edit: &Edit, wish: usize) {
        let wish = ConflictWish::NAMES[wish % ConflictWish::NAMES.len()].1;
        self.queue(edit, Some(Terms { wish: Some(wish), ..Terms::default() }));
    }

    /// A device queues a patch of a record instead of fields.
    pub(super) fn patch(&mut self, edit: &Edit) {
        let names = names(COLLECTIONS[edit.collection].0, self.devices[edit.device].schema, edit.values.1);
        let (one, two) = (format!("/{}", names[0]), format!("/{}", names[1]));
        let patch = match edit.values.0 % 4 {
            0 => json!([{"op": "add", "path": one, "value": edit.values.1}]),
            1 => {
                json!([{"op": "replace", "path": two, "value": edit.values.1}, {"op": "test", "path": two, "value": edit.values.1}])
            }
            2 => json!([{"op": "remove", "path": two}]),
            _ => json!([{"op": "test", "path": one, "value": edit.values.1}, {"op": "add", "path": two, "value": 9}]),
        };
        let terms = Terms { patch: patch.as_array().cloned(), ..Terms::default() };
        self.queue(&Edit { op: MutationOp::Update, values: (0, 0), ..*edit }, Some(terms));
    }

    /// A device queues a named command instead of fields: one that is known or not, with what it takes or something else.
    pub(super) fn named(&mut self, edit: &Edit) {
        let collection = COLLECTIONS[edit.collection].0;
        let takes = names(collection, self.devices[edit.device].schema, 5)[0];
        let args = match edit.values.1 {
            0 => json!({}),
            1 => json!({takes: true}),
            2 => json!({takes: 2, "other": 2}),
            number => json!({takes: number}),
        };
        let name = if edit.values.0 == 0 { "open" } else { "close" };
        let command = Asked { name: name.to_owned(), args: args.as_object().cloned().expect("an object") };
        let terms = Terms { command: Some(command), ..Terms::default() };
        self.queue(&Edit { op: MutationOp::Update, values: (0, 0), ..*edit }, Some(terms));
    }

    /// A device queues intents that hang together.
    pub(super) fn several(&mut self, edits: &[Edit], tie: Tie) {
        let n = edits[0].device;
        let first = self.devices[n].queued.len();
        let id = |at: usize| OperationId::parse(operation(n, at, self.now)).expect("an id");
        let ids: Vec<OperationId> = (first..first + edits.len()).map(id).collect();
        for (at, edit) in edits.iter().enumerate() {
            let before = match (tie, at) {
                (Tie::Group, _) | (Tie::Chain, 0) => None,
                (Tie::Circle, 0) => Some(edits.len() - 1),
                (_, at) => Some(at - 1),
            };
            let group = (tie == Tie::Group).then(|| GroupName::parse(format!("g{n}-{first}")).expect("a name"));
            let terms = Terms { group, depends_on: before.map(|at| ids[at].clone()).into_iter().collect(), ..Terms::default() };
            self.queue(&Edit { device: n, ..*edit }, Some(terms));
        }
    }

    /// What a device asks for, with what it has seen where its collection goes by that: of a record that it holds its own write on top,
    /// of one that it does not know only that; a guess says nothing.
    fn clocked(&mut self, edit: &Edit, terms: Option<Terms>) -> Option<Terms> {
        let name = COLLECTIONS[edit.collection].0;
        if !CLOCKED.contains(&name) || edit.op == MutationOp::Crdt || matches!(edit.on, On::Guess(_) | On::Content(2..)) {
            return terms;
        }
        let (node, device) = (format!("d{}", edit.device), &mut self.devices[edit.device]);
        let key = (name.to_owned(), format!("r-{}", edit.record));
        let known = device.clocks.get(&key).cloned().unwrap_or_default();
        let next = known.get(&node).unwrap_or(&0) + 1;
        let holds = matches!(edit.on, On::Held | On::Checksum | On::Content(0 | 1));
        let mut seen = if holds { known } else { Clock::new() };
        seen.insert(node.clone(), next);
        device.clocks.entry(key).or_default().insert(node, next);
        Some(Terms { vector: Some(seen), ..terms.unwrap_or_default() })
    }

    /// What an edit says that it was made on, and what it brings along for that.
    fn based(&self, edit: &Edit, terms: Option<Terms>) -> (Base, Option<Terms>) {
        let device = &self.devices[edit.device];
        let (name, id) = (COLLECTIONS[edit.collection].0, format!("r-{}", edit.record));
        let key = (name.to_owned(), id.clone());
        let held = device.held(&key).map(|(_, body)| body);
        let mut waiting = device.outbox.iter().rev();
        let own = waiting.find(|waiting| waiting.collection.as_str() == name && waiting.record_id.as_str() == id);
        let base = match edit.on {
            On::Nothing => Base::Unknown,
            On::Guess(version) => Base::Version(Version(version)),
            On::Held => own.map_or_else(
                || device.copy.get(&key).map_or(Base::Unknown, |held| Base::Version(Version(held.0))),
                |own| Base::Operation(own.operation_id.clone()),
            ),
            On::Checksum => held.map_or(Base::Unknown, |body| Base::Checksum(content_hash(Some(&body_text(body))))),
            On::Content(thought) => {
                let field = names(name, device.schema, 0)[0];
                let body = match thought {
                    0 | 1 => held.cloned(),
                    number => json!({field: number}).as_object().cloned(),
                };
                let Some(body) = body else { return (Base::Unknown, terms) };
                return (Base::Unknown, Some(Terms { base_body: Some(body), ..terms.unwrap_or_default() }));
            }
        };
        (base, terms)
    }

    /// An intent that a device makes.
    pub(super) fn intent(&mut self, edit: &Edit, terms: Option<Terms>) -> Mutation {
        let terms = self.clocked(edit, terms);
        let (base, terms) = self.based(edit, terms);
        let Edit { device: n, collection, record, op, values, moved, .. } = *edit;
        let now = self.now;
        let device = &mut self.devices[n];
        let (name, id) = (COLLECTIONS[collection].0, format!("r-{record}"));
        let key = (name.to_owned(), id.clone());
        device.stamps += 1;
        let ticks = Ticks::at(Millis(now + device.skew)).0 + device.stamps % 0xffff;
        let operation = operation(n, device.queued.len(), now);
        let session = 1_000 * (n as u64 + 1) + device.queued.len() as u64;
        let held = device.held(&key).map(|(_, body)| body);
        let intent = Mutation {
            operation_id: OperationId::parse(operation.as_str()).expect("an id"),
            idempotency_key: IdempotencyKey::parse(operation.as_str()).expect("a key"),
            client_seq: (n == STRICT).then(|| device.queued.len() as i64 + 1),
            collection: CollectionName::parse(name).expect("a name"),
            record_id: RecordId::parse(id).expect("an id"),
            scope: scope(SCOPES[usize::from((record > 2) != moved)]),
            op,
            base,
            fields: if op == MutationOp::Crdt { merging(values, held, session) } else { fields(name, device.schema, op, values) },
            logical_timestamp: Some(format!("{ticks:016x}-d{n}")),
            created_at: (n != TIMED).then_some(Millis(now)),
            priority: 3,
            deadline: None,
            schema_version: device.schema,
            terms: terms.map(Box::new),
            raw: format!("{{\"operation_id\":\"{operation}\"}}"),
        };
        device.queued.push(intent.clone());
        intent
    }
}

/// The device whose counter has no gaps.
pub(super) const STRICT: usize = 2;
/// The device whose operations have the time of their making in their ids, and say it nowhere else.
const TIMED: usize = 3;

/// Id of an operation of a device.
fn operation(n: usize, number: usize, now: i64) -> String {
    if n == TIMED { format!("{:08x}-{:04x}-7000-8000-{number:012x}", now >> 16, now & 0xffff) } else { format!("d{n}-{number}") }
}

/// When an intent was made, by its id or by what its device says.
#[must_use]
pub(crate) fn made_at(intent: &Mutation) -> i64 {
    let digits = |text: &str| i64::from_str_radix(text, 16).expect("hexadecimal digits");
    let parts: Vec<&str> = intent.operation_id.as_str().split('-').collect();
    match parts.as_slice() {
        [high, low, ..] if parts.len() == 5 => digits(high) << 16 | digits(low),
        _ => intent.created_at.map_or(0, |at| at.0),
    }
}

/// An operation on one of the fields that merge by themselves, by somebody who holds this body; a session of its own for what is typed.
fn merging((one, two): (u8, u8), held: Option<&Body>, session: u64) -> Body {
    let operation = match one % 4 {
        0 => json!({"type": "counter", "field": "count", "delta": i64::from(two) - 2}),
        1 => json!({"type": "set", "field": "tags", "add": [if two > 2 { "red" } else { "blue" }]}),
        2 => {
            let seen = held.map(|body| tags(body, "red")).unwrap_or_default();
            json!({"type": "set", "field": "tags", "remove": [{"value": "red", "tags": seen}]})
        }
        _ => json!({"type": "yjs1", "field": "text", "update": typed(held.and_then(|body| body.get("text")), session, two)}),
    };
    operation.as_object().cloned().expect("an object")
}

/// The fields that a device of this schema knows of a collection.
fn names(collection: &str, schema: i64, two: u8) -> [&'static str; 2] {
    match collection {
        "orders" => [if two > 3 { "qty" } else { "grade" }, "note"],
        "calls" => ["number", "duration"],
        STEPPED if schema > 1 => ["title", "stars"],
        _ => ["a", "b"],
    }
}

/// Fields of an intent: of each collection those that its rules speak of.
fn fields(collection: &str, schema: i64, op: MutationOp, values: (u8, u8)) -> Body {
    let (one, two) = values;
    if op == MutationOp::Delete {
        return Body::new();
    }
    let names = names(collection, schema, two);
    let value = |value: u8| match value {
        0 => None,
        1 if !matches!(collection, "orders" | "calls") => Some(json!({"$unset": true})),
        // Few numbers, so that the same thing comes twice.
        _ if collection == "calls" => Some(json!(value % 3)),
        _ => Some(json!(value)),
    };
    let parts = names.into_iter().zip([one, two]).filter_map(|(name, number)| Some((name.to_owned(), value(number)?)));
    parts.collect()
}
