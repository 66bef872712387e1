//! The device list in pages: every order, both ways, without gaps or repeats.

use super::*;

async fn filled(dir: &Path, devices: u32) -> Store {
    let store = store(dir).await;
    for n in 0..devices {
        let mut told = report("r1", NOW.plus(-i64::from(n % 7) * MINUTE_MS));
        told.device.name = Some(format!("Tablet {:02}", (n * 37) % 50));
        told.device.platform = Some(["ios", "android"][n as usize % 2].to_owned());
        told.device.app_version = Some(format!("4.{}.0", n % 12));
        told.device.battery_percent = (n % 3 > 0).then_some(f64::from(n));
        told.device.labels = vec![("region".to_owned(), ["north", "south"][n as usize % 2].to_owned())];
        told.offline_resilience.queued_operations_count = (n % 4 > 0).then_some(i64::from(n % 4));
        store.telemetry().reports_ingest(&client(n), vec![told], NOW.plus(i64::from(n))).await.expect("stored");
    }
    store
}

async fn walk(telemetry: &Telemetry, filter: &Filter, sort: DeviceSort, rows: u32) -> Vec<ClientId> {
    let (mut found, mut position) = (Vec::new(), Position::Start);
    loop {
        let page = telemetry.devices_page(filter, sort, &position, rows, NOW).await.expect("read");
        found.extend(page.rows.into_iter().map(|row| row.client_id));
        match page.next {
            Some(next) => position = Position::After(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn pages_of_every_order_join_to_the_whole_list_both_ways() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), 43).await;
    let telemetry = store.telemetry();
    for sort in DeviceSort::ALL {
        for text in ["", "platform:ios"] {
            let whole = walk(telemetry, &filter(text), sort, 500).await;
            let wanted = if text.is_empty() { 43 } else { 22 };
            assert_eq!(whole.len(), wanted, "{sort:?}");
            assert_eq!(walk(telemetry, &filter(text), sort, 5).await, whole, "{sort:?}");
            let mut back = Vec::new();
            let all = telemetry.devices_page(&filter(text), sort, &Position::Start, 7, NOW).await.expect("read");
            let mut page = telemetry
                .devices_page(&filter(text), sort, &Position::After(all.next.expect("more")), 500, NOW)
                .await
                .expect("read");
            while let Some(previous) = page.previous.take() {
                page = telemetry.devices_page(&filter(text), sort, &Position::Before(previous), 3, NOW).await.expect("read");
                let ids = page.rows.iter().map(|row| row.client_id.clone());
                back = ids.chain(back).collect();
            }
            assert_eq!(back, whole[..7], "{sort:?}");
        }
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn devices_that_stay_where_they_are_come_up_once_while_others_move() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), 30).await;
    let telemetry = store.telemetry();
    let (mut found, mut position, mut step) = (Vec::new(), Position::Start, 0_u32);
    loop {
        let page = telemetry.devices_page(&filter(""), DeviceSort::Queue, &position, 4, NOW).await.expect("read");
        found.extend(page.rows.into_iter().map(|row| row.client_id));
        let mut moves = report(&format!("m{step}"), NOW.plus(DAY_MS));
        moves.offline_resilience.queued_operations_count = Some(i64::from(step % 2) * 100);
        telemetry.reports_ingest(&client(step), vec![moves], NOW.plus(DAY_MS)).await.expect("stored");
        step += 1;
        match page.next {
            Some(next) => position = Position::After(next),
            None => break,
        }
    }
    for n in step..30 {
        assert_eq!(found.iter().filter(|id| **id == client(n)).count(), 1, "device {n}");
    }
    store.close().await.expect("closes");
}

/// What a filter says of a row, in Rust.
type Holds = fn(&tidewatch_domain::fleet::DeviceRow) -> bool;

#[tokio::test]
async fn filters_select_the_same_devices_as_the_rows_say() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), 40).await;
    let telemetry = store.telemetry();
    let all = telemetry.devices_page(&filter(""), DeviceSort::Name, &Position::Start, 500, NOW).await.expect("read").rows;
    let cases: [(&str, Holds); _] = [
        ("queue:>=2", |row| row.queue_depth.is_some_and(|depth| depth >= 2)),
        ("-queue:>=2", |row| row.queue_depth.is_none_or(|depth| depth < 2)),
        ("queue:none", |row| row.queue_depth.is_none()),
        ("battery:<20", |row| row.battery_percent.is_some_and(|percent| percent < 20.0)),
        ("version:>=4.10", |row| matches!(row.app_version.as_deref(), Some("4.10.0" | "4.11.0"))),
        ("version:4.1.*", |row| row.app_version.as_deref() == Some("4.1.0")),
        ("platform:IOS,web", |row| row.platform.as_deref() == Some("ios")),
        ("name:\"tablet 1*\"", |row| row.name.starts_with("Tablet 1")),
        ("\"t 1\" -platform:ios", |row| row.name.contains("t 1") && row.platform.as_deref() != Some("ios")),
        ("label.region:north queue:3", |row| row.platform.as_deref() == Some("ios") && row.queue_depth == Some(3)),
        ("lag:<10m condition:catching_up", |row| row.queue_depth.is_some_and(|depth| depth > 0)),
        ("simulated:yes", |_| false),
        ("name:%", |_| false),
    ];
    for (text, keep) in cases {
        let wanted: Vec<&ClientId> = all.iter().filter(|row| keep(row)).map(|row| &row.client_id).collect();
        let page = telemetry.devices_page(&filter(text), DeviceSort::Name, &Position::Start, 500, NOW).await.expect("read");
        assert_eq!(page.rows.iter().map(|row| &row.client_id).collect::<Vec<_>>(), wanted, "{text}");
        assert_eq!(page.total, Total::Exact(wanted.len() as u64), "{text}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn every_key_of_the_table_has_its_sql() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), 2).await;
    for key in keys::DEVICES {
        use tidewatch_domain::filter::Kind;
        let value = match key.kind {
            Kind::Text => "x",
            Kind::Number => ">1",
            Kind::Duration => ">1h",
            Kind::Enum(words) => words[0],
            Kind::Version => "<4.2",
            Kind::Bool => "yes",
        };
        let name = if key.name.ends_with('.') { format!("{}x", key.name) } else { key.name.to_owned() };
        let page = store
            .telemetry()
            .devices_page(&filter(&format!("{name}:{value}")), DeviceSort::Worst, &Position::Start, 5, NOW)
            .await;
        assert!(page.is_ok(), "{name}: {page:?}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_timeline_pages_newest_first_and_is_bounded() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    for n in 0..500_i64 {
        let at = NOW.plus(n * 20 * MINUTE_MS);
        let contact = if n % 2 == 0 {
            Contact::PullRefused { code: "cursor_expired" }
        } else {
            Contact::PushRefused { code: "body_too_large" }
        };
        telemetry.contact_note(&client(1), at, contact);
    }
    telemetry.settle().await.expect("written");
    telemetry.contact_note(&client(1), NOW.plus(500 * 20 * MINUTE_MS), Contact::TokenRefused);
    telemetry.settle().await.expect("written");
    let (mut found, mut position) = (Vec::new(), Position::Start);
    loop {
        let page = telemetry.device_timeline(&client(1), None, &position, 60).await.expect("known");
        found.extend(page.rows.into_iter().map(|event| event.at));
        match page.next {
            Some(next) => position = Position::After(next),
            None => break,
        }
    }
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(found[0], NOW.plus(500 * 20 * MINUTE_MS));
    assert!((250..=350).contains(&found.len()), "{}", found.len());
    store.close().await.expect("closes");
}
