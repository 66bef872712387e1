//! Whether the one who looks may act, in words. The predicate is [`Role::can`]; the service asks the same one.

use leptos::prelude::*;
use tidewatch_domain::role::{Action, Role};

use crate::icon::{Icon, IconName};

/// Why a role may not take an action; `None` when it may.
#[must_use]
pub fn refusal(role: Option<Role>, action: Action) -> Option<String> {
    if role.is_some_and(|role| role.can(action)) {
        return None;
    }
    let holders: Vec<&str> = Role::ALL.into_iter().filter(|role| role.can(action)).map(Role::label).collect();
    let (last, rest) = holders.split_last()?;
    let holders = if rest.is_empty() { (*last).to_owned() } else { format!("{} or {last}", rest.join(", ")) };
    Some(match role {
        Some(role) => format!("Needs the role {holders}; yours is {}", role.label()),
        None => format!("Needs the role {holders}"),
    })
}

/// The button of a form, or what stands in its place where it may not be pressed: it keeps its focus and says what is missing.
#[component]
pub fn Deed(
    /// Verb, and the number where there is one.
    #[prop(into)]
    label: String,
    /// Why it may not be pressed.
    #[prop(optional_no_strip)]
    refused: Option<String>,
    /// Icon.
    #[prop(optional, into)]
    icon: Option<IconName>,
    /// Further classes.
    #[prop(optional)]
    class: &'static str,
    /// Name under which the form sends it.
    #[prop(optional)]
    name: Option<&'static str>,
    /// Value that it sends.
    #[prop(optional, into)]
    value: String,
) -> impl IntoView {
    let icon = move || icon.map(|name| view! { <Icon name/> });
    match refused {
        // `aria-disabled` keeps the button in the order of focus; without `type="submit"` it sends nothing.
        Some(why) => {
            view! { <button class=format!("btn {class}") type="button" aria-disabled="true" title=why>{icon()}{label}</button> }
                .into_any()
        }
        None => {
            let value = name.is_some().then_some(value);
            view! { <button class=format!("btn {class}") type="submit" name=name value=value>{icon()}{label}</button> }.into_any()
        }
    }
}

/// A person or a program as the audit log names it, for a reader.
#[must_use]
pub fn who(actor: &str) -> &str {
    match actor {
        "system" => "the console itself",
        other => other.strip_prefix("user:").unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::fixture::html;

    #[test]
    fn a_role_that_may_not_act_is_told_which_ones_may() {
        assert_eq!(refusal(Some(Role::Operator), Action::DrainBulk), None);
        let why = refusal(Some(Role::Support), Action::DrainBulk).expect("refused");
        assert_eq!(why, "Needs the role operator or admin; yours is support");
        assert_eq!(refusal(None, Action::Drain).as_deref(), Some("Needs the role support, operator or admin"),);
    }

    #[test]
    fn a_deed_that_is_refused_keeps_its_place_and_sends_nothing() {
        let open = html(|| view! { <Deed label="Hold 3" refused=None name="action" value="hold"/> });
        assert!(open.contains("type=\"submit\"") && open.contains("value=\"hold\""), "{open}");
        let shut = html(|| view! { <Deed label="Hold 3" refused=Some("Needs more".into()) name="action" value="hold"/> });
        assert!(shut.contains("aria-disabled=\"true\"") && shut.contains("title=\"Needs more\""), "{shut}");
        assert!(!shut.contains("submit") && !shut.contains("value="), "{shut}");
    }

    #[test]
    fn people_go_by_their_names() {
        assert_eq!(["user:maya.okafor", "system", "token:ci"].map(who), ["maya.okafor", "the console itself", "token:ci"]);
    }
}
