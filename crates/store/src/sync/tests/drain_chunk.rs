//! Chunks of jobs: they take what is not taken yet, and with the last entry the job is done.

use std::collections::BTreeSet;

use super::drain::{hash_of, refused};
use super::*;
use crate::sync::drain::{ChunkItem, NewJob, NewSet, SetMember, Submission, Way};
use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemOutcome, JobState};
use tidewatch_domain::engine::ClientKey;

/// A job that holds these entries of a device, and its items as they would be prepared.
async fn submitted(store: &Store, key: &str, operations: &[u32]) -> (i64, Vec<ChunkItem>) {
    let sync = store.sync();
    let set = NewSet {
        action: "hold",
        dependants: "cut",
        patch: None,
        selection: "{}".to_owned(),
        idempotency_key: key.to_owned(),
        created_by: "user:maya".to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    };
    let device = sync.key_of(&client(1)).expect("registered");
    let member = |operation: &u32| SetMember {
        client: device,
        operation_id: format!("op-1-{operation}"),
        letter: None,
        behind: false,
        together: None,
        along: false,
    };
    let members: Vec<SetMember> = operations.iter().map(member).collect();
    let hash = hash_of(&operations.iter().map(|operation| (1, *operation)).collect::<BTreeSet<_>>());
    let put = sync.set_put(set, members.iter().cloned(), Vec::new(), hash, 1, "{}".to_owned());
    let job = NewJob {
        set: put.await.expect("frozen"),
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
    let Submission::New(job) = sync.job_submit(job).await.expect("submitted") else { panic!("a new key") };
    let item = |(member, n): (&SetMember, i64)| ChunkItem {
        n,
        client: device,
        client_id: client(1),
        operation_id: member.operation_id.clone(),
        action: DrainAction::Hold,
        together: None,
        way: Way::Move,
    };
    (job, members.iter().zip(1..).map(item).collect())
}

async fn job_with(store: &Store, operation: u32) -> Option<i64> {
    let looks = store.sync().members_look(&[(ClientKey(1), &format!("op-1-{operation}"))]).await.expect("looked");
    looks[0].job
}

async fn state(store: &Store, operation: u32) -> ArchiveState {
    let letter = store.sync().letter_view(&client(1), &format!("op-1-{operation}")).await.expect("read");
    letter.expect("there").archive_state()
}

#[tokio::test]
async fn the_first_chunk_takes_what_its_job_has_not_taken_and_the_last_one_ends_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let sync = store.sync();
    let (job, mut items) = submitted(&store, "one", &[0, 1, 2]).await;
    let last = items.split_off(2);
    assert!(sync.job_chunk(job, items, NOW).await.expect("worked off"));
    assert_eq!((job_with(&store, 1).await, job_with(&store, 2).await), (None, Some(job)), "what waits is this job's");
    let view = sync.job_view(job).await.expect("read").expect("there");
    assert_eq!((view.job_state(), view.waiting, view.claimed_n, view.finished_ms), (JobState::Running, 1, 3, None));
    assert!(sync.job_chunk(job, last, NOW.plus(5)).await.expect("worked off"));
    let view = sync.job_view(job).await.expect("read").expect("there");
    assert_eq!((view.job_state(), view.ok, view.finished_ms), (JobState::Done, 3, Some(NOW.plus(5).0)));
    let ended = sync.job_events(job, 10).await.expect("read");
    assert_eq!(ended.iter().filter(|(_, state, actor, _)| *state == JobState::Done.number() && actor == "system").count(), 1);
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_chunk_that_finds_something_with_another_job_decides_nothing_and_is_read_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let sync = store.sync();
    let (first, _) = submitted(&store, "one", &[0]).await;
    sync.job_claim(first, NOW).await.expect("claimed");
    let (second, mut items) = submitted(&store, "two", &[0, 1]).await;
    assert!(!sync.job_chunk(second, items.clone(), NOW).await.expect("looked at"));
    let set = sync.job_view(second).await.expect("read").expect("there").set_id;
    assert_eq!(sync.items_outcomes(set, &[1, 2]).await.expect("read"), [ItemOutcome::Skipped, ItemOutcome::Waiting]);
    assert_eq!((state(&store, 0).await, state(&store, 1).await), (ArchiveState::Poisoned, ArchiveState::Poisoned));
    assert_eq!((job_with(&store, 0).await, job_with(&store, 1).await), (Some(first), Some(second)));
    assert!(sync.job_chunk(second, items.split_off(1), NOW).await.expect("worked off"));
    let view = sync.job_view(second).await.expect("read").expect("there");
    assert_eq!((view.job_state(), view.ok, view.skipped), (JobState::Done, 1, 1));
    assert_eq!((state(&store, 0).await, state(&store, 1).await), (ArchiveState::Poisoned, ArchiveState::Held));
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}
