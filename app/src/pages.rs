//! The pages. Server only: a page asks `service`, renders read models, and keeps its state in the URL.

pub mod audit;
pub mod changes;
pub mod command;
pub mod device;
pub mod devices;
pub mod first_run;
#[cfg(test)]
mod fixture;
pub mod legend;
pub mod list;
pub mod may;
pub mod not_found;
pub mod outbox;
pub mod overview;
pub mod palette;
pub mod params;
pub mod sign_in;
pub mod trace;

use std::future::Future;

use leptos::prelude::*;
use leptos_router::hooks::{use_query_map, use_url};

use crate::error::error_page;
use crate::paths;

/// A page that loads: its view, or the page of its error with the right status code.
pub fn loaded<F, V>(load: F) -> impl IntoView
where
    F: Future<Output = tidewatch_service::Result<V>> + Send + 'static,
    V: IntoView + 'static,
{
    Suspend::new(async move {
        match load.await {
            Ok(view) => view.into_any(),
            Err(error) => error_page(&error),
        }
    })
}

/// Value of a key of this page's query; empty when it is not there.
#[must_use]
pub fn query(key: &str) -> String {
    use_query_map().with_untracked(|map| map.get(key)).unwrap_or_default()
}

/// The filter of this page: every `q` of the query, joined.
#[must_use]
pub fn query_filter() -> String {
    paths::query_joined(use_url().with_untracked(|url| url.search().to_owned()).as_str(), "q")
}
