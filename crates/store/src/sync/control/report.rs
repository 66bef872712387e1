//! What a device says of a command, and what follows from it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tidewatch_domain::control::{
    ALREADY_APPLIED, CommandKind, CommandReport, CommandState, EntryAnswer, EntryOrder, EntryOutcome, Order, Reported, Stays,
    Step, ends_at, step,
};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::issue::{state_number, state_read};
use super::jobs::Done;
use crate::sync::statements::control::{ARCHIVE_HAS, COMMAND_OF_CLIENT, COMMAND_REPORT};
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// Why a report was not taken: the member at fault, and what is wrong with it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRefusal {
    /// Its path.
    pub field: String,
    /// Words.
    pub detail: String,
}

fn refusal(field: impl Into<String>, detail: impl Into<String>) -> ReportRefusal {
    ReportRefusal { field: field.into(), detail: detail.into() }
}

#[derive(sqlx::FromRow)]
struct ReportedRow {
    n: i64,
    client: i64,
    kind: i64,
    args: String,
    state: i64,
    expires_ms: i64,
}

impl Writer {
    pub(super) async fn command_reported(
        &mut self,
        client_id: &ClientId,
        id: &str,
        report: &CommandReport,
        now: Millis,
    ) -> Done<std::result::Result<CommandState, ReportRefusal>> {
        let client = match self.client_key(client_id) {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };
        let found = sqlx::query_as(COMMAND_OF_CLIENT).bind(id.to_owned()).bind(client.0);
        let found: Option<ReportedRow> = found.fetch_optional(&mut self.connection).await?;
        let Some(row) = found else { return Ok(Err(Error::NotFound("command"))) };
        let before = state_read(row.state)?;
        let after = match step(before, Step::Report(report.reported)) {
            Ok(after) => after,
            // The last word of a device that is at it counts as a sign of life.
            Err(Stays::Same) if before == CommandState::Running => before,
            Err(_) => return Ok(Ok(Ok(before))),
        };
        if row.kind == 0
            && !(report.reported == Reported::Failed && report.entries.is_empty())
            && let Some(refused) = self.entries_check(&row, report).await?
        {
            return Ok(Ok(Err(refused)));
        }
        if before == CommandState::Queued && self.command_held(row.n).await? {
            // Its device has it all the same, so it counts as fetched.
            self.command_counted(client, 1);
        }
        self.report_write(&row, after, report, now).await?;
        if after != before {
            self.command_event(row.n, after, &format!("device:{client_id}"), words(report), now).await?;
        }
        if !after.is_open() {
            self.command_counted(client, -1);
            if !report.entries.is_empty() {
                let entries = self.entries_told(&row, report).await?;
                self.drain_settled(id, client, &entries, now).await?;
                self.untold_answered(client, id, &report.entries).await?;
            }
            self.drain_command_ended(id, after, now).await?;
            self.untold_ended(client, id, after, now).await?;
        }
        Ok(Ok(Ok(after)))
    }

    async fn report_write(&mut self, row: &ReportedRow, after: CommandState, report: &CommandReport, now: Millis) -> Result<()> {
        let (done, total) = report.progress.unzip();
        let (code, detail) = report.error.clone().unzip();
        sqlx::query(COMMAND_REPORT)
            .bind(row.n)
            .bind(state_number(after))
            .bind(now.0)
            .bind(ends_at(after, Millis(row.expires_ms), now).0)
            .bind(done.and_then(|done| i64::try_from(done).ok()))
            .bind(total.and_then(|total| i64::try_from(total).ok()))
            .bind(report.result.clone())
            .bind(code)
            .bind(detail)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// A drain has ended when each of its entries is answered, and a payload that left the device has to be here.
    async fn entries_check(&mut self, row: &ReportedRow, report: &CommandReport) -> Result<Option<ReportRefusal>> {
        let Some(orders) = orders(row)? else {
            return Ok(Some(refusal(
                "id",
                "the entries of this command cannot be read; report that it failed, without a result",
            )));
        };
        let orders: HashMap<&str, &EntryOrder> = orders.iter().map(|order| (order.operation_id.as_str(), order)).collect();
        let mut answered = HashSet::with_capacity(report.entries.len());
        for (at, entry) in report.entries.iter().enumerate() {
            let field = || format!("result.entries[{at}].operation_id");
            let Some(order) = orders.get(entry.operation_id.as_str()) else {
                return Ok(Some(refusal(field(), "is no entry of this command")));
            };
            if !answered.insert(&entry.operation_id) {
                return Ok(Some(refusal(field(), "stands there twice")));
            }
            if self.payload_missing(ClientKey(row.client), order, entry).await? {
                let detail = format!("its payload must be uploaded before `{}` is done", order.action.as_str());
                return Ok(Some(refusal(field(), detail)));
            }
        }
        if report.reported == Reported::Done && answered.len() < orders.len() {
            let missing = orders.len() - answered.len();
            return Ok(Some(refusal("result.entries", format!("must answer every entry; {missing} are missing"))));
        }
        Ok(None)
    }

    async fn payload_missing(&mut self, client: ClientKey, order: &EntryOrder, entry: &EntryAnswer) -> Result<bool> {
        if entry.outcome != EntryOutcome::Ok || !order.action.needs_payload() {
            return Ok(false);
        }
        let query = sqlx::query_as(ARCHIVE_HAS).bind(client.0).bind(entry.operation_id.clone());
        let here: Option<(i64,)> = query.fetch_optional(&mut self.connection).await?;
        // What was applied needs no payload: its device has lost the answer.
        Ok(here.is_none() && self.answered_of(client, &[&entry.operation_id]).await?.is_empty())
    }

    /// The answers as they count: nothing was taken out of the way that had been applied already.
    async fn entries_told(&mut self, row: &ReportedRow, report: &CommandReport) -> Result<Vec<EntryAnswer>> {
        let orders = orders(row)?.unwrap_or_default();
        let leaving: HashSet<&str> =
            orders.iter().filter(|order| order.action.needs_payload()).map(|order| order.operation_id.as_str()).collect();
        let mut entries = report.entries.clone();
        let out = |entry: &EntryAnswer| entry.outcome == EntryOutcome::Ok && leaving.contains(entry.operation_id.as_str());
        let out: Vec<usize> = (0..entries.len()).filter(|at| out(&entries[*at])).collect();
        let operations: Vec<&str> = out.iter().map(|at| report.entries[*at].operation_id.as_str()).collect();
        for at in self.answered_of(ClientKey(row.client), &operations).await? {
            let entry = &mut entries[out[at]];
            (entry.outcome, entry.code, entry.detail) = (EntryOutcome::NotFound, Some(ALREADY_APPLIED.to_owned()), None);
        }
        Ok(entries)
    }
}

/// What a `drain` orders; none when it is no drain that can be read.
fn orders(row: &ReportedRow) -> Result<Option<Vec<EntryOrder>>> {
    let args: Value = serde_json::from_str(&row.args).map_err(|error| Error::Corrupt(error.to_string()))?;
    let read = if row.kind == 0 { Order::read(CommandKind::Drain, &args).ok() } else { None };
    Ok(read.and_then(|order| if let Order::Drain(orders) = order { Some(orders) } else { None }))
}

fn words(report: &CommandReport) -> Option<String> {
    report.error.as_ref().map(|(code, detail)| format!("{code}: {detail}"))
}
