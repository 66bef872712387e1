//! What a device's answer to a command means for the job behind it. No command belongs to a job yet.

use tidewatch_domain::control::{CommandState, EntryAnswer};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use crate::Result;
use crate::sync::writer::Writer;

impl Writer {
    /// Takes what a device says became of entries of a `drain` command.
    pub(crate) async fn drain_settled(
        &mut self,
        command: &str,
        client: ClientKey,
        answers: &[EntryAnswer],
        _now: Millis,
    ) -> Result<()> {
        tracing::debug!(command, client = client.0, answers = answers.len(), "command {command} answered its entries");
        Ok(())
    }

    /// A command has ended.
    pub(crate) async fn drain_command_ended(&mut self, command: &str, state: CommandState, _now: Millis) -> Result<()> {
        tracing::debug!(command, state = state.as_str(), "command {command} ended");
        Ok(())
    }
}
