//! The top bar: crumbs, the way into the palette, the as-of stamp, theme, and who is signed in.

use leptos::prelude::*;
use server_fn::ServerFn;
use tidewatch_domain::time::Millis;
use tidewatch_service::Actor;

use super::rail::GROUPS;
use crate::actions::session::SignOut;
use crate::context::console;
use crate::format::clock;
use crate::icon::{Icon, IconName};
use crate::islands::live::LiveIndicator;
use crate::islands::palette::{Palette, PalettePlace};
use crate::paths;

/// Crumbs and controls.
#[component]
pub fn Topbar(
    /// Last crumb.
    title: String,
    /// Crumbs before it.
    crumbs: Vec<(String, String)>,
    /// When the page was computed.
    as_of: Option<Millis>,
) -> impl IntoView {
    view! {
        <header class="topbar">
            <Crumbs title crumbs/>
            <a class="searchbox wide-only" href=paths::PALETTE data-palette-open="">
                <Icon name=IconName::Search/><span class="truncate">"Find a device, op id or page"</span><kbd class="js-only">"Ctrl K"</kbd>
            </a>
            <a class="btn btn-icon narrow-only" href=paths::PALETTE data-palette-open="" aria-label="Find a device, op id or page"><Icon name=IconName::Search/></a>
            {as_of.map(|at| view! { <LiveIndicator events=paths::EVENTS.to_owned() iso=at.to_string() clock=clock(at)/> })}
            <button class="btn btn-icon btn-quiet js-only" type="button" data-theme-toggle="" aria-label="Theme: system, light or dark"><Icon name=IconName::Theme/></button>
            <UserMenu/>
        </header>
        <Palette places=places() search_page=paths::PALETTE.to_owned()/>
    }
    .into_any()
}

#[component]
fn Crumbs(title: String, crumbs: Vec<(String, String)>) -> impl IntoView {
    view! {
        <nav class="crumbs" aria-label="Breadcrumb">
            <ol class="flex">
                {crumbs.into_iter().map(|(label, href)| view! { <li><a href=href>{label}</a></li> }).collect_view()}
                <li><span aria-current="page">{title}</span></li>
            </ol>
        </nav>
    }
    .into_any()
}

#[component]
fn UserMenu() -> impl IntoView {
    let (name, role) = match console().cx.actor {
        Actor::User { name, role } | Actor::Token { name, role } => (name, role.label()),
        _ => return ().into_any(),
    };
    let mine = paths::audit(&format!("actor:user:{name}"));
    view! {
        <details class="menu" id="user-menu">
            <summary class="avatar" aria-label=format!("{name}, {role}: account menu") data-initials=initials(&name)></summary>
            <div class="menu-sheet">
                <h3>{name} ", " {role}</h3>
                <a href=mine>"What I did"<small>"audit"</small></a>
                <form method="post" action=SignOut::PATH>
                    <button class="btn btn-quiet" type="submit">"Sign out"</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

/// Two letters of a sign-in name.
fn initials(name: &str) -> String {
    let mut parts = name.split(|letter: char| !letter.is_alphanumeric()).filter(|part| !part.is_empty());
    let letters: String = match (parts.next(), parts.next()) {
        (Some(first), Some(second)) => first.chars().take(1).chain(second.chars().take(1)).collect(),
        (Some(only), None) => only.chars().take(2).collect(),
        _ => String::new(),
    };
    letters.to_uppercase()
}

/// Pages that the palette offers.
pub(crate) fn places() -> Vec<PalettePlace> {
    let pages = GROUPS.iter().flat_map(|(_, links)| links.iter()).map(|link| (link.label, link.href, link.icon));
    pages
        .chain([
            ("Drains", paths::OUTBOX_JOBS, IconName::Outbox),
            ("Purges", paths::OUTBOX_PURGES, IconName::Outbox),
            ("Legend", paths::LEGEND, IconName::Search),
        ])
        .map(|(label, href, icon)| PalettePlace { label: label.to_owned(), href: href.to_owned(), icon: icon.href().to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_two_letters_however_the_name_is_written() {
        assert_eq!(["maya.okafor", "admin", "j-lind", "ä", ""].map(initials), ["MO", "AD", "JL", "Ä", ""]);
    }
}
