//! Reports as they arrive: repeated, late, and after a restart.

use super::*;

#[tokio::test]
async fn a_report_counts_once_however_often_it_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let both = || vec![report("r1", NOW), report("r2", NOW)];
    let first = telemetry.reports_ingest(&client(1), both(), NOW).await.expect("stored");
    assert_eq!(first, Ingested { accepted: 2, duplicates: 0 });
    let again = telemetry.reports_ingest(&client(1), vec![report("r2", NOW), report("r3", NOW), report("r3", NOW)], NOW).await;
    assert_eq!(again.expect("stored"), Ingested { accepted: 1, duplicates: 2 });
    let other = telemetry.reports_ingest(&client(2), both(), NOW).await.expect("stored");
    assert_eq!(other, Ingested { accepted: 2, duplicates: 0 });
    let trend = telemetry.fleet_trend(TimeRange::Hour, NOW).await.expect("read");
    assert_eq!(trend.points.len(), 60);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_late_report_fills_its_own_time_and_leaves_the_latest_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let mut new = report("new", NOW);
    (new.device.name, new.device.battery_percent) = (Some("Ward 3".to_owned()), Some(80.0));
    new.offline_resilience.queued_operations_count = Some(2);
    let mut old = report("old", NOW.plus(-3 * DAY_MS));
    (old.device.name, old.device.battery_percent) = (Some("Old name".to_owned()), Some(10.0));
    old.offline_resilience.queued_operations_count = Some(900);
    old.sync.attempts = Some(AttemptCounts { first_try_ok: 1, ok: 3, total: 4 });
    telemetry.reports_ingest(&client(1), vec![new], NOW).await.expect("stored");
    telemetry.reports_ingest(&client(1), vec![old], NOW).await.expect("stored");
    let view = telemetry.device_view(&client(1), NOW).await.expect("known");
    assert_eq!((view.row.name.as_str(), view.row.battery_percent, view.row.queue_depth), ("Ward 3", Some(80.0), Some(2)));
    assert_eq!(view.row.battery_trend, [10.0, 80.0]);
    let week = telemetry.fleet_trend(TimeRange::Week, NOW).await.expect("read");
    let told: Vec<(Option<f64>, Option<f64>)> =
        week.points.iter().filter(|p| p.attempts > 0).map(|p| (p.success, p.queue)).collect();
    assert_eq!(told, [(Some(75.0), Some(900.0))]);
    assert!(week.points.iter().filter(|p| p.at < NOW.plus(-4 * DAY_MS)).all(|p| p.queue.is_none() && p.success.is_none()));
    let board = telemetry.board(NOW).await.expect("read");
    let synced: Vec<Millis> = board.days.iter().flatten().filter(|cell| cell.synced > 0).map(|cell| cell.at).collect();
    let hour = NOW.plus(-3 * DAY_MS);
    assert_eq!(synced, [hour.plus(-(hour.0.rem_euclid(HOUR_MS)))]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    let mut told = report("r1", NOW);
    told.device.name = Some("Ward 3".to_owned());
    told.outbox = outbox(false, 1, vec![entry("op-1", EntryState::Poisoned, NOW.plus(-HOUR_MS))]);
    first.telemetry().reports_ingest(&client(1), vec![told.clone()], NOW).await.expect("stored");
    first.telemetry().contact_note(&client(1), NOW, Contact::Seen);
    first.telemetry().roll(NOW).await.expect("rolls");
    let before = first.telemetry().device_view(&client(1), NOW).await.expect("known");
    first.close().await.expect("closes");

    let second = store(dir.path()).await;
    let after = second.telemetry().device_view(&client(1), NOW).await.expect("known");
    assert_eq!(after, before);
    assert_eq!(after.row.condition, Condition::Stuck);
    let again = second.telemetry().reports_ingest(&client(1), vec![told], NOW).await.expect("stored");
    assert_eq!(again, Ingested { accepted: 0, duplicates: 1 });
    let snapshot = second.telemetry().fleet_snapshot(NOW).await.expect("counted");
    assert_eq!((snapshot.counts.devices, snapshot.counts.by_condition[0]), (1, 1));
    second.close().await.expect("closes");
}

#[tokio::test]
async fn time_alone_moves_the_contact_axis_when_rolled() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    for at in 0..5 {
        telemetry.contact_note(&client(1), NOW.plus(at * 10 * MINUTE_MS), Contact::Seen);
    }
    telemetry.settle().await.expect("written");
    let last = NOW.plus(40 * MINUTE_MS);
    for (after, wanted) in
        [(0, ContactAxis::Active), (15, ContactAxis::Quiet), (30, ContactAxis::Overdue), (30 * 24 * 60, ContactAxis::Lost)]
    {
        let now = last.plus(after * MINUTE_MS);
        telemetry.roll(now).await.expect("rolls");
        let counts = telemetry.fleet_snapshot(now).await.expect("counted").counts.clone();
        let found = ContactAxis::ALL.into_iter().zip(counts.by_contact).find(|(_, n)| *n == 1).map(|(contact, _)| contact);
        assert_eq!(found, Some(wanted), "after {after} min");
        let page = telemetry
            .devices_page(&filter(&format!("contact:{}", wanted.as_str())), DeviceSort::Worst, &Position::Start, 10, now)
            .await;
        assert_eq!(page.expect("read").total, Total::Exact(1));
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_registered_device_that_never_comes_is_seen() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let registration = tidewatch_domain::sync::ClientRegistration {
        client_id: None,
        principal: "maya".to_owned(),
        platform: Some("ios".to_owned()),
        app_version: None,
        schema_version: Some(1),
        scopes: vec![Scope::parse("site:a").expect("a scope")],
        simulated: true,
        public_key: None,
    };
    store.sync().client_register(registration, client(9), NOW).await.expect("registered");
    store.telemetry().roll(NOW).await.expect("rolls");
    let page = store
        .telemetry()
        .devices_page(&filter("contact:never simulated:yes"), DeviceSort::Name, &Position::Start, 10, NOW)
        .await
        .expect("read");
    let found: Vec<(&ClientId, &str, Condition)> =
        page.rows.iter().map(|row| (&row.client_id, row.principal.as_str(), row.condition)).collect();
    assert_eq!(found, [(&client(9), "maya", Condition::Unknown)]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn the_clock_of_a_device_is_what_it_reports_and_else_what_the_server_measures_when_it_pushes() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let clock = async || {
        telemetry.settle().await.expect("written");
        let view = telemetry.device_view(&client(1), NOW).await.expect("known");
        view.facts.into_iter().find(|(name, _)| *name == "Clock").expect("a fact").1
    };
    let push = |skew_ms| telemetry.contact_note(&client(1), NOW, Contact::PushStarted { intents: 1, skew_ms });
    push(None);
    assert_eq!(clock().await, None);
    push(Some(-4_200));
    let measured = clock().await;
    assert!(measured.as_ref().is_some_and(|text| text.contains("-4.2 s")), "{measured:?}");
    push(None);
    assert_eq!(clock().await, measured, "a push that does not say when it was sent measures nothing");
    let mut told = report("r1", NOW);
    told.device.clock_offset_ms = Some(7_700);
    telemetry.reports_ingest(&client(1), vec![told], NOW).await.expect("stored");
    push(Some(-5_000));
    let reported = clock().await;
    assert!(reported.as_ref().is_some_and(|text| text.contains("7.7 s")), "{reported:?}");
    store.close().await.expect("closes");
}
