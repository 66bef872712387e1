//! A device's report (`control.md` 1): the part the client knows. What the hardware knows is merged in by the caller.
//!
//! Missing is *not reported*: a member without a value is left out, never zero.

use rand::RngCore;
use serde_json::{Map, Value, json};
use tidewatch_domain::time::Millis;

use crate::intent::uuid_v7;
use crate::journal::Journal;
use crate::outbox::Entry;
use crate::session::Client;
use crate::wire::Failure;

/// Entries of the outbox digest.
pub const DIGEST_ENTRIES_MAX: usize = 500;
/// Operations this urgent are critical.
const CRITICAL_PRIORITY: u8 = 1;

impl<J: Journal> Client<J> {
    /// Takes a report: its `sync` and `outbox` members and what else the client knows; `facts` are laid over it, group by
    /// group. Starts the counts of round trips and attempts anew.
    pub fn report(&mut self, now: Millis, seq: i64, facts: Value, rng: &mut dyn RngCore) -> Value {
        let outbox = &self.state().outbox;
        let critical = outbox.entries().filter(|entry| entry.intent.priority <= CRITICAL_PRIORITY).count();
        let conflicts = self.link().conflicts;
        let mut report = json!({
            "report_id": uuid_v7(now, rng), "at": now.to_string(), "seq": seq,
            "device": {},
            "connectivity": { "last_successful_sync": instant(self.link().last_success_at) },
            "offline_resilience": {
                "queued_operations_count": outbox.len(), "critical_operations_pending": critical, "sync_conflicts_detected": conflicts,
            },
            "user_experience": { "sync_conflict_resolution_success_rate": self.settled_rate() },
            "outbox": self.outbox_digest(now),
        });
        report["device"]["clock_offset_ms"] = json!(self.link().clock_offset_ms);
        report["mesh"] = self.state().mesh.as_ref().map_or(Value::Null, crate::mesh::Mesh::facts);
        report["sync"] = self.sync_facts();
        lay_over(&mut report, facts);
        drop_nulls(&mut report);
        report
    }

    fn settled_rate(&self) -> Option<f64> {
        let link = self.link();
        (link.conflicts > 0).then(|| f64::from(link.conflicts_settled) / f64::from(link.conflicts))
    }

    fn outbox_digest(&self, now: Millis) -> Value {
        let outbox = &self.state().outbox;
        let worst_first = outbox.by_badness(now, &[]);
        let entries: Vec<Value> =
            worst_first.iter().take(DIGEST_ENTRIES_MAX).map(|(state, entry)| entry_digest(state.as_str(), entry)).collect();
        json!({
            "total": outbox.len(), "bytes": outbox.bytes(), "truncated": worst_first.len() > entries.len(), "entries": entries,
        })
    }

    fn sync_facts(&mut self) -> Value {
        let round_trips = self.take_round_trips_ms();
        let (state, link) = (self.state(), self.link());
        let mut cursors = Map::new();
        let mut digests = Map::new();
        for ((scope, collection), digest) in state.replica.digests() {
            let of_scope = digests.entry(scope.clone()).or_insert_with(|| json!({}));
            of_scope[collection] = json!({ "rows": digest.rows, "digest": format!("{:016x}", digest.digest) });
            if let Some(cursor) = state.replica.cursor() {
                cursors.insert(scope.clone(), json!(cursor));
            }
        }
        let attempts = link.attempts;
        let facts = json!({
            "cursors": cursors, "digests": digests,
            "oldest_pending_at": instant(state.outbox.oldest_pending_at()),
            "last_attempt_at": instant(link.last_attempt_at), "last_ack_at": instant(link.last_ack_at),
            "last_applied_at": instant(link.last_applied_at), "retry_count": link.failures,
            "latency_ms": latency(&round_trips),
            "attempts": { "first_try_ok": attempts.first_try_ok, "ok": attempts.ok, "total": attempts.total },
            "token_errors": link.token_errors, "last_error": link.last_error.as_ref().map(failure),
        });
        self.counts_reset();
        facts
    }
}

fn entry_digest(state: &str, entry: &Entry) -> Value {
    let intent = &entry.intent;
    json!({
        "operation_id": intent.operation_id, "collection": intent.key.0, "record_id": intent.key.1, "scope": intent.scope,
        "op": intent.op.as_str(), "priority": intent.priority, "created_at": intent.created_at.to_string(),
        "depends_on": intent.depends_on, "attempts": entry.attempts, "last_attempt_at": instant(entry.last_attempt_at),
        "next_attempt_at": instant(entry.next_attempt_at), "bytes": intent.text.len(), "state": state,
        "error": entry.error.as_ref().map(failure),
    })
}

fn failure(failure: &Failure) -> Value {
    json!({ "code": failure.code, "status": failure.status, "message": failure.message })
}

fn instant(at: Option<Millis>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Nearest-rank percentiles of sorted values.
fn latency(sorted_ms: &[f64]) -> Option<Value> {
    let last = sorted_ms.len().checked_sub(1)?;
    let rank = |percent: usize| {
        (sorted_ms[(sorted_ms.len() * percent).div_ceil(100).saturating_sub(1).min(last)] * 100.0).round() / 100.0
    };
    Some(json!({ "count": sorted_ms.len(), "p50": rank(50), "p95": rank(95), "p99": rank(99) }))
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                lay_over(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
