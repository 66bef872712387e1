//! One intent: what is known of it, what it was based on, and what the rules make of it.

use std::collections::BTreeSet;

use tidewatch_domain::digest::content_hash;
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::{Base, Body, Mutation, MutationOp};

use super::answer::{deferred, expected, refused};
use super::counting::Turn;
use super::{AHEAD, Anchor, Answer, HORIZON, Key, Meaning, Reference};
use crate::rules::{
    Finding, Held, Kind, Knew, LISTENING, MERGING, Ruling, Stamp, branches_named, commanded, conflicts_named, current, down,
    guarded, has_seen, laid_over, merged, patched, ruled, stated, up, whole, wish_of,
};
use crate::world::made_at;

/// What an intent names by its content.
enum Content {
    Version(i64),
    Brought(Body),
}

impl Reference {
    pub(super) fn intent(&mut self, device: &str, scopes: &BTreeSet<String>, intent: &Mutation) -> Answer {
        let answer = self.answered(device, scopes, intent);
        self.note(intent.operation_id.as_str(), &answer);
        self.count(intent, &answer);
        answer
    }

    /// What makes an intent the same as another one.
    pub(super) fn meaning(intent: &Mutation) -> Meaning {
        let group = intent.terms.as_ref().and_then(|terms| terms.group.as_ref()).map(ToString::to_string);
        let named = (intent.collection.to_string(), intent.record_id.to_string());
        let settled = (conflicts_named(intent).to_vec(), branches_named(intent).to_vec());
        (named, intent.op, intent.base.clone(), intent.fields.clone(), group, settled)
    }

    fn answered(&mut self, device: &str, scopes: &BTreeSet<String>, intent: &Mutation) -> Answer {
        let meaning = Self::meaning(intent);
        if let Some((known, answer)) = self.remembered(device, intent.operation_id.as_str()) {
            return if *known == meaning {
                Answer { replayed: true, ..answer.clone() }
            } else {
                refused("idempotency_key_reused")
            };
        }
        match self.turn_of(device, intent) {
            Turn::Now => {}
            Turn::Past => return refused("dedupe_horizon_passed"),
            Turn::Early => return deferred("out_of_order"),
        }
        let shown = |answer: Answer| {
            let record = answer.record.map(|body| down(intent.collection.as_str(), intent.schema_version, &body));
            Answer { record, ..answer }
        };
        let (answer, keep) = match self.fresh(device, scopes, intent).map(shown).map_err(shown) {
            Ok(answer) => {
                // The device is to decide, and asks again under another id: nothing to remember.
                let back = answer.status == "conflict" && answer.entry.is_none();
                (answer, !back)
            }
            Err(unkept) => (unkept, false),
        };
        // Whoever counts does not send under this counter again: a repeat has to find the answer.
        if keep || self.strict.is_some() && answer.status != "deferred" {
            self.keep(device, intent, &answer);
        }
        answer
    }

    /// Remembers an answer, and what was refused for good.
    pub(super) fn keep(&mut self, device: &str, intent: &Mutation, answer: &Answer) {
        let key = (device.to_owned(), intent.operation_id.to_string());
        if answer.entry.is_some() {
            self.marks.insert(key.clone(), true);
        } else if answer.status == "rejected" {
            self.marks.entry(key.clone()).or_insert(false);
        }
        self.counters.extend(intent.client_seq.map(|count| (key.clone(), count)));
        self.memory[0].insert(key, (Self::meaning(intent), answer.clone()));
    }

    /// Decides what was not answered before. An error is an answer as well, one that nobody remembers.
    fn fresh(&mut self, device: &str, scopes: &BTreeSet<String>, intent: &Mutation) -> Result<Answer, Answer> {
        let (scope, collection) = (intent.scope.to_string(), intent.collection.to_string());
        let (kind, deletion) = self.collections[&collection];
        if !scopes.contains(&scope) {
            return Ok(refused("scope_forbidden"));
        }
        if self.now - made_at(intent) > HORIZON {
            return Ok(refused("dedupe_horizon_passed"));
        }
        if kind == Kind::Merging && intent.op != MutationOp::Crdt && MERGING.iter().any(|name| intent.fields.contains_key(*name))
        {
            return Ok(refused("schema_invalid"));
        }
        if let Some(answer) = self.waits(device, intent) {
            return if answer.status == "deferred" { Err(answer) } else { Ok(answer) };
        }
        let named = (collection.clone(), intent.record_id.to_string());
        let target = self.aliases.get(&named).cloned().unwrap_or_else(|| named.1.clone());
        let key = (collection, target);
        let intent = &self.grounded(&key, intent);
        let intent = &match self.patched(&key, intent) {
            Ok(plain) => plain,
            Err(code) => return Ok(refused(code)),
        };
        let plain = Mutation { fields: up(&key.0, intent.schema_version, intent.op, &intent.fields), ..intent.clone() };
        let command = intent.terms.as_ref().is_some_and(|terms| terms.command.is_some());
        self.altered = command || down(&key.0, intent.schema_version, &plain.fields) != intent.fields;
        let intent = &plain;
        let leaves = self.records.get(&key).map(|record| record.scope.clone()).filter(|from| *from != scope);
        let moves = kind != Kind::Append && matches!(intent.op, MutationOp::Update | MutationOp::Put);
        if leaves.as_ref().is_some_and(|from| !moves || !scopes.contains(from)) {
            return Ok(refused("scope_mismatch"));
        }
        let stamp = self.stamp(device, kind, &key, intent);
        if let Some(first) = self.same_thing(kind, &key, &scope, intent) {
            // The clock is asked once for each record that was looked at.
            self.stamp(device, kind, &first, intent);
            return Ok(self.again(device, kind, &first, intent));
        }
        if branches_named(intent).iter().any(|name| !self.open_branch(&key, name)) {
            return Ok(refused("not_found"));
        }
        let knew = self.knew(device, &key, kind, intent);
        if let Some(answer) = self.settling_refused(&key, &knew, intent) {
            return Err(answer);
        }
        let held = self.records.get(&key).map(|record| &record.held);
        let rank = self.rank(device);
        let ruling = match guarded(kind, held, intent.op, &intent.fields, rank) {
            Some(Finding::Approval) if !conflicts_named(intent).is_empty() && self.approves(device, intent) => {
                ruled((kind, deletion, wish_of(intent)), held, intent.op, &intent.fields, &stamp, &knew)
            }
            Some(Finding::Approval) if conflicts_named(intent).is_empty() => Ruling::Person { asked: Some(rank) },
            Some(_) => Ruling::Refused("guard_failed"),
            None if intent.op == MutationOp::Crdt => self.merging(kind, held, intent),
            None => ruled((kind, deletion, wish_of(intent)), held, intent.op, &intent.fields, &stamp, &knew),
        };
        let old = conflicts_named(intent).is_empty() && self.overtaken(&key, intent);
        let ruling = if old { old_one(held, intent) } else { ruling };
        let ruling = if branches_named(intent).is_empty() { ruling } else { self.joined(&key, &knew, ruling) };
        let (ruling, locked) = self.locked(&key, intent, ruling);
        self.lock_only = locked;
        let ruling = if leaves.is_some() { self.moved(kind, &key, ruling) } else { ruling };
        let answer = self.settle(device, key.clone(), stamp, &knew, intent, ruling);
        if ["applied", "merged"].contains(&answer.status) {
            self.close(device, &key, intent);
        }
        Ok(answer)
    }

    /// The fields that a patch changes, made on what its device based it on, or on the record as it stands.
    fn patched(&self, key: &Key, intent: &Mutation) -> Result<Mutation, &'static str> {
        let terms = intent.terms.as_deref();
        if let Some(command) = terms.and_then(|terms| terms.command.as_ref()) {
            let args = up(&key.0, intent.schema_version, MutationOp::Update, &command.args);
            return Ok(Mutation { fields: commanded(&key.0, &command.name, &args)?, ..intent.clone() });
        }
        let Some(patch) = terms.and_then(|terms| terms.patch.as_ref()) else { return Ok(intent.clone()) };
        let Some(record) = self.records.get(key) else { return Ok(intent.clone()) };
        let older = match (&intent.base, self.by_content(key, intent)) {
            (Base::Version(version), _) if version.0 != record.version => Some(record.past.get(&version.0).cloned().flatten()),
            (_, Some(Content::Version(version))) if version != record.version => {
                Some(record.past.get(&version).cloned().flatten())
            }
            (_, Some(Content::Brought(body))) => Some(Some(body)),
            _ => None,
        };
        if record.held.deleted && older.is_none() {
            return Err("not_found");
        }
        let now = || if record.held.deleted { Body::new() } else { record.held.body.clone() };
        let before = down(&key.0, intent.schema_version, &older.flatten().unwrap_or_else(now));
        Ok(Mutation { fields: patched(&before, patch)?, ..intent.clone() })
    }

    /// In a batch that names a position, an intent without a base is based on the record as it stands.
    fn grounded(&self, key: &Key, intent: &Mutation) -> Mutation {
        let mut intent = intent.clone();
        if let (true, Base::Unknown, Some(record)) = (self.implied, &intent.base, self.records.get(key)) {
            intent.base = Base::Version(tidewatch_domain::ids::Version(record.version));
        }
        intent
    }

    /// A merge of branches is a change even when the record stays as it is.
    fn joined(&self, key: &Key, knew: &Knew, ruling: Ruling) -> Ruling {
        match ruling {
            Ruling::Becomes { op, body, entry, stamped, .. } => Ruling::Becomes { op, body, merged: true, entry, stamped },
            Ruling::Nothing if *knew == Knew::All => {
                let held = &self.records[key].held;
                let (op, body) = if held.deleted { ("delete", None) } else { ("update", Some(held.body.clone())) };
                Ruling::Becomes { op, body, merged: true, entry: false, stamped: None }
            }
            other => other,
        }
    }

    /// A move is a change even when nothing else changes, and the log has the record whole.
    fn moved(&self, kind: Kind, key: &Key, ruling: Ruling) -> Ruling {
        let record = &self.records[key];
        match ruling {
            Ruling::Becomes { body: Some(body), merged, entry, stamped, .. } => {
                Ruling::Becomes { op: "put", body: Some(body), merged, entry, stamped }
            }
            Ruling::Nothing if !record.held.deleted => {
                let stamped = (kind == Kind::NewestField).then(BTreeSet::new);
                Ruling::Becomes { op: "put", body: Some(record.held.body.clone()), merged: false, entry: false, stamped }
            }
            other => other,
        }
    }

    fn merging(&self, kind: Kind, held: Option<&Held>, intent: &Mutation) -> Ruling {
        if kind != Kind::Merging {
            return Ruling::Refused("schema_invalid");
        }
        if held.is_some_and(|held| held.deleted) {
            return Ruling::Lost;
        }
        let none = Body::new();
        let body = held.map_or(&none, |held| &held.body);
        let after = merged(body, &intent.fields, intent.operation_id.as_str());
        if held.is_some() && after == *body {
            return Ruling::Nothing;
        }
        Ruling::Becomes { op: "crdt", body: Some(after), merged: false, entry: false, stamped: None }
    }

    /// The stamp that counts: the device's, unless arrival counts or it is far ahead; after what the writer knew. Where roles decide,
    /// the rank of the device comes before it.
    fn stamp(&mut self, device: &str, kind: Kind, key: &Key, intent: &Mutation) -> Stamp {
        let (ticks, node) =
            intent.logical_timestamp.as_deref().and_then(|text| text.split_once('-')).expect("the commands stamp");
        let claimed = u64::from_str_radix(ticks, 16).expect("sixteen digits");
        let ms = |at: i64| u64::try_from(at).unwrap_or(0) << 16;
        let believed = claimed <= ms(self.now + AHEAD) | 0xffff && kind != Kind::Newest { arrival: true };
        let (mut ticks, node) = if believed {
            (claimed, node.to_owned())
        } else {
            self.clock = ms(self.now).max(self.clock + 1);
            (self.clock, "srv".to_owned())
        };
        let known = self.knew(device, key, kind, intent) == Knew::All;
        if let Some(record) = self.records.get(key).filter(|_| known) {
            let fields = record.held.fields.values().map(|stamp| stamp.1);
            let last = fields.chain([record.held.stamp.1]).max().expect("at least one");
            if last >= ticks {
                ticks = last + 1;
            }
        }
        self.clock = self.clock.max(ticks);
        let rank = if kind == Kind::Role { self.rank(device) } else { 0 };
        (rank, ticks, node, device.to_owned(), intent.operation_id.to_string())
    }

    /// What the writer knew, by its clock where that says more than its base.
    fn knew(&self, device: &str, key: &Key, kind: Kind, intent: &Mutation) -> Knew {
        let based = self.based(device, key, kind, intent);
        let clocks = stated(intent).zip(self.records.get(key)).filter(|(_, record)| !record.clock.is_empty());
        let Some((clock, record)) = clocks else { return based };
        let (newer, older) = (has_seen(clock, &record.clock), has_seen(&record.clock, clock));
        match based {
            _ if newer && !older => Knew::All,
            based if older && !newer => based,
            // Neither has seen the other, whatever the base says.
            Knew::All if kind == Kind::Merge => Knew::Older(record.held.body.clone()),
            Knew::All => Knew::Nothing,
            other => other,
        }
    }

    /// Whether a record has seen more than a write: then the write is an old one.
    fn overtaken(&self, key: &Key, intent: &Mutation) -> bool {
        let clocks = stated(intent).zip(self.records.get(key)).filter(|(_, record)| !record.clock.is_empty());
        clocks.is_some_and(|(clock, record)| has_seen(&record.clock, clock) && !has_seen(clock, &record.clock))
    }

    fn based(&self, device: &str, key: &Key, kind: Kind, intent: &Mutation) -> Knew {
        let Some(record) = self.records.get(key) else { return Knew::Nothing };
        let looked_at = matches!(kind, Kind::Merge | Kind::Versions) || LISTENING.contains(&key.0.as_str());
        let version = match &intent.base {
            Base::Version(version) => Some(version.0),
            Base::Operation(operation) if record.last == (device.to_owned(), operation.to_string()) => Some(record.version),
            Base::Operation(operation) => {
                let answer = self.remembered(device, operation.as_str()).map(|(_, answer)| answer);
                answer.filter(|answer| ["applied", "merged"].contains(&answer.status)).and_then(|answer| answer.version)
            }
            Base::Unknown | Base::Checksum(_) => match self.by_content(key, intent) {
                Some(Content::Version(version)) => Some(version),
                Some(Content::Brought(body)) if looked_at => return Knew::Older(body),
                _ => None,
            },
        };
        match version {
            Some(version) if version == record.version => Knew::All,
            Some(version) if looked_at => {
                record.past.get(&version).map_or(Knew::Nothing, |body| Knew::Older(body.clone().unwrap_or_default()))
            }
            _ => Knew::Nothing,
        }
    }

    /// What an intent names by its content: the version that has it, the current one first and then the latest, or what it brings along.
    fn by_content(&self, key: &Key, intent: &Mutation) -> Option<Content> {
        let record = self.records.get(key)?;
        let brought = intent.terms.as_ref().and_then(|terms| terms.base_body.as_ref());
        let checksum = |body: &Body| content_hash(Some(&body_text(body)));
        let wanted = match (&intent.base, brought) {
            (Base::Checksum(hash), _) => *hash,
            (Base::Unknown, Some(body)) => checksum(body),
            _ => return None,
        };
        let same = |body: &Body| checksum(&down(&key.0, intent.schema_version, body)) == wanted;
        if !record.held.deleted && same(&record.held.body) {
            return Some(Content::Version(record.version));
        }
        let past = record.past.iter().rev().find(|(_, body)| body.as_ref().is_some_and(same));
        let brought = || brought.map(|body| Content::Brought(current(&key.0, body)));
        past.map(|(version, _)| Content::Version(*version)).or_else(brought)
    }

    /// The record that already is what a new one would be.
    fn same_thing(&self, kind: Kind, key: &Key, scope: &str, intent: &Mutation) -> Option<Key> {
        let makes = matches!(intent.op, MutationOp::Create | MutationOp::Put);
        if kind != Kind::Append || !makes || self.records.contains_key(key) {
            return None;
        }
        let (number, duration) = (intent.fields.get("number")?, intent.fields.get("duration")?.as_i64()?);
        let near =
            |anchor: &&Anchor| anchor.scope == scope && anchor.number == *number && (anchor.duration - duration).abs() <= 1;
        self.anchors.iter().find(near).map(|anchor| anchor.key.clone())
    }

    /// The same thing under another id: the record stays, the id leads to it, and the log says so.
    fn again(&mut self, device: &str, kind: Kind, key: &Key, intent: &Mutation) -> Answer {
        let knew = self.knew(device, key, kind, intent);
        let record = &self.records[key];
        let lost = intent.fields.iter().any(|(name, value)| record.held.deleted || record.held.body.get(name) != Some(value));
        let (op, body) = if record.held.deleted { ("delete", None) } else { ("update", Some(record.held.body.clone())) };
        let entry = lost.then(|| self.entry());
        let carried = body.as_ref().map(|_| Body::new());
        let (seq, version) = self.append(device, key, op, body.clone(), carried, intent);
        self.aliases.insert((key.0.clone(), intent.record_id.to_string()), key.1.clone());
        let differs = body.filter(|body| !expected(&knew, intent, body));
        let elsewhere = Some(key.1.clone());
        Answer {
            status: "merged",
            seq: Some(seq),
            version: Some(version),
            record: differs,
            elsewhere,
            entry,
            ..Answer::default()
        }
    }
}

/// A write that the record has overtaken: what is so already is no loss.
fn old_one(held: Option<&Held>, intent: &Mutation) -> Ruling {
    let asked = match intent.op {
        MutationOp::Delete => None,
        MutationOp::Update => held.map(|held| laid_over(&held.body, &intent.fields)),
        _ => Some(whole(&intent.fields)),
    };
    let now = held.filter(|held| !held.deleted).map(|held| held.body.clone());
    if asked == now { Ruling::Nothing } else { Ruling::Lost }
}
