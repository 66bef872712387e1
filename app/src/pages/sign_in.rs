//! Sign-in: works without a script, shows nothing that is not public.

use leptos::prelude::*;
use leptos_meta::Title;
use server_fn::ServerFn;
use tidewatch_domain::fleet::Tone;
use tidewatch_domain::role::{Action, Role};
use tidewatch_service::{Actor, Error};

use super::query;
use crate::actions::session::SignIn;
use crate::context::console;
use crate::paths;
use crate::shell::Mark;
use crate::ui::{Banner, Glyph, Sign};

/// Key of the notice that a failed sign-in leads back with.
#[must_use]
pub fn notice(error: &Error) -> &'static str {
    match error {
        Error::Unauthenticated | Error::Forbidden | Error::NotFound(_) | Error::Invalid { .. } => "wrong",
        Error::RateLimited { .. } => "often",
        _ => "down",
    }
}

/// Words of a notice; an unknown key has none.
fn notice_words(key: &str) -> Option<(Tone, &'static str, &'static str)> {
    Some(match key {
        "wrong" => (Tone::Act, "Name or password is wrong", "Check both, capitals too. The attempt is in the audit log."),
        "often" => {
            (Tone::Act, "Too many attempts for this name", "Wait a minute, then try once more. An admin can set a new password.")
        }
        "down" => (Tone::Act, "Sign-in does not work right now", "The fault is ours and has been logged. Try again in a moment."),
        "expired" => {
            (Tone::Watch, "Sign in to go on", "There is no session, or it has ended. You come back to the page you asked for.")
        }
        "out" => (Tone::Good, "You are signed out", ""),
        _ => return None,
    })
}

/// The form, and beside it who may do what.
#[component]
pub fn SignInPage() -> impl IntoView {
    let next = paths::local(&query("next"));
    if matches!(console().cx.actor, Actor::User { .. }) {
        leptos_axum::redirect(&next);
    }
    view! {
        <Title text="Sign in · Tidewatch"/>
        <main class="door">
            <section class="door-form"><SignInForm next notice=query("notice")/></section>
            <aside class="door-side" aria-labelledby="h-roles"><Roles/></aside>
        </main>
    }
}

#[component]
fn SignInForm(next: String, notice: String) -> impl IntoView {
    let words = notice_words(&notice);
    let wrong = (notice == "wrong").then_some("true");
    view! {
        <form method="post" action=SignIn::PATH>
            <div class="door-brand"><Mark/><span>"Tidewatch"</span></div>
            <h1>"Sign in"</h1>
            <p class="muted">"The operations console of this fleet."</p>
            {words.map(|(tone, title, text)| view! { <Banner tone title text/> })}
            <div class="grid door-fields">
                <input type="hidden" name="next" value=next/>
                <label class="field">
                    <span>"Name"</span>
                    <input class="input input-large" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="100" required autofocus aria-invalid=wrong/>
                </label>
                <label class="field">
                    <span>"Password"</span>
                    <input class="input input-large" type="password" name="password" autocomplete="current-password" maxlength="1000" required aria-invalid=wrong/>
                </label>
                <button class="btn btn-primary btn-large" type="submit">"Sign in"</button>
            </div>
            <p class="small faint door-note">"Every sign-in is in the audit log. No account, or the password is lost? An admin of this console can help."</p>
        </form>
    }
    .into_any()
}

/// An action as the table of roles says it.
const fn action_label(action: Action) -> &'static str {
    match action {
        Action::Look => "Look at every page",
        Action::ExportRedacted => "Export, payloads masked",
        Action::RevealPayload => "Reveal a payload, with a reason",
        Action::Drain => "Drain up to 50 entries",
        Action::DrainBulk => "Drain more than that",
        Action::Approve => "Approve what another asked for",
        Action::CommandIssue => "Send a device a command",
        Action::MeshChange => "Change how a device uses its mesh",
        Action::ManageUsers => "Manage staff",
        Action::ManageTokens => "Manage tokens",
        Action::Purge => "Purge what retention does not keep, ahead of time",
    }
}

#[component]
fn Roles() -> impl IntoView {
    view! {
        <div class="roles">
            <h2 id="h-roles">"Who may do what"</h2>
            <p class="muted">"Five roles. What a role may not do is refused, not hidden, and everything done is in the audit log."</p>
            <table class="table table-middle">
                <caption>"Actions by role"</caption>
                <thead><tr><th scope="col">"Action"</th>{Role::ALL.map(|role| view! { <th scope="col">{role.label()}</th> }).into_iter().collect_view()}</tr></thead>
                <tbody>{Action::ALL.map(|action| view! { <RoleRow action/> }).into_iter().collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn RoleRow(action: Action) -> impl IntoView {
    let cell = move |role: Role| {
        if role.can(action) {
            view! { <td data-tone="good"><Glyph sign=Sign::Check/><span class="sr-only">"yes"</span></td> }.into_any()
        } else {
            view! { <td class="faint">"no"</td> }.into_any()
        }
    };
    view! { <tr><th scope="row">{action_label(action)}</th>{Role::ALL.map(cell).into_iter().collect_view()}</tr> }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn form(next: &str, notice: &str) -> String {
        let owner = Owner::new();
        owner.with(|| view! { <main class="door"><section class="door-form"><SignInForm next=next.to_owned() notice=notice.to_owned()/></section><aside class="door-side" aria-labelledby="h-roles"><Roles/></aside></main> }.to_html())
    }

    #[test]
    fn a_refusal_is_announced_and_repeats_nothing_that_was_typed() {
        let page = form("/devices", "wrong");
        assert!(page.contains("role=\"alert\"") && page.contains("Name or password is wrong"));
        assert_eq!(page.matches("aria-invalid=\"true\"").count(), 2);
        assert_eq!(page.matches(" value=").count(), 1, "only the way back has a value");
    }

    #[test]
    fn an_unknown_notice_says_nothing() {
        assert!(!form("/", "<script>").contains("banner"));
    }

    #[test]
    fn the_table_of_roles_is_the_predicate_itself() {
        let page = form("/", "");
        let yes = Action::ALL.iter().flat_map(|action| Role::ALL.map(|role| role.can(*action))).filter(|may| *may).count();
        assert_eq!(page.matches(">yes</span>").count(), yes);
    }

    #[test]
    fn each_refusal_of_the_service_leads_back_with_its_own_notice() {
        assert_eq!(notice(&Error::Unauthenticated), "wrong");
        assert_eq!(notice(&Error::RateLimited { retry_after_ms: 1 }), "often");
        assert_eq!(notice(&Error::Overloaded { retry_after_ms: 1 }), "down");
        for key in ["wrong", "often", "down", "expired", "out"] {
            assert!(notice_words(key).is_some(), "{key} has words");
        }
    }
}
