//! The outbox: intents without a final answer, in the order they were queued.
//!
//! Priority decides who goes first, never the order of intents of one record or along `depends_on`: an urgent intent
//! lifts what it stands on. What depends on another operation is held back until that one is answered; what stands behind a poisoned entry waits; nothing leaves the outbox without a final answer.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use crate::intent::Intent;
use crate::wire::Failure;

/// The most entries an outbox takes: far beyond days offline, and a bound all the same.
pub const ENTRIES_MAX: usize = 20_000;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What to send.
    pub intent: Intent,
    /// Can not succeed by retrying.
    pub poisoned: bool,
    /// A person holds it: it is not sent, and what stands on it waits.
    pub held: bool,
    /// Answered sends that did not settle it; a `deferred` answer is not counted.
    pub attempts: u32,
    /// Answers `500` while it was alone in its batch.
    pub server_errors: u32,
    /// Last send.
    pub last_attempt_at: Option<Millis>,
    /// Not to be sent before.
    pub next_attempt_at: Option<Millis>,
    /// Last failure.
    pub error: Option<Failure>,
}

impl Entry {
    fn new(intent: Intent) -> Self {
        Self {
            intent,
            poisoned: false,
            held: false,
            attempts: 0,
            server_errors: 0,
            last_attempt_at: None,
            next_attempt_at: None,
            error: None,
        }
    }
}

/// Why an entry can not go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Itself or something it stands on is poisoned, or held by a person.
    Poison,
    /// Itself or something it stands on has to wait: for its time, or for an answer.
    Wait,
}

/// The outbox.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// By position among the device's intents.
    entries: BTreeMap<i64, Entry>,
    by_record: HashMap<(String, String), Vec<i64>>,
    by_operation: HashMap<String, i64>,
    bytes: usize,
}

impl Outbox {
    /// Operations without a final answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of their frozen forms.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, operation_id: &str) -> Option<&Entry> {
        self.entries.get(self.by_operation.get(operation_id)?)
    }

    /// One entry, to note what became of a send.
    pub fn get_mut(&mut self, operation_id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(self.by_operation.get(operation_id)?)
    }

    /// Entries of one record, oldest first.
    pub fn of_record(&self, key: &(String, String)) -> impl DoubleEndedIterator<Item = &Entry> {
        self.by_record.get(key).into_iter().flatten().map(|seq| &self.entries[seq])
    }

    /// Adds an intent; one that is there already stays as it is.
    pub fn insert(&mut self, intent: Intent) {
        if self.by_operation.contains_key(&intent.operation_id) {
            return;
        }
        let seq = intent.client_seq;
        let of_record = self.by_record.entry(intent.key.clone()).or_default();
        of_record.insert(of_record.partition_point(|other| *other < seq), seq);
        self.by_operation.insert(intent.operation_id.clone(), seq);
        self.bytes += intent.text.len();
        let before = self.entries.insert(seq, Entry::new(intent));
        assert!(before.is_none(), "positions among a device's intents are never reused");
    }

    /// Takes an entry out.
    pub fn remove(&mut self, operation_id: &str) -> Option<Entry> {
        let seq = self.by_operation.remove(operation_id)?;
        let entry = self.entries.remove(&seq).expect("both indexes hold the same entries");
        if let Some(of_record) = self.by_record.get_mut(&entry.intent.key) {
            of_record.retain(|other| *other != seq);
            if of_record.is_empty() {
                self.by_record.remove(&entry.intent.key);
            }
        }
        self.bytes -= entry.intent.text.len();
        Some(entry)
    }

    /// Holds an entry.
    pub fn hold(&mut self, operation_id: &str) {
        if let Some(entry) = self.get_mut(operation_id) {
            entry.held = true;
        }
    }

    /// Lets an entry go out again, whatever it failed on before.
    pub fn release(&mut self, operation_id: &str) {
        if let Some(entry) = self.get_mut(operation_id) {
            (entry.poisoned, entry.held, entry.server_errors, entry.next_attempt_at) = (false, false, 0, None);
        }
    }

    /// What an entry stands on: earlier ones of its record, and what it depends on.
    fn stands_on<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = i64> + 'a {
        let own = entry.intent.client_seq;
        let same_record = self.by_record[&entry.intent.key].iter().copied().take_while(move |seq| *seq < own);
        same_record.chain(entry.intent.depends_on.iter().filter_map(|id| self.by_operation.get(id).copied()))
    }

    fn blocks(&self, now: Millis) -> HashMap<i64, Block> {
        let mut blocks = HashMap::new();
        for (seq, entry) in &self.entries {
            let own = match entry {
                Entry { poisoned: true, .. } | Entry { held: true, .. } => Some(Block::Poison),
                Entry { next_attempt_at: Some(at), .. } if *at > now => Some(Block::Wait),
                Entry { intent, .. } if intent.depends_on.iter().any(|id| self.by_operation.contains_key(id)) => {
                    Some(Block::Wait)
                }
                _ => None,
            };
            let below = self.stands_on(entry).filter_map(|other| blocks.get(&other).copied());
            if let Some(block) = own.into_iter().chain(below).max_by_key(|block| *block == Block::Poison) {
                blocks.insert(*seq, block);
            }
        }
        blocks
    }

    /// What to send now: most urgent first, at most so many entries and about so many bytes (always at least one entry).
    #[must_use]
    pub fn batch(&self, now: Millis, entries_limit: usize, bytes_limit: usize) -> Vec<&Intent> {
        let blocks = self.blocks(now);
        let mut urgency: HashMap<i64, u8> = self.entries.iter().map(|(seq, entry)| (*seq, entry.intent.priority)).collect();
        for (seq, entry) in self.entries.iter().rev() {
            let lifted = urgency[seq];
            for other in self.stands_on(entry) {
                if let Some(urgency) = urgency.get_mut(&other) {
                    *urgency = (*urgency).min(lifted);
                }
            }
        }
        let mut ready: Vec<i64> = self.entries.keys().copied().filter(|seq| !blocks.contains_key(seq)).collect();
        ready.sort_by_key(|seq| (urgency[seq], *seq));
        let mut bytes = 0;
        let fits = |seq: &i64| {
            let before = bytes;
            bytes += self.entries[seq].intent.text.len();
            before == 0 || bytes <= bytes_limit
        };
        ready.into_iter().take(entries_limit).take_while(fits).map(|seq| &self.entries[&seq].intent).collect()
    }

    /// When the next entry that waits for its time may go.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Millis> {
        self.entries.values().filter(|entry| !entry.poisoned && !entry.held).filter_map(|entry| entry.next_attempt_at).min()
    }

    /// Entries with their state, worst first, oldest first within a state. `sending` is what is on its way.
    #[must_use]
    pub fn by_badness(&self, now: Millis, sending: &[String]) -> Vec<(EntryState, &Entry)> {
        let blocks = self.blocks(now);
        let on_its_way: HashSet<&str> = sending.iter().map(String::as_str).collect();
        let state = |seq: &i64, entry: &Entry| match blocks.get(seq) {
            _ if entry.held => EntryState::Held,
            _ if entry.poisoned => EntryState::Poisoned,
            Some(Block::Poison) => EntryState::Waiting,
            _ if on_its_way.contains(entry.intent.operation_id.as_str()) => EntryState::Sending,
            _ if entry.attempts > 0 => EntryState::Retrying,
            Some(Block::Wait) => EntryState::Waiting,
            None => EntryState::Queued,
        };
        let rank = |state: EntryState| EntryState::ALL.iter().position(|other| *other == state);
        let mut all: Vec<_> = self.entries.iter().map(|(seq, entry)| (state(seq, entry), entry)).collect();
        all.sort_by_key(|(state, entry)| (rank(*state), entry.intent.client_seq));
        all
    }

    /// Oldest operation without a final answer that is not poisoned; the oldest poisoned one when there are no others.
    #[must_use]
    pub fn oldest_pending_at(&self) -> Option<Millis> {
        self.entries.values().map(|entry| entry.intent.created_at).min()
    }
}

#[cfg(test)]
mod tests;
