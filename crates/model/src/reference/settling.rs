//! What a ruling leaves: the record, what waits beside it, and the answer.

use std::collections::BTreeSet;

use tidewatch_domain::sync::{Mutation, MutationOp};

use super::answer::{expected, refused};
use super::{Answer, Key, Reference};
use crate::rules::{Kind, Knew, LOCKED, Ruling, Stamp, branches_named, conflicts_named};

/// Something that waits beside a record, or has waited.
#[derive(Clone, Debug, PartialEq)]
pub struct Standoff {
    /// Number of its entry in the conflicts log.
    pub entry: i64,
    /// Record.
    pub key: Key,
    /// Name of the branch that it is.
    pub branch: Option<String>,
    /// It waits.
    pub open: bool,
    /// Where it is shown: where its record stands, or would stand.
    pub scope: String,
    /// Who asked for the word of somebody else, and the rank at that time.
    asked: Option<(String, i64)>,
    /// The fields that a person is to decide, none of them when it is the whole record; nothing when it is about a deletion.
    about: Option<BTreeSet<String>>,
}

impl Reference {
    pub(super) fn settle(
        &mut self,
        device: &str,
        key: Key,
        stamp: Stamp,
        knew: &Knew,
        intent: &Mutation,
        ruling: Ruling,
    ) -> Answer {
        let elsewhere = (key.1 != intent.record_id.as_str()).then(|| key.1.clone());
        let stays = |store: &Self| {
            let record = store.records.get(&key);
            let body = record.filter(|record| !record.held.deleted).map(|record| record.held.body.clone());
            let place = record.map(|record| (record.seq, record.version));
            let elsewhere = elsewhere.clone().filter(|_| record.is_some());
            Answer {
                seq: place.map(|place| place.0),
                version: place.map(|place| place.1),
                record: body,
                elsewhere,
                ..Answer::default()
            }
        };
        match ruling {
            Ruling::Refused(code) => refused(code),
            Ruling::Nothing => {
                let answer = Answer { status: "applied", noop: true, ..stays(self) };
                if *knew == Knew::All && !self.altered { Answer { record: None, ..answer } } else { answer }
            }
            Ruling::Lost => {
                let entry = Some(self.entry());
                Answer { status: "superseded", entry, ..stays(self) }
            }
            Ruling::Person { asked } => {
                let entry = Some(self.opened(device, &key, None, asked, intent));
                Answer { status: "conflict", entry, code: Some("version_conflict"), ..stays(self) }
            }
            Ruling::Branch(_) => {
                let branch = Some(self.branch_name(&key));
                let entry = Some(self.opened(device, &key, branch.clone(), None, intent));
                Answer { status: "conflict", entry, branch, code: Some("version_conflict"), ..stays(self) }
            }
            Ruling::Back => Answer { status: "conflict", code: Some("version_conflict"), ..stays(self) },
            Ruling::Becomes { op, body, merged, entry, stamped } => {
                let entry = entry.then(|| self.entry());
                let carried = self.carried(&key, op, body.as_ref(), intent);
                let made = self.collections[&key.0].0 == Kind::Append && !self.records.contains_key(&key);
                let (seq, version) = self.append(device, &key, op, body.clone(), carried, intent);
                if made {
                    self.anchor(&key, intent);
                }
                self.stamp_keep(&key, op, stamp, stamped);
                let record = body.filter(|body| self.altered || !expected(knew, intent, body));
                let status = if merged { "merged" } else { "applied" };
                Answer { status, seq: Some(seq), version: Some(version), record, elsewhere, entry, ..Answer::default() }
            }
        }
    }

    /// Something waits beside a record from now on, and the log says so.
    fn opened(&mut self, device: &str, key: &Key, branch: Option<String>, asked: Option<i64>, intent: &Mutation) -> String {
        let name = self.entry();
        // Between a deletion and a change there is nothing to lock, but where a lock made it wait.
        let record = self.records.get(key);
        let deletes = intent.op == MutationOp::Delete || record.is_some_and(|record| record.held.deleted);
        let review = branch.is_none() && asked.is_none() && (!deletes || self.lock_only);
        let about = review.then(|| intent.fields.keys().cloned().collect());
        let asked = asked.map(|rank| (device.to_owned(), rank));
        let scope = self.records.get(key).map_or_else(|| intent.scope.to_string(), |record| record.scope.clone());
        self.say("conflict", key.clone(), &scope, device, intent.operation_id.as_str(), Some(self.entries));
        self.standoffs.push(Standoff { entry: self.entries, key: key.clone(), branch, open: true, scope, asked, about });
        name
    }

    /// Everything that waits or has waited beside a record.
    fn beside(&self, key: &Key) -> impl Iterator<Item = &Standoff> {
        self.standoffs.iter().filter(move |standoff| standoff.key == *key)
    }

    /// `7b` is the first branch beside version 7, and no name is given twice.
    fn branch_name(&self, key: &Key) -> String {
        let version = self.records.get(key).map_or(0, |record| record.version);
        let names: Vec<&String> = self.beside(key).filter_map(|standoff| standoff.branch.as_ref()).collect();
        let name = ('b'..='z').map(|letter| format!("{version}{letter}")).find(|name| !names.contains(&name));
        name.expect("no run has so many branches beside one version")
    }

    pub(super) fn open_branch(&self, key: &Key, name: &str) -> bool {
        self.beside(key).any(|standoff| standoff.open && standoff.branch.as_deref() == Some(name))
    }

    /// Why a decision is none: there is nothing like that beside the record, it is decided already, or the record is another one
    /// by now. Nobody remembers such an answer.
    pub(super) fn settling_refused(&self, key: &Key, knew: &Knew, intent: &Mutation) -> Option<Answer> {
        for named in conflicts_named(intent) {
            match self.beside(key).find(|standoff| standoff.entry == *named) {
                None => return Some(refused("not_found")),
                Some(standoff) if !standoff.open => return Some(refused("conflict_resolved")),
                Some(_) => {}
            }
        }
        let record = self.records.get(key).filter(|_| !conflicts_named(intent).is_empty() && *knew != Knew::All)?;
        let elsewhere = (key.1 != intent.record_id.as_str()).then(|| key.1.clone());
        Some(Answer {
            status: "conflict",
            seq: Some(record.seq),
            version: Some(record.version),
            record: Some(record.held.body.clone()).filter(|_| !record.held.deleted),
            elsewhere,
            code: Some("version_conflict"),
            ..Answer::default()
        })
    }

    /// Whether a device may give the word that a guard asks for: another one that ranks higher.
    pub(super) fn approves(&self, device: &str, intent: &Mutation) -> bool {
        let named = self.standoffs.iter().filter(|standoff| conflicts_named(intent).contains(&standoff.entry));
        named.filter_map(|standoff| standoff.asked.as_ref()).all(|(asked, rank)| asked != device && self.rank(device) > *rank)
    }

    /// A change of what a person is asked to decide waits as well, where that is locked. Whether it does.
    pub(super) fn locked(&self, key: &Key, intent: &Mutation, ruling: Ruling) -> (Ruling, bool) {
        let changes = matches!(ruling, Ruling::Becomes { .. }) && key.0 == LOCKED && conflicts_named(intent).is_empty();
        let whole = intent.op != MutationOp::Update;
        let meets =
            |about: &BTreeSet<String>| whole || about.is_empty() || about.iter().any(|name| intent.fields.contains_key(name));
        let waits = self.beside(key).any(|standoff| standoff.open && standoff.about.as_ref().is_some_and(meets));
        if changes && waits { (Ruling::Person { asked: None }, true) } else { (ruling, false) }
    }

    /// What a change has settled does not wait any more, and the log says so.
    pub(super) fn close(&mut self, device: &str, key: &Key, intent: &Mutation) {
        let (ids, names) = (conflicts_named(intent), branches_named(intent));
        let mut closed = Vec::new();
        for standoff in self.standoffs.iter_mut().filter(|standoff| standoff.open && standoff.key == *key) {
            if ids.contains(&standoff.entry) || standoff.branch.as_ref().is_some_and(|name| names.contains(name)) {
                standoff.open = false;
                closed.push(standoff.entry);
            }
        }
        for entry in closed {
            // What was never made is nowhere but where its intents say.
            let scope = self.records.get(key).map_or_else(|| intent.scope.to_string(), |record| record.scope.clone());
            self.say("resolved", key.clone(), &scope, device, intent.operation_id.as_str(), Some(entry));
        }
    }

    /// Everything that waits or has waited, the oldest first.
    #[must_use]
    pub fn standoffs(&self) -> &[Standoff] {
        &self.standoffs
    }

    /// What waits beside a record that moves goes with it.
    pub(super) fn standoffs_move(&mut self, key: &Key, scope: &str) {
        for standoff in self.standoffs.iter_mut().filter(|standoff| standoff.open && standoff.key == *key) {
            scope.clone_into(&mut standoff.scope);
        }
    }
}
