//! No page has this address.

use http::StatusCode;
use leptos::prelude::*;

use crate::error::{ErrorPanel, answer_status};
use crate::shell::{Frame, Section};

/// Answers 404 with a way out.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    answer_status(StatusCode::NOT_FOUND);
    view! {
        <Frame title="Not found" section=Section::None>
            <ErrorPanel title="There is no page here".to_owned() text="The address may be mistyped, or the link is older than this console.".to_owned()/>
        </Frame>
    }
}
