//! Measures the real `tidewatch serve` over HTTP and compares it with the bars of the product. `cargo xtask bench` builds both and
//! calls it.
//!
//! Invariants: what is measured is the shipped binary with full durability; every answer is checked, and one that is wrong ends
//! the run with an error, because a figure of failures is no figure. A missed bar is a finding, not a failure.

mod clock;
mod console;
mod devices;
mod drain;
mod filling;
mod fleet;
mod http;
mod load;
mod log;
mod options;
mod outbox;
mod pages;
mod proc;
mod queue;
mod server;
mod table;
mod weight;
mod world;

use std::process::ExitCode;

use anyhow::Context as _;

use options::{Measurement, Options};
use pages::PageTable;
use table::Table;

fn main() -> ExitCode {
    let run = || {
        let options = Options::read(std::env::args())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
        runtime.block_on(run(&options))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let (mut table, mut pages) = (Table::default(), PageTable::new(options.quick, pages::PAGES));
    let mut outboxes = PageTable::new(options.quick, outbox::PAGES);
    let measured = measure(options, &mut table, &mut pages, &mut outboxes).await;
    // What was measured before something failed stands all the same.
    println!("\n{}; driver on the same machine; log synced before each answer (synchronous=FULL)\n", proc::machine()?);
    table.print();
    pages.print();
    outboxes.print();
    measured
}

async fn measure(options: &Options, table: &mut Table, pages: &mut PageTable, outboxes: &mut PageTable) -> anyhow::Result<()> {
    if options.chosen.iter().any(|chosen| chosen.is_of_log()) {
        log::measure(options, table).await?;
    }
    if options.wants(Measurement::Queue) {
        queue::measure(options, table)?;
    }
    if options.wants(Measurement::Outbox) {
        outbox::measure(options, table, outboxes).await?;
    }
    if options.wants(Measurement::Drain) {
        drain::measure(options, table).await?;
    }
    if options.chosen.iter().any(|chosen| chosen.is_of_fleet()) {
        fleet::measure(options, table, pages).await?;
    }
    Ok(())
}
