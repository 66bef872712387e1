//! The entries of a frozen set, as they were written down and as they stand now. Nothing that came later is among them.

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::fleet::{DrainMemberRow, DrainPreview, MemberPart};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;
use tidewatch_service::Error;

use super::{NoSet, crumbs, words};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::When;
use crate::pages::device::outbox::{state_label, state_sign};
use crate::pages::list::range_words;
use crate::pages::loaded;
use crate::pages::params::{self, ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::table::Column;
use crate::ui::{Glyph, Id, Pager, Table};

/// Entries of a frozen set.
#[component]
pub fn DrainMembersPage() -> impl IntoView {
    let set = use_params_map().with_untracked(|map| map.get("set")).unwrap_or_default();
    let params = Params::here();
    loaded(async move {
        let list = ListState { filter: String::new(), ..ListState::parse(&params)? };
        let Console { service, cx, .. } = console();
        let preview = match service.drain_preview_view(&cx, &set).await {
            Ok(preview) => preview,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                return Ok(
                    view! { <Frame title="No such set" section=Section::Outbox crumbs=crumbs()><NoSet/></Frame> }.into_any()
                );
            }
            Err(other) => return Err(other),
        };
        let page = service.drain_preview_items(&cx, &set, &list.position, list.rows).await?;
        let mut crumbs = crumbs();
        crumbs.push((preview.set.clone(), paths::drain_set(&preview.set)));
        Ok(view! { <Frame title="Entries of a frozen set" section=Section::Outbox crumbs><MembersView list preview page now=cx.now/></Frame> }
            .into_any())
    })
}

/// The page inside its frame.
#[component]
pub fn MembersView(
    /// Position and length of the list.
    list: ListState,
    /// The frozen set.
    preview: DrainPreview,
    /// The page.
    page: Page<DrainMemberRow>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let link = |position: Position| {
        let mut pairs = Vec::new();
        list.with_position(position).print_into(&mut pairs);
        format!("{}{}", paths::drain_set_items(&preview.set), params::print(&pairs))
    };
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = range_words(&page, &list.position);
    let columns = ["Entry", "State now", "Device", "Record", "In the set", "Done with it", "Payload"].map(Column::text).into();
    view! {
        <div class="page-head">
            <div>
                <h1>{format!("Entries of {}", preview.set)}</h1>
                <p><a href=paths::drain_set(&preview.set)>{words::set_title(&preview)}</a> ", frozen " <When at=preview.frozen now/> ". In the order in which they are drained; what came later is not among them."</p>
            </div>
        </div>
        <section class="panel" aria-label="Entries of the set">
            <Table caption="Entries of the frozen set" columns class="items">
                {page.rows.into_iter().map(|row| view! { <Member row/> }).collect_view()}
            </Table>
            <Pager summary=foot previous next keys=true/>
        </section>
    }
    .into_any()
}

/// Why an entry is in a set, in words.
const fn part_words(part: MemberPart) -> &'static str {
    match part {
        MemberPart::Selected => "selected",
        MemberPart::Together => "of the group of a selected one",
        MemberPart::Behind => "waits behind a selected one",
    }
}

#[component]
fn Member(row: DrainMemberRow) -> impl IntoView {
    let state = match row.state {
        Some(state) => {
            let (tone, sign) = state_sign(state);
            view! { <span class="status" data-tone=tone.as_str()><Glyph sign/><b>{state_label(state)}</b></span> }.into_any()
        }
        None => view! { <span class="faint">"not listed any more"</span> }.into_any(),
    };
    let record = match row.record {
        Some((collection, id)) => view! { <span class="mono break">{collection} "/" {id}</span> }.into_any(),
        None => view! { <span class="faint">"not known"</span> }.into_any(),
    };
    view! {
        <tr role="row" id=format!("member-{}-{}", row.client_id, row.operation_id)>
            <th role="rowheader" scope="row"><Id id=row.operation_id.clone() href=Some(paths::outbox_entry(&row.client_id, &row.operation_id))/></th>
            <td role="cell" data-label="State now">{state}</td>
            <td role="cell" data-label="Device"><a href=paths::device_outbox(&row.client_id)>{row.device_name}</a></td>
            <td role="cell" data-label="Record">{record}</td>
            <td role="cell" data-label="In the set">{part_words(row.part)}</td>
            <td role="cell" data-label="Done with it">{words::verb(row.action)}</td>
            <td role="cell" data-label="Payload">{if row.payload_known { "here" } else { "on the device" }}</td>
        </tr>
    }
    .into_any()
}
