//! What the client writes into its own log: what each request came to, in counts, codes and ids. What a server says in words stays out,
//! for it may repeat what it was sent.

use rand::RngCore;
use tidewatch_domain::control::{LogLevel, MeshMode};
use tidewatch_domain::time::Millis;

use super::{Client, Error, Handled, InFlight};
use crate::journal::Journal;
use crate::link::Stop;
use crate::logs::LogRing;
use crate::mesh::Mesh;
use crate::state::Event;
use crate::wire::Purpose;

impl<J: Journal> Client<J> {
    /// The log, to look at.
    #[must_use]
    pub fn logs(&self) -> &LogRing {
        &self.logs
    }

    /// Adds a line of the app to the log. Nothing of a payload and no secret belongs into it: it is uploaded when staff asks for it.
    pub fn log(&mut self, now: Millis, level: LogLevel, target: &str, message: &str) {
        self.logs.push(now, level, target, message);
    }

    /// Says how the mesh is used before any command has: a mode that is known already stays.
    ///
    /// # Errors
    /// As the journal.
    pub fn mesh_begin(&mut self, mode: MeshMode, interval_ms: Option<i64>, rng: &mut dyn RngCore) -> Result<(), Error> {
        if self.state.mesh.is_some() {
            return Ok(());
        }
        self.record(Event::Meshed { mesh: Mesh::new(mode, interval_ms, rng) })
    }

    /// The first line of a process: what the one before left.
    pub(super) fn note_begin(&mut self, now: Millis) {
        if self.logs.begins().is_none() {
            let (waiting, open) = (self.state.outbox.len(), self.state.commands.open().len());
            let cursor = if self.state.replica.cursor().is_some() { "a replica" } else { "no replica" };
            let message = format!("began: {cursor}, operations waiting: {waiting}, commands open: {open}");
            self.logs.push(now, LogLevel::Info, "client", &message);
        }
    }

    /// What a request came to.
    pub(super) fn note(&mut self, flight: &InFlight, handled: &Handled, now: Millis) {
        let (target, what) = names(flight.purpose);
        if let Some(code) = &handled.failed {
            let of =
                if flight.purpose == Purpose::Push { format!(" of {} intents", flight.operations.len()) } else { String::new() };
            self.logs.push(now, LogLevel::Warn, target, &format!("{what}{of} failed: {code}"));
        } else if let Some(done) = done_words(flight, handled) {
            self.logs.push(now, LogLevel::Info, target, &done);
        }
        if let Some(command) = &handled.obeyed {
            self.logs.push(now, LogLevel::Info, "control.command", &format!("command {command} was carried out"));
        }
        if let Some(why) =
            self.link.stop.as_ref().filter(|_| handled.failed.is_some() && !flight.purpose.is_control()).map(stop_words)
        {
            self.logs.push(now, LogLevel::Error, "client", &format!("stopped syncing by itself: {why}"));
        }
    }
}

const fn names(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::Register => ("account", "registering"),
        Purpose::Refresh => ("account", "renewing the tokens"),
        Purpose::Push => ("sync.push", "a push"),
        Purpose::Pull => ("sync.pull", "a pull"),
        Purpose::Snapshot | Purpose::SnapshotPart => ("sync.snapshot", "a prebuilt snapshot"),
        Purpose::ScopeScan => ("sync.snapshot", "a scan of one scope"),
        Purpose::Backfill => ("sync.backfill", "asking for new columns"),
        Purpose::Report => ("telemetry", "a report"),
        Purpose::ControlKeys => ("control.keys", "asking for the keys"),
        Purpose::Commands => ("control.poll", "asking for commands"),
        Purpose::CommandStatus => ("control.command", "word about a command"),
        Purpose::Escrow => ("control.escrow", "an upload in escrow"),
        Purpose::Logs => ("control.logs", "an upload of the log"),
    }
}

/// What a request that did not fail is worth saying of; nothing of one that brought nothing.
fn done_words(flight: &InFlight, handled: &Handled) -> Option<String> {
    match flight.purpose {
        Purpose::Register | Purpose::Refresh => Some(format!("{} succeeded", names(flight.purpose).1)),
        Purpose::Push if !handled.settled.is_empty() => {
            let mut counts = std::collections::BTreeMap::<&str, usize>::new();
            handled.settled.iter().for_each(|settled| *counts.entry(&settled.status).or_default() += 1);
            let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
            Some(format!("pushed {}: {}", handled.settled.len(), counts.join(", ")))
        }
        Purpose::Pull => {
            let rows = handled.pulled.as_ref().map_or(0, |pulled| pulled.seqs.len());
            (rows > 0).then(|| format!("pulled {rows} rows"))
        }
        Purpose::Escrow => Some(format!("handed {} payloads in", flight.operations.len())),
        _ => None,
    }
}

fn stop_words(stop: &Stop) -> String {
    match stop {
        Stop::NeedsSignIn => "it needs another enrolment".to_owned(),
        Stop::NeedsUpgrade(code) => format!("it needs a newer version ({code})"),
        Stop::Refused(code) => format!("it is refused ({code})"),
    }
}
