//! "Needs a person": the disk of this console. Nothing is deleted to make room, so somebody has to make some.

use tidewatch_domain::fleet::{DiskSpace, DiskState, Target, Urgency, WorkItem};

use super::words::counted;

const MB: u64 = 1_000_000;

/// The item, when there is little room left; `devices` are those that could not send any more.
pub(super) fn disk_item(disk: DiskSpace, devices: u64) -> Option<WorkItem> {
    let urgency = match disk.state() {
        DiskState::Enough => return None,
        DiskState::Low => Urgency::Today,
        DiskState::Scarce => Urgency::Now,
    };
    let room = match disk.free {
        free if free >= 10_000 * MB => format!("{} GB", free / (1_000 * MB)),
        free => format!("{} MB", free / MB),
    };
    Some(WorkItem {
        urgency,
        title: format!("{room} left on the disk of this console"),
        detail: format!(
            "When it is full, nothing of {} is taken in any more; they keep it and try again. Nothing is deleted to make room.",
            counted(devices, "device", "devices")
        ),
        since: None,
        devices,
        verb: "Show this console",
        target: Target::Console,
        weight: devices as f64,
    })
}

/// Puts the item before those that are less urgent.
pub(super) fn disk_place(work: &mut Vec<WorkItem>, item: WorkItem) {
    let place = work.partition_point(|known| known.urgency < item.urgency);
    work.insert(place, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_needs_a_person_and_enough_does_not() {
        let item = |free: u64, total: u64| disk_item(DiskSpace { free: free * MB, total: total * MB }, 3);
        assert_eq!(item(60_000, 100_000), None);
        let low = item(1_900, 20_000).expect("an item");
        assert_eq!((low.urgency, low.title.as_str()), (Urgency::Today, "1900 MB left on the disk of this console"));
        assert_eq!(item(400, 100_000).map(|item| item.urgency), Some(Urgency::Now));
        assert_eq!(item(49_000, 1_000_000).map(|item| item.title), Some("49 GB left on the disk of this console".to_owned()));
    }

    #[test]
    fn it_stands_first_among_those_that_are_as_urgent() {
        let of = |free: u64| disk_item(DiskSpace { free: free * MB, total: 100_000 * MB }, 1).expect("an item");
        let mut work = Vec::new();
        for free in [100, 9_000, 200] {
            disk_place(&mut work, of(free));
        }
        let titles: Vec<&str> = work.iter().map(|item| item.title.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(titles, ["200", "100", "9000"]);
    }
}
