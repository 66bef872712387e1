//! Chooser of columns: a menu with a plain GET form, so that the choice is an address and needs no script.

use leptos::prelude::*;

use super::query::{Column, DevicesQuery};
use crate::icon::{Icon, IconName};
use crate::paths;

/// The menu. `Device` names the row and cannot be left out.
#[component]
pub fn ColumnMenu(
    /// State of the URL.
    query: DevicesQuery,
) -> impl IntoView {
    let shown = query.columns.clone();
    let kept: Vec<_> =
        [("filter", query.list.filter.clone())].into_iter().chain(query.kept()).filter(|(key, _)| *key != "columns").collect();
    let reset = super::address(&DevicesQuery { columns: Column::DEFAULT.to_vec(), ..query });
    view! {
        <details class="menu" id="columns-menu">
            <summary class="btn"><Icon name=IconName::Columns/>"Columns " <span class="faint">{shown.len()}</span></summary>
            <form class="menu-sheet" method="get" action=paths::DEVICES aria-label="Columns in this view">
                <h3>"Columns in this view"</h3>
                {kept.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()}
                <input type="hidden" name="columns" value=Column::Device.as_str()/>
                {Column::ALL.into_iter().map(|column| view! { <Choice column shown=shown.contains(&column)/> }).collect_view()}
                <div class="btn-row">
                    <button class="btn btn-small" type="submit">"Show these"</button>
                    <a class="btn btn-small btn-quiet" href=reset>"Default columns"</a>
                </div>
            </form>
        </details>
    }
    .into_any()
}

#[component]
fn Choice(column: Column, shown: bool) -> impl IntoView {
    let fixed = column == Column::Device;
    view! {
        <label>
            <input type="checkbox" name="columns" value=column.as_str() checked=shown disabled=fixed/>
            {column.long_label()}
            {fixed.then(|| view! { <small>"always"</small> })}
        </label>
    }
    .into_any()
}
