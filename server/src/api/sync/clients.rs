//! `POST /clients` registers an installation; `POST /clients/token` renews its tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tidewatch_domain::ids::Scope;
use tidewatch_protocol::v1::changes::server_hlc;
use tidewatch_protocol::v1::clients::{
    ClientFeatures, ClientLimits, ClientRegistered, ClientRequest, PollTiers, TokenRefresh, TokensIssued, client_read,
};
use tidewatch_protocol::v1::{CollectionEntry, raw};
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::auth::{DeviceTokens, Refreshed};
use tidewatch_service::fleet::Contact;
use tidewatch_service::{Actor, Error};

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::gate::Caller;
use crate::state::App;

/// Registers an installation, or lets it in again.
#[utoipa::path(post, path = "/clients", tag = "sync", security(("enrolment" = [])), request_body = ClientRequest,
    responses((status = 201, body = ClientRegistered), (status = 200, body = ClientRegistered, description = "known already"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn client_register(
    State(app): State<App>,
    Caller(cx): Caller,
    JsonBody(body): JsonBody,
) -> Answer<(StatusCode, Json<ClientRegistered>)> {
    let read = client_read(&body)?;
    if read.scopes_named && read.registration.scopes.is_empty() {
        return Err(Problem::new(Code::EnvelopeInvalid)
            .field(FieldError::new("scopes", "must name one at least, or be absent"))
            .into());
    }
    let (principal, scopes) = granted(&cx.actor, &read.registration.principal, &read.registration.scopes);
    let (client_id, new, tokens) = app.service().device_enrol(&cx, read.registration).await.map_err(enrol_refusal)?;
    app.service().contact_note(&client_id, cx.now, Contact::Enrolled);
    let service = app.service();
    let scopes: Vec<String> = scopes.into_iter().map(Scope::into_string).collect();
    let registered = ClientRegistered {
        client_id: client_id.into_string(),
        principal,
        features: ClientFeatures::of(&scopes),
        scopes,
        epoch: service.epoch().to_string(),
        head: service.cursor_at(service.head()),
        server_time: Timestamp(cx.now),
        server_hlc: server_hlc(Timestamp(cx.now)),
        tokens: issued(tokens),
        limits: ClientLimits { snapshot_rows_min: Some(service.snapshot_rows_min()), ..ClientLimits::default() },
        poll_after_ms: PollTiers::default(),
        collections: service.collections().into_iter().map(CollectionEntry::from).collect(),
    };
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(registered)))
}

/// What the enrolment token makes of what the device asked for.
fn granted(actor: &Actor, principal: &str, scopes: &[Scope]) -> (String, Vec<Scope>) {
    let Actor::Enrolment { name, scopes: all } = actor else { return (principal.to_owned(), scopes.to_vec()) };
    let principal = if principal.is_empty() { name } else { principal };
    (principal.to_owned(), if scopes.is_empty() { all.clone() } else { scopes.to_vec() })
}

fn enrol_refusal(error: Error) -> Refusal {
    match error {
        Error::Invalid { field: field @ "scopes", detail } => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new(field, detail)).into()
        }
        Error::Invalid { field, detail } => Problem::new(Code::EnvelopeInvalid).field(FieldError::new(field, detail)).into(),
        other => other.into(),
    }
}

/// Buys the next pair of tokens with a refresh token.
#[utoipa::path(post, path = "/clients/token", tag = "sync", request_body = TokenRefresh,
    responses((status = 200, body = TokensIssued), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn client_token(State(app): State<App>, JsonBody(body): JsonBody) -> Answer<Json<TokensIssued>> {
    let TokenRefresh { refresh_token } = raw::typed(&body)?;
    match app.service().device_tokens_refresh(app.now(), &refresh_token).await? {
        Refreshed::Tokens(client_id, tokens) => {
            app.service().contact_note(&client_id, app.now(), Contact::Seen);
            Ok(Json(issued(tokens)))
        }
        Refreshed::Expired => Err(Problem { retryable: false, action: Some("enrol".into()), ..Problem::new(Code::TokenExpired) }
            .detail("the refresh token has ended; enrol again under the same id")
            .into()),
        Refreshed::Unknown => {
            Err(Refusal::new(Code::TokenInvalid, "the refresh token is not known, was used already, or was revoked"))
        }
    }
}

fn issued(tokens: DeviceTokens) -> TokensIssued {
    let DeviceTokens { access_token, access_expires_in_s, refresh_token } = tokens;
    TokensIssued { access_token, access_expires_in_s, refresh_token }
}
