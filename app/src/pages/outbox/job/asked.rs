//! What the second person of a drain decides by: all that whoever asked for it saw on the page of its frozen set.

use leptos::prelude::*;
use tidewatch_domain::fleet::DrainPreview;
use tidewatch_domain::time::Millis;

use super::super::drain::breakdown::Sample;
use super::super::drain::dialog::{Consequence, DryRun};
use crate::format::{When, counted};
use crate::paths;
use crate::ui::Panel;

/// The dry run of the frozen set, what the drain does and does not, and some of its entries.
#[component]
pub fn Asked(
    /// The frozen set.
    preview: DrainPreview,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let note = format!("{} on {}", counted(preview.entries, "entry", "entries"), counted(preview.devices, "device", "devices"));
    let frozen = preview.frozen;
    let (set, name) = (paths::drain_set(&preview.set), format!("Set {}", preview.set));
    let sample = view! { <Sample preview=preview.clone() now/> };
    view! {
        <Panel id="h-asked" title="What is asked for" note>
            <div class="panel-body grid">
                <DryRun preview=preview.clone() undecided=false now/>
                <Consequence preview now/>
            </div>
            <div class="panel-foot">
                <span>"Frozen " <When at=frozen now/> "; nothing that came later is drained."</span>
                <a href=set>{name}</a>
            </div>
        </Panel>
        {sample}
    }
    .into_any()
}
