//! `cargo xtask schemathesis`: requests drawn from the OpenAPI description against a server of its own. No answer may be a server error,
//! and none may be another one than the description says.
//!
//! Schemathesis is installed below the build folder the first time, in an environment of its own. Routes are asked tag by tag, each with
//! the token that it takes, first with every kind of bad value in turn, then with drawn ones; a seed repeats a run. The event stream is
//! left out, for it does not end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::clients::{COLLECTIONS, start};
use crate::dev;
use crate::process::{self, command};
use crate::progress::{note, step};
use crate::toolchain::cargo;
use crate::workspace::Workspace;

/// The version that is known to work.
const PACKAGE: &str = "schemathesis==4.32.5";
/// Drawn requests of each route, and the seed, when nobody says otherwise.
const CASES: u64 = 40;
const SEED: u64 = 7;
/// Longest run over one group of routes.
const SECONDS_MAX: &str = "600";
/// What must hold of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// Ready-made sets of collections that the store begins with, beside those of the clients.
const SETS: [&str; 4] = ["arxos", "asyncstorage", "posalpro", "prism"];

/// Who asks.
#[derive(Clone, Copy)]
enum Asker {
    Enrolment,
    Device,
    Console,
}

/// Groups of routes: how Schemathesis selects them, and who asks.
const GROUPS: [(&[&str], Asker); 6] = [
    (&["--include-path", "/clients", "--include-path", "/clients/token"], Asker::Enrolment),
    (&["--include-tag", "sync"], Asker::Device),
    (&["--include-tag", "control"], Asker::Device),
    (&["--include-tag", "adapters"], Asker::Device),
    (&["--include-tag", "console"], Asker::Console),
    (&["--include-tag", "system"], Asker::Console),
];

/// How much to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Draw {
    cases: u64,
    seed: u64,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let draw = read(words)?;
    let tool = tool(workspace)?;
    step("Server", "compiles the server, as far as the API needs it", || {
        process::run(cargo().current_dir(workspace.root()).args(["build", "--locked", "--bin", "tidewatch"]))
    })?;
    let data = workspace.target().join("schemathesis-data");
    let _ = std::fs::remove_dir_all(&data);
    let (server, address) = start(workspace, &data)?;
    let outcome = asked(workspace, &data, (&tool, address), draw);
    dev::stop(server).context("ending the server")?;
    let failed = outcome?;
    ensure!(failed.is_empty(), "an answer is not what the description says: {}", failed.join("; "));
    Ok(())
}

fn read(words: &[String]) -> anyhow::Result<Draw> {
    let mut draw = Draw { cases: CASES, seed: SEED };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let place = match word.as_str() {
            "--cases" => &mut draw.cases,
            "--seed" => &mut draw.seed,
            other => bail!("{other} is no option: --cases N, --seed N"),
        };
        let number = words.next().and_then(|text| text.parse().ok()).filter(|number| (1..=100_000).contains(number));
        *place = number.with_context(|| format!("{word} takes a whole number from 1 to 100000"))?;
    }
    Ok(draw)
}

/// The program, which is installed when it is not there.
fn tool(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let root = workspace.target().join("tools/schemathesis");
    let program = root.join("bin/st");
    if !program.is_file() {
        step("Schemathesis", "installs the reader of the description below the build folder (once)", || {
            process::run(command("python3").args(["-m", "venv"]).arg(&root))?;
            process::run(command(root.join("bin/pip")).args(["install", "--quiet", PACKAGE]))
        })?;
    }
    Ok(program)
}

/// Asks every group in both ways; answers what did not hold.
fn asked(workspace: &Workspace, data: &Path, (tool, address): (&Path, SocketAddr), draw: Draw) -> anyhow::Result<Vec<String>> {
    let tidewatch = |words: &[&str]| {
        let mut run = command(workspace.binary(false));
        process::output(run.current_dir(workspace.root()).args(words).arg("--data").arg(data)).map(|text| text.trim().to_owned())
    };
    for set in SETS.into_iter().chain([COLLECTIONS]) {
        tidewatch(&["collections", "import", set])?;
    }
    let scopes = "building:1,line:1,proposal:1,global";
    let enrolment = tidewatch(&["token", "create", "--kind", "enrolment", "--name", "drawn", "--scopes", scopes])?;
    let console = tidewatch(&["token", "create", "--kind", "api", "--name", "drawn-api", "--role", "admin"])?;
    let mut failed = Vec::new();
    for phase in ["coverage", "fuzzing"] {
        for (select, asker) in GROUPS {
            // Each group has a device of its own, for a device may ask only so often.
            let headers = match asker {
                Asker::Enrolment => vec![bearer(&enrolment)],
                Asker::Console => vec![bearer(&console)],
                Asker::Device => enrolled(address, &enrolment)?,
            };
            let mut run = program(workspace, tool, address);
            run.args(select).args(["--phases", phase, "-n", &draw.cases.to_string(), "--seed", &draw.seed.to_string()]);
            for header in &headers {
                run.args(["-H", header]);
            }
            note(&format!("{phase}: {}", select.join(" ")));
            if process::run(&mut run).is_err() {
                failed.push(format!("{phase} {}", select.join(" ")));
            }
        }
    }
    Ok(failed)
}

fn program(workspace: &Workspace, tool: &Path, address: SocketAddr) -> Command {
    let mut run = command("timeout");
    run.current_dir(workspace.target())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", workspace.join("end2end/schemathesis"));
    run.env("PYTHONDONTWRITEBYTECODE", "1").arg(SECONDS_MAX).arg(tool).arg("run");
    run.arg(format!("http://{address}/api/openapi.json")).args(["--exclude-path", "/events", "--checks", CHECKS]);
    run.args(["--continue-on-failure", "--request-timeout", "40", "--no-color"]);
    run
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// A new device: the headers that it sends with every request.
fn enrolled(address: SocketAddr, enrolment: &str) -> anyhow::Result<Vec<String>> {
    let body = json!({"platform": "linux", "app_version": "1.0.0", "schema_version": 1}).to_string();
    let mut stream = TcpStream::connect(address).context("reaching the server")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = format!(
        "POST /clients HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {enrolment}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("reading the registration")?;
    let (_, text) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    let registered: Value = serde_json::from_str(text).with_context(|| format!("reading the registration: {answer}"))?;
    let text = |name: &str| registered[name].as_str().with_context(|| format!("a registration has {name}"));
    let (token, client_id) = (text("access_token")?, text("client_id")?);
    Ok(vec![bearer(token), format!("Sync-Client: {client_id}"), "Sync-Protocol: 1".to_owned(), "Sync-Schema: 1".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<Draw, String> {
        read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_are_read_and_anything_else_is_refused_by_its_name() {
        assert_eq!(asked(&[]), Ok(Draw { cases: CASES, seed: SEED }));
        assert_eq!(asked(&["--seed", "11", "--cases", "100"]), Ok(Draw { cases: 100, seed: 11 }));
        for bad in [&["--cases"][..], &["--cases", "0"], &["--seed", "x"], &["--all"]] {
            assert!(asked(bad).expect_err("refused").contains(bad[0]), "{bad:?}");
        }
    }
}
