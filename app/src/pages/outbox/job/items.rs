//! The entries of a drain, each with what became of it, and why.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::drain::{ItemFilter, ItemOutcome};
use tidewatch_domain::fleet::{DrainItemRow, DrainJobRow, Tone};
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::time::Millis;

use super::super::drain::words;
use super::crumbs;
use crate::context::{Console, console};
use crate::format::{When, count};
use crate::icon::{Icon, IconName};
use crate::pages::list::range_words;
use crate::pages::loaded;
use crate::pages::params::{self, BadParam, ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Id, Pager, Segment, Segmented, Sign, Table};

/// State of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemsQuery {
    /// What it shows.
    pub filter: ItemFilter,
    /// Position and length.
    pub list: ListState,
}

impl ItemsQuery {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        let all = ItemOutcome::ALL.map(Some);
        let outcome = params::parse_word(params, "outcome", &all, |outcome| outcome.map_or("", ItemOutcome::as_str))?;
        let code = params.one("code").map(str::to_owned);
        let alone = || BadParam { field: "code", detail: "goes with the outcome skipped or failed".to_owned() };
        let filter = ItemFilter::new(outcome, code).ok_or_else(alone)?;
        Ok(Self { filter, list: ListState { filter: String::new(), ..ListState::parse(params)? } })
    }

    /// The address of this state.
    #[must_use]
    pub fn on(&self, job: &str) -> String {
        let outcome = self.filter.outcome().map(|outcome| ("outcome", outcome.as_str().to_owned()));
        let code = self.filter.code().map(|code| ("code", code.to_owned()));
        let mut pairs: Vec<_> = outcome.into_iter().chain(code).collect();
        self.list.print_into(&mut pairs);
        format!("{}{}", paths::drain_items(job, None), params::print(&pairs))
    }
}

/// Entries of a drain.
#[component]
pub fn OutboxItemsPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    let params = Params::here();
    loaded(async move {
        let query = ItemsQuery::parse(&params)?;
        let Console { service, cx, .. } = console();
        let job = service.drain_job(&cx, &id).await?.row;
        let page = match job.rolled {
            // There is nothing to list, and the page says where it is.
            Some(_) => Page { rows: Vec::new(), next: None, previous: None, total: Total::Exact(0) },
            None => service.drain_job_items(&cx, &id, &query.filter, &query.list.position, query.list.rows).await?,
        };
        let mut crumbs = crumbs();
        crumbs.push((job.id.clone(), paths::drain_job(&job.id)));
        Ok(view! {
            <Frame title="Entries of a drain" section=Section::Outbox crumbs as_of=Some(cx.now)><ItemsView query job page now=cx.now/></Frame>
        })
    })
}

/// The page inside its frame.
#[component]
pub fn ItemsView(
    /// State of the URL.
    query: ItemsQuery,
    /// The job.
    job: DrainJobRow,
    /// The page.
    page: Page<DrainItemRow>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let title = format!("Entries of {}", job.id);
    let code = query.filter.code().map(|code| {
        let all = ItemsQuery { filter: query.filter.outcome().map(ItemFilter::of).unwrap_or_default(), ..ItemsQuery::default() };
        let all = all.on(&job.id);
        view! { <p>"Only those with the code " <span class="mono">{code.to_owned()}</span> ". " <a href=all>"See every code"</a></p> }
    });
    let exports = job.rolled.is_none().then(|| exports(&query, &job));
    let body = if let Some(rolled) = &job.rolled {
        let text = format!("{}: {}.", job.id, rolled.words());
        view! { <Empty reason=Reason::NoneYet title="The entries are in a file" text/> }.into_any()
    } else if page.rows.is_empty() {
        nothing(&query, &job)
    } else {
        view! { <Rows query=query.clone() job=job.clone() page now/> }.into_any()
    };
    view! {
        <div class="page-head">
            <div><h1>{title}</h1><p><a href=paths::drain_job(&job.id)>{words::title(job.action, job.tally.all())}</a></p>{code}</div>
            <div class="page-actions">
                <Segmented label="Entries by outcome" segments=segments(&query, &job)/>
                {exports}
            </div>
        </div>
        <section class="panel" aria-label="Entries of the drain">{body}</section>
    }
    .into_any()
}

/// Links to the whole list as a file.
fn exports(query: &ItemsQuery, job: &DrainJobRow) -> AnyView {
    let export = |kind: &str| paths::drain_export(&job.id, &query.filter, kind);
    view! {
        <a class="btn" href=export("csv") download="" title="All entries of this outcome as CSV"><Icon name=IconName::Download/>"CSV"</a>
        <a class="btn" href=export("ndjson") download="" title="All entries of this outcome, one JSON object a line">"NDJSON"</a>
    }
    .into_any()
}

fn tallied(job: &DrainJobRow, outcome: ItemOutcome) -> u64 {
    let tally = &job.tally;
    match outcome {
        ItemOutcome::Waiting => tally.waiting,
        ItemOutcome::Sent => tally.sent + tally.asleep,
        ItemOutcome::Ok => tally.ok,
        ItemOutcome::Skipped => tally.skipped,
        ItemOutcome::Failed => tally.failed,
    }
}

fn segments(query: &ItemsQuery, job: &DrainJobRow) -> Vec<Segment> {
    let segment = |label: String, outcome: Option<ItemOutcome>| Segment {
        label,
        href: ItemsQuery {
            filter: outcome.map(ItemFilter::of).unwrap_or_default(),
            list: query.list.with_position(Position::Start),
        }
        .on(&job.id),
        current: query.filter.outcome() == outcome,
    };
    let all = segment(format!("All {}", count(job.tally.all())), None);
    let some = |outcome: &ItemOutcome| tallied(job, *outcome) > 0 || query.filter.outcome() == Some(*outcome);
    let each = ItemOutcome::ALL
        .into_iter()
        .filter(some)
        .map(|outcome| segment(format!("{} {}", look(outcome).0, count(tallied(job, outcome))), Some(outcome)));
    [all].into_iter().chain(each).collect()
}

const fn look(outcome: ItemOutcome) -> (&'static str, Tone, Sign) {
    match outcome {
        ItemOutcome::Waiting => ("Not started", Tone::Idle, Sign::Unknown),
        ItemOutcome::Sent => ("On its way", Tone::Run, Sign::CatchingUp),
        ItemOutcome::Ok => ("Done", Tone::Good, Sign::Converged),
        ItemOutcome::Skipped => ("Left alone", Tone::Idle, Sign::Held),
        ItemOutcome::Failed => ("Failed", Tone::Act, Sign::Stuck),
    }
}

#[component]
fn Rows(query: ItemsQuery, job: DrainJobRow, page: Page<DrainItemRow>, now: Millis) -> impl IntoView {
    let link = |position: Position| ItemsQuery { list: query.list.with_position(position), ..query.clone() }.on(&job.id);
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = range_words(&page, &query.list.position);
    let columns = ["Entry", "Record", "Outcome", "Device", "Why", "Since"].map(Column::text).into();
    view! {
        <Table caption="Entries of the drain" columns class="items">
            {page.rows.into_iter().map(|row| view! { <Row row now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next keys=true/>
    }
    .into_any()
}

#[component]
fn Row(row: DrainItemRow, now: Millis) -> impl IntoView {
    let (word, tone, sign) = look(row.outcome);
    let record = match row.record {
        Some((collection, id)) => view! { <span class="mono break">{collection} "/" {id}</span> }.into_any(),
        None => view! { <span class="faint">"only on the device"</span> }.into_any(),
    };
    let why = match (row.code, row.detail) {
        (Some(code), detail) => {
            view! { <span class="mono">{code}</span>{detail.map(|detail| view! { <small>{detail}</small> })} }.into_any()
        }
        (None, Some(detail)) => detail.into_any(),
        (None, None) => view! { <span class="faint">"none"</span> }.into_any(),
    };
    view! {
        <tr role="row" id=format!("item-{}-{}", row.client_id, row.operation_id)>
            <th role="rowheader" scope="row"><Id id=row.operation_id.clone() href=Some(paths::outbox_entry(&row.client_id, &row.operation_id))/></th>
            <td role="cell" data-label="Record">{record}</td>
            <td role="cell" data-label="Outcome"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{word}</b></span></td>
            <td role="cell" data-label="Device"><a href=paths::device_outbox(&row.client_id)>{row.device_name}</a></td>
            <td role="cell" data-label="Why">{why}</td>
            <td role="cell" data-label="Since" class="nowrap">{row.at.map_or_else(|| view! { <span class="faint">"not yet"</span> }.into_any(), |at| view! { <When at now/> }.into_any())}</td>
        </tr>
    }
    .into_any()
}

fn nothing(query: &ItemsQuery, job: &DrainJobRow) -> AnyView {
    let all = ItemsQuery::default().on(&job.id);
    let (reason, title) = match query.filter.outcome() {
        _ if query.filter.code().is_some() => (Reason::NoMatch, "No entry has this code"),
        Some(ItemOutcome::Failed) => (Reason::Healthy, "Nothing failed"),
        Some(ItemOutcome::Waiting) => (Reason::Healthy, "Everything has begun"),
        _ => (Reason::NoMatch, "No entry has this outcome"),
    };
    view! { <Empty reason title text="The other entries of the drain have another outcome." action=move || view! { <a class="btn btn-small" href=all>"See all entries"</a> }/> }
        .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_as_it_was_printed() {
        for outcome in ItemOutcome::ALL.into_iter().map(Some).chain([None]) {
            let filter = outcome.map(ItemFilter::of).unwrap_or_default();
            let state = ItemsQuery { filter, list: ListState { position: Position::After("k".into()), ..ListState::default() } };
            let address = state.on("J7");
            let (path, query) = address.split_once('?').expect("a position makes a query");
            assert_eq!(path, "/outbox/jobs/J7/items");
            assert_eq!(ItemsQuery::parse(&Params::parse(query)), Ok(state));
        }
        let filter = ItemFilter::new(Some(ItemOutcome::Failed), Some("guard_failed".to_owned())).expect("they go together");
        let state = ItemsQuery { filter, ..ItemsQuery::default() };
        let address = state.on("J7");
        assert_eq!(address, "/outbox/jobs/J7/items?outcome=failed&code=guard_failed");
        assert_eq!(ItemsQuery::parse(&Params::parse("outcome=failed&code=guard_failed")), Ok(state));
        assert_eq!(ItemsQuery::parse(&Params::parse("code=guard_failed")).expect_err("of which outcome").field, "code");
        assert_eq!(ItemsQuery::parse(&Params::parse("outcome=lost")).expect_err("unknown").field, "outcome");
    }
}
