//! Outbox: what the fleet still has to send. Failures by signature, by collection, and entry by entry; a group and an entry are
//! addresses of their own. Every figure is of the mirror: what the devices last reported, and what this server refused.

pub mod collections;
pub mod deeds;
pub mod devices;
pub mod drain;
pub mod entries;
pub mod entry;
pub mod group;
pub mod groups;
pub mod job;
pub mod jobs;
pub mod keeping;
pub mod notice;
pub mod pick;
pub mod purges;
pub mod selection;
#[cfg(test)]
mod tests;
pub mod totals;

use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::{FailureGroup, OutboxFigures, OutboxRow};
use tidewatch_domain::page::Page;
use tidewatch_domain::time::Millis;

use super::list::Filtered;
use crate::format::counted;
use crate::paths;
use crate::ui::{Segment, Segmented};
use totals::Totals;

/// The ways to look at the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By failure signature.
    Groups,
    /// By device.
    Devices,
    /// By collection.
    Collections,
    /// Entry by entry.
    Entries,
}

/// A list of entries, or what is wrong with its filter.
pub type Entries = Filtered<Page<OutboxRow>>;

/// Head of the page, and the totals that every way shares.
#[component]
pub fn Overall(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// Which way is shown.
    way: Way,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let devices = figures.devices;
    view! {
        <div class="page-head">
            <div><h1>"Outbox"</h1><p>{format!("What {} to send, as their write-ahead logs last reported it.", still(devices))}</p></div>
            <div class="page-actions"><Segmented label="Look at the outbox" segments=ways(way)/><a class="btn" href=paths::OUTBOX_JOBS>"Drains"</a><a class="btn" href=paths::OUTBOX_PURGES>"Purges"</a></div>
        </div>
        <Totals figures now/>
    }
    .into_any()
}

fn still(devices: u64) -> String {
    match devices {
        0 => "no device has left".to_owned(),
        1 => "1 device still has".to_owned(),
        n => format!("{} still have", counted(n, "device", "devices")),
    }
}

fn ways(current: Way) -> Vec<Segment> {
    let segment =
        |label: &str, href: String, way: Option<Way>| Segment { label: label.to_owned(), href, current: way == Some(current) };
    vec![
        segment("By error", paths::OUTBOX.to_owned(), Some(Way::Groups)),
        segment("By device", paths::OUTBOX_DEVICES.to_owned(), Some(Way::Devices)),
        segment("By collection", paths::OUTBOX_COLLECTIONS.to_owned(), Some(Way::Collections)),
        segment("All entries", paths::OUTBOX_ENTRIES.to_owned(), Some(Way::Entries)),
    ]
}

/// `422 schema_invalid`.
fn error_words(group: &FailureGroup) -> String {
    let status = group.status.map(|status| format!("{status} ")).unwrap_or_default();
    format!("{status}{}", group.code)
}

/// Keys that the filter of entries takes.
const KEYS: &[tidewatch_domain::filter::Key] = keys::OUTBOX;
