//! Rows of the log that change no record (`protocol.md` 2.5): a record left a scope, something waits beside it or is settled,
//! a device may read more or less, a collection is configured anew. They are in the chain like every other row.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ChangeFacts, ClientKey, Collection, LogState, SERVER_NODE, ScopeKey};
use crate::digest::{Hash, chain_next, content_hash};
use crate::hlc::{Hlc, Ticks};
use crate::ids::{ClientId, RecordId, Scope, Seq, Version};
use crate::json::value_text;
use crate::sync::Body;
use crate::time::Millis;

/// What a control row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlOp {
    /// The record is not in this scope any more.
    Evict,
    /// Something waits beside the record.
    Conflict,
    /// It is settled.
    Resolved,
    /// The device may read and write one scope more.
    Grant,
    /// One less: everything of the scope goes.
    Revoke,
    /// A collection has another policy or another schema.
    Schema,
}

impl ControlOp {
    /// Every one, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Evict, Self::Conflict, Self::Resolved, Self::Grant, Self::Revoke, Self::Schema];

    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evict => "evict",
            Self::Conflict => "conflict",
            Self::Resolved => "resolved",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Schema => "schema",
        }
    }

    /// Number in the log; those of changes are below.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Evict => 6,
            Self::Conflict => 7,
            Self::Resolved => 8,
            Self::Grant => 9,
            Self::Revoke => 10,
            Self::Schema => 11,
        }
    }

    /// Reads what [`ControlOp::number`] writes.
    #[must_use]
    pub fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.number() == number)
    }

    /// Whether a scan of the state shows it: what a conflict is, the state does not say, and the conflicts log does.
    #[must_use]
    pub const fn in_scan(self) -> bool {
        !matches!(self, Self::Conflict | Self::Resolved)
    }

    /// Whether it is for one device only.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Grant | Self::Revoke)
    }
}

/// What a control row says beside its columns. The digest of the row covers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlFacts {
    /// Why a record was evicted: `moved`.
    pub reason: Option<String>,
    /// Entry of the conflicts log.
    pub conflict: Option<i64>,
    /// The scope that was granted or revoked.
    pub scope: Option<Scope>,
    /// Of a collection: oldest schema that is served, current one, revision of the policy.
    pub schema: Option<(i64, i64, i64)>,
}

impl ControlFacts {
    /// Canonical text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Body::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("reason", self.reason.as_deref().map(Value::from));
        put("conflict", self.conflict.map(Value::from));
        put("scope", self.scope.as_ref().map(|scope| scope.as_str().into()));
        put("schema", self.schema.map(|(min, current, rev)| json!([min, current, rev])));
        value_text(&Value::Object(out))
    }

    /// Reads what [`ControlFacts::text`] writes; anything else is empty.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let schema = |at: usize| value["schema"][at].as_i64();
        Self {
            reason: value["reason"].as_str().map(str::to_owned),
            conflict: value["conflict"].as_i64(),
            scope: value["scope"].as_str().and_then(|text| Scope::parse(text).ok()),
            schema: schema(0).zip(schema(1)).zip(schema(2)).map(|((min, current), rev)| (min, current, rev)),
        }
    }

    /// About an entry of the conflicts log.
    #[must_use]
    pub fn of_conflict(id: i64) -> Self {
        Self { conflict: Some(id), ..Self::default() }
    }

    /// About a scope.
    #[must_use]
    pub fn of_scope(scope: Scope) -> Self {
        Self { scope: Some(scope), ..Self::default() }
    }
}

/// A control row before it has its place in the log.
#[derive(Clone, Debug)]
pub struct Control {
    /// What it says.
    pub op: ControlOp,
    /// Collection, of a row about a record or a collection.
    pub collection: Option<Arc<Collection>>,
    /// Record, of a row about one.
    pub record_id: Option<RecordId>,
    /// Version of the record at that time; 0 without one.
    pub version: Version,
    /// Scope that it stands in.
    pub scope: (ScopeKey, Scope),
    /// Device that caused it, or that it is for; `None` for the console itself.
    pub client: Option<(ClientKey, ClientId)>,
    /// Operation that caused it.
    pub operation_id: String,
    /// The rest.
    pub facts: ControlFacts,
}

/// A control row of the log.
#[derive(Clone, Debug)]
pub struct NewControl {
    /// Position.
    pub seq: Seq,
    /// What it says.
    pub control: Control,
    /// When, as a stamp.
    pub hlc: Hlc,
    /// Canonical text of the facts.
    pub detail: String,
    /// Committed at.
    pub committed: Millis,
    /// Digest of all of the above.
    pub digest: Hash,
    /// Chain up to this row.
    pub chain: Hash,
}

impl NewControl {
    /// Revision of the policy of its collection; 0 without one.
    #[must_use]
    pub fn policy_rev(&self) -> i64 {
        self.control.collection.as_ref().map_or(0, |collection| collection.policy_rev)
    }
}

impl LogState {
    /// Gives a control row its place at the end of the log. Time in the log never goes back.
    #[must_use]
    pub fn control(&mut self, control: Control, now: Millis) -> NewControl {
        self.committed = self.committed.max(now);
        // The server's clock does not move for it: what is said of a write must not change the stamps of the next ones.
        let hlc = Hlc { ticks: Ticks::at(self.committed), node: SERVER_NODE.to_owned() };
        let (seq, detail) = (Seq(self.head.0 + 1), control.facts.text());
        let row = NewControl { seq, control, hlc, detail, committed: self.committed, digest: [0; 32], chain: self.chain };
        let digest = facts(&row).digest();
        self.chain = chain_next(&self.chain, seq.0, &digest);
        self.head = seq;
        NewControl { digest, chain: self.chain, ..row }
    }
}

/// The facts that the digest of a control row covers.
fn facts(row: &NewControl) -> ChangeFacts<'_> {
    static NOTHING: std::sync::LazyLock<Hash> = std::sync::LazyLock::new(|| content_hash(None));
    let control = &row.control;
    ChangeFacts {
        collection: control.collection.as_ref().map_or("", |collection| collection.name.as_str()),
        record_id: control.record_id.as_ref().map_or("", RecordId::as_str),
        scope: control.scope.1.as_str(),
        op: control.op.number(),
        version: control.version.0,
        prev_seq: 0,
        ticks: row.hlc.ticks.0.cast_signed(),
        node: &row.hlc.node,
        hlc_claimed: None,
        client_id: control.client.as_ref().map_or("", |(_, id)| id.as_str()),
        operation_id: &control.operation_id,
        schema_version: 0,
        policy_rev: row.policy_rev(),
        decision: 0,
        changed: None,
        content: &NOTHING,
        committed: row.committed,
        detail: Some(&row.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_control_row_says_reads_as_it_is_written() {
        let scope = Scope::parse("site:a").expect("a scope");
        for facts in [
            ControlFacts::default(),
            ControlFacts { reason: Some("moved".to_owned()), ..ControlFacts::default() },
            ControlFacts::of_conflict(7),
            ControlFacts::of_scope(scope),
            ControlFacts { schema: Some((1, 2, 3)), ..ControlFacts::default() },
        ] {
            assert_eq!(ControlFacts::read(&facts.text()), facts);
        }
        assert_eq!(ControlFacts::read("nonsense"), ControlFacts::default());
    }

    #[test]
    fn each_kind_of_control_row_has_a_number_above_those_of_changes() {
        let numbers: Vec<i64> = ControlOp::ALL.into_iter().map(ControlOp::number).collect();
        assert_eq!(numbers, [6, 7, 8, 9, 10, 11]);
        for op in ControlOp::ALL {
            assert_eq!(ControlOp::of(op.number()), Some(op));
        }
        assert_eq!(ControlOp::of(5), None);
    }
}
