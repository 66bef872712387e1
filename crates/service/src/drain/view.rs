//! Jobs as pages and the API show them.

use std::collections::HashMap;

use tidewatch_domain::control::{CommandState, ContactRhythm, forecast};
use tidewatch_domain::drain::{Dependants, DrainAction, ItemFilter, ItemOutcome, JobChange, JobState, Undoable};
use tidewatch_domain::fleet::{
    DrainItemRow, DrainJobRow, DrainJobView, FailureReason, Forecast, JobEvent, JobTally, RunningDevice,
};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Page, Position, Total};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis, SECOND_MS};
use tidewatch_store::sync::drain::{ItemRow, JobRow};
use tidewatch_store::telemetry::DeviceLook;

use super::preview::hash_shown;
use super::submit::selection_of;
use super::summary::Summary;
use crate::{Cx, Error, Result, Service};

/// Events of a job that are shown.
const EVENTS_MAX: u32 = 50;
/// Devices at work that are listed.
const RUNNING_MAX: usize = 10;
/// A job of so many entries at most, settled within so long, is drawn by second.
const SECONDS_ENTRIES_MAX: i64 = 10_000;
const SECONDS_SPAN_MS: i64 = 25 * MINUTE_MS;
/// Devices that are looked up at once.
const DEVICES_AT_ONCE: usize = 5_000;

/// A device that has items of a job under way.
struct AtWork {
    client_id: ClientId,
    entries: u64,
    command: Option<String>,
    since: Option<Millis>,
}

impl Service {
    /// Jobs, newest first.
    ///
    /// # Errors
    /// Invalid with field `after` or `before` for a position of another list.
    pub async fn drain_jobs(&self, cx: &Cx, position: &Position, rows: u32) -> Result<Page<DrainJobRow>> {
        cx.require(Action::Look)?;
        let found = self.store.sync().jobs_page(position, rows.clamp(1, PAGE_ROWS_MAX)).await;
        let page = found.map_err(|error| crate::fleet::position_error(position, error))?;
        let mut jobs = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            let at_work = self.at_work(&row).await?;
            let looks = self.looks(&at_work).await?;
            jobs.push(job_row(&row, asleep(&at_work, &looks))?);
        }
        Ok(Page { rows: jobs, next: page.next, previous: page.previous, total: page.total })
    }

    /// Jobs that wait for a person, newest first. Who of their devices sleeps does not matter there.
    pub(crate) async fn drains_waiting(&self) -> Result<Vec<DrainJobRow>> {
        let rows = self.store.sync().jobs_waiting(PAGE_ROWS_DEFAULT).await?;
        rows.iter().map(|row| job_row(row, 0)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// Not found.
    pub async fn drain_job(&self, cx: &Cx, id: &str) -> Result<DrainJobView> {
        cx.require(Action::Look)?;
        let (row, sync) = (self.job_row(id).await?, self.store.sync());
        let at_work = self.at_work(&row).await?;
        let looks = self.looks(&at_work).await?;
        let sleeping = asleep(&at_work, &looks);
        let selection = selection_of(&row);
        let minutes = self.minutes(&row, cx.now).await?;
        let (reasons, reasons_all, reasons_failed) = self.reasons(&row).await?;
        Ok(DrainJobView {
            set: format!("S{}", row.set_id),
            hash: hash_shown(&row.hash).to_owned(),
            newer: self.newer(cx, row.set_id, &selection, Millis(row.frozen_ms)).await?,
            selection,
            dependants: Dependants::parse(&row.dependants).ok_or(Error::NotFound("job"))?,
            patch: row.patch.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            asked_by: self.person(&row.created_by).await?,
            approved_by: row.approved_by.clone(),
            approve_until: row.approve_until_ms.map(Millis),
            approvers: match row.job_state() {
                JobState::Requested => self.approvers(&row.created_by).await?,
                _ => Vec::new(),
            },
            canary: u32::try_from(row.canary).unwrap_or(0),
            rate_per_s: row.rate_per_s.and_then(|rate| u32::try_from(rate).ok()),
            stop_percent: u8::try_from(row.stop_percent).unwrap_or(100),
            undo_until: row.restore_until_ms.map(Millis),
            undoable: self.undoable(&row, cx.now).await?,
            untold: self.untold(row.id).await?,
            seconds: self.seconds(&row, &minutes).await?,
            minutes,
            released: self.released(row.set_id, Millis(row.created_ms)).await?,
            behind: Summary::read(&row.summary).behind,
            reasons_all,
            reasons_failed,
            reasons,
            running_all: at_work.len() as u64,
            forecast: forecast_of(&at_work, &looks, cx.now),
            running: self.running(&at_work, &looks).await?,
            events: sync.job_events(row.id, EVENTS_MAX).await?.into_iter().map(event).collect(),
            row: job_row(&row, sleeping)?,
        })
    }

    /// Items of a job in their order, those that a filter lets through.
    ///
    /// # Errors
    /// Not found; invalid with field `after` or `before` for a position of another list; state conflict when they have rolled to a file.
    pub async fn drain_job_items(
        &self,
        cx: &Cx,
        id: &str,
        filter: &ItemFilter,
        position: &Position,
        rows: u32,
    ) -> Result<Page<DrainItemRow>> {
        cx.require(Action::Look)?;
        let job = self.job_row(id).await?;
        let found = self.store.sync().items_page(job.set_id, filter, position, rows.clamp(1, PAGE_ROWS_MAX)).await;
        let (items, next, previous) = found.map_err(|error| crate::fleet::position_error(position, error))?;
        // Some may have gone since: a part is not shown for the whole.
        Self::rolled_refuse(&self.job_row(id).await?)?;
        let of_code = match (filter.outcome(), filter.code()) {
            (Some(outcome), Some(code)) => Some(self.store.sync().items_of_code(job.set_id, outcome, code).await?.cast_signed()),
            _ => None,
        };
        let total = of_code.unwrap_or(match filter.outcome() {
            None => job.entries,
            Some(ItemOutcome::Waiting) => job.waiting,
            Some(ItemOutcome::Sent) => job.sent,
            Some(ItemOutcome::Ok) => job.ok,
            Some(ItemOutcome::Skipped) => job.skipped,
            Some(ItemOutcome::Failed) => job.failed,
        });
        let ids: Vec<ClientId> = items.iter().filter_map(|item| self.device_of(item)).collect();
        let names = self.store.telemetry().device_names(&ids).await?;
        let rows = items.into_iter().filter_map(|item| {
            let client_id = self.device_of(&item)?;
            Some(item_row(item, names.get(&client_id).cloned().unwrap_or_default(), client_id))
        });
        let mut rows: Vec<DrainItemRow> = rows.collect();
        self.messages_redact(rows.iter_mut().filter_map(|row| row.detail.as_mut())).await?;
        Ok(Page {
            rows,
            next: next.map(|n| n.to_string()),
            previous: previous.map(|n| n.to_string()),
            total: Total::Exact(total.cast_unsigned()),
        })
    }

    fn device_of(&self, item: &ItemRow) -> Option<ClientId> {
        self.store.sync().client_id_of(tidewatch_domain::engine::ClientKey(item.client))
    }

    async fn at_work(&self, row: &JobRow) -> Result<Vec<AtWork>> {
        if row.sent == 0 {
            return Ok(Vec::new());
        }
        let devices = self.store.sync().items_devices(row.set_id).await?;
        let mut at_work: Vec<AtWork> = devices
            .into_iter()
            .map(|(client_id, entries, command, since)| AtWork { client_id, entries, command, since })
            .collect();
        at_work.sort_by_key(|device| std::cmp::Reverse(device.since));
        Ok(at_work)
    }

    async fn looks(&self, at_work: &[AtWork]) -> Result<HashMap<ClientId, DeviceLook>> {
        let mut looks = HashMap::new();
        for some in at_work.chunks(DEVICES_AT_ONCE) {
            let ids: Vec<ClientId> = some.iter().map(|device| device.client_id.clone()).collect();
            looks.extend(self.store.telemetry().devices_look(&ids).await?);
        }
        Ok(looks)
    }

    async fn running(&self, at_work: &[AtWork], looks: &HashMap<ClientId, DeviceLook>) -> Result<Vec<RunningDevice>> {
        let awake = at_work.iter().filter(|device| looks.get(&device.client_id).is_some_and(|look| !look.asleep));
        let listed: Vec<&AtWork> = awake.take(RUNNING_MAX).collect();
        let commands: Vec<&str> = listed.iter().filter_map(|device| device.command.as_deref()).collect();
        let states = self.store.sync().commands_states(&commands).await?;
        let device = |at: &&AtWork| {
            let look = looks.get(&at.client_id)?;
            let known = at.command.as_ref().and_then(|command| states.get(command));
            Some(RunningDevice {
                client_id: at.client_id.clone(),
                name: look.name.clone(),
                entries: at.entries,
                state: known.map_or(CommandState::Queued, |known| known.state),
                progress: known.and_then(|known| known.progress),
                since: known.map(|known| known.changed).or(at.since).unwrap_or(Millis(0)),
                battery: look.battery,
            })
        };
        Ok(listed.iter().filter_map(device).collect())
    }

    async fn minutes(&self, row: &JobRow, now: Millis) -> Result<Vec<(Millis, u32)>> {
        let until = row.finished_ms.unwrap_or(now.0);
        let after = (until - HOUR_MS).div_euclid(MINUTE_MS);
        let rows = self.store.sync().job_minutes(row.id, after).await?;
        Ok(rows.into_iter().map(|(minute, n)| (Millis(minute * MINUTE_MS), u32::try_from(n).unwrap_or(u32::MAX))).collect())
    }

    /// What an undo would take back, while there is time for one and nothing of it was purged.
    async fn undoable(&self, row: &JobRow, now: Millis) -> Result<Undoable> {
        let late = row.restore_until_ms.is_some_and(|until| until < now.0);
        if late || row.rolled > 0 || !row.job_state().allows(JobChange::Undo) || self.purged_since(row).await? {
            return Ok(Undoable::default());
        }
        Ok(self.store.sync().job_undoable(row).await?)
    }

    /// Whether something of a job was purged; its entries are looked at only when there was a purge since.
    async fn purged_since(&self, row: &JobRow) -> Result<bool> {
        let sync = self.store.sync();
        Ok(sync.purges_since(Millis(row.created_ms)).await? && sync.set_purged(row.set_id).await?.is_some())
    }

    /// By second: when the set is small, and it was settled within some minutes. What was taken back has another time by now.
    async fn seconds(&self, row: &JobRow, minutes: &[(Millis, u32)]) -> Result<Vec<(Millis, u32)>> {
        let span = minutes.first().zip(minutes.last()).map(|((first, _), (last, _))| last.since(*first));
        let short = span.is_some_and(|span| span <= SECONDS_SPAN_MS) && row.entries <= SECONDS_ENTRIES_MAX;
        if !short || row.job_state() == JobState::Undone {
            return Ok(Vec::new());
        }
        let rows = self.store.sync().items_seconds(row).await?;
        Ok(rows.into_iter().map(|(second, n)| (Millis(second * SECOND_MS), u32::try_from(n).unwrap_or(u32::MAX))).collect())
    }

    /// Reasons, most entries first; how many there are in all, and of those for failing.
    async fn reasons(&self, row: &JobRow) -> Result<(Vec<FailureReason>, u64, u64)> {
        if row.failed + row.skipped == 0 {
            return Ok((Vec::new(), 0, 0));
        }
        let rows = self.store.sync().items_reasons(row).await?;
        let (all, failed) = rows.first().map_or((0, 0), |row| (row.reasons.cast_unsigned(), row.reasons_failed.cast_unsigned()));
        let reason = |row: tidewatch_store::sync::drain::ReasonRow| {
            Some(FailureReason {
                outcome: ItemOutcome::of_number(row.outcome)?,
                code: row.code,
                detail: row.detail,
                wordings: row.wordings.cast_unsigned(),
                again: row.again.cast_unsigned(),
                entries: row.entries.cast_unsigned(),
                devices: row.devices.cast_unsigned(),
                last: Millis(row.last_ms),
            })
        };
        let mut reasons: Vec<FailureReason> = rows.into_iter().filter_map(reason).collect();
        self.messages_redact(reasons.iter_mut().map(|reason| &mut reason.detail)).await?;
        Ok((reasons, all, failed))
    }
}

/// Items that are under way to devices past their expected contact.
fn asleep(at_work: &[AtWork], looks: &HashMap<ClientId, DeviceLook>) -> u64 {
    let sleeping = at_work.iter().filter(|device| looks.get(&device.client_id).is_none_or(|look| look.asleep));
    sleeping.map(|device| device.entries).sum()
}

fn action_of(row: &JobRow) -> Result<DrainAction> {
    DrainAction::parse(&row.action).ok_or(Error::NotFound("job"))
}

fn job_row(row: &JobRow, asleep: u64) -> Result<DrainJobRow> {
    let count = i64::cast_unsigned;
    let asleep = asleep.min(count(row.sent));
    Ok(DrainJobRow {
        id: row.name(),
        action: action_of(row)?,
        state: row.job_state(),
        created_by: row.created_by.clone(),
        created: Millis(row.created_ms),
        finished: row.finished_ms.map(Millis),
        tally: JobTally {
            ok: count(row.ok),
            skipped: count(row.skipped),
            failed: count(row.failed),
            sent: count(row.sent) - asleep,
            asleep,
            waiting: count(row.waiting),
        },
        devices: count(row.devices),
        reason: row.reason.clone(),
        acknowledged: row.acknowledged_ms.is_some(),
        rolled: row.rolled_items(),
    })
}

fn event((at, state, actor, detail): (i64, i64, String, Option<String>)) -> JobEvent {
    JobEvent { at: Millis(at), state: JobState::of_number(state).unwrap_or(JobState::Paused), actor, detail }
}

fn item_row(item: ItemRow, device_name: String, client_id: ClientId) -> DrainItemRow {
    DrainItemRow {
        client_id,
        device_name,
        operation_id: item.operation_id,
        record: item.collection.zip(item.record_id),
        outcome: ItemOutcome::of_number(item.outcome).unwrap_or(ItemOutcome::Waiting),
        code: item.code,
        detail: item.detail,
        at: item.at_ms.map(Millis),
    }
}

/// When the sleeping devices of a job are expected.
fn forecast_of(at_work: &[AtWork], looks: &HashMap<ClientId, DeviceLook>, now: Millis) -> Forecast {
    let look = |device: &AtWork| looks.get(&device.client_id);
    let sleeping = at_work.iter().filter(|device| look(device).is_none_or(|look| look.asleep));
    let rhythms: Vec<ContactRhythm> = sleeping.map(|device| look(device).map(|look| look.rhythm).unwrap_or_default()).collect();
    forecast(&rhythms, now)
}
