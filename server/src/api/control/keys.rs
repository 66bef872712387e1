//! `GET /control/keys`: the keys that sign commands, for everybody.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use tidewatch_protocol::v1::{ControlKeyEntry, ControlKeysAnswered};
use tidewatch_protocol::{Timestamp, keys};

use crate::api::error::Answer;
use crate::state::App;

/// The keys, oldest first.
#[utoipa::path(get, path = "/control/keys", tag = "control", responses((status = 200, body = ControlKeysAnswered)))]
pub async fn control_keys(State(app): State<App>) -> Answer<Response> {
    let all = app.service().control_keys(app.now()).await?;
    let keys = all.into_iter().map(|key| {
        let (signed_by, signature) = key.signed.unzip();
        ControlKeyEntry {
            kid: key.kid,
            alg: "ed25519".to_owned(),
            public_key: keys::bytes_written(&key.public),
            created_at: Timestamp(key.created),
            signed_by,
            sig: signature.map(|signature| keys::bytes_written(&signature)),
        }
    });
    Ok(([(header::CACHE_CONTROL, "public, max-age=60")], Json(ControlKeysAnswered { keys: keys.collect() })).into_response())
}
