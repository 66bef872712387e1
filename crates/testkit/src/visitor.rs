//! Somebody who sends requests: with a session, a bearer token, or nothing.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::described;
use crate::events::Events;
use crate::reply::Reply;

/// The cookie of the console.
const COOKIE: &str = "__Host-tidewatch";

/// Somebody who sends requests. Keeps the cookie that an answer sets, like a browser.
#[derive(Clone, Debug)]
pub struct Visitor {
    router: Router,
    headers: HeaderMap,
    cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn new(router: Router) -> Self {
        Self { router, headers: HeaderMap::new(), cookie: None }
    }

    /// The same, with a bearer token.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// The same, with a header on every request.
    ///
    /// # Panics
    /// When it is no header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(HeaderName::try_from(name).expect("a name"), HeaderValue::try_from(value).expect("a value"));
        self
    }

    /// The same, at another router.
    #[must_use]
    pub fn with_router(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// The same, with another cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<String>) -> Self {
        self.cookie = cookie;
        self
    }

    /// The session id that the last answers left.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Sends a request as it is.
    ///
    /// # Panics
    /// When the router fails, which it cannot; when the answer is not described.
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = self.router.clone().oneshot(request).await.expect("the router answers everything").into_parts();
        let body = axum::body::to_bytes(body, 64 * 1_024 * 1_024).await.expect("the body arrives");
        described::check(&method, &path, parts.status);
        Reply::new(parts.status, parts.headers, body)
    }

    /// A request of this visitor.
    ///
    /// # Panics
    /// When the path is none.
    #[must_use]
    pub fn request(&self, method: Method, path: &str, extra: &[(&str, &str)], body: Bytes) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path).body(Body::from(body)).expect("a request");
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("tidewatch.test"));
        headers.extend(self.headers.clone());
        if let Some(cookie) = &self.cookie {
            headers.insert(header::COOKIE, HeaderValue::try_from(format!("{COOKIE}={cookie}")).expect("a cookie"));
        }
        for (name, value) in extra {
            headers.insert(HeaderName::try_from(*name).expect("a name"), HeaderValue::try_from(*value).expect("a value"));
        }
        request
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path, &[], Bytes::new())).await
    }

    /// `GET` with more headers.
    pub async fn get_with(&self, path: &str, extra: &[(&str, &str)]) -> Reply {
        self.send(self.request(Method::GET, path, extra, Bytes::new())).await
    }

    /// `GET` as a browser asks for a page.
    pub async fn page(&self, path: &str) -> Reply {
        self.get_with(path, &[("accept", "text/html,application/xhtml+xml"), ("sec-fetch-site", "same-origin")]).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_text(path, &body.to_string()).await
    }

    /// `POST` of a text that claims to be JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Reply {
        self.post_with(path, &[("content-type", "application/json")], Bytes::from(body.to_owned())).await
    }

    /// `POST` of bytes with more headers.
    pub async fn post_with(&self, path: &str, extra: &[(&str, &str)], body: Bytes) -> Reply {
        self.send(self.request(Method::POST, path, extra, body)).await
    }

    /// `POST` of a form from a page of the console; keeps the cookie that the answer sets.
    pub async fn form(&mut self, path: &str, pairs: &[(&str, &str)]) -> Reply {
        let encode = |text: &str| tidewatch_app::paths::encode(text);
        let body = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&");
        let extra =
            [("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html"), ("sec-fetch-site", "same-origin")];
        let reply = self.post_with(path, &extra, Bytes::from(body)).await;
        self.cookie_keep(&reply);
        reply
    }

    /// Signs in through the form.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Reply {
        self.form("/console/session/sign_in", &[("name", name), ("password", password), ("next", "/")]).await
    }

    /// Opens an event stream.
    ///
    /// # Panics
    /// When the router fails, which it cannot.
    pub async fn listen(&self, path: &str, extra: &[(&str, &str)]) -> Events {
        let request = self.request(Method::GET, path, extra, Bytes::new());
        Events::new(self.router.clone().oneshot(request).await.expect("the router answers everything"))
    }

    fn cookie_keep(&mut self, reply: &Reply) {
        for value in reply.headers().get_all(header::SET_COOKIE) {
            let Some(rest) = value.to_str().ok().and_then(|text| text.strip_prefix(COOKIE)?.strip_prefix('=')) else { continue };
            let id = rest.split(';').next().unwrap_or_default();
            self.cookie = (!id.is_empty()).then(|| id.to_owned());
        }
    }
}
