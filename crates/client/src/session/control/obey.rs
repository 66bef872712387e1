//! Carrying commands out. What a command changes, and the last word about it, are one frame of the journal: a crash leaves both or none,
//! so nothing is done twice.

use rand::RngCore;
use serde_json::{Map, Value, json};
use tidewatch_domain::control::{CommandKind, MeshOrder, Order, ResyncMode, WalWanted};
use tidewatch_domain::time::Millis;

use super::super::{Action, Answer, Client, Error, Handled, InFlight};
use super::failure;
use crate::control::Drained;
use crate::journal::Journal;
use crate::mesh::Mesh;
use crate::outbox::Entry;
use crate::state::Event;
use crate::wire::{Failure, Purpose};

/// Bytes of one upload in escrow: far below what a server takes.
const UPLOAD_BYTES_MAX: usize = 2 << 20;
/// Entries whose shape is told when values are not wanted.
const SHAPES_MAX: usize = 200;

impl<J: Journal> Client<J> {
    /// Goes on with the command in focus, as far as that needs no request.
    pub(super) fn obey(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Some(taken) = self.state.commands.focus().filter(|taken| taken.report.is_none()).cloned() else {
            return Ok(Handled::default());
        };
        let order = CommandKind::parse(&taken.kind)
            .ok_or("unknown_kind")
            .and_then(|kind| Order::read(kind, &taken.args).map_err(|_| "args_invalid"));
        match order {
            Err(code) => self.finish(&taken.id, Vec::new(), failure(code, "this client cannot carry it out")),
            Ok(_) if !self.wanted_uploads().is_empty() => Ok(Handled::default()),
            Ok(Order::Drain(entries)) => {
                let (drained, answers) = self.drain(&entries, rng, now);
                self.finish(&taken.id, drained, json!({ "state": "done", "result": { "entries": answers } }))
            }
            Ok(Order::UploadWal { wanted, redact: true }) => {
                let result = self.shapes(&wanted);
                self.finish(&taken.id, Vec::new(), json!({ "state": "done", "result": result }))
            }
            Ok(Order::UploadWal { .. }) => {
                let refused = self.refusals();
                let result = json!({ "uploaded": self.round.uploaded.len(), "refused": refused });
                self.finish(&taken.id, Vec::new(), json!({ "state": "done", "result": result }))
            }
            Ok(Order::RefreshPolicy) => {
                let revision = self.round.collections_revision;
                self.record(Event::Policy { collections_revision: revision })?;
                let result = json!({ "collections_revision": revision });
                self.finish(&taken.id, Vec::new(), json!({ "state": "done", "result": result }))
            }
            Ok(Order::Mesh(order)) => self.mesh_change(&taken.id, order, rng),
            // Its lines go up next, and then it is done.
            Ok(Order::UploadLogs { .. }) => Ok(Handled::default()),
            Ok(Order::Resync { mode, .. }) if !taken.pulling => self.resync_begin(&taken.id, mode),
            Ok(Order::Resync { .. }) => {
                self.pull_due = true;
                Ok(Handled::default())
            }
        }
    }

    /// Writes down what a command changed, and the last word about it.
    pub(super) fn finish(&mut self, id: &str, drained: Vec<Drained>, report: Value) -> Result<Handled, Error> {
        let freed = !drained.is_empty();
        let operations: Vec<String> =
            drained.iter().filter(|one| one.action.is_some()).map(|one| one.operation_id.clone()).collect();
        self.record(Event::Finished { command: id.to_owned(), drained, mesh: None, report })?;
        if freed {
            // Whatever was in the way may be gone: try at once.
            self.unjam();
        }
        Ok(Handled { obeyed: Some(id.to_owned()), drained: operations, ..Handled::default() })
    }

    /// Uses the mesh as it is wanted. Mode, interval, key and the last word are one frame, so a key is rotated once.
    fn mesh_change(&mut self, id: &str, order: MeshOrder, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let mesh = Mesh::ordered(self.state.mesh.as_ref(), order, rng);
        let report = json!({ "state": "done", "result": mesh.facts() });
        self.record(Event::Finished { command: id.to_owned(), drained: Vec::new(), mesh: Some(mesh), report })?;
        Ok(Handled { obeyed: Some(id.to_owned()), ..Handled::default() })
    }

    fn unjam(&mut self) {
        (self.link.not_before, self.link.failures) = (None, 0);
        self.batch_limit = self.config.batch_entries;
        (self.push_due, self.pull_due) = (true, true);
    }

    /// Entries whose payloads the command in focus wants in the archive, and that are not there yet.
    fn wanted_uploads(&self) -> Vec<&Entry> {
        let Some(taken) = self.state.commands.focus().filter(|taken| taken.report.is_none() && !taken.pulling) else {
            return Vec::new();
        };
        let order = CommandKind::parse(&taken.kind).and_then(|kind| Order::read(kind, &taken.args).ok());
        let outbox = &self.state.outbox;
        let wanted: Vec<&Entry> = match &order {
            Some(Order::Drain(entries)) => {
                let leave = entries.iter().filter(|entry| entry.action.needs_payload());
                leave.filter_map(|entry| outbox.get(entry.operation_id.as_str())).collect()
            }
            Some(Order::UploadWal { redact: true, .. } | Order::RefreshPolicy | Order::Mesh(_) | Order::UploadLogs { .. })
            | None => Vec::new(),
            Some(Order::UploadWal { wanted: WalWanted::Operations(ids), .. }) => {
                ids.iter().filter_map(|id| outbox.get(id.as_str())).collect()
            }
            Some(Order::UploadWal { wanted: WalWanted::All, .. } | Order::Resync { mode: ResyncMode::Escrow, .. }) => {
                outbox.entries().collect()
            }
            Some(Order::Resync { mode: ResyncMode::RefuseIfPending, .. }) => Vec::new(),
        };
        let round = &self.round;
        let missing = |entry: &&Entry| {
            let id = &entry.intent.operation_id;
            !round.uploaded.contains(id) && !round.settled.contains(id) && !round.refused.contains_key(id)
        };
        wanted.into_iter().filter(missing).collect()
    }

    /// The next part of an upload in escrow.
    pub(super) fn escrow_action(&mut self) -> Option<Action> {
        let id = self.state.commands.focus()?.id.clone();
        let (mut body, mut operations) = (String::new(), Vec::new());
        for entry in self.wanted_uploads() {
            if !body.is_empty() && body.len() + entry.intent.text.len() > UPLOAD_BYTES_MAX {
                break;
            }
            body.push_str(&escrow_line(entry));
            body.push('\n');
            operations.push(entry.intent.operation_id.clone());
        }
        if operations.is_empty() {
            return None;
        }
        let path = format!("/control/escrow?command={id}");
        self.in_flight = Some(InFlight { purpose: Purpose::Escrow, operations, since: None, reports: 0 });
        Some(self.request(Purpose::Escrow, path, Some(body)))
    }

    pub(super) fn escrow_take(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, now, .. } = answer;
        let whole = (status != 200).then(|| Failure::of_problem(body, Some(status)));
        let refused: std::collections::HashMap<&str, (String, String)> =
            body.get("refused").and_then(Value::as_array).into_iter().flatten().filter_map(refusal).collect();
        let settled = body.get("settled").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let settled: std::collections::HashSet<&str> = settled.collect();
        for id in &flight.operations {
            let why = whole.as_ref().map(|error| (error.code.clone(), error.message.clone()));
            match why.or_else(|| refused.get(id.as_str()).cloned()) {
                Some(why) => drop(self.round.refused.insert(id.clone(), why)),
                None if settled.contains(id.as_str()) => drop(self.round.settled.insert(id.clone())),
                None => drop(self.round.uploaded.insert(id.clone())),
            }
        }
        self.obey(now, rng)
    }

    fn refusals(&self) -> Vec<Value> {
        let one =
            |(id, (code, detail)): (&String, &(String, String))| json!({ "operation_id": id, "code": code, "detail": detail });
        self.round.refused.iter().take(SHAPES_MAX).map(one).collect()
    }

    /// What waits is safe: let go of it and of the replica, and pull from nothing.
    fn resync_begin(&mut self, id: &str, mode: ResyncMode) -> Result<Handled, Error> {
        if mode == ResyncMode::RefuseIfPending && !self.state.outbox.is_empty() {
            let waiting = self.state.outbox.len();
            let words = format!("{waiting} operations wait to be sent; order it with escrow");
            return self.finish(id, Vec::new(), failure("pending", &words));
        }
        if let Some((operation, (code, detail))) = self.round.refused.iter().next() {
            let words = format!("{} payloads were not kept, among them {operation}: {code} {detail}", self.round.refused.len());
            return self.finish(id, Vec::new(), failure("escrow_refused", &words.chars().take(400).collect::<String>()));
        }
        let mut operations: Vec<String> = self.round.uploaded.iter().chain(&self.round.settled).cloned().collect();
        operations.sort();
        self.record(Event::ReplicaDropped { command: id.to_owned(), operations: operations.clone() })?;
        self.unjam();
        Ok(Handled { drained: operations, ..Handled::default() })
    }

    /// A fresh copy is complete: says what it is, for the server to compare.
    pub(in crate::session) fn resync_pulled(&mut self) -> Result<Option<String>, Error> {
        let Some(taken) = self.state.commands.focus().filter(|taken| taken.pulling && taken.report.is_none()) else {
            return Ok(None);
        };
        let replica = &self.state.replica;
        if replica.cursor().is_none() || replica.scan_cursor().is_some() || replica.has_gap() {
            return Ok(None);
        }
        let mut digests: Map<String, Value> = Map::new();
        for ((scope, collection), digest) in replica.digests() {
            let of_scope = digests.entry(scope.clone()).or_insert_with(|| json!({}));
            of_scope[collection] = json!({ "rows": digest.rows, "digest": format!("{:016x}", digest.digest) });
        }
        let result = json!({ "escrowed": taken.escrowed, "cursor": replica.cursor(), "digests": digests });
        let (id, report) = (taken.id.clone(), json!({ "state": "done", "result": result }));
        self.record(Event::Finished { command: id.clone(), drained: Vec::new(), mesh: None, report })?;
        Ok(Some(id))
    }

    /// Names and types of the fields of entries, without their values.
    fn shapes(&self, wanted: &WalWanted) -> Value {
        let of = |entry: &Entry| {
            let fields: Map<String, Value> =
                entry.intent.fields().into_iter().map(|(name, value)| (name, json!(kind_of(&value)))).collect();
            json!({
                "operation_id": entry.intent.operation_id, "collection": entry.intent.key.0, "record_id": entry.intent.key.1,
                "op": entry.intent.op.as_str(), "fields": fields,
            })
        };
        let outbox = &self.state.outbox;
        let (payloads, total): (Vec<Value>, usize) = match wanted {
            WalWanted::All => (outbox.entries().take(SHAPES_MAX).map(of).collect(), outbox.len()),
            WalWanted::Operations(ids) => {
                let found: Vec<&Entry> = ids.iter().filter_map(|id| outbox.get(id.as_str())).collect();
                (found.iter().take(SHAPES_MAX).map(|entry| of(entry)).collect(), found.len())
            }
        };
        json!({ "payloads": payloads, "total": total })
    }
}

fn refusal(entry: &Value) -> Option<(&str, (String, String))> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((entry.get("operation_id")?.as_str()?, (text("code"), text("detail"))))
}

fn escrow_line(entry: &Entry) -> String {
    let state = match (entry.held, entry.poisoned) {
        (true, _) => "held",
        (_, true) => "poisoned",
        _ => "queued",
    };
    let error = entry.error.as_ref().map(|error| json!({ "code": error.code, "message": error.message }));
    let error = error.map_or_else(String::new, |error| format!(",\"error\":{error}"));
    format!("{{\"state\":\"{state}\"{error},\"intent\":{}}}", entry.intent.text)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
