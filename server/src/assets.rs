//! The built site, embedded in the binary: scripts, styles, fonts, pictures and the browser half.
//!
//! `cargo xtask build` leaves it in `target/site`: every file under a name that carries a digest of its content, `.br` and
//! `.gz` siblings where they are smaller, and `manifest.json` from logical to built names. Pages ask [`url`] for a link and
//! never write a built name themselves. A binary that was compiled without a site answers 404 here and works otherwise.
//!
//! Invariant: what is served under `/assets/` never changes under its name, hence `immutable`. These files are compressed
//! already: keep a compressing layer off this router.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Hashed names never change their content: a year, and no revalidation.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Well-known names (`/favicon.ico`) do change: keep a copy, ask each time.
const REVALIDATE: &str = "public, no-cache";

#[derive(RustEmbed)]
#[folder = "../target/site"]
struct Site;

/// From logical names (`main.css`) to built names (`main-4KJ2.css`), as the build wrote it.
static MANIFEST: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let file = Site::get("manifest.json").expect("server/build.rs makes a manifest before this crate is compiled");
    serde_json::from_slice(&file.data).expect("`cargo xtask build` writes the manifest as a flat object of names")
});

/// The link to a file of the site by its logical name, for example `url("main.css")`.
///
/// Without a built site, or for a name that is not in it, the link is made from the logical name and leads to a 404.
#[must_use]
pub fn url(logical: &str) -> String {
    let name = MANIFEST.get(logical).map_or(logical, String::as_str);
    format!("/assets/{name}")
}

/// Every logical name with its link, for the pages (`app` does not know this crate).
#[must_use]
pub fn urls() -> BTreeMap<String, String> {
    MANIFEST.keys().map(|logical| (logical.clone(), url(logical))).collect()
}

/// Whether the binary carries a built site. Pages work without one, unstyled and without islands.
#[must_use]
pub fn present() -> bool {
    !MANIFEST.is_empty()
}

/// Routes of the site: `/assets/…` and the names that browsers ask for unbidden.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/assets/{*name}", get(asset)).route("/favicon.ico", get(favicon)).route("/favicon.svg", get(favicon))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    // Siblings and the manifest are no pages of their own. What scripts share has a built name only, which no manifest lists.
    let own = name != "manifest.json" && !name.ends_with(".br") && !name.ends_with(".gz");
    if own { serve(&name, &headers, FOREVER) } else { not_found() }
}

async fn favicon(headers: HeaderMap) -> Response {
    match MANIFEST.get("favicon.svg") {
        Some(name) => serve(name, &headers, REVALIDATE),
        None => not_found(),
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, [(CONTENT_TYPE, "text/plain; charset=utf-8")], "Not found\n").into_response()
}

fn serve(name: &str, headers: &HeaderMap, cache: &'static str) -> Response {
    let Some(plain) = Site::get(name) else {
        return not_found();
    };
    let mime = plain.metadata.mimetype().to_owned();
    let (coding, file) = best_form(name, plain, headers);
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));

    let mut answer =
        if matches_tag(headers, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(file.data).into_response() };
    let out = answer.headers_mut();
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(VARY, HeaderValue::from_static("accept-encoding"));
    out.insert(ETAG, HeaderValue::from_str(&tag).expect("hex digits in quotes are a header value"));
    out.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(CONTENT_TYPE, content_type(&mime));
    if let Some(coding) = coding {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    answer
}

/// The smallest form that the browser takes: Brotli, gzip, or the file as it is.
fn best_form(name: &str, plain: EmbeddedFile, headers: &HeaderMap) -> (Option<&'static str>, EmbeddedFile) {
    for (coding, suffix) in [("br", "br"), ("gzip", "gz")] {
        if accepts(headers, coding)
            && let Some(sibling) = Site::get(&format!("{name}.{suffix}"))
        {
            return (Some(coding), sibling);
        }
    }
    (None, plain)
}

/// Whether `Accept-Encoding` names this coding and does not rule it out (`br;q=0`).
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |choice| {
            let mut parts = choice.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
            let refused = parts
                .filter_map(|parameter| parameter.strip_prefix("q="))
                .any(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0));
            named && !refused
        },
    )
}

/// Whether `If-None-Match` lists this tag. A weak tag matches too: our bytes for a tag are always the same.
fn matches_tag(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
}

fn content_type(mime: &str) -> HeaderValue {
    let is_text = mime.starts_with("text/") || mime == "image/svg+xml" || mime == "application/json";
    let full = if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
    HeaderValue::from_str(&full).expect("a MIME type is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(name: axum::http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_coding_counts_when_it_is_named_and_not_ruled_out() {
        let cases = [
            ("gzip, deflate, br, zstd", "br", true),
            ("gzip;q=0.8, BR;q=1.0", "br", true),
            ("br;q=0, gzip", "br", false),
            ("br; q=0.0, gzip", "br", false),
            ("gzip", "br", false),
            ("brotli", "br", false),
            ("", "gzip", false),
        ];
        for (header, coding, expected) in cases {
            assert_eq!(accepts(&asking(ACCEPT_ENCODING, header), coding), expected, "{coding} in {header:?}");
        }
        assert!(!accepts(&HeaderMap::new(), "br"), "no header means the file as it is");
    }

    #[test]
    fn a_tag_matches_alone_in_a_list_weak_or_as_a_star() {
        for held in ["\"ab\"", "W/\"ab\"", "\"cd\", \"ab\"", "*"] {
            assert!(matches_tag(&asking(IF_NONE_MATCH, held), "\"ab\""), "{held}");
        }
        for held in ["\"abc\"", "ab", "\"AB\""] {
            assert!(!matches_tag(&asking(IF_NONE_MATCH, held), "\"ab\""), "{held}");
        }
    }

    #[test]
    fn text_says_its_character_set_and_a_module_does_not() {
        assert_eq!(content_type("text/css"), "text/css; charset=utf-8");
        assert_eq!(content_type("image/svg+xml"), "image/svg+xml; charset=utf-8");
        assert_eq!(content_type("application/wasm"), "application/wasm");
    }

    #[test]
    fn every_name_in_the_manifest_is_served_with_its_own_bytes_in_every_form() {
        for (logical, built) in MANIFEST.iter() {
            let plain = Site::get(built).unwrap_or_else(|| panic!("{logical} leads to {built}, which is not embedded"));
            for (coding, suffix) in [("br", "br"), ("gzip", "gz"), ("identity", "")] {
                let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(coding))]);
                let answer = serve(built, &headers, FOREVER);
                assert_eq!(answer.status(), StatusCode::OK, "{built} as {coding}");
                let sibling = Site::get(&format!("{built}.{suffix}"));
                let expected = sibling.as_ref().map(|_| coding).filter(|_| !suffix.is_empty());
                let coded = answer.headers().get(CONTENT_ENCODING).map(|value| value.to_str().expect("ours are ASCII"));
                assert_eq!(coded, expected, "{built} as {coding}");
                if let Some(sibling) = sibling.filter(|_| !suffix.is_empty()) {
                    assert!(sibling.data.len() < plain.data.len(), "{built}.{suffix} saves nothing");
                }
            }
        }
    }

    #[test]
    fn a_name_outside_the_site_leads_to_a_link_that_is_not_found() {
        assert_eq!(url("no-such-file.css"), "/assets/no-such-file.css");
        assert_eq!(serve("no-such-file.css", &HeaderMap::new(), FOREVER).status(), StatusCode::NOT_FOUND);
    }
}
