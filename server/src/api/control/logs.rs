//! `POST /control/logs`: the lines of a device's log that a command asked for. All of them are taken, or none.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use tidewatch_domain::time::Millis;
use tidewatch_protocol::limits::INTEGER_MAX;
use tidewatch_protocol::v1::LogsAnswered;
use tidewatch_protocol::v1::control::log_lines_read;
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::control::LogLines;
use tidewatch_service::fleet::Contact;

use crate::api::body::LinesBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Device;
use crate::state::App;

/// Takes the lines of a log.
#[utoipa::path(post, path = "/control/logs", tag = "control", security(("device" = [])),
    params(("command" = String, Query, description = "The command that asked for them"),
        ("begins_at" = Option<String>, Query, description = "Since when the log goes back, RFC 3339; older lines were lost to a restart or to its limit"),
        ("dropped" = Option<i64>, Query, description = "Lines that the limit of the log has cost it since")),
    request_body(content = String, content_type = "application/x-ndjson",
        description = "A line each: `{\"at\", \"level\", \"target\", \"message\"}`, oldest first; at most 1 MiB, as sent and after decompression (gzip or zstd), and 10,000 lines. An empty body says that there are none"),
    responses((status = 200, body = LogsAnswered, description = "What is kept for the command"),
        (status = 400, body = Problem, description = "A parameter or a line that cannot be read, named; nothing was kept", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No command of this device", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "The command has ended without its lines", content_type = "application/problem+json"),
        (status = 413, body = Problem, description = "Too many bytes or lines; nothing was kept", content_type = "application/problem+json"),
        (status = 415, body = Problem, description = "Not lines of JSON, or coded in another way", content_type = "application/problem+json"),
        (status = 422, body = Problem, description = "A member of a line at fault, named; nothing was kept", content_type = "application/problem+json"),
        (status = 429, body = Problem, description = "Too many requests of this device on the control channel, or too many devices upload", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn logs_put(State(app): State<App>, device: Device, request: Request) -> Answer<Json<LogsAnswered>> {
    let mut params = Params::of(request.uri())?;
    let command = params.take("command").ok_or_else(|| Refusal::query("command", "is required"))?;
    let begins = params.take("begins_at").map(|text| begins_read(&text)).transpose()?;
    let dropped = params.take("dropped").map_or(Ok(0), |text| dropped_read(&text))?;
    params.done()?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let _place = app.streams().log_places.clone().try_acquire_owned().map_err(|_| {
        Refusal::from(Problem::new(Code::RateLimited).detail("too many devices upload; try again").retry_after_ms(5_000))
    })?;
    let LinesBody(body) = LinesBody::from_request(request, &app).await?;
    let lines = log_lines_read(&body)?;
    let (held, duplicate) = app.service().logs_put(&device.cx, &command, LogLines { lines, begins, dropped }).await?;
    Ok(Json(LogsAnswered { lines: held.lines, bytes: held.bytes, duplicate }))
}

fn begins_read(text: &str) -> Answer<Millis> {
    Millis::parse_rfc3339(text).ok_or_else(|| Refusal::query("begins_at", "must be an RFC 3339 timestamp"))
}

fn dropped_read(text: &str) -> Answer<u64> {
    let read = text.parse::<u64>().ok().filter(|count| i64::try_from(*count).is_ok_and(|count| count <= INTEGER_MAX));
    read.ok_or_else(|| Refusal::query("dropped", format!("must be within 0 and {INTEGER_MAX}")))
}
