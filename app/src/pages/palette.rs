//! The palette as a page: the same search with a plain form, for browsers without a script.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceRow, DeviceSort};
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::page::Position;
use tidewatch_domain::role::Action;
use tidewatch_service::{Error, Result};

use super::outbox::drain::words;
use super::{loaded, query};
use crate::actions::palette::PaletteHit;
use crate::context::{Console, console};
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::status::{condition_tone, contact_label};
use crate::ui::{Empty, Panel, empty::Reason};

/// Devices shown before "all that match".
const DEVICES_SHOWN: u32 = 6;
/// Longest text that is looked for.
const TYPED_MAX: usize = 200;

/// What is found for what was typed: devices whose name, id or owner holds it, then the trace of an operation.
///
/// # Errors
/// As the service: nobody signed in, or the store does not answer.
pub async fn hits(console: &Console, typed: &str) -> Result<Vec<PaletteHit>> {
    console.cx.require(Action::Look)?;
    let word: String = typed.trim().chars().take(TYPED_MAX).collect();
    if word.is_empty() {
        return Ok(Vec::new());
    }
    let filter = format!("\"{}\"", word.replace('"', ""));
    let list = console.service.devices_list(&console.cx, &filter, DeviceSort::Worst, &Position::Start, DEVICES_SHOWN).await?;
    let more = list.page.next.is_some();
    let mut hits: Vec<PaletteHit> = list.page.rows.iter().map(device_hit).collect();
    if more {
        hits.push(plain("Devices", IconName::Devices, "All that match", &word, paths::devices(&filter)));
    }
    if let Some(hit) = drain_hit(console, &word).await? {
        hits.push(hit);
    }
    if hits.is_empty() && word.len() >= 8 && OperationId::parse(word.as_str()).is_ok() {
        hits.push(plain("Operations", IconName::Changes, &word, "open its trace", paths::trace(&word)));
    }
    Ok(hits)
}

/// The drain whose id was typed: `J` and digits.
async fn drain_hit(console: &Console, word: &str) -> Result<Option<PaletteHit>> {
    let id = word.to_uppercase();
    if !id.strip_prefix('J').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(None);
    }
    match console.service.drain_job(&console.cx, &id).await {
        Ok(view) => {
            let note = format!("{}, {}", id, words::job_state(view.row.state).0.to_lowercase());
            let label = words::title(view.row.action, view.row.tally.all());
            Ok(Some(plain("Drains", IconName::Outbox, &label, &note, paths::drain_job(&id))))
        }
        Err(Error::NotFound(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn device_hit(row: &DeviceRow) -> PaletteHit {
    let note =
        format!("{} · {}, {}", row.principal, row.condition.label().to_lowercase(), contact_label(row.contact).to_lowercase());
    let mut hit = plain("Devices", IconName::Devices, &row.name, &note, paths::device(&row.client_id));
    condition_tone(row.condition).as_str().clone_into(&mut hit.tone);
    hit
}

fn plain(group: &str, icon: IconName, label: &str, note: &str, href: String) -> PaletteHit {
    PaletteHit {
        group: group.to_owned(),
        icon: icon.href().to_owned(),
        tone: String::new(),
        label: label.to_owned(),
        note: note.to_owned(),
        href,
    }
}

/// The search page.
#[component]
pub fn PalettePage() -> impl IntoView {
    let typed = query("q");
    loaded(async move {
        let found = hits(&console(), &typed).await?;
        Ok(view! {
            <Frame title="Find" section=Section::None>
                <div class="page-head"><div><h1>"Find"</h1><p>"A device by name, id or owner, or an operation by its id."</p></div></div>
                <form class="filterbar" role="search" method="get" action=paths::PALETTE>
                    <Icon name=IconName::Search/>
                    <input type="search" name="q" aria-label="Find" value=typed.clone() maxlength="200" autocomplete="off"/>
                    <button class="btn btn-small" type="submit">"Find"</button>
                </form>
                <Panel id="h-found" title="Results"><Found found typed/></Panel>
            </Frame>
        })
    })
}

#[component]
fn Found(found: Vec<PaletteHit>, typed: String) -> impl IntoView {
    if found.is_empty() {
        let (title, text) = match typed.trim() {
            "" => ("Nothing typed yet", "Type part of a device name, or a whole operation id.".to_owned()),
            typed => ("Nothing found", format!("No device holds “{typed}” in its name, id or owner.")),
        };
        return view! { <Empty reason=Reason::NoMatch title=title text=text/> }.into_any();
    }
    view! {
        <ul class="rows">
            {found
                .into_iter()
                .map(|hit| view! {
                    <li data-tone=hit.tone><svg class="icon" aria-hidden="true"><use href=hit.icon></use></svg><div><a class="medium" href=hit.href>{hit.label}</a><p>{hit.note}</p></div></li>
                })
                .collect_view()}
        </ul>
    }
    .into_any()
}
