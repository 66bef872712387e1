//! The bytes of one part (RFC 9110): compressed as they are kept, with ranges, or decompressed for who cannot take that.

use std::io::Read as _;
use std::ops::Range;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidewatch_protocol::headers::{CONTENT_DIGEST, REPR_DIGEST};
use tidewatch_protocol::keys::content_digest;
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::Error;

use super::{KEPT, VARY, id_refusal, named};
use crate::api::error::{Answer, Refusal};
use crate::gate::Device;
use crate::state::App;

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The form in which a part is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// As it is kept.
    Zstd,
    /// Decompressed.
    Identity,
}

/// A part of a snapshot: a record a line.
#[utoipa::path(get, path = "/snapshots/{id}/parts/{n}", tag = "sync", security(("device" = [])),
    params(("id" = String, Path), ("n" = u64, Path, description = "1, 2, …"),
        ("Range" = Option<String>, Header, description = "one range of the compressed bytes"),
        ("If-Range" = Option<String>, Header, description = "the ETag that the bytes before belong to"),
        ("Accept-Encoding" = Option<String>, Header, description = "with `zstd`, or without this header, the bytes are compressed; else plain, with a weak ETag and without ranges")),
    responses(
        (status = 200, content_type = "application/x-ndjson", body = String, description = "a change a line, each a `put`. `ETag` is the SHA-256 of the compressed bytes, `Content-Digest` that of the body"),
        (status = 206, content_type = "application/x-ndjson", body = String, description = "the range"),
        (status = 304, description = "the part of this ETag"),
        (status = 416, body = Problem, content_type = "application/problem+json", description = "the range lies outside"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn snapshot_part(
    State(app): State<App>,
    device: Device,
    Path((id, n)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    let (snapshot, schema) = named(&app, &device, &id, &uri, &headers)?;
    let n: usize = n.parse().map_err(|_| Error::NotFound("part"))?;
    let sha256 = n.checked_sub(1).and_then(|at| snapshot.parts.get(at)).map(|part| hex::encode(part.sha256));
    let sha256 = sha256.ok_or(Error::NotFound("part"))?;
    let coding = coding(&headers).ok_or_else(|| Refusal::new(Code::NotAcceptable, "a part comes in zstd, or as it is"))?;
    let held = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if held.is_some_and(|held| is_held(held, &sha256)) {
        return Ok((StatusCode::NOT_MODIFIED, common(&etag(&sha256, coding))).into_response());
    }
    let bytes = app.service().snapshot_part(&device.cx, &id, schema, n).await.map_err(id_refusal)?;
    match coding {
        Coding::Identity => plain(bytes, &sha256).await,
        Coding::Zstd => {
            let wanted = if method == Method::GET { wanted(&headers, &sha256, bytes.len()) } else { Wanted::Whole };
            Ok(compressed(&bytes, &sha256, wanted))
        }
    }
}

/// The best form that is accepted: compressed, unless that is excluded or not named.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let values: Vec<&str> = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        return Some(Coding::Zstd);
    }
    let weight = |name: &str| {
        let named = |item: &str| {
            let mut parts = item.split(';').map(str::trim);
            let coding = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name));
            let zero = parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
            coding.then_some(!zero)
        };
        values.iter().flat_map(|value| value.split(',')).find_map(|item| named(item.trim()))
    };
    let others = weight("*");
    if weight("zstd").or(others).unwrap_or(false) {
        return Some(Coding::Zstd);
    }
    weight("identity").or(others).unwrap_or(true).then_some(Coding::Identity)
}

fn etag(sha256: &str, coding: Coding) -> String {
    match coding {
        Coding::Zstd => format!("\"{sha256}\""),
        // It may be compressed in another way on the way out, so it promises the same content and not the same bytes.
        Coding::Identity => format!("W/\"{sha256}\""),
    }
}

/// Whether `If-None-Match` names the part.
fn is_held(held: &str, sha256: &str) -> bool {
    held.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"')).any(|tag| tag == sha256 || tag == "*")
}

fn text(value: String) -> HeaderValue {
    HeaderValue::from_str(&value).expect("digits and plain ASCII")
}

fn common(etag: &str) -> [(header::HeaderName, HeaderValue); 3] {
    [(header::ETAG, text(etag.to_owned())), (header::CACHE_CONTROL, KEPT), (header::VARY, VARY)]
}

async fn plain(bytes: Vec<u8>, sha256: &str) -> Answer<Response> {
    let unpacked = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        zstd::Decoder::new(bytes.as_slice())?.read_to_end(&mut out).map(|_| out)
    });
    let out = unpacked.await.map_err(Refusal::internal)?.map_err(Refusal::internal)?;
    let tag = etag(sha256, Coding::Identity);
    let own = [(header::CONTENT_TYPE, LINES), (header::ACCEPT_RANGES, HeaderValue::from_static("none"))];
    Ok((common(&tag), own, out).into_response())
}

/// What a request asks for of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<usize>),
    Outside,
}

/// Several ranges, and what is no range, are answered with the whole; so is a range that goes with another ETag.
fn wanted(headers: &HeaderMap, sha256: &str, len: usize) -> Wanted {
    let get = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let Some(range) = get(header::RANGE) else { return Wanted::Whole };
    if get(header::IF_RANGE).is_some_and(|tag| tag != etag(sha256, Coding::Zstd)) {
        return Wanted::Whole;
    }
    range_read(range, len).unwrap_or(Wanted::Whole)
}

fn range_read(range: &str, len: usize) -> Option<Wanted> {
    let (unit, range) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
    let found = match (first, last) {
        ("", suffix) => len.saturating_sub(number(suffix)?)..len,
        (first, "") => number(first)?..len,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(len)
        }
    };
    Some(if found.start < len { Wanted::Part(found) } else { Wanted::Outside })
}

fn compressed(bytes: &[u8], sha256: &str, wanted: Wanted) -> Response {
    let len = bytes.len();
    let (status, body, range) = match wanted {
        Wanted::Outside => {
            let refusal = Refusal::from(Problem::new(Code::RangeNotSatisfiable).detail(format!("the part has {len} bytes")));
            return refusal.with_header(header::CONTENT_RANGE, text(format!("bytes */{len}"))).into_response();
        }
        Wanted::Whole => (StatusCode::OK, bytes, None),
        Wanted::Part(range) => {
            let said = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, &bytes[range], Some(said))
        }
    };
    let own = [
        (header::CONTENT_TYPE, LINES),
        (header::CONTENT_ENCODING, HeaderValue::from_static("zstd")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::HeaderName::from_static(CONTENT_DIGEST), text(content_digest(body))),
        (header::HeaderName::from_static(REPR_DIGEST), text(content_digest(bytes))),
    ];
    let mut response = (status, common(&etag(sha256, Coding::Zstd)), own, body.to_vec()).into_response();
    if let Some(range) = range {
        response.headers_mut().insert(header::CONTENT_RANGE, text(range));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> Option<Coding> {
        coding(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]))
    }

    #[test]
    fn the_form_is_the_best_that_is_accepted() {
        assert_eq!(coding(&HeaderMap::new()), Some(Coding::Zstd));
        for value in ["zstd", "gzip, ZSTD;q=0.1", "*", "gzip;q=0, *;q=0.5"] {
            assert_eq!(accepting(value), Some(Coding::Zstd), "{value}");
        }
        for value in ["", "gzip", "identity", "gzip, zstd;q=0", "zstd;q=0, *", "identity;q=1, *;q=0"] {
            assert_eq!(accepting(value), Some(Coding::Identity), "{value}");
        }
        for value in ["identity;q=0", "*;q=0", "gzip, *;q=0.0", "zstd;q=0, identity;q=0"] {
            assert_eq!(accepting(value), None, "{value}");
        }
    }

    #[test]
    fn a_range_is_cut_at_the_end_and_refused_beyond_it() {
        for (range, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=4-", Wanted::Part(4..10)),
            ("Bytes=4-99", Wanted::Part(4..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Outside),
            ("bytes=10-12", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
        ] {
            assert_eq!(range_read(range, 10), Some(wanted), "{range}");
        }
        for range in ["bytes=5-4", "bytes=a-", "bytes=+1-2", "bytes=-", "bytes", "rows=0-1", "bytes=0-1,3-4"] {
            assert_eq!(range_read(range, 10), None, "{range}");
        }
    }

    #[test]
    fn a_range_that_goes_with_other_bytes_is_answered_with_the_whole() {
        let asked = |tag: &str| {
            let tag = HeaderValue::from_str(tag).expect("ASCII");
            let range = (header::RANGE, HeaderValue::from_static("bytes=4-"));
            wanted(&HeaderMap::from_iter([range, (header::IF_RANGE, tag)]), "abc", 10)
        };
        assert_eq!(asked("\"abc\""), Wanted::Part(4..10));
        for tag in ["\"abd\"", "W/\"abc\"", "abc", "Thu, 01 Jan 2026 00:00:00 GMT"] {
            assert_eq!(asked(tag), Wanted::Whole, "{tag}");
        }
    }
}
