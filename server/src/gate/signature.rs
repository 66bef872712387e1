//! Signatures of whole requests of devices (RFC 9421, one fixed profile): required when the server says so and the device has
//! bound a key, checked whenever they are there.
//!
//! The body is checked against `Content-Digest` where it is read; a request without a body is checked here.

use axum::http::request::Parts;
use axum::http::{Method, header};
use sha2::{Digest as _, Sha256};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::SECOND_MS;
use tidewatch_protocol::http_signature::{AGE_S_MAX, Algorithm, NONCE_S, RequestSignature, SignedRequest};
use tidewatch_protocol::keys::content_digest_read;
use tidewatch_protocol::{Code, Problem, headers};
use tidewatch_service::sync::{RequestKey, RequestVerdict};

use crate::api::Refusal;
use crate::api::error::Answer;
use crate::state::App;

fn invalid(detail: &str) -> Refusal {
    Refusal::new(Code::SignatureInvalid, detail)
}

fn text<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    parts.headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

pub(super) async fn check(app: &App, parts: &Parts, client_id: &ClientId, token: &str) -> Answer<()> {
    let required = app.signatures_required() && app.service().device_signs(client_id);
    let (input, signature) = (text(parts, headers::SIGNATURE_INPUT), text(parts, headers::SIGNATURE));
    let (input, signature) = match (input, signature) {
        (Some(input), Some(signature)) => (input, signature),
        (None, None) if !required => return Ok(()),
        (None, None) => return Err(invalid("this device has bound a key and must sign its requests")),
        _ => return Err(invalid("Signature-Input and Signature belong together")),
    };
    let read = RequestSignature::read(input, signature).map_err(invalid)?;
    if read.keyid != client_id.as_str() {
        return Err(invalid("`keyid` must be the client_id of the device"));
    }
    if required && read.algorithm != Algorithm::Ed25519 {
        return Err(invalid("this device has bound a key and must sign with it"));
    }
    let now = app.now();
    if read.created.abs_diff(now.0.div_euclid(SECOND_MS)) > AGE_S_MAX.unsigned_abs() {
        return Err(Refusal::new(
            Code::SignatureExpired,
            format!("`created` must be within {AGE_S_MAX} s of Sync-Server-Time; sign again with a new nonce"),
        ));
    }
    let request = covered(parts)?;
    verify(app, &read, request, (client_id, token)).await
}

/// What the signature covers, but for the scheme: a proxy in front may have taken the TLS off.
fn covered(parts: &Parts) -> Answer<(&str, String, &str, &str)> {
    let digest = text(parts, headers::CONTENT_DIGEST).ok_or_else(|| invalid("a signed request needs Content-Digest"))?;
    let client = text(parts, headers::SYNC_CLIENT).ok_or_else(|| invalid("a signed request needs Sync-Client"))?;
    let empty: [u8; 32] = Sha256::digest(b"").into();
    if matches!(parts.method, Method::GET | Method::HEAD) && content_digest_read(digest) != Some(empty) {
        return Err(invalid("Content-Digest must be that of no bytes on a request without a body"));
    }
    let host = text(parts, header::HOST.as_str()).or_else(|| parts.uri.host()).unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((parts.method.as_str(), format!("://{host}{path}"), digest, client))
}

async fn verify(
    app: &App,
    read: &RequestSignature,
    (method, target, content_digest, sync_client): (&str, String, &str, &str),
    (client_id, token): (&ClientId, &str),
) -> Answer<()> {
    let key = match read.algorithm {
        Algorithm::Ed25519 => RequestKey::Bound,
        Algorithm::HmacSha256 => RequestKey::Token(token),
    };
    let mut verdict = RequestVerdict::Wrong;
    for scheme in ["https", "http"] {
        let target_uri = format!("{scheme}{target}");
        let signed = SignedRequest { method, target_uri: &target_uri, content_digest, sync_client };
        let nonce = (read.nonce.as_str(), app.now(), NONCE_S);
        verdict = app.service().request_verify(client_id, key, &read.base(&signed), &read.signature, nonce).await?;
        if verdict != RequestVerdict::Wrong {
            break;
        }
    }
    match verdict {
        RequestVerdict::Holds => Ok(()),
        RequestVerdict::Wrong => Err(invalid("the signature does not fit the request and the key of the device")),
        RequestVerdict::Replayed => Err(Refusal::new(Code::NonceReplayed, "sign again with a new nonce; operation ids stay")),
        RequestVerdict::Full => {
            Err(Problem::new(Code::RateLimited).detail("too many signed requests").retry_after_ms(30_000).into())
        }
    }
}
