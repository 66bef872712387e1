//! I-3: the log holds no operation that no device queued, and none of them twice; and of intents that stand or fall together it has
//! all or none.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_fleet_sim::checks::exactly_once;

use crate::reference::group_of;
use crate::world::Seen;

/// Names operations that nobody sent, or that are there twice, and groups of which a part is there.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = exactly_once::check(&seen.fleet());
    for device in &seen.devices {
        let own = seen.log.iter().filter(|row| row.client_id.as_ref().is_some_and(|id| id.as_str() == device.id));
        let log: BTreeSet<&str> = own.map(|row| row.operation_id.as_str()).collect();
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for intent in &device.queued {
            if let Some(group) = group_of(intent) {
                groups.entry(group).or_default().push(intent.operation_id.as_str());
            }
        }
        for (group, members) in groups {
            let there = members.iter().any(|operation| log.contains(operation));
            let answers = device.answers.iter().filter(|(operation, _)| members.contains(&operation.as_str()));
            // What comes after the horizon is refused, whether it is there or not.
            let refused = |code: &str| code != "dedupe_horizon_passed";
            let fell = answers.filter(|(_, answer)| answer.status == "rejected" && answer.code.is_some_and(refused));
            for (operation, answer) in fell.filter(|_| there) {
                faults.push(format!("{operation} of {group} was refused as {:?}, and others of {group} are there", answer.code));
            }
        }
    }
    faults
}
