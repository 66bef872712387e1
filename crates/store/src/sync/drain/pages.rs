//! Pages of the items of a set, by their places.

use sqlx::FromRow;
use tidewatch_domain::drain::{ItemFilter, ItemOutcome};
use tidewatch_domain::page::Position;

use super::job_statements::{
    ITEMS_OF_CODE, ITEMS_PAGE, ITEMS_PAGE_BACK, ITEMS_PAGE_CODE, ITEMS_PAGE_CODE_BACK, ITEMS_PAGE_REST, ITEMS_PAGE_REST_BACK,
};
use super::statements::{MEMBERS_PAGE, MEMBERS_PAGE_BACK};
use crate::sync::Sync;
use crate::{Error, Result};

/// An item in a list.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ItemRow {
    /// Place in the set.
    pub n: i64,
    /// Device, by its short name.
    pub client: i64,
    /// Operation.
    pub operation_id: String,
    /// Outcome.
    pub outcome: i64,
    /// Code of why it was skipped or failed; of one that is done, what was answered.
    pub code: Option<String>,
    /// Words.
    pub detail: Option<String>,
    /// Since.
    pub at_ms: Option<i64>,
    /// Collection, when its payload is in the archive.
    pub collection: Option<String>,
    /// Record, when its payload is in the archive.
    pub record_id: Option<String>,
}

/// A member in a list.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct MemberRow {
    /// Place in the set.
    pub n: i64,
    /// Device, by its short name.
    pub client: i64,
    /// Operation.
    pub operation_id: String,
    /// It waits behind a selected one.
    pub behind: bool,
    /// It was not selected, and belongs to the group of one that was.
    pub along: bool,
    /// Whether the archive has its payload.
    pub payload_known: bool,
    /// Collection, when its payload is in the archive.
    pub collection: Option<String>,
    /// Record, when its payload is in the archive.
    pub record_id: Option<String>,
}

/// The statements for the pages of a filter, forwards and backwards.
fn statements(filter: &ItemFilter) -> (&'static str, &'static str) {
    match filter.outcome() {
        _ if filter.code().is_some() => (ITEMS_PAGE_CODE, ITEMS_PAGE_CODE_BACK),
        Some(ItemOutcome::Sent | ItemOutcome::Skipped | ItemOutcome::Failed) => (ITEMS_PAGE_REST, ITEMS_PAGE_REST_BACK),
        None | Some(ItemOutcome::Waiting | ItemOutcome::Ok) => (ITEMS_PAGE, ITEMS_PAGE_BACK),
    }
}

/// Where a page begins: the place, and whether it is read backwards from there.
fn begins(position: &Position) -> Result<(i64, bool)> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| Error::NotFound("position"));
    Ok(match position {
        Position::Start => (0, false),
        Position::After(text) => (number(text)?, false),
        Position::Before(text) => (number(text)?, true),
    })
}

/// Brings rows that were read with one more than wanted into their order; the places of the next page and of the previous one.
fn turned<T>(found: &mut Vec<T>, rows: u32, position: &Position, place: impl Fn(&T) -> i64) -> (Option<i64>, Option<i64>) {
    let (more, back) = (found.len() > rows as usize, matches!(position, Position::Before(_)));
    found.truncate(rows as usize);
    if back {
        found.reverse();
    }
    let started = matches!(position, Position::Start);
    let next = found.last().map(&place).filter(|_| more || back);
    let previous = found.first().map(&place).filter(|_| if back { more } else { !started });
    (next, previous)
}

impl Sync {
    /// Items of a set in their order, those that a filter lets through.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn items_page(
        &self,
        set: i64,
        filter: &ItemFilter,
        position: &Position,
        rows: u32,
    ) -> Result<(Vec<ItemRow>, Option<i64>, Option<i64>)> {
        let ((forward, backward), (from, back)) = (statements(filter), begins(position)?);
        let query = sqlx::query_as(if back { backward } else { forward }).bind(set).bind(from);
        let mut query = query.bind(filter.outcome().map(ItemOutcome::number)).bind(i64::from(rows) + 1);
        if let Some(code) = filter.code() {
            query = query.bind(code.to_owned());
        }
        let mut found: Vec<ItemRow> = query.fetch_all(&self.readers).await?;
        let (next, previous) = turned(&mut found, rows, position, |item| item.n);
        Ok((found, next, previous))
    }

    /// Items of a set with an outcome and a code.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_of_code(&self, set: i64, outcome: ItemOutcome, code: &str) -> Result<u64> {
        let query = sqlx::query_scalar(ITEMS_OF_CODE).bind(set).bind(outcome.number()).bind(code.to_owned());
        let count: i64 = query.fetch_one(&self.readers).await?;
        Ok(count.cast_unsigned())
    }

    /// Members of a set in their order.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn members_page(
        &self,
        set: i64,
        position: &Position,
        rows: u32,
    ) -> Result<(Vec<MemberRow>, Option<i64>, Option<i64>)> {
        let (from, back) = begins(position)?;
        let query = sqlx::query_as(if back { MEMBERS_PAGE_BACK } else { MEMBERS_PAGE });
        let mut found: Vec<MemberRow> = query.bind(set).bind(from).bind(i64::from(rows) + 1).fetch_all(&self.readers).await?;
        let (next, previous) = turned(&mut found, rows, position, |member| member.n);
        Ok((found, next, previous))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::tests::store;

    #[tokio::test]
    async fn pages_of_what_did_not_come_to_a_good_end_are_read_from_their_index() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        for outcome in [ItemOutcome::Sent, ItemOutcome::Skipped, ItemOutcome::Failed] {
            let code = ItemFilter::new(Some(outcome), Some("refused".to_owned()));
            let of_code = code
                .as_ref()
                .map(statements)
                .map(|texts| (texts, "drain_items_by_code (set_id=? AND outcome=? AND <expr>=? AND n"));
            let all = (statements(&ItemFilter::of(outcome)), "drain_items_rest (set_id=? AND outcome=? AND n");
            for (text, index) in
                [Some(all), of_code].into_iter().flatten().flat_map(|((one, other), index)| [(one, index), (other, index)])
            {
                let plan: Vec<(i64, i64, i64, String)> =
                    sqlx::query_as(sqlx::AssertSqlSafe(format!("explain query plan {text}")))
                        .fetch_all(&store.sync().readers)
                        .await
                        .expect("prepared");
                let first = &plan[0].3;
                assert!(first.contains(index), "{outcome:?}: {first}");
            }
        }
        store.close().await.expect("closes");
    }
}
