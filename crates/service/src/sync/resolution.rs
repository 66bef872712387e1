//! The decision of a person on a conflict, as a device brings it: a mutation like any other, that names what it settles.

use serde_json::{Value, json};
use tidewatch_domain::digest::content_hash;
use tidewatch_domain::ids::{IdempotencyKey, OperationId, Version};
use tidewatch_domain::json::value_text;
use tidewatch_domain::sync::{Base, BatchTerms, Body, ConflictView, Intent, IntentResult, Mutation, MutationOp, Push, Terms};
use tidewatch_store::sync::ClientFacts;

use crate::{Cx, Error, Result, Service};

/// Priority of a decision: somebody waits for it.
const PRIORITY: u8 = 2;

/// What somebody decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The device's value.
    Local,
    /// The record as it stands.
    Remote,
    /// The record as it stands, with these fields over it.
    Merge,
    /// These fields are the record.
    Custom,
}

impl Choice {
    /// Every choice, with its name on the wire.
    pub const NAMES: [(&'static str, Self); 4] =
        [("local", Self::Local), ("remote", Self::Remote), ("merge", Self::Merge), ("custom", Self::Custom)];

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, choice)| choice)
    }

    fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }
}

/// A decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What.
    pub choice: Choice,
    /// Goes with `merge` and `custom`.
    pub fields: Option<Body>,
    /// The version of the record that was looked at; none when there was no record.
    pub base_version: Option<Version>,
    /// The operation that it becomes; the same decision comes to the same one when it names none.
    pub operation_id: Option<OperationId>,
}

impl Service {
    /// Settles a conflict: the record becomes what was decided, and the conflict is closed, in one commit. Answers as for any
    /// mutation; a decision that was made on an older version is a `conflict`, one that came too late is rejected.
    ///
    /// # Errors
    /// Not found, also for a conflict in a scope that the device may not read; invalid, naming the field.
    pub async fn conflict_resolve(&self, cx: &Cx, id: i64, decision: Decision, schema: Option<i64>) -> Result<IntentResult> {
        let (device, conflict) = self.conflict_of(cx, id, schema).await?;
        let mutation = mutation_of(&device, &conflict, decision, schema)?;
        let push = Push {
            client_id: device.client_id.clone(),
            sent_at: Some(cx.now),
            body_bytes: mutation.raw.len(),
            intents: vec![Intent::Valid(Box::new(mutation))],
            terms: BatchTerms::default(),
        };
        let answer = self.mutations_push(cx, push).await?;
        answer.results.into_iter().next().ok_or(Error::NotFound("conflict"))
    }
}

fn invalid(field: &'static str, detail: &str) -> Error {
    Error::Invalid { field, detail: detail.to_owned() }
}

fn mutation_of(device: &ClientFacts, conflict: &ConflictView, decision: Decision, schema: Option<i64>) -> Result<Mutation> {
    let takes_fields = matches!(decision.choice, Choice::Merge | Choice::Custom);
    if takes_fields != decision.fields.is_some() {
        return Err(invalid("fields", "go with `merge` and `custom`, and only with those"));
    }
    if conflict.record.is_some() && decision.base_version.is_none() {
        return Err(invalid("base_version", "is required: the version of the record that was looked at"));
    }
    let operation_id = decision.operation_id.clone().unwrap_or_else(|| operation_of(conflict, &decision));
    // Who keeps the record as it is leaves the branch where it is.
    let decision_takes_branch = decision.choice != Choice::Remote;
    let (op, fields) = write_of(conflict, decision.choice, decision.fields)?;
    let takes_branch = conflict.open && decision_takes_branch;
    let merges = conflict.branch.iter().filter(|_| takes_branch).cloned().collect();
    let terms = Terms { resolves: vec![conflict.id], merges, ..Terms::default() };
    let base = decision.base_version.filter(|_| conflict.record.is_some()).map_or(Base::Unknown, Base::Version);
    let mut mutation = Mutation {
        idempotency_key: IdempotencyKey::parse(operation_id.as_str()).expect("an operation id is a key"),
        operation_id,
        client_seq: None,
        collection: conflict.collection.clone(),
        record_id: conflict.record_id.clone(),
        scope: conflict.scope.clone(),
        op,
        base,
        fields,
        logical_timestamp: None,
        created_at: None,
        priority: PRIORITY,
        deadline: None,
        schema_version: schema.or(device.schema_version).unwrap_or(1),
        terms: Some(Box::new(terms)),
        raw: String::new(),
    };
    mutation.raw = raw(&mutation, conflict.id);
    Ok(mutation)
}

/// The same decision on the same version is the same operation, so that a repeat is answered like the first.
fn operation_of(conflict: &ConflictView, decision: &Decision) -> OperationId {
    let fields = decision.fields.clone().map_or(Value::Null, Value::Object);
    let meaning = json!([decision.choice.as_str(), decision.base_version.map(|version| version.0), fields]);
    let hash = hex::encode(&content_hash(Some(&value_text(&meaning)))[..12]);
    OperationId::parse(format!("resolve-cf_{}-{hash}", conflict.id)).expect("the alphabet of operation ids")
}

/// What a choice writes.
fn write_of(conflict: &ConflictView, choice: Choice, fields: Option<Body>) -> Result<(MutationOp, Body)> {
    let live = conflict.record.as_ref().is_some_and(|(_, body)| body.is_some());
    match (choice, fields) {
        (Choice::Local, _) => local_of(conflict, live),
        (Choice::Remote, _) if live => Ok((MutationOp::Update, Body::new())),
        (Choice::Remote, _) => Ok((MutationOp::Delete, Body::new())),
        (Choice::Merge, Some(fields)) if live => Ok((MutationOp::Update, fields)),
        (_, fields) => Ok((MutationOp::Put, fields.unwrap_or_default())),
    }
}

/// The device's value as a write on the record as it stands now.
fn local_of(conflict: &ConflictView, live: bool) -> Result<(MutationOp, Body)> {
    let body = |text: &str| serde_json::from_str::<Body>(text).unwrap_or_default();
    let inputs: Value = serde_json::from_str(&conflict.inputs).unwrap_or_default();
    match inputs["op"].as_str().and_then(MutationOp::parse) {
        Some(MutationOp::Delete) => Ok((MutationOp::Delete, Body::new())),
        _ if conflict.branch.is_some() => Ok((MutationOp::Put, body(&conflict.local))),
        Some(MutationOp::Update) if live => Ok((MutationOp::Update, body(&conflict.local))),
        Some(MutationOp::Update) => {
            let base = conflict.base.as_deref().map(body).unwrap_or_default();
            Ok((MutationOp::Put, tidewatch_domain::decide::applied(&base, &body(&conflict.local))))
        }
        Some(MutationOp::Create | MutationOp::Put) => Ok((MutationOp::Put, body(&conflict.local))),
        Some(MutationOp::Crdt) | None => {
            Err(invalid("choice", "cannot be `local`: the device's value is no write of the record"))
        }
    }
}

/// The mutation as a device would have sent it.
fn raw(mutation: &Mutation, conflict: i64) -> String {
    let terms = mutation.terms.as_deref();
    let mut raw = json!({
        "operation_id": mutation.operation_id.as_str(),
        "collection": mutation.collection.as_str(),
        "record_id": mutation.record_id.as_str(),
        "scope": mutation.scope.as_str(),
        "op": mutation.op.as_str(),
        "priority": mutation.priority,
        "schema_version": mutation.schema_version,
        "resolves": [format!("cf_{conflict}")],
    });
    if mutation.op != MutationOp::Delete {
        raw["fields"] = Value::Object(mutation.fields.clone());
    }
    if let Base::Version(version) = mutation.base {
        raw["base_version"] = version.0.into();
    }
    if let Some(merges) = terms.map(|terms| &terms.merges).filter(|merges| !merges.is_empty()) {
        raw["merges"] = json!(merges);
    }
    raw.to_string()
}
