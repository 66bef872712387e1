//! Signing in and out. Plain form posts: they answer with a redirect, with or without JavaScript.

#![expect(missing_docs, reason = "the macro makes a type of the arguments, without documentation")]

use leptos::prelude::*;

/// Key of the session under which the sign-in name is kept.
pub const SESSION_USER: &str = "user";

/// Checks name and password and starts a session under a new id. A refusal leads back to the form with its reason, never with what was typed.
///
/// # Errors
/// When the session cannot be written.
#[server(name = SignIn, prefix = "/console", endpoint = "session/sign_in")]
pub async fn sign_in(name: String, password: String, next: Option<String>) -> Result<(), ServerFnError> {
    let console = crate::context::console();
    let next = next.unwrap_or_default();
    let target = match console.service.sign_in(&console.cx, name.trim(), &password).await {
        Ok(user) => {
            session_start(&user.name).await?;
            crate::paths::local(&next)
        }
        Err(error) => crate::paths::sign_in(&next, crate::pages::sign_in::notice(&error)),
    };
    leptos_axum::redirect(&target);
    Ok(())
}

/// Ends the session.
///
/// # Errors
/// When the session cannot be removed.
#[server(name = SignOut, prefix = "/console", endpoint = "session/sign_out")]
pub async fn sign_out() -> Result<(), ServerFnError> {
    let session: tower_sessions::Session = leptos_axum::extract().await?;
    session.flush().await.map_err(crate::error::unanswered)?;
    leptos_axum::redirect(&crate::paths::sign_in("", "out"));
    Ok(())
}

#[cfg(feature = "ssr")]
async fn session_start(user: &str) -> Result<(), ServerFnError> {
    let session: tower_sessions::Session = leptos_axum::extract().await?;
    session.cycle_id().await.map_err(crate::error::unanswered)?;
    session.insert(SESSION_USER, user).await.map_err(crate::error::unanswered)
}
