//! Answers, and their stored form: a repeated intent gets the answer that it got the first time, word for word.

use serde_json::{Value, json};

use crate::ids::{OperationId, RecordId};
use crate::sync::{Body, IntentProblem, IntentResult, IntentStatus, Resolution};

/// An answer with nothing but its status.
pub(crate) fn blank(operation_id: OperationId, status: IntentStatus) -> IntentResult {
    IntentResult {
        operation_id,
        status,
        noop: false,
        replayed: false,
        seq: None,
        version: None,
        hlc: None,
        record: None,
        record_id: None,
        branch: None,
        resolution: None,
        conflict_id: None,
        warnings: Vec::new(),
        problem: None,
    }
}

const WARNINGS: [&str; 1] = ["clock_skew"];

/// Every code that a stored answer may hold.
pub const CODES: [&str; 19] = [
    "collection_unknown",
    "scope_forbidden",
    "scope_mismatch",
    "deadline_expired",
    "dedupe_horizon_passed",
    "clock_invalid",
    "number_out_of_range",
    "schema_invalid",
    "record_too_large",
    "not_found",
    "version_conflict",
    "conflict_resolved",
    "idempotency_key_reused",
    "envelope_invalid",
    "checksum_mismatch",
    "dependency_failed",
    "poisoned",
    "guard_failed",
    "signature_invalid",
];

/// What an answer holds beside status, position and version, as JSON text; `None` when that is all, and its clock that of
/// its change. A record is not kept: it is the log's at the answer's position.
#[must_use]
pub fn answer_extra(answer: &IntentResult) -> Option<String> {
    let plain = answer.status == IntentStatus::Applied
        && !answer.noop
        && answer.record.is_none()
        && answer.record_id.is_none()
        && answer.conflict_id.is_none()
        && answer.warnings.is_empty();
    if plain {
        return None;
    }
    let mut extra = Body::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            extra.insert(name.to_owned(), value);
        }
    };
    put("noop", answer.noop.then_some(Value::Bool(true)));
    put("hlc", answer.hlc.as_deref().map(Value::from));
    put("record", answer.record.as_ref().map(|_| Value::Bool(true)));
    put("record_id", answer.record_id.as_ref().map(|id| Value::from(id.as_str())));
    put("branch", answer.branch.as_deref().map(Value::from));
    put("conflict_id", answer.conflict_id.as_deref().map(Value::from));
    put("warnings", (!answer.warnings.is_empty()).then(|| json!(answer.warnings)));
    put(
        "resolution",
        answer
            .resolution
            .as_ref()
            .map(|r| json!({"policy": r.policy, "policy_rev": r.policy_rev, "kept": r.kept, "lost": r.lost})),
    );
    put(
        "problem",
        answer
            .problem
            .as_ref()
            .map(|p| json!({"code": p.code, "status": p.status, "retryable": p.retryable, "detail": p.detail})),
    );
    Some(Value::Object(extra).to_string())
}

/// The answer from its stored form. `hlc` and `body` are those of the change at the answer's position.
#[must_use]
pub fn answer_restore(plain: IntentResult, extra: Option<&str>, hlc: Option<String>, body: Option<&str>) -> IntentResult {
    let Some(extra) = extra else { return IntentResult { hlc, ..plain } };
    let extra: Body = serde_json::from_str(extra).unwrap_or_default();
    let text = |name: &str| extra.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str| extra.get(name) == Some(&Value::Bool(true));
    IntentResult {
        noop: flag("noop"),
        hlc: text("hlc"),
        record: body.filter(|_| flag("record")).and_then(|body| serde_json::from_str(body).ok()),
        record_id: text("record_id").and_then(|id| RecordId::parse(id).ok()),
        branch: text("branch"),
        conflict_id: text("conflict_id"),
        warnings: known(extra.get("warnings"), &WARNINGS),
        resolution: extra.get("resolution").map(resolution_read),
        problem: extra.get("problem").map(problem_read),
        ..plain
    }
}

fn known(names: Option<&Value>, all: &[&'static str]) -> Vec<&'static str> {
    let names = names.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(|name| all.iter().find(|known| name == *known).copied()).collect()
}

fn resolution_read(value: &Value) -> Resolution {
    let names = |name: &str| {
        let names = value[name].as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Resolution {
        policy: value["policy"].as_str().unwrap_or_default().to_owned(),
        policy_rev: value["policy_rev"].as_i64().unwrap_or_default(),
        kept: names("kept"),
        lost: names("lost"),
    }
}

fn problem_read(value: &Value) -> IntentProblem {
    IntentProblem {
        code: CODES.into_iter().find(|code| value["code"] == *code).unwrap_or("rejected"),
        status: value["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(422),
        retryable: value["retryable"] == Value::Bool(true),
        retry_after_ms: None,
        detail: value["detail"].as_str().unwrap_or_default().to_owned(),
    }
}
