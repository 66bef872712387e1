//! The real binary as a process of its own: started, watched through `/proc`, told to stop.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::proc;

/// A server that does not end within this time is killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, and the folder that its stores lie in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
}

impl Place {
    /// Runs an errand of the command line and gives what it printed.
    pub(crate) fn errand(&self, words: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--data").arg(&self.data).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {}", self.binary.display()))?;
        child.stdin.take().expect("piped above").write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "`tidewatch {}` ended with {}", words.join(" "), output.status);
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts the server on a port that the system chooses; answers how long it took until it listened.
    pub(crate) fn start(&self) -> anyhow::Result<(Server, Duration)> {
        let started = Instant::now();
        let mut child = Command::new(&self.binary)
            .args(["serve", "--log", "error", "--durability", "full", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let took = started.elapsed();
        let mut server = Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), _stdout: stdout };
        let address = line.trim().strip_prefix("Tidewatch listens on http://").and_then(|text| text.parse().ok());
        server.address = address.with_context(|| format!("the server said {line:?}"))?;
        Ok((server, took))
    }
}

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open: a server whose output nobody takes would fail to print.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        proc::process_cpu(&self.child.id().to_string())
    }

    /// What it holds in memory.
    pub(crate) fn memory(&self) -> anyhow::Result<proc::Memory> {
        proc::memory(self.child.id())
    }

    /// Tells it to stop and waits until it has flushed.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(told.success(), "the server could not be told to stop");
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            std::thread::yield_now();
        }
        bail!("the server did not stop within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already after `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An empty folder.
pub(crate) fn fresh(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be cleared", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}
