//! The dry run of a set: counted when it is frozen, kept beside it as JSON, never counted again.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tidewatch_domain::drain::{CANARY_ENTRIES_MAX, Dependants, DrainAction, DrainOrder};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::Breakdown;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::signature::signature_id;

use super::gather::{Gathered, Gathering};

/// Devices that are told apart.
const DEVICES_MAX: usize = 10;
/// Signatures and collections that are told apart.
const KINDS_MAX: usize = 50;
/// Entries of the sample.
const SAMPLE: usize = 5;

/// See [`tidewatch_domain::fleet::DrainPreview`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) here: u64,
    pub(super) awake: u64,
    pub(super) awake_devices: u64,
    pub(super) asleep: u64,
    pub(super) asleep_devices: u64,
    pub(super) asleep_day_percent: Option<u8>,
    pub(super) skipped: Vec<(String, u64)>,
    pub(super) behind: u64,
    pub(super) behind_refused: u64,
    pub(super) held: u64,
    pub(super) together: u64,
    pub(super) apart: u64,
    pub(super) verdicts: Vec<(String, u64)>,
    pub(super) decided: u64,
    pub(super) decided_devices: u64,
    pub(super) decided_signatures: u64,
    pub(super) by_device: Vec<Breakdown>,
    pub(super) by_signature: Vec<Breakdown>,
    pub(super) by_collection: Vec<Breakdown>,
    /// Device and operation.
    pub(super) sample: Vec<(String, String)>,
    /// Places of the members that go ahead of the others, each of another device as far as there are so many.
    pub(super) canary: Vec<i64>,
}

/// Why an entry would be left alone; `None` when the action can be taken.
pub(super) fn skip_reason(action: DrainAction, gathered: &Gathered) -> Option<String> {
    if let Some(job) = gathered.look.job {
        return Some(format!("in job J{job}"));
    }
    match gathered.look.letter {
        Some((_, state)) if !state.allows(action) => Some(format!("{} already", state.as_str())),
        // What its device holds is let go there.
        None if action == DrainAction::Restore && gathered.member.state != EntryState::Held => {
            Some("not in the archive".to_owned())
        }
        _ => None,
    }
}

/// The action that is taken on a member.
pub(super) fn action_of(order: &DrainOrder, behind: bool) -> DrainAction {
    if behind && order.dependants == Dependants::Hold { DrainAction::Hold } else { order.action }
}

impl Summary {
    pub(super) fn of(order: &DrainOrder, gathering: &Gathering) -> Self {
        let mut summary = Self {
            behind: gathering.behind,
            behind_refused: gathering.behind_refused,
            held: gathering.members.iter().filter(|g| g.behind && order.dependants == Dependants::Hold).count() as u64,
            together: gathering.members.iter().filter(|g| g.along).count() as u64,
            apart: gathering.apart,
            ..Self::default()
        };
        let mut skipped: BTreeMap<String, u64> = BTreeMap::new();
        let (mut signatures, mut collections): (HashMap<&str, u64>, HashMap<&str, u64>) = Default::default();
        let mut devices: Vec<(&Gathered, u64)> = Vec::new();
        for of_device in gathering.members.chunk_by(|one, next| one.client == next.client) {
            let skipped_for = |g: &Gathered| skip_reason(action_of(order, g.behind), g);
            // What would be left alone goes nowhere: each entry is counted in one part.
            let (here, told) =
                of_device.iter().filter(|g| skipped_for(g).is_none()).fold((0, 0), |(here, told), g| match g.look.letter {
                    Some(_) => (here + 1, told),
                    None => (here, told + 1),
                });
            let (entries, count) = if of_device[0].member.device.asleep {
                (&mut summary.asleep, &mut summary.asleep_devices)
            } else {
                (&mut summary.awake, &mut summary.awake_devices)
            };
            (*entries, *count) = (*entries + told, *count + u64::from(told > 0));
            summary.here += here;
            devices.push((&of_device[0], of_device.len() as u64));
            for gathered in of_device {
                if let Some(reason) = skipped_for(gathered) {
                    *skipped.entry(reason).or_default() += 1;
                }
                *collections.entry(&gathered.member.collection).or_default() += 1;
                if let Some(signature) = &gathered.member.signature {
                    *signatures.entry(signature).or_default() += 1;
                }
            }
        }
        summary.skipped = skipped.into_iter().collect();
        devices.sort_by_key(|(_, entries)| std::cmp::Reverse(*entries));
        devices.truncate(DEVICES_MAX);
        let device = |(first, entries): &(&Gathered, u64)| Breakdown {
            label: first.member.device.name.clone(),
            id: Some(first.member.device.client_id.to_string()),
            entries: *entries,
        };
        summary.by_device = devices.iter().map(device).collect();
        summary.by_signature = breakdown(signatures, |signature| Some(signature_id(signature)));
        summary.by_collection = breakdown(collections, |_| None);
        summary.sample = sample(gathering);
        summary.canary = canary(order, gathering);
        summary
    }

    pub(super) fn write(&self) -> Value {
        let parts =
            |parts: &[Breakdown]| -> Value { parts.iter().map(|part| json!([part.label, part.id, part.entries])).collect() };
        json!({
            "here": self.here, "awake": self.awake, "awake_devices": self.awake_devices,
            "asleep": self.asleep, "asleep_devices": self.asleep_devices, "asleep_day_percent": self.asleep_day_percent,
            "skipped": self.skipped, "behind": self.behind, "behind_refused": self.behind_refused,
            "held": self.held, "together": self.together, "apart": self.apart, "verdicts": self.verdicts, "decided": self.decided,
            "decided_devices": self.decided_devices, "decided_signatures": self.decided_signatures,
            "by_device": parts(&self.by_device), "by_signature": parts(&self.by_signature),
            "by_collection": parts(&self.by_collection), "sample": self.sample, "canary": self.canary,
        })
    }

    /// Reads what [`Summary::write`] writes; what is missing is empty.
    pub(super) fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let number = |name: &str| value[name].as_u64().unwrap_or(0);
        let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let counted = |name: &str| list(name).iter().map(|pair| (text(&pair[0]), pair[1].as_u64().unwrap_or(0))).collect();
        let part = |part: &Value| Breakdown {
            label: text(&part[0]),
            id: part[1].as_str().map(str::to_owned),
            entries: part[2].as_u64().unwrap_or(0),
        };
        let parts = |name: &str| list(name).iter().map(part).collect();
        Self {
            here: number("here"),
            awake: number("awake"),
            awake_devices: number("awake_devices"),
            asleep: number("asleep"),
            asleep_devices: number("asleep_devices"),
            asleep_day_percent: value["asleep_day_percent"].as_u64().and_then(|percent| u8::try_from(percent).ok()),
            skipped: counted("skipped"),
            behind: number("behind"),
            behind_refused: number("behind_refused"),
            held: number("held"),
            together: number("together"),
            apart: number("apart"),
            verdicts: counted("verdicts"),
            decided: number("decided"),
            decided_devices: number("decided_devices"),
            decided_signatures: number("decided_signatures"),
            by_device: parts("by_device"),
            by_signature: parts("by_signature"),
            by_collection: parts("by_collection"),
            sample: list("sample").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            canary: list("canary").iter().filter_map(Value::as_i64).collect(),
        }
    }

    /// The sample as ids; one that cannot be read is left out.
    pub(super) fn sample_ids(&self) -> Vec<(ClientId, String)> {
        let read = |(client, operation): &(String, String)| Some((ClientId::parse(client.as_str()).ok()?, operation.clone()));
        self.sample.iter().filter_map(read).collect()
    }
}

fn breakdown(counts: HashMap<&str, u64>, id: impl Fn(&str) -> Option<String>) -> Vec<Breakdown> {
    let mut parts: Vec<Breakdown> =
        counts.into_iter().map(|(label, entries)| Breakdown { label: label.to_owned(), id: id(label), entries }).collect();
    parts.sort_by(|one, other| other.entries.cmp(&one.entries).then_with(|| one.label.cmp(&other.label)));
    parts.truncate(KINDS_MAX);
    parts
}

/// Places of members, one of each device first, then more of them; those of a lower rank before all others.
fn spread(gathering: &Gathering, most: usize, rank: impl Fn(&Gathered) -> usize) -> Vec<usize> {
    let mut ranks: [Rank; RANKS] = Default::default();
    for (at, gathered) in gathering.members.iter().enumerate() {
        let Rank { last, firsts, rest } = &mut ranks[rank(gathered)];
        let into = if last.replace(gathered.client) == Some(gathered.client) { rest } else { firsts };
        if into.len() < most {
            into.push(at);
        }
    }
    ranks.into_iter().flat_map(|Rank { firsts, rest, .. }| firsts.into_iter().chain(rest)).take(most).collect()
}

/// Ranks that [`spread`] tells apart.
const RANKS: usize = 3;

/// Members of a rank by their places; they come device by device.
#[derive(Default)]
struct Rank {
    last: Option<ClientKey>,
    firsts: Vec<usize>,
    rest: Vec<usize>,
}

fn sample(gathering: &Gathering) -> Vec<(String, String)> {
    let pick = |at: usize| {
        let member = &gathering.members[at].member;
        (member.device.client_id.to_string(), member.operation_id.to_string())
    };
    spread(gathering, SAMPLE, |_| 0).into_iter().map(pick).collect()
}

/// Those that go ahead: what is decided here or by a device in contact first, then what waits for a device to wake; what will be left
/// alone shows nothing and comes last.
fn canary(order: &DrainOrder, gathering: &Gathering) -> Vec<i64> {
    let rank = |gathered: &Gathered| match skip_reason(action_of(order, gathered.behind), gathered) {
        Some(_) => 2,
        None => usize::from(gathered.look.letter.is_none() && gathered.member.device.asleep),
    };
    // Places count from 1.
    spread(gathering, CANARY_ENTRIES_MAX as usize, rank).into_iter().map(|at| at as i64 + 1).collect()
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::drain::ArchiveState;
    use tidewatch_domain::report::EntryState;
    use tidewatch_domain::time::Millis;
    use tidewatch_store::sync::drain::MemberLook;
    use tidewatch_store::telemetry::{Member, MemberDevice};

    use super::*;

    fn member(device: i64, asleep: bool, letter: Option<ArchiveState>) -> Gathered {
        let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{device:012}")).expect("an id");
        let member = Member {
            device: MemberDevice { id: device, client_id, name: "Ward 3".into(), asleep }.into(),
            operation_id: "op-1".into(),
            state: EntryState::Poisoned,
            age: Millis(0),
            collection: "orders".into(),
            record_id: "r-1".into(),
            signature: None,
        };
        let look = MemberLook { letter: letter.map(|state| (1, state)), ..MemberLook::default() };
        Gathered { member, client: ClientKey(device), behind: false, along: false, together: None, look }
    }

    fn places(members: Vec<Gathered>) -> Vec<i64> {
        let order = DrainOrder { action: DrainAction::Quarantine, dependants: Dependants::Cut, patch: None };
        canary(&order, &Gathering { members, ..Gathering::default() })
    }

    #[test]
    fn those_that_show_something_soon_go_ahead_each_of_another_device_as_far_as_there_are_so_many() {
        let (asleep, awake) = (|device| member(device, true, None), |device| member(device, false, None));
        let here = member(4, true, Some(ArchiveState::Poisoned));
        let over = member(5, false, Some(ArchiveState::Done));
        assert_eq!(places(vec![asleep(1), over, awake(2), awake(2), awake(3), here]), [3, 5, 6, 4, 1, 2]);
    }

    #[test]
    fn each_entry_is_counted_in_one_part_of_a_dry_run() {
        let mut taken = member(3, false, None);
        taken.look.job = Some(7);
        let members = vec![
            member(1, false, Some(ArchiveState::Poisoned)),
            member(1, false, Some(ArchiveState::Done)),
            member(2, true, None),
            taken,
            member(4, false, None),
        ];
        let order = DrainOrder { action: DrainAction::Quarantine, dependants: Dependants::Cut, patch: None };
        let summary = Summary::of(&order, &Gathering { members, ..Gathering::default() });
        assert_eq!((summary.here, summary.awake, summary.asleep), (1, 1, 1));
        assert_eq!((summary.awake_devices, summary.asleep_devices), (1, 1), "nothing goes to the one that another job is at");
        assert_eq!(summary.skipped, [("done already".to_owned(), 1), ("in job J7".to_owned(), 1)]);
    }
}
