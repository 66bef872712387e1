//! `GET /changes`: one page of the feed of one device, as one JSON object or line by line.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::ids::{CollectionName, Epoch, Scope, Seq};
use tidewatch_domain::sync::{FeedInclude, FeedPage, FeedQuery};
use tidewatch_protocol::headers::SYNC_SCHEMA;
use tidewatch_protocol::limits::{FILTER_TERMS_MAX, PAGE_DEFAULT, PAGE_MAX, WAIT_S_MAX};
use tidewatch_protocol::v1::ChangesPage;
use tidewatch_protocol::v1::changes::{page_lines, page_text};
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::api::sync::pause;
use crate::gate::Device;
use crate::state::App;

/// A change a line.
const LINES: &str = "application/x-ndjson";

/// Reads the next page of the feed.
#[utoipa::path(get, path = "/changes", tag = "sync", security(("device" = [])),
    params(
        ("since" = Option<String>, Query, description = "cursor of the page before; absent or `0` is the beginning, `now` the head"),
        ("epoch" = Option<String>, Query, description = "goes with a bare number in `since`"),
        ("limit" = Option<u32>, Query, description = "1 to 5000 rows; 500 when absent"),
        ("compact" = Option<bool>, Query, description = "the state instead of the log"),
        ("scopes" = Option<String>, Query, description = "only these, separated by commas"),
        ("collections" = Option<String>, Query, description = "only these, separated by commas"),
        ("include" = Option<String>, Query, description = "`fields` (when absent): the touched fields of an update; `full`: the whole record after every change; `meta`: no payload"),
        ("exclude_self" = Option<bool>, Query, description = "leave out what this device did itself; the cursor still moves"),
        ("wait" = Option<u32>, Query, description = "0 to 25 seconds that a caught-up reader waits for news; also `Prefer: wait=…`")),
    responses((status = 200, body = ChangesPage, description = "with `Accept: application/x-ndjson` a change a line, and a last line with `\"control\": \"page_end\"`"), (status = 304, description = "nothing new since the page of this ETag"),
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
    let (mut query, wait) = query_read(uri, headers)?;
    query.schema = schema_check(app, headers, &query.collections)?;
    let lines = accepts_lines(headers);
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
    news_wait(app, wait, || app.service().changes_unchanged(&device.cx, &query).is_some()).await;
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let head = app.service().head();
    let asleep = app.service().changes_unchanged(&device.cx, &query).map(|etag| tag(etag, lines));
    if let (Some(held), Some(etag)) = (held, asleep)
        && tag_matches(held, &etag)
    {
        note(head, 0);
        return Ok(unchanged(&etag));
    }
    let pause = pause(app, device, &query.collections);
    let mut page = app.service().changes_page(&device.cx, query).await.map_err(page_refusal)?;
    page.etag = tag(page.etag, lines);
    note(page_position(&page, head), page.rows.len());
    if held.is_some_and(|held| tag_matches(held, &page.etag)) {
        return Ok(unchanged(&page.etag));
    }
    let pause = if page.has_more { 0 } else { pause };
    Ok(page_response(app, &page, pause, lines))
}

pub(super) fn page_refusal(error: Error) -> Refusal {
    match error {
        Error::Forbidden => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new("scopes", "names one that this device may not read")).into()
        }
        other => other.into(),
    }
}

/// The schema version of the device's database, as far as it says which one it has.
pub(super) fn schema_said(headers: &HeaderMap) -> Answer<Option<i64>> {
    let Some(value) = headers.get(SYNC_SCHEMA) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok()).filter(|version| *version >= 0);
    version.map(Some).ok_or_else(|| Refusal::header(SYNC_SCHEMA, "must be a whole number"))
}

/// The same; one that is not served any more is refused.
pub(super) fn schema_check(app: &App, headers: &HeaderMap, collections: &[CollectionName]) -> Answer<Option<i64>> {
    let said = schema_said(headers)?;
    if let Some(version) = said {
        app.service().schema_check(version, collections)?;
    }
    Ok(said)
}

/// Whether the page is wanted line by line.
fn accepts_lines(headers: &HeaderMap) -> bool {
    let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|accept| accept.contains(LINES));
    headers.get_all(header::ACCEPT).iter().any(accepts)
}

/// Two forms of a page are two representations, each with its own tag.
fn tag(etag: String, lines: bool) -> String {
    if lines { format!("{etag}.lines") } else { etag }
}

/// The wait that `Prefer` asks for, as far as one may be had.
fn preferred_wait(headers: &HeaderMap) -> Option<u32> {
    let parts = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split([',', ';']));
    let mut waits = parts.filter_map(|part| part.trim().strip_prefix("wait=")?.trim_matches('"').parse::<u32>().ok());
    waits.next().map(|wait| wait.min(WAIT_S_MAX))
}

fn query_read(uri: &Uri, headers: &HeaderMap) -> Answer<(FeedQuery, Duration)> {
    let mut params = Params::of(uri)?;
    let epoch = params
        .take("epoch")
        .map(|text| Epoch::parse(&text).ok_or_else(|| Refusal::query("epoch", "must be 16 lower-case hex digits")));
    let include = params
        .take("include")
        .map(|text| FeedInclude::parse(&text).ok_or_else(|| Refusal::query("include", "must be `fields`, `full` or `meta`")));
    let query = FeedQuery {
        since: params.take("since"),
        epoch: epoch.transpose()?,
        limit: params.take_integer("limit", 1..=PAGE_MAX)?.unwrap_or(PAGE_DEFAULT),
        compact: params.take_flag("compact")?.unwrap_or(false),
        scopes: params.take_list("scopes", FILTER_TERMS_MAX, |text| Scope::parse(text))?,
        collections: params.take_list("collections", FILTER_TERMS_MAX, |text| CollectionName::parse(text))?,
        include: include.transpose()?.unwrap_or_default(),
        exclude_self: params.take_flag("exclude_self")?.unwrap_or(false),
        schema: None,
        reader: None,
        fields: Vec::new(),
    };
    let wait = params.take_integer("wait", 0..=WAIT_S_MAX)?.or_else(|| preferred_wait(headers)).unwrap_or(0);
    params.done()?;
    Ok((query, Duration::from_secs(wait.into())))
}

/// Long poll: waits while there is nothing new for this reader, without touching the database.
pub(super) async fn news_wait(app: &App, wait: Duration, idle: impl Fn() -> bool) {
    if wait.is_zero() {
        return;
    }
    let mut head = app.service().head_watch();
    let news = async {
        loop {
            head.mark_unchanged();
            if !idle() || head.changed().await.is_err() {
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

fn page_response(app: &App, page: &FeedPage, pause: i64, lines: bool) -> Response {
    let (etag, cache) = (etag_value(&page.etag), if page.immutable { FULL } else { TAIL });
    let (epoch, now) = (app.service().epoch().to_string(), Timestamp(app.now()));
    let (kind, bytes) = if lines {
        (LINES, page_lines(page, &epoch, now, pause))
    } else {
        ("application/json", page_text(page, &epoch, now, pause))
    };
    let kind = HeaderValue::from_static(kind);
    ([(header::CONTENT_TYPE, kind), (header::ETAG, etag), (header::CACHE_CONTROL, cache), (header::VARY, VARY)], bytes)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        let uri: Uri = format!("/changes?{query}").parse().expect("an address");
        let problem = query_read(&uri, &HeaderMap::new()).expect_err("refused").problem;
        format!("{} {}", problem.code, problem.errors[0].field)
    }

    #[test]
    fn a_parameter_that_is_not_served_is_named_never_ignored() {
        for (query, said) in [
            ("exclude_self=yes", "query_invalid exclude_self"),
            ("include=all", "query_invalid include"),
            ("include_deleted=true", "query_invalid include_deleted"),
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
            assert_eq!(query_read(&uri, &HeaderMap::new()).expect("read").0.limit, limit);
        }
    }

    #[test]
    fn a_preferred_wait_counts_unless_the_query_names_one_and_never_beyond_the_limit() {
        let wait = |query: &str, prefer: &'static str| {
            let uri: Uri = format!("/changes?{query}").parse().expect("an address");
            let headers = HeaderMap::from_iter([(header::HeaderName::from_static("prefer"), HeaderValue::from_static(prefer))]);
            query_read(&uri, &headers).expect("read").1.as_secs()
        };
        assert_eq!(wait("", "handling=strict, wait=7"), 7);
        assert_eq!(wait("wait=3", "wait=7"), 3);
        assert_eq!(wait("", "wait=600"), u64::from(WAIT_S_MAX));
        assert_eq!(wait("", "wait=soon"), 0);
    }

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        assert!(tag_matches("\"a\", W/\"b\"", "b"));
        assert!(!tag_matches("\"ab\"", "b"));
    }
}
