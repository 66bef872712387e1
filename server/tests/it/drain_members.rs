//! The entries of a frozen set one by one, for whoever is to submit it and for whoever is to agree.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::TestApp;

use crate::drain::{JOBS, PREVIEWS, drained, order, refused, roll, submission};

/// Members of the table of a page, by its rows.
fn listed(page: &str) -> usize {
    page.matches("id=\"member-").count()
}

#[tokio::test]
async fn the_entries_of_a_frozen_set_are_those_that_were_frozen_on_pages_that_add_up() {
    let app = TestApp::new().await;
    let device = refused(&app, "phone", "nothing").await;
    let other = refused(&app, "pad", "nothing").await;
    let (staff, viewer) = (app.api("ci", Role::Operator).await, app.api("eyes", Role::Viewer).await);
    let set = staff.post(PREVIEWS, &order("quarantine", &json!({"filter": "state:poisoned"}))).await.ok(201);
    let id = set["set"].as_str().expect("an id");
    let items = format!("{PREVIEWS}/{id}/items");
    // One of them is taken out, and another one comes: neither changes what was frozen.
    let first = json!({"entries": [{"client_id": device.client_id, "operation_id": "phone-op-bad-1"}]});
    drained(&app, &staff, &order("discard", &first)).await;
    refused(&app, "late", "nothing").await;
    let whole = viewer.get(&items).await.ok(200);
    assert_eq!((&whole["total"]["count"], &whole["next"]), (&json!(4), &Value::Null), "{whole}");
    let rows = whole["rows"].as_array().expect("rows");
    let named: Vec<&str> = rows.iter().filter_map(|row| row["operation_id"].as_str()).collect();
    assert_eq!(named, ["phone-op-bad-1", "phone-op-bad-2", "pad-op-bad-1", "pad-op-bad-2"]);
    let told = ["collection", "record_id", "state", "part", "action", "payload_known"].map(|name| &rows[0][name]);
    let wanted = [json!("nothing"), json!("r-1"), json!("discarded"), json!("selected"), json!("quarantine"), json!(true)];
    assert_eq!(told, wanted.each_ref(), "as it stands now");
    assert_eq!((&rows[2]["client_id"], &rows[2]["state"]), (&json!(other.client_id), &json!("poisoned")));
    let page = viewer.get(&format!("{items}?limit=3")).await.ok(200);
    let next = page["next"].as_str().expect("a second page");
    let last = viewer.get(&format!("{items}?limit=3&after={next}")).await.ok(200);
    assert_eq!((last["rows"].as_array().map(Vec::len), &last["next"]), (Some(1), &Value::Null), "{last}");
    let back = last["previous"].as_str().expect("a way back");
    assert_eq!(viewer.get(&format!("{items}?limit=3&before={back}")).await.ok(200)["rows"], page["rows"]);
    for (path, refusal) in [
        (format!("{PREVIEWS}/S99/items"), "404 not_found"),
        (format!("{PREVIEWS}/J1/items"), "404 not_found"),
        (format!("{PREVIEWS}/%FF/items"), "404 not_found"),
        (format!("{items}?after=x"), "400 query_invalid after"),
        (format!("{items}?limit=0"), "400 query_invalid limit"),
        (format!("{items}?outcome=ok"), "400 query_invalid outcome"),
    ] {
        assert_eq!(viewer.get(&path).await.refusal(), refusal, "{path}");
    }
    let visitor = app.operator().await;
    let dialog = visitor.page(&format!("/outbox/drain/{id}")).await.text();
    assert!(dialog.contains(&format!("href=\"/outbox/drain/{id}/items\" class=\"small end\">View list")), "{dialog}");
    let list = visitor.page(&format!("/outbox/drain/{id}/items?rows=20")).await.text();
    assert!(listed(&list) == 4 && list.contains("phone-op-bad-1") && !list.contains("late-op-bad-1"), "{list}");
    assert_eq!(visitor.page("/outbox/drain/S99/items").await.status(), 404);
}

#[tokio::test]
async fn whoever_is_to_agree_sees_what_was_frozen_on_the_page_of_the_drain() {
    let app = TestApp::new().await;
    for n in 0..11 {
        refused(&app, &format!("phone-{n:02}"), "nothing").await;
    }
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &order("discard", &json!({"filter": "state:poisoned"}))).await.ok(201);
    let mut body = submission(&set);
    body["typed_count"] = json!(22);
    let job = staff.post(JOBS, &body).await.ok(202)["job"].as_str().expect("an id").to_owned();
    roll(&app).await;
    let owner = app.staff("ines", Role::ProductOwner).await;
    let page = owner.page(&format!("/outbox/jobs/{job}")).await.text();
    let items = format!("href=\"/outbox/drain/{}/items\"", set["set"].as_str().expect("an id"));
    for words in ["What is asked for", "Dry run", "Does not", "By signature", "phone-00-op-bad-1", items.as_str()] {
        assert!(page.contains(words), "{words}: {page}");
    }
    app.service().drain_approve(&owner_cx(&app), &job, Some("seen")).await.expect("approved");
    roll(&app).await;
    let page = owner.page(&format!("/outbox/jobs/{job}")).await.text();
    assert!(
        !page.contains("What is asked for") && page.contains(&format!("/outbox/drain/{}\"", set["set"].as_str().expect("an id"))),
        "{page}"
    );
}

fn owner_cx(app: &TestApp) -> tidewatch_service::Cx {
    let actor = tidewatch_service::Actor::User { name: "ines".to_owned(), role: Role::ProductOwner };
    tidewatch_service::Cx { actor, ..app.state().system_cx() }
}
