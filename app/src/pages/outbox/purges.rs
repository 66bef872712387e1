//! Purges: how long what was given up is kept, what is due, and the runs that wrote it to a file and removed it. Newest first.

use leptos::prelude::*;
use tidewatch_domain::drain::{ItemRetention, PurgeRun, PurgeState, Retention};
use tidewatch_domain::fleet::Tone;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Position};
use tidewatch_domain::time::Millis;
use tidewatch_service::drain::PurgeReport;

use crate::context::{Console, console};
use crate::format::{When, count, counted, span, when};
use crate::pages::loaded;
use crate::pages::may::who;
use crate::pages::params::{ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Id, Pager, Panel, Sign, Table};

/// Retention and its runs.
#[component]
pub fn OutboxPurgesPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        let Console { service, cx, .. } = console();
        let before = match &query.position {
            Position::After(id) => Some(id.as_str()),
            Position::Start | Position::Before(_) => None,
        };
        let rows = query.rows.clamp(1, PAGE_ROWS_MAX);
        // One more than is shown says whether there are more.
        let report = service.purge_report(&cx, before, rows + 1).await?;
        Ok(view! {
            <Frame title="Purges" section=Section::Outbox crumbs=super::drain::crumbs() as_of=Some(cx.now)><PurgesView query report now=cx.now/></Frame>
        })
    })
}

/// The page inside its frame.
#[component]
pub fn PurgesView(
    /// State of the URL.
    query: ListState,
    /// Retention, what is due, and a run more than the page shows when there are more.
    report: PurgeReport,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let PurgeReport { retention, items, due, mut runs } = report;
    let more = runs.len() > query.rows as usize;
    runs.truncate(query.rows as usize);
    let body = match (runs.is_empty(), &query.position) {
        (false, _) => view! { <Runs query runs more now/> }.into_any(),
        (true, Position::Start) => view! {
            <Empty reason=Reason::NoneYet title="Nothing has been purged yet" text="A run starts when the payload of something that was given up has been kept for as long as retention says. It is then here, with its file."/>
        }
        .into_any(),
        (true, _) => view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="There are no runs before this one."
                action=|| view! { <a class="btn btn-small" href=paths::OUTBOX_PURGES>"Go to the newest"</a> }/>
        }
        .into_any(),
    };
    view! {
        <div class="page-head"><div><h1>"Purges"</h1><p>{sentence(retention)} " " {items_sentence(items)}</p></div></div>
        <Panel id="h-purges" title="Runs" note=due_words(due)>{body}</Panel>
    }
    .into_any()
}

fn kept(days: Option<u32>) -> String {
    days.map_or_else(|| "for ever".to_owned(), |days| format!("for {}", counted(days.into(), "day", "days")))
}

/// The same of the entries of drains that are over.
fn items_sentence(items: ItemRetention) -> String {
    let then = if items.days.is_some() { " after its end, then moved to a file" } else { "" };
    format!("What became of each entry of a drain is kept {}{then}; the drain itself stays.", kept(items.days))
}

/// What is kept how long, and what comes then.
fn sentence(retention: Retention) -> String {
    format!(
        "The payload of a discarded entry is kept {}, that of a quarantined one {}. Then it is written to a file, which is read back, and removed here.",
        kept(retention.discarded),
        kept(retention.quarantined)
    )
}

fn due_words(due: u64) -> String {
    match due {
        0 => "nothing is due now".to_owned(),
        1 => "1 payload is due, and goes within minutes".to_owned(),
        n => format!("{} payloads are due, and go within minutes", count(n)),
    }
}

#[component]
fn Runs(query: ListState, runs: Vec<PurgeRun>, more: bool, now: Millis) -> impl IntoView {
    let link = |position: Position| format!("{}{}", paths::OUTBOX_PURGES, query.with_position(position).print());
    let next = runs.last().filter(|_| more).map(|run| link(Position::After(run.id.clone())));
    let newest = (query.position != Position::Start).then(|| link(Position::Start));
    let foot = format!("{}, newest first", counted(runs.len() as u64, "run", "runs"));
    let columns = vec![
        Column::text("Run"),
        Column::text("State"),
        Column::text("Began"),
        Column::text("Asked for by"),
        Column::text("Given up"),
        Column::number("Removed"),
        Column::text("File"),
    ];
    view! {
        <Table caption="Runs of the purge, newest first" columns class="purges">
            {runs.into_iter().map(|run| view! { <Run run now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous=newest next back="Newest" on="Older" keys=true/>
    }
    .into_any()
}

const fn look(state: PurgeState) -> (&'static str, Tone, Sign) {
    match state {
        PurgeState::Exporting => ("Writing its file", Tone::Run, Sign::CatchingUp),
        PurgeState::Removing => ("Removing", Tone::Run, Sign::CatchingUp),
        PurgeState::Done => ("Done", Tone::Good, Sign::Converged),
        PurgeState::Stopped => ("Stopped", Tone::Act, Sign::Stuck),
    }
}

#[component]
fn Run(run: PurgeRun, now: Millis) -> impl IntoView {
    let (word, tone, sign) = look(run.state);
    let audit = paths::audit(&format!("subject:\"purge:{}\"", run.id));
    let took = run.finished.map(|at| format!("took {}", span(at.since(run.created).max(0))));
    let (row, removed) = (format!("purge-{}", run.id), count(run.removed));
    let note = removed_note(&run);
    let asked = if run.actor == "system" { "the clock" } else { who(&run.actor) }.to_owned();
    let given_up = run.span.map_or_else(
        || view! { <span class="faint">"none"</span> }.into_any(),
        |(from, to)| view! { {when(from, now)} <small>"to " {when(to, now)}</small> }.into_any(),
    );
    view! {
        <tr role="row" id=row>
            <th role="rowheader" scope="row"><a class="mono" href=audit>{run.id.clone()}</a></th>
            <td role="cell" data-label="State"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{word}</b>{run.detail.clone().map(|detail| view! { <small>{detail}</small> })}</span></td>
            <td role="cell" data-label="Began" class="nowrap"><When at=run.created now/>{took.map(|took| view! { <small>{took}</small> })}</td>
            <td role="cell" data-label="Asked for by">{asked}{run.reason.clone().map(|reason| view! { <small>{format!("“{reason}”")}</small> })}</td>
            <td role="cell" data-label="Given up" class="nowrap">{given_up}</td>
            <td role="cell" data-label="Removed" class="num">{removed}<small>{note}</small></td>
            <td role="cell" data-label="File"><FileOf run/></td>
        </tr>
    }
    .into_any()
}

/// Which payloads, out of how many in the file; what is not removed has changed by then and is kept.
fn removed_note(run: &PurgeRun) -> String {
    let what = match (run.retention.discarded, run.retention.quarantined) {
        (Some(_), None) => "discarded",
        (None, Some(_)) => "quarantined",
        _ => "discarded or quarantined",
    };
    let kept = run.entries.saturating_sub(run.removed);
    match (run.state, kept) {
        (PurgeState::Exporting | PurgeState::Removing, _) => format!("of {} {what}", count(run.entries)),
        (_, 0) => what.to_owned(),
        (_, kept) => format!("of {} {what}, {} kept", count(run.entries), count(kept)),
    }
}

/// Its file, under the folder of the store, and the hash of its rows.
#[component]
fn FileOf(run: PurgeRun) -> impl IntoView {
    let Some(file) = run.file else { return view! { <span class="faint">"not yet written"</span> }.into_any() };
    let hash = run.sha256.map(|hash| view! { <small>"SHA-256 " <Id id=hash/></small> });
    view! { <span class="mono break">{file}</span>{hash} }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::fixture::{NOW, html, part, text};
    use tidewatch_domain::time::{DAY_MS, MINUTE_MS};

    fn run(id: &str, state: PurgeState) -> PurgeRun {
        PurgeRun {
            id: id.into(),
            state,
            actor: "system".into(),
            reason: None,
            created: NOW.plus(-MINUTE_MS),
            finished: Some(NOW),
            entries: 8,
            removed: 7,
            file: Some(format!("purged/{id}-20260312T143100000Z.ndjson.zst")),
            sha256: Some("5be240cd9c41e07b".into()),
            span: Some((NOW.plus(-40 * DAY_MS), NOW.plus(-31 * DAY_MS))),
            detail: None,
            retention: Retention::default(),
        }
    }

    fn page(query: ListState, due: u64, runs: Vec<PurgeRun>) -> String {
        let report = PurgeReport { retention: Retention::default(), items: ItemRetention::default(), due, runs };
        html(move || view! { <PurgesView query report now=NOW/> })
    }

    #[test]
    fn a_run_says_when_by_whom_how_many_of_what_and_where_its_file_is() {
        let by_hand = PurgeRun {
            actor: "user:ada".into(),
            reason: Some("asked for by the customer".into()),
            ..run("P3", PurgeState::Done)
        };
        let stopped = PurgeRun { detail: Some("its file is not there".into()), ..run("P2", PurgeState::Stopped) };
        let page = page(ListState::default(), 2, vec![by_hand, stopped]);
        let row = part(&page, "id=\"purge-P3\"", "</tr>");
        for words in [
            "P3",
            "Done",
            "ada “asked for by the customer”",
            "7 of 8 discarded, 1 kept",
            "purged/P3-20260312T143100000Z.ndjson.zst",
        ] {
            assert!(text(row).contains(words), "{words}: {}", text(row));
        }
        assert!(row.contains("href=\"/audit?filter=subject:%22purge:P3%22\""), "{row}");
        let row = text(part(&page, "id=\"purge-P2\"", "</tr>"));
        assert!(row.contains("Stopped its file is not there") && row.contains("the clock"), "{row}");
        let read = text(&page);
        for words in [
            "of a discarded entry is kept for 30 days, that of a quarantined one for ever",
            "What became of each entry of a drain is kept for 90 days after its end, then moved to a file",
            "2 payloads are due",
            "2 runs, newest first",
        ] {
            assert!(read.contains(words), "{words}: {read}");
        }
    }

    #[test]
    fn a_page_leads_to_older_runs_when_there_are_more_and_back_to_the_newest() {
        let query = ListState { rows: 1, ..ListState::default() };
        let first = page(query.clone(), 0, vec![run("P3", PurgeState::Done), run("P2", PurgeState::Done)]);
        assert!(first.contains("after=P3") && !first.contains("purge-P2"), "{first}");
        let last = page(ListState { position: Position::After("P3".into()), ..query }, 0, vec![run("P2", PurgeState::Done)]);
        assert!(!last.contains("after=P2") && text(&last).contains("Newest"), "{last}");
    }

    #[test]
    fn where_nothing_was_purged_the_page_says_when_something_will_be() {
        let read = text(&page(ListState::default(), 0, Vec::new()));
        assert!(read.contains("Nothing has been purged yet") && read.contains("nothing is due now"), "{read}");
    }
}
