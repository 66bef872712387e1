//! Natural keys and aliases, rebuilt from the log: which record was the first of its thing follows from the order of the log
//! and from the policy revision that each row names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::SqliteConnection;
use tidewatch_domain::decide::Detail;
use tidewatch_domain::policy::Policy;
use tidewatch_domain::sync::Body;

use super::{ChangeRow, VerifyReport};
use crate::sync::live::Live;
use crate::sync::statements::{VERIFY_ALIASES, VERIFY_ANCHORS, VERIFY_POLICIES};
use crate::{Error, Result};

/// An anchor: collection, hash in hex, the part that may differ, position, record.
type AnchorRow = (i64, String, i64, i64, String);

/// What the log says of things that were recorded more than once.
#[derive(Debug, Default)]
pub(super) struct Things {
    policies: HashMap<(i64, i64), Policy>,
    anchors: BTreeSet<AnchorRow>,
    aliases: BTreeMap<(i64, String), String>,
}

impl Things {
    /// Keeps the revisions that have a natural key.
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(VERIFY_POLICIES).fetch_all(connection).await?;
        let mut policies = HashMap::new();
        for (collection, rev, text) in rows {
            let policy = Policy::parse(&text).map_err(|error| Error::Corrupt(error.to_string()))?;
            if policy.natural_key.is_some() {
                policies.insert((collection, rev), policy);
            }
        }
        Ok(Self { policies, ..Self::default() })
    }

    /// Adds what one row says.
    pub(super) fn add(&mut self, row: &ChangeRow, live: &Live) {
        let Some(natural) = self.policies.get(&(row.collection, row.policy_rev)).and_then(|policy| policy.natural_key.as_ref())
        else {
            return;
        };
        if let Some(alias) = Detail::read(row.detail.as_deref()).alias {
            self.aliases.insert((row.collection, alias), row.record_id.clone());
            return;
        }
        let made = row.prev_seq == 0 && matches!(row.op, 1 | 3);
        let body: Option<Body> = row.fields.as_deref().filter(|_| made).and_then(|fields| serde_json::from_str(fields).ok());
        let scope = live.scope_names.get(&tidewatch_domain::engine::ScopeKey(row.scope));
        if let Some(value) = body.zip(scope).and_then(|(body, scope)| natural.of(scope.as_str(), &body)) {
            let exact = hex::encode_upper(value.exact);
            self.anchors.insert((row.collection, exact, value.near, row.seq, row.record_id.clone()));
        }
    }

    /// Compares with what the file holds.
    pub(super) async fn verify(&self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
        let anchors: Vec<AnchorRow> = sqlx::query_as(VERIFY_ANCHORS).fetch_all(&mut *connection).await?;
        if anchors.into_iter().collect::<BTreeSet<_>>() != self.anchors {
            report.find("the natural keys are not those of the log".to_owned());
        }
        let aliases: Vec<(i64, String, String)> = sqlx::query_as(VERIFY_ALIASES).fetch_all(connection).await?;
        let aliases: BTreeMap<(i64, String), String> =
            aliases.into_iter().map(|(collection, alias, record_id)| ((collection, alias), record_id)).collect();
        if aliases != self.aliases {
            report.find("the aliases are not those of the log".to_owned());
        }
        Ok(())
    }
}
