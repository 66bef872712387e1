//! The OpenAPI 3.1 description, made from the handlers themselves.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::api::refusals::Refusals;
use crate::api::{adapters, control, sync, system, v1};
use crate::gate::SESSION_COOKIE;

/// The description.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Tidewatch", description = "Sync API of devices, and API of the console. The sync routes are also served under `/api/v1/sync`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    paths(
        sync::clients::client_register, sync::clients::client_token, sync::changes::changes_page, sync::subscriptions::subscriptions_page, sync::mutations::mutations_push,
        sync::status::mutations_status, sync::events::events_stream, sync::tickets::ticket_issue, sync::records::record_view, sync::records::record_history,
        sync::records::integrity, sync::backfill::backfill_page, sync::snapshots::snapshot_take, sync::snapshots::snapshot_view, sync::snapshots::snapshot_part, sync::conflicts::conflicts_list, sync::conflicts::conflict_resolve, sync::telemetry::telemetry_ingest, sync::dead_letters::dead_letters_report,
        adapters::queues::asyncstorage_dead,
        adapters::arxos::batch_sync, adapters::arxos::equipment_updates, adapters::arxos::equipment_create,
        adapters::arxos::equipment_create_named, adapters::arxos::equipment_update, adapters::arxos::equipment_delete,
        adapters::queues::asyncstorage_push, adapters::queues::posalpro_push, adapters::queues::prism_push,
        control::commands_poll, control::command_report, control::escrow_put, control::logs_put, control::control_keys,
        v1::commands::commands_list, v1::commands::command_issue, v1::commands::command_view, v1::commands::command_logs, v1::commands::command_cancel,
        v1::report::resilience_report, v1::devices::devices_list, v1::devices::device_view, v1::outbox::outbox_report, v1::outbox::outbox_entries,
        v1::drain::preview_create, v1::drain::preview_view, v1::drain::preview_items, v1::drain::job_submit, v1::drain::jobs_list, v1::drain::job_view, v1::drain::job_items,
        v1::drain::job_change, v1::drain::job_retry_failed, v1::drain::entry_dry_run, v1::purges::purges_list, v1::purges::purge_ask, v1::purges::purge_view, v1::entry::outbox_devices, v1::entry::entry_view, v1::entry::entry_reveal, v1::changes::changes_list,
        v1::changes::operation_trace, v1::audit::audit_list, system::healthz, system::readyz, system::metrics
    ),
    components(schemas(tidewatch_protocol::v1::Mutation, tidewatch_protocol::v1::Report, tidewatch_protocol::v1::DeadLetterEntry)),
    modifiers(&Credentials, &Refusals)
)]
pub struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer =
            |text: &str| SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text)).build());
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("enrolment", bearer("an enrolment token, `twe_…`"));
        components.add_security_scheme("device", bearer("the access token of a device, `twd_…`"));
        components.add_security_scheme("api", bearer("an API token, `twa_…`"));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE))));
    }
}

/// The description as JSON text.
#[must_use]
pub fn text() -> String {
    Description::openapi().to_pretty_json().expect("the description is JSON")
}

/// `GET /api/openapi.json`.
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], text()).into_response()
}
