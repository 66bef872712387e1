//! Staff at work while the network is rough: entries are drained, payloads and whole outboxes asked for, and some commands are taken
//! back or end before their device asks.

use tidewatch_client::intent::operation_of;
use tidewatch_domain::control::{
    EntryOrder, MESH_INTERVAL_MS_MAX, MESH_INTERVAL_MS_MIN, MeshMode, MeshOrder, Order, ResyncMode, WalWanted,
};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::page::Position;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use tidewatch_service::control::CommandOrder;
use tidewatch_service::{Actor, Cx};

use super::{Happening, World};
use crate::checks::{CommandSeen, Observed};

/// Entries of one drain.
const ENTRIES_MAX: usize = 6;
/// Commands of one device that are looked at in the end.
const COMMANDS_MAX: u32 = 200;

impl World<'_> {
    pub(super) fn plan_command(&mut self, index: usize) {
        let Some(every) = self.options.command_every_ms else { return };
        #[expect(clippy::cast_precision_loss, reason = "a mean of minutes")]
        let pause = self.lives[index].dice.waiting_ms(every as f64);
        self.plan(pause, index, Happening::Command);
    }

    /// The console itself, at this time of the world.
    fn console(&self, actor: Actor) -> Cx {
        Cx { actor, now: self.now, request_id: "simulation".to_owned() }
    }

    pub(super) async fn command(&mut self, index: usize) -> anyhow::Result<()> {
        self.plan_command(index);
        let cx = self.console(Actor::System);
        let failed = |error: tidewatch_service::Error| anyhow::anyhow!("{error:?}");
        self.transport.service().commands_expire(self.now).await.map_err(failed)?;
        let life = &mut self.lives[index];
        if life.device_mut().client.state().account.is_none() {
            return Ok(());
        }
        let client_id = ClientId::parse(life.seen.client_id.clone()).map_err(|error| anyhow::anyhow!("{error}"))?;
        let Some(order) = draw(life) else { return Ok(()) };
        let dice = &mut life.dice;
        let ttl_ms = if dice.chance(0.2) { 10 * MINUTE_MS } else { DAY_MS };
        let take_back = dice.chance(0.15);
        let priority = dice.between(1, 5);
        let command = CommandOrder { client_id, order, priority, ttl_ms, supersede_key: None };
        let service = self.transport.service();
        let id = service.command_issue(&cx, command, "a simulated member of staff").await.map_err(failed)?;
        if take_back {
            let olga = self.console(Actor::User { name: "olga".to_owned(), role: Role::Operator });
            // The device may have been quicker.
            let _ = service.command_cancel(&olga, &id, false, "it was the wrong device").await;
        }
        Ok(())
    }

    /// What became of every command, and which of the entries that were let go of are in the archive.
    pub(super) async fn observe_commands(&self, observed: &mut Observed) -> anyhow::Result<()> {
        if self.options.command_every_ms.is_none() {
            return Ok(());
        }
        let service = self.transport.service();
        let mut cx = self.console(Actor::User { name: "vera".to_owned(), role: Role::Viewer });
        // Whatever nobody asked for in the calm has ended by then.
        cx.now = self.now.plus(4 * DAY_MS + HOUR_MS);
        let failed = |error: tidewatch_service::Error| anyhow::anyhow!("{error:?}");
        service.commands_expire(cx.now).await.map_err(failed)?;
        for device in &observed.devices {
            let client_id = ClientId::parse(device.client_id.clone()).map_err(|error| anyhow::anyhow!("{error}"))?;
            let Ok(page) = service.commands_list(&cx, &client_id, &Position::Start, COMMANDS_MAX).await else { continue };
            observed.commands.extend(page.rows.into_iter().map(|row| CommandSeen {
                id: row.id,
                state: row.state.as_str().to_owned(),
                changed_ms: row.changed.0,
            }));
            for operation in &device.drained {
                // In the archive, or answered before it was let go of.
                if service.operation_trace(&cx, operation).await.is_ok() {
                    observed.archived.insert((device.client_id.clone(), operation.clone()));
                }
            }
        }
        Ok(())
    }
}

/// What staff orders, seeing what the outbox holds: entries by name, and now and then one that is not there.
fn draw(life: &mut super::Life) -> Option<Order> {
    let operations: Vec<(OperationId, bool)> = {
        let outbox = &life.device_mut().client.state().outbox;
        let of = |entry: &tidewatch_client::outbox::Entry| {
            Some((OperationId::parse(operation_of(&entry.intent.text)?).ok()?, entry.poisoned))
        };
        let mut all: Vec<_> = outbox.entries().filter_map(of).collect();
        all.sort_by_key(|(_, poisoned)| !*poisoned);
        all
    };
    let dice = &mut life.dice;
    match dice.between(0, 11) {
        0 => Some(Order::RefreshPolicy),
        1 => Some(Order::UploadWal { wanted: WalWanted::All, redact: dice.chance(0.5) }),
        2 => Some(Order::Resync { scopes: Vec::new(), mode: ResyncMode::Escrow }),
        3 => Some(Order::Resync { scopes: Vec::new(), mode: ResyncMode::RefuseIfPending }),
        4 => Some(Order::Mesh(MeshOrder {
            mode: *dice.pick(&MeshMode::ALL),
            broadcast_interval_ms: dice.chance(0.5).then(|| dice.between(MESH_INTERVAL_MS_MIN, MESH_INTERVAL_MS_MAX)),
            rotate_keys: dice.chance(0.5),
        })),
        5 => Some(Order::UploadLogs { since: None }),
        _ => {
            use DrainAction::{Discard, Hold, Quarantine, Retry, Skip};
            let count = usize::try_from(dice.between(1, 6)).unwrap_or(1).min(ENTRIES_MAX);
            let mut entries: Vec<EntryOrder> = Vec::new();
            for (operation_id, poisoned) in operations.into_iter().take(count) {
                // What is only on its way is held or asked for again; what is poisoned is taken out.
                let actions: &[DrainAction] = if poisoned { &[Retry, Skip, Quarantine, Discard] } else { &[Hold, Retry] };
                let action = *dice.pick(actions);
                entries.push(EntryOrder { operation_id, action, patch: None });
            }
            if dice.chance(0.2) {
                entries.push(EntryOrder {
                    operation_id: OperationId::parse("nobody-has-this").ok()?,
                    action: Retry,
                    patch: None,
                });
            }
            (!entries.is_empty()).then_some(Order::Drain(entries))
        }
    }
}
