//! Single fields of the records of one collection (`protocol.md` 2.11): a chasing scan of the state, of whose records only those fields
//! are shown.
//!
//! What is deleted, and what changes no record, is left out: the feed of the same reader brings it.

use tidewatch_domain::ids::{RecordId, Scope};
use tidewatch_domain::json::{members_present, names_text};
use tidewatch_domain::sync::{BackfillPage, BackfillQuery, BackfillRow, FeedInclude, FeedQuery, FeedRowRef};

use super::Sync;
use crate::{Error, Result};

impl Sync {
    /// One page of fields over these scopes. `query.scopes` is what the filter of the cursor covers; `scopes` is what is read.
    ///
    /// # Errors
    /// A refused cursor; as the database.
    pub async fn backfill_page(&self, query: BackfillQuery, scopes: &[Scope]) -> Result<BackfillPage> {
        let BackfillQuery { collection, fields, scopes: filter, cursor, limit, schema } = query;
        let names = names_text(fields.iter().map(String::as_str));
        let scan = FeedQuery {
            since: cursor,
            limit,
            compact: true,
            scopes: filter,
            collections: vec![collection],
            fields,
            include: FeedInclude::Full,
            schema,
            ..FeedQuery::default()
        };
        let page = self.changes_page(&scan, scopes).await?;
        let rows = page.rows.iter().filter_map(|row| picked(&row, &names)).collect::<Result<_>>()?;
        Ok(BackfillPage { cursor: page.cursor, has_more: page.has_more, rows })
    }
}

/// What a row of the scan has of these names; nothing when its record is deleted.
fn picked(row: &FeedRowRef<'_>, names: &str) -> Option<Result<BackfillRow>> {
    let fields = members_present(row.fields?, names);
    let record_id = RecordId::parse(row.record_id).map_err(|error| Error::Corrupt(error.to_string()));
    let (scope, version, seq) = (row.scope.clone(), row.version, row.seq);
    Some(record_id.map(|record_id| BackfillRow { record_id, scope, version, seq, fields }))
}
