//! One entry of one device: why it is where it is, its attempts, what waits behind it, and what it wants to write. The parts that are
//! more than a list of facts are modules of their own.

pub mod actions;
pub mod blocks;
pub mod payload;

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::drain::{ArchiveOrigin, Keeping, PurgeRun};
use tidewatch_domain::fleet::{self, Attempt, EntryPayload, EntryRow, OutboxEntryView, Trace};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::{MINUTE_MS, Millis};
use tidewatch_service::{Error, Result};

use super::keeping::KeepingNote;
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{NBSP, When, bytes, count, counted, decimal, id_short, integer, span};
use crate::pages::device::outbox::{failure, pending_words, state_label, state_sign};
use crate::pages::params::Params;
use crate::pages::{loaded, query};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Id, Panel, Table};
use actions::EntryActions;
use blocks::Blocks;
use payload::PayloadPanel;

/// One entry.
#[component]
pub fn OutboxEntryPage() -> impl IntoView {
    let (device, operation) =
        use_params_map().with_untracked(|map| (map.get("device").unwrap_or_default(), map.get("operation").unwrap_or_default()));
    let params = Params::here();
    loaded(async move {
        let Console { service, cx, .. } = console();
        let found = match ClientId::parse(device) {
            Ok(client_id) => service.outbox_entry(&cx, &client_id, &operation).await,
            Err(_) => Err(Error::NotFound("entry")),
        };
        let view = match found {
            Ok(view) => view,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                return Ok(
                    view! { <Frame title="No such entry" section=Section::Outbox crumbs=crumbs()><NoEntry operation/></Frame> }
                        .into_any(),
                );
            }
            Err(other) => return Err(other),
        };
        let payload = service.entry_payload(&cx, &view.row.entry.client_id, &operation).await?;
        let purge = match &view.row.keeping {
            Some(Keeping::Purged { run, .. }) => Some(service.purge_view(&cx, run).await?),
            _ => None,
        };
        let trace = known(service.operation_trace(&cx, &operation).await)?;
        let shape = trace.and_then(|trace| trace.shape);
        let title = format!("Entry {}", id_short(&operation));
        let notice = query("notice");
        let (role, problem) = (cx.actor.role(), params.one("problem").map(str::to_owned));
        Ok(view! {
            <Frame title section=Section::Outbox crumbs=crumbs() as_of=Some(cx.now)>
                <EntryView view payload shape notice role problem purge now=cx.now/>
            </Frame>
        }
        .into_any())
    })
}

/// The trace, if this server has seen the operation at all.
fn known(trace: Result<Trace>) -> Result<Option<Trace>> {
    match trace {
        Ok(trace) => Ok(Some(trace)),
        Err(Error::NotFound(_) | Error::Invalid { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

fn crumbs() -> Vec<(String, String)> {
    vec![("Outbox".to_owned(), paths::OUTBOX.to_owned()), ("Entries".to_owned(), paths::OUTBOX_ENTRIES.to_owned())]
}

#[component]
fn NoEntry(operation: String) -> impl IntoView {
    let trace = paths::trace(&operation);
    view! {
        <div class="page-head"><div><h1>"No such entry"</h1><p class="mono">{operation}</p></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="It is not in the outbox of this device" text="It may have been answered since the link was made; then its trace says how."
                action=move || view! { <a class="btn btn-small" href=trace>"Open its trace"</a> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn EntryView(
    /// The entry.
    view: OutboxEntryView,
    /// Its payload, when it is here.
    payload: Option<EntryPayload>,
    /// Names and types of its fields, when this server has ever seen them.
    shape: Option<String>,
    /// What a form leads back with.
    notice: String,
    /// Role of the reader.
    #[prop(optional_no_strip)]
    role: Option<Role>,
    /// Why a form of the actions led back here.
    #[prop(optional_no_strip)]
    problem: Option<String>,
    /// The run that has purged its payload.
    #[prop(optional_no_strip)]
    purge: Option<PurgeRun>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let entry = view.row.entry.clone();
    let (tone, sign) = state_sign(entry.state);
    let origin = payload.as_ref().map(|payload| payload.origin);
    let terms = Terms::of(payload.as_ref());
    let (lead, sentence) = words(&view, origin);
    let attempts = view.attempts.clone();
    let neighbours = view.clone();
    let note = attempts_note(&entry, &attempts);
    view! {
        <div class="page-head">
            <div>
                <h1 class="flex wrap">"Entry " <Id id=entry.operation_id.clone()/></h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign/><span><b>{lead}</b> " " {sentence}</span></p>
            </div>
            <div class="page-actions"><a class="btn" href=paths::trace(&entry.operation_id)>"Open its trace"</a></div>
        </div>
        <div class="cols cols-main-side">
            <div class="stack">
                <EntryActions view=view.clone() role problem/>
                <Panel id="h-attempts" title="Attempts" note><Attempts attempts now/></Panel>
                <Blocks view=neighbours now/>
            </div>
            <aside class="stack" aria-label="What it is about">
                <Panel id="h-facts" title="Entry"><div class="panel-body"><Facts view origin terms now/></div></Panel>
                <PayloadPanel entry=entry payload shape purge notice now/>
            </aside>
        </div>
    }
    .into_any()
}

/// The state in one word, and what it means for the one who reads it.
fn words(view: &OutboxEntryView, origin: Option<ArchiveOrigin>) -> (&'static str, String) {
    let behind = match view.row.blocks {
        0 => String::new(),
        1 => " 1 entry waits behind it.".to_owned(),
        n => format!(" {} wait behind it.", counted(n, "entry", "entries")),
    };
    if matches!(view.row.keeping, Some(Keeping::Purged { .. })) {
        return (
            "Purged.",
            format!("It was given up, and retention is over: its payload is in an export and no longer here.{behind}"),
        );
    }
    let sentence = match view.row.entry.state {
        EntryState::Poisoned if view.refused.is_some() => {
            "This server refused it for good: it cannot succeed by being sent again."
        }
        EntryState::Poisoned if origin == Some(ArchiveOrigin::Reported) => {
            "Its device has put it among its own dead letters: it will not send it again by itself."
        }
        EntryState::Poisoned => "The device has given it up: it will not send it again by itself.",
        EntryState::Retrying => "It failed and is sent again by itself.",
        EntryState::Held => "A person has stopped it.",
        EntryState::Waiting => "Another entry has to be answered first.",
        EntryState::Queued => "It goes out at the next sync.",
        EntryState::Sending => "It was on its way at the last report.",
        EntryState::Escrowed => "The device has handed it in and dropped its copy. Nothing sends it until a person puts it back.",
        EntryState::Quarantined => "A person has taken it out of the queue. It can be put back.",
        EntryState::Skipped => "A person has let what waited behind it pass. It is not sent, and it can be put back.",
        EntryState::Discarded => "A person has given it up. It can be put back for as long as its payload is kept.",
        EntryState::Done => "It is settled: decided again, corrected, or a conflict stands for it.",
    };
    (state_word(view.row.entry.state), format!("{sentence}{behind}"))
}

const fn state_word(state: EntryState) -> &'static str {
    match state {
        EntryState::Poisoned => "Poisoned.",
        EntryState::Retrying => "Retrying.",
        EntryState::Held => "Held.",
        EntryState::Waiting => "Waiting.",
        EntryState::Queued => "Queued.",
        EntryState::Sending => "Sending.",
        EntryState::Escrowed => "Escrowed.",
        EntryState::Quarantined => "Quarantined.",
        EntryState::Skipped => "Skipped.",
        EntryState::Discarded => "Discarded.",
        EntryState::Done => "Done.",
    }
}

fn attempts_note(entry: &EntryRow, seen: &[Attempt]) -> String {
    let seen = seen.len() as u64;
    match u64::try_from(entry.attempts).unwrap_or_default() {
        0 => String::new(),
        all if all > seen => format!("{} of {} were reported one by one", count(seen), count(all)),
        all => format!("{} in all", count(all)),
    }
}

#[component]
fn Attempts(attempts: Vec<Attempt>, now: Millis) -> impl IntoView {
    if attempts.is_empty() {
        return view! { <Empty reason=Reason::NoneYet title="No attempt was reported" text="The device has not tried to send it, or has not said so."/> }.into_any();
    }
    let columns = vec![Column::text("At"), Column::text("Result"), Column::text("App")];
    view! {
        <Table caption="Attempts, newest first" columns class="attempts">
            {attempts
                .into_iter()
                .map(|attempt| view! {
                    <tr role="row">
                        <td role="cell" data-label="At" class="nowrap"><When at=attempt.at now/></td>
                        <td role="cell" data-label="Result" class="break"><span class="mono">{attempt.code.unwrap_or_else(|| "no error reported".to_owned())}</span>{attempt.message.map(|words| view! { <small>{words}</small> })}</td>
                        <td role="cell" data-label="App">{attempt.app_version.unwrap_or_else(|| "not known".to_owned())}</td>
                    </tr>
                })
                .collect_view()}
        </Table>
    }
    .into_any()
}

/// When this server refused it, or who else gave it up.
fn refused(at: Option<Millis>, origin: Option<ArchiveOrigin>, now: Millis) -> AnyView {
    match (at, origin) {
        (Some(at), _) => view! { <When at now/> }.into_any(),
        (None, Some(ArchiveOrigin::Reported)) => "not by this server; it comes from the dead letters of the device".into_any(),
        (None, _) => "not by this server".into_any(),
    }
}

/// What its intent says beside what it writes; nothing while only the device has it.
#[derive(Clone, Debug, Default)]
struct Terms {
    idempotency_key: Option<String>,
    schema_version: Option<i64>,
}

impl Terms {
    fn of(payload: Option<&EntryPayload>) -> Self {
        payload.map_or_else(Self::default, |payload| Self {
            idempotency_key: payload.idempotency_key.clone(),
            schema_version: payload.schema_version,
        })
    }
}

/// The key, where it is another one than the id of the operation.
fn key_shown(key: String, operation_id: &str) -> AnyView {
    if key == operation_id { "the id of the operation".into_any() } else { view! { <Id id=key/> }.into_any() }
}

/// `by the clock of the device, 0.8 s ahead when last measured`.
fn clock_words(ahead_ms: i64) -> String {
    let off = ahead_ms.abs();
    let far = if off < MINUTE_MS { format!("{}{NBSP}s", decimal(off as f64 / 1_000.0, 1)) } else { span(off) };
    let side = if ahead_ms < 0 { "behind" } else { "ahead" };
    format!("by the clock of the device, {far} {side} when last measured")
}

/// What the device is still to hear, and when it is said.
#[component]
fn Untold(untold: fleet::Untold, now: Millis) -> impl IntoView {
    let word = super::drain::words::verb(untold.action);
    let said = match untold.again {
        None => view! { "its command waits for it" }.into_any(),
        Some(at) if at <= now => view! { "said again when it asks next" }.into_any(),
        Some(at) => view! { "said again when it asks after " <When at now/> }.into_any(),
    };
    view! {
        <a href=paths::command(&untold.command)>{word}</a> ", since " <When at=untold.since now/>
        <small>{said} ". Until then it keeps its own copy, and what waits behind it."</small>
    }
    .into_any()
}

#[component]
fn Facts(
    view: OutboxEntryView,
    #[prop(optional_no_strip)] origin: Option<ArchiveOrigin>,
    terms: Terms,
    now: Millis,
) -> impl IntoView {
    let group =
        view.group.clone().map(|id| view! { <small><a href=paths::outbox_group(&id)>"All that fail in this way"</a></small> });
    let app = view.row.app_version.clone().map(|version| view! { <small>"app " {version}</small> });
    let entry = &view.row.entry;
    let made = view.clock_ahead_ms.filter(|_| entry.created_at.is_some()).map(clock_words);
    let size = entry.bytes.and_then(|n| u64::try_from(n).ok()).map_or_else(|| "not reported".to_owned(), bytes);
    view! {
        <dl class="facts facts-lines">
            <dt>"State"</dt>
            <dd>{state_label(entry.state)}{view.pending.map(|action| view! { <small>{pending_words(action)}</small> })}</dd>
            {view.untold.clone().map(|untold| view! { <dt>"Device not told yet"</dt><dd><Untold untold now/></dd> })}
            {view.row.keeping.clone().map(|keeping| view! { <dt>"Retention"</dt><dd><KeepingNote keeping now/></dd> })}
            {view.job.clone().map(|job| view! { <dt>"Drain"</dt><dd class="mono"><a href=paths::drain_job(&job)>{job.clone()}</a></dd> })}
            {view.copy.clone().map(|copy| view! { <dt>"Corrected by"</dt><dd><Id id=copy.clone() href=Some(paths::trace(&copy))/></dd> })}
            {view.original.clone().map(|original| view! { <dt>"Corrects"</dt><dd><Id id=original.clone() href=Some(paths::outbox_entry(&entry.client_id, &original))/></dd> })}
            <dt>"Device"</dt>
            <dd><a href=paths::device_outbox(&entry.client_id)>{view.row.device_name.clone()}</a>{app}</dd>
            <dt>"Record"</dt>
            <dd><span class="mono break">{entry.collection.clone()} "/" {entry.record_id.clone()}</span> ", " {entry.op.clone()}</dd>
            <dt>"Error"</dt>
            <dd>{failure(entry)}{group}</dd>
            <dt>"Made"</dt>
            <dd>{entry.created_at.map_or_else(|| "not reported".into_any(), |at| view! { <When at now/> }.into_any())}{made.map(|words| view! { <small>{words}</small> })}</dd>
            {terms.idempotency_key.map(|key| view! { <dt>"Idempotency"</dt><dd>{key_shown(key, &entry.operation_id)}</dd> })}
            <dt>"Refused"</dt>
            <dd>{refused(view.refused, origin, now)}</dd>
            <dt>"Last seen"</dt>
            <dd><When at=view.seen now/></dd>
            <dt>"Tries"</dt>
            <dd>{integer(entry.attempts)}</dd>
            <dt>"Priority"</dt>
            <dd>{integer(entry.priority)}</dd>
            <dt>"Size"</dt>
            <dd>{size}{terms.schema_version.map(|version| view! { <small>{format!("schema {version}")}</small> })}</dd>
        </dl>
    }
    .into_any()
}
