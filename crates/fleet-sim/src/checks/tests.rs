//! Every checker sees the fault it is for: a checker that can not fail proves nothing.

use super::*;

fn answer(operation: &str, status: &str, seq: Option<i64>) -> Settlement {
    Settlement {
        operation_id: operation.into(),
        status: status.into(),
        replayed: false,
        noop: false,
        seq,
        conflict_id: None,
        code: None,
    }
}

fn row(seq: i64, operation: &str) -> LogRow {
    LogRow { seq, key: ("todos".into(), "a".into()), version: seq, client_id: "c".into(), operation_id: operation.into() }
}

/// One device that queued one operation, had it applied, and holds what the store holds.
fn sound() -> Observed {
    let records =
        BTreeMap::from([("site:a".to_owned(), BTreeMap::from([(("todos".to_owned(), "a".to_owned()), (1, "{}".to_owned()))]))]);
    Observed {
        devices: vec![DeviceObserved {
            name: "LOW-TAB-0412".into(),
            client_id: "c".into(),
            scopes: vec!["site:a".into()],
            queued: vec!["op".into()],
            answers: vec![answer("op", "applied", Some(2))],
            pages: vec![page("v1.e.2.f.c", "v1.e.5.f.c", &[3, 5])],
            obeyed: vec![("c-1".into(), 10)],
            drained: vec!["gone".into()],
            left: HashMap::new(),
            records: records.clone(),
        }],
        log: vec![row(2, "op")],
        log_lines: Vec::new(),
        state: records,
        commands: vec![CommandSeen { id: "c-1".into(), state: "done".into(), changed_ms: 20 }],
        archived: HashSet::from([("c".to_owned(), "gone".to_owned())]),
        settled: true,
    }
}

fn page(since: &str, cursor: &str, seqs: &[i64]) -> PageSeen {
    PageSeen { start: 0, pulled: Pulled { seqs: seqs.to_vec(), scan: false, since: Some(since.into()), cursor: cursor.into() } }
}

#[track_caller]
fn assert_seen(checker: &str, spoil: impl FnOnce(&mut Observed)) {
    let mut observed = sound();
    assert_eq!(observed.faults(), Vec::<String>::new());
    spoil(&mut observed);
    let faults = observed.faults();
    assert!(faults.iter().any(|fault| fault.starts_with(checker)), "{checker} saw nothing: {faults:?}");
}

#[test]
fn an_operation_that_is_gone_is_seen() {
    assert_seen("no_lost_mutation", |observed| observed.devices[0].answers.clear());
    assert_seen("no_lost_mutation", |observed| observed.log.clear());
    assert_seen("no_lost_mutation", |observed| observed.devices[0].answers[0].status = "rejected".into());
}

#[test]
fn an_operation_applied_twice_or_never_queued_is_seen() {
    assert_seen("exactly_once", |observed| observed.log.push(row(3, "op")));
    assert_seen("exactly_once", |observed| observed.log.push(row(3, "phantom")));
    assert_seen("exactly_once", |observed| observed.devices[0].answers.push(answer("op", "applied", Some(9))));
}

#[test]
fn a_record_that_differs_is_seen() {
    assert_seen("convergence", |observed| observed.state.clear());
    assert_seen("convergence", |observed| observed.devices[0].records.clear());
    assert_seen("convergence", |observed| {
        let records = observed.devices[0].records.get_mut("site:a").expect("there");
        records.values_mut().for_each(|record| record.1 = "{\"n\":1}".into());
    });
}

#[test]
fn a_cursor_that_goes_back_and_rows_outside_a_page_are_seen() {
    assert_seen("cursor_monotonic", |observed| observed.devices[0].pages.push(page("v1.e.3.f.c", "v1.e.6.f.c", &[6])));
    assert_seen("cursor_monotonic", |observed| observed.devices[0].pages.push(page("v1.e.5.f.c", "v1.e.8.f.c", &[5])));
    assert_seen("cursor_monotonic", |observed| observed.devices[0].pages.push(page("v1.e.5.f.c", "v1.e.8.f.c", &[8, 7])));
}

#[test]
fn a_loss_without_an_entry_in_the_conflicts_log_is_seen() {
    assert_seen("conflict_accounted", |observed| observed.devices[0].answers[0].status = "superseded".into());
    assert_seen("conflict_accounted", |observed| {
        let device = &mut observed.devices[0];
        device.answers =
            ["a", "b"].map(|id| Settlement { conflict_id: Some("cf_1".into()), ..answer(id, "superseded", None) }).to_vec();
    });
}

#[test]
fn a_queue_that_does_not_drain_is_seen() {
    assert_seen("liveness", |observed| observed.settled = false);
    assert_seen("liveness", |observed| observed.devices[0].left.extend([("op-2".into(), false)]));
}

#[test]
fn a_command_that_is_obeyed_twice_or_too_late_or_by_nobody_is_seen() {
    assert_seen("commands_obeyed", |observed| observed.devices[0].obeyed.push(("c-1".into(), 11)));
    assert_seen("commands_obeyed", |observed| observed.devices[0].obeyed.clear());
    assert_seen("commands_obeyed", |observed| {
        observed.commands[0] = CommandSeen { id: "c-1".into(), state: "cancelled".into(), changed_ms: 9 };
    });
    assert_seen("commands_obeyed", |observed| observed.commands[0].state = "running".into());
}

#[test]
fn an_entry_that_a_drain_lost_is_seen() {
    assert_seen("commands_obeyed", |observed| observed.archived.clear());
}
