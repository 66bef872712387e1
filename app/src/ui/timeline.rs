//! Timeline: events, newest first, under a heading per day.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;
use tidewatch_domain::time::Millis;

use super::glyph::{Glyph, Sign};
use crate::format::{clock, day, exact};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineItem {
    /// When; `None` when only the order is known.
    pub at: Option<Millis>,
    /// Tone.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// To what, how much, what comes next.
    pub detail: String,
    /// Words and address of a link at its end.
    pub link: Option<(String, String)>,
}

/// Events in the order given, cut into days.
#[component]
pub fn Timeline(
    /// Events.
    items: Vec<TimelineItem>,
    /// As of: names today and yesterday.
    now: Millis,
) -> impl IntoView {
    by_day(items, now)
        .into_iter()
        .enumerate()
        .map(|(at, (heading, items))| {
            let class = if at == 0 { "timeline-day timeline-first" } else { "timeline-day" };
            view! {
                <h3 class=class>{heading}</h3>
                <ol class="timeline">{items.into_iter().map(|item| view! { <Event item/> }).collect_view()}</ol>
            }
        })
        .collect_view()
}

fn by_day(items: Vec<TimelineItem>, now: Millis) -> Vec<(String, Vec<TimelineItem>)> {
    let mut days: Vec<(String, Vec<TimelineItem>)> = Vec::new();
    for item in items {
        let heading = item.at.map_or_else(
            || days.last().map_or_else(|| "Time not known".to_owned(), |(last, _)| last.clone()),
            |at| day_heading(at, now),
        );
        match days.last_mut() {
            Some((last, list)) if *last == heading => list.push(item),
            _ => days.push((heading, vec![item])),
        }
    }
    days
}

fn day_heading(at: Millis, now: Millis) -> String {
    let name = day(at);
    if name == day(now) {
        format!("Today, {name}")
    } else if name == day(now.plus(-tidewatch_domain::time::DAY_MS)) {
        format!("Yesterday, {name}")
    } else {
        name
    }
}

#[component]
fn Event(item: TimelineItem) -> impl IntoView {
    let time = match item.at {
        Some(at) => view! { <time datetime=at.to_string() title=exact(at)>{clock(at)}</time> }.into_any(),
        None => view! { <span></span> }.into_any(),
    };
    let tone = (item.tone != Tone::Idle).then(|| item.tone.as_str());
    view! {
        <li data-tone=tone>
            {time}
            <span class="tl-node"><Glyph sign=node_sign(item.tone)/></span>
            <div>
                <b>{item.title}</b>
                <p>{item.detail} {item.link.map(|(words, href)| view! { " " <a href=href>{words}</a> })}</p>
            </div>
        </li>
    }
}

/// An event without a tone is a plain tick: it happened, and asks for nothing.
fn node_sign(tone: Tone) -> Sign {
    if tone == Tone::Idle { Sign::Check } else { Sign::from(tone) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_domain::time::DAY_MS;

    #[test]
    fn days_are_named_from_the_reader_s_present() {
        let now = Millis::parse_rfc3339("2026-03-12T14:32:07Z").expect("valid");
        let item = |ms: i64| TimelineItem {
            at: Some(now.plus(-ms)),
            tone: Tone::Idle,
            title: String::new(),
            detail: String::new(),
            link: None,
        };
        let days = by_day(vec![item(0), item(1), item(DAY_MS), item(3 * DAY_MS)], now);
        let headings: Vec<_> = days.iter().map(|(heading, items)| (heading.as_str(), items.len())).collect();
        assert_eq!(headings, [("Today, Thu 12 Mar", 2), ("Yesterday, Wed 11 Mar", 1), ("Mon 9 Mar", 1)]);
    }
}
