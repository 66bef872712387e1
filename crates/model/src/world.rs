//! The real store and the reference, driven by the same commands and compared after each; and devices in between.

mod again;
mod backfill;
mod crowd;
mod intents;
mod overtaken;
mod reading;
mod seen;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;
use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::ids::{ClientId, CollectionName, Scope};
use tidewatch_domain::sync::{ClientRegistration, FeedPage, Mutation};
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::{CapturedGroup, CollectionDefinition};
use tidewatch_store::{Durability, Store, StoreOptions};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;

use self::again::Input;
pub use self::again::{Again, Digests};
use self::backfill::Backfill;
use self::intents::STRICT;
pub(crate) use self::intents::made_at;
pub use self::seen::{PageSeen, Seen, Shown, State};
use crate::command::{Command, DEVICES};
use crate::device::Device;
use crate::reference::{Answer, Reference};
use crate::rules::{Deletion, Kind, LISTENING, LOCKED, STEPPED, STEPS, WISHES};

/// Collections: name, policy, and the same in the model's words.
pub const COLLECTIONS: [(&str, &str, Kind, Deletion); 15] = [
    ("assets", r#"{"kind":"lww"}"#, Kind::Newest { arrival: false }, Deletion::Newer),
    ("readings", r#"{"kind":"lww","clock":"server"}"#, Kind::Newest { arrival: true }, Deletion::Newer),
    (
        "profiles",
        r#"{"kind":"lww_field","commands":{"close":{"set":{"b":9},"takes":{"a":"integer"}}}}"#,
        Kind::NewestField,
        Deletion::Newer,
    ),
    (
        "orders",
        r#"{"kind":"field_merge","rules":{"qty":"sum_delta","grade":"max"},"commands":{"close":{"set":{"note":9},"takes":{"qty":"integer"}}}}"#,
        Kind::Merge,
        Deletion::Person,
    ),
    ("approvals", r#"{"kind":"manual_review"}"#, Kind::Review, Deletion::Person),
    (
        "settings",
        r#"{"kind":"client_resolves","commands":{"close":{"set":{"b":9},"takes":{"a":"integer"}}}}"#,
        Kind::Returned,
        Deletion::Person,
    ),
    (
        "boards",
        r#"{"kind":"crdt","crdt":{"count":"counter","tags":"set","text":"yjs1"},"delete":"manual"}"#,
        Kind::Merging,
        Deletion::Person,
    ),
    (
        "calls",
        r#"{"kind":"append_only","natural_key":{"exact":["number"],"tolerance":{"duration":1}}}"#,
        Kind::Append,
        Deletion::Person,
    ),
    ("drafts", r#"{"kind":"version_control"}"#, Kind::Versions, Deletion::Person),
    ("plans", r#"{"kind":"higher_role_wins"}"#, Kind::Role, Deletion::Newer),
    (STEPPED, STEPS, Kind::NewestField, Deletion::Newer),
    ("visits", r#"{"kind":"lww","detect":"vector"}"#, Kind::Newest { arrival: false }, Deletion::Newer),
    ("surveys", r#"{"kind":"field_merge","detect":"vector"}"#, Kind::Merge, Deletion::Person),
    (LOCKED, r#"{"kind":"manual_review","lock":true}"#, Kind::Review, Deletion::Person),
    ("claims", GUARDED, Kind::Guarded, Deletion::Newer),
];
/// Guards of the last collection, which [`crate::rules::guarded`] states in its own way.
const GUARDED: &str = r#"{"kind":"lww","guards":[{"name":"closed","deny":"old.a == 3"},
    {"name":"chiefs","role":["chief"],"when":"new.b == 5"},{"name":"word","require_approval":"new.a == 4"}]}"#;
/// Roles by rank; whoever has rank 0 has none.
const ROLES: [Option<&str>; 3] = [None, Some("clerk"), Some("chief")];
/// The other policy of the first collection.
const OTHER: (&str, Kind, Deletion) =
    (r#"{"kind":"lww","clock":"server","delete":"update_wins"}"#, Kind::Newest { arrival: true }, Deletion::Change);
/// Scopes.
pub const SCOPES: [&str; 2] = ["site:a", "site:b"];
/// Readers of the store.
const READERS: u32 = 2;
/// When a run begins.
const BEGIN: i64 = 1_763_000_000_000;

/// A fault that is built into the store, to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// None.
    Honest,
    /// Positions are given out before the transaction: now and then a row becomes visible after a row behind it.
    EarlySequence,
    /// Scans of the state leave deletions out.
    NoTombstones,
    /// The store looks at a clock of its own, which nobody notes.
    OwnClock,
    /// What decides a group is not all written down: roles and older versions are missing.
    Unrecorded,
    /// Policies claim to go by stamps, and go by arrival.
    Arrival,
    /// What arrives again counts again.
    Recount,
    /// The feed does not say that a scope was closed.
    Unrevoked,
}

/// A run under way.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    opened: Option<(Runtime, Store)>,
    reference: Reference,
    devices: Vec<Device>,
    /// Scopes that are open to each, whether it was told or not.
    open: Vec<BTreeSet<String>>,
    now: i64,
    /// Requests that are still under way.
    late: Vec<(usize, Vec<Mutation>)>,
    mutant: Mutant,
    /// Positions that the mutant has given out and not yet committed.
    uncommitted: BTreeSet<i64>,
    other_policy: bool,
    starts: u64,
    /// Fields that devices are in the middle of asking for.
    backfills: Vec<Option<Backfill>>,
    /// What reached the store, in the order in which it was decided.
    inputs: Vec<Input>,
    /// Where the store shows what decides each group.
    groups: Receiver<CapturedGroup>,
    seen: Seen,
}

/// Id of a device.
fn client(n: usize) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
}

/// The first two devices may use both scopes, the others one each.
fn scopes(n: usize) -> BTreeSet<String> {
    let names = SCOPES.iter().enumerate().filter(|(at, _)| n < 2 || n - 2 == *at);
    names.map(|(_, name)| (*name).to_owned()).collect()
}

/// Every second device has the older schema.
fn schema(n: usize) -> i64 {
    1 + i64::try_from(n % 2).expect("0 or 1")
}

fn scope(name: &str) -> Scope {
    Scope::parse(name).expect("a scope")
}

fn definition(name: &str, policy: &str) -> CollectionDefinition {
    CollectionDefinition {
        name: CollectionName::parse(name).expect("a name"),
        schema_min: 1,
        schema_current: if name == STEPPED { 2 } else { 1 },
        priority: "normal",
        policy: if LISTENING.contains(&name) { policy.replacen('{', &format!("{{{WISHES},"), 1) } else { policy.to_owned() },
    }
}

fn open(dir: &Path, now: i64, entropy: u64) -> (Runtime, Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = StoreOptions { durability: Durability::Normal, readers: READERS, ..StoreOptions::new(Millis(now), entropy) };
    let store = runtime.block_on(Store::open(dir, options)).expect("the store opens");
    (runtime, store)
}

/// A store with its collections and devices, made once and copied for each run.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let made = || {
        let dir = tempfile::tempdir().expect("a folder");
        let (runtime, store) = open(dir.path(), BEGIN, 7);
        runtime.block_on(async {
            let definitions = COLLECTIONS.iter().map(|(name, policy, ..)| definition(name, policy)).collect();
            store.sync().collections_put(definitions, "system", Millis(BEGIN)).await.expect("configured");
            for n in 0..DEVICES {
                let registration = ClientRegistration {
                    client_id: None,
                    principal: format!("u{n}"),
                    platform: None,
                    app_version: None,
                    schema_version: Some(schema(n)),
                    scopes: scopes(n).iter().map(|name| scope(name)).collect(),
                    simulated: true,
                    public_key: None,
                };
                store.sync().client_register(registration, client(n), Millis(BEGIN)).await.expect("registered");
            }
            store.close().await.expect("closes");
        });
        dir
    };
    TEMPLATE.get_or_init(made).path()
}

/// A copy of the template.
fn copied() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for file in template().read_dir().expect("a folder") {
        let file = file.expect("a file");
        if file.file_type().expect("a kind").is_file() {
            std::fs::copy(file.path(), dir.path().join(file.file_name())).expect("copied");
        }
    }
    dir
}

impl World {
    /// A fresh store, a fresh reference, devices that hold nothing.
    #[must_use]
    pub fn new(mutant: Mutant) -> Self {
        let dir = copied();
        let (runtime, store) = open(dir.path(), BEGIN, 7);
        let kinds: BTreeMap<_, _> =
            COLLECTIONS.iter().map(|(name, _, kind, deletion)| ((*name).to_owned(), (*kind, *deletion))).collect();
        let device = |n| Device { id: client(n).to_string(), scopes: scopes(n), schema: schema(n), ..Device::default() };
        Self {
            groups: store.sync().capture(),
            opened: Some((runtime, store)),
            dir,
            reference: Reference::new(BEGIN, kinds),
            devices: (0..DEVICES).map(device).collect(),
            open: (0..DEVICES).map(scopes).collect(),
            now: BEGIN,
            late: Vec::new(),
            mutant,
            uncommitted: BTreeSet::new(),
            other_policy: false,
            starts: 0,
            backfills: (0..DEVICES).map(|_| None).collect(),
            inputs: Vec::new(),
            seen: Seen::default(),
        }
    }

    /// Runs commands, lets everything settle, and tells what was seen.
    ///
    /// # Errors
    /// Where the store and the reference differ first.
    pub fn run(mut self, commands: &[Command]) -> Result<Seen, String> {
        for (number, command) in commands.iter().enumerate() {
            self.step(command).map_err(|difference| format!("step {number}, {command:?}: {difference}"))?;
            self.groups_keep();
        }
        self.settle()?;
        self.finish()
    }

    fn both(&self) -> (&Runtime, &Store) {
        let (runtime, store) = self.opened.as_ref().expect("the store is open between commands");
        (runtime, store)
    }

    fn reopen(&mut self, close: bool) -> Result<(), String> {
        let (runtime, store) = self.opened.take().expect("the store is open between commands");
        let head = store.sync().head();
        if close {
            runtime.block_on(store.close()).map_err(|error| error.to_string())?;
        }
        drop(store);
        drop(runtime);
        self.groups_keep();
        let (runtime, store) = open(self.dir.path(), self.now, 7);
        self.groups = store.sync().capture();
        self.opened = Some((runtime, store));
        self.starts += 1;
        same("the head after opening again", &self.both().1.sync().head(), &head)
    }

    /// What the fault that is built in makes of a page.
    fn mutated(&self, mut page: FeedPage) -> FeedPage {
        match self.mutant {
            Mutant::EarlySequence => {
                page.rows.retain(|row| !self.uncommitted.contains(&row.seq.0));
                page.controls.retain(|row| !self.uncommitted.contains(&row.seq.0));
            }
            Mutant::NoTombstones if page.snapshot_complete.is_some() => page.rows.retain(|row| row.op != "delete"),
            Mutant::Unrevoked => page.controls.retain(|row| row.op != ControlOp::Revoke),
            _ => {}
        }
        page
    }
}

/// Says what differs.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, store: &T, reference: &T) -> Result<(), String> {
    if store == reference { Ok(()) } else { Err(format!("{what}: the store has {store:?}, the reference {reference:?}")) }
}

/// Answers of both sides, one by one, so that the difference is short.
fn same_answers(store: &[Answer], reference: &[Answer]) -> Result<(), String> {
    same("the number of answers", &store.len(), &reference.len())?;
    store.iter().zip(reference).try_for_each(|(store, reference)| same("an answer", store, reference))
}
