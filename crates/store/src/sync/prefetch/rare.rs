//! What few intents need to know: what became of operations that they depend on, and old versions by their content.

use sqlx::SqliteConnection;
use tidewatch_domain::digest::{Hash, content_hash};
use tidewatch_domain::engine::{Catalogue, ClientKey, Collection, CollectionKey, Outcome, Past, WorkingSet};
use tidewatch_domain::ids::{IdempotencyKey, OperationId, Version};
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::{Base, IntentStatus, Mutation};

use super::{Keys, Sent, fetch, mutations, record_id};
use crate::sync::packed;
use crate::sync::statements::{HISTORY_LATEST, OUTCOME_FIND};
use crate::{Error, Result};

/// Older versions of a record among which a base is looked for by its content.
const BASE_VERSIONS_MAX: i64 = 64;
/// Bytes of older versions that a group looks through for bases by their content.
const BASE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Whether an intent may need any of this.
pub(super) fn is_rare(mutation: &Mutation) -> bool {
    mutation.terms.is_some() || matches!(mutation.base, Base::Checksum(_))
}

/// Whether it matters what the record was when the device looked at it: to the policy, or to a patch, which is made on that.
pub(super) fn needs_base(collection: &Collection, mutation: &Mutation) -> bool {
    collection.policy.needs_base() || mutation.terms.as_ref().is_some_and(|terms| terms.patch.is_some())
}

/// The operations that an intent depends on.
pub(super) fn parents(mutation: &Mutation) -> &[OperationId] {
    mutation.terms.as_deref().map(|terms| terms.depends_on.as_slice()).unwrap_or_default()
}

/// What became of operations that others depend on, when no key remembers it: refused intents that could not be read, and
/// answers that the device has stored and the store has forgotten.
pub(super) async fn outcomes(connection: &mut SqliteConnection, group: &[Sent<'_>], set: &mut WorkingSet) -> Result<()> {
    let mut keys = Keys::new();
    for (client, mutation) in mutations(group) {
        for operation in parents(mutation) {
            let key = IdempotencyKey::parse(operation.as_str()).map_err(|error| Error::Corrupt(error.to_string()))?;
            // A refusal that somebody has drained may let through what depends on it.
            let known = set.memory.get(&(client, key)).is_some_and(|memory| memory.answer.status != IntentStatus::Rejected);
            if !known {
                keys.add(format_args!("{},\"{operation}\"", client.0));
            }
        }
    }
    let packed = fetch(connection, OUTCOME_FIND, keys).await?;
    for mut row in packed::rows(packed.as_deref()) {
        let client = ClientKey(row.number()?);
        let operation = OperationId::parse(row.text()?).map_err(|error| Error::Corrupt(error.to_string()))?;
        // What is in the log stands, whatever was refused under the same id later.
        let outcome = if row.text()? == "1" { Outcome::Stands } else { Outcome::Failed };
        let known = set.outcomes.entry((client, operation)).or_insert(outcome);
        if outcome == Outcome::Stands {
            *known = outcome;
        }
    }
    Ok(())
}

/// The older versions that are named by their content, where they matter. Each record by itself, and so many bytes in
/// all: a base that is not found within the bounds is an unknown one, which is safe.
pub(super) async fn bases(
    connection: &mut SqliteConnection,
    catalogue: &Catalogue,
    group: &[Sent<'_>],
    set: &mut WorkingSet,
) -> Result<()> {
    let mut budget = BASE_BYTES_MAX;
    for (_, mutation) in mutations(group) {
        let Some(wanted) = base_content(mutation) else { continue };
        let Some(collection) = catalogue.get(&mutation.collection).filter(|known| needs_base(known, mutation)) else { continue };
        let key = (collection.key, set.target(collection, &mutation.record_id));
        let Some(record) = set.records.get(&key).filter(|record| record.content_hash != wanted) else { continue };
        let mut keys = Keys::new();
        keys.add(format_args!("{},\"{}\",{}", key.0.0, key.1, record.last_seq.0));
        let query = sqlx::query_as(HISTORY_LATEST).bind(keys.finish()).bind(BASE_VERSIONS_MAX);
        let (packed,): (Option<String>,) = query.fetch_one(&mut *connection).await?;
        let bytes = packed.as_ref().map_or(0, String::len);
        past_read(packed.as_deref(), set, |past| past.body.is_some() && content_hash(past.body.as_deref()) == wanted)?;
        budget = budget.saturating_sub(bytes);
        if budget == 0 {
            break;
        }
    }
    Ok(())
}

/// The content by which an intent names its base.
fn base_content(mutation: &Mutation) -> Option<Hash> {
    match &mutation.base {
        Base::Checksum(hash) => Some(*hash),
        Base::Unknown => mutation.terms.as_ref()?.base_body.as_ref().map(|body| content_hash(Some(&body_text(body)))),
        Base::Version(_) | Base::Operation(_) => None,
    }
}

/// Reads rows of older versions into the working set, each version once.
pub(super) fn past_read(packed: Option<&str>, set: &mut WorkingSet, wanted: impl Fn(&Past) -> bool) -> Result<()> {
    for mut row in packed::rows(packed) {
        let key = (CollectionKey(row.number()?), record_id(row.text()?)?);
        let past = Past { version: Version(row.number()?), body: row.maybe()?.map(str::to_owned) };
        let history = set.history.entry(key).or_default();
        if wanted(&past) && !history.iter().any(|known| known.version == past.version) {
            history.push(past);
        }
    }
    Ok(())
}
