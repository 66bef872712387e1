//! Putting back what a job of which somebody wants nothing any more has drained: rows of the archive go where they came from, and devices
//! that hold entries because of it let them go. A device that has dropped its copy has nothing to hear: the one that is put back stands here.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState, DrainAction, ItemOutcome};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use super::items::Settled;
use super::job_statements::LETTERS_MOVE;
use super::jobs::JobRow;
use super::journal::NewEvent;
use super::settle::job_action;
use super::sweep::Swept;
use super::telling::Told;
use crate::Result;
use crate::sync::control::By;
use crate::sync::writer::Writer;

/// How an item is put back.
#[derive(Clone, Copy, Debug)]
enum Back {
    /// Its row of the archive goes from one state to another.
    Letter { id: i64, from: ArchiveState, to: ArchiveState },
    /// Only its device has it, and holds it.
    OnDevice,
}

/// What putting back comes to, before it is written.
#[derive(Debug, Default)]
struct Work {
    settled: Vec<Settled>,
    events: Vec<NewEvent>,
    audit: Vec<AuditEntry>,
    /// Rows of the archive by the state they are in and the one they go to.
    moves: BTreeMap<(i64, i64), Vec<i64>>,
    told: Vec<Told>,
    silent: Vec<(ClientKey, String)>,
}

impl Swept {
    fn entry(&self) -> (ClientKey, String) {
        (ClientKey(self.client), self.operation_id.clone())
    }

    /// How it is put back, when this job has put it where it is.
    fn back(&self, job: &JobRow) -> Option<Back> {
        if self.outcome() != ItemOutcome::Ok {
            return None;
        }
        let action = job_action(job, self.behind);
        let Some(id) = self.letter else { return (action == DrainAction::Hold).then_some(Back::OnDevice) };
        let from = self.state.and_then(ArchiveState::of_number)?;
        let mine = self.job == Some(job.id) && ArchiveState::after(action) == Some(from);
        let to = self.home.and_then(ArchiveState::of_number)?;
        (mine && from.allows(DrainAction::Restore)).then_some(Back::Letter { id, from, to })
    }

    /// Whether its device holds a copy of its own, as far as it has heard of that.
    fn is_held_there(&self, back: Back, unheard: &HashSet<(ClientKey, String)>) -> bool {
        match back {
            Back::OnDevice => true,
            Back::Letter { from, .. } => {
                let copy = self.origin != Some(ArchiveOrigin::Escrowed.number());
                copy && from == ArchiveState::Held && !unheard.contains(&self.entry())
            }
        }
    }
}

impl Writer {
    pub(super) async fn entries_put_back(&mut self, job: &mut JobRow, items: &[Swept], by: &By, now: Millis) -> Result<()> {
        let back: Vec<(&Swept, Back)> = items.iter().filter_map(|item| Some((item, item.back(job)?))).collect();
        let entries: Vec<(ClientKey, String)> = back.iter().map(|(item, _)| item.entry()).collect();
        let unheard = self.untold_unheard(&entries).await?;
        let mut work = Work::default();
        for (item, back) in back {
            self.put_back(&mut work, job, item, back, by, now);
            if !item.is_held_there(back, &unheard) {
                work.silent.push(item.entry());
            } else if let Some(told) = self.let_go(ClientKey(item.client), (&item.operation_id, item.n), work.settled.len() - 1) {
                work.told.push(told);
            }
        }
        for ((from, to), ids) in work.moves {
            sqlx::query(LETTERS_MOVE)
                .bind(json!(ids).to_string())
                .bind(from)
                .bind(to)
                .bind(0_i64)
                .bind(by.reason.clone())
                .bind(by.actor.clone())
                .bind(job.id)
                .bind(now.0)
                .bind(None::<i64>)
                .execute(&mut self.connection)
                .await?;
        }
        self.words_withdraw(&work.silent, by, now).await?;
        for (at, command) in self.devices_tell_for(job, (&by.actor, &by.reason), &work.told, now).await? {
            work.settled[at].command = Some(command.clone());
            work.events[at].command = Some(command);
        }
        self.items_settle(job, &work.settled, now).await?;
        self.events_add(&work.events).await?;
        self.audit_append(&work.audit).await
    }

    fn put_back(&self, work: &mut Work, job: &mut JobRow, item: &Swept, back: Back, by: &By, now: Millis) {
        let (from, to) = match back {
            Back::Letter { id, from, to } => {
                work.moves.entry((from.number(), to.number())).or_default().push(id);
                (from, Some(to))
            }
            Back::OnDevice => (ArchiveState::Held, None),
        };
        work.settled.push(Settled {
            n: item.n,
            outcome: ItemOutcome::Skipped,
            code: Some("undone".to_owned()),
            detail: Some(format!("it was {} and has been put back", from.as_str())),
            command: item.command.clone(),
        });
        work.events.push(NewEvent {
            client: ClientKey(item.client),
            operation_id: item.operation_id.clone(),
            // Of what only its device has, that says the state from here on.
            state: to.map(ArchiveState::mirror_number),
            pending: None,
            job: Some(job.id),
            command: None,
            at: now,
            detail: Some("undone".to_owned()),
        });
        work.audit.push(self.audit_of_undo(job, item, (from, to), by, now));
        job.tally(ItemOutcome::Ok, ItemOutcome::Skipped);
    }

    /// The word that has a device let go of what it holds: it sends that once more.
    pub(super) fn let_go(&self, client: ClientKey, (operation_id, n): (&str, i64), at: usize) -> Option<Told> {
        let client_id = self.shared.live().client_ids.get(&client)?.clone();
        Some(Told { at, client, client_id, operation_id: operation_id.to_owned(), n, word: DrainAction::Retry, settled: true })
    }

    fn audit_of_undo(
        &self,
        job: &JobRow,
        item: &Swept,
        (from, to): (ArchiveState, Option<ArchiveState>),
        by: &By,
        now: Millis,
    ) -> AuditEntry {
        let device = self.shared.live().client_ids.get(&ClientKey(item.client)).map(ToString::to_string).unwrap_or_default();
        let after = json!({"state": to.map(ArchiveState::as_str), "job": job.name(), "outcome": "undone"});
        AuditEntry {
            at: now,
            actor: by.actor.clone(),
            action: DrainAction::Restore.audit_action(),
            subject: Some(format!("entry:{device}/{}", item.operation_id)),
            before: Some(json!({"state": from.as_str()}).to_string()),
            after: Some(after.to_string()),
            trace_id: by.trace_id.clone(),
        }
    }
}
