//! The first few of a job, which go ahead of the others and show whether it does any good. What was left alone shows nothing, so that others
//! go in its place: those that were picked with the dry run, then any that wait, of devices where nothing was tried yet as far as there are.

use std::collections::HashSet;

use tidewatch_domain::drain::{ArchiveState, ItemOutcome};
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::{CHUNK_ITEMS, ChunkItem, JobRow, SystemMove, TriedUnit, WaitingItem, Way, job_action};

use super::step::{Pace, decides};
use super::summary::Summary;
use crate::{Result, Service};

/// What came of those that went ahead and were not left alone.
#[derive(Debug, Default)]
struct Tried {
    entries: usize,
    failed: usize,
    /// Some have no outcome yet.
    sent: bool,
    /// Devices that they are of, when that was asked for.
    devices: Vec<i64>,
}

impl Tried {
    fn of_outcomes(outcomes: &[ItemOutcome]) -> Self {
        let count = |wanted: ItemOutcome| outcomes.iter().filter(|outcome| **outcome == wanted).count();
        let entries = outcomes.len() - count(ItemOutcome::Skipped);
        Self { entries, failed: count(ItemOutcome::Failed), sent: outcomes.contains(&ItemOutcome::Sent), devices: Vec::new() }
    }

    fn of_units(units: &[TriedUnit]) -> Self {
        Self {
            entries: units.len(),
            failed: units.iter().filter(|unit| unit.failed).count(),
            sent: units.iter().any(|unit| unit.sent),
            devices: units.iter().map(|unit| unit.client).collect(),
        }
    }
}

impl Service {
    /// The first few go ahead; the others follow when all of them have an outcome and none has failed.
    pub(super) async fn canary_step(&self, row: &JobRow, now: Millis) -> Result<Pace> {
        let sync = self.store.sync();
        let picked = Summary::read(&row.summary).canary;
        let outcomes = sync.items_outcomes(row.set_id, &picked).await?;
        let places = &picked[..ahead(&outcomes, row.canary)];
        let waiting = sync.items_waiting_at(row.set_id, places, decides(row)).await?;
        if !waiting.is_empty() {
            let items = self.prepared(row, waiting, now).await?;
            sync.job_chunk(row.id, items, now).await?;
            return Ok(Pace::Now);
        }
        let mut tried = Tried::of_outcomes(&outcomes[..places.len()]);
        if (tried.entries as i64) < row.canary {
            tried = self.tried(row).await?;
        }
        if (tried.entries as i64) < row.canary && tried.failed == 0 && row.waiting > 0 {
            let items = self.further(row, &tried, now).await?;
            sync.job_chunk(row.id, items, now).await?;
            return Ok(Pace::Now);
        }
        let moved = if tried.failed > 0 {
            SystemMove::Pause(format!("{} of the first {} failed{}", tried.failed, tried.entries, left_words(row)))
        } else if !tried.sent {
            SystemMove::CanaryDone(through_words(&tried, row))
        } else if row.canary_until_ms.is_some_and(|until| until < now.0) {
            SystemMove::Pause("the first few have no outcome after 15 minutes".to_owned())
        } else {
            return Ok(Pace::Idle);
        };
        sync.job_moved(row.id, moved, now).await?;
        Ok(Pace::Now)
    }

    /// All that went ahead, wherever it stands in the set: until the canary is through, nothing else is begun.
    async fn tried(&self, row: &JobRow) -> Result<Tried> {
        if row.ok + row.failed + row.sent == 0 {
            return Ok(Tried::default());
        }
        Ok(Tried::of_units(&self.store.sync().items_tried(row.set_id).await?))
    }

    /// The next that go ahead, with what is seen beforehand to be left alone among them.
    async fn further(&self, row: &JobRow, tried: &Tried, now: Millis) -> Result<Vec<ChunkItem>> {
        let sync = self.store.sync();
        let mut waiting = sync.items_waiting_elsewhere(row.set_id, &tried.devices, CHUNK_ITEMS, decides(row)).await?;
        let one_each = !waiting.is_empty();
        if !one_each {
            waiting = sync.items_waiting(row.set_id, 0, CHUNK_ITEMS, decides(row)).await?;
        }
        let left = waiting.iter().filter(|item| is_left(row, item)).map(|item| item.n).collect();
        let most = usize::try_from(row.canary).unwrap_or(0).saturating_sub(tried.entries);
        Ok(picked_of(&self.prepared(row, waiting, now).await?, &left, most, one_each))
    }
}

/// Whether the state of an item allows nothing of what is to be done with it.
fn is_left(row: &JobRow, item: &WaitingItem) -> bool {
    match item.state.and_then(ArchiveState::of_number) {
        Some(state) => !state.allows(job_action(row, item.behind)),
        None => false,
    }
}

/// Of prepared items those that go ahead next: so many that will show something at most, and what is left alone before the last of them.
fn picked_of(items: &[ChunkItem], left: &HashSet<i64>, most: usize, one_each: bool) -> Vec<ChunkItem> {
    let (mut picked, mut shown, mut devices) = (Vec::new(), 0, HashSet::new());
    for unit in items.chunk_by(|one, next| one.together.is_some() && one.together == next.together) {
        let alone = |item: &ChunkItem| matches!(item.way, Way::NotMeant(_) | Way::Apart(_)) || left.contains(&item.n);
        if !unit.iter().any(alone) {
            if shown == most {
                break;
            }
            if !devices.insert(unit[0].client) && one_each {
                continue;
            }
            shown += 1;
        }
        picked.extend_from_slice(unit);
    }
    picked
}

/// How many of the places that may go ahead do: so many that are not left alone.
fn ahead(outcomes: &[ItemOutcome], canary: i64) -> usize {
    let mut tried = 0;
    let enough = |outcome: &ItemOutcome| {
        tried += i64::from(*outcome != ItemOutcome::Skipped);
        tried > canary
    };
    outcomes.iter().position(enough).unwrap_or(outcomes.len())
}

fn through_words(tried: &Tried, row: &JobRow) -> String {
    match tried.entries {
        0 => format!("all {} were left alone, so nothing was tried", row.skipped),
        1 => format!("the first is through{}", left_words(row)),
        n => format!("the first {n} are through{}", left_words(row)),
    }
}

fn left_words(row: &JobRow) -> String {
    match row.skipped {
        0 => String::new(),
        1 => "; 1 before them was left alone".to_owned(),
        n => format!("; {n} before them were left alone"),
    }
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::drain::DrainAction;
    use tidewatch_domain::engine::ClientKey;
    use tidewatch_domain::ids::ClientId;

    use super::*;

    #[test]
    fn in_the_place_of_one_that_was_left_alone_goes_another() {
        use ItemOutcome::{Ok, Skipped, Waiting};
        assert_eq!(ahead(&[Waiting; 5], 2), 2);
        assert_eq!(ahead(&[Skipped, Ok, Skipped, Waiting, Waiting], 2), 4);
        assert_eq!(ahead(&[Skipped; 5], 2), 5, "there are no more");
        assert_eq!(ahead(&[Waiting], 2), 1);
    }

    fn item(n: i64, device: i64, way: Way, together: Option<i64>) -> ChunkItem {
        let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{device:012}")).expect("an id");
        let action = DrainAction::Patch;
        ChunkItem { n, client: ClientKey(device), client_id, operation_id: format!("op-{n}"), action, together, way }
    }

    #[test]
    fn what_goes_ahead_next_is_of_devices_of_their_own_and_ends_with_the_last_that_shows_something() {
        let not_meant = || Way::NotMeant("no".to_owned());
        let items = [
            item(1, 1, not_meant(), None),
            item(2, 1, Way::Move, None),
            item(3, 1, Way::Move, None),
            item(4, 2, Way::Move, Some(7)),
            item(5, 2, not_meant(), Some(7)),
            item(6, 2, Way::Move, None),
            item(7, 3, Way::Move, None),
            item(8, 3, not_meant(), None),
            item(9, 4, Way::Move, None),
        ];
        let places = |most, one_each| -> Vec<i64> {
            picked_of(&items, &HashSet::from([6]), most, one_each).iter().map(|item| item.n).collect()
        };
        assert_eq!(places(2, true), [1, 2, 4, 5, 6, 7, 8], "a group of which a part is not meant is left alone whole");
        assert_eq!(places(2, false), [1, 2, 3, 4, 5, 6], "a device has several when there are no others");
        assert_eq!(places(9, true), [1, 2, 4, 5, 6, 7, 8, 9], "there are no more");
    }
}
