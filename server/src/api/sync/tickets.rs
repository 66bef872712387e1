//! `POST /events/ticket`: lets a browser open the event stream, which cannot send a header and must not have a token in its address.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use tidewatch_protocol::Problem;
use tidewatch_protocol::limits::TICKET_S;
use tidewatch_protocol::v1::records::TicketIssued;

use crate::api::error::{Answer, Refusal};
use crate::gate::Device;
use crate::state::App;

/// A ticket for one event stream of this device.
#[utoipa::path(post, path = "/events/ticket", tag = "sync", security(("device" = [])),
    responses((status = 200, body = TicketIssued), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn ticket_issue(State(app): State<App>, _device: Device, headers: HeaderMap) -> Answer<Json<TicketIssued>> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.get(7..)).unwrap_or_default().trim();
    let ticket = app.tickets().issue(token, app.now()).map_err(Refusal::internal)?;
    Ok(Json(TicketIssued { ticket, expires_in_s: TICKET_S }))
}
