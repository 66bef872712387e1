//! Head of a device's pages: name, id, the status in one sentence, the four gates of its drift, and the tabs.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceView, Tone};

use super::Tab;
use crate::format::span;
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
) -> impl IntoView {
    let drift = view.drift.clone();
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
    let lead = format!("{}, {}.", row.condition.label(), words::contact_words(&row));
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
                <p class="lede" data-tone=tone.as_str()><Glyph sign=row.condition/><span><b>{lead}</b> " " {view.sentence}</span></p>
            </div>
        </div>
    }
    .into_any()
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
        one("Metrics", None, None, paths::device_metrics(id), Tab::Metrics),
    ]
}
