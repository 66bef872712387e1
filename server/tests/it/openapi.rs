//! The description of the API is a snapshot, and it names every route of the API.

use std::collections::BTreeSet;
use std::path::Path;

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

/// Names of the types below a folder that are part of the description.
fn schema_names(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            schema_names(&entry, into);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&entry).expect("text");
            let name = |part: &str| {
                let declared =
                    part.lines().find_map(|line| line.strip_prefix("pub struct ").or(line.strip_prefix("pub enum ")))?;
                declared.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned)
            };
            into.extend(text.split("ToSchema)]").skip(1).filter_map(name));
        }
    }
}

/// The second of two types with one name would take the place of the first, and answers would not be as they are described.
#[test]
fn no_two_types_of_the_description_have_the_same_name() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for folder in ["src", "../crates/protocol/src"] {
        schema_names(&here.join(folder), &mut names);
    }
    names.sort_unstable();
    assert!(names.len() > 100, "they are found: {}", names.len());
    let twice: Vec<&String> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
