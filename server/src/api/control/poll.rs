//! `GET /control/commands`: what the device is to do now. With `wait` the answer comes with the first command, or empty at the end.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use tidewatch_domain::control::Command;
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::limits::WAIT_S_MAX;
use tidewatch_protocol::v1::{CommandEntry, CommandsAnswered, PolicyEntry};
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::Cx;
use tidewatch_service::fleet::Contact;
use tokio::time::Instant;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Device;
use crate::state::App;

/// Hands over the commands of the acting device.
#[utoipa::path(get, path = "/control/commands", tag = "control", security(("device" = [])),
    params(("wait" = Option<u32>, Query, description = "Seconds to wait for a command, at most 25")),
    responses((status = 200, body = CommandsAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn commands_poll(State(app): State<App>, device: Device, uri: Uri) -> Answer<Json<CommandsAnswered>> {
    let mut params = Params::of(&uri)?;
    let wait = params.take_integer("wait", 0..=WAIT_S_MAX)?.unwrap_or(0);
    params.done()?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let commands = wait_for(&app, &device, Duration::from_secs(wait.into())).await?;
    let mut entries = Vec::with_capacity(commands.len());
    for command in commands {
        entries.push(signed(&app, &device.client_id, command).await?);
    }
    let policy = PolicyEntry { collections_revision: app.service().collections_revision() };
    Ok(Json(CommandsAnswered { commands: entries, policy, server_time: Timestamp(app.now()) }))
}

async fn wait_for(app: &App, device: &Device, wait: Duration) -> Answer<Vec<Command>> {
    // Before the first look, so that nothing slips in between.
    let given = app.service().commands_watch(&device.client_id);
    let commands = look(app, &device.cx).await?;
    let Some(mut given) = given.filter(|_| commands.is_empty() && !wait.is_zero()) else { return Ok(commands) };
    // Without a place the answer is what it would be at the end of the wait.
    let Ok(_place) = app.streams().control_places.clone().try_acquire_owned() else { return Ok(commands) };
    let end = Instant::now() + wait;
    loop {
        tokio::select! {
            () = app.stopping().cancelled() => return Ok(Vec::new()),
            () = tokio::time::sleep_until(end) => return Ok(Vec::new()),
            changed = given.changed() => if changed.is_err() { return Ok(Vec::new()) },
        }
        let commands = look(app, &Cx { now: app.now(), ..device.cx.clone() }).await?;
        if !commands.is_empty() {
            return Ok(commands);
        }
    }
}

async fn look(app: &App, cx: &Cx) -> Answer<Vec<Command>> {
    let _turn = app.streams().control_turns.acquire().await.map_err(Refusal::internal)?;
    Ok(app.service().commands_poll(cx).await?)
}

/// Signed by the newest key. A rotation in between begins it anew.
async fn signed(app: &App, client_id: &ClientId, command: Command) -> Answer<CommandEntry> {
    loop {
        let kid = app.service().control_kid(app.now()).await?;
        let entry = CommandEntry::unsigned(command.clone(), client_id, &kid).map_err(Refusal::internal)?;
        if let Some(signature) = app.service().control_sign(app.now(), &kid, &entry.signed_bytes()).await? {
            return Ok(entry.signed(&signature));
        }
    }
}
