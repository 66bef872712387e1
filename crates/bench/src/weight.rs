//! What a first visit to the overview loads: the page, and every file that it and what it loads name, in the form that a browser
//! gets. Fonts count when the page asks for them beforehand; a browser takes the others only for letters that are not there.

use std::collections::BTreeSet;

use crate::console::Browser;
use crate::table::{Bar, Table};

const KB: f64 = 1_000.0;
/// Where built files lie.
const ASSETS: &str = "/assets/";

/// Bytes of a first visit, of the browser half in it, and of a page without a chart.
pub(crate) async fn measure(browser: &mut Browser, table: &mut Table) -> anyhow::Result<()> {
    let overview = visit(browser, "/").await?;
    let note = format!("{} files, as a browser asks for them", overview.files);
    table.add("First visit to the overview", overview.bytes / KB, "KB", Bar::AtMost(300.0), note);
    table.add("  browser half alone", overview.wasm / KB, "KB", Bar::AtMost(120.0), "");
    let plain = visit(browser, "/devices").await?;
    let note = format!("{} files; {:.1} KB without the browser half", plain.files, (plain.bytes - plain.islands) / KB);
    table.add("First visit to Devices, without a chart", plain.bytes / KB, "KB", Bar::AtMost(150.0), note);
    Ok(())
}

#[derive(Debug, Default)]
struct Visit {
    files: usize,
    bytes: f64,
    /// The module.
    wasm: f64,
    /// The module and its glue.
    islands: f64,
}

async fn visit(browser: &mut Browser, path: &str) -> anyhow::Result<Visit> {
    let page = browser.read(path).await?;
    let mut visit = Visit { files: 1, bytes: browser.get(path).await?.body.len() as f64, ..Visit::default() };
    // Two files come only with what needs them.
    let (charts, islands) = (page.contains("<fleet-chart"), page.contains("<leptos-island"));
    let comes = |file: &String| (charts || !file.contains("/charts-")) && (islands || !file.contains("/tidewatch"));
    let (mut open, mut seen) = (named(&page), BTreeSet::new());
    while let Some(file) = open.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let bytes = browser.get(&file).await?.body.len() as f64;
        visit.files += 1;
        visit.bytes += bytes;
        let is_wasm = file.ends_with(".wasm");
        visit.wasm += if is_wasm { bytes } else { 0.0 };
        visit.islands += if is_wasm || file.contains("/tidewatch-") { bytes } else { 0.0 };
        if file.ends_with(".js") {
            let text = browser.read(&file).await?;
            open.extend(named(&text).into_iter().filter(comes));
        }
    }
    Ok(visit)
}

/// Built files that a text names.
fn named(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices(ASSETS) {
        let rest = &text[at + mark.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))).unwrap_or(rest.len());
        let name = &rest[..end];
        if [".js", ".css", ".wasm", ".svg", ".woff2"].iter().any(|kind| name.ends_with(kind)) {
            found.push(format!("{ASSETS}{name}"));
        }
    }
    found
}
