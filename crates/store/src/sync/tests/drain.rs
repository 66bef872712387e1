//! Drains on a real store: whatever is done in whatever order, no payload is lost and nothing is applied twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemFilter, ItemOutcome, JobChange, JobState};
use tidewatch_domain::engine::ClientKey;

use super::*;
use crate::sync::drain::{BehindFate, ChunkItem, JobMove, JobRow, NewJob, NewSet, SetMember, Submission, SystemMove, Way};

/// Devices and operations of the tests.
const DEVICES: u32 = 2;
const OPERATIONS: u32 = 6;

pub(super) fn later(n: u32, operation: u32) -> Mutation {
    let id = format!("op-{n}-{operation}");
    let mut intent = intent(&id, MutationOp::Create, "later", &id, json!({"n": operation}));
    intent.raw = json!({"operation_id": id, "n": operation}).to_string();
    intent
}

/// A store in which every intent was refused, since their collection is not there.
pub(super) async fn refused(dir: &Path) -> Store {
    let store = store(dir).await;
    for n in 1..=DEVICES {
        let results = push(&store, n, (0..OPERATIONS).map(|operation| later(n, operation)).collect()).await;
        assert!(results.iter().all(|result| result.status == IntentStatus::Rejected));
    }
    store
}

async fn configure(store: &Store) {
    let definition = CollectionDefinition {
        name: CollectionName::parse("later").expect("a name"),
        schema_min: 1,
        schema_current: 1,
        priority: "normal",
        policy: r#"{"kind":"lww"}"#.to_owned(),
    };
    store.sync().collections_put(vec![definition], "system", NOW).await.expect("configured");
}

fn way(action: DrainAction, n: u32, operation: u32) -> Way {
    let intent = || Box::new(Intent::Valid(Box::new(later(n, operation))));
    match action {
        DrainAction::Retry => Way::Decide(intent()),
        DrainAction::Patch => {
            let mut copy = later(n, operation);
            copy.operation_id = OperationId::parse(format!("op-{n}-{operation}.p")).expect("an id");
            copy.idempotency_key = IdempotencyKey::parse(format!("op-{n}-{operation}.p")).expect("a key");
            Way::Patched { original: intent(), copy: Box::new(Intent::Valid(Box::new(copy))) }
        }
        _ => Way::Move,
    }
}

/// Freezes, submits and works off; the job at its end.
pub(super) async fn drain(store: &Store, action: DrainAction, members: &BTreeSet<(u32, u32)>, key: &str) -> JobRow {
    let sync = store.sync();
    let set = NewSet {
        action: action.as_str(),
        dependants: "cut",
        patch: None,
        selection: "{}".to_owned(),
        idempotency_key: key.to_owned(),
        created_by: "user:maya".to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    };
    let client = |n: u32| sync.key_of(&client(n)).expect("registered");
    let rows: Vec<SetMember> = members
        .iter()
        .map(|(n, operation)| SetMember {
            client: client(*n),
            operation_id: format!("op-{n}-{operation}"),
            letter: None,
            behind: false,
            together: None,
            along: false,
        })
        .collect();
    let hash = hash_of(members);
    let id = sync.set_put(set, rows.iter().cloned(), Vec::new(), hash, DEVICES.into(), "{}".to_owned()).await.expect("frozen");
    let job = NewJob {
        set: id,
        idempotency_key: key.to_owned(),
        created_by: "user:maya".to_owned(),
        request_id: "r-1".to_owned(),
        created: NOW,
        reason: "because of a test".to_owned(),
        approve_until: None,
        canary: 0,
        rate_per_s: None,
        stop_percent: 101,
        restore_until: NOW.plus(1_000_000),
    };
    let Submission::New(job) = sync.job_submit(job).await.expect("submitted") else { panic!("a new key") };
    sync.job_claim(job, NOW).await.expect("claimed");
    let items = rows.iter().zip(members).zip(1..).map(|((row, (n, operation)), place)| ChunkItem {
        n: place,
        client: row.client,
        client_id: super::client(*n),
        operation_id: row.operation_id.clone(),
        action,
        together: None,
        way: way(action, *n, *operation),
    });
    assert!(sync.job_chunk(job, items.collect(), NOW).await.expect("worked off"));
    sync.job_moved(job, SystemMove::Done, NOW).await.expect("done");
    sync.job_view(job).await.expect("read").expect("there")
}

pub(super) fn hash_of(members: &BTreeSet<(u32, u32)>) -> String {
    use sha2::{Digest as _, Sha256};
    let mut lines: Vec<(String, String)> =
        members.iter().map(|(n, operation)| (client(*n).to_string(), format!("op-{n}-{operation}"))).collect();
    lines.sort();
    let mut hasher = Sha256::new();
    for (client, operation) in lines {
        hasher.update(format!("{client}\0{operation}\n"));
    }
    hex::encode(hasher.finalize())
}

async fn states(store: &Store) -> BTreeMap<(u32, u32), ArchiveState> {
    let mut states = BTreeMap::new();
    for n in 1..=DEVICES {
        for operation in 0..OPERATIONS {
            let letter = store.sync().letter_view(&client(n), &format!("op-{n}-{operation}")).await.expect("read");
            let letter = letter.expect("no payload is ever lost");
            assert_eq!(letter.mutation, later(n, operation).raw, "a payload never changes");
            states.insert((n, operation), letter.archive_state());
        }
    }
    states
}

/// How often each operation is in the log.
async fn applied(store: &Store) -> BTreeMap<String, u32> {
    let mut applied = BTreeMap::new();
    for row in page(store, None, 5_000, false).await.rows.to_vec() {
        *applied.entry(row.operation_id).or_insert(0) += 1;
    }
    applied
}

/// Which action, on which entries, and whether their collection is there from then on.
type Step = (usize, BTreeSet<(u32, u32)>, bool);

fn actions() -> impl Strategy<Value = Vec<Step>> {
    let member = (1..=DEVICES, 0..OPERATIONS);
    let step = (0..7_usize, prop::collection::btree_set(member, 1..8), prop::bool::weighted(0.2));
    prop::collection::vec(step, 1..10)
}

const TRIED: [DrainAction; 7] = [
    DrainAction::Retry,
    DrainAction::Hold,
    DrainAction::Skip,
    DrainAction::Patch,
    DrainAction::Quarantine,
    DrainAction::Discard,
    DrainAction::Restore,
];

async fn sequence(steps: Vec<Step>) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let mut known = false;
    for (at, (action, members, configured)) in steps.into_iter().enumerate() {
        if configured && !known {
            configure(&store).await;
            known = true;
        }
        let (action, before) = (TRIED[action], states(&store).await);
        let job = drain(&store, action, &members, &format!("step-{at}")).await;
        assert_eq!(job.job_state(), JobState::Done);
        assert_eq!(job.ok + job.skipped + job.failed, members.len() as i64, "every entry has an outcome");
        let after = states(&store).await;
        let allowed = members.iter().filter(|member| before[member].allows(action)).count() as i64;
        assert_eq!(job.skipped, members.len() as i64 - allowed, "{action:?} leaves alone what it may not be taken on");
        for (member, state) in &after {
            let touched = members.contains(member) && before[member].allows(action);
            match ArchiveState::after(action) {
                Some(to) if touched => assert_eq!(*state, to, "{action:?} of {member:?}"),
                _ if touched && action == DrainAction::Restore => assert_eq!(*state, ArchiveState::Poisoned),
                _ if touched && known => assert!(state.is_closed(), "{action:?} of {member:?} is {state:?}"),
                _ if touched => assert!(!state.is_closed(), "nothing can be applied yet"),
                _ => assert_eq!(*state, before[member], "nobody has asked for {member:?}"),
            }
        }
    }
    configure(&store).await;
    let all: BTreeSet<(u32, u32)> = states(&store).await.into_keys().collect();
    drain(&store, DrainAction::Restore, &all, "restore").await;
    drain(&store, DrainAction::Retry, &all, "retry").await;
    assert!(states(&store).await.values().all(|state| state.is_closed()), "everything could be put back and applied");
    let log = applied(&store).await;
    assert_eq!(log.values().copied().max(), Some(1), "nothing is applied twice");
    assert_eq!(log.len(), (DEVICES * OPERATIONS) as usize, "each operation or its copy, never both");
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_is_applied_twice(steps in actions()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(sequence(steps));
    }
}

fn both() -> BTreeSet<(u32, u32)> {
    BTreeSet::from([(1, 0), (2, 0)])
}

#[tokio::test]
async fn a_device_that_sends_a_retried_intent_again_gets_the_new_answer_and_what_depends_on_it_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let child = |operation: &str| {
        let mut child = later(1, 1);
        child.operation_id = OperationId::parse(operation).expect("an id");
        child.idempotency_key = IdempotencyKey::parse(operation).expect("a key");
        child.terms = Some(Box::new(tidewatch_domain::sync::Terms {
            depends_on: vec![OperationId::parse("op-1-0").expect("an id")],
            ..Default::default()
        }));
        child
    };
    configure(&store).await;
    let early = push(&store, 1, vec![child("op-early")]).await;
    assert_eq!(early[0].problem.as_ref().map(|problem| problem.code), Some("dependency_failed"));
    drain(&store, DrainAction::Retry, &both(), "retry").await;
    let again = push(&store, 1, vec![later(1, 0), child("op-late")]).await;
    assert_eq!([again[0].status, again[1].status], [IntentStatus::Applied; 2]);
    assert!(again[0].replayed && !again[1].replayed);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_depends_on_a_skipped_entry_passes() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    drain(&store, DrainAction::Skip, &both(), "skip").await;
    let mut child = intent("op-child", MutationOp::Create, "assets", "a-1", json!({"n": 1}));
    child.terms = Some(Box::new(tidewatch_domain::sync::Terms {
        depends_on: vec![OperationId::parse("op-1-0").expect("an id")],
        ..Default::default()
    }));
    assert_eq!(push(&store, 1, vec![child]).await[0].status, IntentStatus::Applied);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_second_job_leaves_alone_what_an_open_one_has() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let sync = store.sync();
    let set = |key: &str| NewSet {
        action: "hold",
        dependants: "cut",
        patch: None,
        selection: "{}".to_owned(),
        idempotency_key: key.to_owned(),
        created_by: "user:maya".to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    };
    let member = SetMember {
        client: sync.key_of(&client(1)).expect("known"),
        operation_id: "op-1-0".into(),
        letter: None,
        behind: false,
        together: None,
        along: false,
    };
    let job = |set: i64, key: &str| NewJob {
        set,
        idempotency_key: key.to_owned(),
        created_by: "user:maya".to_owned(),
        request_id: "r-1".to_owned(),
        created: NOW,
        reason: "because of a test".to_owned(),
        approve_until: None,
        canary: 0,
        rate_per_s: None,
        stop_percent: 20,
        restore_until: NOW.plus(1_000_000),
    };
    let hash = || hash_of(&BTreeSet::from([(1, 0)]));
    let first =
        sync.set_put(set("one"), std::iter::once(member.clone()), Vec::new(), hash(), 1, "{}".into()).await.expect("frozen");
    let second =
        sync.set_put(set("two"), std::iter::once(member.clone()), Vec::new(), hash(), 1, "{}".into()).await.expect("frozen");
    assert_eq!(sync.job_submit(job(first, "one")).await.expect("submitted"), Submission::New(1));
    assert_eq!(sync.job_submit(job(first, "one")).await.expect("submitted"), Submission::Known(1));
    assert_eq!(sync.job_submit(job(second, "one")).await.expect("answered"), Submission::KeyTaken);
    assert_eq!(sync.job_submit(job(first, "three")).await.expect("answered"), Submission::SetTaken(1));
    assert_eq!(sync.job_submit(job(99, "four")).await.expect("answered"), Submission::SetGone);
    assert_eq!(sync.job_submit(job(second, "two")).await.expect("submitted"), Submission::New(2));
    for id in [1, 2] {
        sync.job_claim(id, NOW).await.expect("claimed");
    }
    let (items, ..) =
        sync.items_page(second, &ItemFilter::default(), &tidewatch_domain::page::Position::Start, 10).await.expect("items");
    assert_eq!((items[0].outcome, items[0].code.as_deref()), (ItemOutcome::Skipped.number(), Some("in_job")));
    let look = sync.members_look(&[(ClientKey(1), "op-1-0")]).await.expect("looked");
    assert_eq!(look[0].job, Some(1));
    let by = |change| JobMove { change, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at: NOW };
    assert_eq!(sync.job_change(1, by(JobChange::Approve)).await.expect("answered"), Err(JobState::Running));
    assert_eq!(sync.job_change(1, by(JobChange::Cancel)).await.expect("answered"), Ok(()));
    sync.job_sweep(1, NOW).await.expect("swept");
    let one = sync.job_view(1).await.expect("read").expect("there");
    assert_eq!((one.job_state(), one.skipped, one.finished_ms), (JobState::Cancelled, 1, Some(NOW.0)));
    assert_eq!(sync.members_look(&[(ClientKey(1), "op-1-0")]).await.expect("looked")[0].job, None);
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_set_that_nobody_submits_is_dropped_with_its_members_and_one_that_is_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let job = drain(&store, DrainAction::Hold, &both(), "kept").await;
    let sync = store.sync();
    let set = NewSet {
        action: "hold",
        dependants: "cut",
        patch: None,
        selection: "{}".to_owned(),
        idempotency_key: "left".to_owned(),
        created_by: "user:maya".to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    };
    let member = SetMember {
        client: ClientKey(1),
        operation_id: "op-1-1".into(),
        letter: None,
        behind: false,
        together: None,
        along: false,
    };
    let behind =
        vec![(ClientKey(1), "op-1-0".to_owned()), (ClientKey(1), "op-1-2".to_owned()), (ClientKey(2), "op-9".to_owned())];
    let put = sync.set_put(set, std::iter::once(member), behind, String::new(), 1, "{}".to_owned());
    let left = put.await.expect("frozen");
    let fates = [(BehindFate::Refused, None, 1), (BehindFate::Drained, None, 1), (BehindFate::Unseen, None, 1)];
    assert_eq!(sync.set_behind_fates(left).await.expect("read"), fates, "op-1-0 was held, op-1-2 refused, nobody knows op-9");
    assert!(!sync.sets_drop(NOW.plus(1_000)).await.expect("looked"), "its time is not over");
    assert!(sync.sets_drop(NOW.plus(1_001)).await.expect("dropped"));
    assert!(!sync.sets_drop(NOW.plus(1_001)).await.expect("nothing more"));
    assert_eq!((sync.set_view(left).await.expect("read"), sync.set_members(left, 0, 10).await.expect("read").len()), (None, 0));
    assert_eq!(sync.set_behind_fates(left).await.expect("read"), []);
    assert!(sync.set_view(job.set_id).await.expect("read").is_some());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_job_whose_failures_nobody_has_seen_waits_for_a_person_however_many_came_after() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let failed = drain(&store, DrainAction::Retry, &BTreeSet::from([(1, 0)]), "first").await;
    assert_eq!((failed.ok, failed.failed), (0, 1));
    for n in 0..8 {
        let action = if n % 2 == 0 { DrainAction::Quarantine } else { DrainAction::Restore };
        drain(&store, action, &BTreeSet::from([(2, 0)]), &format!("more-{n}")).await;
    }
    let waiting = async || store.sync().jobs_waiting(3).await.expect("read").iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(waiting().await, [failed.id]);
    let seen =
        JobMove { change: JobChange::Acknowledge, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at: NOW };
    assert_eq!(store.sync().job_change(failed.id, seen).await.expect("answered"), Ok(()));
    assert_eq!(waiting().await, Vec::<i64>::new());
    store.close().await.expect("closes");
}
