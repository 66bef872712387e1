//! How the rate of mutations falls as the log grows: the same load at one size after the other, up to two million rows.

use std::time::{Duration, Instant};

use super::Log;
use crate::options::Options;
use crate::table::{Bar, Table};

/// Rows at which the rate is taken; the first is what every other is compared with.
const SIZES: [u64; 5] = [200_000, 500_000, 1_000_000, 1_500_000, 2_000_000];
const SIZES_QUICK: [u64; 3] = [40_000, 80_000, 120_000];
/// After this time the curve ends where it is.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

impl Log {
    /// Fills the log and takes the rate at each size. Bounded in time: a size that is not reached has no line, and that is said.
    pub(super) async fn growth(&mut self, options: &Options, table: &mut Table) -> anyhow::Result<()> {
        let started = Instant::now();
        let sizes: &[u64] = if options.quick { &SIZES_QUICK } else { &SIZES };
        let mut first = None;
        for &size in sizes {
            self.fill_until(size, started + PATIENCE).await?;
            if self.rows < size {
                eprintln!("    growth ends at {} rows, after {} s", self.rows, started.elapsed().as_secs());
                return Ok(());
            }
            let rows = self.rows;
            let (load, note) = self.mutations_load(options).await?;
            let first = *first.get_or_insert(load.rate());
            let bar = if rows >= 2_000_000 { Bar::AtLeast(first / 2.0) } else { Bar::None };
            let what = format!("Growth: mutations, from {} k rows", rows / 1_000);
            table.add(what, load.rate(), "/s", bar, format!("{:.0} % of the first; {note}", load.rate() / first * 100.0));
            table.add("  per CPU-second of the server", load.per_cpu(), "", Bar::None, "");
        }
        Ok(())
    }

    async fn fill_until(&mut self, rows: u64, end: Instant) -> anyhow::Result<()> {
        eprintln!("    filling the log to {rows} rows");
        while self.rows < rows && Instant::now() < end {
            self.push((rows - self.rows).min(super::CHUNK)).await?;
        }
        Ok(())
    }
}
