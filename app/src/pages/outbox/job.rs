//! One drain: how far it is, in numbers that add up; how fast; what failed and why; what runs, what sleeps; how it is taken back; what
//! happened and who did it. Everything is live, and every step is a form.

pub mod asked;
pub mod failures;
pub mod head;
pub mod items;
pub mod progress;
pub mod rate;
pub mod side;
#[cfg(test)]
mod tests;

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::drain::JobState;
use tidewatch_domain::fleet::{DrainJobView, DrainPreview};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;
use tidewatch_service::Error;

use super::drain::breakdown::Breakdowns;
use super::drain::words;
use super::notice;
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::pages::loaded;
use crate::pages::params::Params;
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::{Banner, Empty};
use asked::Asked;
use failures::Failures;
use head::Head;
use progress::Progress;
use rate::Rate;
use side::Side;

/// Who looks: what they may do depends on their role, and whether it is their own job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Role.
    pub role: Option<Role>,
    /// As the audit log names them.
    pub name: String,
}

/// One drain.
#[component]
pub fn OutboxJobPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    let params = Params::here();
    loaded(async move {
        let Console { service, cx, .. } = console();
        let view = match service.drain_job(&cx, &id).await {
            Ok(view) => view,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                return Ok(
                    view! { <Frame title="No such drain" section=Section::Outbox crumbs=crumbs()><NoJob/></Frame> }.into_any()
                );
            }
            Err(other) => return Err(other),
        };
        let reader = Reader { role: cx.actor.role(), name: cx.actor.audit_name() };
        let problem = params.one("problem").map(str::to_owned);
        let title = words::title(view.row.action, view.row.tally.all());
        let started = Some(service.console_facts().await?.started);
        // Before anything has happened there is nothing else to see, and everything to decide.
        let asked = match view.row.state {
            JobState::Requested => Some(service.drain_preview_view(&cx, &view.set).await?),
            _ => None,
        };
        Ok(view! {
            <Frame title section=Section::Outbox crumbs=crumbs() as_of=Some(cx.now)><JobView view reader problem started asked now=cx.now/></Frame>
        }
        .into_any())
    })
}

/// Crumbs of the pages of a drain.
pub(super) fn crumbs() -> Vec<(String, String)> {
    vec![("Outbox".to_owned(), paths::OUTBOX.to_owned()), ("Drains".to_owned(), paths::OUTBOX_JOBS.to_owned())]
}

#[component]
fn NoJob() -> impl IntoView {
    view! {
        <div class="page-head"><div><h1>"No such drain"</h1></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="No drain has this id" text="The link may be cut short. Drains are never removed."
                action=|| view! { <a class="btn btn-small" href=paths::OUTBOX_JOBS>"See all drains"</a> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn JobView(
    /// The job.
    view: DrainJobView,
    /// Who looks.
    reader: Reader,
    /// Why a form led back.
    problem: Option<String>,
    /// Since when this console is up.
    #[prop(optional_no_strip)]
    started: Option<Millis>,
    /// Its frozen set, while it waits for a second person.
    #[prop(optional_no_strip)]
    asked: Option<DrainPreview>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let breakdowns = asked.clone().map(|preview| view! { <Breakdowns preview/> });
    let main = match asked {
        Some(preview) => view! { <Asked preview now/> }.into_any(),
        None => view! {
            <Rate view=view.clone() now/>
            <Failures view=view.clone() reader=reader.clone() now/>
        }
        .into_any(),
    };
    let banner = problem.as_deref().and_then(notice::words);
    view! {
        <Head view=view.clone() reader=reader.clone() started now/>
        {banner.map(|(tone, title, text)| view! { <Banner tone title text/> })}
        <Progress view=view.clone()/>
        <div class="cols cols-main-side job">
            <div class="stack">{main}</div>
            <Side view reader now>{breakdowns}</Side>
        </div>
    }
    .into_any()
}
