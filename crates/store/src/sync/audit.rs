//! The audit log: appended through the writer, read newest first.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::audit::{AuditEntry, AuditEvent};
use tidewatch_domain::filter::{Filter, Term, Value};
use tidewatch_domain::page::{Page, Total};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::explore::{Place, STRETCH_ROWS, Stretch, page_of};
use super::queue::Weight;
use super::statements::AUDIT_LAST;
use super::writer::Job;
use crate::Result;

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: i64,
    at_ms: i64,
    actor: String,
    action: String,
    subject: Option<String>,
    before: Option<String>,
    after: Option<String>,
    trace_id: Option<String>,
}

impl From<AuditRow> for AuditEvent {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: Millis(row.at_ms),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before,
            after: row.after,
            trace_id: row.trace_id,
        }
    }
}

impl Sync {
    /// Appends audit rows; they are durable when this returns.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn audit_append(&self, entries: Vec<AuditEntry>) -> Result<()> {
        let weight = Weight { intents: entries.len().max(1), ..Weight::COMMAND };
        self.ask(weight, |reply| Job::AuditAppend { entries, reply }).await
    }

    /// Audit rows by filter, newest first. As with the log, a page looks at a bounded stretch and says where it stopped.
    ///
    /// # Errors
    /// As the database.
    pub async fn audit_list(&self, filter: &Filter, place: Place, rows: u32) -> Result<Page<AuditEvent>> {
        let (head,): (i64,) = sqlx::query_as(AUDIT_LAST).fetch_one(&self.readers).await?;
        let stretch = Stretch::new(place, head, STRETCH_ROWS);
        let mut query =
            QueryBuilder::new("select id, at_ms, actor, action, subject, before, after, trace_id from audit_events where ");
        conditions(&mut query, filter, stretch.low, stretch.top);
        query.push(if stretch.rising { " order by id limit " } else { " order by id desc limit " });
        query.push_bind(i64::from(rows) + 1);
        let found: Vec<AuditRow> = query.build_query_as().fetch_all(&self.readers).await?;
        let total = if filter.is_empty() { Total::Exact(head.unsigned_abs()) } else { self.audit_total(filter, head).await? };
        Ok(page_of(found.into_iter().map(AuditEvent::from).collect(), rows as usize, stretch, head, |event| event.id, total))
    }

    async fn audit_total(&self, filter: &Filter, head: i64) -> Result<Total> {
        let low = (head + 1 - STRETCH_ROWS).max(1);
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("select count(*) from audit_events where ");
        conditions(&mut query, filter, low, head + 1);
        let count: i64 = query.build_query_scalar().fetch_one(&self.readers).await?;
        Ok(if low == 1 { Total::Exact(count.unsigned_abs()) } else { Total::AtLeast(count.unsigned_abs()) })
    }
}

fn conditions(query: &mut QueryBuilder<Sqlite>, filter: &Filter, low: i64, top: i64) {
    query.push("id >= ").push_bind(low).push(" and id < ").push_bind(top);
    for term in filter.terms() {
        query.push(if term.negated { " and not (" } else { " and (" });
        for (at, value) in term.values.iter().enumerate() {
            if at > 0 {
                query.push(" or ");
            }
            condition(query, term, value);
        }
        query.push(")");
    }
}

/// A subject may be missing; then no term about it holds.
fn condition(query: &mut QueryBuilder<Sqlite>, term: &Term, value: &Value) {
    let Value::Text(text) = value else {
        query.push("0");
        return;
    };
    let pattern = Value::like_pattern(text);
    let column = match term.key() {
        Some("actor") => "actor",
        Some("action") => "action",
        Some("subject") => "ifnull(subject, '')",
        _ => {
            let word = format!("%{pattern}%");
            query.push("actor || ' ' || action || ' ' || ifnull(subject, '') like ").push_bind(word).push(r" escape '\'");
            return;
        }
    };
    query.push(column).push(" like ").push_bind(pattern).push(r" escape '\'");
}
