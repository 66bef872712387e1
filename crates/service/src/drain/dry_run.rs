//! What the engine would answer, before anything is done: of one entry, and of the entries of a set whose payload is here.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use tidewatch_domain::drain::{ArchiveState, DrainAction, DrainOrder, ItemOutcome, Unpatched};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::{DRY_RUN_MAX, DryRun};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::patch::Convert;
use tidewatch_domain::redact::{Rules, Secret, Shown, failure_redact, fault_find, redact_at};
use tidewatch_domain::role::Action;
use tidewatch_domain::sync::{Intent, IntentResult, IntentStatus, PATCH_OPS_MAX};
use tidewatch_store::sync::drain::LetterRow;

use super::gather::{Gathered, Gathering};
use super::summary::{Summary, action_of, skip_reason};
use crate::fleet::known_of;
use crate::{Cx, Error, Result, Service};

impl Service {
    /// What the engine would answer to one entry, as it is or corrected; `skipped` when the correction is not meant for it. Nothing is written.
    ///
    /// # Errors
    /// Forbidden; not found when its payload is not here; state conflict when it was purged; invalid with field `patch` when that does not fit.
    pub async fn entry_dry_run(&self, cx: &Cx, client_id: &ClientId, operation_id: &str, patch: Option<Value>) -> Result<DryRun> {
        cx.require(Action::Drain)?;
        let letter = self.store.sync().letter_view(client_id, operation_id).await?.ok_or(Error::NotFound("payload"))?;
        if letter.archive_state() == ArchiveState::Purged {
            return Err(Error::StateConflict("its payload was purged; it is in an export, no longer here".to_owned()));
        }
        let secret = self.redaction_secret().await?;
        let invalid = |detail: String| Error::Invalid { field: "patch", detail };
        let (intent, diff) = match &patch {
            None => (self.intent_read(client_id, &letter.mutation).map_err(invalid)?, Vec::new()),
            Some(patch) => {
                let operations = patch.as_array().ok_or_else(|| invalid("must be a list of operations of RFC 6902".into()))?;
                if operations.is_empty() || operations.len() > PATCH_OPS_MAX {
                    return Err(invalid(format!("must hold 1 to {PATCH_OPS_MAX} operations")));
                }
                match self.patched(client_id, &letter.mutation, operation_id, "dry", Some(patch), cx.now) {
                    Ok((_, copy)) => {
                        let message = letter.detail.as_deref().unwrap_or_default();
                        (copy, diff(&letter.mutation, message, operations, &secret))
                    }
                    Err(unpatched) if unpatched.is_not_meant() => return Ok(left_alone(unpatched)),
                    Err(unpatched) => return Err(invalid(unpatched.words)),
                }
            }
        };
        let (at, intents) = self.with_its_group(client_id, &letter, intent).await?;
        let answers = self.store.sync().dry_run(&intents, cx.now).await?;
        let answer = answers.into_iter().nth(at).flatten().ok_or(Error::NotFound("device"))?;
        Ok(DryRun {
            status: answer.status.as_str().to_owned(),
            code: answer.problem.as_ref().map(|problem| problem.code.to_owned()),
            detail: answer.problem.map(|problem| failure_redact(&problem.detail, Some(&secret))),
            diff,
        })
    }

    /// An intent among what a retry decides together with it, and its place there.
    async fn with_its_group(
        &self,
        client_id: &ClientId,
        letter: &LetterRow,
        mut intent: Intent,
    ) -> Result<(usize, Vec<(ClientId, Intent)>)> {
        let Some(group) = letter.together else { return Ok((0, vec![(client_id.clone(), intent)])) };
        if let (Ok(original), Intent::Valid(copy)) = (self.intent_read(client_id, &letter.mutation), &mut intent) {
            copy.terms.get_or_insert_default().group = original.group().cloned();
        }
        let (mut at, mut intents) = (0, Vec::new());
        for fellow in self.store.sync().letters_together(&[group]).await? {
            if fellow.operation_id == letter.operation_id {
                at = intents.len();
                intents.push((client_id.clone(), intent.clone()));
            } else if fellow.state.allows(DrainAction::Retry)
                && let Some(other) = self.store.sync().letter_view(client_id, &fellow.operation_id).await?
                && let Ok(other) = self.intent_read(client_id, &other.mutation)
            {
                intents.push((client_id.clone(), other));
            }
        }
        Ok((at, intents))
    }

    /// Adds to a dry run what the engine would answer to entries whose payload is here, or to some of them when they are many.
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
        let tried = spread(here.collect(), DRY_RUN_MAX as usize);
        summary.decided_devices = tried.iter().map(|g| g.client).collect::<HashSet<_>>().len() as u64;
        summary.decided_signatures =
            tried.iter().filter_map(|g| g.member.signature.as_deref()).collect::<HashSet<_>>().len() as u64;
        let (mut words, mut intents): (BTreeMap<String, u64>, Vec<(ClientId, Intent)>) = Default::default();
        let mut read_all = Vec::with_capacity(tried.len());
        for gathered in tried {
            let (client_id, operation) = (&gathered.member.device.client_id, &gathered.member.operation_id);
            let Some(letter) = self.store.sync().letter_view(client_id, operation).await? else { continue };
            let read = match &order.patch {
                Some(patch) if !gathered.along => self
                    .patched(client_id, &letter.mutation, operation, "dry", Some(patch), cx.now)
                    .map(|(original, copy)| in_group_of(gathered, &original, copy)),
                _ => self.intent_read(client_id, &letter.mutation).map_err(Unpatched::failed),
            };
            read_all.push((gathered, read));
        }
        // A group is decided as one: where a part of it is not, the others are not either.
        let undone: HashMap<i64, &str> = read_all.iter().filter_map(|(g, read)| Some((g.together?, of_group(read)?))).collect();
        for (gathered, read) in read_all {
            let of_group = gathered.together.and_then(|group| undone.get(&group));
            match (read, of_group) {
                (Ok(intent), None) => intents.push((gathered.member.device.client_id.clone(), intent)),
                (Ok(_), Some(word)) => *words.entry((*word).to_owned()).or_default() += 1,
                (Err(unpatched), _) => *words.entry(word_of(&unpatched)).or_default() += 1,
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

/// What becomes of an entry that the correction is not meant for.
fn left_alone(unpatched: Unpatched) -> DryRun {
    let (status, code) = (ItemOutcome::Skipped.as_str().to_owned(), Some(unpatched.code.to_owned()));
    DryRun { status, code, detail: Some(unpatched.words), diff: Vec::new() }
}

/// The word for an entry without a corrected copy.
fn word_of(unpatched: &Unpatched) -> String {
    let outcome = if unpatched.is_not_meant() { ItemOutcome::Skipped.as_str() } else { IntentStatus::Rejected.as_str() };
    format!("{outcome} {}", unpatched.code)
}

/// The word for the others of its group; none when it can be decided.
fn of_group(read: &std::result::Result<Intent, Unpatched>) -> Option<&'static str> {
    let unpatched = read.as_ref().err()?;
    Some(if unpatched.is_not_meant() { "skipped group_apart" } else { "rejected dependency_failed" })
}

/// As many of these as are tried: each signature in its turn, and of a signature each device in its turn. They stay in their order, since
/// each is decided on what those before it would leave, and of a device the older ones come first.
fn spread(here: Vec<&Gathered>, most: usize) -> Vec<&Gathered> {
    if here.len() <= most {
        return here;
    }
    let mut of_device: HashMap<(Option<&str>, ClientKey), usize> = HashMap::new();
    let mut of_signature: BTreeMap<Option<&str>, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, gathered) in here.iter().enumerate() {
        let signature = gathered.member.signature.as_deref();
        let turn = of_device.entry((signature, gathered.client)).or_default();
        of_signature.entry(signature).or_default().push((*turn, at));
        *turn += 1;
    }
    let mut turns: Vec<(usize, usize)> = Vec::with_capacity(here.len());
    for mut places in of_signature.into_values() {
        places.sort_unstable();
        turns.extend(places.into_iter().enumerate().map(|(turn, (_, at))| (turn, at)));
    }
    turns.sort_unstable();
    turns.truncate(most);
    let mut places: Vec<usize> = turns.into_iter().map(|(_, at)| at).collect();
    places.sort_unstable();
    // A group is decided as one, so that it is tried as a whole or not at all.
    let groups: HashSet<_> = places.iter().filter_map(|at| here[*at].together).collect();
    let places: HashSet<usize> = places.into_iter().collect();
    let tried = |(at, gathered): &(usize, &Gathered)| {
        places.contains(at) || gathered.together.is_some_and(|group| groups.contains(&group))
    };
    here.into_iter().enumerate().filter(tried).map(|(_, gathered)| gathered).collect()
}

/// A corrected copy in the place of its original, where that is decided with its group.
fn in_group_of(gathered: &Gathered, original: &Intent, mut copy: Intent) -> Intent {
    if let (Some(_), Intent::Valid(copy)) = (gathered.together, &mut copy) {
        copy.terms.get_or_insert_default().group = original.group().cloned();
    }
    copy
}

fn word(answer: &IntentResult) -> String {
    match &answer.problem {
        Some(problem) => format!("{} {}", answer.status.as_str(), problem.code),
        None => answer.status.as_str().to_owned(),
    }
}

/// What a patch changes: pointer, before, after. Values of the payload are redacted as everywhere; what the patch itself says is shown.
fn diff(raw: &str, message: &str, operations: &[Value], secret: &Secret) -> Vec<(String, Option<String>, Option<String>)> {
    let intent: Value = serde_json::from_str(raw).unwrap_or_default();
    let fields = intent.get("args").or_else(|| intent.get("fields")).cloned().unwrap_or_default();
    let fault = fault_find(&fields, message);
    let rules = Rules { secret, known: &known_of(&intent), fault: fault.as_deref() };
    let steps = |path: &str| path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    let held = |path: &str| fields.pointer(path).map(|value| value_shown(value, steps(path), rules));
    // What a text says is no more for everybody's eyes as a number, also where it is at fault.
    let kinds = Rules { fault: None, ..rules };
    let converted = |Convert { path, to }: Convert<'_>| Some(value_shown(&to.of(fields.pointer(path)?)?, steps(path), kinds));
    let changed = |operation: &Value| {
        let op = operation.get("op")?.as_str()?;
        let path = operation.get("path")?.as_str()?;
        let after = match op {
            "add" | "replace" => operation.get("value").map(Value::to_string),
            "move" | "copy" => held(operation.get("from")?.as_str()?),
            "convert" => converted(Convert::read(operation)?),
            _ => None,
        };
        (op != "test").then(|| (path.to_owned(), held(path), after))
    };
    operations.iter().filter_map(changed).collect()
}

/// A value of the payload on one line.
fn value_shown(value: &Value, path: Vec<String>, rules: Rules<'_>) -> String {
    match value {
        Value::Array(items) => format!("[…] ({} items)", items.len()),
        Value::Object(members) => format!("{{…}} ({} members)", members.len()),
        leaf => match redact_at(leaf, path, rules) {
            Shown::Masked(name) => name,
            plain => plain.to_json().to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidewatch_domain::report::EntryState;
    use tidewatch_domain::time::Millis;
    use tidewatch_store::sync::drain::MemberLook;
    use tidewatch_store::telemetry::{Member, MemberDevice};

    use super::*;

    #[test]
    fn what_is_tried_is_spread_over_signatures_and_devices_and_stays_in_its_order() {
        let gathered = |device: i64, n: usize, signature: &str| {
            let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{device:012}")).expect("an id");
            let member = Member {
                device: MemberDevice { id: device, client_id, name: String::new(), asleep: false }.into(),
                operation_id: format!("{device}-{n}").into(),
                state: EntryState::Poisoned,
                age: Millis(0),
                collection: "orders".into(),
                record_id: "r-1".into(),
                signature: Some(signature.into()),
            };
            Gathered {
                member,
                client: ClientKey(device),
                behind: false,
                along: false,
                together: None,
                look: MemberLook::default(),
            }
        };
        let mut members: Vec<Gathered> = (0..6).map(|n| gathered(1, n, "many")).collect();
        members.extend([gathered(2, 0, "many"), gathered(2, 1, "many"), gathered(2, 2, "rare"), gathered(3, 0, "many")]);
        let tried = |most| -> Vec<String> {
            spread(members.iter().collect(), most).into_iter().map(|g| g.member.operation_id.to_string()).collect()
        };
        assert_eq!(tried(2), ["1-0", "2-2"], "one of each signature");
        assert_eq!(tried(4), ["1-0", "2-0", "2-2", "3-0"], "then one of each device");
        assert_eq!(tried(6), ["1-0", "1-1", "2-0", "2-1", "2-2", "3-0"]);
        assert_eq!(tried(10).len(), 10);
    }

    #[test]
    fn what_is_at_fault_shows_its_kind_alone_once_it_is_converted() {
        let raw = json!({"collection": "inspections", "fields": {"reading": "412.5"}}).to_string();
        let patch = [json!({"op": "convert", "path": "/reading", "to": "number"})];
        let found = diff(&raw, "field `reading` must hold a value of type number", &patch, &Secret::new([7; 32]));
        let [(path, Some(before), Some(after))] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&**path, &**after), ("/reading", "number"));
        assert!(before.starts_with("text·") && !before.contains("412"), "{before}");
    }

    #[test]
    fn a_difference_masks_the_payload_and_shows_the_patch_and_what_is_at_fault() {
        let fields = json!({"note": "Ada Lovelace", "count": 4, "salary": 5000, "paid": true, "old": [1, 2], "of": "equipment", "size": "5000"});
        let raw = json!({"collection": "equipment", "fields": fields}).to_string();
        let patch = [
            json!({"op": "test", "path": "/count", "value": 4}),
            json!({"op": "replace", "path": "/note", "value": "A."}),
            json!({"op": "add", "path": "/m", "value": 5}),
            json!({"op": "copy", "from": "/salary", "path": "/x"}),
            json!({"op": "move", "from": "/count", "path": "/k"}),
            json!({"op": "replace", "path": "/paid", "value": false}),
            json!({"op": "remove", "path": "/old"}),
            json!({"op": "remove", "path": "/of"}),
            json!({"op": "convert", "path": "/size", "to": "number"}),
        ];
        let secret = Secret::new([7; 32]);
        let found = diff(&raw, "`count` must be a text", &patch, &secret);
        let found: Vec<_> = found.iter().map(|(path, before, after)| (&**path, before.as_deref(), after.as_deref())).collect();
        let (note, rest) = found.split_first().expect("rows");
        let (size, rest) = rest.split_last().expect("rows");
        assert!(matches!(size, ("/size", Some(name), Some("number")) if name.starts_with("text·")), "{size:?}");
        assert!(matches!(note, ("/note", Some(name), Some("\"A.\"")) if name.starts_with("text·")), "{note:?}");
        assert_eq!(
            rest,
            [
                ("/m", None, Some("5")),
                ("/x", None, Some("number")),
                ("/k", None, Some("4")),
                ("/paid", Some("yes or no"), Some("false")),
                ("/old", Some("[…] (2 items)"), None),
                ("/of", Some("\"equipment\""), None),
            ]
        );
    }
}
