//! What each route of the API refuses with, by status and code. Handlers say `4XX` for all of it; the description names it.
//!
//! A route refuses with what its gate refuses, with what a body or a parameter may be refused for, and with what stands for it in
//! [`ROUTES`]. What a route answers beyond that is found by the tests, which look at every answer, and by `cargo xtask schemathesis`.

use std::collections::BTreeMap;

use tidewatch_protocol::Code;
use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

/// The status that handlers name.
const ANY: &str = "4XX";

type Codes = &'static [Code];

/// The gate of devices.
const DEVICE: Codes = &[
    Code::HeaderInvalid,
    Code::CredentialRequired,
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::SignatureInvalid,
    Code::SignatureExpired,
    Code::NonceReplayed,
    Code::ClientBlocked,
    Code::ProtocolUnsupported,
    Code::RateLimited,
];
/// The gate of those who enrol a device, or renew its tokens.
const ENROLMENT: Codes = &[
    Code::CredentialRequired,
    Code::TokenInvalid,
    Code::TokenExpired,
    Code::ClientBlocked,
    Code::ProtocolUnsupported,
    Code::RateLimited,
];
/// The gate of staff and of API tokens.
const STAFF: Codes = &[Code::CredentialRequired, Code::TokenInvalid, Code::TokenExpired, Code::Forbidden, Code::CrossSite];
/// Bodies.
const BODY: Codes = &[
    Code::JsonInvalid,
    Code::EnvelopeInvalid,
    Code::HeaderInvalid,
    Code::BodyTooLarge,
    Code::DecompressionLimit,
    Code::EncodingUnsupported,
    Code::MediaTypeUnsupported,
];
/// Parameters: a route without any refuses all.
const QUERY: Codes = &[Code::QueryInvalid];
/// Cursors.
const CURSOR: Codes =
    &[Code::CursorMalformed, Code::CursorFilterMismatch, Code::CursorEpochMismatch, Code::CursorAhead, Code::CursorExpired];
/// What is not open to the device.
const CLOSED: Codes = &[Code::Forbidden, Code::ScopeForbidden];
/// Schemas that are served no more.
const SCHEMA: Codes = &[Code::SchemaUnsupported];
/// Things that are not there.
const MISSING: Codes = &[Code::NotFound];
/// Collections that are not there.
const COLLECTION: Codes = &[Code::CollectionUnknown];
/// Batches.
const BATCH: Codes = &[Code::BatchTooLarge, Code::InFlight];
/// The writer.
const WRITES: Codes = &[Code::WriterOverloaded, Code::StorageFull];
/// A single intent, or a batch that is taken whole, is refused by the code of what stands against it.
const INTENT: Codes = &[
    Code::NotFound,
    Code::CollectionUnknown,
    Code::VersionConflict,
    Code::ConflictResolved,
    Code::PreconditionFailed,
    Code::RecordTooLarge,
    Code::ChecksumMismatch,
    Code::IdempotencyKeyReused,
    Code::SchemaInvalid,
    Code::NumberOutOfRange,
    Code::GuardFailed,
    Code::ClockInvalid,
    Code::ScopeMismatch,
    Code::DeadlineExpired,
    Code::DedupeHorizonPassed,
    Code::DependencyFailed,
    Code::Poisoned,
    Code::DependencyMissing,
    Code::OutOfOrder,
];

/// Routes with what they refuse with beside what their kind does.
const ROUTES: &[(&str, &str, &[Codes])] = &[
    ("POST", "/clients", &[CLOSED, SCHEMA, WRITES]),
    ("GET", "/changes", &[CURSOR, CLOSED, SCHEMA]),
    ("POST", "/changes", &[CURSOR, CLOSED, SCHEMA]),
    ("POST", "/mutations", &[BATCH, CURSOR, CLOSED, SCHEMA, INTENT, WRITES]),
    ("POST", "/mutations/status", &[CLOSED]),
    ("GET", "/records/{collection}/{record_id}", &[MISSING, COLLECTION, CLOSED]),
    ("GET", "/records/{collection}/{record_id}/history", &[MISSING, COLLECTION, CLOSED]),
    ("POST", "/records/backfill", &[CURSOR, COLLECTION, CLOSED, SCHEMA]),
    ("GET", "/integrity", &[CLOSED]),
    ("GET", "/snapshots", &[&[Code::SnapshotNotOffered], CLOSED, SCHEMA]),
    ("GET", "/snapshots/{id}", &[MISSING, CLOSED]),
    ("GET", "/snapshots/{id}/parts/{n}", &[MISSING, CLOSED, &[Code::NotAcceptable, Code::RangeNotSatisfiable]]),
    ("GET", "/conflicts", &[CLOSED]),
    ("POST", "/conflicts/{conflict_id}/resolution", &[BATCH, CLOSED, INTENT, WRITES]),
    ("POST", "/telemetry", &[BATCH, CLOSED, WRITES]),
    ("POST", "/dead-letters", &[BATCH, CLOSED, WRITES]),
    ("GET", "/control/commands", &[WRITES]),
    ("POST", "/control/commands/{id}/status", &[MISSING, &[Code::CommandEnded, Code::SchemaInvalid], WRITES]),
    ("POST", "/control/escrow", &[MISSING, BATCH, &[Code::RecordTooLarge], WRITES]),
    ("POST", "/control/logs", &[MISSING, WRITES]),
    ("POST", "/api/v1/mobile/sync/batch", &[BATCH, CLOSED, SCHEMA, WRITES]),
    ("GET", "/api/v1/mobile/equipment/building/{id}/updates", &[CURSOR, CLOSED, SCHEMA]),
    ("POST", "/api/v1/mobile/equipment", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("POST", "/api/v1/mobile/equipment/{id}", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("PUT", "/api/v1/mobile/equipment/{id}", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("DELETE", "/api/v1/mobile/equipment/{id}", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("POST", "/api/v1/adapters/asyncstorage/items", &[BATCH, CLOSED, SCHEMA, WRITES]),
    ("POST", "/api/v1/adapters/asyncstorage/dead-letters", &[BATCH, CLOSED, WRITES]),
    ("POST", "/api/v1/adapters/posalpro/events", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("POST", "/api/v1/adapters/prism/operations", &[BATCH, CLOSED, SCHEMA, INTENT, WRITES]),
    ("GET", "/api/v1/devices/{client_id}", &[MISSING]),
    ("GET", "/api/v1/devices/{client_id}/commands", &[MISSING]),
    ("POST", "/api/v1/devices/{client_id}/commands", &[MISSING, WRITES]),
    ("GET", "/api/v1/commands/{id}", &[MISSING]),
    ("GET", "/api/v1/commands/{id}/logs", &[MISSING]),
    ("POST", "/api/v1/commands/{id}/cancel", &[MISSING, &[Code::CommandEnded, Code::CommandUnderWay], WRITES]),
    ("GET", "/api/v1/operations/{operation_id}", &[MISSING]),
    ("GET", "/api/v1/outbox/devices", &[MISSING]),
    ("GET", "/api/v1/outbox/entries/{client_id}/{operation_id}", &[MISSING]),
    ("POST", "/api/v1/outbox/entries/{client_id}/{operation_id}/reveal", &[MISSING]),
    ("POST", "/api/v1/outbox/entries/{client_id}/{operation_id}/dry-run", &[MISSING, &[Code::StateConflict]]),
    ("POST", "/api/v1/outbox/drain/previews", &[MISSING, &[Code::StateConflict], WRITES]),
    ("GET", "/api/v1/outbox/drain/previews/{set}", &[MISSING]),
    ("GET", "/api/v1/outbox/drain/previews/{set}/items", &[MISSING, &[Code::StateConflict]]),
    ("POST", "/api/v1/outbox/drain/jobs", &[MISSING, &[Code::SetChanged, Code::StateConflict], WRITES]),
    ("GET", "/api/v1/outbox/drain/jobs/{id}", &[MISSING]),
    ("GET", "/api/v1/outbox/drain/jobs/{id}/items", &[MISSING, &[Code::StateConflict]]),
    ("POST", "/api/v1/outbox/drain/jobs/{id}/{change}", &[MISSING, &[Code::StateConflict], WRITES]),
    ("POST", "/api/v1/outbox/drain/jobs/{id}/retry-failed", &[MISSING, &[Code::StateConflict], WRITES]),
    ("GET", "/api/v1/outbox/entries", &[MISSING]),
    ("GET", "/api/v1/outbox/purges", &[MISSING]),
    ("GET", "/api/v1/outbox/purges/{id}", &[MISSING]),
    ("POST", "/api/v1/outbox/purges", &[MISSING, &[Code::StateConflict], WRITES]),
];

/// The gate in front of a route.
fn gate(path: &str) -> Codes {
    match path {
        "/clients" | "/clients/token" => ENROLMENT,
        path if path.starts_with("/api/v1/mobile/") || path.starts_with("/api/v1/adapters/") => DEVICE,
        path if path.starts_with("/api/") => STAFF,
        _ => DEVICE,
    }
}

/// Names of codes by the status that each stands for.
fn refusals(method: &str, path: &str, operation: &Operation) -> BTreeMap<u16, Vec<&'static str>> {
    let own = ROUTES.iter().find(|(of, place, _)| (*of, *place) == (method, path)).map(|(.., own)| *own).unwrap_or_default();
    let body = operation.request_body.is_some();
    let parts = [Some(gate(path)), body.then_some(BODY), Some(QUERY)].into_iter().flatten().chain(own.iter().copied());
    let mut named: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for code in parts.flatten().filter(|code| **code != Code::CrossSite || method != "GET") {
        let names = named.entry(code.status()).or_default();
        if !names.contains(&code.as_str()) {
            names.push(code.as_str());
        }
    }
    named
}

/// Names the refusals of every route that has some.
#[derive(Debug)]
pub struct Refusals;

impl Modify for Refusals {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let operations =
                [("GET", &mut item.get), ("POST", &mut item.post), ("PUT", &mut item.put), ("DELETE", &mut item.delete)];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                let named = refusals(method, path, operation);
                let Some(RefOr::T(any)) = operation.responses.responses.remove(ANY) else { continue };
                for (status, codes) in named {
                    let words = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
                    let mut response = any.clone();
                    response.description = words;
                    operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi as _;

    use super::*;
    use crate::api::openapi::Description;

    #[test]
    fn every_refusal_is_named_and_every_name_belongs_to_a_route() {
        let described = Description::openapi().paths.paths;
        let operation = |method: &str, path: &str| {
            let item = described.get(path)?;
            match method {
                "GET" => item.get.as_ref(),
                "POST" => item.post.as_ref(),
                "PUT" => item.put.as_ref(),
                _ => item.delete.as_ref(),
            }
        };
        for (method, path, _) in ROUTES {
            assert!(operation(method, path).is_some(), "{method} {path} is no route");
        }
        for (path, item) in &described {
            for operation in [&item.get, &item.post, &item.put, &item.delete].into_iter().flatten() {
                assert!(!operation.responses.responses.contains_key(ANY), "{path} does not say what it refuses with");
            }
        }
    }
}
