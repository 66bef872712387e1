//! Pages for whoever reads a list to its end: by device and operation, which no entry ever changes. A place in the list itself moves with
//! the state of an entry, so that whoever reads on from it misses one or has it twice.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::filter::Filter;
use tidewatch_domain::fleet::OutboxRow;
use tidewatch_domain::page::{Page, Total};
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::list::{COLUMNS, EntryRead, Wanted};
use super::terms::{self, Words};
use crate::{Error, Result};

/// Entries that one page looks at, at most. Tests have stretches shorter than their lists.
const STRETCH_ROWS: i64 = if cfg!(test) { 30 } else { 50_000 };

/// Device and operation.
#[derive(Clone, Debug)]
struct Key(i64, String);

impl Key {
    fn print(&self) -> String {
        format!("{}~{}", self.0, self.1)
    }

    fn parse(text: &str) -> Option<Self> {
        let (device, operation) = text.split_once('~')?;
        Some(Self(device.parse().ok()?, operation.to_owned()))
    }

    fn push(&self, query: &mut QueryBuilder<Sqlite>, operator: &str) {
        query.push(" and (o.device, o.operation_id) ").push(operator).push(" (").push_bind(self.0).push(", ");
        query.push_bind(self.1.clone()).push(")");
    }
}

impl Telemetry {
    /// One page of the entries of all devices by device and operation, after a position of such a page. Its total says only how many it has.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn outbox_page_steady(
        &self,
        signature: Option<&str>,
        filter: &Filter,
        words: Words,
        after: Option<&str>,
        rows: u32,
        now: Millis,
    ) -> Result<Page<OutboxRow>> {
        let after = after.map(|text| Key::parse(text).ok_or(Error::NotFound("position"))).transpose()?;
        let found = self.payloads_find(filter).await?;
        let device = self.device_pinned(filter).await?;
        let wanted = Wanted { device, signature, filter, found: &found, words, now: now.0 };
        let index = wanted.steady_index();
        let end = if index == Self::BY_KEY && device.is_none() { self.steady_end(after.as_ref()).await? } else { None };
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS).push(" from outbox o ").push(index).push(" cross join devices d on d.id = o.device where ");
        wanted.conditions_push(&mut query, None, None);
        after.iter().for_each(|key| key.push(&mut query, ">"));
        end.iter().for_each(|key| key.push(&mut query, "<="));
        query.push(" order by o.device, o.operation_id limit ").push_bind(i64::from(rows) + 1);
        let mut found: Vec<EntryRead> = query.build_query_as().fetch_all(&self.database.readers).await?;
        let more = found.len() > rows as usize;
        found.truncate(rows as usize);
        let last = || found.last().map(|row| Key(row.device, row.operation_id.clone()));
        // A stretch that held too few goes on where it ended.
        let next = if more { last() } else { end };
        let total = Total::AtLeast(found.len() as u64);
        let blocks = self.blocks(&found).await?;
        let rows = found.into_iter().zip(blocks).map(|(row, blocks)| row.read(blocks)).collect::<Result<_>>()?;
        Ok(Page { rows, next: next.as_ref().map(Key::print), previous: None, total })
    }

    /// The table itself is in this order.
    const BY_KEY: &str = "not indexed";

    /// The last key of a stretch; `None` when it reaches the end.
    async fn steady_end(&self, after: Option<&Key>) -> Result<Option<Key>> {
        let mut query = QueryBuilder::new("select o.device, o.operation_id from outbox o not indexed where 1");
        after.iter().for_each(|key| key.push(&mut query, ">"));
        query.push(" order by o.device, o.operation_id limit 1 offset ").push_bind(STRETCH_ROWS);
        let row: Option<(i64, String)> = query.build_query_as().fetch_optional(&self.database.readers).await?;
        Ok(row.map(|(device, operation)| Key(device, operation)))
    }
}

impl Wanted<'_> {
    /// The index that finds few entries, which are put in order then; or the table, which is in order.
    fn steady_index(&self) -> &'static str {
        let pinned = |key| terms::pinned(self.filter, key).is_some();
        if self.device.is_some() {
            Telemetry::BY_KEY
        } else if pinned("operation") || self.found.pin().is_some() {
            "indexed by outbox_by_operation"
        } else if pinned("record") {
            "indexed by outbox_by_record"
        } else {
            Telemetry::BY_KEY
        }
    }
}
