//! Legend.

use leptos::prelude::*;

use crate::shell::{Frame, Section};

/// Every word and sign.
#[component]
pub fn LegendPage() -> impl IntoView {
    view! { <Frame title="Legend" section=Section::Legend><h1>"Legend"</h1></Frame> }
}
