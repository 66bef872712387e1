//! The app in process: the real router over a real store in a temporary folder, without a socket. Role objects carry the verbs:
//! `app.operator().await.get("/devices").await`, `app.device("d1").await.push(…).await`.
//!
//! Nothing here is mocked. Passwords are hashed cheaply, and the clock can be moved ahead; everything else is what `serve` runs.

mod app;
mod described;
mod device;
mod events;
mod reply;
mod signer;
mod visitor;

pub use app::{PASSWORD, SCOPES, TestApp};
pub use device::{Device, intent};
pub use events::Events;
pub use reply::Reply;
pub use signer::{Signer, token_mac};
pub use visitor::Visitor;
