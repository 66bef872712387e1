//! The writer: one task that owns the only connection that writes. It takes what has queued up, decides it in memory, writes
//! it in one transaction and answers after the commit. What is in memory moves only once the commit has succeeded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sqlx::SqliteConnection;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::digest::Hash;
use tidewatch_domain::engine::capture::CapturedBatch;
use tidewatch_domain::engine::{Batch, ClientKey, Decided, Effects, LogState, ScopeKey, batch_apply};
use tidewatch_domain::ids::{ClientId, Scope, Seq};
use tidewatch_domain::sync::{BatchRefusal, ClientRegistration, Push, PushAnswer};
use tidewatch_domain::time::Millis;
use tokio::sync::oneshot;

use super::Shared;
use super::capturing::{Capture, Seen};
use super::collections::CollectionDefinition;
use super::control::ControlJob;
use super::drain::DrainWork;
use super::drain::job_statements::EVENTS_OF_REFUSALS;
use super::flush::{DigestRow, digests_after, flush};
use super::handed::answered_note;
use super::live::{Client, Configured, Live, Sequence};
use super::nonces::NonceRow;
use super::prefetch::{Sent, working_set};
use super::sequences::Pushed;
use super::snapshots::SnapshotWork;
use crate::{Error, Result};

/// Most intents in one commit.
const GROUP_INTENTS_MAX: usize = 1_000;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// What the writer is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Decide a batch; `since` is the position that its terms name.
    Push { push: Arc<Push>, since: Option<Seq>, now: Millis, reply: Reply<PushAnswer> },
    /// Register a device, or refresh what is known of it.
    ClientRegister { registration: Box<ClientRegistration>, client_id: ClientId, now: Millis, reply: Reply<bool> },
    /// Let a device sync, or not.
    ClientBlock { client_id: ClientId, blocked: bool, reply: Reply<()> },
    /// Open a scope to a device, or close it. Answers whether anything changed.
    ClientScope { client_id: ClientId, scope: Scope, open: bool, now: Millis, reply: Reply<bool> },
    /// Give a device a role, or take it away.
    ClientRole { client_id: ClientId, role: Option<String>, rank: i64, reply: Reply<()> },
    /// Configure collections.
    CollectionsPut { definitions: Vec<CollectionDefinition>, by: String, now: Millis, reply: Reply<()> },
    /// Keep nonces that were used, and drop those that have ended.
    NoncesPut { nonces: Vec<NonceRow>, now: Millis, reply: Reply<()> },
    /// Append to the audit log.
    AuditAppend { entries: Vec<AuditEntry>, reply: Reply<()> },
    /// Something of the archive, of a frozen set or of a job.
    Drain(Box<DrainWork>),
    /// Something of the control channel.
    Control(Box<ControlJob>),
    /// Something of prebuilt snapshots.
    Snapshot(Box<SnapshotWork>),
}

/// The state that only the writer knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterState {
    pub(crate) log: LogState,
    pub(crate) dead_letter_last: i64,
    pub(crate) audit: (i64, Hash),
    pub(crate) client_last: i64,
    pub(crate) scope_last: i64,
    pub(crate) memory_rotated: Millis,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: SqliteConnection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: WriterState,
    /// By how much the group under way changes the open commands of devices.
    pub(crate) commands_moved: HashMap<ClientKey, i64>,
    /// Devices that may send what the archive has of them.
    pub(crate) handed: HashSet<ClientKey>,
    /// Devices of which the group under way changes what they have not been told yet.
    pub(crate) untold_touched: HashSet<ClientKey>,
}

/// What a group will change in memory once it is committed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) scopes: Vec<(ScopeKey, Scope)>,
    /// Rows that commands have written into the log.
    pub(crate) controls: Vec<(ScopeKey, Seq)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) collections: Vec<Configured>,
    pub(crate) digests: Vec<DigestRow>,
    sequences: Vec<(ClientKey, Sequence)>,
    pub(crate) effects: Effects,
    seen: Option<Seen>,
    /// Devices with something to be told, and since when; those without are none.
    untold: Vec<(ClientKey, Option<Option<Millis>>)>,
    /// An entry of the archive or a job has changed.
    pub(crate) drained: bool,
    /// Devices were handed commands, or were told something again.
    pub(crate) told: bool,
}

/// An answer that waits for the commit.
pub(crate) type Answer = Box<dyn FnOnce(Option<&Error>) + Send>;

/// An answer that is given after the commit, or an error instead.
pub(crate) fn answer<T: Send + 'static>(reply: Reply<T>, value: Result<T>) -> Answer {
    Box::new(move |failed| {
        let value = match failed {
            None => value,
            Some(error) => Err(Error::of_commit(error)),
        };
        // A caller that went away has lost interest in the answer, not in the commit.
        let _ = reply.send(value);
    })
}

impl Writer {
    /// Runs until the queue is closed and empty, then gives the connection back.
    pub(crate) async fn run(mut self) -> SqliteConnection {
        while let Some(jobs) = self.shared.queue.take(GROUP_INTENTS_MAX).await {
            let began = Instant::now();
            let (alone, together): (Vec<Job>, Vec<Job>) =
                jobs.into_iter().partition(|job| matches!(job, Job::Drain(work) if work.decides()));
            let mut intents = alone.len();
            for job in alone {
                self.group(vec![job]).await;
            }
            if !together.is_empty() {
                intents += self.group(together).await;
            }
            let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.shared.queue.cost_note(intents, took);
        }
        self.connection
    }

    /// One group, one commit. Returns how many intents it held.
    async fn group(&mut self, jobs: Vec<Job>) -> usize {
        let before = self.state;
        let (mut pending, mut answers) = (Pending::default(), Vec::new());
        let (pushes, commands): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| matches!(job, Job::Push { .. }));
        let intents = pushes.iter().map(|job| if let Job::Push { push, .. } = job { push.intents.len() } else { 0 }).sum();
        let done = self.transact(commands, pushes, &mut pending, &mut answers).await;
        let seen = pending.seen.take();
        match &done {
            Ok(()) => self.publish(pending),
            Err(error) => {
                tracing::error!(%error, "Commit failed: {error}");
                // When even this fails, the next `begin` will say so.
                let _ = sqlx::query("rollback").execute(&mut self.connection).await;
                self.state = before;
                self.commands_moved.clear();
                self.untold_touched.clear();
            }
        }
        answers.into_iter().for_each(|answer| answer(done.as_ref().err()));
        if let Some(seen) = seen.filter(|_| done.is_ok()) {
            seen.show().await;
        }
        intents
    }

    async fn transact(
        &mut self,
        commands: Vec<Job>,
        pushes: Vec<Job>,
        pending: &mut Pending,
        answers: &mut Vec<Answer>,
    ) -> Result<()> {
        sqlx::query("begin immediate").execute(&mut self.connection).await?;
        for command in commands {
            answers.push(self.command(command, pending).await?);
        }
        if !pushes.is_empty() {
            self.pushes(pushes, pending, answers).await?;
        }
        pending.untold = self.untold_summed().await?;
        sqlx::query("commit").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn pushes(&mut self, jobs: Vec<Job>, pending: &mut Pending, answers: &mut Vec<Answer>) -> Result<()> {
        let (mut group, mut replies) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for job in jobs {
            let Job::Push { push, since, now, reply } = job else { continue };
            match Pushed::of(&self.shared.live(), push, since, now) {
                Some(pushed) => {
                    group.push(pushed);
                    replies.push(reply);
                }
                None => answers.push(answer(reply, Err(Error::NotFound("device")))),
            }
        }
        let decided = self.decide(&group, pending).await;
        // Whoever waits is answered, also when nothing could be decided: then with what the transaction failed on.
        let (values, failed) = match decided {
            Ok(values) => (values, Ok(())),
            Err(error) => (replies.iter().map(|_| Err(Error::Closed)).collect(), Err(error)),
        };
        answers.extend(replies.into_iter().zip(values).map(|(reply, value): (_, Result<PushAnswer>)| answer(reply, value)));
        failed
    }

    /// Decides every batch of a group and writes what came of it; one answer a batch, in order.
    async fn decide(&mut self, group: &[Pushed], pending: &mut Pending) -> Result<Vec<Result<PushAnswer>>> {
        let shared = Arc::clone(&self.shared);
        let catalogue = Arc::clone(&shared.live().catalogue);
        if let Some(last) = group.last() {
            self.memory_rotate(last.now).await?;
        }
        let parts = group.iter().flat_map(Pushed::parts);
        let sent: Vec<Sent<'_>> = parts.map(|(client, intents)| (client.key, intents)).collect();
        let mut set = working_set(&mut self.connection, &catalogue, &shared.live, &sent).await?;
        let mut sequences = self.sequences(group).await?;
        let wanted = shared.capture.lock().expect("no holder of this lock panics").clone();
        let mut capture = Capture::begin(wanted, self.state.log, &set);
        let effects = &mut pending.effects;
        let (mut decided, mut answered) = (Vec::with_capacity(group.len()), Vec::new());
        for pushed in group {
            let mut whole = Decided { results: Vec::with_capacity(pushed.push.intents.len()), sequence: None };
            // Only a batch without relayed intents can be refused, and it has one part.
            let done = pushed.parts().into_iter().try_for_each(|(client, intents)| {
                let batch = pushed.batch(client, intents, &sequences);
                let done = batch_apply(&mut self.state.log, &mut set, &catalogue, &batch, effects);
                if let Some(capture) = &mut capture {
                    capture.batch(captured(client, &batch), &done);
                }
                let done = done?;
                if self.handed.contains(&client.key) {
                    answered_note(&mut answered, client.key, &done.results);
                }
                whole.results.extend(done.results);
                whole.sequence = whole.sequence.max(done.sequence);
                Ok(())
            });
            let done = done.map(|()| whole);
            sequences.advance(pushed, done.as_ref().ok().and_then(|done| done.sequence));
            decided.push(done);
        }
        pending.seen = capture.map(|capture| capture.finish(&catalogue, self.state.log));
        pending.digests = digests_after(&shared.live().digests, effects);
        flush(&mut self.connection, effects, &set, &self.state.log, &pending.digests, self.state.dead_letter_last).await?;
        let letters = self.state.dead_letter_last;
        self.state.dead_letter_last += i64::try_from(effects.dead_letters.len()).expect("a group is small");
        if !effects.dead_letters.is_empty() {
            // Those that were written: an intent that is refused again has its row already.
            let (from, to) = (letters, self.state.dead_letter_last);
            sqlx::query(EVENTS_OF_REFUSALS).bind(from).bind(to).execute(&mut self.connection).await?;
            pending.drained = true;
        }
        if !self.handed.is_empty() {
            let now = group.last().map_or(Millis(0), |last| last.now);
            pending.drained |= self.handed_follow(&answered, &pending.effects.dead_letters, now).await?;
        }
        sequences.write(&mut self.connection).await?;
        pending.sequences = sequences.into_changed();
        let committed = self.state.log.head;
        let value = |done: std::result::Result<Decided, BatchRefusal>| {
            done.map(|done| PushAnswer { committed, results: done.results }).map_err(|refusal| Error::Refused(Box::new(refusal)))
        };
        Ok(decided.into_iter().map(value).collect())
    }

    /// Moves memory to what was committed, then wakes whoever waits for a new head.
    fn publish(&mut self, pending: Pending) {
        let head = self.state.log.head;
        let (drained, told) = (pending.drained, pending.told);
        let moved = std::mem::take(&mut self.commands_moved);
        {
            let mut live = self.shared.live.write().expect("no holder of this lock panics");
            apply(&mut live, pending);
            live.commands_count(&moved);
            live.head = head;
        }
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        self.shared.listeners.wake(moved.into_iter().filter(|(_, by)| *by > 0).map(|(client, _)| client));
        self.shared.head.send_if_modified(|known| {
            let moved = *known != head;
            *known = head;
            moved
        });
        if drained {
            self.shared.drained.send_modify(|commits| *commits += 1);
        }
        if told {
            self.shared.told.send_modify(|commits| *commits += 1);
        }
    }
}

/// A batch as a capture has it.
fn captured(client: &Client, batch: &Batch<'_>) -> CapturedBatch {
    CapturedBatch {
        client: client.key,
        client_id: client.client_id.clone(),
        role: client.role.clone(),
        role_rank: client.role_rank,
        scopes: Arc::clone(&client.grants),
        now: batch.now,
        rules: batch.rules,
        intents: batch.intents.to_vec(),
    }
}

fn apply(live: &mut Live, pending: Pending) {
    for (key, scope) in pending.scopes {
        live.scope_add(key, scope, Seq(0));
    }
    for client in pending.clients {
        live.client_put(client);
    }
    for configured in pending.collections {
        live.collection_put(configured);
    }
    for (scope, collection, rows, sum) in pending.digests {
        live.digests.insert((scope, collection), (rows, sum));
    }
    live.sequences.extend(pending.sequences);
    live.untold_put(pending.untold);
    for change in &pending.effects.changes {
        live.scope_heads.insert(change.scope_key, change.seq);
        live.collection_heads.insert((change.scope_key, change.collection.key), change.seq);
    }
    for (scope, seq) in pending.controls {
        live.control_add(scope, seq, false);
    }
    for row in &pending.effects.controls {
        live.control_add(row.control.scope.0, row.seq, !row.control.op.in_scan());
        if let Some(collection) = &row.control.collection {
            live.collection_heads.insert((row.control.scope.0, collection.key), row.seq);
        }
    }
}
