//! What a device sent as one group and was refused as one is decided as one: whoever takes one of its members along for another try takes
//! all of them that are still open, and a job decides them in one step. What of the group stands or was given up already stays as it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tidewatch_domain::drain::{DrainAction, DrainOrder, ItemOutcome};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::{Fellow, JobRow, WaitingItem};
use tidewatch_store::telemetry::MemberNames;

use super::gather::Gathered;
use super::summary::action_of;
use crate::{Result, Service};

/// Groups that are looked up at once.
const GROUPS_AT_ONCE: usize = 1_000;

/// Whether an action decides intents as they were sent, so that a group is decided as one.
const fn tries_again(action: DrainAction) -> bool {
    matches!(action, DrainAction::Retry | DrainAction::Patch)
}

/// Whether a member is decided with its group: what is only held, moved or settled already is not.
fn decided(order: &DrainOrder, gathered: &Gathered) -> bool {
    let action = action_of(order, gathered.behind);
    tries_again(action) && gathered.look.letter.is_some_and(|(_, state)| state.allows(action))
}

impl Service {
    /// Whether members of a drain may belong to groups that have to be looked for.
    pub(super) async fn has_groups(&self, order: &DrainOrder) -> Result<bool> {
        Ok(tries_again(order.action) && self.store.sync().letters_grouped().await?)
    }

    /// Adds what belongs to the groups of these members, which were looked up. Answers how many of the groups are left as they are:
    /// accepted already, or drained.
    pub(super) async fn together_add(
        &self,
        order: &DrainOrder,
        members: &mut Vec<Gathered>,
        names: &mut MemberNames,
    ) -> Result<u64> {
        let groups: BTreeSet<i64> = members.iter().filter(|g| decided(order, g)).filter_map(|g| g.look.together).collect();
        let groups: Vec<i64> = groups.into_iter().collect();
        let known: HashSet<(i64, Box<str>)> =
            members.iter().filter(|g| g.look.together.is_some()).map(|g| (g.client.0, g.member.operation_id.clone())).collect();
        let mut apart = 0;
        for some in groups.chunks(GROUPS_AT_ONCE) {
            let fellows = self.store.sync().letters_together(some).await?;
            let new = |fellow: &&Fellow| !known.contains(&(fellow.client.0, fellow.operation_id.as_str().into()));
            let (open, closed): (Vec<&Fellow>, Vec<&Fellow>) =
                fellows.iter().filter(new).partition(|fellow| fellow.state.allows(order.action));
            let named = |fellow: &&Fellow| Some((self.store.sync().client_id_of(fellow.client)?, fellow.operation_id.clone()));
            let entries: Vec<(ClientId, String)> = open.iter().filter_map(named).collect();
            let found = self.store.telemetry().outbox_members_of(&entries, names).await?;
            // What the mirror does not list any more, or not yet, cannot be named.
            apart += (closed.len() + open.len()).saturating_sub(found.len()) as u64;
            let first = members.len();
            self.gather(found, false, members);
            members[first..].iter_mut().for_each(|gathered| gathered.along = true);
        }
        Ok(apart)
    }

    /// The items of a chunk with everything of their groups, each group where its first member stood.
    pub(super) async fn groups_complete(
        &self,
        row: &JobRow,
        waiting: Vec<WaitingItem>,
    ) -> Result<Vec<(WaitingItem, Option<String>)>> {
        let groups: BTreeSet<i64> = waiting.iter().filter_map(|item| item.together).collect();
        if groups.is_empty() {
            return Ok(waiting.into_iter().map(|item| (item, None)).collect());
        }
        let groups: Vec<i64> = groups.into_iter().collect();
        let mut whole: BTreeMap<i64, Vec<WaitingItem>> = BTreeMap::new();
        for item in self.store.sync().items_together(row.set_id, &groups).await? {
            whole.entry(item.together.unwrap_or_default()).or_default().push(item);
        }
        let mut items = Vec::with_capacity(waiting.len());
        for item in waiting {
            let Some(group) = item.together else {
                items.push((item, None));
                continue;
            };
            // The rest of a group has come with its first member.
            let of_group = whole.remove(&group).unwrap_or_default();
            let waits = |item: &WaitingItem| item.outcome == ItemOutcome::Waiting.number();
            let other = of_group.iter().find(|item| !waits(item));
            let words = other.map(|other| format!("`{}` of the same group is not decided by this job", other.operation_id));
            items.extend(of_group.into_iter().filter(waits).map(|item| (item, words.clone())));
        }
        Ok(items)
    }
}

/// Sorts members by device and age, those that are decided together next to each other, where the oldest of them stands.
pub(super) fn together_sort(order: &DrainOrder, members: &mut [Gathered]) {
    for gathered in members.iter_mut() {
        gathered.together = gathered.look.together.filter(|_| decided(order, gathered));
    }
    let place = |gathered: &Gathered| (gathered.member.age, gathered.member.operation_id.clone());
    let mut first: HashMap<i64, (Millis, Box<str>)> = HashMap::new();
    for gathered in members.iter() {
        if let Some(group) = gathered.together {
            let known = first.entry(group).or_insert_with(|| place(gathered));
            *known = place(gathered).min(known.clone());
        }
    }
    if first.is_empty() {
        return;
    }
    members.sort_by_cached_key(|gathered| {
        let anchor = gathered.together.and_then(|group| first.get(&group).cloned()).unwrap_or_else(|| place(gathered));
        (gathered.member.device.id, anchor, place(gathered))
    });
}
