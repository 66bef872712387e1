//! A chunk of a job, in one transaction: states of the archive, decisions of the engine, commands to devices, outcomes of items, journal,
//! one audit row per entry, tally. What the transaction finds in another state than the chunk was prepared for is left alone.

use std::collections::{BTreeMap, HashSet};

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState, CANARY_MS, DrainAction, ItemOutcome, JobState, Recent};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::patch::TEST_NOT_MET;
use tidewatch_domain::sync::{Intent, Mutation};
use tidewatch_domain::time::Millis;

use super::again::Decision;
use super::items::Settled;
use super::job_statements::{LETTERS_AT, LETTERS_DECIDED, LETTERS_MOVE};
use super::jobs::JobRow;
use super::journal::NewEvent;
use super::telling::Told;
use crate::Result;
use crate::sync::control::By;
use crate::sync::writer::{Pending, Writer};

/// Most items of a chunk.
pub const CHUNK_ITEMS: u32 = 500;

/// An item with what was prepared for it outside the writer.
#[derive(Clone, Debug)]
pub struct ChunkItem {
    /// Place in the set.
    pub n: i64,
    /// Device, by its short name.
    pub client: ClientKey,
    /// Device.
    pub client_id: ClientId,
    /// Operation.
    pub operation_id: String,
    /// What is done with it.
    pub action: DrainAction,
    /// Its group, when it is decided with others of it: those stand next to it.
    pub together: Option<i64>,
    /// How.
    pub way: Way,
}

/// How an item is dealt with.
#[derive(Clone, Debug)]
pub enum Way {
    /// Its payload is not here: its device is told.
    OnDevice,
    /// Its row of the archive moves to another state.
    Move,
    /// It is decided again, under its own id.
    Decide(Box<Intent>),
    /// A corrected copy is decided, and takes its place.
    Patched {
        /// The original, when it can be read.
        original: Box<Intent>,
        /// The copy.
        copy: Box<Intent>,
    },
    /// It becomes an open conflict of its record.
    Conflict(Box<Mutation>),
    /// It cannot be done: code and words.
    Fails(&'static str, String),
    /// It is left alone, since a test of the correction says that it is not meant: in words, which.
    NotMeant(String),
    /// It is left alone, since not all of its group can be decided with it: in words, why.
    Apart(String),
}

/// A row of the archive as the transaction finds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) id: i64,
    pub(super) state: ArchiveState,
    pub(super) origin: ArchiveOrigin,
    pub(super) home: ArchiveState,
}

/// What a chunk comes to, before it is written.
#[derive(Debug, Default)]
struct Work {
    outcomes: Vec<Settled>,
    events: Vec<NewEvent>,
    audit: Vec<AuditEntry>,
    /// Rows of the archive by the state they are in and the one they move to.
    moves: BTreeMap<(i64, i64), Vec<i64>>,
    decided: Vec<serde_json::Value>,
    /// What devices are told.
    told: Vec<Told>,
    /// Entries whose devices have certainly not heard what they were to be told of them.
    unheard: HashSet<(ClientKey, String)>,
    /// Entries that are where they were before: nobody is to speak of them any more.
    silent: Vec<(ClientKey, String)>,
}

impl Writer {
    /// Works off a chunk, and takes its items for the job if they are not yet. Answers whether all of it was worked off and the job goes on;
    /// a job that was stopped meanwhile is left alone. With its last entry the job is done.
    pub(super) async fn job_chunk(&mut self, id: i64, items: Vec<ChunkItem>, now: Millis, pending: &mut Pending) -> Result<bool> {
        let Some(mut job) = self.job_load(id).await? else { return Ok(false) };
        if !matches!(job.job_state(), JobState::Canary | JobState::Running) {
            return Ok(false);
        }
        let last = items.iter().map(|item| item.n).max().unwrap_or(0);
        let mut taken = 0;
        while job.claimed_n < last.min(job.entries) {
            taken += self.stretch_claim(&mut job, now).await?;
        }
        if taken > 0 {
            // What another job has changes what is left of this chunk: it is read again.
            self.job_save(&job).await?;
            return Ok(false);
        }
        let letters = self.letters_at(items.iter().map(|item| (item.client, item.operation_id.as_str()))).await?;
        let mut decisions = self.decisions(&job, &items, &letters, now).await?;
        let mut work = Work { unheard: self.unheard(&items, &letters).await?, ..Work::default() };
        let (mut last, mut whole) = (job.next_n, true);
        let mut letters = letters.as_slice();
        // What is decided together is one step: a job stops before it or after it.
        for unit in items.chunk_by(|one, next| one.together.is_some() && one.together == next.together) {
            let (of_unit, rest) = letters.split_at(unit.len());
            letters = rest;
            if job.stops() || matches!((&unit[0].way, of_unit[0]), (Way::OnDevice, Some(_))) {
                // The rest waits: for a person, or because its payload has only just come in.
                whole = false;
                break;
            }
            let decided = decisions.unit(unit, of_unit);
            for ((item, letter), decided) in unit.iter().zip(of_unit).zip(decided) {
                work.item(&mut job, item, *letter, decided, now);
                last = last.max(item.n);
            }
        }
        self.decisions_flush(decisions, pending).await?;
        if job.job_state() == JobState::Running {
            job.next_n = last;
        } else {
            // Whatever goes ahead in the place of what was left alone has its time as well.
            job.canary_until_ms = Some(now.plus(CANARY_MS).0);
        }
        self.work_write(&mut job, work, now).await?;
        self.job_stops(&mut job, now).await?;
        if job.job_state() == JobState::Running && job.is_through() {
            self.job_moves(&mut job, JobState::Done, now, None).await?;
        }
        self.job_save(&job).await?;
        Ok(whole && job.job_state() != JobState::Paused)
    }

    /// Stops a job whose failures are too many, while there is something left to stop.
    pub(super) async fn job_stops(&mut self, job: &mut JobRow, now: Millis) -> Result<()> {
        if job.is_through() || !job.stops() || !matches!(job.job_state(), JobState::Canary | JobState::Running) {
            return Ok(());
        }
        let failures = Recent::read(&job.recent).failures();
        let words = format!("{failures} of the last {} failed; {} % stop it", job.recent.len(), job.stop_percent);
        job.canary_until_ms = None;
        self.job_moves(job, JobState::Paused, now, Some(words)).await
    }

    pub(super) async fn letters_at<'a>(
        &mut self,
        entries: impl Iterator<Item = (ClientKey, &'a str)>,
    ) -> Result<Vec<Option<Letter>>> {
        let wanted: Vec<serde_json::Value> =
            entries.map(|(client, operation)| serde_json::json!([client.0, operation])).collect();
        let mut letters = vec![None; wanted.len()];
        let rows: Vec<(i64, i64, i64, i64, i64)> =
            sqlx::query_as(LETTERS_AT).bind(serde_json::Value::from(wanted).to_string()).fetch_all(&mut self.connection).await?;
        for (at, id, state, origin, home) in rows {
            letters[usize::try_from(at).expect("an index of the array")] = Some(Letter {
                id,
                state: ArchiveState::of_number(state).expect("a checked column"),
                origin: ArchiveOrigin::of_number(origin).expect("a checked column"),
                home: ArchiveState::of_number(home).expect("a checked column"),
            });
        }
        Ok(letters)
    }

    /// Writes what decisions came to: `[number, state, code, detail, successor, passes]` each.
    pub(super) async fn letters_decided(&mut self, job: &JobRow, rows: Vec<serde_json::Value>, now: Millis) -> Result<()> {
        sqlx::query(LETTERS_DECIDED)
            .bind(serde_json::Value::from(rows).to_string())
            .bind(job.reason.clone())
            .bind(job.created_by.clone())
            .bind(job.id)
            .bind(now.0)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Of what is restored, or held and decided again, that of which no device has heard.
    async fn unheard(&mut self, items: &[ChunkItem], letters: &[Option<Letter>]) -> Result<HashSet<(ClientKey, String)>> {
        let speaks = |item: &ChunkItem, letter: Letter| {
            item.action == DrainAction::Restore || item.action.decides() && letter.state == ArchiveState::Held
        };
        let restored = items.iter().zip(letters).filter(|(item, letter)| letter.is_some_and(|letter| speaks(item, letter)));
        let entries: Vec<(ClientKey, String)> = restored.map(|(item, _)| (item.client, item.operation_id.clone())).collect();
        self.untold_unheard(&entries).await
    }

    async fn work_write(&mut self, job: &mut JobRow, mut work: Work, now: Millis) -> Result<()> {
        for ((from, to), ids) in &work.moves {
            let passes =
                *to == ArchiveState::Skipped.number() || job.dependants == "cut" && *to != ArchiveState::Poisoned.number();
            let restorable = job.restore_until_ms.filter(|_| [3, 4, 5].contains(to));
            let moved: Vec<(i64,)> = sqlx::query_as(LETTERS_MOVE)
                .bind(serde_json::json!(ids).to_string())
                .bind(*from)
                .bind(*to)
                .bind(passes)
                .bind(job.reason.clone())
                .bind(job.created_by.clone())
                .bind(job.id)
                .bind(now.0)
                .bind(restorable)
                .fetch_all(&mut self.connection)
                .await?;
            assert_eq!(moved.len(), ids.len(), "the writer has seen their states in this transaction");
        }
        if !work.decided.is_empty() {
            self.letters_decided(job, std::mem::take(&mut work.decided), now).await?;
        }
        let by = By { actor: job.created_by.clone(), reason: job.reason.clone(), trace_id: Some(job.request_id.clone()) };
        self.words_withdraw(&work.silent, &by, now).await?;
        let told = std::mem::take(&mut work.told);
        for (at, command) in self.devices_tell(job, &told, now).await? {
            work.outcomes[at].command = Some(command.clone());
            work.events[at].command = Some(command);
        }
        self.items_settle(job, &work.outcomes, now).await?;
        self.events_add(&work.events).await?;
        self.audit_append(&work.audit).await
    }
}

impl Work {
    /// Decides what becomes of one item.
    fn item(&mut self, job: &mut JobRow, item: &ChunkItem, letter: Option<Letter>, decided: Option<Decision>, now: Millis) {
        let Some(letter) = letter else {
            if let Way::Fails(code, detail) = &item.way {
                return self.settle(job, item, None, None, ItemOutcome::Failed, Some((*code, detail.clone())), now);
            }
            // What only its device has and holds is let go there.
            if item.action == DrainAction::Restore && !matches!(item.way, Way::OnDevice) {
                let words = "its payload is not in the archive".to_owned();
                return self.settle(job, item, None, None, ItemOutcome::Skipped, Some(("not_archived", words)), now);
            }
            let word = if item.action == DrainAction::Restore { DrainAction::Retry } else { item.action };
            self.told.push(Told::of(self.outcomes.len(), item, word, false));
            return self.settle(job, item, None, None, ItemOutcome::Sent, None, now);
        };
        if !letter.state.allows(item.action) {
            let told = match letter.state {
                ArchiveState::Purged => ("purged", "retention is over: its payload is in an export, no longer here".to_owned()),
                other => ("state_changed", format!("it is {} already", other.as_str())),
            };
            return self.settle(job, item, Some(letter), None, ItemOutcome::Skipped, Some(told), now);
        }
        match (&item.way, decided) {
            (Way::Fails(code, detail), _) => {
                self.settle(job, item, Some(letter), None, ItemOutcome::Failed, Some((*code, detail.clone())), now);
            }
            (Way::NotMeant(words), None) => {
                self.settle(job, item, Some(letter), None, ItemOutcome::Skipped, Some((TEST_NOT_MET, words.clone())), now);
            }
            (_, Some(decision)) => self.decided(job, item, letter, decision, now),
            _ => {
                let to = ArchiveState::after(item.action).unwrap_or(letter.home);
                self.moves.entry((letter.state.number(), to.number())).or_default().push(letter.id);
                self.tell(item, letter, item.action);
                self.settle(job, item, Some(letter), Some(to), ItemOutcome::Ok, None, now);
            }
        }
    }

    fn decided(&mut self, job: &mut JobRow, item: &ChunkItem, letter: Letter, decision: Decision, now: Millis) {
        let (code, detail) = decision.problem.clone().unzip();
        if let Some(state) = decision.state {
            // A copy that is kept is decided: what depends on the original goes on.
            let passes = state == ArchiveState::Superseded;
            self.decided.push(serde_json::json!([letter.id, state.number(), code, detail, decision.successor, passes]));
        }
        if decision.outcome == ItemOutcome::Ok {
            self.tell(item, letter, decision.word);
        } else if decision.state.is_some() && letter.state == ArchiveState::Held {
            // It is poisoned again, and nobody holds it: its device neither.
            self.tell(item, letter, DrainAction::Restore);
        }
        let told = decision.problem.or_else(|| decision.answer.map(|answer| (answer, String::new())));
        let told = told.as_ref().map(|(code, detail)| (code.as_str(), detail.clone()));
        self.settle(job, item, Some(letter), decision.state, decision.outcome, told, now);
    }

    /// A device that keeps a copy of its own is told; one that has sent it up has none. What it was to do and is restored before it has
    /// heard of that is not asked of it any more; what it holds by now it lets go, and sends once more.
    fn tell(&mut self, item: &ChunkItem, letter: Letter, word: DrainAction) {
        let entry = (item.client, item.operation_id.clone());
        let word = match word {
            DrainAction::Restore if letter.state == ArchiveState::Held && !self.unheard.contains(&entry) => {
                Some(DrainAction::Retry)
            }
            DrainAction::Restore => None,
            word => Some(word),
        };
        match word.filter(|_| letter.origin != ArchiveOrigin::Escrowed) {
            Some(word) => self.told.push(Told::of(self.outcomes.len(), item, word, true)),
            None => self.silent.push(entry),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one row of four tables is made here, so that they cannot differ")]
    fn settle(
        &mut self,
        job: &mut JobRow,
        item: &ChunkItem,
        letter: Option<Letter>,
        to: Option<ArchiveState>,
        outcome: ItemOutcome,
        told: Option<(&str, String)>,
        now: Millis,
    ) {
        job.tally(ItemOutcome::Waiting, outcome);
        let (code, detail) = told.unzip();
        let detail = detail.filter(|detail| !detail.is_empty());
        self.outcomes.push(Settled { n: item.n, outcome, code: code.map(str::to_owned), detail: detail.clone(), command: None });
        self.events.push(NewEvent {
            client: item.client,
            operation_id: item.operation_id.clone(),
            state: to.map(ArchiveState::mirror_number),
            pending: (outcome == ItemOutcome::Sent).then_some(item.action.as_str()),
            job: Some(job.id),
            command: None,
            at: now,
            detail: code.map(str::to_owned),
        });
        let state = |state: ArchiveState| format!("{{\"state\":\"{}\"}}", state.as_str());
        let after = serde_json::json!({
            "job": job.name(), "outcome": outcome.as_str(), "state": to.map(ArchiveState::as_str), "code": code, "detail": detail,
        });
        self.audit.push(AuditEntry {
            at: now,
            actor: job.created_by.clone(),
            action: item.action.audit_action(),
            subject: Some(format!("entry:{}/{}", item.client_id, item.operation_id)),
            before: letter.map(|letter| state(letter.state)),
            after: Some(after.to_string()),
            trace_id: Some(job.request_id.clone()),
        });
    }
}
