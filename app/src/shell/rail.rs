//! The rail: the pages that exist, the size of the fleet, and this console's own state at the foot.

use leptos::prelude::*;
use tidewatch_domain::fleet::{ConsoleFacts, FleetCounts, Tone};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;

use super::Section;
use crate::context::{Console, console};
use crate::format::{count, counted, integer, span};
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::ui::tag::Dot;

/// A link of the rail.
pub(super) struct Link {
    /// Which page it marks.
    pub(super) section: Section,
    /// Label.
    pub(super) label: &'static str,
    /// Address.
    pub(super) href: &'static str,
    /// Icon.
    pub(super) icon: IconName,
}

/// The groups of the rail. A page that does not exist is not in it.
pub(super) const GROUPS: [(&str, &[Link]); 3] = [
    (
        "Fleet",
        &[
            Link { section: Section::Overview, label: "Overview", href: paths::OVERVIEW, icon: IconName::Overview },
            Link { section: Section::Devices, label: "Devices", href: paths::DEVICES, icon: IconName::Devices },
        ],
    ),
    ("Work", &[Link { section: Section::Outbox, label: "Outbox", href: paths::OUTBOX, icon: IconName::Outbox }]),
    (
        "Record",
        &[
            Link { section: Section::Changes, label: "Changes", href: paths::CHANGES, icon: IconName::Changes },
            Link { section: Section::Audit, label: "Audit", href: paths::AUDIT, icon: IconName::Audit },
        ],
    ),
];

/// Brand, links, foot.
#[component]
pub fn Rail(
    /// Which link is current.
    section: Section,
) -> impl IntoView {
    view! {
        <nav class="rail" aria-label="Main">
            <div class="rail-inner">
                <a class="rail-brand" href=paths::OVERVIEW><Mark/><span>"Tidewatch"</span></a>
                <div class="rail-state" id="rail-fleet" data-live="">{Suspend::new(async move { fleet_state(console()).await })}</div>
                {GROUPS.iter().map(|(name, links)| view! { <Group name links section/> }).collect_view()}
                <div class="rail-foot">
                    <a class="rail-help" href=paths::LEGEND aria-current=(section == Section::Legend).then_some("page")>
                        <span>"Legend"</span><kbd class="js-only">"?"</kbd>
                    </a>
                    <div id="rail-console" data-live="">{Suspend::new(async move { console_state(console()).await })}</div>
                </div>
            </div>
        </nav>
    }
    .into_any()
}

#[component]
fn Group(name: &'static str, links: &'static [Link], section: Section) -> impl IntoView {
    view! {
        <div class="rail-group" role="group" aria-label=name>
            <span class="rail-label" aria-hidden="true">{name}</span>
            {links
                .iter()
                .map(|link| {
                    let current = (link.section == section).then_some("page");
                    let badge = (link.section == Section::Outbox)
                        .then(|| view! { <b class="rail-mark" id="rail-outbox" data-live="">{Suspend::new(async move { groups_badge(console()).await })}</b> });
                    view! { <a class="rail-link" href=link.href aria-current=current data-tab=""><Icon name=link.icon/><span>{link.label}</span>{badge}</a> }
                })
                .collect_view()}
        </div>
    }
    .into_any()
}

/// How many groups of failures need a person; nothing when none does.
async fn groups_badge(console: Console) -> AnyView {
    match console.service.outbox_groups_act(&console.cx).await {
        Ok(groups @ 1..) => view! { <GroupsBadge groups/> }.into_any(),
        _ => ().into_any(),
    }
}

#[component]
pub(crate) fn GroupsBadge(groups: u64) -> impl IntoView {
    let shown = if groups >= 100 { "99+".to_owned() } else { groups.to_string() };
    let (title, words) = (counted(groups, "group needs a person", "groups need a person"), ", need a person");
    view! { <b class="rail-badge" data-tone="act" title=title>{shown}<span class="sr-only">{words}</span></b> }
}

async fn fleet_state(console: Console) -> AnyView {
    match console.service.fleet_counts(&console.cx).await {
        Ok(counts) => view! { <FleetState counts/> }.into_any(),
        Err(_) => ().into_any(),
    }
}

#[component]
fn FleetState(counts: FleetCounts) -> impl IntoView {
    let note = match (counts.devices, counts.simulated) {
        (0, _) => "no devices yet".to_owned(),
        (_, 0) => "in this store".to_owned(),
        (all, simulated) if all == simulated => "all simulated".to_owned(),
        (_, simulated) => format!("{} simulated", count(simulated)),
    };
    view! {
        <a class="rail-env" href=paths::DEVICES>
            <span><b>{counted(counts.devices, "device", "devices")}</b><small>{note}</small></span>
            <Icon name=IconName::Right/>
        </a>
    }
    .into_any()
}

async fn console_state(console: Console) -> AnyView {
    if console.cx.require(Action::Look).is_err() {
        return ().into_any();
    }
    match console.service.console_facts().await {
        Ok(facts) => view! { <ConsoleState facts now=console.cx.now/> }.into_any(),
        Err(_) => ().into_any(),
    }
}

#[component]
fn ConsoleState(facts: ConsoleFacts, now: Millis) -> impl IntoView {
    view! {
        <a class="replica" href=format!("{}#console", paths::OVERVIEW)>
            <b><Dot tone=Tone::Good/>{role_word(facts.role)}</b>
            <span>"log at seq " {integer(facts.head.0)}</span>
            <span>"up for " {span(now.since(facts.started))}</span>
        </a>
    }
    .into_any()
}

/// Role of the console, sentence case.
pub(crate) fn role_word(role: &str) -> String {
    let mut letters = role.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The mark.
#[component]
pub fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
            <path d="M3.6 13.2c2.1-1.9 4.2-1.9 6.3-.2s4.2 1.7 6.3.1c1.4-1.1 2.8-1.4 4.2-.8A8.4 8.4 0 0 1 3.6 13.2z" fill="currentColor"></path>
            <circle cx="12" cy="12" r="9.6" fill="none" stroke="currentColor" stroke-width="1.8"></circle>
            <path d="M12 5.4V9" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"></path>
        </svg>
    }
    .into_any()
}
