//! One command against both.

use serde_json::json;
use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::{CollectionName, IdempotencyKey, OperationId, RecordId, Seq, Version};
use tidewatch_domain::sync::{Base, BatchTerms, Body, FeedPage, FeedQuery, Intent, Mutation, MutationOp, Push};
use tidewatch_domain::time::Millis;

use super::{COLLECTIONS, Mutant, OTHER, PageSeen, SCOPES, Shown, World, client, definition, same, same_answers, scope};
use crate::command::{Command, Fault, On};
use crate::device::tags;
use crate::reference::{Answer, Row};

impl World {
    /// One command.
    pub(super) fn step(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Edit { .. } => {
                self.edit(command);
                Ok(())
            }
            Command::Push { device, count, fault } => self.push(*device, *count, *fault),
            Command::Deliver => {
                let late: Vec<_> = std::mem::take(&mut self.late).into_iter().rev().collect();
                late.into_iter().try_for_each(|(device, intents)| self.arrive(device, &intents).map(|_| ()))
            }
            Command::Together(one, two) => self.together(*one, *two),
            Command::Pull { device, size, compact, fault } => self.pull(*device, *size, *compact, *fault).map(|_| ()),
            Command::Rescan(device) => {
                // It registers again, and is told what is open to it.
                let known = &mut self.devices[*device];
                (known.cursor, known.mentioned, known.must_scan) = (None, None, true);
                known.scopes = self.open[*device].clone();
                known.copy.retain(|_, held| known.scopes.contains(&held.2));
                Ok(())
            }
            Command::Status(device) => self.status(*device),
            Command::Replay(device, from) => self.replay(*device, *from),
            Command::Policy => self.policy(),
            Command::Scope { device, scope, open } => self.permission(*device, SCOPES[*scope], *open),
            Command::Advance(ms) => {
                self.now += ms;
                Ok(())
            }
            Command::Skew(device, ms) => {
                self.devices[*device].skew = *ms;
                Ok(())
            }
            Command::Restart => self.reopen(true),
            Command::Kill => self.reopen(false),
        }
    }

    fn edit(&mut self, command: &Command) {
        let Command::Edit { device: n, collection, record, op, on, values, moved } = *command else { return };
        let now = self.now;
        let device = &mut self.devices[n];
        let (name, id) = (COLLECTIONS[collection].0, format!("r-{record}"));
        let key = (name.to_owned(), id.clone());
        let own =
            device.outbox.iter().rev().find(|waiting| waiting.collection.as_str() == name && waiting.record_id.as_str() == id);
        let base = match on {
            On::Nothing => Base::Unknown,
            On::Guess(version) => Base::Version(Version(version)),
            On::Held => own.map_or_else(
                || device.copy.get(&key).map_or(Base::Unknown, |held| Base::Version(Version(held.0))),
                |own| Base::Operation(own.operation_id.clone()),
            ),
        };
        device.stamps += 1;
        let ticks = Ticks::at(Millis(now + device.skew)).0 + device.stamps % 0xffff;
        let operation = format!("d{n}-{}", device.queued.len());
        let seen = device.held(&key).map(|(_, body)| tags(body, "red")).unwrap_or_default();
        let intent = Mutation {
            operation_id: OperationId::parse(operation.as_str()).expect("an id"),
            idempotency_key: IdempotencyKey::parse(operation.as_str()).expect("a key"),
            client_seq: None,
            collection: CollectionName::parse(name).expect("a name"),
            record_id: RecordId::parse(id).expect("an id"),
            scope: scope(SCOPES[usize::from((record > 2) != moved)]),
            op,
            base,
            fields: fields(name, op, values, &seen),
            logical_timestamp: Some(format!("{ticks:016x}-d{n}")),
            created_at: Some(Millis(now)),
            priority: 3,
            deadline: None,
            schema_version: 1,
            terms: None,
            raw: format!("{{\"operation_id\":\"{operation}\"}}"),
        };
        device.outbox.push(intent.clone());
        device.queued.push(intent);
    }

    fn push(&mut self, n: usize, count: usize, fault: Fault) -> Result<(), String> {
        let intents: Vec<Mutation> = self.devices[n].outbox.iter().take(count).cloned().collect();
        if intents.is_empty() || fault == Fault::Request {
            return Ok(());
        }
        if fault == Fault::Late {
            self.late.push((n, intents));
            return Ok(());
        }
        let answers = self.arrive(n, &intents)?;
        if fault == Fault::Twice {
            let again = self.arrive(n, &intents)?;
            self.seen.replays.push((answers.clone(), again));
        }
        if fault != Fault::Answer {
            self.devices[n].settle(&intents, &answers);
        }
        Ok(())
    }

    /// A batch arrives at both.
    fn arrive(&mut self, n: usize, intents: &[Mutation]) -> Result<Vec<Answer>, String> {
        let (runtime, store) = self.both();
        let batch = Push { client_id: client(n), ..batch(n, intents) };
        let real = runtime.block_on(store.sync().mutations_push(batch, Millis(self.now))).map_err(|error| error.to_string())?;
        self.decided(n, intents, &real.results.iter().map(Answer::from).collect::<Vec<_>>())?;
        same("the position after the commit", &real.committed.0, &self.reference.head())?;
        Ok(real.results.iter().map(Answer::from).collect())
    }

    fn decided(&mut self, n: usize, intents: &[Mutation], real: &[Answer]) -> Result<(), String> {
        let device = &mut self.devices[n];
        for intent in intents {
            if !device.sent.iter().any(|sent| sent.operation_id == intent.operation_id) {
                device.sent.push(intent.clone());
            }
        }
        let (before, id, scopes) = (self.reference.head(), device.id.clone(), self.open[n].clone());
        let expected = self.reference.push(&id, &scopes, self.now, intents);
        self.uncommitted.clear();
        if self.mutant == Mutant::EarlySequence && self.reference.head() % 3 == 0 && self.reference.head() > before + 1 {
            self.uncommitted.insert(before + 1);
        }
        same_answers(real, &expected)
    }

    fn together(&mut self, one: usize, two: usize) -> Result<(), String> {
        if one == two {
            return Ok(());
        }
        let sent = [one, two].map(|n| self.devices[n].outbox.clone());
        let (runtime, store) = self.both();
        let (a, b) = runtime.block_on(async {
            let at = Millis(self.now);
            // Polled in this order, and so queued.
            tokio::join!(
                biased;
                Box::pin(store.sync().mutations_push(batch(one, &sent[0]), at)),
                Box::pin(store.sync().mutations_push(batch(two, &sent[1]), at))
            )
        });
        for ((n, intents), real) in [one, two].into_iter().zip(&sent).zip([a, b]) {
            let real = real.map_err(|error| error.to_string())?;
            let answers: Vec<Answer> = real.results.iter().map(Answer::from).collect();
            self.decided(n, intents, &answers)?;
            self.devices[n].settle(intents, &answers);
        }
        Ok(())
    }

    fn replay(&mut self, n: usize, from: usize) -> Result<(), String> {
        let device = &self.devices[n];
        let again: Vec<Mutation> = device.sent.iter().skip(from).rev().take(6).cloned().collect();
        let known: Vec<bool> =
            again.iter().map(|intent| self.reference.status(&device.id, intent.operation_id.as_str()).is_some()).collect();
        let head = self.reference.head();
        let answers = self.arrive(n, &again)?;
        if known.iter().all(|known| *known) {
            same("the head after a repeat", &self.both().1.sync().head().0, &head)?;
            same("a repeat is known as one", &answers.iter().all(|answer| answer.replayed), &true)?;
        }
        Ok(())
    }

    fn status(&mut self, n: usize) -> Result<(), String> {
        let sent = self.devices[n].sent.clone();
        let ids: Vec<OperationId> = sent.iter().map(|intent| intent.operation_id.clone()).collect();
        let (runtime, store) = self.both();
        let real = runtime.block_on(store.sync().mutations_status(&client(n), &ids)).map_err(|error| error.to_string())?;
        let real: Vec<Answer> = real.iter().map(|answer| Answer { replayed: false, ..Answer::from(answer) }).collect();
        let unknown = Answer { status: "unknown", ..Answer::default() };
        let known = |id: &OperationId| self.reference.status(&self.devices[n].id, id.as_str()).unwrap_or_else(|| unknown.clone());
        same_answers(&real, &ids.iter().map(known).collect::<Vec<_>>())?;
        self.devices[n].settle(&sent, &real);
        Ok(())
    }

    fn policy(&mut self) -> Result<(), String> {
        self.other_policy = !self.other_policy;
        let (name, policy, kind, deletion) = COLLECTIONS[0];
        let (policy, kind, deletion) = if self.other_policy { OTHER } else { (policy, kind, deletion) };
        let (runtime, store) = self.both();
        let put = store.sync().collections_put(vec![definition(name, policy)], "u1", Millis(self.now));
        runtime.block_on(put).map_err(|error| error.to_string())?;
        self.reference.policy(self.now, name, kind, deletion);
        same("the head after another policy", &self.both().1.sync().head().0, &self.reference.head())
    }

    /// Scopes that were closed to a device above a position: until it reads of it, it is given nothing more of them.
    fn untold(&self, n: usize, at: i64) -> std::collections::BTreeSet<String> {
        let device = &self.devices[n];
        let from = device.cursor.as_deref().and_then(|text| Cursor::parse(text).ok()).map_or(0, |cursor| cursor.position.pos().0);
        let closed = |row: &&Row| row.op == "revoke" && row.device == device.id && row.seq > at.max(from);
        self.reference.log.iter().filter(closed).map(|row| row.scope.clone()).collect()
    }

    fn permission(&mut self, n: usize, place: &str, open: bool) -> Result<(), String> {
        let changes = if open { self.open[n].insert(place.to_owned()) } else { self.open[n].remove(place) };
        let (runtime, store) = self.both();
        let set = store.sync().client_scope_set(client(n), scope(place), open, Millis(self.now));
        let changed = runtime.block_on(set).map_err(|error| error.to_string())?;
        same("that a permission has changed", &changed, &changes)?;
        if changes {
            self.reference.permission(self.now, &self.devices[n].id.clone(), place, open);
        }
        same("the head after another permission", &self.both().1.sync().head().0, &self.reference.head())
    }

    /// A device reads a page. Whether there is more.
    pub(super) fn pull(&mut self, n: usize, size: usize, compact: bool, fault: Fault) -> Result<bool, String> {
        let device = &self.devices[n];
        let (since, scopes) = (device.cursor.clone(), self.open[n].clone());
        let compact = compact || device.must_scan;
        if compact && since.is_none() {
            // A scan from the beginning says nothing of what was opened and closed before it: what is open now is what counts.
            self.devices[n].scopes.clone_from(&scopes);
        }
        let page = self.page(since.as_deref(), size, compact, &scopes, Some(n))?;
        if fault == Fault::Request || fault == Fault::Answer {
            return Ok(page.has_more);
        }
        let scan = page.snapshot_complete.is_some();
        self.seen.pages.push(PageSeen {
            device: n,
            start: self.starts,
            scan,
            since,
            cursor: page.cursor.clone(),
            open: scopes,
            rows: page.rows.iter().map(|row| (row.seq.0, row.scope.to_string())).collect(),
            said: page.controls.iter().map(|row| row.op.as_str()).collect(),
        });
        // Applied and not written down: the device ends and starts again at its older cursor.
        self.starts += u64::from(fault == Fault::Late);
        let doubtful = self.untold(n, 0);
        let device = &mut self.devices[n];
        device.doubtful = doubtful;
        device.apply(&page, fault != Fault::Late);
        if fault == Fault::Late {
            let applied = page.rows.iter().map(|row| row.seq.0).chain(page.controls.iter().map(|row| row.seq.0)).max();
            device.ahead = device.ahead.max(applied.unwrap_or(0));
        }
        if fault == Fault::Twice && !device.must_scan {
            device.apply(&page, true);
        }
        // Between two pages of a scan a device shows nothing; at a cursor it shows the state at the cursor, once that has caught up with
        // what is applied.
        let position = device.cursor.as_deref().and_then(|text| Cursor::parse(text).ok()).map(|cursor| cursor.position);
        if let (Some(CursorPosition::At(at)), true) = (position, fault != Fault::Late) {
            let untold = self.untold(n, at.0);
            let device = &self.devices[n];
            if at.0 < device.ahead {
                return Ok(page.has_more);
            }
            let sure = device.scopes.difference(&untold);
            let state = sure.map(|scope| (scope.clone(), device.visible(scope))).collect();
            self.seen.shown.push(Shown { device: n, at: at.0, state });
        }
        Ok(page.has_more)
    }

    /// A page of the store, which has to be that of the reference.
    pub(super) fn page(
        &self,
        since: Option<&str>,
        size: usize,
        compact: bool,
        scopes: &std::collections::BTreeSet<String>,
        reader: Option<usize>,
    ) -> Result<FeedPage, String> {
        let query = FeedQuery {
            since: since.map(str::to_owned),
            limit: u32::try_from(size).expect("small"),
            compact,
            reader: reader.map(client),
            ..FeedQuery::default()
        };
        let list: Vec<_> = scopes.iter().map(|name| scope(name)).collect();
        let (runtime, store) = self.both();
        let page = runtime.block_on(store.sync().changes_page(&query, &list)).map_err(|error| error.to_string())?;
        let head = self.reference.head();
        let position = since.and_then(|text| Cursor::parse(text).ok()).map(|cursor| cursor.position);
        let who = reader.map(|n| self.devices[n].id.clone());
        let who = who.as_deref();
        let to = Cursor::parse(&page.cursor).map_err(|refusal| refusal.to_string())?.position.pos().0;
        let (from, expected) = match (position, compact) {
            (None, false) => (0, self.reference.between(scopes, who, 0, to)),
            (None, true) => (0, self.reference.scanned(scopes, who, 0, head, to)),
            (Some(CursorPosition::Scan { pos, start }), _) => (pos.0, self.reference.scanned(scopes, who, pos.0, start.0, to)),
            (Some(CursorPosition::At(Seq(pos))), true) if pos < head => (pos, self.reference.scanned(scopes, who, pos, 0, to)),
            (Some(CursorPosition::At(pos)), _) => (pos.0, self.reference.between(scopes, who, pos.0, to)),
        };
        same_page(&page, &expected)?;
        same("that there is more", &page.has_more, &(to < head))?;
        if to <= from && to < head || to > head || page.rows.len() + page.controls.len() > size {
            return Err(format!("a page of {size} rows from {from} ends at {to}, and the log at {head}"));
        }
        Ok(self.mutated(page))
    }
}

fn same_page(page: &FeedPage, expected: &[Row]) -> Result<(), String> {
    let body = |text: Option<&str>| text.map(|text| serde_json::from_str::<Body>(text).expect("a body is JSON"));
    let changes = page.rows.iter().map(|row| Row {
        seq: row.seq.0,
        op: row.op,
        key: (row.collection.to_string(), row.record_id.to_string()),
        scope: row.scope.to_string(),
        version: row.version.0,
        before: row.prev_seq.map_or(0, |seq| seq.0),
        device: row.client_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        operation: row.operation_id.to_owned(),
        carried: if row.op == "crdt" { body(row.crdt) } else { body(row.fields) },
        body: None,
    });
    let said = page.controls.iter().map(|row| Row {
        seq: row.seq.0,
        op: row.op.as_str(),
        key: (
            row.collection.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.record_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        scope: row.scope.to_string(),
        version: row.version.map_or(0, |version| version.0),
        before: 0,
        // A row that changes no record does not say which device caused it.
        device: String::new(),
        operation: row.operation_id.clone(),
        carried: None,
        body: None,
    });
    let mut rows: Vec<Row> = changes.chain(said).collect();
    rows.sort_by_key(|row| row.seq);
    let silent = |row: &Row| ["evict", "conflict", "resolved", "schema", "grant", "revoke"].contains(&row.op);
    let wanted = expected.iter().map(|row| {
        let device = if silent(row) { String::new() } else { row.device.clone() };
        Row { body: None, device, ..row.clone() }
    });
    same("the rows of a page", &rows, &wanted.collect::<Vec<_>>())
}

fn batch(n: usize, intents: &[Mutation]) -> Push {
    let intents: Vec<Intent> = intents.iter().map(|intent| Intent::Valid(Box::new(intent.clone()))).collect();
    Push { client_id: client(n), sent_at: None, body_bytes: intents.len() * 100, intents, terms: BatchTerms::default() }
}

/// Fields of an intent: of each collection those that its rules speak of.
fn fields(collection: &str, op: MutationOp, values: (u8, u8), seen: &[serde_json::Value]) -> Body {
    let (one, two) = values;
    if op == MutationOp::Crdt {
        let operation = match one % 3 {
            0 => json!({"type": "counter", "field": "count", "delta": i64::from(two) - 2}),
            1 => json!({"type": "set", "field": "tags", "add": [if two > 2 { "red" } else { "blue" }]}),
            _ => json!({"type": "set", "field": "tags", "remove": [{"value": "red", "tags": seen}]}),
        };
        return operation.as_object().cloned().expect("an object");
    }
    if op == MutationOp::Delete {
        return Body::new();
    }
    let names = match collection {
        "orders" => [if two > 3 { "qty" } else { "grade" }, "note"],
        "calls" => ["number", "duration"],
        _ => ["a", "b"],
    };
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
