//! Overview.

use leptos::prelude::*;

use super::loaded;
use crate::context::console;
use crate::shell::{Frame, Section};

/// Fleet health on one page.
#[component]
pub fn OverviewPage() -> impl IntoView {
    loaded(async move {
        let console = console();
        let overview = console.service.overview(&console.cx, tidewatch_domain::time::TimeRange::Day, false).await?;
        Ok(view! { <Frame title="Overview" section=Section::Overview as_of=Some(overview.as_of)><h1>"Fleet health"</h1><p>{overview.headline}</p></Frame> })
    })
}
