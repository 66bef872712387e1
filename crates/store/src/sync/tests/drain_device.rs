//! Drains of entries whose payload only their device has, on a real store: what depends on such an entry, and what became of it.

use tidewatch_domain::control::{CommandReport, CommandState, EntryAnswer, EntryOutcome, Reported};
use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemFilter, ItemOutcome, JobChange, JobState, Undoable};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::page::Position;
use tidewatch_domain::sync::Terms;

use super::*;
use crate::sync::EscrowLine;
use crate::sync::drain::{ChunkItem, JobMove, JobRow, LetterRow, NewJob, NewSet, SetMember, Submission, SystemMove, Way};

mod hold;
mod stop;
mod undo;
mod untold;

/// Until when the jobs of these tests can be taken back.
const RESTORE_UNTIL: Millis = Millis(NOW.0 + 1_000_000);

/// Drains operations of device 1 that only it has: it is told. Answers the job.
async fn told(store: &Store, action: DrainAction, dependants: &'static str, operations: &[&str]) -> i64 {
    let members: Vec<(u32, &str)> = operations.iter().map(|operation| (1, *operation)).collect();
    drained(store, action, dependants, &members, Way::OnDevice).await
}

/// Drains an operation whose payload is here.
async fn archived(store: &Store, action: DrainAction, operation: &str) -> JobRow {
    let way = match action {
        DrainAction::Retry => Way::Decide(Box::new(Intent::Valid(Box::new(reading(operation))))),
        _ => Way::Move,
    };
    let job = drained(store, action, "take_along", &[(1, operation)], way).await;
    view(store, job).await
}

async fn view(store: &Store, job: i64) -> JobRow {
    store.sync().job_view(job).await.expect("read").expect("there")
}

/// Submits a job and works it off, as far as that is done here. Members are a device and an operation, sorted.
async fn drained(store: &Store, action: DrainAction, dependants: &'static str, members: &[(u32, &str)], way: Way) -> i64 {
    begun(store, action, dependants, members, members.len(), way).await
}

/// The same of so many of its members: the others wait.
async fn begun(
    store: &Store,
    action: DrainAction,
    dependants: &'static str,
    members: &[(u32, &str)],
    worked: usize,
    way: Way,
) -> i64 {
    let sync = store.sync();
    let client_key = |n: u32| sync.key_of(&client(n)).expect("registered");
    let key = format!("{}-{}", action.as_str(), hash_of(members));
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
    let rows: Vec<SetMember> = members.iter().map(|(n, operation)| member(client_key(*n), operation)).collect();
    let set = sync.set_put(set, rows.into_iter(), Vec::new(), hash_of(members), 1, "{}".to_owned()).await.expect("frozen");
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
    let items = members[..worked].iter().zip(1..).map(|((device, operation), n)| ChunkItem {
        n,
        client: client_key(*device),
        client_id: client(*device),
        operation_id: (*operation).to_owned(),
        action,
        together: None,
        way: way.clone(),
    });
    assert!(sync.job_chunk(job, items.collect(), NOW).await.expect("worked off"));
    job
}

fn hash_of(members: &[(u32, &str)]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut lines: Vec<String> = members.iter().map(|(n, operation)| format!("{}\0{operation}\n", client(*n))).collect();
    lines.sort_unstable();
    hex::encode(Sha256::digest(lines.concat()))
}

fn member(client: ClientKey, operation: &str) -> SetMember {
    SetMember { client, operation_id: operation.to_owned(), letter: None, behind: false, together: None, along: false }
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
    uploaded(store, 0).await
}

/// The same, of which so many have had their answer.
async fn uploaded(store: &Store, settled: u64) -> (String, Vec<String>) {
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
    assert_eq!((put.stored, put.settled.len() as u64, put.refused.len()), (operations.len() as u64 - settled, settled, 0));
    (command.id, operations)
}

/// The device says that it has done it.
async fn done(store: &Store, command: &str, operations: &[String], detail: Option<&str>) {
    answered(store, 1, command, operations, EntryOutcome::Ok, detail).await;
}

/// A device says the same of every entry.
async fn answered(store: &Store, from: u32, command: &str, operations: &[String], outcome: EntryOutcome, detail: Option<&str>) {
    let answer = |operation: &String| EntryAnswer {
        operation_id: operation.clone(),
        outcome,
        code: None,
        detail: detail.map(str::to_owned),
    };
    let entries = operations.iter().map(answer).collect();
    let report = CommandReport { reported: Reported::Done, progress: None, result: None, error: None, entries };
    let state = store.sync().command_report(&client(from), command, report, NOW).await.expect("written").expect("fits");
    assert_eq!(state, CommandState::Done);
}

/// What a device is handed: its commands.
async fn handed(store: &Store, who: u32) -> Vec<String> {
    store.sync().commands_take(&client(who), NOW, 50).await.expect("taken").into_iter().map(|command| command.id).collect()
}

async fn moved(store: &Store, job: i64, change: JobChange) {
    let by = JobMove { change, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at: NOW };
    assert_eq!(store.sync().job_change(job, by).await.expect("asked"), Ok(()));
}

/// Names of so many operations.
fn operations(count: u32, of: &str) -> Vec<String> {
    (0..count).map(|n| format!("{of}-{n:02}")).collect()
}

fn of_devices(one: &[String], two: &[String]) -> Vec<(u32, String)> {
    let named = |n: u32| move |operation: &String| (n, operation.clone());
    one.iter().map(named(1)).chain(two.iter().map(named(2))).collect()
}

/// Has two devices hold entries of theirs.
async fn held(store: &Store, one: &[String], two: &[String]) -> i64 {
    let members = of_devices(one, two);
    let members: Vec<(u32, &str)> = members.iter().map(|(n, operation)| (*n, operation.as_str())).collect();
    drained(store, DrainAction::Hold, "take_along", &members, Way::OnDevice).await
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

#[tokio::test]
async fn a_paused_job_holds_back_what_no_device_has_fetched_and_lets_go_of_it_when_it_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let before = store(dir.path()).await;
    let job = held(&before, &operations(1, "one"), &operations(1, "two")).await;
    let fetched = handed(&before, 1).await;
    moved(&before, job, JobChange::Pause).await;
    assert_eq!((handed(&before, 2).await.len(), before.sync().commands_open(&client(2))), (0, 0), "it waits for nobody");
    assert_eq!(before.sync().commands_open(&client(1)), 1, "what was fetched was fetched");
    assert_eq!(before.verify().await.expect("verified").findings, Vec::<String>::new());
    before.close().await.expect("closes");
    let store = store(dir.path()).await;
    assert_eq!((handed(&store, 2).await.len(), store.sync().commands_open(&client(2))), (0, 0), "also after a restart");
    answered(&store, 1, &fetched[0], &operations(1, "one"), EntryOutcome::Ok, None).await;
    let mut listening = store.sync().commands_watch(&client(2)).expect("registered");
    moved(&store, job, JobChange::Resume).await;
    listening.changed().await.expect("whoever waits is woken");
    let fetched = handed(&store, 2).await;
    answered(&store, 2, &fetched[0], &operations(1, "two"), EntryOutcome::Ok, None).await;
    assert_eq!(view(&store, job).await.ok, 2);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_job_that_stops_itself_holds_back_what_no_device_has_fetched() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (one, two) = (operations(20, "one"), operations(3, "two"));
    let job = held(&store, &one, &two).await;
    let fetched = handed(&store, 1).await;
    answered(&store, 1, &fetched[0], &one, EntryOutcome::Refused, None).await;
    assert_eq!(view(&store, job).await.job_state(), JobState::Paused);
    assert_eq!((handed(&store, 2).await.len(), store.sync().commands_open(&client(2))), (0, 0));
    moved(&store, job, JobChange::Cancel).await;
    assert_eq!(handed(&store, 2).await.len(), 0, "nor before it is taken back");
    store.sync().job_sweep(job, NOW).await.expect("swept");
    let view = view(&store, job).await;
    assert_eq!((view.failed, view.skipped, view.finished_ms.is_some()), (20, 3, true));
    assert_eq!(store.sync().commands_open(&client(2)), 0);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_job_with_nothing_left_is_not_stopped_by_its_last_failures_and_one_that_was_is_done_with_its_last_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let last = operations(20, "one");
    let job = held(&store, &last, &[]).await;
    let fetched = handed(&store, 1).await;
    answered(&store, 1, &fetched[0], &last, EntryOutcome::Refused, None).await;
    store.sync().job_moved(job, SystemMove::Done, NOW).await.expect("asked");
    assert_eq!(view(&store, job).await.job_state(), JobState::Done, "there was nothing left to stop");
    let (one, two) = (operations(20, "three"), operations(1, "four"));
    let job = held(&store, &one, &two).await;
    let (first, second) = (handed(&store, 1).await, handed(&store, 2).await);
    answered(&store, 1, &first[0], &one, EntryOutcome::Refused, None).await;
    assert_eq!(view(&store, job).await.job_state(), JobState::Paused, "one is on its way");
    answered(&store, 2, &second[0], &two, EntryOutcome::Ok, None).await;
    let view = view(&store, job).await;
    assert_eq!((view.job_state(), view.finished_ms.is_some(), view.ok), (JobState::Done, true, 1));
    assert_sound(store).await;
}

#[tokio::test]
async fn an_entry_that_was_applied_already_is_left_alone_and_spoils_nothing_for_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = told(&store, DrainAction::Quarantine, "take_along", &["op-1", "op-2"]).await;
    // Its answer was lost on the way.
    push(&store, 1, vec![reading("op-1")]).await;
    let (command, entries) = uploaded(&store, 1).await;
    assert_eq!(store.sync().letter_view(&client(1), "op-1").await.expect("opens").map(|letter| letter.state), None);
    answered(&store, 1, &command, &entries, EntryOutcome::Ok, None).await;
    store.sync().job_moved(job, SystemMove::Done, NOW).await.expect("asked");
    let view = view(&store, job).await;
    assert_eq!((view.job_state(), view.ok, view.skipped, view.failed), (JobState::Done, 1, 1, 0));
    let (items, ..) =
        store.sync().items_page(view.set_id, &ItemFilter::of(ItemOutcome::Skipped), &Position::Start, 10).await.expect("read");
    assert_eq!(items[0].code.as_deref(), Some("already_applied"));
    assert_sound(store).await;
}
