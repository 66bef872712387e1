//! Beside a command: when it is expected to be picked up, what it says, and what came of it where that is not a list.

use leptos::prelude::*;
use serde_json::Value;
use tidewatch_domain::control::{CommandKind, CommandState, Order};
use tidewatch_domain::fleet::{CommandView, DeviceView, Forecast};
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::course::expected;
use crate::format::{When, count, counted, id_short, integer, when};
use crate::pages::device::send::mode_label;
use crate::pages::may::who;
use crate::pages::outbox::job::side::ForecastBars;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::{Empty, Panel};

/// Longest result that is shown, characters.
const RESULT_CHARS_MAX: usize = 8_000;

/// When the device is expected to pick it up.
#[component]
pub fn PickUp(
    /// From its rhythm of contact.
    forecast: Forecast,
    /// When it is expected next.
    #[prop(optional_no_strip)]
    next: Option<Millis>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let words = match forecast.unknown {
        0 => format!("From the device’s own rhythm of contact: {}.", expected(next, now)),
        _ => "The device was not in touch often enough to tell.".to_owned(),
    };
    let bars = (forecast.unknown == 0).then(|| view! { <ForecastBars forecast/> });
    view! { <Panel id="h-pick-up" title="Pick-up" note="forecast"><div class="panel-body grid">{bars}<p class="small faint">{words}</p></div></Panel> }
        .into_any()
}

/// What was ordered, of whom and by whom.
#[component]
pub fn Facts(
    /// The command.
    view: CommandView,
    /// Its device, if it was ever in touch.
    device: Option<DeviceView>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let row = view.row.clone();
    let name = device.map_or_else(|| id_short(row.client_id.as_str()), |device| device.row.name);
    let order = ordered(&view, now);
    let job = row.job.clone();
    let handed = match view.deliveries {
        0 => "not yet".to_owned(),
        n => counted(n, "time", "times"),
    };
    view! {
        <Panel id="h-order" title="Order">
            <div class="panel-body">
                <dl class="facts facts-lines">
                    <dt>"Device"</dt>
                    <dd><a href=paths::device(&row.client_id)>{name}</a></dd>
                    <dt>"Kind"</dt>
                    <dd class="mono">{row.kind.as_str()}</dd>
                    {order.into_iter().map(|(label, value)| view! { <dt>{label}</dt><dd>{value}</dd> }).collect_view()}
                    <dt>"Asked for by"</dt>
                    <dd>{who(&row.actor).to_owned()}<small>{row.reason}</small></dd>
                    {job.map(|job| view! { <dt>"Drain"</dt><dd class="mono"><a href=paths::drain_job(&job)>{job.clone()}</a></dd> })}
                    <dt>"Asked"</dt>
                    <dd><When at=row.created now/></dd>
                    <dt>"Expires"</dt>
                    <dd><When at=row.expires now/></dd>
                    <dt>"Priority"</dt>
                    <dd>{format!("{} of 5", integer(row.priority))}</dd>
                    <dt>"Handed over"</dt>
                    <dd>{handed}</dd>
                    {row.progress.map(|(done, total)| view! { <dt>"Progress"</dt><dd>{format!("{} of {}", count(done), count(total))}</dd> })}
                    {row.error.map(|(code, words)| view! { <dt>"Error"</dt><dd><span class="mono break">{code}</span><small>{words}</small></dd> })}
                </dl>
            </div>
        </Panel>
    }
    .into_any()
}

/// The arguments, as a person reads them.
fn ordered(view: &CommandView, now: Millis) -> Vec<(&'static str, String)> {
    let args: Value = serde_json::from_str(&view.args).unwrap_or_default();
    match Order::read(view.row.kind, &args) {
        Ok(Order::Drain(entries)) => vec![("Entries", count(entries.len() as u64))],
        Ok(Order::UploadWal { wanted, redact }) => {
            let of = match wanted {
                tidewatch_domain::control::WalWanted::All => "all that wait".to_owned(),
                tidewatch_domain::control::WalWanted::Operations(ids) => counted(ids.len() as u64, "operation", "operations"),
            };
            vec![("Payloads", of), ("Values", if redact { "left out" } else { "sent along" }.to_owned())]
        }
        Ok(Order::Resync { scopes, mode }) => {
            let of = if scopes.is_empty() { "all".to_owned() } else { counted(scopes.len() as u64, "scope", "scopes") };
            vec![("Scopes", of), ("What waits", mode.as_str().replace('_', " "))]
        }
        Ok(Order::RefreshPolicy) => Vec::new(),
        Ok(Order::Mesh(order)) => {
            let every = order.broadcast_interval_ms.map_or_else(|| "as it is".to_owned(), seconds);
            let key = if order.rotate_keys { "a new one" } else { "as it is" }.to_owned();
            vec![("Mode", mode_label(order.mode).to_owned()), ("Broadcast", every), ("Key", key)]
        }
        Ok(Order::UploadLogs { since }) => {
            vec![("Lines since", since.map_or_else(|| "all that it has".to_owned(), |since| when(since, now)))]
        }
        Err(_) => vec![("Arguments", "cannot be read".to_owned())],
    }
}

fn seconds(ms: i64) -> String {
    if ms % SECOND_MS == 0 {
        format!("every {}\u{a0}s", integer(ms / SECOND_MS))
    } else {
        format!("every {}\u{a0}ms", integer(ms))
    }
}

/// What came of a command whose result is no list.
#[component]
pub fn Outcome(
    /// The command.
    view: CommandView,
    /// Its device, if it was ever in touch.
    device: Option<DeviceView>,
) -> impl IntoView {
    let mesh = (view.row.kind == CommandKind::Mesh).then(|| view! { <MeshNow device/> });
    let result = view.result.as_deref().map(pretty);
    let body = match (result, view.row.state) {
        (Some(text), _) => {
            view! { <pre class="payload shape" tabindex="0" role="group" aria-label="Result, as the device gave it"><span>{text}</span></pre> }
                .into_any()
        }
        (None, state) if state.is_open() => {
            view! { <Empty reason=Reason::NoneYet title="Nothing yet" text="The device says what came of it when it is done."/> }
                .into_any()
        }
        (None, CommandState::Done) => {
            view! { <Empty reason=Reason::Healthy title="Done, and nothing to tell" text="The device gave no result."/> }
                .into_any()
        }
        (None, _) => view! { <Empty reason=Reason::NoMatch title="It brought no result" text="Its history says how it ended."/> }
            .into_any(),
    };
    view! { <Panel id="h-result" title="Result" note="as the device gave it">{body}{mesh}</Panel> }.into_any()
}

/// What the device reports of its mesh now: it may have been changed since.
#[component]
fn MeshNow(device: Option<DeviceView>) -> impl IntoView {
    let now = device.and_then(|device| device.facts.into_iter().find(|(label, _)| *label == "Mesh")).and_then(|(_, value)| value);
    let words = now.map_or_else(
        || "The device has not reported how it uses its mesh.".to_owned(),
        |now| format!("In its last report: {now}."),
    );
    view! { <div class="panel-foot"><span>{words}</span></div> }.into_any()
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
    match pretty.char_indices().nth(RESULT_CHARS_MAX) {
        None => pretty,
        Some((at, _)) => format!("{}\n…", &pretty[..at]),
    }
}
