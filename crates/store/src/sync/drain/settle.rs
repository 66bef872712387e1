//! What devices answer, and commands that end without an answer: outcomes of the items that waited for them.

use sqlx::FromRow;
use tidewatch_domain::control::{ALREADY_APPLIED, CommandState, EntryAnswer, EntryOutcome};
use tidewatch_domain::drain::{ArchiveState, Dependants, DrainAction, ItemOutcome, JobState};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::patch::TEST_NOT_MET;
use tidewatch_domain::time::Millis;

use super::chunk::Letter;
use super::items::Settled;
use super::job_statements::{ITEMS_OF_COMMAND, JOB_OF_SET, LETTERS_MOVE};
use super::jobs::JobRow;
use super::journal::NewEvent;
use crate::Result;
use crate::sync::writer::Writer;

/// An item that waits for its device.
#[derive(Clone, Debug, FromRow)]
struct Awaited {
    set_id: i64,
    n: i64,
    client: i64,
    operation_id: String,
    behind: bool,
}

/// What became of an awaited item.
struct Verdict {
    outcome: ItemOutcome,
    code: Option<String>,
    detail: Option<String>,
}

impl Writer {
    /// Takes what a device says became of entries of a `drain` command. Items that nobody waits for any more stay as they are.
    pub(crate) async fn drain_settled(
        &mut self,
        command: &str,
        client: ClientKey,
        answers: &[EntryAnswer],
        now: Millis,
    ) -> Result<()> {
        let awaited: Vec<Awaited> = self.awaited(command).await?.into_iter().filter(|item| item.client == client.0).collect();
        let verdict = |item: &Awaited| {
            let answer = answers.iter().find(|answer| answer.operation_id == item.operation_id)?;
            let outcome = match answer.outcome {
                EntryOutcome::Ok => ItemOutcome::Ok,
                EntryOutcome::NotFound => ItemOutcome::Skipped,
                // The correction is not meant for it, which is no failure.
                EntryOutcome::Refused if answer.code.as_deref() == Some(TEST_NOT_MET) => ItemOutcome::Skipped,
                EntryOutcome::Refused => ItemOutcome::Failed,
            };
            let code = match answer.outcome {
                EntryOutcome::Ok => None,
                EntryOutcome::NotFound => {
                    Some(answer.code.clone().filter(|code| code == ALREADY_APPLIED).unwrap_or_else(|| "not_found".to_owned()))
                }
                EntryOutcome::Refused => Some(answer.code.clone().unwrap_or_else(|| "refused".to_owned())),
            };
            Some(Verdict { outcome, code, detail: answer.detail.clone() })
        };
        let settled = awaited.into_iter().filter_map(|item| verdict(&item).map(|verdict| (item, verdict))).collect();
        self.awaited_settle(settled, command, now).await
    }

    /// A command has ended. What it was to do and is not answered is not done.
    pub(crate) async fn drain_command_ended(&mut self, command: &str, state: CommandState, now: Millis) -> Result<()> {
        let (outcome, code, detail) = match state {
            CommandState::Queued | CommandState::Delivered | CommandState::Running => return Ok(()),
            CommandState::Done => (ItemOutcome::Failed, "not_answered", "the device said nothing of this entry"),
            CommandState::Failed => (ItemOutcome::Failed, "command_failed", "the device could not do it"),
            CommandState::Expired => (ItemOutcome::Failed, "command_expired", "the device did not fetch it in time"),
            CommandState::Superseded => (ItemOutcome::Skipped, "command_superseded", "a newer command took its place"),
            CommandState::Cancelled => (ItemOutcome::Skipped, "command_cancelled", "its command was taken back"),
        };
        let verdict = || Verdict { outcome, code: Some(code.to_owned()), detail: Some(detail.to_owned()) };
        let settled = self.awaited(command).await?.into_iter().map(|item| (item, verdict())).collect();
        self.awaited_settle(settled, command, now).await
    }

    async fn awaited(&mut self, command: &str) -> Result<Vec<Awaited>> {
        Ok(sqlx::query_as(ITEMS_OF_COMMAND).bind(command.to_owned()).fetch_all(&mut self.connection).await?)
    }

    async fn awaited_settle(&mut self, settled: Vec<(Awaited, Verdict)>, command: &str, now: Millis) -> Result<()> {
        // A command belongs to one chunk, so to one job.
        let Some(set) = settled.first().map(|(item, _)| item.set_id) else { return Ok(()) };
        let found: Option<(i64,)> = sqlx::query_as(JOB_OF_SET).bind(set).fetch_optional(&mut self.connection).await?;
        let Some((id,)) = found else { return Ok(()) };
        let Some(mut job) = self.job_load(id).await? else { return Ok(()) };
        let letters =
            self.letters_at(settled.iter().map(|(item, _)| (ClientKey(item.client), item.operation_id.as_str()))).await?;
        let (mut outcomes, mut events, mut told) = (Vec::new(), Vec::new(), Vec::new());
        for ((item, verdict), letter) in settled.iter().zip(&letters) {
            let action = job_action(&job, item.behind);
            // Its payload has come in, and what is to be done with it is done here, unless the job is over: then it stays where it is.
            let open = verdict.outcome == ItemOutcome::Ok
                && action == DrainAction::ToConflict
                && letter.is_some_and(|letter| letter.state.allows(action));
            let over = open && job.job_state().is_final();
            // Its device has held it after its job was taken back: it lets go of it again.
            let undone = verdict.outcome == ItemOutcome::Ok && action == DrainAction::Hold && job.job_state() == JobState::Undone;
            let outcome = match (open, over || undone) {
                (_, true) => ItemOutcome::Skipped,
                (true, false) => ItemOutcome::Waiting,
                (false, false) => verdict.outcome,
            };
            if undone {
                told.extend(self.let_go(ClientKey(item.client), (&item.operation_id, item.n), outcomes.len()));
            }
            if outcome == ItemOutcome::Waiting {
                job.next_n = job.next_n.min(item.n - 1);
            }
            job.tally(ItemOutcome::Sent, outcome);
            let state = match outcome {
                ItemOutcome::Ok if action == DrainAction::Patch => self.letter_corrected(&job, *letter, verdict, now).await?,
                ItemOutcome::Ok => self.letter_follows(&job, *letter, action, now).await?,
                _ => None,
            };
            let (code, detail) = match (over, undone) {
                (true, _) => left_open(&job),
                (_, true) => let_go_again(),
                _ => (verdict.code.clone(), verdict.detail.clone()),
            };
            events.push(NewEvent {
                client: ClientKey(item.client),
                operation_id: item.operation_id.clone(),
                state,
                pending: None,
                job: Some(job.id),
                command: Some(command.to_owned()),
                at: now,
                detail: code.clone(),
            });
            outcomes.push(Settled { n: item.n, outcome, code, detail, command: Some(command.to_owned()) });
        }
        if !told.is_empty() {
            let by = self.moved_by(&job).await?;
            // Boxed: a command that takes the place of another ends that, which may settle entries.
            Box::pin(self.devices_tell_for(&job, (&by.actor, &by.reason), &told, now)).await?;
        }
        self.items_settle(&job, &outcomes, now).await?;
        self.events_add(&events).await?;
        self.job_stops(&mut job, now).await?;
        if job.is_through() && job.job_state() == JobState::Paused {
            let words = "the last entry was answered while it had stopped".to_owned();
            self.job_moves(&mut job, JobState::Done, now, Some(words)).await?;
        }
        job.end(now);
        self.job_save(&job).await
    }

    /// The device has queued a corrected copy in the place of the entry, whose payload it has sent up: the entry is closed, so that nobody
    /// applies both. What depends on it waits for the answer to the copy.
    async fn letter_corrected(
        &mut self,
        job: &JobRow,
        letter: Option<Letter>,
        verdict: &Verdict,
        now: Millis,
    ) -> Result<Option<i64>> {
        let Some(letter) = letter else { return Ok(None) };
        if !letter.state.allows(DrainAction::Patch) {
            return Ok(Some(letter.state.mirror_number()));
        }
        // Devices say under which id the copy goes.
        let copy = verdict.detail.as_deref().and_then(|text| OperationId::parse(text).ok());
        let state = ArchiveState::Superseded;
        let closed = serde_json::json!([letter.id, state.number(), null, null, copy.as_ref().map(OperationId::as_str), false]);
        self.letters_decided(job, vec![closed], now).await?;
        Ok(Some(state.mirror_number()))
    }

    /// Brings the archive to the state that the device has left the entry in. Answers the state that the mirror takes over.
    async fn letter_follows(
        &mut self,
        job: &JobRow,
        letter: Option<Letter>,
        action: DrainAction,
        now: Millis,
    ) -> Result<Option<i64>> {
        // Sent again: the device reports what comes of it. What becomes a conflict is closed by the decision that makes it one.
        let to = ArchiveState::after(action).filter(|to| *to != ArchiveState::Done);
        let Some(to) = to else { return Ok(None) };
        let Some(letter) = letter else { return Ok((to == ArchiveState::Held).then(|| to.mirror_number())) };
        if letter.state == to || !letter.state.allows(action) {
            return Ok(Some(letter.state.mirror_number()));
        }
        let restorable = job.restore_until_ms.filter(|_| [3, 4, 5].contains(&to.number()));
        sqlx::query(LETTERS_MOVE)
            .bind(serde_json::json!([letter.id]).to_string())
            .bind(letter.state.number())
            .bind(to.number())
            .bind(to == ArchiveState::Skipped || job.dependants == Dependants::Cut.as_str())
            .bind(job.reason.clone())
            .bind(job.created_by.clone())
            .bind(job.id)
            .bind(now.0)
            .bind(restorable)
            .execute(&mut self.connection)
            .await?;
        Ok(Some(to.mirror_number()))
    }
}

/// Why an entry that its device has held is not held any more: code and words.
fn let_go_again() -> (Option<String>, Option<String>) {
    (Some("undone".to_owned()), Some("the job was taken back before its device held it, and it is told to let it go".to_owned()))
}

/// Why an entry that its device has handed over is not decided any more: code and words.
fn left_open(job: &JobRow) -> (Option<String>, Option<String>) {
    let word = job.job_state().as_str();
    (Some(format!("job_{word}")), Some(format!("the job was {word} before its payload came in, which is here and not decided")))
}

/// What a job does with an item.
#[must_use]
pub fn job_action(job: &JobRow, behind: bool) -> DrainAction {
    if behind && job.dependants == Dependants::Hold.as_str() {
        return DrainAction::Hold;
    }
    DrainAction::parse(&job.action).unwrap_or(DrainAction::Hold)
}
