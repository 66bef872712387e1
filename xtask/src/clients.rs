//! Sync clients of the wild (`end2end/clients`) against a binary of their own, over real HTTP.
//!
//! They find the server by `TIDEWATCH_URL`, enrol with `TIDEWATCH_ENROL`, and print one JSON object a run that says whether it is
//! `ok`. Many runs of each are a matter of hand (`docs/clients.md`).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::dev;
use crate::process::{self, command};
use crate::rings::Count;
use crate::workspace::Workspace;

/// How long the server may take from its start until it is ready.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Definitions of the collections that the clients write.
pub(crate) const COLLECTIONS: &str = "end2end/clients/collections.json";
/// How often each client runs clean, and how often with lost acknowledgements: once with three devices, once with two.
const RUNS: &str = "2";
/// What the clients may see.
const SCOPE: &str = "clients:wild,building:wild,line:wild";

/// Runs them.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<Count> {
    let place = workspace.join("end2end/clients");
    ensure!(place.join("package.json").is_file(), "end2end/clients has no clients");
    let data = workspace.join("target/clients-data");
    let _ = std::fs::remove_dir_all(&data);
    let (server, address) = start(workspace, &data)?;
    let outcome = enrolled(workspace, &data).and_then(|token| {
        let mut node = command("node");
        node.current_dir(&place).env("TIDEWATCH_URL", format!("http://{address}")).env("TIDEWATCH_ENROL", token);
        node.args(["run.mjs", "--runs", RUNS]);
        process::watched(&mut node)
    });
    dev::stop(server).context("ending the server of the clients")?;
    let (succeeded, lines) = outcome?;
    let count = counted(&lines);
    ensure!(succeeded || count.failed > 0, "the clients failed outside of any run");
    ensure!(count.passed + count.failed > 0, "no client ran");
    Ok(count)
}

/// Starts a server on a free port and waits until it says that it is ready.
pub(crate) fn start(workspace: &Workspace, data: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    // The port is free now and asked for a moment later; should another take it meanwhile, the server says so and ends.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).context("finding a free port")?;
    let mut server = command(workspace.binary(false))
        .current_dir(workspace.root())
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", &address.to_string()])
        .spawn()
        .context("starting the server")?;
    let started = Instant::now();
    while !is_ready(address) {
        if let Some(status) = server.try_wait()? {
            bail!("the server ended with {status} before it was ready");
        }
        if started.elapsed() > START_PATIENCE {
            dev::stop(server)?;
            bail!("the server was not ready within {} s", START_PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((server, address))
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// A token that devices enrol with, once the collections that they write are there.
fn enrolled(workspace: &Workspace, data: &Path) -> anyhow::Result<String> {
    let mut import = command(workspace.binary(false));
    import.current_dir(workspace.root()).args(["collections", "import", COLLECTIONS, "--data"]).arg(data);
    process::output(&mut import).context("importing the collections")?;
    let mut create = command(workspace.binary(false));
    create
        .current_dir(workspace.root())
        .args(["token", "create", "--kind", "enrolment", "--name", "clients", "--scopes", SCOPE, "--data"])
        .arg(data);
    let token = process::output(&mut create).context("creating a token to enrol with")?;
    Ok(token.trim().to_owned())
}

/// One run a line of JSON.
fn counted(lines: &[String]) -> Count {
    let runs = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("ok")?.as_bool());
    runs.fold(Count::default(), |sum, held| sum.plus(Count::one(held)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_by_what_its_line_says_and_chatter_does_not() {
        let lines =
            ["{\"ok\":true,\"client\":\"dexie\"}", "{\"ok\":false}", "{\"note\":1}", "ok", "{\"ok\":true}"].map(str::to_owned);
        assert_eq!(counted(&lines), Count { passed: 2, failed: 1 });
        assert_eq!(counted(&["SyntaxError".to_owned()]), Count::default());
    }
}
