//! Intents: what an edit becomes when it enters the outbox. Frozen there, with its id, clock and check sum, and sent in
//! exactly those bytes however often it takes (`protocol.md` 2.6, 2.9).

use rand::RngCore;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tidewatch_domain::ids::{CollectionName, OperationId, RecordId, Scope};
use tidewatch_domain::patch::PATCH_FAILED;
use tidewatch_domain::sync::{Body, MutationOp};
use tidewatch_domain::time::Millis;

/// An edit as the app makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Collection.
    pub collection: CollectionName,
    /// Record.
    pub record_id: RecordId,
    /// Scope.
    pub scope: Scope,
    /// What to do.
    pub op: MutationOp,
    /// Payload; ignored for a delete.
    pub fields: Body,
    /// 1 (first) to 5.
    pub priority: u8,
    /// Not to be applied after.
    pub deadline: Option<Millis>,
    /// Own earlier operations that must be applied first.
    pub depends_on: Vec<OperationId>,
}

/// What a new intent is based on, as the local database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalBase {
    /// The record is new, or never seen.
    None,
    /// The confirmed version.
    Version(i64),
    /// The device's own latest intent on the record, which has no final answer yet.
    Operation(String),
}

/// The circumstances an intent is frozen in.
#[derive(Clone, Debug)]
pub struct Freezing {
    /// Device clock.
    pub now: Millis,
    /// Stamp of the hybrid clock.
    pub stamp: String,
    /// Position among the device's intents, from 1.
    pub client_seq: i64,
    /// Base.
    pub base: LocalBase,
}

/// A frozen intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Frozen id.
    pub operation_id: String,
    /// Collection and record.
    pub key: (String, String),
    /// Scope.
    pub scope: String,
    /// What it does.
    pub op: MutationOp,
    /// 1 (first) to 5.
    pub priority: u8,
    /// Position among the device's intents.
    pub client_seq: i64,
    /// Device clock when it was queued.
    pub created_at: Millis,
    /// Operations it waits for.
    pub depends_on: Vec<String>,
    /// Stamp of the hybrid clock.
    pub stamp: String,
    /// The frozen wire form, JSON text.
    pub text: Box<str>,
}

impl Intent {
    /// Freezes a draft.
    pub fn freeze(draft: Draft, at: Freezing, rng: &mut dyn RngCore) -> Self {
        let operation_id = uuid_v7(at.now, rng);
        let mut wire = Map::new();
        wire.insert("operation_id".into(), json!(operation_id));
        wire.insert("client_seq".into(), json!(at.client_seq));
        wire.insert("collection".into(), json!(draft.collection.as_str()));
        wire.insert("record_id".into(), json!(draft.record_id.as_str()));
        wire.insert("scope".into(), json!(draft.scope.as_str()));
        wire.insert("op".into(), json!(draft.op.as_str()));
        match at.base {
            LocalBase::None => {}
            LocalBase::Version(version) => drop(wire.insert("base_version".into(), json!(version))),
            LocalBase::Operation(id) => drop(wire.insert("base_operation_id".into(), json!(id))),
        }
        if draft.op != MutationOp::Delete {
            wire.insert("fields".into(), Value::Object(draft.fields));
        }
        wire.insert("logical_timestamp".into(), json!(at.stamp));
        wire.insert("created_at".into(), json!(at.now.to_string()));
        wire.insert("priority".into(), json!(draft.priority));
        if let Some(deadline) = draft.deadline {
            wire.insert("deadline".into(), json!(deadline.to_string()));
        }
        let text = frozen(wire);
        let depends_on = draft.depends_on.iter().map(|id| id.as_str().to_owned()).collect();
        Self::thaw(&text, depends_on).expect("a frozen intent reads back")
    }

    /// Reads a frozen intent back from its wire form; `None` when a member that freezing writes is missing. What it waits
    /// for is no part of that form: it is held back until those are answered.
    #[must_use]
    pub fn thaw(text: &str, depends_on: Vec<String>) -> Option<Self> {
        let wire: Map<String, Value> = serde_json::from_str(text).ok()?;
        let string = |name: &str| wire.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            operation_id: string("operation_id")?,
            key: (string("collection")?, string("record_id")?),
            scope: string("scope")?,
            op: MutationOp::parse(wire.get("op")?.as_str()?)?,
            priority: u8::try_from(wire.get("priority")?.as_u64()?).ok()?,
            client_seq: wire.get("client_seq")?.as_i64()?,
            created_at: Millis::parse_rfc3339(wire.get("created_at")?.as_str()?)?,
            depends_on,
            stamp: string("logical_timestamp")?,
            text: text.into(),
        })
    }

    /// The payload; empty for a delete.
    #[must_use]
    pub fn fields(&self) -> Body {
        let wire: Value = serde_json::from_str(&self.text).expect("a frozen intent is JSON");
        match wire {
            Value::Object(mut wire) => match wire.remove("fields") {
                Some(Value::Object(fields)) => fields,
                _ => Body::new(),
            },
            _ => Body::new(),
        }
    }
}

/// The operation id in a frozen form.
#[must_use]
pub fn operation_of(text: &str) -> Option<String> {
    let wire: Value = serde_json::from_str(text).ok()?;
    wire.get("operation_id").and_then(Value::as_str).map(str::to_owned)
}

/// A corrected copy of an intent, frozen under another id and linked to it; everything but the fields stays as it was.
///
/// # Errors
/// What is wrong with the correction: a code, and words.
pub fn patched(intent: &Intent, patch: &Value, operation_id: String) -> Result<Box<str>, (&'static str, String)> {
    let operations = patch.as_array().ok_or_else(|| (PATCH_FAILED, "the correction is no list of operations".to_owned()))?;
    let fields = tidewatch_domain::patch::corrected(&intent.fields(), operations);
    let fields = fields.map_err(|fault| (fault.code(), fault.to_string()))?;
    let mut wire: Map<String, Value> = serde_json::from_str(&intent.text).expect("a frozen intent is JSON");
    wire.insert("supersedes".into(), json!(intent.operation_id));
    wire.insert("operation_id".into(), json!(operation_id));
    if intent.op != MutationOp::Delete {
        wire.insert("fields".into(), Value::Object(fields));
    }
    Ok(frozen(wire))
}

/// The frozen form of an intent: its members and the sum of them.
fn frozen(mut wire: Map<String, Value>) -> Box<str> {
    wire.remove("checksum");
    let checksum = format!("sha256:{}", hex::encode(Sha256::digest(canonical(&Value::Object(wire.clone())))));
    wire.insert("checksum".into(), json!(checksum));
    Value::Object(wire).to_string().into()
}

/// Lays a payload over a body: `{"$unset": true}` removes the field, anything else sets it.
pub fn merge_fields(body: &mut Body, fields: Body) {
    for (name, value) in fields {
        if value.get("$unset") == Some(&Value::Bool(true)) {
            body.remove(&name);
        } else {
            body.insert(name, value);
        }
    }
}

/// RFC 8785 bytes of a value.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).expect("a JSON value has a canonical form")
}

/// A UUIDv7 with this time and injected randomness.
pub fn uuid_v7(now: Millis, rng: &mut dyn RngCore) -> String {
    let mut random = [0_u8; 10];
    rng.fill_bytes(&mut random);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn the_check_sum_is_the_one_of_the_published_vectors() {
        let vector = json!({"operation_id":"0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e","collection":"equipment","record_id":"eq-1","op":"update",
            "base_version":6,"logical_timestamp":"0199a3c2f1b00003-dev1","fields":{"status":"fault","location_x":12.50,"note":"café €"}});
        assert_eq!(
            hex::encode(Sha256::digest(canonical(&vector))),
            "304ac036a81e35094df7b5ace427e13065273f948479c03e48f65154d3ff13eb"
        );
    }

    #[test]
    fn a_frozen_intent_carries_the_sum_of_everything_else_in_it() {
        let draft = Draft {
            collection: CollectionName::parse("inspections").expect("valid"),
            record_id: RecordId::parse("in-1").expect("valid"),
            scope: Scope::parse("site:lowestoft").expect("valid"),
            op: MutationOp::Update,
            fields: json!({"reading": 3.5}).as_object().expect("an object").clone(),
            priority: 2,
            deadline: None,
            depends_on: Vec::new(),
        };
        let at =
            Freezing { now: Millis(1_000), stamp: "0000000003e80000-dev1".into(), client_seq: 7, base: LocalBase::Version(4) };
        let intent = Intent::freeze(draft, at, &mut ChaCha8Rng::seed_from_u64(1));
        let mut wire: Map<String, Value> = serde_json::from_str(&intent.text).expect("JSON");
        let checksum = wire.remove("checksum").expect("a check sum");
        assert_eq!(checksum, json!(format!("sha256:{}", hex::encode(Sha256::digest(canonical(&Value::Object(wire.clone())))))));
        assert_eq!(wire["base_version"], json!(4));
        assert_eq!(Intent::thaw(&intent.text, Vec::new()), Some(intent));
    }
}
