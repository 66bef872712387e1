//! Rows that change no record: a record leaves a scope exactly when a row says so, and a conflict that a row has opened is settled
//! exactly when another row says so.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;
use tidewatch_domain::engine::{ControlFacts, ControlOp};

use super::{ChangeRow, Records, VerifyReport};
use crate::Result;
use crate::sync::statements::VERIFY_CONFLICT_STATES;

/// What these rows say.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// The record that has just left a scope, and where that is said.
    left: Option<((i64, String), i64)>,
    /// Whether each conflict that the log speaks of is settled.
    conflicts: BTreeMap<i64, bool>,
}

impl Controls {
    /// Adds what one of these rows says.
    pub(super) fn add(&mut self, row: &ChangeRow, records: &Records, report: &mut VerifyReport) {
        self.stayed(report);
        let facts = ControlFacts::read(row.detail.as_deref().unwrap_or_default());
        match (ControlOp::of(row.op), facts.conflict) {
            (Some(ControlOp::Evict), _) => {
                let key = (row.collection, row.record_id.clone());
                if records.get(&key).is_none_or(|record| record.scope != row.scope) {
                    report.find(format!("row {} takes a record out of a scope that it is not in", row.seq));
                }
                self.left = Some((key, row.seq));
            }
            (Some(op @ (ControlOp::Conflict | ControlOp::Resolved)), Some(id)) => {
                self.conflicts.insert(id, op == ControlOp::Resolved);
            }
            _ => {}
        }
    }

    /// Compares a change with what was said just before it.
    pub(super) fn change(&mut self, row: &ChangeRow, records: &Records, report: &mut VerifyReport) {
        let key = (row.collection, row.record_id.clone());
        let moved = records.get(&key).is_some_and(|record| record.scope != row.scope);
        let said = self.left.as_ref().is_some_and(|(left, _)| *left == key);
        if said {
            self.left = None;
        }
        if moved != said {
            report.find(format!("change {} and what is said of its scope disagree", row.seq));
        }
        self.stayed(report);
    }

    fn stayed(&mut self, report: &mut VerifyReport) {
        if let Some((_, seq)) = self.left.take() {
            report.find(format!("row {seq} takes a record out of a scope, and no change follows"));
        }
    }

    /// Compares with the conflicts log.
    pub(super) async fn verify(mut self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
        self.stayed(report);
        let states: Vec<(i64, bool)> = sqlx::query_as(VERIFY_CONFLICT_STATES).fetch_all(connection).await?;
        let states: BTreeMap<i64, bool> = states.into_iter().collect();
        for (id, settled) in self.conflicts {
            if states.get(&id) != Some(&settled) {
                report.find(format!("the conflict cf_{id} is not as the log says"));
            }
        }
        Ok(())
    }
}
