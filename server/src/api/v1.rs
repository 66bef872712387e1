//! The read API for staff and API tokens, version 1: the same use cases as the pages, as JSON.

pub mod audit;
pub mod changes;
pub mod commands;
pub mod devices;
pub mod drain;
pub mod entry;
pub mod outbox;
pub mod purges;
pub mod report;

use serde::Serialize;
use tidewatch_domain::page::{Page, Total};

/// One page of a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Listing<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Give it as `after` to go on; `null` on the last page.
    pub next: Option<String>,
    /// Give it as `before` to go back; `null` on the first page.
    pub previous: Option<String>,
    /// How many match in all.
    pub total: ListingTotal,
}

/// How many match in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ListingTotal {
    /// The number.
    pub count: u64,
    /// `false` when there are at least so many.
    pub exact: bool,
    /// Where no index helps: the newest so many were looked at for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked: Option<u64>,
}

impl<T> Listing<T> {
    /// A page of read models as JSON rows.
    pub fn of<R>(page: Page<R>, row: impl Fn(R) -> T) -> Self {
        let total = match page.total {
            Total::Exact(count) => ListingTotal { count, exact: true, looked: None },
            Total::AtLeast(count) => ListingTotal { count, exact: false, looked: None },
            Total::Among { found, looked, all } => ListingTotal { count: found, exact: all, looked: Some(looked) },
        };
        Self { rows: page.rows.into_iter().map(row).collect(), next: page.next, previous: page.previous, total }
    }
}
