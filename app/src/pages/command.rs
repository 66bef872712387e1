//! One command: what it tells its device, where it stands and how it came there, what came of it, and how it is called back. What the
//! kinds bring beside that (answers of a drain, lines of a log, the mode of a mesh) are modules of their own.

pub mod answers;
pub mod course;
pub mod facts;
pub mod logs;
#[cfg(test)]
mod tests;

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::control::CommandKind;
use tidewatch_domain::fleet::{CommandLogs, CommandView, DeviceView};
use tidewatch_domain::role::{Role, command_action};
use tidewatch_domain::time::Millis;
use tidewatch_service::{Cx, Error, Result, Service};

use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::id_short;
use crate::pages::device::commands::{CancelForm, kind_label};
use crate::pages::loaded;
use crate::pages::may::refusal;
use crate::pages::outbox::notice;
use crate::pages::params::{ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section, WorkStyles};
use crate::ui::empty::Reason;
use crate::ui::{Banner, Empty, Glyph, Id, Lifeline, Panel};
use answers::Answers;
use course::{History, sentence, stages};
use facts::{Facts, Outcome, PickUp};
use logs::LogsPanel;

/// One command.
#[component]
pub fn CommandPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    let params = Params::here();
    loaded(async move {
        let list = ListState { filter: String::new(), ..ListState::parse(&params)? };
        let Console { service, cx, .. } = console();
        let view = match service.command_view(&cx, &id).await {
            Ok(view) => view,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                let crumbs = vec![("Devices".to_owned(), paths::devices(""))];
                return Ok(
                    view! { <Frame title="No such command" section=Section::Devices crumbs><NoCommand/></Frame> }.into_any()
                );
            }
            Err(other) => return Err(other),
        };
        let device = known(service.device_view(&cx, &view.row.client_id).await)?;
        let lines = lines_of(&service, &cx, &view, &list).await?;
        let problem = params.one("problem").map(str::to_owned);
        let (title, role) = (kind_label(view.row.kind), cx.actor.role());
        let crumbs = crumbs(&view, device.as_ref());
        Ok(view! {
            <Frame title section=Section::Devices crumbs as_of=Some(cx.now)>
                <WorkStyles/>
                <CommandSheet view device lines list role problem now=cx.now/>
            </Frame>
        }
        .into_any())
    })
}

/// The device, if it was ever in touch.
fn known(device: Result<DeviceView>) -> Result<Option<DeviceView>> {
    match device {
        Ok(device) => Ok(Some(device)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The lines that it brought, while they are kept.
async fn lines_of(service: &Service, cx: &Cx, view: &CommandView, list: &ListState) -> Result<Option<CommandLogs>> {
    if view.logs.is_none() {
        return Ok(None);
    }
    match service.command_logs(cx, &view.row.id, &list.position, list.rows).await {
        Ok(lines) => Ok(Some(lines)),
        // They have made room for newer ones since.
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn crumbs(view: &CommandView, device: Option<&DeviceView>) -> Vec<(String, String)> {
    let id = &view.row.client_id;
    let name = device.map_or_else(|| id_short(id.as_str()), |device| device.row.name.clone());
    vec![
        ("Devices".to_owned(), paths::devices("")),
        (name, paths::device(id)),
        ("Commands".to_owned(), paths::device_commands(id)),
    ]
}

#[component]
fn NoCommand() -> impl IntoView {
    view! {
        <div class="page-head"><div><h1>"No such command"</h1></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="No command has this id" text="The link may be cut short. Commands are never removed; those of a device are on its page."
                action=|| view! { <a class="btn btn-small" href=paths::DEVICES>"See all devices"</a> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn CommandSheet(
    /// The command.
    view: CommandView,
    /// Its device, if it was ever in touch.
    device: Option<DeviceView>,
    /// The lines that it brought.
    #[prop(optional_no_strip)]
    lines: Option<CommandLogs>,
    /// Where its list stands.
    #[prop(optional)]
    list: ListState,
    /// Role of the reader.
    role: Option<Role>,
    /// Why a form led back.
    #[prop(optional_no_strip)]
    problem: Option<String>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let banner = problem.as_deref().and_then(notice::words).map(|(tone, title, text)| view! { <Banner tone title text/> });
    let next = device.as_ref().and_then(|device| device.next_expected);
    let stages = stages(&view, next, now);
    let queued = view.forecast.clone();
    view! {
        <Head view=view.clone() device=device.clone() role now/>
        {banner}
        <Panel id="h-course" title="Where it stands" note="signed, on a channel of its own; a jammed queue cannot hold it up">
            <div class="panel-body"><Lifeline stages/></div>
        </Panel>
        <div class="cols cols-main-side">
            <div class="stack">
                <Brought view=view.clone() device=device.clone() lines list role now/>
                <History events=view.history.clone() now/>
            </div>
            <aside class="stack" aria-label="Facts about the command">
                {queued.map(|forecast| view! { <PickUp forecast next now/> })}
                <Facts view device now/>
            </aside>
        </div>
    }
    .into_any()
}

#[component]
fn Head(
    view: CommandView,
    device: Option<DeviceView>,
    #[prop(optional_no_strip)] role: Option<Role>,
    now: Millis,
) -> impl IntoView {
    let row = view.row.clone();
    let (lead, rest, tone, sign) = sentence(&view, now);
    let open = row.state.is_open();
    let refused = refusal(role, command_action(row.kind));
    let home = device
        .is_some()
        .then(|| view! { <a class="btn" href=paths::device_commands(&row.client_id)>"All commands of the device"</a> });
    view! {
        <div class="page-head">
            <div>
                <h1 class="flex wrap">{kind_label(row.kind)} " " <Id id=row.id.clone()/></h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign/><span><b>{lead}</b> " " {rest}</span></p>
            </div>
            <div class="page-actions">{open.then(|| view! { <CancelForm row refused at_home=true/> })} {home}</div>
        </div>
    }
    .into_any()
}

/// What came of it, in the way of its kind.
#[component]
fn Brought(
    view: CommandView,
    device: Option<DeviceView>,
    #[prop(optional_no_strip)] lines: Option<CommandLogs>,
    list: ListState,
    #[prop(optional_no_strip)] role: Option<Role>,
    now: Millis,
) -> impl IntoView {
    match view.row.kind {
        CommandKind::Drain => view! { <Answers view/> }.into_any(),
        CommandKind::UploadLogs => view! { <LogsPanel view lines list role now/> }.into_any(),
        _ => view! { <Outcome view device/> }.into_any(),
    }
}
