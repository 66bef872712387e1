//! From the entries of a selection to the members of a set: what waits behind them, in which order, what is known of each here.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};
use tidewatch_domain::drain::{Dependants, DrainOrder};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::{BEHIND_MAX, MemberLook, SetMember};
use tidewatch_store::telemetry::{Behind, Member, MemberNames};

use super::selection::fits;
use super::together::together_sort;
use crate::{Cx, Result, Service};

/// Devices whose waiting entries are read at once.
const DEVICES_AT_ONCE: usize = 500;
/// Members that are looked up at once.
const LOOKS_AT_ONCE: usize = 5_000;

/// A member with what is known of it. What is selected is held as these from its first reading on: a second list of two hundred thousand
/// would be memory that only freezing needs.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub(super) member: Member,
    pub(super) client: ClientKey,
    pub(super) behind: bool,
    /// It was not selected, and belongs to the group of one that was.
    pub(super) along: bool,
    /// The group that it is decided with.
    pub(super) together: Option<i64>,
    pub(super) look: MemberLook,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// By device, then by age: what belongs together is told together, and what depends on something comes after it.
    pub(super) members: Vec<Gathered>,
    /// Entries that wait behind them and are not among them.
    pub(super) behind: u64,
    /// Of those, refused because of what they wait for: they go out only when they are retried.
    pub(super) behind_refused: u64,
    /// Of those, the oldest by name: what the log says of them is told on the page of the job.
    pub(super) let_go: Vec<(ClientKey, String)>,
    /// Of the groups that members belong to, what is left as it is: accepted already, or drained.
    pub(super) apart: u64,
}

impl Gathering {
    /// Members as the store writes them.
    pub(super) fn rows(&self) -> impl Iterator<Item = SetMember> + Send {
        let row = |gathered: &Gathered| SetMember {
            client: gathered.client,
            operation_id: gathered.member.operation_id.to_string(),
            letter: gathered.look.letter.map(|(id, _)| id),
            behind: gathered.behind,
            together: gathered.together,
            along: gathered.along,
        };
        self.members.iter().map(row)
    }

    /// SHA-256 over the sorted `client_id "\0" operation_id "\n"`, hex. The members of a device stand together, so they are sorted device
    /// by device.
    pub(super) fn hash(&self) -> String {
        let mut of_devices: Vec<&[Gathered]> = self.members.chunk_by(|one, next| one.client == next.client).collect();
        of_devices.sort_unstable_by(|one, other| one[0].member.device.client_id.cmp(&other[0].member.device.client_id));
        let mut hasher = Sha256::new();
        for of_device in of_devices {
            let mut operations: Vec<&str> = of_device.iter().map(|g| &*g.member.operation_id).collect();
            operations.sort_unstable();
            for operation in operations {
                hasher.update(of_device[0].member.device.client_id.as_str());
                hasher.update([0]);
                hasher.update(operation);
                hasher.update(b"\n");
            }
        }
        hex::encode(hasher.finalize())
    }

    pub(super) fn devices(&self) -> u64 {
        self.members.chunk_by(|one, next| one.client == next.client).count() as u64
    }
}

/// Where a member stands in a set.
fn place(member: &Member) -> (i64, Millis, &str) {
    (member.device.id, member.age, &member.operation_id)
}

impl Service {
    pub(super) async fn gathered(
        &self,
        cx: &Cx,
        mut members: Vec<Gathered>,
        order: &DrainOrder,
        names: &mut MemberNames,
    ) -> Result<Gathering> {
        if order.dependants == Dependants::Cut {
            // What is selected as waiting behind others, since it failed as that, is let go like what waits there now.
            members.retain(|gathered| !gathered.behind);
        }
        let grouped = self.has_groups(order).await?;
        let (mut left, mut refused, mut apart, mut let_go) = (0, 0, 0, Vec::new());
        loop {
            if grouped {
                self.looked_up(&mut members).await?;
                apart = self.together_add(order, &mut members, names).await?;
            }
            members.sort_unstable_by(|one, other| place(&one.member).cmp(&place(&other.member)));
            let mut behind = self.behind(&members, names).await?;
            if order.dependants == Dependants::Cut {
                left = behind.len() as u64;
                refused = behind.iter().filter(|member| member.state == EntryState::Poisoned).count() as u64;
                let_go = self.oldest(std::mem::take(&mut behind));
            }
            fits(cx, members.len() + behind.len())?;
            // What is taken along from behind may belong to groups of its own.
            let more = grouped && order.dependants == Dependants::TakeAlong && !behind.is_empty();
            if !behind.is_empty() {
                self.gather(behind, true, &mut members);
                // Of what is there twice, what was selected stays first. Such a sort takes room of its own.
                members.sort_by(|one, other| place(&one.member).cmp(&place(&other.member)));
            }
            members.dedup_by(|next, one| next.client == one.client && next.member.operation_id == one.member.operation_id);
            if !more {
                break;
            }
        }
        self.looked_up(&mut members).await?;
        if grouped {
            together_sort(order, &mut members);
        }
        Ok(Gathering { members, behind: left, behind_refused: refused, let_go, apart })
    }

    /// Adds what the archive and the open jobs know of members.
    pub(super) async fn looked_up(&self, members: &mut [Gathered]) -> Result<()> {
        for stretch in members.chunks_mut(LOOKS_AT_ONCE) {
            let wanted: Vec<(ClientKey, &str)> = stretch.iter().map(|g| (g.client, &*g.member.operation_id)).collect();
            let looks = self.store.sync().members_look(&wanted).await?;
            for (gathered, look) in stretch.iter_mut().zip(looks) {
                gathered.look = look;
            }
        }
        Ok(())
    }

    /// The oldest of these by name, as many as are followed.
    fn oldest(&self, mut behind: Vec<Member>) -> Vec<(ClientKey, String)> {
        behind.sort_by_key(|member| member.age);
        behind.truncate(BEHIND_MAX);
        let mut gathered = Vec::with_capacity(behind.len());
        self.gather(behind, true, &mut gathered);
        gathered.into_iter().map(|g| (g.client, g.member.operation_id.into_string())).collect()
    }

    /// Adds members with the short names of their devices. A device that the log does not know can be told nothing and has nothing here.
    pub(super) fn gather(&self, members: Vec<Member>, behind: bool, into: &mut Vec<Gathered>) {
        let mut last: Option<(i64, Option<ClientKey>)> = None;
        for member in members {
            let client = match last {
                Some((device, client)) if device == member.device.id => client,
                _ => self.store.sync().key_of(&member.device.client_id),
            };
            last = Some((member.device.id, client));
            if let Some(client) = client {
                into.push(Gathered { member, client, behind, along: false, together: None, look: MemberLook::default() });
            }
        }
    }

    /// Everything that waits behind the selected entries, directly or behind another that does. They are sorted by device.
    async fn behind(&self, selected: &[Gathered], names: &mut MemberNames) -> Result<Vec<Member>> {
        let devices = selected.chunk_by(|one, next| one.client == next.client).map(|of| of[0].member.device.id);
        let devices: Vec<i64> = devices.collect();
        let mut found = Vec::new();
        for some in devices.chunks(DEVICES_AT_ONCE) {
            let waiting = self.store.telemetry().outbox_waiting(some, names).await?;
            for of_device in waiting.chunk_by(|one, next| one.member.device.id == next.member.device.id) {
                let device = of_device[0].member.device.id;
                let from = selected.partition_point(|g| g.member.device.id < device);
                let to = selected.partition_point(|g| g.member.device.id <= device);
                let members: Vec<&Member> = selected[from..to].iter().map(|g| &g.member).collect();
                found.extend(behind_of(&members, of_device));
            }
        }
        Ok(found)
    }
}

/// Of what waits on a device, oldest first: everything behind these, directly or behind another that is.
fn behind_of(members: &[&Member], waiting: &[Behind]) -> Vec<Member> {
    let mut operations: HashSet<&str> = members.iter().map(|member| &*member.operation_id).collect();
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
            if operations.contains(&*member.operation_id) {
                continue;
            }
            let record = (&*member.collection, &*member.record_id);
            // What was refused because of another does not wait for what is before it on its record.
            let waits = member.state == EntryState::Waiting;
            let of_record = waits && records.get(&record).is_some_and(|oldest| *oldest <= member.age.0);
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
    use tidewatch_store::telemetry::MemberDevice;

    use super::*;

    fn member(operation: &str, record: &str, age: i64) -> Member {
        let client_id = ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id");
        Member {
            device: MemberDevice { id: 1, client_id, name: "Ward 3".into(), asleep: false }.into(),
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
        behind_of(&[&chosen], waiting).into_iter().map(|member| member.operation_id.into_string()).collect()
    }

    #[test]
    fn a_hash_is_over_the_sorted_lines_in_whatever_order_the_members_stand() {
        let gathered = |device: i64, id: u64, operation: &str| {
            let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{id:012}")).expect("an id");
            let device_of = MemberDevice { id: device, client_id, name: String::new(), asleep: false };
            let member = Member { device: device_of.into(), ..member(operation, "r-1", 1) };
            let look = MemberLook::default();
            Gathered { member, client: ClientKey(device), behind: false, along: false, together: None, look }
        };
        let members = vec![gathered(1, 9, "op-2"), gathered(1, 9, "op-10"), gathered(2, 4, "op-3"), gathered(3, 7, "op-1")];
        let mut lines: Vec<String> =
            members.iter().map(|g| format!("{}\0{}\n", g.member.device.client_id, g.member.operation_id)).collect();
        lines.sort_unstable();
        let expected = hex::encode(Sha256::digest(lines.concat()));
        assert_eq!(Gathering { members, ..Gathering::default() }.hash(), expected);
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

    #[test]
    fn what_was_refused_because_of_it_stands_behind_it_and_what_was_for_another_reason_does_not() {
        let refused = |operation: &str, record: &str, depends_on: &[&str]| {
            let mut behind = behind(operation, record, 11, depends_on);
            behind.member.state = EntryState::Poisoned;
            behind
        };
        let waiting = [refused("op-2", "r-2", &["op-1"]), refused("op-3", "r-1", &["op-8"]), refused("op-4", "r-4", &["op-2"])];
        assert_eq!(found(&waiting), ["op-2", "op-4"]);
    }
}
