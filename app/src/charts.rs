//! Charts: pure functions from read models to what a chart draws and what its table says. Server only.

/// A chart, ready for the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// Title.
    pub title: String,
    /// The present figure beside the title.
    pub note: String,
    /// The finding, one sentence: the name of the drawing for assistive technology.
    pub finding: String,
    /// Option object, JSON text.
    pub option: String,
    /// Column heads of its table.
    pub columns: Vec<String>,
    /// Rows of its table, oldest first.
    pub rows: Vec<Vec<String>>,
    /// Equal steps of the neatline under it.
    pub segments: u32,
}
