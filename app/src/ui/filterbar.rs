//! Filter bar: the terms of a filter as chips, and a field that adds one. A plain GET form: works without a script.
//!
//! The form sends the present filter and the added term under one name; the page joins them ([`crate::paths::query_joined`]).

use leptos::prelude::*;

use super::{Icon, IconName};

/// Cuts a filter into its terms. A quoted value may hold spaces.
#[must_use]
pub fn terms(filter: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let mut term = String::new();
    let mut quoted = false;
    for letter in filter.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                term.push(letter);
            }
            _ if letter.is_whitespace() && !quoted => {
                if !term.is_empty() {
                    terms.push(std::mem::take(&mut term));
                }
            }
            _ => term.push(letter),
        }
    }
    if !term.is_empty() {
        terms.push(term);
    }
    terms
}

/// The filter without its term at this place.
#[must_use]
pub fn without(filter: &str, at: usize) -> String {
    let kept: Vec<String> =
        terms(filter).into_iter().enumerate().filter(|(place, _)| *place != at).map(|(_, term)| term).collect();
    kept.join(" ")
}

/// Filter as chips and a field.
#[component]
pub fn FilterBar(
    /// Path that the form asks.
    #[prop(into)]
    action: String,
    /// The filter as the URL has it.
    filter: String,
    /// Turns a filter into the address of this page with it, other state kept.
    href: Callback<String, String>,
    /// State of the page that the form keeps: name and value.
    #[prop(optional)]
    keep: Vec<(&'static str, String)>,
    /// Example terms, shown while the field is empty.
    placeholder: &'static str,
    /// Keys and values that the field suggests.
    #[prop(optional)]
    suggestions: Vec<String>,
    /// What is wrong with the filter; it is then shown as text to be mended, not as chips.
    #[prop(optional_no_strip)]
    problem: Option<String>,
) -> impl IntoView {
    let broken = problem.is_some();
    let chips = if broken { Vec::new() } else { terms(&filter) };
    view! {
        <form class="filterbar" role="search" aria-label="Filter" method="get" action=action>
            <Icon name=IconName::Filter/>
            {(!broken && !filter.is_empty()).then(|| view! { <input type="hidden" name="filter" value=filter.clone()/> })}
            {keep.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()}
            {chips.into_iter().enumerate().map(|(at, term)| view! { <Chip term href=href.run(without(&filter, at))/> }).collect_view()}
            <input
                type="search" name="filter" id="filter" data-filter aria-label="Add a filter" placeholder=placeholder spellcheck="false" autocomplete="off"
                maxlength="500" list="filter-suggestions" value=broken.then(|| filter.clone())
                aria-invalid=broken.then_some("true") aria-describedby=broken.then_some("filter-problem")
            />
            <datalist id="filter-suggestions">{suggestions.into_iter().map(|value| view! { <option value=value></option> }).collect_view()}</datalist>
            <button class="sr-only" type="submit">"Filter"</button>
            <kbd class="js-only">"/"</kbd>
        </form>
        {problem.map(|problem| view! { <p class="filter-problem" id="filter-problem" role="alert" data-tone="act">{problem}</p> })}
    }
    .into_any()
}

#[component]
fn Chip(term: String, href: String) -> impl IntoView {
    let negated = term.starts_with('-');
    let (key, value) = match term.split_once(':') {
        Some((key, value)) => (format!("{key}:"), value.to_owned()),
        None => (String::new(), term.clone()),
    };
    view! {
        <span class="chip" data-op=negated.then_some("not")>
            <i>{key}</i>{value}
            <a href=href aria-label=format!("Remove {term}")><Icon name=IconName::X/></a>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_end_at_spaces_outside_quotes() {
        assert_eq!(terms("  platform:ios  name:\"North pier\" -queue:>5 "), ["platform:ios", "name:\"North pier\"", "-queue:>5"]);
        assert_eq!(terms(""), Vec::<String>::new());
    }

    #[test]
    fn removing_a_term_keeps_the_others_in_order() {
        assert_eq!(without("a:1 b:2 c:3", 1), "a:1 c:3");
        assert_eq!(without("a:1", 0), "");
    }
}
