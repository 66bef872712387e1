//! The rest of the read half over HTTP: forms of a page, several subscriptions, single records, digests, conflicts, tickets.

use serde_json::{Value, json};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_testkit::{Device, TestApp, intent};

fn ops(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().expect("changes");
    let word = |row: &Value| format!("{} {}", row["op"].as_str().unwrap_or(""), row["record_id"].as_str().unwrap_or("-"));
    rows.iter().map(word).collect()
}

fn in_scope(scope: &str, mut intent: Value) -> Value {
    intent["scope"] = json!(scope);
    intent
}

async fn scope_set(app: &TestApp, device: &Device, scope: &str, open: bool) {
    let (client_id, scope) = (ClientId::parse(device.client_id.clone()).expect("an id"), Scope::parse(scope).expect("a scope"));
    app.service().device_scope_set(&app.state().system_cx(), &client_id, &scope, open).await.expect("set");
}

#[tokio::test]
async fn a_page_comes_in_lines_and_the_last_one_says_that_it_is_whole() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let intents: Vec<Value> = (0..3).map(|n| intent(&format!("op-{n}"), &format!("n-{n}"), "create", json!({"n": n}))).collect();
    device.push_statuses(&intents).await;
    let reply = device.http().get_with("/changes?since=0&limit=2", &[("accept", "application/x-ndjson")]).await;
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    let text = reply.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let page = device.http().get("/changes?since=0&limit=2").await;
    let whole = page.json();
    assert_eq!(lines[..2], whole["changes"].as_array().expect("changes")[..]);
    assert_eq!(
        (&lines[2]["control"], &lines[2]["cursor"], &lines[2]["has_more"]),
        (&json!("page_end"), &whole["cursor"], &json!(true))
    );
    assert_eq!(lines.len(), 3);
    assert_ne!(reply.header("etag"), page.header("etag"), "two forms are two representations");
    let held = [("accept", "application/x-ndjson"), ("if-none-match", reply.header("etag"))];
    assert_eq!(device.http().get_with("/changes?since=0&limit=2", &held).await.status(), 304);
}

#[tokio::test]
async fn a_page_carries_what_was_asked_for() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    one.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1, "b": 1}))]).await;
    let mut edit = intent("op-2", "n-1", "update", json!({"a": 2}));
    edit["base_version"] = json!(1);
    two.push_statuses(&[edit]).await;
    let (rows, _) = one.pull("0", "&include=full").await;
    assert_eq!(rows[1]["fields"], json!({"a": 2, "b": 1}));
    let (rows, _) = one.pull("0", "&include=meta").await;
    assert!(rows.iter().all(|row| row.get("fields").is_none()));
    let (rows, end) = one.pull("0", "&exclude_self=true").await;
    assert_eq!(rows.iter().map(|row| row["operation_id"].as_str()).collect::<Vec<_>>(), [Some("op-2")]);
    assert_eq!(one.pull(&end, "").await.0.len(), 0);
    let waited = one.http().get_with(&format!("/changes?since={end}"), &[("prefer", "wait=1")]).await;
    assert_eq!(waited.ok(200)["changes"], json!([]));
}

#[tokio::test]
async fn a_record_that_moves_is_evicted_where_it_was_and_whole_where_it_goes() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1, "b": 1}))]).await;
    let mut moving = in_scope("building:7", intent("op-2", "n-1", "update", json!({"a": 2})));
    moving["base_version"] = json!(1);
    assert_eq!(device.push_statuses(&[moving]).await, ["applied"]);
    let old = device.http().get("/changes?scopes=building:42").await.ok(200);
    assert_eq!(ops(&old["changes"]), ["create n-1", "evict n-1"]);
    assert_eq!(old["changes"][1]["reason"], "moved");
    let new = device.http().get("/changes?scopes=building:7").await.ok(200);
    assert_eq!(ops(&new["changes"]), ["put n-1"]);
    assert_eq!(new["changes"][0]["fields"], json!({"a": 2, "b": 1}));
}

#[tokio::test]
async fn subscriptions_are_read_together_and_go_on_when_one_of_them_is_revoked() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    for n in 0..3 {
        two.push_statuses(&[
            intent(&format!("a-{n}"), &format!("a-{n}"), "create", json!({"n": n})),
            in_scope("building:7", intent(&format!("b-{n}"), &format!("b-{n}"), "create", json!({"n": n}))),
        ])
        .await;
    }
    let ask = |a: Value, b: Value, limit: u32| json!({"subscriptions": [{"scope": "building:42", "since": a}, {"scope": "building:7", "since": b, "compact": true}], "limit": limit});
    let (mut a, mut b, mut seen) = (json!("0"), json!("0"), Vec::new());
    loop {
        let page = one.http().post("/changes", &ask(a.clone(), b.clone(), 2)).await.ok(200);
        let rows = page["changes"].as_array().expect("changes").clone();
        assert!(rows.len() <= 2 && rows.is_sorted_by_key(|row| row["seq"].as_i64()));
        seen.extend(ops(&json!(rows)));
        (a, b) = (page["subscriptions"][0]["cursor"].clone(), page["subscriptions"][1]["cursor"].clone());
        if page["has_more"] == false {
            assert_eq!(page["up_to_date"], true);
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["create a-0", "create a-1", "create a-2", "put b-0", "put b-1", "put b-2"]);
    scope_set(&app, &one, "building:7", false).await;
    two.push_statuses(&[intent("a-9", "a-9", "create", json!({"n": 9}))]).await;
    let page = one.http().post("/changes", &ask(a.clone(), b.clone(), 10)).await.ok(200);
    let states: Vec<(&Value, &Value)> =
        page["subscriptions"].as_array().expect("states").iter().map(|state| (&state["scope"], &state["status"])).collect();
    assert_eq!(states, [(&json!("building:42"), &json!("ok")), (&json!("building:7"), &json!("revoked"))]);
    assert_eq!(ops(&page["changes"]), ["revoke -", "create a-9"]);
    let page = one.http().post("/changes", &ask(json!("nonsense"), b, 10)).await.ok(200);
    assert_eq!(page["subscriptions"][0]["status"], "refused");
    assert_eq!(page["subscriptions"][0]["problem"]["code"], "cursor_malformed");
    let body = json!({"subscriptions": [{"scope": "no good"}]});
    assert_eq!(one.http().post("/changes", &body).await.refusal(), "400 envelope_invalid subscriptions[0].scope");
    assert_eq!(one.http().post("/changes", &json!({})).await.refusal(), "400 envelope_invalid subscriptions");
}

#[tokio::test]
async fn several_subscriptions_wait_together() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let ask = json!({"subscriptions": [{"scope": "building:42", "since": "now"}, {"scope": "building:7", "since": "now"}]});
    let page = one.http().post("/changes", &ask).await.ok(200);
    let since = |at: usize| page["subscriptions"][at]["cursor"].clone();
    let ask = json!({"subscriptions": [{"scope": "building:42", "since": since(0)}, {"scope": "building:7", "since": since(1)}], "wait": 20});
    let intents = [in_scope("building:7", intent("op-1", "n-1", "create", json!({"a": 1})))];
    let (page, pushed) = tokio::join!(one.http().post("/changes", &ask), two.push_statuses(&intents));
    assert_eq!(pushed, ["applied"]);
    assert_eq!(ops(&page.ok(200)["changes"]), ["create n-1"]);
}

#[tokio::test]
async fn a_device_learns_from_the_feed_what_is_granted_to_it_and_taken_from_it() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let (_, start) = one.pull("0", "").await;
    scope_set(&app, &one, "building:99", true).await;
    scope_set(&app, &one, "building:7", false).await;
    let (rows, _) = one.pull(&start, "").await;
    let said: Vec<(&str, &str)> = rows.iter().filter_map(|row| Some((row["op"].as_str()?, row["scope"].as_str()?))).collect();
    assert_eq!(said, [("grant", "building:99"), ("revoke", "building:7")]);
    assert!(two.pull("0", "").await.0.is_empty(), "it is nobody else's business");
    assert_eq!(one.http().get("/changes?scopes=building:7").await.refusal(), "403 scope_forbidden scopes");
    assert_eq!(
        one.push_statuses(&[in_scope("building:99", intent("op-1", "n-1", "create", json!({"a": 1})))]).await,
        ["applied"]
    );
}

#[tokio::test]
async fn a_record_and_its_history_are_read_by_whom_its_scope_is_open_to() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    for n in 0..3 {
        one.push_statuses(&[intent(&format!("op-{n}"), "n-1", "put", json!({"n": n}))]).await;
    }
    let record = two.http().get("/records/notes/n-1").await.ok(200);
    assert_eq!((&record["version"], &record["fields"], &record["deleted"]), (&json!(3), &json!({"n": 2}), &json!(false)));
    let first = two.http().get("/records/notes/n-1/history?limit=2").await.ok(200);
    let rest = two.http().get(&format!("/records/notes/n-1/history?limit=2&from={}", first["next"])).await.ok(200);
    let versions =
        |page: &Value| page["versions"].as_array().expect("versions").iter().map(|v| v["version"].clone()).collect::<Vec<_>>();
    assert_eq!((versions(&first), versions(&rest)), (vec![json!(3), json!(2)], vec![json!(1)]));
    assert_eq!(rest["next"], Value::Null);
    scope_set(&app, &two, "building:42", false).await;
    for (path, refusal) in [
        ("/records/notes/n-1", "404 not_found"),
        ("/records/notes/n-1/history", "404 not_found"),
        ("/records/notes/n-9", "404 not_found"),
        ("/records/nothing/n-1", "404 not_found"),
        ("/records/Notes/n-1", "400 query_invalid collection"),
        ("/records/notes/n%201", "400 query_invalid record_id"),
        ("/records/notes/n-1?deep=true", "400 query_invalid deep"),
        ("/records/notes/n-1/history?limit=0", "400 query_invalid limit"),
        ("/records/notes/n-1/history?limit=101", "400 query_invalid limit"),
        ("/records/notes/n-1/history?from=-1", "400 query_invalid from"),
    ] {
        assert_eq!(two.http().get(path).await.refusal(), refusal, "{path}");
    }
}

#[tokio::test]
async fn digests_are_compared_at_the_cursor_of_the_same_filter() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await;
    let (_, cursor) = device.pull("0", "&scopes=building:42").await;
    let found = device.http().get("/integrity?scope=building:42").await.ok(200);
    assert_eq!(found["cursor"], cursor.as_str());
    assert_eq!((&found["items"][0]["collection"], &found["items"][0]["rows"]), (&json!("notes"), &json!(1)));
    assert_eq!(found["items"][0]["digest"].as_str().map(str::len), Some(16));
    assert_eq!(found["left_out"], json!([]));
    let all = device.http().get("/integrity").await.ok(200);
    assert_eq!(all["cursor"], device.pull("0", "").await.1.as_str());
    assert_eq!(device.http().get("/integrity?collections=todos").await.ok(200)["items"], json!([]));
    assert_eq!(device.http().get("/integrity?scope=building:9").await.refusal(), "403 scope_forbidden scope");
    assert_eq!(device.http().get("/integrity?scope=no").await.refusal(), "400 query_invalid scope");
    assert_eq!(device.http().get("/integrity?all=true").await.refusal(), "400 query_invalid all");
}

fn approval(operation: &str, op: &str, fields: Value) -> Value {
    let mut stated = intent(operation, "p-1", op, fields);
    stated["collection"] = json!("approvals");
    stated
}

#[tokio::test]
async fn a_conflict_is_listed_settled_once_and_said_in_the_feed() {
    let app = TestApp::new().await;
    app.service()
        .collections_import(&app.state().system_cx(), r#"[{"name": "reviews", "policy": {"kind": "manual_review"}}]"#)
        .await
        .expect("imported");
    let review = |operation: &str, op: &str, fields: Value| {
        let mut stated = approval(operation, op, fields);
        stated["collection"] = json!("reviews");
        stated
    };
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    one.push_statuses(&[review("op-1", "create", json!({"a": 1, "b": 1}))]).await;
    assert_eq!(two.push_statuses(&[review("op-2", "update", json!({"a": 2}))]).await, ["conflict"]);
    assert_eq!(one.http().get("/conflicts").await.ok(200)["conflicts"], json!([]), "another device's");
    let listed = two.http().get("/conflicts").await.ok(200)["conflicts"][0].clone();
    assert_eq!((&listed["conflict_id"], &listed["kind"], &listed["local"]), (&json!("cf_1"), &json!("review"), &json!({"a": 2})));
    assert_eq!(listed["record"], json!({"version": 1, "fields": {"a": 1, "b": 1}}));
    assert_eq!(one.http().get("/conflicts?scope=building:42").await.ok(200)["conflicts"][0]["conflict_id"], "cf_1");
    let settle = |body: Value| {
        let http = one.http().clone();
        async move { http.post("/conflicts/cf_1/resolution", &body).await }
    };
    one.push_statuses(&[{
        let mut edit = review("op-3", "update", json!({"b": 2}));
        edit["base_version"] = json!(1);
        edit
    }])
    .await;
    let stale = settle(json!({"choice": "local", "base_version": 1})).await;
    assert_eq!(stale.refusal(), "409 version_conflict base_version");
    let settled = settle(json!({"choice": "local", "base_version": 2})).await.ok(200);
    assert_eq!((&settled["result"]["status"], &settled["result"]["version"]), (&json!("applied"), &json!(3)));
    let again = settle(json!({"choice": "local", "base_version": 2})).await.ok(200);
    assert_eq!(again["result"]["replayed"], true, "a repeat is answered like the first");
    assert_eq!(settle(json!({"choice": "remote", "base_version": 3})).await.refusal(), "409 conflict_resolved conflict_id");
    let record = one.http().get("/records/reviews/p-1").await.ok(200);
    assert_eq!((&record["fields"], &record["conflicted"]), (&json!({"a": 2, "b": 2}), &json!(false)));
    let (rows, _) = one.pull("0", "&scopes=building:42").await;
    assert_eq!(ops(&json!(rows)), ["create p-1", "conflict p-1", "update p-1", "update p-1", "resolved p-1"]);
    assert_eq!(rows[4]["conflict_id"], "cf_1");
    assert_eq!(two.http().get("/conflicts").await.ok(200)["conflicts"], json!([]));
}

#[tokio::test]
async fn a_decision_that_is_not_as_it_must_be_is_refused_by_the_field_at_fault_and_changes_nothing() {
    let app = TestApp::new().await;
    app.service()
        .collections_import(&app.state().system_cx(), r#"[{"name": "approvals", "policy": {"kind": "manual_review"}}]"#)
        .await
        .expect("imported");
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    one.push_statuses(&[approval("op-1", "create", json!({"a": 1}))]).await;
    two.push_statuses(&[approval("op-2", "update", json!({"a": 2}))]).await;
    let head = app.service().head();
    for (path, body, refusal) in [
        ("/conflicts/cf_1/resolution", json!({}), "400 envelope_invalid choice"),
        ("/conflicts/cf_1/resolution", json!({"choice": "mine", "base_version": 1}), "400 envelope_invalid choice"),
        ("/conflicts/cf_1/resolution", json!({"choice": "local"}), "400 envelope_invalid base_version"),
        ("/conflicts/cf_1/resolution", json!({"choice": "local", "base_version": 0}), "400 envelope_invalid base_version"),
        ("/conflicts/cf_1/resolution", json!({"choice": "merge", "base_version": 1}), "400 envelope_invalid fields"),
        (
            "/conflicts/cf_1/resolution",
            json!({"choice": "local", "base_version": 1, "fields": {}}),
            "400 envelope_invalid fields",
        ),
        (
            "/conflicts/cf_1/resolution",
            json!({"choice": "custom", "base_version": 1, "fields": []}),
            "400 envelope_invalid fields",
        ),
        (
            "/conflicts/cf_1/resolution",
            json!({"choice": "local", "base_version": 1, "operation_id": "a b"}),
            "400 envelope_invalid operation_id",
        ),
        ("/conflicts/1/resolution", json!({"choice": "local", "base_version": 1}), "400 query_invalid conflict_id"),
        ("/conflicts/cf_9/resolution", json!({"choice": "local", "base_version": 1}), "404 not_found"),
    ] {
        assert_eq!(one.http().post(path, &body).await.refusal(), refusal, "{path} {body}");
    }
    for (path, refusal) in [
        ("/conflicts?limit=0", "400 query_invalid limit"),
        ("/conflicts?after=1", "400 query_invalid after"),
        ("/conflicts?scope=no", "400 query_invalid scope"),
        ("/conflicts?scope=building:9", "403 scope_forbidden scope"),
        ("/conflicts?state=open", "400 query_invalid state"),
    ] {
        assert_eq!(one.http().get(path).await.refusal(), refusal, "{path}");
    }
    scope_set(&app, &two, "building:42", false).await;
    let foreign = two.http().post("/conflicts/cf_1/resolution", &json!({"choice": "local", "base_version": 1})).await;
    assert_eq!(foreign.refusal(), "404 not_found");
    assert_eq!(app.service().head().0, head.0 + 1, "nothing but the revocation");
}

#[tokio::test]
async fn a_ticket_opens_one_stream() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let issued = device.http().post("/events/ticket", &json!({})).await.ok(200);
    assert_eq!(issued["expires_in_s"], 60);
    let path = format!("/events?ticket={}", issued["ticket"].as_str().expect("a ticket"));
    let mut events = app.anonymous().listen(&path, &[]).await;
    assert_eq!(events.next().await.expect("an event").name, "hello");
    assert_eq!(app.anonymous().get(&path).await.refusal(), "401 token_invalid");
    assert_eq!(app.anonymous().get("/events?ticket=0").await.refusal(), "401 token_invalid");
    assert_eq!(app.anonymous().get("/changes?ticket=0").await.refusal(), "401 credential_required");
}

#[tokio::test]
async fn the_event_stream_tells_of_conflicts_closed_scopes_and_new_schemas() {
    let app = TestApp::new().await;
    let collections = |kind: &str| format!(r#"[{{"name": "reviews", "policy": {{"kind": "{kind}"}}}}]"#);
    let import = |kind: &'static str| {
        let (service, cx) = (app.service().clone(), app.state().system_cx());
        async move { service.collections_import(&cx, &collections(kind)).await.expect("imported") }
    };
    import("manual_review").await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let review = |operation: &str, op: &str, fields: Value| {
        let mut stated = approval(operation, op, fields);
        stated["collection"] = json!("reviews");
        stated
    };
    one.push_statuses(&[review("op-1", "create", json!({"a": 1}))]).await;
    let mut events = one.listen().await;
    assert_eq!(events.next().await.expect("an event").name, "hello");
    two.push_statuses(&[review("op-2", "update", json!({"a": 2}))]).await;
    let event = events.next().await.expect("an event");
    assert_eq!((event.name.as_str(), &event.data["scopes"]), ("conflict", &json!(["building:42"])));
    assert_eq!(events.next().await.expect("an event").name, "invalidate");
    scope_set(&app, &one, "building:7", false).await;
    let event = events.next().await.expect("an event");
    assert_eq!((event.name.as_str(), &event.data["scopes"]), ("revoke", &json!(["building:7"])));
    import("lww").await;
    assert_eq!(events.next().await.expect("an event").name, "schema");
}

#[tokio::test]
async fn a_schema_that_is_not_served_any_more_is_told_to_upgrade_and_a_newer_one_is_served() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await;
    let raised = r#"[{"name": "notes", "schema": {"min": 2, "current": 3}, "policy": {"kind": "field_merge"}}]"#;
    app.service().collections_import(&app.state().system_cx(), raised).await.expect("imported");
    let refused = device.http().get_with("/changes", &[("sync-schema", "1")]).await;
    assert_eq!(refused.refusal(), "426 schema_unsupported");
    let problem = refused.problem();
    assert_eq!((problem.min, problem.max, problem.action.as_deref()), (Some(2), Some(3), Some("upgrade")));
    for schema in ["2", "9"] {
        assert_eq!(device.http().get_with("/changes", &[("sync-schema", schema)]).await.status(), 200);
    }
    assert_eq!(device.http().get_with("/changes?collections=todos", &[("sync-schema", "1")]).await.status(), 200);
    assert_eq!(device.http().get_with("/changes", &[("sync-schema", "x")]).await.refusal(), "400 header_invalid sync-schema");
    let head = app.service().head();
    let mut edit = intent("op-2", "n-2", "create", json!({"a": 1}));
    edit["schema_version"] = json!(1);
    assert_eq!(device.push(&[edit.clone()]).await.refusal(), "426 schema_unsupported");
    assert_eq!(app.service().head(), head);
    edit["schema_version"] = json!(3);
    assert_eq!(device.push_statuses(&[edit]).await, ["applied"]);
    let (rows, _) = device.pull("0", "").await;
    assert!(rows.iter().any(|row| row["op"] == "schema" && row["schema"] == json!({"min": 2, "current": 3, "policy_rev": 2})));
}

#[tokio::test]
async fn an_older_app_writes_and_reads_its_own_names() {
    let app = TestApp::new().await;
    let (old, new) = (app.device("d1").await, app.device("d2").await);
    let steps = r#"[{"name": "jobs", "policy": {"kind": "field_merge"}, "schema": {"min": 1, "current": 2,
        "steps": [{"to": 2, "rename": {"name": "title"}, "default": {"stars": 0}, "drop": ["legacy"]}]}}]"#;
    app.service().collections_import(&app.state().system_cx(), steps).await.expect("imported");
    let job = |operation: &str, op: &str, schema: i64, base: Option<i64>, fields: Value| {
        let mut stated = intent(operation, "j-1", op, fields);
        (stated["collection"], stated["schema_version"]) = (json!("jobs"), json!(schema));
        if let Some(base) = base {
            stated["base_version"] = json!(base);
        }
        stated
    };
    old.push_statuses(&[job("op-1", "create", 1, None, json!({"name": "a", "legacy": 1, "own": 1}))]).await;
    let stands = new.http().get_with("/records/jobs/j-1", &[("sync-schema", "2")]).await.ok(200);
    assert_eq!(stands["fields"], json!({"title": "a", "stars": 0, "own": 1}));
    assert_eq!(old.http().get("/records/jobs/j-1").await.ok(200)["fields"], json!({"name": "a", "stars": 0, "own": 1}));
    new.push_statuses(&[job("op-2", "update", 2, Some(1), json!({"title": "b", "stars": 5}))]).await;
    let read = |schema: &'static str| {
        let http = old.http().clone();
        async move { http.get_with("/changes?since=0&scopes=building:42&collections=jobs", &[("sync-schema", schema)]).await.ok(200) }
    };
    let (older, newer) = (read("1").await, read("2").await);
    assert_eq!(older["changes"][0]["fields"], json!({"name": "a", "stars": 0, "own": 1}));
    assert_eq!(
        (&older["changes"][1]["changed"], &older["changes"][1]["fields"]),
        (&json!(["stars", "name"]), &json!({"name": "b", "stars": 5}))
    );
    assert_eq!(newer["changes"][1]["fields"], json!({"title": "b", "stars": 5}));
    let merged = old.push(&[job("op-3", "update", 1, Some(1), json!({"own": 2}))]).await.ok(200);
    assert_eq!(merged["results"][0]["record"], json!({"name": "b", "stars": 5, "own": 2}));
    let again = old.push(&[job("op-3", "update", 1, Some(1), json!({"own": 2}))]).await.ok(200);
    assert_eq!(
        (&again["results"][0]["replayed"], &again["results"][0]["record"]),
        (&json!(true), &merged["results"][0]["record"])
    );
    let status =
        old.http().post("/mutations/status", &json!({"client_id": old.client_id, "operation_ids": ["op-3"]})).await.ok(200);
    assert_eq!(status["results"][0]["record"], merged["results"][0]["record"]);
}

#[tokio::test]
async fn what_was_written_before_a_step_is_read_and_based_on_in_the_names_of_each_device() {
    let app = TestApp::new().await;
    let (old, new) = (app.device("d1").await, app.device("d2").await);
    let import = |schema: Value| {
        let text = json!([{"name": "jobs", "policy": {"kind": "field_merge"}, "schema": schema}]).to_string();
        let app = &app;
        async move { app.service().collections_import(&app.state().system_cx(), &text).await }
    };
    let job = |operation: &str, op: &str, schema: i64, fields: Value| {
        let mut stated = intent(operation, "j-1", op, fields);
        (stated["collection"], stated["schema_version"]) = (json!("jobs"), json!(schema));
        stated
    };
    import(json!({"min": 1, "current": 1})).await.expect("imported");
    old.push_statuses(&[job("op-1", "create", 1, json!({"name": "a", "legacy": 1, "own": 1}))]).await;
    let step = json!({"to": 2, "rename": {"name": "title"}, "default": {"stars": 0}, "drop": ["legacy"]});
    import(json!({"min": 1, "current": 2, "steps": [step]})).await.expect("imported");
    let page = |schema: &'static str| {
        let http = new.http().clone();
        async move { http.get_with("/changes?since=0&scopes=building:42&collections=jobs", &[("sync-schema", schema)]).await.ok(200) }
    };
    assert_eq!(page("1").await["changes"][0]["fields"], json!({"name": "a", "own": 1}));
    let digests = |path: &'static str| {
        let http = new.http().clone();
        async move { http.get(path).await.ok(200) }
    };
    let left_out = json!([{"collection": "jobs", "reason": "schema_steps"}]);
    for path in ["/integrity", "/integrity?collections=jobs", "/integrity?scope=building:42"] {
        let found = digests(path).await;
        assert_eq!((&found["items"], &found["left_out"]), (&json!([]), &left_out), "{path}");
    }
    assert_eq!(digests("/integrity?collections=notes").await["left_out"], json!([]));
    assert_eq!(page("2").await["changes"][0]["fields"], json!({"title": "a", "own": 1}));
    // A base by content is the content that the device has.
    let sum = |body: &Value| {
        let text = tidewatch_domain::json::value_text(body);
        format!("sha256:{}", hex::encode(tidewatch_domain::digest::content_hash(Some(&text))))
    };
    let mut edit = job("op-2", "update", 1, json!({"own": 2}));
    edit["base_checksum"] = json!(sum(&json!({"name": "a", "own": 1})));
    assert_eq!(old.push_statuses(&[edit]).await, ["applied"]);
    let mut edit = job("op-3", "update", 2, json!({"title": "b"}));
    edit["base_checksum"] = json!(sum(&json!({"title": "a", "own": 2})));
    assert_eq!(new.push_statuses(&[edit]).await, ["applied"]);
    let history = new.http().get_with("/records/jobs/j-1/history", &[("sync-schema", "2")]).await.ok(200);
    let bodies: Vec<&Value> =
        history["versions"].as_array().expect("versions").iter().map(|version| &version["fields"]).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| body.get("legacy").is_none() && body.get("title").is_some()), "{history}");
    // What is stored in older names is written whole, once.
    let ops: Vec<Value> = page("2").await["changes"].as_array().expect("rows").iter().map(|row| row["op"].clone()).collect();
    assert_eq!(ops, ["create", "schema", "put", "update"]);
    let refused = import(json!({"min": 1, "current": 2})).await.expect_err("steps stay").to_string();
    assert!(refused.contains("schema.steps"), "{refused}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}
