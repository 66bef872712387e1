//! Drains of entries whose payload only their device has, on a real store: what depends on such an entry, and what became of it.

use tidewatch_domain::control::{CommandReport, CommandState, EntryAnswer, EntryOutcome, Reported};
use tidewatch_domain::drain::{ArchiveState, DrainAction};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::sync::Terms;

use super::*;
use crate::sync::EscrowLine;
use crate::sync::drain::{ChunkItem, JobRow, LetterRow, NewJob, NewSet, SetMember, Submission, Way};

/// Until when the jobs of these tests can be taken back.
const RESTORE_UNTIL: Millis = Millis(NOW.0 + 1_000_000);

/// Drains operations of device 1 that only it has: it is told. Answers the job.
async fn told(store: &Store, action: DrainAction, dependants: &'static str, operations: &[&str]) -> i64 {
    drained(store, action, dependants, operations, Way::OnDevice).await
}

/// Drains an operation whose payload is here.
async fn archived(store: &Store, action: DrainAction, operation: &str) -> JobRow {
    let way = match action {
        DrainAction::Retry => Way::Decide(Box::new(Intent::Valid(Box::new(reading(operation))))),
        _ => Way::Move,
    };
    let job = drained(store, action, "take_along", &[operation], way).await;
    store.sync().job_view(job).await.expect("read").expect("there")
}

/// Submits a job and works it off, as far as that is done here.
async fn drained(store: &Store, action: DrainAction, dependants: &'static str, operations: &[&str], way: Way) -> i64 {
    let sync = store.sync();
    let client_key = sync.key_of(&client(1)).expect("registered");
    let key = format!("{}-{}", action.as_str(), operations.join("-"));
    let set = NewSet {
        action: action.as_str(),
        dependants,
        patch: (action == DrainAction::Patch).then(|| json!([{"op": "add", "path": "/n", "value": 2}]).to_string()),
        selection: "{}".to_owned(),
        idempotency_key: key.clone(),
        created_by: "user:maya".to_owned(),
        created: NOW,
        expires: NOW.plus(1_000),
    };
    let members = operations.iter().map(|operation| member(client_key, operation));
    let set = sync.set_put(set, members, hash_of(operations), 1, "{}".to_owned()).await.expect("frozen");
    let job = NewJob {
        set,
        idempotency_key: key,
        created_by: "user:maya".to_owned(),
        request_id: "r-1".to_owned(),
        created: NOW,
        reason: "because of a test".to_owned(),
        approve_until: None,
        canary: 0,
        rate_per_s: None,
        stop_percent: 20,
        restore_until: RESTORE_UNTIL,
    };
    let Submission::New(job) = sync.job_submit(job).await.expect("submitted") else { panic!("a new key") };
    sync.job_claim(job, NOW).await.expect("claimed");
    let items = operations.iter().zip(1..).map(|(operation, n)| ChunkItem {
        n,
        client: client_key,
        client_id: client(1),
        operation_id: (*operation).to_owned(),
        action,
        way: way.clone(),
    });
    assert!(sync.job_chunk(job, items.collect(), NOW).await.expect("worked off"));
    job
}

fn hash_of(operations: &[&str]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut sorted = operations.to_vec();
    sorted.sort_unstable();
    let lines: String = sorted.iter().map(|operation| format!("{}\0{operation}\n", client(1))).collect();
    hex::encode(Sha256::digest(lines))
}

fn member(client: ClientKey, operation: &str) -> SetMember {
    SetMember { client, operation_id: operation.to_owned(), letter: None, behind: false }
}

fn reading(operation: &str) -> Mutation {
    intent(operation, MutationOp::Create, "assets", operation, json!({"n": 1}))
}

/// An intent that depends on another.
fn child(operation: &str, of: &str) -> Mutation {
    let terms = Terms { depends_on: vec![OperationId::parse(of).expect("an id")], ..Terms::default() };
    Mutation { terms: Some(Box::new(terms)), ..reading(operation) }
}

/// The device fetches its command and sends up what that asks for; answers the command and its entries.
async fn upload(store: &Store) -> (String, Vec<String>) {
    let command = store.sync().commands_take(&client(1), NOW, 50).await.expect("taken").remove(0);
    let args: serde_json::Value = serde_json::from_str(&command.args).expect("JSON");
    let entries = args["entries"].as_array().expect("entries");
    let operations: Vec<String> = entries.iter().map(|entry| entry["operation_id"].as_str().expect("an id").to_owned()).collect();
    let line = |operation: &String| EscrowLine {
        operation_id: operation.clone(),
        intent: reading(operation).raw,
        error: Some(("schema_invalid".to_owned(), "n must be text".to_owned())),
        held: false,
    };
    let lines: Vec<EscrowLine> = operations.iter().map(line).collect();
    let put = store.sync().escrow_put(&client(1), Some(command.id.clone()), lines, NOW).await.expect("put");
    assert_eq!((put.stored, put.refused.len()), (operations.len() as u64, 0));
    (command.id, operations)
}

/// The device says that it has done it.
async fn done(store: &Store, command: &str, operations: &[String], detail: Option<&str>) {
    let answer = |operation: &String| EntryAnswer {
        operation_id: operation.clone(),
        outcome: EntryOutcome::Ok,
        code: None,
        detail: detail.map(str::to_owned),
    };
    let entries = operations.iter().map(answer).collect();
    let report = CommandReport { reported: Reported::Done, progress: None, result: None, error: None, entries };
    let state = store.sync().command_report(&client(1), command, report, NOW).await.expect("written").expect("fits");
    assert_eq!(state, CommandState::Done);
}

async fn letter(store: &Store, operation: &str) -> LetterRow {
    store.sync().letter_view(&client(1), operation).await.expect("read").expect("in the archive")
}

/// What comes of one intent: its status, and the code when it is refused or comes too early.
async fn sent(store: &Store, intent: Mutation) -> (IntentStatus, Option<&'static str>) {
    let result = push(store, 1, vec![intent]).await.remove(0);
    (result.status, result.problem.map(|problem| problem.code))
}

async fn assert_sound(store: Store) {
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_depends_on_an_entry_that_its_device_let_go_of_goes_on_when_it_may_and_only_then() {
    let cases = [
        (DrainAction::Skip, "take_along", IntentStatus::Applied),
        (DrainAction::Skip, "cut", IntentStatus::Applied),
        (DrainAction::Quarantine, "cut", IntentStatus::Applied),
        (DrainAction::Discard, "cut", IntentStatus::Applied),
        (DrainAction::Quarantine, "hold", IntentStatus::Rejected),
        (DrainAction::Discard, "take_along", IntentStatus::Rejected),
    ];
    for (action, dependants, status) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        told(&store, action, dependants, &["op-1"]).await;
        let (command, operations) = upload(&store).await;
        // The device has let go of it already, and sends what was behind it before its last word arrives.
        let early = sent(&store, child("op-2", "op-1")).await;
        assert_eq!(early.0, status, "{action:?} {dependants}: {early:?}");
        done(&store, &command, &operations, None).await;
        let late = sent(&store, child("op-3", "op-1")).await;
        assert_eq!(late.0, status, "{action:?} {dependants}: {late:?}");
        let letter = letter(&store, "op-1").await;
        assert_eq!(Some(letter.archive_state()), ArchiveState::after(action));
        assert_eq!(letter.restore_until_ms, Some(RESTORE_UNTIL.0), "{action:?} can be taken back as long as any other");
        assert_sound(store).await;
    }
}

#[tokio::test]
async fn a_copy_that_its_device_sends_closes_the_original_and_what_depends_on_it_waits_for_the_copy() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    told(&store, DrainAction::Patch, "cut", &["op-1"]).await;
    let (command, operations) = upload(&store).await;
    let deferred = (IntentStatus::Deferred, Some("dependency_missing"));
    assert_eq!(sent(&store, child("op-2", "op-1")).await, deferred, "nobody has decided what is in escrow");
    done(&store, &command, &operations, Some("op-1b")).await;
    let original = letter(&store, "op-1").await;
    assert_eq!((original.archive_state(), original.successor.as_deref()), (ArchiveState::Superseded, Some("op-1b")));
    let lineage = async |operation: &str| store.sync().letter_lineage(&client(1), operation).await.expect("read");
    assert_eq!(lineage("op-1").await, (Some("op-1b".to_owned()), None));
    assert_eq!(lineage("op-1b").await, (None, Some("op-1".to_owned())));
    assert_eq!(sent(&store, child("op-2", "op-1")).await, deferred, "the copy is not answered yet");
    assert_eq!(sent(&store, reading("op-1b")).await.0, IntentStatus::Applied);
    assert_eq!(sent(&store, child("op-2", "op-1")).await.0, IntentStatus::Applied);
    let retried = archived(&store, DrainAction::Retry, "op-1").await;
    assert_eq!((retried.skipped, retried.ok), (1, 0), "the original is not applied beside its copy");
    assert_sound(store).await;
}

#[tokio::test]
async fn a_copy_that_is_refused_refuses_what_depends_on_the_original_until_somebody_lets_it_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    told(&store, DrainAction::Patch, "cut", &["op-1"]).await;
    let (command, operations) = upload(&store).await;
    done(&store, &command, &operations, Some("op-1b")).await;
    let bad = intent("op-1b", MutationOp::Create, "nothing", "op-1", json!({"n": 2}));
    assert_eq!(sent(&store, bad).await, (IntentStatus::Rejected, Some("collection_unknown")));
    assert_eq!(sent(&store, child("op-2", "op-1")).await, (IntentStatus::Rejected, Some("dependency_failed")));
    assert_eq!(archived(&store, DrainAction::Skip, "op-1b").await.ok, 1);
    assert_eq!(sent(&store, child("op-3", "op-1")).await.0, IntentStatus::Applied);
    assert_sound(store).await;
}
