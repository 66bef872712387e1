//! From the entries of a selection to the members of a set: what waits behind them, in which order, what is known of each here.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};
use tidewatch_domain::drain::{Dependants, SET_ENTRIES_MAX};
use tidewatch_domain::engine::ClientKey;
use tidewatch_store::sync::drain::{MemberLook, SetMember};
use tidewatch_store::telemetry::{Behind, Member};

use crate::{Error, Result, Service};

/// Devices whose waiting entries are read at once.
const DEVICES_AT_ONCE: usize = 500;
/// Members that are looked up at once.
const LOOKS_AT_ONCE: usize = 5_000;

/// A member with what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) member: Member,
    pub(super) client: ClientKey,
    pub(super) behind: bool,
    pub(super) look: MemberLook,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// By device, then by age: what belongs together is told together, and what depends on something comes after it.
    pub(super) members: Vec<Gathered>,
    /// Entries that wait behind them and are not among them.
    pub(super) behind: u64,
}

impl Gathering {
    /// Members as the store writes them.
    pub(super) fn rows(&self) -> Vec<SetMember> {
        let row = |gathered: &Gathered| SetMember {
            client: gathered.client,
            operation_id: gathered.member.operation_id.clone(),
            letter: gathered.look.letter.map(|(id, _)| id),
            behind: gathered.behind,
        };
        self.members.iter().map(row).collect()
    }

    /// SHA-256 over the sorted `client_id "\0" operation_id "\n"`, hex.
    pub(super) fn hash(&self) -> String {
        let mut lines: Vec<(&str, &str)> =
            self.members.iter().map(|g| (g.member.client_id.as_str(), g.member.operation_id.as_str())).collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new();
        for (client, operation) in lines {
            hasher.update(client);
            hasher.update([0]);
            hasher.update(operation);
            hasher.update(b"\n");
        }
        hex::encode(hasher.finalize())
    }

    pub(super) fn devices(&self) -> u64 {
        self.members.chunk_by(|one, next| one.client == next.client).count() as u64
    }
}

impl Service {
    pub(super) async fn gathered(&self, selected: Vec<Member>, dependants: Dependants) -> Result<Gathering> {
        let behind = self.behind(&selected).await?;
        let mut all: Vec<(Member, bool)> = selected.into_iter().map(|member| (member, false)).collect();
        let mut left = 0;
        match dependants {
            Dependants::TakeAlong | Dependants::Hold => all.extend(behind.into_iter().map(|member| (member, true))),
            Dependants::Cut => left = behind.len() as u64,
        }
        if all.len() as u64 > SET_ENTRIES_MAX {
            let detail = format!("{} entries with those behind them, {SET_ENTRIES_MAX} at most; narrow the filter", all.len());
            return Err(Error::Invalid { field: "selection", detail });
        }
        all.sort_by(|(one, _), (other, _)| {
            let key = |member: &Member| (member.device, member.age);
            key(one).cmp(&key(other)).then_with(|| one.operation_id.cmp(&other.operation_id))
        });
        all.dedup_by(|(next, _), (one, _)| next.device == one.device && next.operation_id == one.operation_id);
        let mut gathering = Gathering { members: Vec::with_capacity(all.len()), behind: left };
        let mut all = all.into_iter();
        loop {
            let stretch: Vec<(Member, bool)> = all.by_ref().take(LOOKS_AT_ONCE).collect();
            if stretch.is_empty() {
                return Ok(gathering);
            }
            self.looked(stretch, &mut gathering.members).await?;
        }
    }

    async fn looked(&self, stretch: Vec<(Member, bool)>, into: &mut Vec<Gathered>) -> Result<()> {
        let sync = self.store.sync();
        let known: Vec<(Member, bool, ClientKey)> = stretch
            .into_iter()
            // A device that the log does not know can be told nothing and has nothing here.
            .filter_map(|(member, behind)| sync.key_of(&member.client_id).map(|client| (member, behind, client)))
            .collect();
        let wanted: Vec<(ClientKey, &str)> =
            known.iter().map(|(member, _, client)| (*client, member.operation_id.as_str())).collect();
        let looks = sync.members_look(&wanted).await?;
        into.extend(known.into_iter().zip(looks).map(|((member, behind, client), look)| Gathered {
            member,
            client,
            behind,
            look,
        }));
        Ok(())
    }

    /// Everything that waits behind the selected entries, directly or behind another that does.
    async fn behind(&self, selected: &[Member]) -> Result<Vec<Member>> {
        let mut by_device: HashMap<i64, Vec<&Member>> = HashMap::new();
        for member in selected {
            by_device.entry(member.device).or_default().push(member);
        }
        let mut devices: Vec<i64> = by_device.keys().copied().collect();
        devices.sort_unstable();
        let mut found = Vec::new();
        for some in devices.chunks(DEVICES_AT_ONCE) {
            let waiting = self.store.telemetry().outbox_waiting(some).await?;
            for of_device in waiting.chunk_by(|one, next| one.member.device == next.member.device) {
                let Some(members) = of_device.first().and_then(|first| by_device.get(&first.member.device)) else { continue };
                found.extend(behind_of(members, of_device));
            }
        }
        Ok(found)
    }
}

/// Of what waits on a device, oldest first: everything behind these, directly or behind another that is.
fn behind_of(members: &[&Member], waiting: &[Behind]) -> Vec<Member> {
    let mut operations: HashSet<&str> = members.iter().map(|member| member.operation_id.as_str()).collect();
    let mut records: HashMap<(&str, &str), i64> = HashMap::new();
    for member in members {
        let oldest = records.entry((&member.collection, &member.record_id)).or_insert(i64::MAX);
        *oldest = (*oldest).min(member.age.0);
    }
    let mut found = Vec::new();
    loop {
        let before = operations.len();
        for entry in waiting {
            let member = &entry.member;
            if operations.contains(member.operation_id.as_str()) {
                continue;
            }
            let record = (member.collection.as_str(), member.record_id.as_str());
            let of_record = records.get(&record).is_some_and(|oldest| *oldest <= member.age.0);
            if of_record || entry.depends_on.iter().any(|operation| operations.contains(operation.as_str())) {
                operations.insert(&member.operation_id);
                let oldest = records.entry(record).or_insert(i64::MAX);
                *oldest = (*oldest).min(member.age.0);
                found.push(member.clone());
            }
        }
        // What names an operation may be listed before it, when the clock of the device was set back.
        if operations.len() == before {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::ids::ClientId;
    use tidewatch_domain::report::EntryState;
    use tidewatch_domain::time::Millis;

    use super::*;

    fn member(operation: &str, record: &str, age: i64) -> Member {
        Member {
            client_id: ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id"),
            device: 1,
            device_name: "Ward 3".into(),
            asleep: false,
            operation_id: operation.into(),
            state: EntryState::Waiting,
            age: Millis(age),
            collection: "orders".into(),
            record_id: record.into(),
            signature: None,
        }
    }

    fn behind(operation: &str, record: &str, age: i64, depends_on: &[&str]) -> Behind {
        Behind { member: member(operation, record, age), depends_on: depends_on.iter().map(|&text| text.to_owned()).collect() }
    }

    fn found(waiting: &[Behind]) -> Vec<String> {
        let chosen = member("op-1", "r-1", 10);
        behind_of(&[&chosen], waiting).into_iter().map(|member| member.operation_id).collect()
    }

    #[test]
    fn what_is_later_on_the_same_record_waits_behind_it() {
        assert_eq!(
            found(&[behind("op-0", "r-1", 9, &[]), behind("op-2", "r-1", 10, &[]), behind("op-3", "r-2", 11, &[])]),
            ["op-2"]
        );
    }

    #[test]
    fn what_names_it_waits_behind_it_and_so_does_what_waits_behind_that() {
        let waiting = [
            behind("op-4", "r-4", 5, &["op-3"]),
            behind("op-2", "r-2", 11, &["op-1"]),
            behind("op-3", "r-2", 12, &[]),
            behind("op-9", "r-9", 12, &["op-8"]),
        ];
        assert_eq!(found(&waiting), ["op-2", "op-3", "op-4"], "op-4 is listed before what it names");
    }
}
