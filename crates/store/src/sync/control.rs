//! The control channel: commands to devices, their states, and the keys that sign them.
//!
//! Invariants: a state is written before anybody acts on it, so a command that is `queued` has not been handed to anybody;
//! every state that a command comes to is in `command_events` once; what waits for a device is known from memory, so that
//! asking for nothing costs nothing. Readers are of its own, and only a change of state takes a turn of the writer.

mod escrow;
mod issue;
mod jobs;
mod keys;
mod listeners;
mod read;
mod report;

use tidewatch_domain::control::{Command, CommandReport, CommandState, NewCommand, Stays};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;
use tokio::sync::watch;

pub use self::escrow::{EscrowLine, Escrowed};
pub use self::jobs::By;
pub(crate) use self::jobs::ControlJob;
pub use self::keys::ControlKey;
pub(crate) use self::listeners::Listeners;
pub use self::report::ReportRefusal;
use super::Sync;
use super::queue::Weight;
use super::writer::{Job, Reply};
use crate::Result;

impl Sync {
    pub(super) async fn control<T>(&self, job: impl FnOnce(Reply<T>) -> ControlJob) -> Result<T> {
        self.ask(Weight::COMMAND, |reply| Job::Control(Box::new(job(reply)))).await
    }

    /// Gives commands out; each is audited. Answers their ids, in order.
    ///
    /// # Errors
    /// Not found for a device that is not registered; a constraint when one has too many open commands; busy, or the commit
    /// failed. Then none of them was given out.
    pub async fn commands_issue(&self, commands: Vec<NewCommand>, trace_id: Option<String>, now: Millis) -> Result<Vec<String>> {
        self.control(|reply| ControlJob::Issue { commands, trace_id, now, reply }).await
    }

    /// What a device is handed now, most urgent first. It is written down before it is answered. What it has not been told yet, and no
    /// open command says, is given out again first. From memory alone when nothing waits.
    ///
    /// # Errors
    /// Busy, or the commit failed; then nothing was handed over.
    pub async fn commands_take(&self, client_id: &ClientId, now: Millis, max: u32) -> Result<Vec<Command>> {
        if self.untold_is_due(client_id, now) {
            self.control(|reply| ControlJob::TellAgain { client_id: client_id.clone(), now, reply }).await?;
        } else if self.commands_open(client_id) == 0 {
            return Ok(Vec::new());
        }
        let due = self.commands_due(client_id, now, max).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let ns: Vec<i64> = due.iter().map(|(n, _)| *n).collect();
        let by = format!("device:{client_id}");
        let handed = self.control(|reply| ControlJob::HandOver { ns, by, now, reply }).await?;
        Ok(due.into_iter().filter(|(n, _)| handed.contains(n)).map(|(_, command)| command).collect())
    }

    /// Commands of a device that have not ended and that no job holds back, from memory.
    #[must_use]
    pub fn commands_open(&self, client_id: &ClientId) -> u32 {
        let live = self.shared.live();
        live.clients.get(client_id).and_then(|client| live.commands_open.get(&client.key)).copied().unwrap_or(0)
    }

    /// Commands of a device that it can fetch now, those among them that its next poll will be given: from memory.
    #[must_use]
    pub fn commands_waiting(&self, client_id: &ClientId, now: Millis) -> u32 {
        self.commands_open(client_id) + u32::from(self.untold_is_due(client_id, now))
    }

    /// Wakes when a command was given out to a device. `None` for a device that is not registered.
    #[must_use]
    pub fn commands_watch(&self, client_id: &ClientId) -> Option<watch::Receiver<()>> {
        let key = self.shared.live().clients.get(client_id)?.key;
        Some(self.shared.listeners.listen(key))
    }

    /// Takes what a device says of a command. Answers the state that the command is in now.
    ///
    /// # Errors
    /// Not found unless it is a command of this device; busy, or the commit failed. A report that does not fit is a refusal.
    pub async fn command_report(
        &self,
        client_id: &ClientId,
        id: &str,
        report: CommandReport,
        now: Millis,
    ) -> Result<std::result::Result<CommandState, ReportRefusal>> {
        let (client_id, id) = (client_id.clone(), id.to_owned());
        self.control(|reply| ControlJob::Report { client_id, id, report, now, reply }).await
    }

    /// Takes a command back. Answers its state, or why it stays as it is.
    ///
    /// # Errors
    /// Not found, busy, or the commit failed.
    pub async fn command_cancel(
        &self,
        id: &str,
        force: bool,
        by: By,
        now: Millis,
    ) -> Result<std::result::Result<CommandState, Stays>> {
        let id = id.to_owned();
        self.control(|reply| ControlJob::Cancel { id, force, by, now, reply }).await
    }

    /// Ends every open command of a device that is gone for good. Answers how many there were.
    ///
    /// # Errors
    /// Not found, busy, or the commit failed.
    pub async fn commands_close(&self, client_id: &ClientId, by: By, now: Millis) -> Result<u64> {
        let client_id = client_id.clone();
        self.control(|reply| ControlJob::Close { client_id, by, now, reply }).await
    }

    /// Ends commands whose time is over, some hundreds at a time. Answers how many there were. Without a turn of the writer when
    /// there are none.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn commands_expire(&self, now: Millis) -> Result<u64> {
        if !self.commands_ending(now).await? {
            return Ok(0);
        }
        self.control(|reply| ControlJob::Expire { now, reply }).await
    }

    /// Keeps intents that a device could not send, as they are; none of them is applied. With a command, they come into the state
    /// that it asks for.
    ///
    /// # Errors
    /// Not found for a device or command that is not known; busy, or the commit failed.
    pub async fn escrow_put(
        &self,
        client_id: &ClientId,
        command: Option<String>,
        lines: Vec<EscrowLine>,
        now: Millis,
    ) -> Result<Escrowed> {
        let (client_id, bytes) = (client_id.clone(), lines.iter().map(|line| line.intent.len()).sum());
        let weight = Weight { bytes, intents: lines.len().max(1), ..Weight::COMMAND };
        self.ask(weight, |reply| Job::Control(Box::new(ControlJob::Escrow { client_id, command, lines, now, reply }))).await
    }
}
