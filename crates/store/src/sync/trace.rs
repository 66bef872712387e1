//! Everything the log knows of one operation.

use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, OperationId, Seq};
use tidewatch_domain::sync::{IntentResult, IntentStatus};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::packed;
use super::prefetch::memory_read;
use super::sealing::Stored;
use super::statements::{CHANGE_OF_OPERATION, CONFLICT_OF_OPERATION, DEAD_LETTER_OF_OPERATION, MEMORY_OF_KEY};
use crate::Result;

/// The change that an operation made.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeFact {
    /// Position.
    pub seq: Seq,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// What it did.
    pub op: &'static str,
    /// Version of the record after it.
    pub version: i64,
    /// Effective clock.
    pub hlc: String,
    /// Clock as claimed, when it is another one.
    pub hlc_claimed: Option<String>,
    /// Revision of the policy.
    pub policy_rev: i64,
    /// Came out of a merge.
    pub merged: bool,
    /// Canonical text of the body after it.
    pub body: Option<String>,
    /// Committed at.
    pub committed: Millis,
}

/// The entry of the conflicts log that an operation has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictFact {
    /// Number.
    pub id: i64,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// Waits for a person.
    pub open: bool,
    /// The device's value, JSON text.
    pub local: String,
    /// Since.
    pub at: Millis,
}

/// The dead letter that an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterFact {
    /// Problem code.
    pub code: String,
    /// It is no refusal: its device has uploaded the payload and keeps the operation.
    pub uploaded: bool,
    /// The intent as it came, JSON text.
    pub mutation: String,
    /// Since.
    pub at: Millis,
}

/// Everything the log knows of one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationFacts {
    /// Device that made it.
    pub client_id: Option<ClientId>,
    /// Its change.
    pub change: Option<ChangeFact>,
    /// Its remembered answer, and when it was given.
    pub answer: Option<(IntentResult, Millis)>,
    /// Its conflict.
    pub conflict: Option<ConflictFact>,
    /// Its dead letter.
    pub dead_letter: Option<DeadLetterFact>,
}

impl OperationFacts {
    /// Whether the log knows nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.change.is_none() && self.answer.is_none() && self.conflict.is_none() && self.dead_letter.is_none()
    }

    /// The dead letter that is a refusal, or that its device has given up.
    #[must_use]
    pub fn refusal(&self) -> Option<&DeadLetterFact> {
        self.dead_letter.as_ref().filter(|letter| !letter.uploaded)
    }

    /// Its final answer.
    #[must_use]
    pub fn status(&self) -> Option<IntentStatus> {
        let remembered = self.answer.as_ref().map(|(answer, _)| answer.status);
        let changed =
            || self.change.as_ref().map(|change| if change.merged { IntentStatus::Merged } else { IntentStatus::Applied });
        let parked = || {
            self.conflict.as_ref().map(|conflict| if conflict.open { IntentStatus::Conflict } else { IntentStatus::Superseded })
        };
        remembered.or_else(changed).or_else(parked).or_else(|| self.refusal().map(|_| IntentStatus::Rejected))
    }
}

#[derive(sqlx::FromRow)]
struct LetterFactRow {
    #[sqlx(flatten)]
    stored: Stored,
    code: String,
    at_ms: i64,
    uploaded: bool,
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    client: i64,
    seq: i64,
    collection: i64,
    record_id: String,
    scope: i64,
    op: i64,
    version: i64,
    hlc: i64,
    hlc_node: String,
    hlc_claimed: Option<String>,
    policy_rev: i64,
    decision: i64,
    fields: Option<String>,
    committed_ms: i64,
}

impl Sync {
    /// Everything the log knows of one operation. When several devices used the same id, the latest one counts.
    ///
    /// # Errors
    /// As the database.
    pub async fn operation_facts(&self, operation_id: &OperationId) -> Result<OperationFacts> {
        let mut facts = OperationFacts::default();
        let mut client = self.change_fact(operation_id, &mut facts).await?;
        client = client.or(self.conflict_fact(operation_id, &mut facts).await?);
        client = client.or(self.dead_letter_fact(operation_id, &mut facts).await?);
        let (packed,): (Option<String>,) =
            sqlx::query_as(MEMORY_OF_KEY).bind(operation_id.to_string()).bind(client).fetch_one(&self.readers).await?;
        for mut row in packed::rows(packed.as_deref()) {
            let at = Millis(row.number()?);
            let (key, _, memory) = memory_read(&mut row)?;
            client = Some(key.0);
            facts.answer = Some((memory.answer, at));
        }
        facts.client_id =
            client.and_then(|key| self.shared.live().client_ids.get(&tidewatch_domain::engine::ClientKey(key)).cloned());
        Ok(facts)
    }

    fn names(&self, collection: i64, scope: i64) -> (String, String) {
        use tidewatch_domain::engine::{CollectionKey, ScopeKey};
        let live = self.shared.live();
        let collection = live.collection_name(CollectionKey(collection)).map(ToString::to_string);
        let scope = live.scope_names.get(&ScopeKey(scope)).map(ToString::to_string);
        (collection.unwrap_or_default(), scope.unwrap_or_default())
    }

    async fn change_fact(&self, operation_id: &OperationId, facts: &mut OperationFacts) -> Result<Option<i64>> {
        let row: Option<ChangeRow> =
            sqlx::query_as(CHANGE_OF_OPERATION).bind(operation_id.to_string()).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let (collection, scope) = self.names(row.collection, row.scope);
        facts.change = Some(ChangeFact {
            seq: Seq(row.seq),
            collection,
            record_id: row.record_id,
            scope,
            op: super::explore::op_name(row.op),
            version: row.version,
            hlc: Hlc { ticks: Ticks(row.hlc.cast_unsigned()), node: row.hlc_node }.to_string(),
            hlc_claimed: row.hlc_claimed,
            policy_rev: row.policy_rev,
            merged: row.decision == 2,
            body: row.fields,
            committed: Millis(row.committed_ms),
        });
        Ok(Some(row.client))
    }

    async fn conflict_fact(&self, operation_id: &OperationId, facts: &mut OperationFacts) -> Result<Option<i64>> {
        type Row = (i64, i64, String, i64, i64, String, i64, i64);
        let row: Option<Row> =
            sqlx::query_as(CONFLICT_OF_OPERATION).bind(operation_id.to_string()).fetch_optional(&self.readers).await?;
        let Some((id, collection, record_id, scope, state, local, client, at)) = row else { return Ok(None) };
        let (collection, scope) = self.names(collection, scope);
        facts.conflict = Some(ConflictFact { id, collection, record_id, scope, open: state == 0, local, at: Millis(at) });
        Ok(Some(client))
    }

    async fn dead_letter_fact(&self, operation_id: &OperationId, facts: &mut OperationFacts) -> Result<Option<i64>> {
        let row: Option<LetterFactRow> =
            sqlx::query_as(DEAD_LETTER_OF_OPERATION).bind(operation_id.to_string()).fetch_optional(&self.readers).await?;
        let Some(LetterFactRow { stored, code, at_ms, uploaded }) = row else { return Ok(None) };
        let client = stored.client;
        facts.dead_letter =
            Some(DeadLetterFact { code, uploaded, mutation: stored.intent(&self.shared.vault)?, at: Millis(at_ms) });
        Ok(Some(client))
    }
}
