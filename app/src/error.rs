//! Errors of the service in words, with the request id. The one place where a page's failure gets its status code.

use http::StatusCode;
use leptos::prelude::*;
use leptos_axum::ResponseOptions;
use tidewatch_service::Error;

use crate::context::console;
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::glyph::{Glyph, Sign};

/// Status code that a page answers with.
#[must_use]
pub fn status(error: &Error) -> StatusCode {
    match error {
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden | Error::RoleLimit { .. } | Error::ClientBlocked => StatusCode::FORBIDDEN,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Invalid { .. } | Error::Cursor(_) => StatusCode::BAD_REQUEST,
        Error::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::InFlight
        | Error::Refused(_)
        | Error::SetChanged(_)
        | Error::StateConflict(_)
        | Error::CommandEnded
        | Error::CommandUnderWay(_) => StatusCode::CONFLICT,
        Error::SchemaUnsupported { .. } => StatusCode::UPGRADE_REQUIRED,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What happened and what comes next: a heading and a sentence. Never holds the cause of an internal error.
#[must_use]
pub fn words(error: &Error) -> (String, String) {
    let (title, text) = match error {
        Error::Unauthenticated => ("Sign in first", "The session has ended.".to_owned()),
        Error::Forbidden | Error::ClientBlocked => {
            ("You may not see this", "Your role does not reach this page. An admin can change that.".to_owned())
        }
        Error::RoleLimit { most, .. } => (
            "That is more than your role may drain in one go",
            format!("Nothing was done. It is {most} entries at most; an operator or an admin may drain more."),
        ),
        Error::NotFound(what) => {
            return (
                format!("No such {what}"),
                format!("The {what} this link names is not in the store. It may have been removed, or the link is cut short."),
            );
        }
        Error::Invalid { field, detail } => {
            return (format!("The link has a bad value in “{field}”"), format!("{detail}. Nothing was changed."));
        }
        Error::Cursor(_) => ("The position in this link no longer holds", "Start again from the first page.".to_owned()),
        Error::Overloaded { .. } => ("The store is busy", "Nothing was changed. Try again in a moment.".to_owned()),
        Error::StorageFull => {
            ("The disk of the server takes nothing", "Nothing was changed. Make room on it, then try again.".to_owned())
        }
        Error::RateLimited { .. } => ("Too many tries", "Wait a minute, then try again.".to_owned()),
        Error::Refused(_) => ("The change was refused", "Nothing was changed. The record is not as it was expected.".to_owned()),
        Error::SchemaUnsupported { .. } => ("This schema is no longer served", "The client app needs an upgrade.".to_owned()),
        Error::InFlight => ("A request like this is under way", "Wait for it to end, then reload.".to_owned()),
        Error::SetChanged(change) => (
            "The set is not what was confirmed",
            format!("It holds {} entries, and {} match now. Nothing was done.", change.frozen, change.now),
        ),
        Error::StateConflict(detail) => ("That is not possible now", format!("{detail}. Nothing was changed.")),
        Error::CommandEnded => ("The command has ended", "Nothing was changed: what has ended cannot be taken back.".to_owned()),
        Error::CommandUnderWay(left) => ("The device is at it", format!("Nothing was changed. If the end is forced, {left}.")),
        Error::Internal(_) => (
            "This page could not be made",
            "The fault is ours and has been logged. The rest of the console is not affected.".to_owned(),
        ),
    };
    (title.to_owned(), text)
}

/// Sets the status code of the answer.
pub fn answer_status(status: StatusCode) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status);
    }
}

/// The page for a failed one: status code, words, request id. Nobody signed in is led to the sign-in form instead.
pub fn error_page(error: &Error) -> AnyView {
    if matches!(error, Error::Unauthenticated) {
        leptos_axum::redirect(&paths::sign_in(&here(), "expired"));
    } else {
        answer_status(status(error));
    }
    if let Error::Internal(cause) = error {
        tracing::error!(request_id = console().cx.request_id, cause = ?cause, "page failed");
    }
    let (title, text) = words(error);
    let passes = status(error).is_server_error() || matches!(error, Error::RateLimited { .. } | Error::InFlight);
    view! {
        <Frame title=title.clone() section=Section::None>
            <ErrorPanel title text passes/>
        </Frame>
    }
    .into_any()
}

/// A form that could not be answered.
#[derive(Clone, Debug)]
pub struct FormFailure {
    /// What of the form could not be read; `None` when the fault is ours.
    pub detail: Option<String>,
}

impl FormFailure {
    /// A field is missing, there twice, or not of its shape.
    #[must_use]
    pub const fn unreadable(detail: String) -> Self {
        Self { detail: Some(detail) }
    }

    /// The fault is ours, and was logged where it was found.
    #[must_use]
    pub const fn ours() -> Self {
        Self { detail: None }
    }

    /// Its page, with its status code. An action that failed may have been done in part, so it does not say that nothing was.
    pub(crate) fn page(self) -> AnyView {
        let (status, title, text) = match self.detail {
            Some(detail) => {
                let text = format!(
                    "{}. Nothing was changed. Go back, reload the page and send the form again.",
                    crate::pages::list::sentence(&detail)
                );
                (StatusCode::BAD_REQUEST, "The form could not be read", text)
            }
            None => {
                let text =
                    "The fault is ours and has been logged. Look at the page you came from before you send the form again.";
                (StatusCode::INTERNAL_SERVER_ERROR, "This could not be done", text.to_owned())
            }
        };
        answer_status(status);
        view! {
            <Frame title section=Section::None>
                <ErrorPanel title=title.to_owned() text/>
            </Frame>
        }
        .into_any()
    }
}

/// Path and query of this request.
#[must_use]
pub fn here() -> String {
    use_context::<http::request::Parts>()
        .and_then(|parts| parts.uri.path_and_query().map(|path| path.as_str().to_owned()))
        .unwrap_or_else(|| paths::OVERVIEW.to_owned())
}

/// Heading, sentence, request id and the way out.
#[component]
pub fn ErrorPanel(
    /// What happened.
    title: String,
    /// What comes next.
    text: String,
    /// Whether asking again can help.
    #[prop(optional)]
    passes: bool,
) -> impl IntoView {
    let request_id = console().cx.request_id;
    view! {
        <section class="panel error-panel" aria-labelledby="h-error">
            <div class="empty">
                <span data-tone="watch"><Glyph sign=Sign::Stalling/></span>
                <h1 id="h-error">{title}</h1>
                <p>{text}</p>
                <div class="btn-row">
                    {passes.then(|| view! { <a class="btn" href=here()><Icon name=IconName::Retry/>"Try again"</a> })}
                    <a class="btn" class:btn-quiet=passes href=paths::OVERVIEW>"Go to the overview"</a>
                </div>
                <small class="faint">"Request " <span class="mono">{request_id}</span></small>
            </div>
        </section>
    }
    .into_any()
}

/// A failure of a server function that is our fault: logged here, answered without its cause.
pub fn unanswered(cause: impl std::fmt::Debug) -> ServerFnError {
    let request_id = console().cx.request_id;
    tracing::error!(request_id, ?cause, "action failed");
    ServerFnError::new(format!("The fault is ours and has been logged, request {request_id}"))
}

/// Answers a form: leads to where its work can be seen, or to the sign-in form. Expected refusals have their own address already.
///
/// # Errors
/// When the fault is ours.
pub fn led_to(target: tidewatch_service::Result<String>) -> Result<(), ServerFnError> {
    let target = match target {
        Ok(target) => target,
        Err(Error::Unauthenticated) => paths::sign_in(paths::OUTBOX, "expired"),
        Err(other) => return Err(unanswered(other)),
    };
    leptos_axum::redirect(&target);
    Ok(())
}
