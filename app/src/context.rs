//! What a page and an action find in their context: the use cases, who asks, and where the assets are.
//!
//! The server provides [`Console`] per request; nothing here reads a clock, a cookie or the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::*;
use tidewatch_service::{Cx, Service};

/// Logical name of a built file (`main.css`, `main.js`, `theme.js`, `favicon.svg`, `fonts/…`) to its URL with the hash.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    urls: Arc<BTreeMap<String, String>>,
}

impl Assets {
    /// Knows these names.
    #[must_use]
    pub fn new(urls: BTreeMap<String, String>) -> Self {
        Self { urls: Arc::new(urls) }
    }

    /// URL of a file; `None` when the site was built without it.
    #[must_use]
    pub fn url(&self, name: &str) -> Option<String> {
        self.urls.get(name).cloned()
    }
}

/// Everything one request needs.
#[derive(Clone, Debug)]
pub struct Console {
    /// Use cases.
    pub service: Service,
    /// Who asks, when, under which request id.
    pub cx: Cx,
    /// Built files.
    pub assets: Assets,
}

/// The context of this request.
///
/// # Panics
/// When the server forgot to provide it: a fault of the wiring, not of a request.
#[must_use]
pub fn console() -> Console {
    expect_context::<Console>()
}
