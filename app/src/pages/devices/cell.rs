//! Cells of the device table, one function a column. What was not reported says so; what is old is boxed as last known; neither
//! is ever zero.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Contact, DeviceRow, Tone};
use tidewatch_domain::time::{DAY_MS, Millis};

use super::query::Column;
use super::words;
use crate::format::{Ago, ago, decimal, integer, span};
use crate::icon::Icon;
use crate::paths;
use crate::ui::status::contact_tone;
use crate::ui::{Id, Rhythm, Spark, Status};

/// Below this charge a battery is shown as a warning, percent.
const BATTERY_LOW: f64 = 20.0;
/// Below this score a device is shown as a warning.
const SCORE_LOW: f64 = 60.0;

/// One cell of the table, with its role and its label for the card form.
pub(super) fn cell(column: Column, row: &DeviceRow, now: Millis) -> AnyView {
    match column {
        Column::Device => name_cell(row),
        Column::Status => {
            let (note, note_tone) = words::status_note(row);
            view! { <td role="cell" class="cell-wide"><Status condition=row.condition note note_tone/></td> }.into_any()
        }
        Column::App => data(column, "mono", text_or_unknown(row.app_version.clone())),
        Column::Id => data(column, "mono", view! { <Id id=row.client_id.to_string()/> }.into_any()),
        _ => data(column, if column.is_number() { "num" } else { "" }, content(column, row, now)),
    }
}

fn data(column: Column, class: &'static str, content: AnyView) -> AnyView {
    view! { <td role="cell" class=class data-label=column.label()>{content}</td> }.into_any()
}

fn content(column: Column, row: &DeviceRow, now: Millis) -> AnyView {
    match column {
        Column::Platform => platform(row),
        Column::Contact => contact(row, now),
        Column::Queue => queue(row, now),
        Column::Oldest => oldest(row, now),
        Column::Drift => drift(row),
        Column::Battery => battery(row, now),
        Column::Score => score(row),
        Column::Conflicts => count_of(row.conflicts),
        Column::Behind => row.behind.map_or_else(unknown, count_of),
        Column::Status | Column::Device | Column::App | Column::Id => ().into_any(),
    }
}

fn name_cell(row: &DeviceRow) -> AnyView {
    view! {
        <th role="rowheader" scope="row">
            <a href=paths::device(&row.client_id)>{row.name.clone()}</a>
            <small>{row.principal.clone()}</small>
        </th>
    }
    .into_any()
}

fn platform(row: &DeviceRow) -> AnyView {
    let Some(platform) = row.platform.as_deref() else { return unknown() };
    let version = row.os_version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    view! { <span class="flex"><Icon name=words::platform_icon(Some(platform))/>{format!("{}{version}", words::platform_name(platform))}</span> }.into_any()
}

fn contact(row: &DeviceRow, now: Millis) -> AnyView {
    let tone = contact_tone(row.contact);
    let rhythm = if row.contact == Contact::Never { Vec::new() } else { row.rhythm.clone() };
    let last = match row.last_contact {
        Some(at) => view! { <Ago at now/> }.into_any(),
        None => "never".into_any(),
    };
    let interval = row.interval_ms.map(|ms| format!(", {}", words::interval_words(ms)));
    view! {
        <Rhythm kept=rhythm tone=tone.unwrap_or(Tone::Watch)/>
        <small data-tone=tone.map(Tone::as_str)>{last}{interval}</small>
    }
    .into_any()
}

fn queue(row: &DeviceRow, now: Millis) -> AnyView {
    let Some(depth) = row.queue_depth else { return unknown() };
    if words::is_last_known(row.contact) {
        let title = row.last_contact.map(|at| format!("Last reported {}", ago(at, now)));
        return view! { <span class="unsure" title=title>{integer(depth)}</span><small>"last known"</small> }.into_any();
    }
    let note =
        (row.poisoned > 0).then(|| view! { <small data-tone="act">{format!("{} rejected", integer(row.poisoned))}</small> });
    view! { {figure(depth)} {note} }.into_any()
}

fn oldest(row: &DeviceRow, now: Millis) -> AnyView {
    match (row.oldest_pending, row.queue_depth) {
        (Some(at), _) => {
            view! { <time datetime=at.to_string() title=crate::format::exact(at)>{span(now.since(at))}</time> }.into_any()
        }
        (None, Some(0)) => view! { <span class="faint">"none"</span> }.into_any(),
        (None, _) => unknown(),
    }
}

fn drift(row: &DeviceRow) -> AnyView {
    let Some(ms) = row.drift_age_ms else { return unknown() };
    let cause = row.drift_cause.map(|cause| view! { <small>{words::cause_short(cause)}</small> });
    let age = if ms == 0 { view! { <span class="faint">"none"</span> }.into_any() } else { span(ms).into_any() };
    view! { {age} {cause} }.into_any()
}

fn battery(row: &DeviceRow, now: Millis) -> AnyView {
    let Some(percent) = row.battery_percent else {
        return match row.platform.as_deref() {
            Some("windows" | "macos" | "linux" | "web") => {
                view! { <span class="faint" title="Not supported: this platform reports no battery">"—"</span> }.into_any()
            }
            _ => unknown(),
        };
    };
    let old = words::is_last_known(row.contact) && row.last_contact.is_none_or(|at| now.since(at) > DAY_MS);
    let tone = (percent < BATTERY_LOW).then_some(Tone::Watch);
    let values: Vec<Option<f64>> = row.battery_trend.iter().copied().map(Some).collect();
    let figure = format!("{}%", decimal(percent, 0));
    view! {
        <span class="flex batt">
            {(values.len() > 1).then(|| view! { <Spark values tone width=56 height=18/> })}
            <span class=if old { "num unsure" } else { "num" }>{figure}</span>
        </span>
    }
    .into_any()
}

fn score(row: &DeviceRow) -> AnyView {
    let coverage = decimal(row.score.coverage * 100.0, 0);
    match row.score.value {
        Some(value) => {
            let tone = (value < SCORE_LOW).then_some("watch");
            view! { <span class="tone" data-tone=tone title=format!("from {coverage} % of its inputs")>{decimal(value, 0)}</span> }.into_any()
        }
        None => {
            view! { <span class="unsure" title=format!("Not enough data: {coverage} % of the inputs reported")>"unknown"</span> }
                .into_any()
        }
    }
}

/// A count; zero stands back, because it asks for nothing.
fn count_of(value: i64) -> AnyView {
    figure(value)
}

fn figure(value: i64) -> AnyView {
    if value == 0 { view! { <span class="faint">"0"</span> }.into_any() } else { integer(value).into_any() }
}

fn text_or_unknown(text: Option<String>) -> AnyView {
    text.map_or_else(unknown, IntoAny::into_any)
}

fn unknown() -> AnyView {
    view! { <span class="unsure" title="Not reported">"unknown"</span> }.into_any()
}
