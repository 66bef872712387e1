//! A scope that is closed while a device reads: what was written in it afterwards never reaches the device.

use std::pin::pin;

use futures::poll;
use serde_json::json;
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::FeedQuery;
use tidewatch_service::sync::Subscribed;
use tidewatch_service::{Actor, Cx, Error};
use tidewatch_testkit::{Device, TestApp, intent};

fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

fn feed(scopes: &[&str]) -> FeedQuery {
    FeedQuery { limit: 100, scopes: scopes.iter().map(|text| scope(text)).collect(), ..FeedQuery::default() }
}

/// The context of a request of a device.
fn cx(app: &TestApp, device: &Device) -> Cx {
    let actor = Actor::Device {
        client_id: ClientId::parse(device.client_id.clone()).expect("an id"),
        principal: "d1".to_owned(),
        scopes: Vec::new(),
    };
    Cx { actor, ..app.state().system_cx() }
}

/// Closes `building:7` to `d1`, and has another device write in it.
async fn close(app: &TestApp, reader: &Device, writer: &Device) {
    let client_id = ClientId::parse(reader.client_id.clone()).expect("an id");
    let closed = app.service().device_scope_set(&app.state().system_cx(), &client_id, &scope("building:7"), false).await;
    assert!(closed.expect("closed"));
    write(writer, "after").await;
}

async fn write(writer: &Device, operation: &str) {
    let mut in_seven = intent(operation, operation, "create", json!({"text": operation}));
    in_seven["scope"] = json!("building:7");
    assert_eq!(writer.push_statuses(&[in_seven]).await, ["applied"]);
}

#[tokio::test]
async fn the_subscription_of_a_scope_that_is_closed_while_another_is_read_is_revoked() {
    let app = TestApp::new().await;
    let (device, other) = (app.device("d1").await, app.device("d2").await);
    write(&other, "before").await;
    assert_eq!(device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await, ["applied"]);
    let (cx, queries) = (cx(&app, &device), [feed(&["building:42"]), feed(&["building:7"])]);
    let mut reading = pin!(app.service().subscriptions_page(&cx, &queries, 10));
    assert!(poll!(reading.as_mut()).is_pending(), "the first one is read from the file");
    close(&app, &device, &other).await;
    let read = reading.await.expect("read");
    assert!(matches!(&read[0], Subscribed::Page(page) if page.rows.len() == 1), "{read:?}");
    assert_eq!(read[1], Subscribed::Revoked);
}

#[tokio::test]
async fn the_subscription_that_is_closed_while_it_is_read_is_revoked_too() {
    let app = TestApp::new().await;
    let (device, other) = (app.device("d1").await, app.device("d2").await);
    write(&other, "before").await;
    let (cx, queries) = (cx(&app, &device), [feed(&["building:7"])]);
    let mut reading = pin!(app.service().subscriptions_page(&cx, &queries, 10));
    assert!(poll!(reading.as_mut()).is_pending());
    close(&app, &device, &other).await;
    assert_eq!(reading.await.expect("read"), [Subscribed::Revoked]);
}

#[tokio::test]
async fn a_page_whose_scope_is_closed_while_it_is_read_is_refused_or_read_without_it() {
    let app = TestApp::new().await;
    let (device, other) = (app.device("d1").await, app.device("d2").await);
    write(&other, "before").await;
    let cx = cx(&app, &device);
    let mut named = pin!(app.service().changes_page(&cx, feed(&["building:7"])));
    let mut all = pin!(app.service().changes_page(&cx, feed(&[])));
    assert!(poll!(named.as_mut()).is_pending() && poll!(all.as_mut()).is_pending());
    close(&app, &device, &other).await;
    assert!(matches!(named.await, Err(Error::Forbidden)));
    let page = all.await.expect("read");
    assert_eq!(page.rows.len(), 0);
    assert_eq!(page.controls.iter().map(|row| row.op.as_str()).collect::<Vec<_>>(), ["revoke"]);
}
