//! Head of a device's pages: name, id, the status in one sentence, the four gates of its drift, and the tabs.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceView, Drift, Tone};
use tidewatch_domain::time::Millis;

use super::Tab;
use crate::format::{span, when};
use crate::icon::Icon;
use crate::pages::devices::words;
use crate::paths;
use crate::ui::status::condition_tone;
use crate::ui::{Glyph, Id, Panel, Sluice, Tag, ViewTab, Views};

/// Everything above the tab's own content.
#[component]
pub fn DeviceHead(
    /// The device.
    view: DeviceView,
    /// The tab that is shown.
    tab: Tab,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let drift = worded(view.drift.clone(), now);
    let title = match drift.age_ms {
        Some(0) => "No drift".to_owned(),
        Some(ms) => format!("Drift age {}", span(ms)),
        None => "Drift age not known".to_owned(),
    };
    view! {
        <Title view=view.clone()/>
        <Panel id="h-drift" title note="how long, and at which of the four gates the water stops" plain=true>
            <div class="panel-body"><Sluice drift/></div>
        </Panel>
        <Views label="Device sections" tabs=tabs(&view, tab)/>
    }
    .into_any()
}

#[component]
fn Title(view: DeviceView) -> impl IntoView {
    let row = view.row;
    let tone = condition_tone(row.condition);
    let (lead, rest) = lead(&view.sentence);
    view! {
        <div class="page-head">
            <div>
                <h1 class="flex wrap">
                    <Icon name=words::platform_icon(row.platform.as_deref())/>
                    {row.name.clone()}
                    <Id id=row.client_id.to_string()/>
                    {row.simulated.then(|| view! { <Tag tone=Tone::Idle text="Simulated"/> })}
                    {view.blocked.then(|| view! { <Tag tone=Tone::Act text="Blocked"/> })}
                </h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign=row.condition/><span><b>{lead}</b> " " {rest}</span></p>
            </div>
        </div>
    }
    .into_any()
}

/// The first sentence, which carries the verdict, and the rest.
fn lead(text: &str) -> (String, String) {
    match text.split_once(". ") {
        Some((lead, rest)) => (format!("{lead}."), rest.to_owned()),
        None => (text.to_owned(), String::new()),
    }
}

/// The notes of the gates with their instants as a person reads them.
fn worded(mut drift: Drift, now: Millis) -> Drift {
    for gate in &mut drift.gates {
        gate.note = gate.note.split(' ').map(|word| instant_worded(word, now)).collect::<Vec<_>>().join(" ");
    }
    drift
}

/// A word that is an instant, with what is glued behind it, as a time of day or a date; any other word as it is.
fn instant_worded(word: &str, now: Millis) -> String {
    let instant = word.trim_end_matches([',', '.', ';']);
    match Millis::parse_rfc3339(instant) {
        Some(at) => format!("{}{}", when(at, now), &word[instant.len()..]),
        None => word.to_owned(),
    }
}

fn tabs(view: &DeviceView, tab: Tab) -> Vec<ViewTab> {
    let id = &view.row.client_id;
    let depth = view.row.queue_depth.and_then(|depth| u64::try_from(depth).ok());
    let act = (view.row.poisoned > 0).then_some(Tone::Act);
    let one = |label: &str, count: Option<u64>, tone: Option<Tone>, href: String, this: Tab| ViewTab {
        label: label.to_owned(),
        count,
        tone,
        href,
        current: this == tab,
    };
    vec![
        one("Timeline", None, None, paths::device(id), Tab::Timeline),
        one("Outbox", depth, act, paths::device_outbox(id), Tab::Outbox),
        one("Commands", None, None, paths::device_commands(id), Tab::Commands),
        one("Metrics", None, None, paths::device_metrics(id), Tab::Metrics),
    ]
}
