//! Protocols of other apps: the same use case as `POST /mutations`, in their words. The translations are in
//! `tidewatch_protocol::facades`; what is here reads requests, looks up what they do not say, and calls.

pub mod arxos;
pub mod queues;

use std::time::Instant;

use axum::http::HeaderMap;
use tidewatch_domain::sync::{Push, PushAnswer};
use tidewatch_protocol::headers::SYNC_SCHEMA;
use tidewatch_service::fleet::Contact;

use crate::api::error::{Answer, Refusal};
use crate::api::sync::mutations::start_note;
use crate::gate::Device;
use crate::state::App;

/// Decides a batch, with a note of the attempt and of how it ended, as for `POST /mutations`.
async fn decided(app: &App, device: &Device, started: Instant, push: Answer<Push>) -> Answer<PushAnswer> {
    let work = async {
        let push = push?;
        start_note(app, &device.client_id, device.cx.now, &push);
        app.service().mutations_push(&device.cx, push).await.map_err(Refusal::from)
    };
    let done = work.await;
    let contact = match &done {
        Ok(answer) => {
            Contact::PushAnswered { results: answer.results.clone(), took_ms: started.elapsed().as_secs_f64() * 1_000.0 }
        }
        Err(refusal) => Contact::PushRefused { code: refusal.code() },
    };
    app.service().contact_note(&device.client_id, app.now(), contact);
    done
}

/// Schema version of the device's database: its header, or 1.
fn schema_version(headers: &HeaderMap) -> Answer<i64> {
    let Some(value) = headers.get(SYNC_SCHEMA) else { return Ok(1) };
    let version = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|version| *version >= 0);
    version.ok_or_else(|| Refusal::header(SYNC_SCHEMA, "must be a schema version"))
}
