//! Every answer of the API in a test is one that its description has.

use std::sync::OnceLock;

use http::{Method, StatusCode};
use serde_json::Value;

/// The sync routes are served a second time below this.
const TWICE: &str = "/api/v1/sync";

/// A route: method, path and the statuses that it answers.
type Described = (String, Vec<String>, Vec<String>);

fn routes() -> &'static [Described] {
    static ROUTES: OnceLock<Vec<Described>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let description: Value = serde_json::from_str(&tidewatch_server::api::openapi::text()).expect("the description is JSON");
        let mut routes = Vec::new();
        for (path, item) in description["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                let statuses = operation["responses"].as_object().expect("responses").keys().cloned().collect();
                routes.push((method.to_uppercase(), parts(path), statuses));
            }
        }
        routes
    })
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// Looks a refusal up in the description. What is no route of it says nothing; neither does what the server itself is at fault for.
///
/// # Panics
/// When the route does not say that it refuses like that.
pub(crate) fn check(method: &Method, path: &str, status: StatusCode) {
    if !status.is_client_error() {
        return;
    }
    let asked = parts(path.strip_prefix(TWICE).unwrap_or(path));
    let fits = |known: &[String]| {
        let mut pairs = known.iter().zip(&asked);
        known.len() == asked.len() && pairs.all(|(known, asked)| known == asked || known.starts_with('{') && !asked.is_empty())
    };
    let named = |known: &[String]| known.iter().filter(|part| !part.starts_with('{')).count();
    let known =
        routes().iter().filter(|(of, known, _)| of == method.as_str() && fits(known)).max_by_key(|(_, known, _)| named(known));
    let Some((.., statuses)) = known else { return };
    assert!(
        statuses.contains(&status.as_u16().to_string()),
        "{method} {path} answers {status}, and is described with {statuses:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "is described with")]
    fn an_answer_that_is_not_described_is_found() {
        check(&Method::GET, "/changes", StatusCode::IM_A_TEAPOT);
    }

    #[test]
    fn answers_that_are_described_and_routes_that_are_not_pass() {
        check(&Method::GET, "/changes", StatusCode::GONE);
        check(&Method::GET, "/api/v1/sync/changes", StatusCode::GONE);
        check(&Method::GET, "/nowhere", StatusCode::NOT_FOUND);
        check(&Method::GET, "/changes", StatusCode::INTERNAL_SERVER_ERROR);
    }
}
