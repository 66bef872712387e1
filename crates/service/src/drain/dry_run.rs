//! What the engine would answer, before anything is done: of one entry, and of the entries of a set whose payload is here.

use std::collections::BTreeMap;

use serde_json::Value;
use tidewatch_domain::drain::{ArchiveState, DrainAction, DrainOrder};
use tidewatch_domain::fleet::{DRY_RUN_MAX, DryRun};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::role::Action;
use tidewatch_domain::sync::{Intent, IntentResult, PATCH_OPS_MAX};

use super::gather::Gathering;
use super::summary::{Summary, action_of, skip_reason};
use crate::{Cx, Error, Result, Service};

impl Service {
    /// What the engine would answer to one entry, as it is or corrected. Nothing is written.
    ///
    /// # Errors
    /// Forbidden; not found when its payload is not here; state conflict when it was purged; invalid with field `patch` when that does not fit.
    pub async fn entry_dry_run(&self, cx: &Cx, client_id: &ClientId, operation_id: &str, patch: Option<Value>) -> Result<DryRun> {
        cx.require(Action::Drain)?;
        let letter = self.store.sync().letter_view(client_id, operation_id).await?.ok_or(Error::NotFound("payload"))?;
        if letter.archive_state() == ArchiveState::Purged {
            return Err(Error::StateConflict("its payload was purged; it is in an export, no longer here".to_owned()));
        }
        let invalid = |detail: String| Error::Invalid { field: "patch", detail };
        let (intent, diff) = match &patch {
            None => (self.intent_read(client_id, &letter.mutation).map_err(invalid)?, Vec::new()),
            Some(patch) => {
                let operations = patch.as_array().ok_or_else(|| invalid("must be a list of operations of RFC 6902".into()))?;
                if operations.is_empty() || operations.len() > PATCH_OPS_MAX {
                    return Err(invalid(format!("must hold 1 to {PATCH_OPS_MAX} operations")));
                }
                let (_, copy) =
                    self.patched(client_id, &letter.mutation, operation_id, "dry", Some(patch), cx.now).map_err(invalid)?;
                (copy, diff(&letter.mutation, operations))
            }
        };
        let answers = self.store.sync().dry_run(&[(client_id.clone(), intent)], cx.now).await?;
        let answer = answers.into_iter().next().flatten().ok_or(Error::NotFound("device"))?;
        Ok(DryRun {
            status: answer.status.as_str().to_owned(),
            code: answer.problem.as_ref().map(|problem| problem.code.to_owned()),
            detail: answer.problem.map(|problem| problem.detail),
            diff,
        })
    }

    /// Adds to a dry run what the engine would answer to the first entries whose payload is here.
    pub(super) async fn verdicts_add(
        &self,
        cx: &Cx,
        order: &DrainOrder,
        gathering: &Gathering,
        summary: &mut Summary,
    ) -> Result<()> {
        if !matches!(order.action, DrainAction::Retry | DrainAction::Patch) {
            return Ok(());
        }
        let here = gathering.members.iter().filter(|g| {
            g.look.letter.is_some() && action_of(order, g.behind) == order.action && skip_reason(order.action, g).is_none()
        });
        let (mut words, mut intents): (BTreeMap<String, u64>, Vec<(ClientId, Intent)>) = Default::default();
        for gathered in here.take(DRY_RUN_MAX as usize) {
            let (client_id, operation) = (&gathered.member.device.client_id, &gathered.member.operation_id);
            let Some(letter) = self.store.sync().letter_view(client_id, operation).await? else { continue };
            let read = match &order.patch {
                None => self.intent_read(client_id, &letter.mutation),
                Some(patch) => {
                    self.patched(client_id, &letter.mutation, operation, "dry", Some(patch), cx.now).map(|(_, copy)| copy)
                }
            };
            match read {
                Ok(intent) => intents.push((client_id.clone(), intent)),
                Err(_) => *words.entry("rejected patch_failed".to_owned()).or_default() += 1,
            }
        }
        for answer in self.store.sync().dry_run(&intents, cx.now).await?.into_iter().flatten() {
            *words.entry(word(&answer)).or_default() += 1;
        }
        summary.decided = words.values().sum();
        summary.verdicts = words.into_iter().collect();
        summary.verdicts.sort_by_key(|(_, entries)| std::cmp::Reverse(*entries));
        Ok(())
    }
}

fn word(answer: &IntentResult) -> String {
    match &answer.problem {
        Some(problem) => format!("{} {}", answer.status.as_str(), problem.code),
        None => answer.status.as_str().to_owned(),
    }
}

/// What a patch changes: pointer, before, after. Texts of the payload stay masked; what the patch itself says is shown.
fn diff(raw: &str, operations: &[Value]) -> Vec<(String, Option<String>, Option<String>)> {
    let intent: Value = serde_json::from_str(raw).unwrap_or_default();
    let fields = intent.get("args").or_else(|| intent.get("fields")).cloned().unwrap_or_default();
    let changed = |operation: &Value| {
        let op = operation.get("op")?.as_str()?;
        let path = operation.get("path")?.as_str()?;
        let after = match op {
            "add" | "replace" => operation.get("value").map(Value::to_string),
            "move" | "copy" => fields.pointer(operation.get("from")?.as_str()?).map(masked),
            _ => None,
        };
        (op != "test").then(|| (path.to_owned(), fields.pointer(path).map(masked), after))
    };
    operations.iter().filter_map(changed).collect()
}

/// A value of the payload as somebody may see it who has no business with it.
fn masked(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("\"…\" ({} characters)", text.chars().count()),
        Value::Array(items) => format!("[…] ({} items)", items.len()),
        Value::Object(members) => format!("{{…}} ({} members)", members.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_masks_the_payload_and_shows_the_patch() {
        let raw = json!({"fields": {"name": "Ada Lovelace", "n": 4, "old": [1, 2]}}).to_string();
        let patch = [
            json!({"op": "test", "path": "/n", "value": 4}),
            json!({"op": "replace", "path": "/name", "value": "A."}),
            json!({"op": "add", "path": "/m", "value": 5}),
            json!({"op": "move", "from": "/n", "path": "/k"}),
            json!({"op": "remove", "path": "/old"}),
        ];
        let row = |path: &str, before: Option<&str>, after: Option<&str>| {
            (path.to_owned(), before.map(str::to_owned), after.map(str::to_owned))
        };
        assert_eq!(
            diff(&raw, &patch),
            [
                row("/name", Some("\"…\" (12 characters)"), Some("\"A.\"")),
                row("/m", None, Some("5")),
                row("/k", None, Some("4")),
                row("/old", Some("[…] (2 items)"), None),
            ]
        );
    }
}
