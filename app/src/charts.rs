//! Charts: pure functions from read models to what a chart draws and what its table says. Server only.
//!
//! An option holds no colour: it names tokens (`var(--sea)`), which `style/js/charts.ts` resolves against the page.
//! Missing data is a gap under hatching, never zero. Formatters that are code are not used: options travel as JSON.

mod axis;
mod rate;
mod trend;

pub use axis::{AxisLabel, axis_labels, segments};
pub use rate::{RateOf, rate};
pub use trend::trend;

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
    /// Names of the lines and the tokens they are drawn in, when there is more than one.
    pub lines: Vec<(String, &'static str)>,
    /// Labels under the neatline.
    pub labels: Vec<AxisLabel>,
}

#[cfg(test)]
mod tests;
