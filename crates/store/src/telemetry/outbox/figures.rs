//! What the fleet still has to send, counted behind the pages: counters that are counted cannot drift from what they count.
//!
//! Figures that somebody looks at are counted anew behind the pages once something was written, after a pause ten times as long
//! as the count took: at a million entries that is a part of a second, and then never more than a tenth of one reader. A page
//! waits for a count only when nobody has looked for a while.

use std::sync::Arc;
use std::time::Instant;

use tidewatch_domain::fleet::{CollectionTally, FailureGroup, GROUP_HOURS, OutboxFigures, StateTally};
use tidewatch_domain::redact::failure_redact;
use tidewatch_domain::report::{EntryState, STATES, STATES_REPORTED};
use tidewatch_domain::signature::signature_id;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis, SECOND_MS};

use super::super::Telemetry;
use crate::Result;

/// Groups that are told apart; more are only counted.
const GROUPS_MAX: i64 = 50;
/// Collections that are listed.
const COLLECTIONS_MAX: usize = 100;
/// A count that took so long is made again after ten times as long.
const PAUSE_FACTOR: i64 = 10;
/// Figures are given out for so long, or twice their pause, while the next are counted.
const FRESH_MS: i64 = 6 * SECOND_MS;
/// Figures that were asked for in this time are counted anew.
const WATCHED_MS: i64 = MINUTE_MS;

/// A statement over the signatures that there are, up to so many: one step in the index for each.
macro_rules! of_groups {
    ($most:literal, $rest:literal) => {
        concat!(
            "with recursive groups (signature) as (
                select min(signature) from outbox indexed by outbox_failed where state <= 1 and signature is not null
                union all
                select (
                    select min(o.signature) from outbox o indexed by outbox_failed
                    where o.state <= 1 and o.signature is not null and o.signature > groups.signature)
                from groups where groups.signature is not null limit ",
            $most,
            ") ",
            $rest
        )
    };
}

const GROUPS_COUNT: &str = r"
    select count(distinct signature) from outbox indexed by outbox_failed where state <= 1 and signature is not null";

/// Figures that were counted.
#[derive(Debug)]
pub(in super::super) struct KeptFigures {
    figures: Arc<OutboxFigures>,
    /// Commits of the telemetry writer they know of.
    commits: u64,
    /// Not counted again before.
    pause_ms: i64,
    /// When somebody last asked for them.
    asked: Millis,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    signature: String,
    entries: i64,
    poisoned: i64,
    devices: i64,
    since: i64,
    newest: i64,
    last_hour: i64,
}

impl Telemetry {
    /// What the fleet still has to send, as of a moment ago. Notes that it is looked at.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_figures(&self, now: Millis) -> Result<Arc<OutboxFigures>> {
        // One count at a time; whoever comes meanwhile waits for it and shares it.
        let mut kept = self.snapshots.outbox.lock().await;
        let commits = *self.shared.commits.borrow();
        if let Some(known) = kept.as_mut() {
            known.asked = now;
            let age = now.since(known.figures.as_of).abs();
            if age < FRESH_MS.max(2 * known.pause_ms) || known.commits == commits && age < HOUR_MS {
                return Ok(Arc::clone(&known.figures));
            }
        }
        let made = self.outbox_keep(now, now).await?;
        let figures = Arc::clone(&made.figures);
        *kept = Some(made);
        Ok(figures)
    }

    /// Counts anew what somebody looks at, when something was written since. Called about once a second.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_figures_renew(&self, now: Millis) -> Result<()> {
        let due = |known: &KeptFigures| {
            let watched = now.since(known.asked) < WATCHED_MS;
            let news = known.commits != *self.shared.commits.borrow();
            (watched && news && now.since(known.figures.as_of) >= known.pause_ms).then_some(known.asked)
        };
        let Some(asked) = self.snapshots.outbox.lock().await.as_ref().and_then(due) else { return Ok(()) };
        // Without the lock: pages go on with the figures before.
        let made = self.outbox_keep(now, asked).await?;
        *self.snapshots.outbox.lock().await = Some(made);
        self.renewed.send_modify(|renewals| *renewals += 1);
        Ok(())
    }

    /// Groups with poisoned entries, up to a hundred: what a person has to look at. One step in the index for each group, so that
    /// every page can ask.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_groups_act(&self) -> Result<u64> {
        const TEXT: &str = of_groups!(
            400,
            "select count(*) from (
                select 1 from groups where signature is not null and exists (
                    select 1 from outbox o indexed by outbox_failed
                    where o.state <= 1 and o.signature = groups.signature and o.state = 0) limit 100)"
        );
        let count: i64 = sqlx::query_scalar(TEXT).fetch_one(&self.database.readers).await?;
        Ok(count.cast_unsigned())
    }

    /// The group of failures with this id, counted now; `None` when no entry fails in that way. For the ones that [`OutboxFigures`] has no
    /// place for: they are told apart by a step in the index for each group before, up to ten thousand.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_group(&self, id: &str, now: Millis) -> Result<Option<FailureGroup>> {
        const SIGNATURES: &str = of_groups!(10_000, "select signature from groups where signature is not null");
        let signatures: Vec<String> = sqlx::query_scalar(SIGNATURES).fetch_all(&self.database.readers).await?;
        let Some(signature) = signatures.into_iter().find(|signature| signature_id(signature) == id) else { return Ok(None) };
        let groups = self.failure_groups(Some(&signature), now).await?;
        Ok(groups.into_iter().next())
    }

    async fn outbox_keep(&self, now: Millis, asked: Millis) -> Result<KeptFigures> {
        let commits = *self.shared.commits.borrow();
        let started = Instant::now();
        let figures = Arc::new(self.outbox_count(now).await?);
        let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX / PAUSE_FACTOR);
        Ok(KeptFigures { figures, commits, pause_ms: (took * PAUSE_FACTOR).max(SECOND_MS), asked })
    }

    async fn outbox_count(&self, now: Millis) -> Result<OutboxFigures> {
        const DEPTH: &str = r"
            select coalesce(sum(queue_depth), 0), count(*), count(*) filter (where contact in (0, 1)) from devices where queue_depth > 0";
        let (depth, devices, asleep): (i64, i64, i64) = sqlx::query_as(DEPTH).fetch_one(&self.database.readers).await?;
        let (mirrored, states) = self.state_tallies().await?;
        let groups_all: i64 = sqlx::query_scalar(GROUPS_COUNT).fetch_one(&self.database.readers).await?;
        Ok(OutboxFigures {
            as_of: now,
            depth: depth.cast_unsigned(),
            devices: devices.cast_unsigned(),
            asleep: asleep.cast_unsigned(),
            mirrored,
            states,
            groups: self.failure_groups(None, now).await?,
            groups_all: groups_all.cast_unsigned(),
            collections: self.collection_tallies().await?,
        })
    }

    /// All entries, and how many there are in each state: two counts over two indexes of one snapshot, so that a page can show that they agree.
    async fn state_tallies(&self) -> Result<(u64, [StateTally; STATES])> {
        const ALL: &str = "select count(*) from outbox indexed by outbox_by_state";
        const TEXT: &str = "select state, count(*), min(sort_age) from outbox indexed by outbox_worst group by state";
        let mut snapshot = self.database.readers.begin().await?;
        let all: i64 = sqlx::query_scalar(ALL).fetch_one(&mut *snapshot).await?;
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(TEXT).fetch_all(&mut *snapshot).await?;
        snapshot.rollback().await?;
        let mut tallies = EntryState::ALL.map(|state| StateTally { state, entries: 0, oldest: None });
        for (state, entries, oldest) in rows {
            let tally = &mut tallies[usize::try_from(state).expect("a checked column")];
            (tally.entries, tally.oldest) = (entries.cast_unsigned(), Some(Millis(oldest)));
        }
        Ok((all.cast_unsigned(), tallies))
    }

    async fn collection_tallies(&self) -> Result<Vec<CollectionTally>> {
        const TEXT: &str = r"
            select collection, state, count(*), min(sort_age) from outbox indexed by outbox_by_collection group by collection, state";
        const DEVICES: &str = r"
            select collection, count(distinct device) from outbox indexed by outbox_by_collection group by collection";
        let readers = &self.database.readers;
        let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(TEXT).fetch_all(readers).await?;
        let mut tallies: Vec<CollectionTally> = Vec::new();
        for (collection, state, entries, oldest) in rows {
            if tallies.last().is_none_or(|last| last.collection != collection) {
                tallies.push(CollectionTally { collection, states: [0; STATES], devices: 0, oldest: None });
            }
            let tally = tallies.last_mut().expect("pushed just now");
            let state = usize::try_from(state).expect("a checked column");
            tally.states[state] = entries.cast_unsigned();
            if state < STATES_REPORTED {
                tally.oldest = Some(tally.oldest.map_or(Millis(oldest), |known| known.min(Millis(oldest))));
            }
        }
        // In the same order as above: both are grouped by the same column.
        let devices: Vec<(String, i64)> = sqlx::query_as(DEVICES).fetch_all(readers).await?;
        for (tally, (_, count)) in tallies.iter_mut().zip(devices.iter()) {
            tally.devices = count.cast_unsigned();
        }
        tallies.sort_by_key(|tally| std::cmp::Reverse(tally.entries()));
        tallies.truncate(COLLECTIONS_MAX);
        Ok(tallies)
    }

    /// Groups of failures, what needs a person first; or the one of a signature.
    async fn failure_groups(&self, signature: Option<&str>, now: Millis) -> Result<Vec<FailureGroup>> {
        const GROUPS: &str = r"
            select signature, count(*) as entries, sum(state = 0) as poisoned, count(distinct device) as devices,
                   min(failed_ms) as since, max(failed_ms) as newest,
                   sum(failed_ms >= ?1) as last_hour
            from outbox indexed by outbox_failed where state <= 1 and signature is not null
            group by signature order by sum(state = 0) > 0 desc, devices desc, entries desc, signature limit ?2";
        const GROUP: &str = r"
            select signature, count(*) as entries, sum(state = 0) as poisoned, count(distinct device) as devices,
                   min(failed_ms) as since, max(failed_ms) as newest,
                   sum(failed_ms >= ?1) as last_hour
            from outbox indexed by outbox_failed where state <= 1 and signature = ?2 group by signature";
        let readers = &self.database.readers;
        let asked = sqlx::query_as(if signature.is_some() { GROUP } else { GROUPS }).bind(now.0 - HOUR_MS);
        let asked = match signature {
            Some(signature) => asked.bind(signature.to_owned()),
            None => asked.bind(GROUPS_MAX),
        };
        let rows: Vec<GroupRow> = asked.fetch_all(readers).await?;
        let from = now.0 - GROUP_HOURS as i64 * HOUR_MS;
        let mut groups = Vec::with_capacity(rows.len());
        for row in rows {
            let hours = self.group_hours(&row.signature, from).await?;
            groups.push(FailureGroup { hours, ..self.failure_group(row).await? });
        }
        Ok(groups)
    }

    /// Entries of a group by the hour since an instant. A group at a time: what is grouped by an expression is sorted first, in memory, and
    /// all groups of a million entries at once were a hundred megabytes.
    async fn group_hours(&self, signature: &str, from: i64) -> Result<[u32; GROUP_HOURS]> {
        const TEXT: &str = r"
            select (failed_ms - ?1) / 3600000 as hour, count(*)
            from outbox indexed by outbox_failed
            where state <= 1 and signature = ?2 and failed_ms > ?1
            group by hour";
        let rows: Vec<(i64, i64)> = sqlx::query_as(TEXT).bind(from).bind(signature).fetch_all(&self.database.readers).await?;
        let mut hours = [0; GROUP_HOURS];
        for (hour, count) in rows {
            hours[usize::try_from(hour).unwrap_or(0).min(GROUP_HOURS - 1)] += u32::try_from(count).unwrap_or(u32::MAX);
        }
        Ok(hours)
    }

    async fn failure_group(&self, row: GroupRow) -> Result<FailureGroup> {
        const SAMPLE: &str = r"
            select error_code, error_status, collection, error_message from outbox indexed by outbox_failed
            where state <= 1 and signature = ?1 limit 1";
        const WAITING: &str = r"
            select coalesce(sum(waiting), 0) from devices
            where id in (select device from outbox indexed by outbox_failed where state <= 1 and signature = ?1)";
        const VERSIONS: &str = r"
            select app_version, count(*) as n from devices
            where id in (select device from outbox indexed by outbox_failed where state <= 1 and signature = ?1) and app_version is not null
            group by app_version order by n desc, app_version desc limit 3";
        type Sample = (Option<String>, Option<i64>, String, Option<String>);
        let readers = &self.database.readers;
        let sample: Option<Sample> = sqlx::query_as(SAMPLE).bind(&row.signature).fetch_optional(readers).await?;
        let (code, status, collection, message) = sample.unwrap_or_default();
        let waiting: i64 = sqlx::query_scalar(WAITING).bind(&row.signature).fetch_one(readers).await?;
        let versions: Vec<(String, i64)> = sqlx::query_as(VERSIONS).bind(&row.signature).fetch_all(readers).await?;
        Ok(FailureGroup {
            id: signature_id(&row.signature),
            signature: row.signature,
            code: code.unwrap_or_default(),
            status,
            collection,
            // Of a group it is the words that count; the values that one entry quotes are its own.
            message: message.map(|message| failure_redact(&message, None)),
            entries: row.entries.cast_unsigned(),
            poisoned: row.poisoned.cast_unsigned(),
            devices: row.devices.cast_unsigned(),
            waiting: waiting.cast_unsigned(),
            since: Millis(row.since),
            newest: Millis(row.newest),
            last_hour: row.last_hour.cast_unsigned(),
            hours: [0; GROUP_HOURS],
            versions: versions.into_iter().map(|(version, n)| (version, n.cast_unsigned())).collect(),
        })
    }
}
