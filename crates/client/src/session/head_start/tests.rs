//! Head starts against scripted answers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

use super::*;
use crate::journal::MemoryJournal;
use crate::session::tests::{Bench, config, page};
use crate::session::{Config, Settlement};
use crate::wire::{Reply, Request};

/// A part of these records, each `n` at position `n`; with its entry in the manifest.
fn part(scope: &str, records: &[i64]) -> (Vec<u8>, Value) {
    let line = |n: &i64| json!({"seq": n, "op": "put", "collection": "todos", "record_id": format!("r{n}"), "scope": scope, "version": 1, "operation_id": "x", "fields": {"n": n}});
    let text: String = records.iter().map(|n| format!("{}\n", line(n))).collect();
    let bytes = zstd::encode_all(text.as_bytes(), 3).expect("compressed");
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let entry = json!({"rows": records.len(), "bytes": bytes.len(), "raw_bytes": text.len(), "sha256": sha256});
    (bytes, entry)
}

fn manifest(id: &str, seq: i64, parts: &[&Value]) -> Value {
    json!({"id": id, "epoch": "9f3c1ab27d405e61", "seq": seq, "parts": parts})
}

/// A client of `site:a` and `site:b` that has just registered.
fn registered(limits: Value) -> Bench {
    let config = Config { scopes: vec!["site:a".into(), "site:b".into()], ..config() };
    let client = Client::open(config, MemoryJournal::default()).expect("opens");
    let mut bench = Bench { client, now: Millis(1_700_000_000_000), rng: ChaCha8Rng::seed_from_u64(9) };
    bench.client.round_begin();
    bench.expect(Purpose::Register);
    bench.answer(201, json!({"client_id": "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e", "access_token": "a1", "access_expires_in_s": 900_000, "refresh_token": "r1", "limits": limits}));
    bench
}

fn offered() -> Bench {
    registered(json!({"snapshot_rows_min": 10}))
}

impl Bench {
    fn bytes(&mut self, status: u16, bytes: &[u8]) -> Handled {
        let reply = Reply::Bytes { status, bytes: bytes.to_vec(), took_ms: 3.0 };
        self.client.handle(reply, self.now, &mut self.rng).expect("the journal works")
    }

    fn records(&self) -> Vec<&str> {
        self.client.state().replica.live().map(|((_, record), _)| record.as_str()).collect()
    }

    #[track_caller]
    fn expect_scan_from_nothing(&mut self) -> Request {
        let scan = self.expect(Purpose::Pull);
        assert_eq!(scan.path, "/changes?since=0&limit=500&compact=true&scopes=site:a,site:b");
        scan
    }
}

#[test]
fn snapshots_come_first_then_scans_of_small_scopes_then_what_has_changed_since_the_oldest() {
    let mut bench = offered();
    let ((one, first), (two, second)) = (part("site:a", &[3, 4]), part("site:a", &[5]));
    assert_eq!(bench.expect(Purpose::Snapshot).path, "/snapshots?scope=site:a");
    bench.answer(200, manifest("abc1", 9, &[&first, &second]));
    assert_eq!(bench.expect(Purpose::Snapshot).path, "/snapshots?scope=site:b");
    bench.answer(404, json!({"code": "snapshot_not_offered"}));
    assert_eq!(bench.expect(Purpose::SnapshotPart).path, "/snapshots/abc1/parts/1");
    bench.bytes(200, &one);
    let request = bench.expect(Purpose::SnapshotPart);
    assert_eq!((request.path.as_str(), request.range), ("/snapshots/abc1/parts/2", None));
    bench.bytes(200, &two);
    let scan = bench.expect(Purpose::ScopeScan);
    assert_eq!(scan.path, "/changes?since=0&limit=500&compact=true&scopes=site:b");
    let row = |n: i64, op: &str| json!({"seq": n, "op": op, "collection": "todos", "record_id": format!("r{n}"), "scope": "site:b", "version": 2, "operation_id": "x", "fields": {"n": n}});
    let mut half = page("c7", &[row(7, "put")], Some(false));
    half["has_more"] = json!(true);
    bench.answer(200, half);
    assert_eq!(bench.expect(Purpose::ScopeScan).path, "/changes?since=c7&limit=500&compact=true&scopes=site:b");
    bench.answer(200, page("c12", &[row(12, "put")], Some(true)));
    assert!(bench.records().is_empty(), "what was there stays in sight until all of it is here");
    let scan = bench.expect(Purpose::Pull);
    assert_eq!(scan.path, "/changes?since=9&limit=500&compact=true&epoch=9f3c1ab27d405e61&scopes=site:a,site:b");
    bench.answer(200, page("c14", &[row(12, "put"), row(4, "delete"), row(14, "put")], Some(true)));
    assert_eq!(bench.records(), ["r12", "r14", "r3", "r5", "r7"]);
    assert_eq!(bench.client.state().replica.cursor(), Some("c14"));
    assert_eq!(bench.next(), Action::Idle);
    bench.client.round_begin();
    assert_eq!(bench.expect(Purpose::Pull).path, "/changes?since=c14&limit=500&scopes=site:a,site:b");
}

#[test]
fn a_scope_that_was_opened_since_the_snapshot_takes_one_more_scan_and_not_another_head_start() {
    let mut bench = offered();
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc1", 9, &[]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc2", 9, &[]));
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c12", &[json!({"seq": 11, "op": "grant", "scope": "site:b"})], Some(true)));
    bench.expect_scan_from_nothing();
    bench.answer(200, page("c12", &[], Some(true)));
    assert_eq!(bench.next(), Action::Idle);
}

#[test]
fn nothing_new_since_a_snapshot_is_a_scan_that_is_complete_at_once() {
    let mut bench = offered();
    let (one, first) = part("site:a", &[3]);
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc1", 9, &[&first]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc2", 8, &[]));
    bench.expect(Purpose::SnapshotPart);
    bench.bytes(200, &one);
    assert!(bench.expect(Purpose::Pull).path.starts_with("/changes?since=8&"), "from the older of the two");
    bench.answer(200, page("c9", &[], None));
    assert_eq!(bench.records(), ["r3"]);
    assert_eq!(bench.next(), Action::Idle);
}

#[test]
fn a_part_that_broke_off_is_asked_for_from_where_it_broke_off() {
    let mut bench = offered();
    let (one, first) = part("site:a", &[3, 4, 5]);
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc1", 9, &[&first]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc2", 9, &[]));
    let (middle, later) = (one.len() / 3, one.len() / 2);
    bench.expect(Purpose::SnapshotPart);
    assert_eq!(bench.bytes(200, &one[..middle]).failed.as_deref(), Some("network"));
    assert!(matches!(bench.next(), Action::Wait(_)));
    bench.later();
    let sha256 = first["sha256"].as_str().expect("a digest");
    assert_eq!(bench.expect(Purpose::SnapshotPart).range, Some((middle as u64, sha256.to_owned())));
    bench.bytes(206, &one[middle..later]);
    bench.later();
    assert_eq!(bench.expect(Purpose::SnapshotPart).range, Some((later as u64, sha256.to_owned())));
    bench.lose();
    bench.later();
    assert_eq!(bench.expect(Purpose::SnapshotPart).range, Some((later as u64, sha256.to_owned())));
    bench.bytes(206, &one[later..]);
    assert!(bench.expect(Purpose::Pull).path.starts_with("/changes?since=9&"));
}

#[test]
fn a_server_that_sends_all_of_it_again_is_taken_at_its_word() {
    let mut bench = offered();
    let (one, first) = part("site:a", &[3, 4, 5]);
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc1", 9, &[&first]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc2", 9, &[]));
    bench.expect(Purpose::SnapshotPart);
    bench.bytes(200, &one[..7]);
    bench.later();
    bench.expect(Purpose::SnapshotPart);
    assert_eq!(bench.bytes(200, &one).failed, None);
    bench.expect(Purpose::Pull);
}

#[test]
fn a_part_that_is_not_what_its_digest_says_is_never_used_and_in_the_end_the_scan_begins_from_nothing() {
    let mut bench = offered();
    let ((one, first), (_, second)) = (part("site:a", &[3, 4, 5]), part("site:a", &[6]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc1", 9, &[&first, &second]));
    bench.expect(Purpose::Snapshot);
    bench.answer(200, manifest("abc2", 9, &[]));
    bench.expect(Purpose::SnapshotPart);
    bench.bytes(200, &one);
    for _ in 0..TRIES_MAX {
        let request = bench.expect(Purpose::SnapshotPart);
        assert_eq!((request.path.as_str(), request.range), ("/snapshots/abc1/parts/2", None));
        bench.bytes(200, &one);
        bench.later();
    }
    bench.expect_scan_from_nothing();
    bench.answer(200, page("c9", &[], Some(true)));
    assert!(bench.records().is_empty(), "nothing of the first part is left");
}

#[test]
fn a_snapshot_that_is_being_made_is_asked_for_again_but_not_for_ever() {
    let mut bench = offered();
    for _ in 0..TRIES_MAX {
        bench.expect(Purpose::Snapshot);
        bench.answer(202, json!({"state": "making", "retry_after_ms": 2_000}));
        assert_eq!(bench.next(), Action::Wait(bench.now.plus(2_000)));
        bench.now = bench.now.plus(2_000);
    }
    bench.expect_scan_from_nothing();
}

#[test]
fn a_copy_that_was_ordered_anew_begins_with_a_snapshot() {
    let mut bench = offered();
    for _ in 0..2 {
        bench.expect(Purpose::Snapshot);
        bench.answer(404, json!({"code": "snapshot_not_offered"}));
    }
    bench.expect_scan_from_nothing();
    bench.answer(200, page("c9", &[], Some(true)));
    assert_eq!(bench.next(), Action::Idle);
    bench.client.record(Event::ReplicaDropped { command: "c".into(), operations: Vec::new() }).expect("recorded");
    bench.client.round_begin();
    assert_eq!(bench.expect(Purpose::Snapshot).path, "/snapshots?scope=site:a");
}

#[test]
fn a_snapshot_that_is_gone_or_closed_leaves_the_scan_from_nothing() {
    for status in [403, 404, 410] {
        let mut bench = offered();
        let (one, first) = part("site:a", &[3]);
        bench.expect(Purpose::Snapshot);
        bench.answer(200, manifest("abc1", 9, &[&first, &first]));
        bench.expect(Purpose::Snapshot);
        bench.answer(200, manifest("abc2", 9, &[]));
        bench.expect(Purpose::SnapshotPart);
        bench.bytes(200, &one);
        bench.expect(Purpose::SnapshotPart);
        bench.answer(status, json!({"code": "not_found"}));
        bench.expect_scan_from_nothing();
        bench.answer(200, page("c9", &[], Some(true)));
        assert!(bench.records().is_empty(), "{status}");
    }
}

#[test]
fn a_server_that_offers_none_is_not_asked() {
    let mut bench = registered(json!({"max_page": 5_000}));
    bench.expect_scan_from_nothing();
    let mut bench = offered();
    for _ in 0..2 {
        bench.expect(Purpose::Snapshot);
        bench.answer(404, json!({"code": "snapshot_not_offered"}));
    }
    bench.expect_scan_from_nothing();
}

#[test]
fn a_crash_in_the_middle_mixes_nothing() {
    for seed in 0..16 {
        let mut bench = offered();
        bench.rng = ChaCha8Rng::seed_from_u64(seed);
        let ((one, first), (_, second)) = (part("site:a", &[3, 4]), part("site:a", &[5]));
        bench.expect(Purpose::Snapshot);
        bench.answer(200, manifest("abc1", 9, &[&first, &second]));
        bench.expect(Purpose::Snapshot);
        bench.answer(200, manifest("abc2", 9, &[]));
        bench.expect(Purpose::SnapshotPart);
        bench.bytes(200, &one);
        // The client that starts again names no scopes, and so takes no snapshots.
        let mut bench = bench.restart_after_crash();
        bench.client.round_begin();
        assert_eq!(bench.expect(Purpose::Pull).path, "/changes?since=0&limit=500&compact=true");
        let handled = bench.answer(200, page("c9", &[], Some(true)));
        assert_eq!(handled.settled, Vec::<Settlement>::new());
        assert!(bench.records().is_empty(), "seed {seed}");
    }
}

#[test]
fn a_manifest_that_asks_for_too_much_or_for_another_path_is_none() {
    let (_, first) = part("site:a", &[3]);
    assert!(read_manifest(&manifest("abc1", 9, &[&first])).is_some());
    assert_eq!(read_manifest(&manifest("../x", 9, &[&first])), None);
    assert_eq!(read_manifest(&manifest("abc1", 0, &[&first])), None);
    let mut large = first.clone();
    large["raw_bytes"] = json!(1_u64 << 40);
    assert_eq!(read_manifest(&manifest("abc1", 9, &[&large])), None);
    let (bytes, entry) = part("site:a", &[3, 4]);
    let raw = entry["raw_bytes"].as_u64().expect("a number");
    assert!(read_lines(&bytes, raw, 2).is_some());
    assert_eq!(read_lines(&bytes, raw, 1), None);
    assert_eq!(read_lines(&bytes, raw - 1, 2), None);
    assert_eq!(read_lines(b"no zstd", raw, 2), None);
}
