//! Server time of the console's pages, as one browser on the same machine sees it: from the request to the last byte, rendering
//! and compression included.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::console::Browser;
use crate::world;

/// The bar for the 95th percentile, at the largest fleet.
const BAR_MS: f64 = 50.0;
/// Requests of a page, and the time after which no more are begun.
const SAMPLES: (usize, Duration) = (30, Duration::from_secs(8));
/// Requests of a page whose figures are made anew each second, a second apart.
const FRESH_SAMPLES: usize = 10;
/// A little more than the time that the figures of the overview are shared for.
const FRESH_PAUSE: Duration = Duration::from_millis(1_050);

/// A page, by the address of its n-th request.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: &'static str,
    pub(crate) address: fn(n: u32, size: u32) -> String,
    /// Asked for a little more than a second apart.
    pub(crate) fresh: bool,
    /// For the 95th percentile, at the largest size.
    pub(crate) bar_ms: f64,
}

impl Page {
    pub(crate) const fn new(name: &'static str, address: fn(u32, u32) -> String) -> Self {
        Self { name, address, fresh: false, bar_ms: BAR_MS }
    }
}

const fn page(name: &'static str, address: fn(u32, u32) -> String) -> Page {
    Page::new(name, address)
}

/// The pages of the fleet.
pub(crate) const PAGES: &[Page] = &[
    page("Overview", |_, _| "/".to_owned()),
    Page { fresh: true, ..page("Overview, figures made anew", |_, _| "/".to_owned()) },
    Page { fresh: true, ..page("Overview of 30 days, made anew", |_, _| "/?range=30d&compare=1".to_owned()) },
    page("Devices", |_, _| "/devices".to_owned()),
    page("Devices, few match", |_, _| "/devices?filter=condition:stuck%20platform:ios%20label.region:north".to_owned()),
    page("Devices, a quarter matches", |_, _| "/devices?filter=platform:android&sort=contact".to_owned()),
    page("Devices, a word", |n, devices| format!("/devices?filter={:06}", n * 37 % devices)),
    page("Devices, nothing matches", |_, _| "/devices?filter=queue:%3E100000%20battery:%3C1".to_owned()),
    page("Devices, by queue", |_, _| "/devices?sort=queue".to_owned()),
    page("Devices, far down by name", |n, devices| {
        let name = world::name(devices / 2 + n).to_lowercase();
        format!("/devices?sort=name&after={}~0", hex::encode(name))
    }),
    page("Device, timeline", |n, _| format!("/devices/{}", world::client(n % 50))),
    page("Device, outbox", |n, _| format!("/devices/{}/outbox", world::client(n % 5))),
    page("Device, metrics", |n, _| format!("/devices/{}/metrics", world::client(n % 50))),
    page("Log", |_, _| "/log".to_owned()),
    page("Audit", |_, _| "/audit".to_owned()),
];

/// A value at a share of a sorted list.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Heading, devices, and p50 and p95 of each page, milliseconds.
type Column = (String, u32, Vec<(f64, f64)>);

/// Times of pages, a column for each fleet.
#[derive(Debug)]
pub(crate) struct PageTable {
    quick: bool,
    pages: &'static [Page],
    columns: Vec<Column>,
}

impl PageTable {
    pub(crate) const fn new(quick: bool, pages: &'static [Page]) -> Self {
        Self { quick, pages, columns: Vec::new() }
    }

    /// Asks for every page again and again.
    pub(crate) async fn measure(&mut self, browser: &mut Browser, devices: u32, column: &str) -> anyhow::Result<()> {
        let mut times = Vec::new();
        for page in self.pages {
            let taken = self.sample(page, browser, devices).await.with_context(|| page.name)?;
            let (p50, p95) = (percentile(&taken, 0.5), percentile(&taken, 0.95));
            eprintln!("    {}, {column}: p50 {p50:.1} ms, p95 {p95:.1} ms", page.name);
            times.push((p50, p95));
        }
        self.columns.push((column.to_owned(), devices, times));
        Ok(())
    }

    async fn sample(&self, page: &Page, browser: &mut Browser, devices: u32) -> anyhow::Result<Vec<f64>> {
        let (samples, patience) = if page.fresh { (FRESH_SAMPLES, Duration::MAX) } else { SAMPLES };
        let samples = if self.quick { samples / 3 } else { samples };
        let (started, mut taken) = (Instant::now(), Vec::new());
        for n in 0..u32::try_from(samples)? {
            if page.fresh {
                tokio::time::sleep(FRESH_PAUSE).await;
            }
            let address = (page.address)(n, devices);
            let asked = Instant::now();
            let answer = browser.get(&address).await?;
            taken.push(asked.elapsed().as_secs_f64() * 1_000.0);
            ensure!(!answer.body.is_empty(), "{address} is empty");
            if started.elapsed() > patience {
                break;
            }
        }
        taken.sort_unstable_by(f64::total_cmp);
        Ok(taken)
    }

    /// Prints it on standard output; the verdict is about the columns of the largest fleet.
    pub(crate) fn print(&self) {
        if self.columns.is_empty() {
            return;
        }
        let largest = self.columns.iter().map(|(_, devices, _)| *devices).max().unwrap_or(0);
        print!("\n{:<32}", "server time, p50 / p95 in ms");
        for (name, _, _) in &self.columns {
            print!("{name:>20}");
        }
        println!("      bar");
        for (at, page) in self.pages.iter().enumerate() {
            print!("{:<32}", page.name);
            for (_, _, times) in &self.columns {
                let (p50, p95) = times[at];
                print!("{:>20}", format!("{p50:.1} / {p95:.1}"));
            }
            let worst = self.columns.iter().filter(|(_, devices, _)| *devices == largest).map(|(_, _, times)| times[at].1);
            println!("   ≤ {:.0} {}", page.bar_ms, if worst.fold(0.0, f64::max) <= page.bar_ms { "met" } else { "MISSED" });
        }
    }
}
