//! Table: caption, scopes, sort links, and the roles that keep its meaning when rows turn into cards.
//!
//! Cells are written by the page: `<td role="cell" data-label="Queue">`, `<th role="rowheader" scope="row">`, rows `<tr role="row" id=…>`.

use leptos::prelude::*;

use super::{Icon, IconName};

/// How a column is sorted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SortState {
    /// By this column, smallest first.
    Ascending,
    /// By this column, largest first.
    Descending,
}

/// One column head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Label.
    pub label: &'static str,
    /// Right-aligned figures.
    pub numeric: bool,
    /// Label for assistive technology only.
    pub hidden: bool,
    /// Boxes to tick; the head ticks those of the page, where there is a script.
    pub check: bool,
    /// Address that sorts by it; none when it cannot be sorted by.
    pub sort_href: Option<String>,
    /// Whether the table is sorted by it.
    pub sorted: Option<SortState>,
}

impl Column {
    /// A column of text.
    #[must_use]
    pub fn text(label: &'static str) -> Self {
        Self { label, ..Self::default() }
    }

    /// A column of figures.
    #[must_use]
    pub fn number(label: &'static str) -> Self {
        Self { label, numeric: true, ..Self::default() }
    }

    /// A column of boxes to tick.
    #[must_use]
    pub fn check() -> Self {
        Self { label: "Select all on this page", check: true, ..Self::default() }
    }

    /// With an address that sorts by it.
    #[must_use]
    pub fn sortable(mut self, href: String, sorted: Option<SortState>) -> Self {
        self.sort_href = Some(href);
        self.sorted = sorted;
        self
    }
}

/// A table that turns into cards where it is narrow.
#[component]
pub fn Table(
    /// What its rows are; read aloud, not shown.
    #[prop(into)]
    caption: String,
    /// Columns.
    columns: Vec<Column>,
    /// Further classes, e.g. `devices`.
    #[prop(optional)]
    class: &'static str,
    /// Rows.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="table-wrap">
            <table class=format!("table table-cards {class}") role="table">
                <caption>{caption}</caption>
                <thead role="rowgroup">
                    <tr role="row">{columns.into_iter().map(|column| view! { <Head column/> }).collect_view()}</tr>
                </thead>
                <tbody role="rowgroup">{children()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Head(column: Column) -> impl IntoView {
    let sort = column.sorted.map(|sorted| match sorted {
        SortState::Ascending => ("ascending", IconName::Up),
        SortState::Descending => ("descending", IconName::Down),
    });
    let label = match column.sort_href {
        Some(href) => view! { <a href=href>{column.label}{sort.map(|(_, icon)| view! { <Icon name=icon/> })}</a> }.into_any(),
        None if column.check => {
            // The words are the name of the column where the box is not.
            view! { <input type="checkbox" class="js-only" data-check-all="" aria-label=column.label/><span class="sr-only">"Ticked"</span> }.into_any()
        }
        None if column.hidden => view! { <span class="sr-only">{column.label}</span> }.into_any(),
        None => column.label.into_any(),
    };
    view! { <th role="columnheader" scope="col" class:num=column.numeric class:cell-check=column.check aria-sort=sort.map(|(word, _)| word)>{label}</th> }
}
