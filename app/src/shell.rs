//! The document and the frame of every page: head, rail, top bar, islands.
//!
//! No inline script and no inline style: what runs comes from our own origin under a hashed name.

pub mod rail;
pub mod topbar;

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};
use tidewatch_domain::time::Millis;
use tidewatch_service::Actor;

use crate::context::{Console, console};
use crate::error::FormFailure;
use crate::icon::SPRITE;
use crate::pages::audit::AuditPage;
use crate::pages::changes::ChangesPage;
use crate::pages::command::CommandPage;
use crate::pages::device::{DeviceCommandsPage, DeviceMetricsPage, DeviceOutboxPage, DevicePage};
use crate::pages::devices::DevicesPage;
use crate::pages::outbox::collections::OutboxCollectionsPage;
use crate::pages::outbox::devices::OutboxDevicesPage;
use crate::pages::outbox::drain::DrainSetPage;
use crate::pages::outbox::drain::members::DrainMembersPage;
use crate::pages::outbox::drain::patch::DrainPatchPage;
use crate::pages::outbox::entries::OutboxEntriesPage;
use crate::pages::outbox::entry::OutboxEntryPage;
use crate::pages::outbox::group::OutboxGroupPage;
use crate::pages::outbox::groups::OutboxPage;
use crate::pages::outbox::job::OutboxJobPage;
use crate::pages::outbox::job::items::OutboxItemsPage;
use crate::pages::outbox::jobs::OutboxJobsPage;
use crate::pages::outbox::purges::OutboxPurgesPage;
use crate::pages::trace::{OperationsPage, TracePage};
use crate::pages::{
    legend::LegendPage, not_found::NotFoundPage, overview::OverviewPage, palette::PalettePage, sign_in::SignInPage,
};
pub use rail::Mark;
use rail::Rail;
use topbar::Topbar;

/// Fonts that the first paint needs, by logical name.
const FONTS_FIRST: [&str; 2] = ["fonts/inter-latin.woff2", "fonts/jetbrains-mono-latin.woff2"];

/// What the rail marks as current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// Overview.
    Overview,
    /// Devices and one device.
    Devices,
    /// Outbox, its groups and entries.
    Outbox,
    /// Changes and traces.
    Changes,
    /// Audit.
    Audit,
    /// Legend.
    Legend,
    /// A page outside the rail.
    None,
}

/// The whole document.
#[must_use]
pub fn shell() -> impl IntoView {
    document(|| view! { <App/> }.into_any())
}

/// The document of a form that could not be answered.
#[must_use]
pub fn shell_failed(failure: FormFailure) -> impl IntoView {
    document(|| {
        provide_meta_context();
        failure.page()
    })
}

fn document(body: impl FnOnce() -> AnyView) -> impl IntoView {
    if let Some(shared) = Owner::current_shared_context() {
        // Only islands hydrate: without this every page would carry its server data a second time.
        shared.set_is_hydrating(false);
    }
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <Head/>
                <MetaTags/>
            </head>
            <body>
                <svg class="sprite" width="0" height="0" aria-hidden="true"><defs inner_html=SPRITE></defs></svg>
                {body()}
            </body>
        </html>
    }
}

/// Links and scripts; a file the site was built without is left out.
#[component]
fn Head() -> impl IntoView {
    let assets = use_context::<Console>().map(|console| console.assets).unwrap_or_default();
    view! {
        {assets.url("favicon.svg").map(|href| view! { <link rel="icon" r#type="image/svg+xml" href=href/> })}
        {assets.url("main.css").map(|href| view! { <link rel="stylesheet" href=href/> })}
        {assets.url("theme.js").map(|src| view! { <script src=src></script> })}
        {FONTS_FIRST.into_iter().filter_map(|font| assets.url(font)).map(|href| view! { <link rel="preload" href=href r#as="font" r#type="font/woff2" crossorigin="anonymous"/> }).collect_view()}
        {assets.url("main.js").map(|src| view! { <script type="module" src=src></script> })}
    }
}

/// Styles that lists of devices, changes and the audit do without, so that a visit that begins there stays light. A style sheet may stand
/// in the body: what follows it waits for it.
#[component]
pub fn WorkStyles() -> impl IntoView {
    console().assets.url("work.css").map(|href| view! { <link rel="stylesheet" href=href/> })
}

/// Every route of the console.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async/>
                <Route path=path!("/devices") view=DevicesPage ssr=SsrMode::Async/>
                <Route path=path!("/devices/:id") view=DevicePage ssr=SsrMode::Async/>
                <Route path=path!("/devices/:id/outbox") view=DeviceOutboxPage ssr=SsrMode::Async/>
                <Route path=path!("/devices/:id/commands") view=DeviceCommandsPage ssr=SsrMode::Async/>
                <Route path=path!("/devices/:id/metrics") view=DeviceMetricsPage ssr=SsrMode::Async/>
                <Route path=path!("/commands/:id") view=CommandPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox") view=OutboxPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/collections") view=OutboxCollectionsPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/devices") view=OutboxDevicesPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/entries") view=OutboxEntriesPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/entries/:device/:operation") view=OutboxEntryPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/groups/:id") view=OutboxGroupPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/drain/patch") view=DrainPatchPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/drain/:set") view=DrainSetPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/drain/:set/items") view=DrainMembersPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/jobs") view=OutboxJobsPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/jobs/:id") view=OutboxJobPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/jobs/:id/items") view=OutboxItemsPage ssr=SsrMode::Async/>
                <Route path=path!("/outbox/purges") view=OutboxPurgesPage ssr=SsrMode::Async/>
                <Route path=path!("/log") view=ChangesPage ssr=SsrMode::Async/>
                <Route path=path!("/operations") view=OperationsPage ssr=SsrMode::Async/>
                <Route path=path!("/operations/:id") view=TracePage ssr=SsrMode::Async/>
                <Route path=path!("/audit") view=AuditPage ssr=SsrMode::Async/>
                <Route path=path!("/legend") view=LegendPage ssr=SsrMode::Async/>
                <Route path=path!("/palette") view=PalettePage ssr=SsrMode::Async/>
                <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}

/// The frame around a page of somebody signed in. Nobody signed in gets the page alone.
#[component]
pub fn Frame(
    /// Title of the document and last crumb.
    #[prop(into)]
    title: String,
    /// Current link of the rail.
    section: Section,
    /// Crumbs before the last: label and address.
    #[prop(optional)]
    crumbs: Vec<(String, String)>,
    /// When the page's figures were computed; a page without live figures has none.
    #[prop(optional_no_strip)]
    as_of: Option<Millis>,
    /// The page.
    children: Children,
) -> impl IntoView {
    let signed_in = !matches!(console().cx.actor, Actor::Anonymous);
    let page =
        view! { <main class="page" id="content" tabindex="-1" data-live=as_of.is_some().then_some("")>{children()}</main> }
            .into_any();
    let body = if signed_in {
        view! {
            <a class="skip" href="#content">"Skip to content"</a>
            <div class="app">
                {view! { <Rail section/> }.into_any()}
                <div class="main">
                    {view! { <Topbar title=title.clone() crumbs as_of/> }.into_any()}
                    {page}
                </div>
            </div>
        }
        .into_any()
    } else {
        view! { <div class="main">{page}</div> }.into_any()
    };
    let light = matches!(section, Section::Devices | Section::Changes | Section::Audit);
    let styles = (!light).then(|| view! { <WorkStyles/> });
    view! { <Title text=format!("{title} · Tidewatch")/> {styles} {body} }.into_any()
}
