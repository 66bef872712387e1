//! Entries of the conflicts log: both values, and everything that the decision read.

use std::sync::Arc;

use serde_json::json;

use super::Case;
use super::basis::Basis;
use super::vector::stated;
use crate::decide::{Dispute, DisputeKind, Write};
use crate::engine::{ControlFacts, ControlOp, NewConflict, Standoff, Turn};
use crate::ids::Seq;
use crate::json::body_text;
use crate::sync::{Body, MutationOp, Resolution};

/// How an entry of the conflicts log came about, beside the dispute itself.
#[derive(Debug, Default)]
pub(super) struct Settled<'a> {
    /// How it was settled, JSON text; `None` while it is open.
    pub(super) resolution: Option<String>,
    /// The guard that asked for a person.
    pub(super) guard: Option<&'a str>,
    /// The branch that the write became, with its body.
    pub(super) branch: Option<(&'a str, &'a Body)>,
}

impl Settled<'_> {
    /// Settled as this text says.
    pub(super) fn by(resolution: String) -> Self {
        Self { resolution: Some(resolution), ..Self::default() }
    }
}

impl Turn<'_> {
    pub(super) fn dispute(&mut self, case: &Case<'_>, dispute: Dispute, write: &Write) -> String {
        let mut settled = json!({"outcome": dispute.kind.as_str(), "kept": write.kept, "lost": write.lost, "over": write.over});
        settled["policy"] = case.collection.policy.name().into();
        self.conflict(case, dispute, Settled::by(settled.to_string()))
    }

    /// Writes both values into the conflicts log; called before the record changes.
    pub(super) fn conflict(&mut self, case: &Case<'_>, dispute: Dispute, settled: Settled<'_>) -> String {
        let record = self.set.records.get(&case.key);
        let server = record.and_then(|record| record.body.clone()).unwrap_or_else(|| "null".to_owned());
        let mut inputs = json!({
            "op": case.mutation.op.as_str(),
            "base": case.basis.as_str(),
            "policy": case.collection.policy.name(),
            "server_time": self.now.to_string(),
            "device_hlc": case.clocked.hlc.to_string(),
            "device": self.batch.client_id.as_str(),
            "store_hlc": record.map(|record| record.hlc.to_string()),
            "store_device": record.map(|record| record.last_client_id.as_str()),
            "store_operation": record.map(|record| record.last_operation_id.as_str()),
        });
        if let Some(rank) = case.meta.rank.or_else(|| (self.batch.role_rank != 0).then_some(0)) {
            inputs["store_rank"] = rank.into();
            inputs["device_rank"] = self.batch.role_rank.into();
        }
        if let Some(role) = self.batch.role {
            inputs["device_role"] = role.into();
        }
        if case.collection.policy.vector {
            inputs["store_vector"] = json!(case.meta.vector);
            inputs["device_vector"] = json!(stated(case.collection, case.mutation));
        }
        if let Some(wish) = case.wish() {
            inputs["wish"] = wish.as_str().into();
        }
        if let Some(guard) = settled.guard {
            inputs["guard"] = guard.into();
        }
        self.log.conflict_id += 1;
        let id = self.log.conflict_id;
        self.effects.conflicts.push(NewConflict {
            id,
            collection: Arc::clone(case.collection),
            record_id: case.key.1.clone(),
            scope: self.standing_scope(case).0,
            seq: record.map_or(Seq(0), |record| record.last_seq),
            kind: dispute.kind,
            inputs: inputs.to_string(),
            base: if let Basis::Stale(base) = &case.basis { Some(body_text(base)) } else { None },
            local: match settled.branch {
                Some((_, body)) => body_text(body),
                None if case.mutation.op == MutationOp::Delete => "null".to_owned(),
                None => body_text(&case.mutation.fields),
            },
            server,
            client: self.batch.client,
            operation_id: case.mutation.operation_id.clone(),
            open: dispute.open,
            resolution: settled.resolution,
            branch: settled.branch.map(|(name, _)| name.to_owned()),
            at: self.now,
        });
        if dispute.open {
            let asked = (dispute.kind == DisputeKind::Approval).then_some((self.batch.client, self.batch.role_rank));
            let branch = settled.branch.map(|(name, _)| name.to_owned());
            let fields = (dispute.kind == DisputeKind::Review).then(|| case.mutation.fields.keys().cloned().collect());
            let standoff = Standoff { conflict: id, branch, open: true, asked, fields };
            self.set.standoffs.entry(case.key.clone()).or_default().push(standoff);
            self.control(case, ControlOp::Conflict, ControlFacts::of_conflict(id));
        }
        format!("cf_{id}")
    }
}

pub(super) fn resolution(case: &Case<'_>, kept: Vec<String>, lost: Vec<String>) -> Resolution {
    Resolution { policy: case.collection.policy.name().to_owned(), policy_rev: case.collection.policy_rev, kept, lost }
}

pub(super) fn resolution_text(settled: &Resolution, outcome: &str) -> String {
    json!({"outcome": outcome, "policy": settled.policy, "kept": settled.kept, "lost": settled.lost}).to_string()
}
