//! What the forms of the commands tab do: read what they sent, ask the service, and say where to go on.

use tidewatch_domain::control::{
    COMMAND_TTL_MS, CommandKind, MESH_INTERVAL_MS_MAX, MESH_INTERVAL_MS_MIN, MeshMode, MeshOrder, Order, ResyncMode, WalWanted,
};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_service::control::CommandOrder;
use tidewatch_service::{Error, Result};

use super::send::{CommandDraft, SPANS};
use crate::context::Console;
use crate::pages::outbox::deeds::back_with;
use crate::pages::outbox::notice::notice;
use crate::paths;

/// Urgency of what a person sends: after the first, before what can wait.
const PRIORITY: i64 = 2;

/// What the form means; the word for what is wrong with it.
fn order(draft: &CommandDraft, now: Millis) -> std::result::Result<Order, &'static str> {
    match CommandKind::parse(&draft.kind) {
        Some(CommandKind::UploadWal) => Ok(Order::UploadWal { wanted: WalWanted::All, redact: false }),
        Some(CommandKind::Resync) => Ok(Order::Resync { scopes: Vec::new(), mode: ResyncMode::Escrow }),
        Some(CommandKind::RefreshPolicy) => Ok(Order::RefreshPolicy),
        Some(CommandKind::Mesh) => mesh(draft).map(Order::Mesh),
        Some(CommandKind::UploadLogs) => {
            let (.., back) = SPANS.into_iter().find(|(word, ..)| *word == draft.since).ok_or("since")?;
            Ok(Order::UploadLogs { since: back.map(|ms| now.plus(-ms)) })
        }
        // It starts from the entries that it is for.
        Some(CommandKind::Drain) | None => Err("kind"),
    }
}

fn mesh(draft: &CommandDraft) -> std::result::Result<MeshOrder, &'static str> {
    let mode = MeshMode::parse(&draft.mode).ok_or("mode")?;
    let broadcast_interval_ms = match draft.interval.trim() {
        "" => None,
        text => {
            let ms = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(SECOND_MS));
            Some(ms.filter(|ms| (MESH_INTERVAL_MS_MIN..=MESH_INTERVAL_MS_MAX).contains(ms)).ok_or("interval")?)
        }
    };
    Ok(MeshOrder { mode, broadcast_interval_ms, rotate_keys: !draft.rotate.is_empty() })
}

/// Sends a command.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn send(console: &Console, client: &str, draft: CommandDraft) -> Result<String> {
    let Ok(client_id) = ClientId::parse(client) else { return Ok(back_with(paths::DEVICES, "gone")) };
    let done = paths::device_commands(&client_id);
    let query = paths::Query::new().with("kind", &draft.kind);
    let query = match CommandKind::parse(&draft.kind) {
        Some(CommandKind::Mesh) => {
            query.with("mode", &draft.mode).with("interval", &draft.interval).with("rotate", &draft.rotate)
        }
        Some(CommandKind::UploadLogs) => query.with("since", &draft.since),
        _ => query,
    };
    let back = query.with("reason", &draft.reason).on(&done);
    let order = match order(&draft, console.cx.now) {
        Ok(order) => order,
        Err(word) => return Ok(back_with(&back, word)),
    };
    let order = CommandOrder { client_id, order, priority: PRIORITY, ttl_ms: COMMAND_TTL_MS, supersede_key: None };
    led(console.service.command_issue(&console.cx, order, &draft.reason).await.map(|_| ()), &done, &back)
}

/// Calls a command back.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn cancel(console: &Console, id: &str, back: &str, force: bool, reason: &str) -> Result<String> {
    led(console.service.command_cancel(&console.cx, id, force, reason).await.map(|_| ()), back, back)
}

/// Where a form that calls a command back came from: the page of the command, or the list of its device.
#[must_use]
pub fn home(id: &str, client: &str, back: &str) -> String {
    if back == "command" {
        return paths::command(id);
    }
    ClientId::parse(client).map_or_else(|_| paths::DEVICES.to_owned(), |client_id| paths::device_commands(&client_id))
}

/// On when it was done, back with a word and what was written when it was not.
fn led(result: Result<()>, done: &str, back: &str) -> Result<String> {
    match result {
        Ok(()) => Ok(done.to_owned()),
        Err(error @ (Error::Internal(_) | Error::Unauthenticated)) => Err(error),
        Err(error) => Ok(back_with(back, notice(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_790_000_000_000);

    fn draft(kind: &str) -> CommandDraft {
        CommandDraft { kind: kind.to_owned(), mode: "off".to_owned(), ..CommandDraft::default() }
    }

    #[test]
    fn an_interval_is_whole_seconds_within_its_bounds_or_left_as_it_is() {
        let of = |interval: &str| order(&CommandDraft { interval: interval.to_owned(), ..draft("mesh") }, NOW);
        let mesh =
            |broadcast_interval_ms| Ok(Order::Mesh(MeshOrder { mode: MeshMode::Off, broadcast_interval_ms, rotate_keys: false }));
        assert_eq!([of(""), of("1"), of(" 3600 ")], [mesh(None), mesh(Some(1_000)), mesh(Some(3_600_000))]);
        for bad in ["0", "3601", "1.5", "-1", "soon", "9223372036854775807"] {
            assert_eq!(of(bad), Err("interval"), "{bad}");
        }
        assert_eq!(order(&CommandDraft { mode: "loud".to_owned(), ..draft("mesh") }, NOW), Err("mode"));
    }

    #[test]
    fn logs_are_asked_for_from_a_word_and_a_drain_is_not_sent_from_here() {
        let of = |since: &str| order(&CommandDraft { since: since.to_owned(), ..draft("upload_logs") }, NOW);
        assert_eq!(of(""), Ok(Order::UploadLogs { since: None }));
        assert_eq!(of("hour"), Ok(Order::UploadLogs { since: Some(NOW.plus(-3_600_000)) }));
        assert_eq!(of("ever"), Err("since"));
        assert_eq!([order(&draft("drain"), NOW), order(&draft("reboot"), NOW)], [Err("kind"), Err("kind")]);
    }
}
