//! The course of a command, its arguments, and when it is expected to be picked up.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::time::MINUTE_MS;

const NOW: Millis = Millis(1_790_000_000_000);

#[rstest]
#[case(CommandState::Queued, Step::HandOver, Ok(CommandState::Delivered))]
#[case(CommandState::Delivered, Step::HandOver, Err(Stays::Same))]
#[case(CommandState::Delivered, Step::Report(Reported::Running), Ok(CommandState::Running))]
#[case(CommandState::Running, Step::Report(Reported::Done), Ok(CommandState::Done))]
#[case(CommandState::Done, Step::Report(Reported::Done), Err(Stays::Same))]
#[case(CommandState::Expired, Step::Report(Reported::Done), Err(Stays::Ended))]
#[case(CommandState::Cancelled, Step::HandOver, Err(Stays::Ended))]
#[case(CommandState::Delivered, Step::Cancel { force: false }, Ok(CommandState::Cancelled))]
#[case(CommandState::Running, Step::Cancel { force: false }, Err(Stays::UnderWay))]
#[case(CommandState::Running, Step::Cancel { force: true }, Ok(CommandState::Cancelled))]
#[case(CommandState::Done, Step::Cancel { force: true }, Err(Stays::Ended))]
#[case(CommandState::Queued, Step::Supersede, Ok(CommandState::Superseded))]
#[case(CommandState::Delivered, Step::Supersede, Err(Stays::UnderWay))]
#[case(CommandState::Running, Step::Expire, Ok(CommandState::Expired))]
#[case(CommandState::Running, Step::Close, Ok(CommandState::Cancelled))]
fn a_command_moves_as_the_table_says(#[case] before: CommandState, #[case] by: Step, #[case] after: Result<CommandState, Stays>) {
    assert_eq!(step(before, by), after);
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::HandOver),
        prop::sample::select(Reported::ALL.to_vec()).prop_map(Step::Report),
        any::<bool>().prop_map(|force| Step::Cancel { force }),
        Just(Step::Expire),
        Just(Step::Supersede),
        Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn an_ended_command_never_moves_again_and_an_open_one_never_goes_back(steps in prop::collection::vec(any_step(), 0..24)) {
        let mut state = CommandState::Queued;
        for by in steps {
            let rank = |state: CommandState| match state {
                CommandState::Queued => 0,
                CommandState::Delivered => 1,
                CommandState::Running => 2,
                _ => 3,
            };
            if let Ok(after) = step(state, by) {
                prop_assert!(state.is_open(), "{state:?} moved to {after:?}");
                prop_assert!(rank(after) > rank(state), "{state:?} went back to {after:?}");
                state = after;
            }
        }
    }
}

#[test]
fn a_command_ends_with_its_time_unless_the_device_is_at_it() {
    let expires = NOW.plus(1_000);
    assert_eq!(ends_at(CommandState::Queued, expires, NOW), expires);
    assert_eq!(ends_at(CommandState::Delivered, expires, NOW), expires);
    assert_eq!(ends_at(CommandState::Running, expires, NOW), NOW.plus(RUNNING_SILENT_MS));
    let late = NOW.plus(2 * RUNNING_SILENT_MS);
    assert_eq!(ends_at(CommandState::Running, late, NOW), late);
}

#[test]
fn arguments_are_read_as_they_were_written() {
    let orders = [
        json!({"entries": [{"operation_id": "op-1", "action": "retry"},
            {"operation_id": "op-2", "action": "patch", "patch": {"json_patch": [{"op": "remove", "path": "/a"}]}}]}),
        json!({"operation_ids": "all", "redact": true}),
        json!({"operation_ids": ["op-1"], "redact": false}),
        json!({"scopes": "all", "mode": "escrow"}),
        json!({"scopes": ["site:a"], "mode": "refuse_if_pending"}),
        json!({}),
        json!({"mode": "multi_hop", "broadcast_interval_ms": 1_000, "rotate_keys": true}),
        json!({"mode": "off", "rotate_keys": false}),
        json!({"since": "2026-11-20T15:21:40.680Z"}),
        json!({}),
    ];
    let kinds = [
        CommandKind::Drain,
        CommandKind::UploadWal,
        CommandKind::UploadWal,
        CommandKind::Resync,
        CommandKind::Resync,
        CommandKind::RefreshPolicy,
        CommandKind::Mesh,
        CommandKind::Mesh,
        CommandKind::UploadLogs,
        CommandKind::UploadLogs,
    ];
    for (args, kind) in orders.into_iter().zip(kinds) {
        let order = Order::read(kind, &args).expect("valid");
        assert_eq!((order.kind(), order.args()), (kind, args));
    }
}

#[rstest]
#[case(CommandKind::Drain, json!([]), "args")]
#[case(CommandKind::Drain, json!({}), "args.entries")]
#[case(CommandKind::Drain, json!({"entries": []}), "args.entries")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a b", "action": "retry"}]}), "args.entries[0].operation_id")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a", "action": "restore"}]}), "args.entries[0].action")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a", "action": "patch"}]}), "args.entries[0].patch")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a", "action": "patch", "patch": {}}]}), "args.entries[0].patch.json_patch")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a", "action": "skip", "patch": {}}]}), "args.entries[0].patch")]
#[case(CommandKind::Drain, json!({"entries": [{"operation_id": "a", "action": "skip"}, {"operation_id": "a", "action": "hold"}]}), "args.entries[1].operation_id")]
#[case(CommandKind::UploadWal, json!({"operation_ids": "some"}), "args.operation_ids")]
#[case(CommandKind::UploadWal, json!({"operation_ids": "all", "redact": 1}), "args.redact")]
#[case(CommandKind::Resync, json!({"scopes": "all"}), "args.mode")]
#[case(CommandKind::Resync, json!({"scopes": ["x"], "mode": "escrow"}), "args.scopes[0]")]
#[case(CommandKind::RefreshPolicy, json!({"now": true}), "args.now")]
#[case(CommandKind::Mesh, json!({}), "args.mode")]
#[case(CommandKind::Mesh, json!({"mode": "hop"}), "args.mode")]
#[case(CommandKind::Mesh, json!({"mode": "off", "broadcast_interval_ms": 999}), "args.broadcast_interval_ms")]
#[case(CommandKind::Mesh, json!({"mode": "off", "broadcast_interval_ms": 3_600_001}), "args.broadcast_interval_ms")]
#[case(CommandKind::Mesh, json!({"mode": "off", "broadcast_interval_ms": 1_000.5}), "args.broadcast_interval_ms")]
#[case(CommandKind::Mesh, json!({"mode": "off", "rotate_keys": "yes"}), "args.rotate_keys")]
#[case(CommandKind::Mesh, json!({"mode": "off", "key": "x"}), "args.key")]
#[case(CommandKind::UploadLogs, json!({"since": "yesterday"}), "args.since")]
#[case(CommandKind::UploadLogs, json!({"since": 5}), "args.since")]
#[case(CommandKind::UploadLogs, json!({"until": null}), "args.until")]
fn arguments_that_cannot_be_read_name_their_member(#[case] kind: CommandKind, #[case] args: Value, #[case] field: &str) {
    assert_eq!(Order::read(kind, &args).expect_err("refused").field, field);
}

#[rstest]
#[case(MESH_INTERVAL_MS_MIN)]
#[case(MESH_INTERVAL_MS_MAX)]
fn the_bounds_of_an_interval_are_within(#[case] ms: i64) {
    let args = json!({"mode": "single_hop", "broadcast_interval_ms": ms});
    let order = MeshOrder { mode: MeshMode::SingleHop, broadcast_interval_ms: Some(ms), rotate_keys: false };
    assert_eq!(Order::read(CommandKind::Mesh, &args), Ok(Order::Mesh(order)));
}

#[test]
fn a_device_is_half_likely_to_be_in_touch_within_its_usual_gap_and_less_after_a_long_silence() {
    let usual = ContactRhythm { interval_ms: Some(HOUR_MS), last_contact: Some(NOW.plus(-10 * MINUTE_MS)) };
    let silent = ContactRhythm { last_contact: Some(NOW.plus(-DAY_MS)), ..usual };
    let lost = ContactRhythm { last_contact: Some(NOW.plus(-40 * DAY_MS)), ..usual };
    let unknown = ContactRhythm::default();
    assert_eq!(forecast(&[usual], NOW).shares, [(1, 50), (6, 98), (24, 100), (72, 100)]);
    assert_eq!(forecast(&[silent], NOW).shares, [(1, 3), (6, 16), (24, 50), (72, 88)]);
    assert_eq!(forecast(&[lost], NOW).shares, [(1, 0), (6, 0), (24, 0), (72, 0)]);
    let all = forecast(&[usual, lost, unknown], NOW);
    assert_eq!((all.devices, all.unknown, all.shares[0]), (3, 1, (1, 25)));
    assert!(forecast(&[unknown], NOW).shares.is_empty(), "nothing is known, so nothing is said");
}

#[test]
fn an_order_that_names_something_stands_for_no_order_that_names_something_else() {
    let key = |kind: CommandKind, args: Value| Order::read(kind, &args).expect("an order").supersede_key();
    let wal = |args: Value| key(CommandKind::UploadWal, args);
    assert_eq!(wal(json!({"operation_ids": "all"})).as_deref(), Some("upload_wal"));
    let named = wal(json!({"operation_ids": ["op-1", "op-2"]}));
    assert_eq!(named, wal(json!({"operation_ids": ["op-2", "op-1"]})), "in whatever order");
    let others = [
        json!({"operation_ids": ["op-1"]}),
        json!({"operation_ids": ["op-1", "op-2"], "redact": true}),
        json!({"operation_ids": "all"}),
        json!({"operation_ids": "all", "redact": true}),
    ];
    let keys: std::collections::HashSet<_> = others.into_iter().map(wal).chain([named]).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    let resync = |scopes: Value, mode: &str| key(CommandKind::Resync, json!({"scopes": scopes, "mode": mode}));
    assert_eq!(resync(json!("all"), "escrow").as_deref(), Some("resync"));
    assert_eq!(resync(json!(["site:a"]), "escrow"), resync(json!(["site:a"]), "refuse_if_pending"), "the newer wish counts");
    assert_ne!(resync(json!(["site:a"]), "escrow"), resync(json!(["site:b"]), "escrow"));
    assert_ne!(key(CommandKind::UploadLogs, json!({"since": "2026-11-26T00:00:00Z"})), key(CommandKind::UploadLogs, json!({})));
    assert_eq!(key(CommandKind::Mesh, json!({"mode": "off"})).as_deref(), Some("mesh"));
    assert_eq!(key(CommandKind::Drain, json!({"entries": [{"operation_id": "op-1", "action": "hold"}]})), None);
}
