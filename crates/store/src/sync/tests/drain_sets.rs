//! Frozen sets that nobody submits: bounded in time and in number, and never submitted in part.

use super::drain::refused;
use super::*;
use crate::sync::drain::{NewJob, NewSet, SetMember, Submission};
use tidewatch_domain::drain::SETS_OPEN_MAX;
use tidewatch_domain::engine::ClientKey;

/// One more than one transaction drops.
const MEMBERS: usize = 5_001;

fn set(key: &str, by: &str) -> NewSet {
    NewSet {
        action: "hold",
        dependants: "take_along",
        patch: None,
        selection: "{}".to_owned(),
        idempotency_key: key.to_owned(),
        created_by: by.to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    }
}

fn job(set: i64, key: &str) -> NewJob {
    NewJob {
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
    }
}

fn members(n: usize) -> impl Iterator<Item = SetMember> + Send {
    let member = |n: usize| SetMember {
        client: ClientKey(1),
        operation_id: format!("op-{n}"),
        letter: None,
        behind: false,
        together: None,
        along: false,
    };
    (0..n).map(member)
}

#[tokio::test]
async fn a_set_that_is_losing_its_members_cannot_be_submitted_any_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let sync = store.sync();
    let put = sync.set_put(set("large", "user:maya"), members(MEMBERS), Vec::new(), String::new(), 1, "{}".to_owned());
    let large = put.await.expect("frozen");
    assert!(sync.sets_drop(NOW.plus(1_001)).await.expect("dropped"));
    assert_eq!(sync.set_members(large, 0, 10).await.expect("read").len(), 1, "the rest has another turn");
    // It was sent in time, and waited in the queue of the writer.
    assert_eq!(sync.job_submit(job(large, "late")).await.expect("answered"), Submission::SetGone);
    assert_eq!(sync.set_view(large).await.expect("read"), None);
    assert!(sync.sets_drop(NOW.plus(1_001)).await.expect("dropped"));
    assert!(!sync.sets_drop(NOW.plus(1_001)).await.expect("nothing more"));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn of_the_sets_that_a_person_has_open_the_oldest_goes_when_there_is_one_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let sync = store.sync();
    let put = async |key: String, by: &str| {
        let put = sync.set_put(set(&key, by), members(1), Vec::new(), String::new(), 1, "{}".to_owned());
        put.await.expect("frozen")
    };
    let submitted = put("submitted".to_owned(), "user:maya").await;
    assert_eq!(sync.job_submit(job(submitted, "submitted")).await.expect("submitted"), Submission::New(1));
    let of_another = put("another".to_owned(), "user:ines").await;
    let mut open = Vec::new();
    for n in 0..SETS_OPEN_MAX {
        open.push(put(format!("open-{n}"), "user:maya").await);
    }
    for kept in open.iter().chain([&submitted, &of_another]) {
        assert!(sync.set_view(*kept).await.expect("read").is_some(), "S{kept}");
    }
    let newest = put("one more".to_owned(), "user:maya").await;
    assert_eq!(sync.set_view(open[0]).await.expect("read"), None);
    assert_eq!(sync.job_submit(job(open[0], "late")).await.expect("answered"), Submission::SetGone);
    for kept in open[1..].iter().chain([&submitted, &of_another, &newest]) {
        assert!(sync.set_view(*kept).await.expect("read").is_some(), "S{kept}");
    }
    assert!(sync.sets_drop(NOW).await.expect("dropped"), "its members go at once");
    assert_eq!(sync.set_members(open[0], 0, 10).await.expect("read"), []);
    assert!(!sync.sets_drop(NOW).await.expect("nothing more"));
    store.close().await.expect("closes");
}
