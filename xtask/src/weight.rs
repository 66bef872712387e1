//! What a visitor loads: the weight of the site as it travels, and the bars that it must stay under.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::progress::note;
use crate::site;
use crate::workspace::Workspace;

/// One bar of the product: these files together weigh at most so much, compressed, in bytes.
struct Bar {
    what: &'static str,
    logical: &'static [&'static str],
    limit: u64,
}

const KB: u64 = 1000;

/// The pages' own HTML comes on top: measured in the browser journeys, and left room for here.
const HTML_ROOM: u64 = 10 * KB;

const BARS: &[Bar] = &[
    Bar { what: "browser half", logical: &["tidewatch_bg.wasm"], limit: 120 * KB },
    Bar { what: "page without a chart", logical: PLAIN_PAGE, limit: 150 * KB - HTML_ROOM },
    Bar { what: "first visit to the overview", logical: OVERVIEW, limit: 300 * KB - HTML_ROOM },
];

const PLAIN_PAGE: &[&str] = &["main.css", "theme.js", "main.js", "fonts/inter-latin.woff2", "favicon.svg"];
const OVERVIEW: &[&str] = &[
    "main.css",
    "theme.js",
    "main.js",
    "charts.js",
    "tidewatch.js",
    "tidewatch_bg.wasm",
    "fonts/inter-latin.woff2",
    "fonts/jetbrains-mono-latin.woff2",
    "favicon.svg",
];

/// What a bar says about the site that was built.
pub(crate) struct Finding {
    /// In words: what, how much, and how much it may be.
    pub(crate) line: String,
    /// Whether it stays under the bar.
    pub(crate) holds: bool,
}

/// Every bar, measured.
pub(crate) fn measure(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let site = site::folder(workspace)?;
    let text =
        std::fs::read_to_string(site.join("manifest.json")).context("reading the manifest: run `cargo xtask build` first")?;
    let manifest: Value = serde_json::from_str(&text).context("reading the manifest")?;
    let weigh = |bar: &Bar| {
        let built = bar.logical.iter().filter_map(|logical| manifest[logical].as_str());
        let weight: u64 = built.map(|name| travels_as(&site, name)).sum();
        let line = format!("{}: {:.1} KB of {} KB", bar.what, weight as f64 / KB as f64, bar.limit / KB);
        Finding { line, holds: weight <= bar.limit }
    };
    Ok(BARS.iter().map(weigh).collect())
}

/// Says it on the terminal.
pub(crate) fn report(workspace: &Workspace) -> anyhow::Result<()> {
    for finding in measure(workspace)? {
        note(&format!("{}{}", finding.line, if finding.holds { "" } else { " (too heavy)" }));
    }
    Ok(())
}

/// Bytes on the wire: the Brotli form where there is one.
fn travels_as(site: &Path, name: &str) -> u64 {
    let size = |path: std::path::PathBuf| path.metadata().map(|meta| meta.len()).ok();
    size(site.join(format!("{name}.br"))).or_else(|| size(site.join(name))).unwrap_or(0)
}
