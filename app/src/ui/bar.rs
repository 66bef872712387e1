//! Bar: a whole cut into parts that add up, and its tally under it. Both list the same parts in the same order.

use leptos::prelude::*;

use crate::format::count;

/// One part of a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarPart {
    /// Its look, as `style/components/drain.css` names it.
    pub part: &'static str,
    /// What it is, sentence case.
    pub label: &'static str,
    /// How many.
    pub n: u64,
    /// What that means, a few words.
    pub note: String,
    /// The list that it counts.
    pub href: Option<String>,
}

/// The share of each part that is there, percent and at least one, so that nothing disappears.
fn shares(parts: &[BarPart]) -> Vec<(&'static str, u64)> {
    let all: u64 = parts.iter().map(|part| part.n).sum();
    let share = |part: &BarPart| (part.n * 100 + all / 2).checked_div(all).unwrap_or_default().clamp(1, 100);
    parts.iter().filter(|part| part.n > 0).map(|part| (part.part, share(part))).collect()
}

/// Bar and tally.
#[component]
pub fn PartsBar(
    /// In the order of the bar.
    parts: Vec<BarPart>,
    /// Figures of the tally that are no part of the whole; they stand behind it.
    #[prop(optional)]
    beside: Vec<BarPart>,
    /// The high form, for a page of its own.
    #[prop(optional)]
    large: bool,
) -> impl IntoView {
    let label =
        parts.iter().map(|part| format!("{} {}", count(part.n), part.label.to_lowercase())).collect::<Vec<_>>().join(", ");
    view! {
        <div class="bar" class:bar-large=large role="img" aria-label=label>
            {shares(&parts).into_iter().map(|(part, share)| view! { <i data-part=part data-pct=share.to_string()></i> }).collect_view()}
        </div>
        <dl class="tally">
            {parts.into_iter().map(|part| view! { <Tally part swatch=true/> }).collect_view()}
            {beside.into_iter().map(|part| view! { <Tally part swatch=false/> }).collect_view()}
        </dl>
    }
    .into_any()
}

#[component]
fn Tally(part: BarPart, swatch: bool) -> impl IntoView {
    let figure = match part.href {
        Some(href) if part.n > 0 => view! { <a href=href>{count(part.n)}</a> }.into_any(),
        _ => count(part.n).into_any(),
    };
    view! {
        <div>
            <dt>{swatch.then(|| view! { <i class="swatch" data-part=part.part></i> })}{part.label}</dt>
            <dd>{figure}<small>{part.note}</small></dd>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: &'static str, n: u64) -> BarPart {
        BarPart { part, label: part, n, note: String::new(), href: None }
    }

    #[test]
    fn a_small_part_is_still_seen_and_an_empty_one_takes_no_room() {
        let shown = shares(&[part("ok", 1_000), part("failed", 1), part("skipped", 0)]);
        assert_eq!(shown, [("ok", 100), ("failed", 1)]);
        assert_eq!(shares(&[part("ok", 0)]), []);
    }
}
