//! Draining: freezing a set, choosing what becomes of those behind, submitting, and the steps of a job. Plain form posts that answer with
//! a redirect, with or without JavaScript. What cannot be done leads back to its form with the reason.

#![expect(missing_docs, reason = "the macro makes a type of the arguments, without documentation")]
#![expect(clippy::too_many_arguments, reason = "each is a field of a form")]

use leptos::prelude::*;

/// Freezes what was picked. A correction that is not written yet is written first.
///
/// # Errors
/// When the fault is ours.
#[server(name = DrainFreeze, prefix = "/console", endpoint = "drain/freeze")]
pub async fn drain_freeze(
    #[server(default)] action: String,
    #[server(default)] entries: Vec<String>,
    #[server(default)] all: String,
    #[server(default)] filter: String,
    #[server(default)] signature: String,
    #[server(default)] job: String,
    #[server(default)] code: String,
    #[server(default)] patch: String,
    #[server(default)] dependants: String,
    #[server(default)] back: String,
) -> Result<(), ServerFnError> {
    let mut picked = crate::pages::outbox::selection::Picked::posted(!all.is_empty(), signature, filter, entries);
    (picked.job, picked.code) = (job, code);
    let asked = crate::pages::outbox::deeds::Asked { action, picked, patch, dependants, back };
    crate::error::led_to(asked.freeze(&crate::context::console()).await)
}

/// Says what becomes of those that wait behind; a set that changes by it is frozen again.
///
/// # Errors
/// When the fault is ours.
#[server(name = DrainChoose, prefix = "/console", endpoint = "drain/choose")]
pub async fn drain_choose(#[server(default)] set: String, #[server(default)] dependants: String) -> Result<(), ServerFnError> {
    crate::error::led_to(crate::pages::outbox::deeds::choose(&crate::context::console(), &set, &dependants).await)
}

/// Submits a frozen set.
///
/// # Errors
/// When the fault is ours.
#[server(name = DrainStart, prefix = "/console", endpoint = "drain/start")]
pub async fn drain_start(
    #[server(default)] set: String,
    #[server(default)] count: String,
    #[server(default)] hash: String,
    #[server(default)] key: String,
    #[server(default)] all: String,
    #[server(default)] filter: String,
    #[server(default)] signature: String,
    #[server(default)] reason: String,
    #[server(default)] typed: String,
    #[server(default)] canary: String,
    #[server(default)] rate: String,
) -> Result<(), ServerFnError> {
    let draft = crate::pages::outbox::drain::query::Draft::posted(reason, typed, canary, rate);
    let picked = crate::pages::outbox::selection::Picked::posted(!all.is_empty(), signature, filter, Vec::new());
    let echo = crate::pages::outbox::deeds::Echo { set, count, hash, key, picked };
    crate::error::led_to(echo.start(&crate::context::console(), draft).await)
}

/// Takes a step with a job.
///
/// # Errors
/// When the fault is ours.
#[server(name = DrainStep, prefix = "/console", endpoint = "drain/step")]
pub async fn drain_step(
    #[server(default)] job: String,
    #[server(default)] step: String,
    #[server(default)] remark: String,
) -> Result<(), ServerFnError> {
    crate::error::led_to(crate::pages::outbox::deeds::step(&crate::context::console(), &job, &step, remark.trim()).await)
}

/// Freezes what failed in a job, for one reason or for all.
///
/// # Errors
/// When the fault is ours.
#[server(name = DrainAgain, prefix = "/console", endpoint = "drain/again")]
pub async fn drain_again(#[server(default)] job: String, #[server(default)] code: String) -> Result<(), ServerFnError> {
    crate::error::led_to(crate::pages::outbox::deeds::again(&crate::context::console(), &job, &code).await)
}
