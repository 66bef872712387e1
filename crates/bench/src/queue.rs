//! An app's queue over a slow link: a client in Node with everything in its storage drains, and says how fast and at what cost.
//!
//! Client and link are processes of their own (`end2end/clients/asyncstorage`): what the app holds in memory is what Node says of it.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use tidewatch_domain::ids::Scope;

use crate::devices::enrolment;
use crate::options::Options;
use crate::server::{Place, fresh};
use crate::table::{Bar, Table};

/// The client.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../end2end/clients/asyncstorage/drain.mjs");
/// The line that the calls come in on.
const LINE: &str = "line:7";
/// Round trip of the link.
const LATENCY_MS: u32 = 200;
/// Items of the queue, and of a small one.
const ITEMS: [u32; 2] = [10_000, 1_000];
/// Items a minute that the queue has to drain at.
const PER_MINUTE: f64 = 1_000.0;
/// Memory that the queue may cost its app.
const MEMORY_MIB: f64 = 50.0;

/// What the client says.
#[derive(Debug, Deserialize)]
struct Drained {
    items: u32,
    seconds: f64,
    per_minute: f64,
    rss_mib: f64,
    heap_mib: f64,
    pushes: u32,
}

/// Measures a drain.
pub(crate) fn measure(options: &Options, table: &mut Table) -> anyhow::Result<()> {
    let place = Place { binary: options.binary.clone(), data: options.folder.join("queue") };
    fresh(&place.data)?;
    place.errand(&["collections", "import", "asyncstorage"], "")?;
    let scope = Scope::parse(LINE).map_err(|error| anyhow::anyhow!("{error}"))?;
    let enrolment = enrolment(&place, &[scope])?;
    let (server, _) = place.start()?;
    let items = if options.quick { ITEMS[1] } else { ITEMS[0] };
    eprintln!("    a client in Node drains {items} items over a link of {LATENCY_MS} ms");
    let output = Command::new("node")
        .args([CLIENT, "--url", &format!("http://{}", server.address), "--enrol", &enrolment])
        .args(["--items", &items.to_string(), "--latency", &LATENCY_MS.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("node cannot be started")?;
    ensure!(output.status.success(), "the client ended with {}", output.status);
    let drained: Drained = serde_json::from_slice(&output.stdout).context("the client said nothing that can be read")?;
    server.stop()?;
    let note =
        format!("{} items in {:.1} s, {} requests, link of {LATENCY_MS} ms", drained.items, drained.seconds, drained.pushes);
    table.add("Queue of an app, drained", drained.per_minute, "items/min", Bar::AtLeast(PER_MINUTE), note);
    let note = format!("growth of the client's process while it drains; its heap grew by {:.1} MiB", drained.heap_mib);
    table.add("Queue of an app, memory", drained.rss_mib, "MiB", Bar::AtMost(MEMORY_MIB), note);
    Ok(())
}
