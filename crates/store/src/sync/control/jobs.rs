//! What the writer is asked to do for the control channel.

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::control::{CommandReport, CommandState, NewCommand, Stays};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::escrow::{EscrowLine, Escrowed};
use super::keys::ControlKey;
use super::report::ReportRefusal;
use crate::sync::writer::{Answer, Reply, Writer, answer};
use crate::{Error, Result};

/// Who takes commands back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// As the audit log names them.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Request id.
    pub trace_id: Option<String>,
}

/// A job of the control channel.
#[derive(Debug)]
pub(crate) enum ControlJob {
    Issue {
        commands: Vec<NewCommand>,
        trace_id: Option<String>,
        now: Millis,
        reply: Reply<Vec<String>>,
    },
    HandOver {
        ns: Vec<i64>,
        by: String,
        now: Millis,
        reply: Reply<Vec<i64>>,
    },
    Report {
        client_id: ClientId,
        id: String,
        report: CommandReport,
        now: Millis,
        reply: Reply<std::result::Result<CommandState, ReportRefusal>>,
    },
    Cancel {
        id: String,
        force: bool,
        by: By,
        now: Millis,
        reply: Reply<std::result::Result<CommandState, Stays>>,
    },
    Close {
        client_id: ClientId,
        by: By,
        now: Millis,
        reply: Reply<u64>,
    },
    Expire {
        now: Millis,
        reply: Reply<u64>,
    },
    /// Tell a device again what is due; answers how many entries.
    TellAgain {
        client_id: ClientId,
        now: Millis,
        reply: Reply<u64>,
    },
    /// A complete list of an outbox, as it was at a moment, leaves these out; answers how many of them its device had not been told of.
    Unlisted {
        client: ClientKey,
        at: Millis,
        operations: Vec<String>,
        reply: Reply<u64>,
    },
    Escrow {
        client_id: ClientId,
        command: Option<String>,
        lines: Vec<EscrowLine>,
        now: Millis,
        reply: Reply<Escrowed>,
    },
    KeyAdd {
        key: ControlKey,
        secret: [u8; 32],
        audit: AuditEntry,
        reply: Reply<bool>,
    },
}

impl ControlJob {
    /// Whether entries or jobs may be other ones after it.
    pub(crate) const fn settles(&self) -> bool {
        !matches!(self, Self::HandOver { .. } | Self::TellAgain { .. } | Self::KeyAdd { .. })
    }

    /// Whether a device may have heard more after it.
    pub(crate) const fn tells(&self) -> bool {
        matches!(self, Self::HandOver { .. } | Self::TellAgain { .. })
    }
}

/// A refusal is an answer; an error of the database ends the transaction.
pub(super) type Done<T> = Result<Result<T>>;

fn answered<T: Send + 'static>(reply: Reply<T>, done: Done<T>) -> Result<Answer> {
    done.map(|value| answer(reply, value))
}

impl Writer {
    /// Does one job inside the transaction.
    pub(crate) async fn control(&mut self, job: ControlJob) -> Result<Answer> {
        match job {
            ControlJob::Issue { commands, trace_id, now, reply } => {
                answered(reply, self.commands_issue_asked(commands, trace_id, now).await)
            }
            ControlJob::HandOver { ns, by, now, reply } => {
                let handed = self.commands_hand_over(&ns, &by, now).await?;
                Ok(answer(reply, Ok(handed)))
            }
            ControlJob::Report { client_id, id, report, now, reply } => {
                answered(reply, self.command_reported(&client_id, &id, &report, now).await)
            }
            ControlJob::Cancel { id, force, by, now, reply } => {
                answered(reply, self.command_cancelled(&id, force, &by, now).await)
            }
            ControlJob::Close { client_id, by, now, reply } => answered(reply, self.commands_closed(&client_id, &by, now).await),
            ControlJob::Expire { now, reply } => {
                let ended = self.commands_expired(now).await?;
                Ok(answer(reply, Ok(ended)))
            }
            ControlJob::TellAgain { client_id, now, reply } => {
                let told = self.untold_again(&client_id, now).await?;
                Ok(answer(reply, Ok(told)))
            }
            ControlJob::Unlisted { client, at, operations, reply } => {
                let gone = self.untold_unlisted(client, at, &operations).await?;
                Ok(answer(reply, Ok(gone)))
            }
            ControlJob::Escrow { client_id, command, lines, now, reply } => {
                answered(reply, self.escrow_write(&client_id, command.as_deref(), &lines, now).await)
            }
            ControlJob::KeyAdd { key, secret, audit, reply } => {
                let added = self.control_key_write(&key, &secret, audit).await?;
                Ok(answer(reply, Ok(added)))
            }
        }
    }

    /// Short name of a registered device.
    pub(super) fn client_key(&self, client_id: &ClientId) -> Result<ClientKey> {
        let key = self.shared.live().clients.get(client_id).map(|client| client.key);
        key.ok_or(Error::NotFound("device"))
    }
}
