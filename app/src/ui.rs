//! The primitives: one file each, its style in `style/components/` under the same name. They know neither routes nor data sources.
//!
//! No markup here carries a `style` attribute: the content security policy refuses it. A level between 0 and 100 is written as
//! `data-pct` (see [`pct`]); anything else that varies is a class or a `data-` attribute.

pub mod banner;
pub mod bar;
pub mod board;
pub mod chart;
pub mod empty;
pub mod filterbar;
pub mod glyph;
pub mod id;
pub mod kpi;
pub mod lifeline;
pub mod pager;
pub mod panel;
pub mod rhythm;
pub mod segmented;
pub mod sluice;
pub mod spark;
pub mod status;
pub mod table;
pub mod tag;
pub mod tanks;
pub mod timeline;
pub mod views;

pub use crate::icon::{Icon, IconName};
pub use banner::Banner;
pub use bar::{BarPart, PartsBar};
pub use board::BoardGrid;
pub use chart::FleetChart;
pub use empty::Empty;
pub use filterbar::FilterBar;
pub use glyph::{Glyph, Sign};
pub use id::Id;
pub use kpi::Kpi;
pub use lifeline::{Lifeline, Stage, StageState};
pub use pager::Pager;
pub use panel::{Panel, PanelFoot};
pub use rhythm::Rhythm;
pub use segmented::{Segment, Segmented};
pub use sluice::Sluice;
pub use spark::Spark;
pub use status::Status;
pub use table::{Column, SortState, Table};
pub use tag::{Dot, Tag, Verdict};
pub use tanks::Tanks;
pub use timeline::{Timeline, TimelineItem};
pub use views::{ViewTab, Views};

/// A share of 0 to 100 as `data-pct` writes it: whole percent, which `style/steps.css` turns into `--pct`.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
pub fn pct(value: f64) -> u8 {
    if value.is_finite() { value.round().clamp(0.0, 100.0) as u8 } else { 0 }
}
