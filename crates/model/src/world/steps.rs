//! One command against both.

use tidewatch_domain::cursor::Cursor;
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::sync::{BatchRefusal, BatchTerms, Intent, Mutation, Push, SinceAsked};
use tidewatch_domain::time::Millis;
use tidewatch_store::Error;

use super::again::Input;
use super::{COLLECTIONS, Mutant, OTHER, ROLES, SCOPES, STRICT, World, client, definition, same, same_answers, scope};
use crate::command::{Command, Fault};
use crate::reference::{Answer, Refused, Row, Whole, group_of};

impl World {
    /// One command.
    pub(super) fn step(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Edit(edit) => {
                self.queue(edit, None);
                Ok(())
            }
            Command::Resolve { edit, which, merges } => {
                self.resolve(edit, *which, *merges);
                Ok(())
            }
            Command::Wish(edit, wish) => {
                self.wishes(edit, *wish);
                Ok(())
            }
            Command::Patch(edit) => {
                self.patch(edit);
                Ok(())
            }
            Command::Named(edit) => {
                self.named(edit);
                Ok(())
            }
            Command::Aside { device, size, include, exclude_self } => self.aside(*device, *size, *include, *exclude_self),
            Command::Several { edits, tie } => {
                self.several(edits, *tie);
                Ok(())
            }
            Command::Whole { device, count, since, fault } => self.whole(*device, *count, *since, *fault),
            Command::Ahead(device, skip) => {
                let younger = self.devices[*device].waiting(*skip, usize::MAX);
                let answers = self.arrive(*device, &younger)?;
                self.devices[*device].settle(&younger, &answers);
                Ok(())
            }
            Command::Crowd(lanes) => self.crowd(*lanes),
            Command::Push { device, count, fault } => self.push(*device, *count, *fault),
            Command::Deliver => {
                let late: Vec<_> = std::mem::take(&mut self.late).into_iter().rev().collect();
                late.into_iter().try_for_each(|(device, intents)| self.arrive(device, &intents).map(|_| ()))
            }
            Command::Together(one, two) => self.together(*one, *two),
            Command::Pull { device, size, compact, fault } => self.pull(*device, *size, *compact, *fault).map(|_| ()),
            Command::Backfill { device, collection, size } => self.backfill(*device, *collection, *size),
            Command::Overtaken { device, writer, size } => self.overtaken(*device, *writer, *size),
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
            Command::Role(device, rank) => self.role(*device, *rank),
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

    /// What a device asks for with a batch: one of them counts without gaps, and says now and then what it has stored.
    pub(super) fn terms(&self, n: usize) -> BatchTerms {
        let floor = (n == STRICT && self.devices[n].answers.len() % 3 == 2).then(|| self.devices[n].floor());
        BatchTerms { strict: n == STRICT, ack_floor: floor.filter(|floor| *floor > 0), ..BatchTerms::default() }
    }

    fn push(&mut self, n: usize, count: usize, fault: Fault) -> Result<(), String> {
        let intents = self.devices[n].waiting(0, count);
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
        let batch = Push { terms: self.terms(n), ..batch(n, intents) };
        let real = runtime.block_on(store.sync().mutations_push(batch, self.arrival())).map_err(|error| error.to_string())?;
        self.decided(n, intents, &real.results.iter().map(Answer::from).collect::<Vec<_>>())?;
        same("the position after the commit", &real.committed.0, &self.reference.head())?;
        Ok(real.results.iter().map(Answer::from).collect())
    }

    pub(super) fn decided(&mut self, n: usize, intents: &[Mutation], real: &[Answer]) -> Result<(), String> {
        let terms = self.terms(n);
        self.reached(n, intents, terms.clone());
        let device = &mut self.devices[n];
        device.note_sent(intents);
        let (before, id, scopes) = (self.reference.head(), device.id.clone(), self.open[n].clone());
        let expected = self.reference.push(&id, &scopes, self.now, intents, Whole::of(&terms));
        let expected = expected.map_err(|(code, _)| format!("an ordinary batch was refused as {code}"))?;
        self.uncommitted.clear();
        if self.mutant == Mutant::EarlySequence && self.reference.head() % 3 == 0 && self.reference.head() > before + 1 {
            self.uncommitted.insert(before + 1);
        }
        same_answers(real, &expected)
    }

    /// A device pushes its oldest intents in a batch that is taken whole or not at all.
    fn whole(&mut self, n: usize, count: usize, since: bool, fault: Fault) -> Result<(), String> {
        let intents = self.devices[n].waiting(0, count);
        if intents.is_empty() || fault == Fault::Request {
            return Ok(());
        }
        let text = self.devices[n].cursor.clone().filter(|_| since);
        let from = text.as_deref().and_then(|text| Cursor::parse(text).ok()).map(|cursor| cursor.position.pos().0);
        for _ in 0..if fault == Fault::Twice { 2 } else { 1 } {
            let since = text.clone().map(|text| SinceAsked { text, epoch: None });
            let terms = BatchTerms { atomic: true, since, ..self.terms(n) };
            // What it has stored by then: more the second time.
            let whole = Whole { since: from, ..Whole::of(&terms) };
            let push = Push { terms: terms.clone(), ..batch(n, &intents) };
            self.reached(n, &intents, terms);
            let (runtime, store) = self.both();
            let real = match runtime.block_on(store.sync().mutations_push(push, Millis(self.now))) {
                Ok(done) => Ok(done.results.iter().map(Answer::from).collect::<Vec<_>>()),
                Err(Error::Refused(refused)) => Err(refused_as(&refused)),
                Err(error) => return Err(error.to_string()),
            };
            self.decided_whole(n, &intents, real, whole, fault != Fault::Answer)?;
        }
        Ok(())
    }

    fn decided_whole(
        &mut self,
        n: usize,
        intents: &[Mutation],
        real: Result<Vec<Answer>, Refused>,
        whole: Whole,
        arrives: bool,
    ) -> Result<(), String> {
        let (id, scopes) = (self.devices[n].id.clone(), self.open[n].clone());
        let expected = self.reference.push(&id, &scopes, self.now, intents, whole);
        match (&real, &expected) {
            (Ok(real), Ok(expected)) => same_answers(real, expected)?,
            _ => same("a batch that is taken whole", &real, &expected)?,
        }
        same("the head after a batch that is taken whole", &self.both().1.sync().head().0, &self.reference.head())?;
        if let Ok(answers) = real {
            self.devices[n].note_sent(intents);
            if arrives {
                self.devices[n].settle(intents, &answers);
            }
        }
        Ok(())
    }

    fn together(&mut self, one: usize, two: usize) -> Result<(), String> {
        if one == two {
            return Ok(());
        }
        let sent = [one, two].map(|n| self.devices[n].outbox.clone());
        let [first, second] = [one, two].map(|n| self.terms(n));
        let (runtime, store) = self.both();
        let (a, b) = runtime.block_on(async {
            let at = Millis(self.now);
            // Polled in this order, and so queued.
            tokio::join!(
                biased;
                Box::pin(store.sync().mutations_push(Push { terms: first, ..batch(one, &sent[0]) }, at)),
                Box::pin(store.sync().mutations_push(Push { terms: second, ..batch(two, &sent[1]) }, at))
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
        // No device takes a group apart, not even to send it again.
        let all = |intent: &&Mutation| {
            let others = |list: &[Mutation]| list.iter().filter(|other| group_of(other) == group_of(intent)).count();
            group_of(intent).is_none() || others(&again) == others(&device.queued)
        };
        let again: Vec<Mutation> = again.iter().filter(all).cloned().collect();
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
        self.inputs.push(Input::Policy { other: self.other_policy, at: self.now });
        self.reference.policy(self.now, name, kind, deletion);
        same("the head after another policy", &self.both().1.sync().head().0, &self.reference.head())
    }

    /// A device has another role from now on.
    fn role(&mut self, n: usize, rank: i64) -> Result<(), String> {
        let role = ROLES[usize::try_from(rank).expect("a rank is not below 0")].map(str::to_owned);
        let (runtime, store) = self.both();
        runtime.block_on(store.sync().client_role_set(client(n), role, rank)).map_err(|error| error.to_string())?;
        self.inputs.push(Input::Role { device: n, rank });
        self.reference.rank_set(&self.devices[n].id.clone(), rank);
        Ok(())
    }

    /// Scopes that were closed to a device above a position: until it reads of it, it is given nothing more of them.
    pub(super) fn untold(&self, n: usize, at: i64) -> std::collections::BTreeSet<String> {
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
        self.inputs.push(Input::Scope { device: n, place: place.to_owned(), open, at: self.now });
        if changes {
            self.reference.permission(self.now, &self.devices[n].id.clone(), place, open);
        }
        same("the head after another permission", &self.both().1.sync().head().0, &self.reference.head())
    }
}

/// What the store says of a batch that it refused, as the reference says it.
fn refused_as(refusal: &BatchRefusal) -> Refused {
    (refusal.problem.code, refusal.intents.iter().map(|(place, problem)| (*place, problem.code)).collect())
}

pub(super) fn batch(n: usize, intents: &[Mutation]) -> Push {
    let intents: Vec<Intent> = intents.iter().map(|intent| Intent::Valid(Box::new(intent.clone()))).collect();
    Push { client_id: client(n), sent_at: None, body_bytes: intents.len() * 100, intents, terms: BatchTerms::default() }
}
