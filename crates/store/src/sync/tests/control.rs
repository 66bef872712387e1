//! Commands from their issue to their end, on a real store.

use tidewatch_domain::control::{
    CommandKind, CommandReport, CommandState, EntryAnswer, EntryOutcome, HAND_OVER_AGAIN_MS, NewCommand, Reported, Stays,
};
use tidewatch_domain::time::{DAY_MS, HOUR_MS};

use super::*;
use crate::Error;
use crate::sync::{By, EscrowLine, Place};

fn command(to: u32, kind: CommandKind, args: serde_json::Value) -> NewCommand {
    NewCommand {
        client_id: client(to),
        kind,
        args,
        priority: 3,
        expires_at: NOW.plus(DAY_MS),
        supersede_key: None,
        job: None,
        actor: "user:maya".to_owned(),
        reason: "the tablet is stuck".to_owned(),
    }
}

fn refresh(to: u32) -> NewCommand {
    command(to, CommandKind::RefreshPolicy, json!({}))
}

fn drain(to: u32, action: &str, operations: &[&str]) -> NewCommand {
    let entry = |id: &&str| json!({"operation_id": id, "action": action});
    command(to, CommandKind::Drain, json!({"entries": operations.iter().map(entry).collect::<Vec<_>>()}))
}

fn said(reported: Reported) -> CommandReport {
    let error = (reported == Reported::Failed).then(|| ("broken".to_owned(), "it broke".to_owned()));
    CommandReport { reported, progress: None, result: None, error, entries: Vec::new() }
}

fn answered(entries: &[(&str, EntryOutcome)]) -> CommandReport {
    let answer = |(id, outcome): &(&str, EntryOutcome)| EntryAnswer {
        operation_id: (*id).to_owned(),
        outcome: *outcome,
        code: None,
        detail: None,
    };
    CommandReport { entries: entries.iter().map(answer).collect(), ..said(Reported::Done) }
}

fn by() -> By {
    By { actor: "user:olga".to_owned(), reason: "it was the wrong one".to_owned(), trace_id: None }
}

async fn issue(store: &Store, command: NewCommand) -> String {
    store.sync().commands_issue(vec![command], None, NOW).await.expect("given").remove(0)
}

async fn take(store: &Store, who: u32, at: Millis) -> Vec<String> {
    store.sync().commands_take(&client(who), at, 50).await.expect("taken").into_iter().map(|command| command.id).collect()
}

async fn state(store: &Store, id: &str) -> CommandState {
    store.sync().command_view(id).await.expect("there").row.state
}

async fn report(store: &Store, who: u32, id: &str, report: CommandReport) -> CommandState {
    store.sync().command_report(&client(who), id, report, NOW).await.expect("written").expect("fits")
}

async fn assert_sound(store: Store) {
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_device_gets_its_own_commands_most_urgent_first_and_again_only_after_a_while() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let low = issue(&store, refresh(1)).await;
    let urgent = issue(&store, NewCommand { priority: 1, ..refresh(1) }).await;
    let other = issue(&store, refresh(2)).await;
    assert_eq!(store.sync().commands_open(&client(1)), 2);
    assert_eq!(take(&store, 1, NOW).await, [urgent.clone(), low.clone()]);
    assert_eq!(take(&store, 1, NOW.plus(HAND_OVER_AGAIN_MS - 1)).await, [] as [&str; 0]);
    assert_eq!(take(&store, 1, NOW.plus(HAND_OVER_AGAIN_MS)).await, [urgent.clone(), low.clone()]);
    assert_eq!(take(&store, 2, NOW).await, [other]);
    let view = store.sync().command_view(&urgent).await.expect("there");
    assert_eq!((view.row.state, view.deliveries), (CommandState::Delivered, 2));
    let history: Vec<_> = view.history.iter().map(|event| (event.state, event.at, event.actor.as_str())).collect();
    let device = format!("device:{}", view.row.client_id);
    assert_eq!(history, [(CommandState::Queued, NOW, view.row.actor.as_str()), (CommandState::Delivered, NOW, &device)]);
    report(&store, 1, &urgent, said(Reported::Running)).await;
    report(&store, 1, &urgent, said(Reported::Done)).await;
    assert_eq!(store.sync().commands_open(&client(1)), 1);
    assert_eq!(take(&store, 1, NOW.plus(HOUR_MS)).await, [low]);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_newer_command_takes_the_place_of_one_that_was_not_handed_over_and_of_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let keyed = |to| NewCommand { supersede_key: Some("refresh".to_owned()), ..refresh(to) };
    let first = issue(&store, keyed(1)).await;
    let elsewhere = issue(&store, keyed(2)).await;
    let second = issue(&store, keyed(1)).await;
    assert_eq!((state(&store, &first).await, state(&store, &elsewhere).await), (CommandState::Superseded, CommandState::Queued));
    assert_eq!(take(&store, 1, NOW).await, std::slice::from_ref(&second));
    let third = issue(&store, keyed(1)).await;
    assert_eq!((state(&store, &second).await, state(&store, &third).await), (CommandState::Delivered, CommandState::Queued));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_nobody_asked_for_in_time_expires_and_what_is_under_way_is_given_a_day() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (never, begun) = (issue(&store, refresh(1)).await, issue(&store, refresh(2)).await);
    take(&store, 2, NOW).await;
    report(&store, 2, &begun, said(Reported::Running)).await;
    assert_eq!(store.sync().commands_expire(NOW.plus(DAY_MS - 1)).await.expect("swept"), 0);
    assert_eq!(take(&store, 1, NOW.plus(DAY_MS)).await, [] as [&str; 0], "past its end it is handed to nobody");
    assert_eq!(store.sync().commands_expire(NOW.plus(DAY_MS)).await.expect("swept"), 2, "a day without a word is enough");
    assert_eq!((state(&store, &never).await, state(&store, &begun).await), (CommandState::Expired, CommandState::Expired));
    assert_eq!(report(&store, 2, &begun, said(Reported::Done)).await, CommandState::Expired, "it stays what it is");
    assert_eq!(store.sync().commands_open(&client(1)), 0);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_cancelled_command_is_not_handed_over_and_one_under_way_needs_force() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (queued, running) = (issue(&store, refresh(1)).await, issue(&store, refresh(2)).await);
    let cancel = async |id: &str, force| store.sync().command_cancel(id, force, by(), NOW).await.expect("asked");
    assert_eq!(cancel(&queued, false).await, Ok(CommandState::Cancelled));
    assert_eq!(take(&store, 1, NOW).await, [] as [&str; 0]);
    take(&store, 2, NOW).await;
    report(&store, 2, &running, said(Reported::Running)).await;
    assert_eq!(cancel(&running, false).await, Err(Stays::UnderWay));
    assert_eq!(cancel(&running, true).await, Ok(CommandState::Cancelled));
    assert_eq!(cancel(&running, true).await, Err(Stays::Same));
    assert_eq!(report(&store, 2, &running, said(Reported::Done)).await, CommandState::Cancelled);
    assert!(matches!(store.sync().command_cancel("nothing", false, by(), NOW).await, Err(Error::NotFound("command"))));
    let audited = store.sync().audit_list(&tidewatch_domain::filter::Filter::default(), Place::Newest, 10).await.expect("rows");
    let actions: Vec<&str> = audited.rows.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["command_cancel", "command_cancel", "command_issue", "command_issue"]);
    assert_sound(store).await;
}

#[tokio::test]
async fn the_commands_of_a_device_that_is_gone_are_closed() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (one, two) = (issue(&store, refresh(1)).await, issue(&store, refresh(1)).await);
    let kept = issue(&store, refresh(2)).await;
    assert_eq!(store.sync().commands_close(&client(1), by(), NOW).await.expect("closed"), 2);
    for id in [&one, &two] {
        assert_eq!(state(&store, id).await, CommandState::Cancelled);
    }
    assert_eq!(state(&store, &kept).await, CommandState::Queued);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_drain_is_done_when_every_entry_is_answered_and_every_payload_is_here() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let id = issue(&store, drain(1, "quarantine", &["op-1", "op-2"])).await;
    take(&store, 1, NOW).await;
    report(&store, 1, &id, said(Reported::Running)).await;
    let say = async |answers: &[(&str, EntryOutcome)]| {
        store
            .sync()
            .command_report(&client(1), &id, answered(answers), NOW)
            .await
            .expect("asked")
            .map_err(|refusal| refusal.field)
    };
    let (ok, missing) = (EntryOutcome::Ok, EntryOutcome::NotFound);
    assert_eq!(say(&[("op-2", missing)]).await, Err("result.entries".to_owned()));
    assert_eq!(say(&[("op-9", ok)]).await, Err("result.entries[0].operation_id".to_owned()));
    assert_eq!(say(&[("op-2", missing), ("op-2", missing)]).await, Err("result.entries[1].operation_id".to_owned()));
    assert_eq!(say(&[("op-1", ok), ("op-2", missing)]).await, Err("result.entries[0].operation_id".to_owned()), "not uploaded");
    let line = EscrowLine {
        operation_id: "op-1".to_owned(),
        intent: r#"{"operation_id":"op-1","fields":{"a":1}}"#.to_owned(),
        error: Some(("schema_invalid".to_owned(), "a must be text".to_owned())),
        held: false,
    };
    let put = async |line: &EscrowLine| {
        store.sync().escrow_put(&client(1), Some(id.clone()), vec![line.clone()], NOW).await.expect("put")
    };
    assert_eq!(put(&line).await.stored, 1);
    assert_eq!(put(&line).await.duplicates, 1, "resumed uploads change nothing");
    let other = EscrowLine { intent: r#"{"operation_id":"op-1","fields":{"a":2}}"#.to_owned(), ..line.clone() };
    assert_eq!(put(&other).await.refused[0].1, "idempotency_key_reused");
    let stranger = EscrowLine { operation_id: "op-7".to_owned(), ..line };
    assert_eq!(put(&stranger).await.refused[0].1, "not_of_command");
    assert_eq!(say(&[("op-1", ok), ("op-2", missing)]).await, Ok(CommandState::Done));
    let kept = store.sync().letter_view(&client(1), "op-1").await.expect("opens").expect("in the archive");
    assert_eq!((kept.mutation.as_str(), kept.state), (r#"{"operation_id":"op-1","fields":{"a":1}}"#, 4));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_a_device_hands_over_as_one_group_is_known_as_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let line = |id: &str, group: Option<&str>| EscrowLine {
        operation_id: id.to_owned(),
        intent: serde_json::json!({"operation_id": id, "group": group}).to_string(),
        error: None,
        held: false,
    };
    let put = async |lines: Vec<EscrowLine>| store.sync().escrow_put(&client(1), None, lines, NOW).await.expect("put").stored;
    let (move_1, move_2, move_3) = (line("move-1", Some("m")), line("move-2", Some("m")), line("move-3", Some("m")));
    let stored = put(vec![line("alone", None), move_1, move_2.clone(), line("other", Some("o")), line("later", Some("m"))]).await;
    assert_eq!(stored, 5);
    // The rest of an upload that was cut begins with what came last.
    assert_eq!(put(vec![move_2, move_3]).await, 1);
    let row = async |id: &str| store.sync().letter_view(&client(1), id).await.expect("read").expect("in the archive");
    let first = row("move-1").await;
    assert_eq!((row("alone").await.together, first.together), (None, Some(first.id)));
    for id in ["other", "later"] {
        assert_eq!(row(id).await.together, Some(row(id).await.id), "{id}: something stands in between");
    }
    let fellows = store.sync().letters_together(&[first.id]).await.expect("read");
    let names: Vec<&str> = fellows.iter().map(|fellow| fellow.operation_id.as_str()).collect();
    assert_eq!(names, ["move-1", "move-2", "move-3"]);
    assert_sound(store).await;
}

#[tokio::test]
async fn a_list_of_commands_goes_on_from_page_to_page_and_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, issue(&store, refresh(1)).await);
    }
    let list = async |place| store.sync().commands_list(&client(1), place, 2).await.expect("a page");
    let of = |page: &tidewatch_domain::page::Page<tidewatch_domain::fleet::CommandRow>| {
        page.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>()
    };
    let first = list(Place::Newest).await;
    assert_eq!((of(&first), first.previous.clone()), (ids[..2].to_vec(), None));
    let at = |text: &Option<String>| text.as_deref().expect("more").parse::<i64>().expect("a number");
    let second = list(Place::Below(at(&first.next))).await;
    assert_eq!(of(&second), ids[2..4]);
    let third = list(Place::Below(at(&second.next))).await;
    assert_eq!((of(&third), third.next.clone()), (ids[4..].to_vec(), None));
    assert_eq!(of(&list(Place::Above(at(&third.previous))).await), ids[2..4]);
    assert_sound(store).await;
}

#[tokio::test]
async fn what_is_open_is_known_again_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let before = store(dir.path()).await;
    let id = issue(&before, refresh(1)).await;
    before.close().await.expect("closes");
    let after = store(dir.path()).await;
    assert_eq!(after.sync().commands_open(&client(1)), 1);
    assert_eq!(take(&after, 1, NOW).await, [id]);
    assert_sound(after).await;
}
