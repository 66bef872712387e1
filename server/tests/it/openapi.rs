//! The description of the API is a snapshot, and it names every route of the API.

use std::collections::BTreeSet;

use tidewatch_server::frame::is_api;
use tidewatch_server::router::routes;
use tidewatch_testkit::TestApp;

#[test]
fn the_description_changes_only_on_purpose() {
    insta::assert_snapshot!(tidewatch_server::api::openapi::text());
}

#[tokio::test]
async fn every_route_of_the_api_is_described() {
    let app = TestApp::new().await;
    let description = app.anonymous().get("/api/openapi.json").await.ok(200);
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("an item").keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let real: BTreeSet<String> = routes(app.state())
        .iter()
        .filter(|route| is_api(&route.path) && !route.path.starts_with("/api/v1/sync") && route.path != "/api/openapi.json")
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let missing: Vec<&String> = real.difference(&described).collect();
    assert!(missing.is_empty(), "not described: {missing:?}");
}
