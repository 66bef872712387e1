//! ArxOS mobile through its own protocol: batch, single writes, changes of a building; and what its sample code gets wrong.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::time::MINUTE_MS;
use tidewatch_service::auth::TokenKind;
use tidewatch_service::sync::COLLECTION_SETS;
use tidewatch_testkit::{Device, Reply, TestApp, Visitor};

const BATCH: &str = "/api/v1/mobile/sync/batch";
const UPDATES: &str = "/api/v1/mobile/equipment/building/42/updates";

async fn app() -> TestApp {
    let app = TestApp::new().await;
    let (_, set) = COLLECTION_SETS.into_iter().find(|(name, _)| *name == "arxos").expect("a set");
    app.service().collections_import(&app.state().system_cx(), set).await.expect("imported");
    app
}

/// A device that may force.
async fn chief(app: &TestApp) -> Visitor {
    let scopes = ["building:42", "sync:force"].map(|scope| Scope::parse(scope).expect("valid")).to_vec();
    let token =
        app.service().token_create(&app.state().system_cx(), "chiefs", TokenKind::Enrolment { scopes }).await.expect("new");
    let enrolment = app.anonymous().with_bearer(&token);
    let body = json!({"client_id": "00000000-0000-4000-8000-0000000000ff", "principal": "chief", "platform": "ios", "app_version": "1.0.0", "schema_version": 1});
    let registered = enrolment.post("/clients", &body).await.ok(201);
    app.anonymous().with_bearer(registered["access_token"].as_str().expect("a token"))
}

/// So many minutes after an instant two hours ago.
fn at(app: &TestApp, minute: i64) -> String {
    app.state().now().plus((minute - 120) * MINUTE_MS).to_string()
}

/// An operation of the queue at a minute.
fn operation(app: &TestApp, id: &str, operation: &str, minute: i64, payload: Value) -> Value {
    json!({"entity_type": "equipment", "entity_id": id, "operation": operation, "payload": payload, "local_time": at(app, minute)})
}

fn row(status: &str) -> Value {
    json!({"building_id": "42", "name": "Pump", "type": "pump", "status": status})
}

fn with(base: &Value, member: &str, value: Value) -> Value {
    let mut changed = base.clone();
    changed[member] = value;
    changed
}

async fn sync(visitor: &Visitor, operations: &[Value]) -> Value {
    visitor.post(BATCH, &json!({"operations": operations})).await.ok(200)
}

async fn send(visitor: &Visitor, method: Method, id: &str, extra: &[(&str, &str)], body: &Value) -> Reply {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let path = format!("/api/v1/mobile/equipment/{id}");
    visitor.send(visitor.request(method, &path, extra, body)).await
}

fn statuses(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().expect("results").iter().filter_map(|result| result["status"].as_str()).collect()
}

async fn status_of(device: &Device, id: &str) -> String {
    let (rows, _) = device.pull("0", "&compact=true&collections=equipment").await;
    let row = rows.iter().find(|row| row["record_id"] == id).unwrap_or_else(|| panic!("no {id} in {rows:?}"));
    row["fields"]["status"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_batch_is_applied_and_its_retry_changes_nothing() {
    let app = app().await;
    let device = app.device("d1").await;
    let queue = [
        operation(&app, "eq-1", "create", 1, row("ok")),
        operation(&app, "eq-2", "create", 1, row("ok")),
        operation(&app, "eq-1", "update", 2, with(&row("fault"), "version", json!(1))),
        operation(&app, "eq-2", "delete", 3, json!({})),
        json!({"entity_type": "building", "entity_id": "42", "operation": "create", "payload": {"name": "North"}, "local_time": at(&app, 1)}),
        json!({"entity_type": "anchor", "entity_id": "a-1", "operation": "create", "created_at": app.state().now().0,
            "payload": {"building_id": 42, "equipment_id": "eq-1", "position_x": 1.0, "position_y": 2.5, "position_z": 0.0}}),
    ];
    let first = sync(device.http(), &queue).await;
    assert_eq!(first["success"], json!(["eq-1", "eq-2", "42", "a-1"]));
    assert_eq!((&first["conflicts"], &first["errors"]), (&json!([]), &json!([])));
    let head = app.service().head();
    let again = sync(device.http(), &queue).await;
    assert_eq!(again["success"], first["success"]);
    assert!(again["results"].as_array().expect("results").iter().all(|result| result["replayed"] == true));
    assert_eq!(app.service().head(), head, "a retry writes nothing");
    assert_eq!(status_of(&device, "eq-1").await, "fault");
}

#[tokio::test]
async fn conflicts_come_with_both_versions_and_how_they_came_out() {
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    sync(one.http(), &[operation(&app, "eq-1", "create", 1, row("ok")), operation(&app, "eq-2", "create", 1, row("ok"))]).await;
    sync(one.http(), &[operation(&app, "eq-1", "update", 20, with(&row("fault"), "version", json!(1)))]).await;
    // Two was away: it changed eq-1 before one did, and eq-2 on a version that is still the last.
    let answer = sync(
        two.http(),
        &[
            operation(&app, "eq-1", "update", 10, with(&row("off"), "version", json!(1))),
            operation(&app, "eq-2", "update", 10, with(&row("off"), "version", json!(1))),
        ],
    )
    .await;
    assert_eq!(answer["success"], json!(["eq-1", "eq-2"]));
    let conflict = &answer["conflicts"][0];
    assert_eq!((&conflict["entity_id"], &conflict["resolution"]), (&json!("eq-1"), &json!("server_wins")));
    assert_eq!((&conflict["local_version"]["status"], &conflict["server_version"]["status"]), (&json!("off"), &json!("fault")));
    assert_eq!((&conflict["server_version"]["id"], &conflict["server_version"]["version"]), (&json!("eq-1"), &json!(2)));
    assert!(conflict["conflict_id"].as_str().is_some_and(|id| id.starts_with("cf_")));
    assert_eq!(status_of(&one, "eq-1").await, "fault");
    // A later edit that had not seen the last one wins, and says so.
    let answer = sync(two.http(), &[operation(&app, "eq-1", "update", 30, with(&row("off"), "version", json!(1)))]).await;
    assert_eq!(answer["conflicts"][0]["resolution"], "local_wins");
    assert_eq!(status_of(&one, "eq-1").await, "off");
}

#[tokio::test]
async fn an_operation_at_fault_is_an_error_of_its_own_and_stops_its_entity_only() {
    let app = app().await;
    let device = app.device("d1").await;
    let answer = sync(
        device.http(),
        &[
            operation(&app, "eq-1", "create", 1, row("ok")),
            operation(&app, "eq-1", "burn", 2, row("ok")),
            operation(&app, "eq-1", "update", 3, row("late")),
            operation(&app, "eq-2", "create", 1, row("ok")),
            operation(&app, "eq-3", "update", 1, json!({"status": "x"})),
            json!({"entity_type": "robot", "entity_id": "r-1", "operation": "create", "payload": {"a": 1}, "local_time": at(&app, 1)}),
            operation(&app, "eq-9", "create", 1, with(&row("ok"), "building_id", json!("99"))),
        ],
    )
    .await;
    // (d) one name for several operations: eq-1 is no success although its first operation was applied, and nothing came after.
    assert_eq!(answer["success"], json!(["eq-2"]));
    let errors: Vec<String> = answer["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| {
            format!(
                "{} {} {}",
                error["entity_id"].as_str().unwrap_or_default(),
                error["index"],
                error["code"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            "eq-1 1 schema_invalid",
            "eq-1 2 dependency_failed",
            "eq-3 4 schema_invalid",
            "r-1 5 schema_invalid",
            "eq-9 6 scope_forbidden"
        ]
    );
    assert_eq!(answer["errors"][2]["error"], "payload.building_id: is required for an entity that is not there");
    assert_eq!(status_of(&device, "eq-1").await, "ok");
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_by_its_member_and_changes_nothing() {
    let app = app().await;
    let device = app.device("d1").await;
    let head = app.service().head();
    for (body, refusal) in [
        ("{", "400 json_invalid"),
        ("[]", "400 envelope_invalid $"),
        ("{}", "400 envelope_invalid operations"),
        (r#"{"operations":7}"#, "400 envelope_invalid operations"),
    ] {
        assert_eq!(device.http().post_text(BATCH, body).await.refusal(), refusal, "{body}");
    }
    let many = json!({"operations": vec![json!({}); 1_001]});
    assert_eq!(device.http().post(BATCH, &many).await.refusal(), "413 batch_too_large operations");
    let body = json!({"operations": []}).to_string();
    let extra = [("x-device-id", "00000000-0000-4000-8000-000000000001"), ("content-type", "application/json")];
    assert_eq!(device.http().post_with(BATCH, &extra, body.clone().into()).await.refusal(), "400 header_invalid x-device-id");
    let own = [("x-device-id", device.client_id.as_str()), ("content-type", "application/json")];
    device.http().post_with(BATCH, &own, body.into()).await.ok(200);
    assert_eq!(app.service().head(), head);
}

#[tokio::test]
async fn a_forced_update_wins_with_the_right_to_and_its_leftover_in_the_queue_does_no_harm() {
    let app = app().await;
    let (device, chief) = (app.device("d1").await, chief(&app).await);
    sync(device.http(), &[operation(&app, "eq-1", "create", 1, row("ok"))]).await;
    sync(device.http(), &[operation(&app, "eq-1", "update", 50, with(&row("fault"), "version", json!(1)))]).await;
    // The chief's edit is older, so it loses; the app forces it.
    let left = operation(&app, "eq-1", "update", 10, with(&row("off"), "version", json!(1)));
    let lost = sync(&chief, std::slice::from_ref(&left)).await;
    assert_eq!((statuses(&lost), &lost["conflicts"][0]["resolution"]), (vec!["superseded"], &json!("server_wins")));
    let forced = with(&left, "payload", with(&left["payload"], "force", json!(true)));
    assert_eq!(statuses(&sync(&chief, std::slice::from_ref(&forced)).await), ["applied"]);
    assert_eq!(status_of(&device, "eq-1").await, "off");
    // (a) the app has not taken the item off its queue: whatever it sends again, nothing moves any more.
    device.http().get("/healthz").await;
    sync(device.http(), &[operation(&app, "eq-1", "update", 55, with(&row("fixed"), "version", json!(3)))]).await;
    let head = app.service().head();
    for again in [&left, &forced, &left] {
        let answer = sync(&chief, std::slice::from_ref(again)).await;
        assert_eq!(answer["results"][0]["replayed"], true, "{answer}");
    }
    assert_eq!((app.service().head(), status_of(&device, "eq-1").await), (head, "fixed".to_owned()));
}

#[tokio::test]
async fn a_forced_update_without_the_right_to_is_decided_by_its_time() {
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    sync(one.http(), &[operation(&app, "eq-1", "create", 1, row("ok"))]).await;
    sync(one.http(), &[operation(&app, "eq-1", "update", 50, with(&row("fault"), "version", json!(1)))]).await;
    let forced = with(&with(&row("off"), "version", json!(1)), "force", json!(true));
    let answer = sync(two.http(), &[operation(&app, "eq-1", "update", 10, forced)]).await;
    assert_eq!(answer["conflicts"][0]["resolution"], "server_wins");
    assert_eq!(status_of(&one, "eq-1").await, "fault");
}

#[tokio::test]
async fn a_device_whose_clock_runs_ahead_does_not_own_the_record_for_ever() {
    // (b) the app compares its own clock with the server's. What it claims is bounded here.
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    sync(one.http(), &[operation(&app, "eq-1", "create", 1, row("ok"))]).await;
    let mut ahead = operation(&app, "eq-1", "update", 2, with(&row("ahead"), "version", json!(1)));
    ahead["local_time"] = json!("2030-01-01T00:00:00Z");
    let answer = sync(one.http(), &[ahead]).await;
    assert_eq!(answer["results"][0]["warnings"], json!(["clock_skew"]));
    let row_now = with(&row("right"), "version", json!(2));
    let now = app.state().now().plus(1_000).to_string();
    let mut right = operation(&app, "eq-1", "update", 3, row_now);
    right["local_time"] = json!(now);
    assert_eq!(statuses(&sync(two.http(), &[right]).await), ["applied"]);
    assert_eq!(status_of(&one, "eq-1").await, "right");
}

#[tokio::test]
async fn single_writes_answer_with_the_row_and_conflicts_with_the_one_that_stands() {
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let made =
        send(one.http(), Method::POST, "eq-1", &[], &with(&row("ok"), "updated_at", json!(1_763_629_200_000_i64))).await.ok(201);
    assert_eq!(
        made["equipment"],
        json!({"id": "eq-1", "building_id": "42", "name": "Pump", "type": "pump", "status": "ok", "updated_at": 1_763_629_200_000_i64, "version": 1})
    );
    let edit =
        |status: &str, version: i64, at: i64| with(&with(&row(status), "version", json!(version)), "updated_at", json!(at));
    let done = send(one.http(), Method::PUT, "eq-1", &[], &edit("fault", 1, 1_763_629_900_000)).await.ok(200);
    assert_eq!((&done["equipment"]["version"], &done["equipment"]["status"]), (&json!(2), &json!("fault")));
    let again = send(one.http(), Method::PUT, "eq-1", &[], &edit("fault", 1, 1_763_629_900_000)).await.ok(200);
    assert_eq!((&again["result"]["replayed"], &again["equipment"]["version"]), (&json!(true), &json!(2)));

    let lost = send(two.http(), Method::PUT, "eq-1", &[], &edit("off", 1, 1_763_629_300_000)).await;
    assert_eq!(lost.refusal(), "409 version_conflict");
    assert_eq!(lost.json()["serverVersion"], done["equipment"]);
    assert!(lost.json()["conflict_id"].as_str().is_some_and(|id| id.starts_with("cf_")));

    let stale = send(two.http(), Method::PUT, "eq-1", &[("if-match", "\"1\"")], &edit("off", 1, 1_763_629_999_000)).await;
    assert_eq!(stale.refusal(), "412 precondition_failed");
    assert_eq!(stale.json()["serverVersion"]["version"], 2);
    assert_eq!(status_of(&one, "eq-1").await, "fault");
    send(two.http(), Method::PUT, "eq-1", &[("if-match", "\"2\"")], &edit("off", 2, 1_763_629_999_000)).await.ok(200);

    let gone = send(one.http(), Method::DELETE, "eq-1", &[], &Value::Null).await.ok(200);
    assert_eq!((&gone["result"]["status"], &gone["equipment"]), (&json!("applied"), &Value::Null));
    let again = send(one.http(), Method::DELETE, "eq-1", &[], &Value::Null).await.ok(200);
    assert_eq!((&again["result"]["status"], &again["equipment"]), (&json!("applied"), &Value::Null), "it is as gone as before");
    let late = send(two.http(), Method::PUT, "eq-1", &[], &edit("ok", 3, 1_763_629_999_500)).await;
    assert_eq!(late.refusal(), "409 version_conflict", "what was written before the deletion does not bring it back");
}

#[tokio::test]
async fn a_forced_single_write_that_loses_is_told_so_and_not_refused() {
    // Its app has no second answer to a conflict: an error here would leave the item in its queue for good.
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    send(one.http(), Method::POST, "eq-1", &[], &with(&row("ok"), "updated_at", json!(1_763_629_200_000_i64))).await.ok(201);
    send(
        one.http(),
        Method::PUT,
        "eq-1",
        &[],
        &with(&with(&row("fault"), "version", json!(1)), "updated_at", json!(1_763_629_900_000_i64)),
    )
    .await
    .ok(200);
    let mine = with(&with(&row("off"), "version", json!(1)), "updated_at", json!(1_763_629_300_000_i64));
    assert_eq!(send(two.http(), Method::PUT, "eq-1", &[], &mine).await.refusal(), "409 version_conflict");
    let forced = send(two.http(), Method::PUT, "eq-1", &[], &with(&mine, "force", json!(true))).await.ok(200);
    assert_eq!((&forced["resolution"], &forced["equipment"]["status"]), (&json!("server_wins"), &json!("fault")));
}

#[tokio::test]
async fn a_bad_single_write_names_its_member_and_changes_nothing() {
    let app = app().await;
    let device = app.device("d1").await;
    let head = app.service().head();
    let cases = [
        (Method::PUT, "eq-1", "{", "400 json_invalid"),
        (Method::PUT, "eq-1", r#"{"version":"x"}"#, "400 envelope_invalid version"),
        (Method::PUT, "eq-1", r#"{"building_id":"4 2"}"#, "400 envelope_invalid building_id"),
        (Method::PUT, "eq%201", r#"{"building_id":"42"}"#, "400 envelope_invalid id"),
        (Method::PUT, "eq-1", r#"{"building_id":"99"}"#, "403 scope_forbidden"),
        (Method::PUT, "eq-1", r#"{"status":"x"}"#, "400 envelope_invalid building_id"),
        (Method::DELETE, "eq-1", "", "404 not_found"),
    ];
    for (method, id, body, refusal) in cases {
        let reply = device
            .http()
            .send(device.http().request(method, &format!("/api/v1/mobile/equipment/{id}"), &[], Bytes::from(body)))
            .await;
        assert_eq!(reply.refusal(), refusal, "{id} {body}");
    }
    assert_eq!(app.service().head(), head);
}

async fn updates(device: &Device, query: &str) -> Value {
    device.http().get(&format!("{UPDATES}?{query}")).await.ok(200)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["updates"].as_array().expect("updates").iter().filter_map(|update| update["equipment"]["id"].as_str()).collect()
}

#[tokio::test]
async fn the_changes_of_a_building_are_read_by_cursor_and_by_time() {
    let app = app().await;
    let device = app.device("d1").await;
    sync(device.http(), &[operation(&app, "eq-1", "create", 1, row("ok")), operation(&app, "eq-2", "create", 1, row("ok"))])
        .await;
    sync(device.http(), &[operation(&app, "eq-7", "create", 1, with(&row("ok"), "building_id", json!("7")))]).await;
    let all = updates(&device, "").await;
    assert_eq!((ids(&all), &all["deletes"], &all["has_more"]), (vec!["eq-1", "eq-2"], &json!([]), &json!(false)));
    assert_eq!(
        all["updates"][0]["equipment"],
        json!({"id": "eq-1", "building_id": "42", "name": "Pump", "type": "pump", "status": "ok", "version": 1})
    );
    assert_eq!(all["last_sync"], all["updates"][1]["updated_at"], "the commit time of the last row, never of now");
    let cursor = all["cursor"].as_str().expect("a cursor");
    assert_eq!(device.http().get(&format!("{UPDATES}?cursor={cursor}")).await.header("x-sync-cursor"), cursor);

    sync(
        device.http(),
        &[
            operation(&app, "eq-1", "delete", 5, json!({})),
            operation(&app, "eq-2", "update", 5, with(&row("fault"), "version", json!(1))),
        ],
    )
    .await;
    let news = updates(&device, &format!("cursor={cursor}&since=99")).await;
    assert_eq!((ids(&news), &news["deletes"]), (vec!["eq-2"], &json!(["eq-1"])));
    // By time, a little earlier than said, in seconds and in milliseconds; what was deleted is told, too.
    let now = app.state().now().0;
    for since in [now, now / 1_000] {
        let news = updates(&device, &format!("since={since}")).await;
        assert_eq!((ids(&news), &news["deletes"]), (vec!["eq-2"], &json!(["eq-1"])), "{since}");
    }
    // (c) an app that never moves its time on gets the same answer again, whole.
    let old = updates(&device, "since=1234567890").await;
    assert_eq!((ids(&old), &old["deletes"]), (vec!["eq-2"], &json!(["eq-1"])));
    assert_eq!(updates(&device, "since=1234567890").await, old);
    let fresh = updates(&device, "since=0").await;
    assert_eq!((ids(&fresh), &fresh["deletes"]), (vec!["eq-2"], &json!([])), "a new copy needs no tombstones");
}

#[tokio::test]
async fn an_app_that_only_keeps_times_gets_past_rows_of_one_moment() {
    let app = app().await;
    let device = app.device("d1").await;
    let many: Vec<Value> = (0..30).map(|n| operation(&app, &format!("eq-{n:02}"), "create", 1, row("ok"))).collect();
    sync(device.http(), &many).await;
    let page = updates(&device, "since=1234567890&limit=10").await;
    assert_eq!((ids(&page).len(), &page["has_more"]), (10, &json!(true)), "from long ago the time moves on by itself");
    let last = app.state().now().0;
    let page = updates(&device, &format!("since={last}&limit=10")).await;
    assert_eq!((ids(&page).len(), &page["has_more"]), (30, &json!(false)), "within the overlap it would not");
    let first = updates(&device, "limit=10").await;
    let (mut seen, mut cursor) = (ids(&first).len(), first["cursor"].as_str().expect("a cursor").to_owned());
    while seen < 30 {
        let next = updates(&device, &format!("cursor={cursor}&limit=10")).await;
        assert_eq!(ids(&next).len(), 10);
        seen += 10;
        cursor = next["cursor"].as_str().expect("a cursor").to_owned();
    }
    assert_eq!(ids(&updates(&device, &format!("cursor={cursor}")).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_bad_question_for_changes_names_its_parameter() {
    let app = app().await;
    let device = app.device("d1").await;
    for (path, refusal) in [
        (format!("{UPDATES}?since=x"), "400 query_invalid since"),
        (format!("{UPDATES}?since=-1"), "400 query_invalid since"),
        (format!("{UPDATES}?limit=0"), "400 query_invalid limit"),
        (format!("{UPDATES}?limit=5001"), "400 query_invalid limit"),
        (format!("{UPDATES}?from=1"), "400 query_invalid from"),
        (format!("{UPDATES}?cursor=v1.x"), "400 cursor_malformed since"),
        ("/api/v1/mobile/equipment/building/99/updates".to_owned(), "403 scope_forbidden id"),
        ("/api/v1/mobile/equipment/building/4%202/updates".to_owned(), "400 query_invalid id"),
    ] {
        assert_eq!(device.http().get(&path).await.refusal(), refusal, "{path}");
    }
    let (_, foreign) = device.pull("0", "").await;
    assert_eq!(device.http().get(&format!("{UPDATES}?cursor={foreign}")).await.refusal(), "409 cursor_filter_mismatch since");
}
