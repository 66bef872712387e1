//! Keyset pages: every list has a limit and a position, and says whether its total is exact.

/// How many rows a list shows when nobody asks.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// The most rows one page may hold.
pub const PAGE_ROWS_MAX: u32 = 500;

/// A total, and whether it was counted or estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Counted.
    Exact(u64),
    /// A floor: there are at least so many; shown as "more than".
    AtLeast(u64),
    /// Found where no index helps, by looking at the newest so many.
    Among {
        /// Matches.
        found: u64,
        /// Looked at.
        looked: u64,
        /// Whether those were all there are.
        all: bool,
    },
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows, in the order asked for.
    pub rows: Vec<T>,
    /// Position that continues after the last row (`?after=`), when there are more.
    pub next: Option<String>,
    /// Position that goes back before the first row (`?before=`), when there are earlier ones.
    pub previous: Option<String>,
    /// How many rows match in all.
    pub total: Total,
}

/// Where a page starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Position {
    /// At the first row.
    #[default]
    Start,
    /// After the row that this text names.
    After(String),
    /// Before the row that this text names.
    Before(String),
}
