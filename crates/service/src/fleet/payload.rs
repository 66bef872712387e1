//! Payloads of entries: redacted for everybody, plainly for whoever gave a reason, for a while. Looking leaves no trace; having it
//! revealed is audited before it happens.

use serde_json::{Map, Value, json};
use tidewatch_domain::drain::{REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{EntryPayload, EntryRow};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::redact::{Rules, Secret, Shown, failure_redact, fault_find, redact};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::{MINUTE_MS, Millis};

use crate::error::Cause;
use crate::written::plain;
use crate::{Cx, Error, Result, Service};

/// How long a payload is shown plainly.
pub const REVEAL_MS: i64 = 10 * MINUTE_MS;
/// Name of the secret that pseudonyms are made with.
const SECRET: &str = "redaction";
/// Members of an intent that say what it writes.
const MEMBERS: [&str; 5] = ["fields", "json_patch", "args", "base", "crdt"];

impl Service {
    /// The payload of an entry as the actor may see it; `None` while only the device has it.
    ///
    /// # Errors
    /// As the store.
    pub async fn entry_payload(&self, cx: &Cx, client_id: &ClientId, operation_id: &str) -> Result<Option<EntryPayload>> {
        let role = cx.require(Action::Look)?;
        let telemetry = self.store.telemetry();
        let Some((text, at, origin)) = telemetry.payload_view(client_id, operation_id).await? else { return Ok(None) };
        let intent: Value = serde_json::from_str(&text).unwrap_or_default();
        let payload = payload_of(&intent);
        let message = match telemetry.outbox_entry(client_id, operation_id).await {
            Ok(view) => view.row.entry.error.and_then(|error| error.message).unwrap_or_default(),
            Err(tidewatch_store::Error::NotFound(_)) => String::new(),
            Err(other) => return Err(other.into()),
        };
        let fault = fault_find(&payload, &message);
        let may_reveal = role.can(Action::RevealPayload);
        let actor = cx.actor.audit_name();
        let revealed = self.store.console().reveal_until(&actor, client_id, operation_id, cx.now).await?;
        let revealed_until = revealed.filter(|_| may_reveal);
        let shown = match revealed_until {
            Some(_) => Shown::plain(&payload),
            None => {
                let secret = self.redaction_secret().await?;
                redact(&payload, Rules { secret: &secret, known: &known_of(&intent), fault: fault.as_deref() })
            }
        };
        // An intent that names no key is known by its id.
        let idempotency_key = Some(intent["idempotency_key"].as_str().unwrap_or(operation_id).to_owned());
        let schema_version = intent["schema_version"].as_i64();
        Ok(Some(EntryPayload { shown, fault, revealed_until, may_reveal, at, origin, idempotency_key, schema_version }))
    }

    /// Shows the payload of an entry plainly to the actor for ten minutes; answers until when. Audited with the reason.
    ///
    /// # Errors
    /// Invalid with field `reason` when it is too short or too long; not found while only the device has the payload.
    pub async fn entry_reveal(&self, cx: &Cx, client_id: &ClientId, operation_id: &str, reason: &str) -> Result<Millis> {
        cx.require(Action::RevealPayload)?;
        let reason = reason_check(reason)?;
        if self.store.telemetry().payload_view(client_id, operation_id).await?.is_none() {
            return Err(Error::NotFound("payload"));
        }
        let until = cx.now.plus(REVEAL_MS);
        let after = json!({"reason": reason, "until": until.to_string()});
        let entry = cx.audit("payload_reveal", format!("entry:{client_id}/{operation_id}"), Some(after));
        self.store.sync().audit_append(vec![entry]).await?;
        self.store.console().reveal_put(&cx.actor.audit_name(), client_id, operation_id, until, cx.now).await?;
        Ok(until)
    }

    /// The secret that pseudonyms are made with; made when it is first needed, and read once.
    pub(crate) async fn redaction_secret(&self) -> Result<Secret> {
        let read = async || {
            let console = self.store.console();
            if let Some(known) = console.secret_view(SECRET).await? {
                return Ok(Secret::new(known));
            }
            let mut fresh = [0; 32];
            getrandom::fill(&mut fresh).map_err(|error| Error::Internal(Cause(Box::new(error))))?;
            Ok(Secret::new(console.secret_keep(SECRET, fresh).await?))
        };
        self.redaction.get_or_try_init(read).await.cloned()
    }

    /// Puts names in place of what the failures of these entries quote.
    pub(crate) async fn failures_redact<'e>(&self, entries: impl Iterator<Item = &'e mut EntryRow>) -> Result<()> {
        let messages = entries.filter_map(|entry| entry.error.as_mut()?.message.as_mut());
        self.messages_redact(messages).await
    }

    /// Puts names in place of what these words quote: of failures, and of what devices answer.
    pub(crate) async fn messages_redact<'m>(&self, messages: impl Iterator<Item = &'m mut String>) -> Result<()> {
        let secret = self.redaction_secret().await?;
        messages.for_each(|message| *message = failure_redact(message, Some(&secret)));
        Ok(())
    }
}

/// Texts that stand beside the payload of an intent anyway.
pub(crate) fn known_of(intent: &Value) -> Vec<&str> {
    ["record_id", "collection", "scope"].iter().filter_map(|name| intent[*name].as_str()).collect()
}

/// What an intent writes: its fields alone when it has nothing else.
fn payload_of(intent: &Value) -> Value {
    let members: Map<String, Value> = MEMBERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), intent.get(name).filter(|value| !value.is_null())?.clone())))
        .collect();
    match members.get("fields") {
        Some(fields) if members.len() == 1 => fields.clone(),
        _ => Value::Object(members),
    }
}

/// A reason without the space around it.
fn reason_check(reason: &str) -> Result<&str> {
    let reason = plain("reason", reason.trim())?;
    let letters = reason.chars().count();
    if (REASON_CHARS_MIN..=REASON_CHARS_MAX).contains(&letters) {
        return Ok(reason);
    }
    let detail = format!("must have {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters, for whoever reads the audit log");
    Err(Error::Invalid { field: "reason", detail })
}
