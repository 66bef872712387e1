//! `GET /changes`: one page of the feed of one device.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::ids::{CollectionName, Epoch, Scope, Seq};
use tidewatch_domain::sync::{FeedPage, FeedQuery};
use tidewatch_protocol::limits::{FILTER_TERMS_MAX, PAGE_DEFAULT, PAGE_MAX, WAIT_S_MAX};
use tidewatch_protocol::v1::ChangesPage;
use tidewatch_protocol::v1::changes::page_text;
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::api::sync::jittered;
use crate::gate::Device;
use crate::state::App;

/// Pause that a caught-up device is asked to make.
const POLL_PAUSE_MS: i64 = 30_000;

/// Reads the next page of the feed.
#[utoipa::path(get, path = "/changes", tag = "sync", security(("device" = [])),
    params(
        ("since" = Option<String>, Query, description = "cursor of the page before; absent or `0` is the beginning, `now` the head"),
        ("epoch" = Option<String>, Query, description = "goes with a bare number in `since`"),
        ("limit" = Option<u32>, Query, description = "1 to 5000 rows; 500 when absent"),
        ("compact" = Option<bool>, Query, description = "the state instead of the log"),
        ("scopes" = Option<String>, Query, description = "only these, separated by commas"),
        ("collections" = Option<String>, Query, description = "only these, separated by commas"),
        ("include" = Option<String>, Query, description = "`fields`"),
        ("wait" = Option<u32>, Query, description = "0 to 25 seconds that a caught-up reader waits for news")),
    responses((status = 200, body = ChangesPage), (status = 304, description = "nothing new since the page of this ETag"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn changes_page(State(app): State<App>, device: Device, uri: Uri, headers: HeaderMap) -> Answer<Response> {
    let started = Instant::now();
    let client_id = device.client_id.clone();
    let done = pull(&app, &device, &uri, &headers, started).await;
    if let Err(refusal) = &done {
        app.service().contact_note(&client_id, app.now(), Contact::PullRefused { code: refusal.code() });
    }
    done
}

async fn pull(app: &App, device: &Device, uri: &Uri, headers: &HeaderMap, started: Instant) -> Answer<Response> {
    let (query, wait) = query_read(uri)?;
    let scopes = if query.scopes.is_empty() { device.scopes.clone() } else { query.scopes.clone() };
    let note = |to: Seq, rows: usize| {
        let contact = Contact::Pulled {
            scopes: scopes.clone(),
            to,
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            took_ms: started.elapsed().as_secs_f64() * 1_000.0,
        };
        app.service().contact_note(&device.client_id, app.now(), contact);
    };
    news_wait(app, device, &query, wait).await;
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let head = app.service().head();
    if let (Some(held), Some(etag)) = (held, app.service().changes_unchanged(&device.cx, &query))
        && tag_matches(held, &etag)
    {
        note(head, 0);
        return Ok(unchanged(&etag));
    }
    let page = app.service().changes_page(&device.cx, query).await.map_err(page_refusal)?;
    note(page_position(&page, head), page.rows.len());
    if held.is_some_and(|held| tag_matches(held, &page.etag)) {
        return Ok(unchanged(&page.etag));
    }
    Ok(page_response(app, device, page))
}

fn page_refusal(error: Error) -> Refusal {
    match error {
        Error::Forbidden => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new("scopes", "names one that this device may not read")).into()
        }
        other => other.into(),
    }
}

fn query_read(uri: &Uri) -> Answer<(FeedQuery, Duration)> {
    let mut params = Params::of(uri)?;
    let epoch = params
        .take("epoch")
        .map(|text| Epoch::parse(&text).ok_or_else(|| Refusal::query("epoch", "must be 16 lower-case hex digits")));
    if params.take("include").is_some_and(|include| include != "fields") {
        return Err(Refusal::query("include", "must be `fields` on this server"));
    }
    let query = FeedQuery {
        since: params.take("since"),
        epoch: epoch.transpose()?,
        limit: params.take_integer("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE_DEFAULT),
        compact: params.take_flag("compact")?.unwrap_or(false),
        scopes: params.take_list("scopes", FILTER_TERMS_MAX, |text| Scope::parse(text))?,
        collections: params.take_list("collections", FILTER_TERMS_MAX, |text| CollectionName::parse(text))?,
    };
    let wait = params.take_integer("wait", 0..=WAIT_S_MAX)?.unwrap_or(0);
    params.done()?;
    Ok((query, Duration::from_secs(wait.into())))
}

/// Long poll: waits while there is nothing new for this reader, without touching the database.
async fn news_wait(app: &App, device: &Device, query: &FeedQuery, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    let mut head = app.service().head_watch();
    let news = async {
        loop {
            head.mark_unchanged();
            if app.service().changes_unchanged(&device.cx, query).is_none() || head.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = news => {}
        () = tokio::time::sleep(wait) => {}
        () = app.stopping().cancelled() => {}
    }
}

/// How far the page scanned: what its cursor says.
pub(crate) fn page_position(page: &FeedPage, head: Seq) -> Seq {
    let text = page.cursor.split('.').nth(2).unwrap_or_default();
    let digits = text.split('c').next().unwrap_or_default();
    digits.parse().map_or(head, Seq)
}

/// Whether `If-None-Match` names the tag.
fn tag_matches(held: &str, etag: &str) -> bool {
    held.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"')).any(|tag| tag == etag)
}

fn etag_value(etag: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{etag}\"")).expect("a tag is plain ASCII")
}

const VARY: HeaderValue = HeaderValue::from_static("authorization, accept, accept-encoding");
const TAIL: HeaderValue = HeaderValue::from_static("private, no-cache");
const FULL: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");

fn unchanged(etag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag_value(etag)), (header::CACHE_CONTROL, TAIL), (header::VARY, VARY)])
        .into_response()
}

fn page_response(app: &App, device: &Device, page: FeedPage) -> Response {
    let (etag, cache) = (etag_value(&page.etag), if page.immutable { FULL } else { TAIL });
    let pause = if page.has_more { 0 } else { jittered(POLL_PAUSE_MS, &device.cx.request_id) };
    let bytes = page_text(&page, &app.service().epoch().to_string(), Timestamp(app.now()), pause);
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json), (header::ETAG, etag), (header::CACHE_CONTROL, cache), (header::VARY, VARY)], bytes)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let uri: Uri = format!("/changes?{query}").parse().expect("an address");
        let problem = query_read(&uri).expect_err("refused").problem;
        format!("{} {}", problem.code, problem.errors[0].field)
    }

    #[test]
    fn a_parameter_that_is_not_served_is_named_never_ignored() {
        for (query, said) in [
            ("exclude_self=true", "query_invalid exclude_self"),
            ("include=meta", "query_invalid include"),
            ("limit=0", "query_invalid limit"),
            ("limit=5001", "query_invalid limit"),
            ("limit=x", "query_invalid limit"),
            ("compact=1", "query_invalid compact"),
            ("wait=26", "query_invalid wait"),
            ("scopes=building:42,no%20good", "query_invalid scopes"),
            ("collections=Upper", "query_invalid collections"),
            ("epoch=xyz", "query_invalid epoch"),
            ("since=a&since=b", "query_invalid since"),
        ] {
            assert_eq!(refused(query), said);
        }
    }

    #[test]
    fn both_ends_of_a_limit_are_taken() {
        for (query, limit) in [("limit=1", 1), ("limit=5000", 5_000), ("", 500)] {
            let uri: Uri = format!("/changes?{query}").parse().expect("an address");
            assert_eq!(query_read(&uri).expect("read").0.limit, limit);
        }
    }

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        assert!(tag_matches("\"a\", W/\"b\"", "b"));
        assert!(!tag_matches("\"ab\"", "b"));
    }
}
