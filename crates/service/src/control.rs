//! The control channel: what devices are told to do, and what they say of it. It knows nothing of whether their data syncs: a device
//! whose pushes are refused for ever, or that is blocked, is reached all the same.

mod converged;
mod keys;
mod logs;
mod payloads;
mod untold;

use tidewatch_domain::control::{
    COMMANDS_PAGE, Command, CommandKind, CommandReport, CommandState, ContactRhythm, NewCommand, Order, Stays, forecast,
};
use tidewatch_domain::drain::{REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{CommandRow, CommandView};
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position};
use tidewatch_domain::role::{Action, command_action};
use tidewatch_domain::sync::IntentStatus;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::By;
pub use tidewatch_store::sync::{ControlKey, EscrowLine, Escrowed, ReportRefusal};
use tokio::sync::watch;

pub use self::keys::KeyBytes;
pub(crate) use self::keys::Signers;
pub use self::logs::LogLines;
pub(crate) use self::untold::{Lists, Woken};
use crate::explore::place_read;
use crate::written::plain;
use crate::{Actor, Cx, Error, Result, Service};

/// A command before it is given out.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandOrder {
    /// For which device.
    pub client_id: ClientId,
    /// What.
    pub order: Order,
    /// 1 (first) to 5.
    pub priority: i64,
    /// How long it waits for the device.
    pub ttl_ms: i64,
    /// Takes the place of an older one with the same key; [`Order::supersede_key`] when there is none.
    pub supersede_key: Option<String>,
}

/// Whether an operation with this answer needs no payload any more.
const fn stands(status: IntentStatus) -> bool {
    matches!(status, IntentStatus::Applied | IntentStatus::Merged | IntentStatus::Superseded | IntentStatus::Conflict)
}

impl Service {
    /// What the acting device is to do now, most urgent first.
    ///
    /// # Errors
    /// Unauthenticated, forbidden for anybody but a device; overloaded, and then nothing was handed over.
    pub async fn commands_poll(&self, cx: &Cx) -> Result<Vec<Command>> {
        let client_id = self.control_device(cx)?;
        Ok(self.store.sync().commands_take(client_id, cx.now, COMMANDS_PAGE).await?)
    }

    /// Wakes when a command was given out to the device; none for one that is not registered.
    #[must_use]
    pub fn commands_watch(&self, client_id: &ClientId) -> Option<watch::Receiver<()>> {
        self.store.sync().commands_watch(client_id)
    }

    /// Commands of a device that have not ended, and one more when there is something to be said to it again by now: from memory.
    #[must_use]
    pub fn commands_waiting(&self, client_id: &ClientId, now: Millis) -> u32 {
        self.store.sync().commands_waiting(client_id, now)
    }

    /// Revision of the configuration of collections: it only grows.
    #[must_use]
    pub fn collections_revision(&self) -> i64 {
        self.store.sync().collections().iter().map(|collection| collection.policy_rev).sum()
    }

    /// Takes what the acting device says of one of its commands. Answers the state that the command is in now, or what is wrong
    /// with the report.
    ///
    /// # Errors
    /// Not found unless it is a command of this device.
    pub async fn command_report(
        &self,
        cx: &Cx,
        id: &str,
        report: CommandReport,
    ) -> Result<std::result::Result<CommandState, ReportRefusal>> {
        let client_id = self.control_device(cx)?;
        let report = match self.converged(client_id, id, report).await? {
            Ok(report) => report,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(self.store.sync().command_report(client_id, id, report, cx.now).await?)
    }

    /// Keeps intents that the acting device hands over, without applying them. Those that have a final answer already are not kept
    /// but named.
    ///
    /// # Errors
    /// Not found for a command that is not one of this device; overloaded, and then none of these was kept.
    pub async fn escrow_put(&self, cx: &Cx, command: Option<&str>, lines: Vec<EscrowLine>) -> Result<(Escrowed, Vec<String>)> {
        let client_id = self.control_device(cx)?;
        let ids: Vec<OperationId> = lines.iter().filter_map(|line| OperationId::parse(&line.operation_id).ok()).collect();
        let answers = self.store.sync().mutations_status(client_id, &ids).await?;
        let mut settled: Vec<String> =
            answers.iter().filter(|answer| stands(answer.status)).map(|answer| answer.operation_id.to_string()).collect();
        let lines = lines.into_iter().filter(|line| !settled.contains(&line.operation_id)).collect();
        let mut kept = self.store.sync().escrow_put(client_id, command.map(str::to_owned), lines, cx.now).await?;
        settled.append(&mut kept.settled);
        Ok((kept, settled))
    }

    /// Ends commands whose time is over.
    ///
    /// # Errors
    /// As the store.
    pub async fn commands_expire(&self, now: Millis) -> Result<()> {
        self.store.sync().commands_expire(now).await?;
        Ok(())
    }

    /// Commands of a device, newest first.
    ///
    /// # Errors
    /// Not found; invalid with field `after` or `before`.
    pub async fn commands_list(&self, cx: &Cx, client_id: &ClientId, position: &Position, rows: u32) -> Result<Page<CommandRow>> {
        cx.require(Action::Look)?;
        let place = place_read(position)?;
        Ok(self.store.sync().commands_list(client_id, place, rows.clamp(1, PAGE_ROWS_MAX)).await?)
    }

    /// One command; while it waits for its device, with the time at which it is expected to be picked up.
    ///
    /// # Errors
    /// Not found.
    pub async fn command_view(&self, cx: &Cx, id: &str) -> Result<CommandView> {
        cx.require(Action::Look)?;
        let mut view = self.store.sync().command_view(id).await?;
        self.messages_redact(view.history.iter_mut().filter_map(|event| event.detail.as_mut())).await?;
        if view.row.state == CommandState::Queued {
            view.forecast = Some(forecast(&[self.contact_rhythm(&view.row.client_id, cx.now).await?], cx.now));
        }
        if view.row.kind == CommandKind::UploadLogs {
            view.logs = self.store.telemetry().logs_held(id).await?;
        }
        Ok(view)
    }

    /// How often a device is in touch, as far as it is known.
    async fn contact_rhythm(&self, client_id: &ClientId, now: Millis) -> Result<ContactRhythm> {
        match self.store.telemetry().device_view(client_id, now).await {
            Ok(device) => Ok(ContactRhythm { interval_ms: device.row.interval_ms, last_contact: device.row.last_contact }),
            // Registered, and never in touch.
            Err(tidewatch_store::Error::NotFound(_)) => Ok(ContactRhythm::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a device a command, and a row in the audit log. Answers its id. Staff drains entries through jobs, which keep count of
    /// them; a `drain` by itself is for the console alone.
    ///
    /// # Errors
    /// Forbidden; not found; invalid with field `reason`, `priority`, `kind`, or `client_id` when the device has too many open ones.
    pub async fn command_issue(&self, cx: &Cx, order: CommandOrder, reason: &str) -> Result<String> {
        let kind = order.order.kind();
        if cx.actor != Actor::System {
            cx.require(command_action(kind))?;
            if kind == CommandKind::Drain {
                let detail = "entries are drained by a job over a frozen set, not by a single command".to_owned();
                return Err(Error::Invalid { field: "kind", detail });
            }
        }
        if !(1..=5).contains(&order.priority) {
            return Err(Error::Invalid { field: "priority", detail: "must be within 1 and 5".to_owned() });
        }
        let supersede_key = order.supersede_key.or_else(|| order.order.supersede_key());
        let command = NewCommand {
            args: order.order.args(),
            client_id: order.client_id,
            kind,
            priority: order.priority,
            expires_at: cx.now.plus(order.ttl_ms),
            supersede_key,
            job: None,
            actor: cx.actor.audit_name(),
            reason: reason_read(reason)?,
        };
        match self.store.sync().commands_issue(vec![command], Some(cx.request_id.clone()), cx.now).await {
            Ok(mut ids) => ids.pop().ok_or(Error::NotFound("command")),
            Err(tidewatch_store::Error::Constraint(_)) => {
                let detail = "has too many open commands; cancel some, or wait until it picks them up".to_owned();
                Err(Error::Invalid { field: "client_id", detail })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a command back; by force also when the device is at it, knowing that what was done stays done.
    ///
    /// # Errors
    /// Forbidden; not found; invalid with field `reason`; command ended, or under way with what a forced end leaves behind.
    pub async fn command_cancel(&self, cx: &Cx, id: &str, force: bool, reason: &str) -> Result<CommandState> {
        cx.require(Action::CommandIssue)?;
        let view = self.store.sync().command_view(id).await?;
        cx.require(command_action(view.row.kind))?;
        let by = By { actor: cx.actor.audit_name(), reason: reason_read(reason)?, trace_id: Some(cx.request_id.clone()) };
        match self.store.sync().command_cancel(id, force, by, cx.now).await? {
            Ok(state) => Ok(state),
            Err(Stays::UnderWay) => Err(Error::CommandUnderWay(view.row.kind.cannot_undo())),
            Err(Stays::Same | Stays::Ended) => Err(Error::CommandEnded),
        }
    }

    /// Ends the open commands of a device whose tokens were taken away for good.
    pub(crate) async fn commands_close(&self, cx: &Cx, client_id: &ClientId) -> Result<()> {
        let reason = "the device was revoked".to_owned();
        let by = By { actor: cx.actor.audit_name(), reason, trace_id: Some(cx.request_id.clone()) };
        match self.store.sync().commands_close(client_id, by, cx.now).await {
            // It never synced: nobody could give it a command.
            Ok(_) | Err(tidewatch_store::Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The acting device, blocked or not.
    fn control_device<'c>(&self, cx: &'c Cx) -> Result<&'c ClientId> {
        match &cx.actor {
            Actor::Device { client_id, .. } if self.store.sync().client(client_id).is_some() => Ok(client_id),
            Actor::Device { .. } => Err(Error::NotFound("device")),
            Actor::Anonymous => Err(Error::Unauthenticated),
            _ => Err(Error::Forbidden),
        }
    }
}

fn reason_read(reason: &str) -> Result<String> {
    let reason = plain("reason", reason.trim())?;
    if (REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
        return Ok(reason.to_owned());
    }
    Err(Error::Invalid { field: "reason", detail: format!("must have {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters") })
}

#[cfg(test)]
mod tests;
