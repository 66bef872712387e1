//! What becomes of the payload of an entry that was given up: `purged in 29 d` while it is kept, when and by which run once it is not.

use leptos::prelude::*;
use tidewatch_domain::drain::{Keeping, PurgeRun};
use tidewatch_domain::time::{DAY_MS, Millis};

use crate::format::{When, count, exact, integer, span};
use crate::paths;

/// One line, for a list and for the facts of an entry. The exact instant is in the title.
#[component]
pub fn KeepingNote(
    /// What becomes of it.
    keeping: Keeping,
    /// As of.
    now: Millis,
) -> impl IntoView {
    match keeping {
        Keeping::Until(at) if at <= now => {
            view! { <time datetime=at.to_string() title=exact(at)>"purge is due"</time> }.into_any()
        }
        Keeping::Until(at) => {
            view! { "purged in " <time datetime=at.to_string() title=exact(at)>{left(at.since(now))}</time> }.into_any()
        }
        Keeping::Purged { at, .. } => view! { "purged " <When at now/> }.into_any(),
    }
}

/// Whole days, as long as there are any.
fn left(ms: i64) -> String {
    if ms >= DAY_MS { format!("{}\u{a0}d", integer(ms / DAY_MS)) } else { span(ms) }
}

/// In place of a payload that was purged: when, by which run, and where its export is.
#[component]
pub fn Purged(
    /// The run.
    run: PurgeRun,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let audit = paths::audit(&format!("subject:\"purge:{}\"", run.id));
    let asked = if run.actor == "system" { "by the clock".to_owned() } else { format!("asked for by {}", run.actor) };
    let file = run.file.clone().unwrap_or_default();
    view! {
        <div class="panel-body">
            <dl class="facts facts-lines">
                <dt>"Purged"</dt>
                <dd><When at=run.created now/><small>"Retention was over. It cannot be restored from here."</small></dd>
                <dt>"Run"</dt>
                <dd><a class="mono" href=audit>{run.id.clone()}</a><small>{format!("{} of {} entries, {asked}", count(run.removed), count(run.entries))}</small></dd>
                <dt>"Export"</dt>
                <dd class="mono break">{file}<small>"under the folder of the store"</small></dd>
                <dt>"SHA-256"</dt>
                <dd class="mono break">{run.sha256.clone().unwrap_or_default()}<small>"of its rows"</small></dd>
            </dl>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::fixture::{NOW, text};

    fn note(keeping: Keeping) -> String {
        view! { <KeepingNote keeping now=NOW/> }.to_html()
    }

    #[test]
    fn what_is_kept_says_for_how_long_with_the_instant_in_its_title() {
        let at = NOW.plus(30 * DAY_MS - 1);
        let page = note(Keeping::Until(at));
        assert_eq!(text(&page), "purged in 29 d");
        assert!(page.contains(&format!("datetime=\"{at}\" title=\"{}\"", exact(at))), "{page}");
        assert_eq!(text(&note(Keeping::Until(NOW.plus(DAY_MS - 1)))), "purged in 23:59 h");
        assert_eq!(text(&note(Keeping::Until(NOW))), "purge is due");
        let purged = note(Keeping::Purged { at: NOW, run: "P3".into() });
        assert!(text(&purged).starts_with("purged ") && purged.contains(&exact(NOW)), "{purged}");
    }
}
