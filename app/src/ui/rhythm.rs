//! Rhythm: the last expected check-ins of a device, newest at the right. One cell = one interval of that device.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

/// Cells of a rhythm when nothing has been expected yet.
const CELLS: usize = 12;

/// Kept and missed check-ins. Empty `kept` means that the rhythm is not known yet: hatched.
#[component]
pub fn Rhythm(
    /// Oldest first: `true` kept, `false` missed.
    kept: Vec<bool>,
    /// Tone of missed ones.
    #[prop(default = Tone::Watch)]
    tone: Tone,
) -> impl IntoView {
    let missed = kept.iter().filter(|kept| !**kept).count();
    let label = match (kept.len(), missed) {
        (0, _) => "rhythm not known yet".to_owned(),
        (all, 0) => format!("last {all} expected check-ins, none missed"),
        (all, missed) => format!("last {all} expected check-ins, {missed} missed"),
    };
    let cells: Vec<Option<&'static str>> = if kept.is_empty() {
        vec![Some("none"); CELLS]
    } else {
        kept.into_iter().map(|kept| (!kept).then_some("miss")).collect()
    };
    view! {
        <span class="rhythm" role="img" aria-label=label data-tone=tone.as_str()>
            {cells.into_iter().map(|value| view! { <i data-v=value></i> }).collect_view()}
        </span>
    }
}
