//! The states of the as-of stamp, and the keys.

use leptos::prelude::*;

use crate::ui::{Icon, IconName, Panel};

/// States of the stamp.
#[component]
pub fn LivePanel() -> impl IntoView {
    view! {
        <Panel id="l-live" title="Is this page up to date?" note="on every page with figures, top right; times are UTC">
            <div class="panel-body legend-stamps">
                <Stamp state="live" word="Live" at="14:32:07" note="" icon=IconName::Pause text="Changes show within two seconds."/>
                <Stamp state="paused" word="Paused" at="14:31:20" note=" · 12 updates held" icon=IconName::Play text="You stopped it, or something is selected or open. Nothing moves until it ends."/>
                <Stamp state="stale" word="Stale" at="14:29:40" note=" · reconnecting, try 3" icon=IconName::Retry text="The stream broke. What you see is old."/>
            </div>
        </Panel>
    }
}

#[component]
fn Stamp(
    state: &'static str,
    word: &'static str,
    at: &'static str,
    note: &'static str,
    icon: IconName,
    text: &'static str,
) -> impl IntoView {
    view! {
        <div>
            <div class="asof" data-state=state>
                <span class="dot"></span><span><b>{word}</b> " as of " {at} <span class="wide-only">{note}</span></span><span class="asof-sign"><Icon name=icon/></span>
            </div>
            <p>{text}</p>
        </div>
    }
}

/// Every key.
#[component]
pub fn KeysPanel() -> impl IntoView {
    let keys = [
        (&["Ctrl K", "⌘ K"][..], "find a device, an operation or a page"),
        (&["/"], "go to the filter"),
        (&["j", "k"], "next and previous row"),
        (&["x"], "select the row"),
        (&["Enter"], "open the row"),
        (&["Esc"], "close the top layer"),
        (&["?"], "this page"),
    ];
    let line = |(names, means): (&'static [&'static str], &'static str)| {
        view! {
            <li>{names.iter().map(|name| view! { <kbd>{*name}</kbd> " " }).collect_view()} <span>{means}</span></li>
        }
    };
    view! { <Panel id="l-keys" title="Keys"><div class="panel-body"><ul class="keys">{keys.into_iter().map(line).collect_view()}</ul></div></Panel> }
}
