//! The page of a command as its reader sees it.

use serde_json::json;
use tidewatch_domain::control::{CommandState, LogLevel, LogLine, LogsHeld};
use tidewatch_domain::fleet::{CommandEvent, CommandRow, Forecast};
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::answers::answers;
use super::*;
use crate::pages::fixture::{NOW, client, device_view, html, part, stuck, text};

fn view(kind: CommandKind, state: CommandState, args: serde_json::Value) -> CommandView {
    let event = |state, minutes: i64, actor: &str, detail: &str| CommandEvent {
        state,
        at: NOW.plus(-minutes * MINUTE_MS),
        actor: actor.to_owned(),
        detail: Some(detail.to_owned()),
    };
    let mut history = vec![event(CommandState::Queued, 30, "user:maya.okafor", "the tablet is stuck")];
    if !matches!(state, CommandState::Queued | CommandState::Expired) {
        history.push(event(CommandState::Delivered, 20, "device:x", ""));
        history.push(event(CommandState::Running, 19, "device:x", ""));
    }
    if !state.is_open() {
        history.push(event(state, 18, "device:x", "it said so"));
    }
    CommandView {
        row: CommandRow {
            id: "0199a3c2-7b1e-7c3a-9d2e-3f4a5b6c7d8e".to_owned(),
            client_id: client(412),
            kind,
            state,
            progress: None,
            priority: 2,
            actor: "user:maya.okafor".to_owned(),
            reason: "the tablet is stuck".to_owned(),
            job: None,
            created: NOW.plus(-30 * MINUTE_MS),
            changed: NOW.plus(-18 * MINUTE_MS),
            expires: NOW.plus(HOUR_MS),
            error: None,
            verified: None,
        },
        args: args.to_string(),
        result: None,
        deliveries: 1,
        forecast: None,
        history,
        logs: None,
    }
}

fn sheet(view: CommandView, lines: Option<CommandLogs>, role: Role) -> String {
    html(move || view! { <CommandSheet view device=Some(device_view(stuck())) lines role=Some(role) now=NOW/> })
}

#[test]
fn what_is_done_on_the_word_of_the_device_says_so() {
    let args = json!({"operation_ids": "all", "redact": false});
    let said = |kind, verified| {
        let mut done = view(kind, CommandState::Done, args.clone());
        done.row.verified = verified;
        text(&sheet(done, None, Role::Support))
    };
    let upload = said(CommandKind::UploadWal, Some(false));
    assert!(upload.contains("Done, not verified") && upload.contains("What it held is not known in full here"), "{upload}");
    let resync = said(CommandKind::Resync, Some(false));
    assert!(resync.contains("Done, not verified") && resync.contains("Not all of its digests could be compared"), "{resync}");
    for verified in [Some(true), None] {
        assert!(!said(CommandKind::UploadWal, verified).contains("not verified"));
    }
    assert!(said(CommandKind::UploadWal, Some(true)).contains("is here, or finally answered"));
}

#[test]
fn a_queued_command_says_when_it_is_expected_who_gave_it_and_can_be_called_back() {
    let mut queued = view(CommandKind::UploadWal, CommandState::Queued, json!({"operation_ids": "all", "redact": false}));
    queued.forecast = Some(Forecast { devices: 1, shares: vec![(1, 50), (6, 98)], unknown: 0 });
    let page = sheet(queued.clone(), None, Role::Support);
    let words = text(&page);
    assert!(words.contains("Asked for by maya.okafor: “the tablet is stuck”"), "{words}");
    assert!(text(part(&page, "id=\"h-pick-up\"", "</section>")).contains("6 h 98 %"), "{words}");
    assert!(text(part(&page, "id=\"h-course\"", "</section>")).contains("waiting for the device"), "{words}");
    assert!(page.contains("action=\"/console/commands/cancel\"") && page.contains("name=\"back\" value=\"command\""));
    assert!(text(part(&page, "id=\"h-order\"", "</section>")).contains("Payloads all that wait"), "{words}");
    let looked = sheet(queued, None, Role::Viewer);
    assert!(looked.contains("Needs the role support, operator or admin; yours is viewer"), "{looked}");
    let mesh = sheet(view(CommandKind::Mesh, CommandState::Queued, json!({"mode": "off"})), None, Role::Support);
    assert!(mesh.contains("Needs the role operator or admin; yours is support"), "{mesh}");
}

#[test]
fn a_command_that_has_ended_shows_its_book_and_no_way_back() {
    let mut failed = view(CommandKind::Resync, CommandState::Failed, json!({"scopes": "all", "mode": "escrow"}));
    failed.row.error = Some(("digest_mismatch".to_owned(), "not equal in building:42 notes".to_owned()));
    let page = sheet(failed, None, Role::Admin);
    assert!(!page.contains("commands/cancel"), "{page}");
    let words = text(&page);
    assert!(words.contains("Failed since") && words.contains("“not equal in building:42 notes”"), "{words}");
    let history = text(part(&page, "id=\"h-history\"", "</section>"));
    let places: Vec<_> = ["Failed", "Running", "Delivered", "Queued"].map(|word| history.find(word)).into();
    assert!(places.is_sorted() && places[0].is_some(), "newest first: {history}");
    assert!(history.contains("by the device: “it said so”"), "{history}");
    let expired = text(&sheet(view(CommandKind::RefreshPolicy, CommandState::Expired, json!({})), None, Role::Admin));
    assert!(expired.contains("Its time was over first."), "{expired}");
}

#[test]
fn each_entry_of_a_drain_has_its_answer() {
    let entries = json!({"entries": [{"operation_id": "op-1", "action": "discard"}, {"operation_id": "op-2", "action": "hold"},
        {"operation_id": "op-3", "action": "retry"}]});
    let mut drain = view(CommandKind::Drain, CommandState::Done, entries);
    drain.result = Some(
        json!({"entries": [{"operation_id": "op-2", "outcome": "refused", "code": "patch_failed", "detail": "no such place"},
            {"operation_id": "op-1", "outcome": "ok"}]})
        .to_string(),
    );
    let found = answers(&drain);
    let ids: Vec<&str> = found.iter().map(|answer| answer.operation_id.as_str()).collect();
    assert_eq!(ids, ["op-1", "op-2", "op-3"], "in the order of the command");
    let page = sheet(drain, None, Role::Viewer);
    let words = text(part(&page, "id=\"h-answers\"", "</section>"));
    assert!(words.contains("2 of 3 entries"), "{words}");
    for line in ["Discard Done", "Hold Refused patch_failed no such place", "Retry No answer yet"] {
        assert!(words.contains(line), "{line} is missing in {words}");
    }
    assert!(page.contains(&format!("/outbox/entries/{}/op-2", client(412))));
}

fn lines(readable: bool, rows: usize) -> CommandLogs {
    let line = |n: usize| LogLine {
        at: NOW.plus(-HOUR_MS),
        level: if n == 0 { LogLevel::Error } else { LogLevel::Info },
        target: "sync.push".to_owned(),
        message: if readable { "a push failed".to_owned() } else { "text·k3f9".to_owned() },
    };
    CommandLogs {
        held: LogsHeld { lines: 120, bytes: 9_000, begins: Some(NOW.plus(-2 * HOUR_MS)), dropped: 3, stored: NOW },
        readable,
        page: Page { rows: (0..rows).map(line).collect(), next: Some("50".to_owned()), previous: None, total: Total::Exact(120) },
    }
}

#[test]
fn lines_say_how_far_back_they_go_and_who_may_read_their_words() {
    let done = || view(CommandKind::UploadLogs, CommandState::Done, json!({}));
    let page = sheet(done(), Some(lines(true, 50)), Role::Support);
    let words = text(part(&page, "id=\"h-lines\"", "</section>"));
    assert!(words.contains("120 lines") && words.contains("3 older lines made room"), "{words}");
    assert!(words.contains("error sync.push a push failed") && words.contains("is in the audit log"), "{words}");
    let id = done().row.id;
    assert!(page.contains(&format!("/export/command-logs.ndjson?command={id}")));
    assert!(page.contains(&format!("/commands/{id}?after=50#h-lines")));
    let masked = text(&sheet(done(), Some(lines(false, 50)), Role::Viewer));
    assert!(masked.contains("To read them: needs the role support, operator or admin; yours is viewer."), "{masked}");
}

#[test]
fn lines_that_are_not_here_say_why() {
    let empty = |state, result: bool| {
        let mut view = view(CommandKind::UploadLogs, state, json!({}));
        view.result = result.then(|| "{}".to_owned());
        text(&sheet(view, None, Role::Support))
    };
    assert!(empty(CommandState::Running, false).contains("Nothing uploaded yet"));
    assert!(empty(CommandState::Done, true).contains("The last 5 uploads of a device are kept"));
    assert!(empty(CommandState::Cancelled, false).contains("It brought no lines"));
    let none =
        CommandLogs { page: Page { rows: Vec::new(), next: None, previous: None, total: Total::Exact(0) }, ..lines(true, 0) };
    let view = view(CommandKind::UploadLogs, CommandState::Done, json!({}));
    assert!(text(&sheet(view, Some(none), Role::Support)).contains("No line is that new"));
    assert_eq!(ListState::default().position, Position::Start);
}

#[test]
fn a_mesh_command_says_what_was_wanted_and_what_is_reported_now() {
    let args = json!({"mode": "multi_hop", "broadcast_interval_ms": 15_000, "rotate_keys": true});
    let mut mesh = view(CommandKind::Mesh, CommandState::Done, args);
    mesh.result = Some(json!({"mode": "multi_hop"}).to_string());
    let mut device = device_view(stuck());
    device.facts.push(("Mesh", Some("multi hop, every 15 s, key 2".to_owned())));
    let page = html(move || view! { <CommandSheet view=mesh device=Some(device) role=Some(Role::Operator) now=NOW/> });
    let words = text(&page);
    for part in ["every 15 s", "a new one", "In its last report: multi hop, every 15 s, key 2."] {
        assert!(words.contains(part), "{part} is missing in {words}");
    }
}
