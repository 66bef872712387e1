//! What a run leaves behind for the checkers: pages, copies of devices at their cursors, the log, and what the store says of itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tidewatch_client::{Pulled, Settlement};
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::{Body, ControlRow, FeedPage, FeedRow};
use tidewatch_fleet_sim::checks::{self, DeviceObserved, LogRow, Observed};
use tidewatch_store::sync::{CapturedGroup, VerifyReport};

use super::again::{Again, Digests, digests};
use super::{COLLECTIONS, Mutant, SCOPES, STRICT, World, client, same, scope};
use crate::command::{DEVICES, Fault};
use crate::device::{Device, is_given_back};
use crate::reference::{Answer, Key, Row};

/// Records of scopes with versions and bodies.
pub type State = BTreeMap<String, BTreeMap<Key, (i64, Body)>>;

/// A page as a device applied it.
#[derive(Clone, Debug)]
pub struct PageSeen {
    /// Which device.
    pub device: usize,
    /// Starts of the store before it.
    pub start: u64,
    /// Part of a scan.
    pub scan: bool,
    /// Cursor it was asked with.
    pub since: Option<String>,
    /// Cursor it came with.
    pub cursor: String,
    /// Scopes that were open to the device.
    pub open: BTreeSet<String>,
    /// Position and scope of its rows.
    pub rows: Vec<(i64, String)>,
    /// Position of its rows that change no record, and how the feed calls them.
    pub said: Vec<(i64, &'static str)>,
}

/// What a device showed at a cursor.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Which device.
    pub device: usize,
    /// Position of its cursor.
    pub at: i64,
    /// Its records.
    pub state: State,
}

/// What a run left behind.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every page that was applied.
    pub pages: Vec<PageSeen>,
    /// Every state that was shown.
    pub shown: Vec<Shown>,
    /// Answers to a batch, and to the same batch sent at once again.
    pub replays: Vec<(Vec<Answer>, Vec<Answer>)>,
    /// Lanes of batches that arrived at once, the first lane first, in the order in which the store took them.
    pub crowds: Vec<Vec<usize>>,
    /// Pages of scans that would have been the last, had nothing been written meanwhile.
    pub overtaken: usize,
    /// Pages that left out what their reader did itself.
    pub aside: usize,
    /// Pages that had the whole record after an update.
    pub whole: usize,
    /// Times that a device has come to the end of asking for single fields.
    pub backfilled: usize,
    /// Policies of collections, as they begin.
    pub policies: BTreeMap<&'static str, String>,
    /// Ranks of the devices at the end.
    pub ranks: Vec<i64>,
    /// What arrives again counts again.
    pub forgets_repeats: bool,
    /// The devices at the end.
    pub devices: Vec<Device>,
    /// The log, all of it.
    pub log: Vec<FeedRow>,
    /// Rows of it that change no record.
    pub said: Vec<ControlRow>,
    /// The log again, read in pages of these sizes: positions.
    pub paged: BTreeMap<usize, Vec<i64>>,
    /// The state at the end, scanned in pages of these sizes.
    pub scanned: BTreeMap<usize, State>,
    /// The state at the end, by applying every row.
    pub followed: State,
    /// Rows and digest of a scope's collection.
    pub digests: Digests,
    /// What the same inputs come to a second time, in another store.
    pub again: Again,
    /// Every group that was decided: what decided it, and the answers.
    pub groups: Vec<CapturedGroup>,
    /// What the store says of itself.
    pub report: VerifyReport,
    /// Rows that open a scope to a device or close it: which device, and where the row stands.
    pub permissions: Vec<(usize, i64)>,
    /// Rounds that the devices needed to become quiet; none when they did not.
    pub rounds: Option<usize>,
}

/// Rounds after which everything has to be quiet.
const ROUNDS_MAX: usize = 4;
/// Page sizes that the end is read in.
const SIZES: [usize; 4] = [1, 2, 7, 500];

impl World {
    /// Faults stop; devices push and pull until nothing is left to do.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.step(&crate::command::Command::Deliver)?;
        self.uncommitted.clear();
        for round in 0..ROUNDS_MAX {
            for n in 0..DEVICES {
                let waiting = self.devices[n].outbox.len();
                self.step(&crate::command::Command::Push { device: n, count: waiting, fault: Fault::None })?;
            }
            self.uncommitted.clear();
            self.groups_keep();
            for n in 0..DEVICES {
                // Told that a scope was opened, it begins again.
                while self.pull(n, 7, false, Fault::None)? || self.devices[n].cursor.is_none() {}
            }
            if self.devices.iter().all(|device| device.outbox.is_empty()) {
                self.seen.rounds = Some(round + 1);
                break;
            }
        }
        Ok(())
    }

    /// Reads the end in every way there is, and closes the store.
    pub(super) fn finish(mut self) -> Result<Seen, String> {
        let all: BTreeSet<String> = SCOPES.iter().map(|name| (*name).to_owned()).collect();
        for size in SIZES {
            let pages = self.read(size, false, &all)?;
            self.seen.said = pages.iter().flat_map(|page| page.controls.clone()).collect();
            let rows: Vec<FeedRow> = pages.into_iter().flat_map(|page| page.rows.to_vec()).collect();
            self.seen.paged.insert(size, rows.iter().map(|row| row.seq.0).collect());
            self.seen.log = rows;
            let mut reader = Device { scopes: all.clone(), ..Device::default() };
            for page in self.read(size, true, &all)? {
                reader.apply(&page, true);
            }
            self.seen.scanned.insert(size, state(&reader));
        }
        let mut follower = Device { scopes: all.clone(), ..Device::default() };
        for page in self.read(500, false, &all)? {
            follower.apply(&page, true);
        }
        self.seen.followed = state(&follower);
        let (runtime, store) = self.opened.take().expect("the store is open between commands");
        self.seen.digests = digests(&store);
        for place in SCOPES {
            let open = runtime.block_on(store.sync().conflicts_open(&client(0), Some(&scope(place)), 0, 1_000));
            let open: Vec<i64> = open.map_err(|error| error.to_string())?.iter().map(|conflict| conflict.id).collect();
            let waits = self.reference.standoffs().iter().filter(|standoff| standoff.open && standoff.scope == place);
            same("what waits in a scope", &open, &waits.map(|standoff| standoff.entry).collect())?;
        }
        self.seen.report = runtime.block_on(store.verify()).map_err(|error| error.to_string())?;
        runtime.block_on(store.close()).map_err(|error| error.to_string())?;
        self.claims();
        self.groups_keep();
        self.seen.again = self.again()?;
        self.seen.devices = self.devices;
        Ok(self.seen)
    }

    /// What the collections claim, how the devices rank, and what each was to be told of scopes.
    fn claims(&mut self) {
        let arrival = |policy: &str| policy.replacen('{', r#"{"clock":"server","#, 1);
        let policy = |policy: &str| if self.mutant == Mutant::Arrival { arrival(policy) } else { policy.to_owned() };
        let known =
            COLLECTIONS.iter().filter(|(_, text, ..)| !text.contains("clock")).map(|(name, text, ..)| (*name, policy(text)));
        self.seen.policies = known.collect();
        self.seen.ranks = self.devices.iter().map(|device| self.reference.rank(&device.id)).collect();
        let about = |row: &Row| {
            let device = self.devices.iter().position(|device| device.id == row.device)?;
            ["grant", "revoke"].contains(&row.op).then_some((device, row.seq))
        };
        self.seen.permissions = self.reference.log.iter().filter_map(about).collect();
        self.seen.forgets_repeats = self.mutant == Mutant::Recount;
    }

    fn read(&self, size: usize, compact: bool, scopes: &BTreeSet<String>) -> Result<Vec<FeedPage>, String> {
        let mut pages: Vec<FeedPage> = Vec::new();
        loop {
            let since = pages.last().map(|page| page.cursor.clone());
            let page = self.page(since.as_deref(), size, compact, scopes, None)?;
            let more = page.has_more;
            pages.push(page);
            if !more {
                return Ok(pages);
            }
        }
    }
}

fn state(device: &Device) -> State {
    device.scopes.iter().map(|scope| (scope.clone(), device.visible(scope))).collect()
}

impl Seen {
    /// The same for the checkers of simulated fleets.
    #[must_use]
    pub fn fleet(&self) -> Observed {
        let texts = |records: &BTreeMap<Key, (i64, Body)>| -> BTreeMap<Key, (i64, String)> {
            records.iter().map(|(key, (version, body))| (key.clone(), (*version, body_text(body)))).collect()
        };
        let devices = self.devices.iter().enumerate().map(|(n, device)| {
            // A conflict that was given back is no last word when its intent arrived again; to a device that counts it is.
            let again = |at: usize, operation: &String| device.answers[at + 1..].iter().any(|(other, _)| other == operation);
            let answers = device.answers.iter().enumerate();
            let answers =
                answers.filter(|(at, (operation, answer))| n == STRICT || !is_given_back(answer) || !again(*at, operation));
            let pages = self.pages.iter().filter(|page| page.device == n).map(|page| checks::PageSeen {
                start: page.start,
                pulled: Pulled {
                    seqs: page.rows.iter().map(|(seq, _)| *seq).collect(),
                    scan: page.scan,
                    since: page.since.clone(),
                    cursor: page.cursor.clone(),
                },
            });
            DeviceObserved {
                name: format!("d{n}"),
                client_id: device.id.clone(),
                scopes: device.scopes.iter().cloned().collect(),
                queued: device.queued.iter().map(|intent| intent.operation_id.to_string()).collect(),
                answers: answers.map(|(_, answer)| settlement(answer)).collect(),
                pages: pages.collect(),
                // No console commands a device here.
                obeyed: Vec::new(),
                drained: Vec::new(),
                left: device
                    .answers
                    .iter()
                    .filter(|(_, answer)| answer.status == "rejected")
                    .map(|(id, _)| (id.clone(), true))
                    .chain(device.outbox.iter().map(|intent| (intent.operation_id.to_string(), false)))
                    .collect::<HashMap<_, _>>(),
                records: device.scopes.iter().map(|scope| (scope.clone(), texts(&device.visible(scope)))).collect(),
            }
        });
        Observed {
            devices: devices.collect(),
            log: self.log.iter().map(log_row).collect(),
            log_lines: Vec::new(),
            state: self.followed.iter().map(|(scope, records)| (scope.clone(), texts(records))).collect(),
            commands: Vec::new(),
            archived: HashSet::new(),
            settled: self.rounds.is_some(),
        }
    }
}

fn settlement((operation, answer): &(String, Answer)) -> Settlement {
    Settlement {
        operation_id: operation.clone(),
        status: answer.status.to_owned(),
        replayed: answer.replayed,
        noop: answer.noop,
        seq: answer.seq,
        conflict_id: answer.entry.clone(),
        code: answer.code.map(str::to_owned),
    }
}

fn log_row(row: &FeedRow) -> LogRow {
    LogRow {
        seq: row.seq.0,
        key: (row.collection.to_string(), row.record_id.to_string()),
        version: row.version.0,
        client_id: row.client_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        operation_id: row.operation_id.clone(),
    }
}
