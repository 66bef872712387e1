//! Refuses state changes that another site made the browser send. The browser itself says where a request comes from.

use axum::http::{HeaderMap, header};
use tidewatch_protocol::Code;

use crate::api::Refusal;
use crate::api::error::Answer;

/// Lets a request through when the browser says that it comes from our own pages.
pub(super) fn check(headers: &HeaderMap) -> Answer<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = match text("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        // Older browsers send no fetch metadata, but they do send the origin of every POST.
        None => same_host(text(header::ORIGIN.as_str()), text(header::HOST.as_str())),
    };
    if ours { Ok(()) } else { Err(Refusal::new(Code::CrossSite, "send the form from a page of this console")) }
}

fn same_host(origin: Option<&str>, host: Option<&str>) -> bool {
    let origin_host = origin.and_then(|origin| origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")));
    matches!((origin_host, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn passes(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        check(&headers).is_ok()
    }

    #[test]
    fn only_our_own_pages_pass() {
        assert!(passes(&[("sec-fetch-site", "same-origin")]));
        assert!(passes(&[("sec-fetch-site", "none")]));
        assert!(!passes(&[("sec-fetch-site", "same-site")]));
        assert!(!passes(&[("sec-fetch-site", "cross-site"), ("origin", "http://tide.test"), ("host", "tide.test")]));
        assert!(passes(&[("origin", "https://tide.test:4600"), ("host", "tide.test:4600")]));
        assert!(!passes(&[("origin", "https://evil.test"), ("host", "tide.test")]));
        assert!(!passes(&[("origin", "null"), ("host", "tide.test")]));
        assert!(!passes(&[]));
    }
}
