//! The change feed (`protocol.md` 2.4 and 2.5): pages of the log by scope, and the chasing scan of the state.
//!
//! A page covers the positions up to the head in memory when it began; everything below is committed. Each scope is read by its own
//! indexed range, and the ranges are merged row by row: a range over many scopes would make SQLite sort every match.

mod chase;
mod merge;
mod readers;
mod reading;
mod state;
mod vectors;

use std::collections::HashMap;
use std::sync::Arc;

use tidewatch_domain::cursor::{Cursor, CursorGround, CursorPosition, Since, fields_hash, filter_hash, since_read};
use tidewatch_domain::engine::{Collection, CollectionKey, ScopeKey};
use tidewatch_domain::ids::{Epoch, Scope, Seq};
use tidewatch_domain::sync::{ControlRow, FeedInclude, FeedPage, FeedQuery, FeedRows};

pub(crate) use self::readers::{RowReaders, blocking};
pub(crate) use self::state::StateScan;
use super::controls::{Notices, together};
use super::live::Live;
use super::{Shared, Sync};
use crate::Result;

/// Most rows of a page.
const PAGE_ROWS_MAX: u32 = 5_000;
/// A page ends once its payloads reach this.
const PAGE_BYTES_SOFT: usize = 1024 * 1024;
/// What a row weighs beside its payload.
const ROW_BYTES: usize = 200;
/// Most rows that a page of some collections looks at.
const PAGE_SCANNED_MAX: i64 = 20_000;

/// A page under way: what is read, from where to where.
#[derive(Debug)]
struct Plan {
    position: CursorPosition,
    filter: u32,
    epoch: Epoch,
    head: Seq,
    compact: bool,
    limit: usize,
    /// Scopes with something above the position.
    scopes: Vec<(ScopeKey, Scope)>,
    /// `[id, …]`, when only some collections are wanted.
    collections: Option<String>,
    include: FeedInclude,
    /// The mode, as the ETag names it.
    mode: String,
    /// Rows that change no record.
    notices: Notices,
    /// Collections whose fields have had other names, and the schema version of the reader.
    renamed: Renamed,
}

impl Sync {
    /// One page of the feed over these scopes. `query.scopes` is what the filter hash covers; `scopes` is what is read.
    ///
    /// # Errors
    /// A refused cursor; as the database.
    pub async fn changes_page(&self, query: &FeedQuery, scopes: &[Scope]) -> Result<FeedPage> {
        let plan = Plan::new(&self.shared, query, scopes)?;
        if plan.scopes.is_empty() && plan.notices.is_empty() {
            return Ok(plan.page(&self.shared, FeedRows::default(), Vec::new(), plan.head));
        }
        let plan = Arc::new(plan);
        let (mut rows, end) = self.rows(&plan).await?;
        let mut full = (end < plan.head).then_some(end);
        let (mut controls, stopped) = self.notices(&plan.notices, plan.limit, end).await?;
        let both = together(&rows, &controls, plan.limit);
        if let Some(stop) = stopped.into_iter().chain(both).min() {
            rows.retain(|row| row.seq <= stop);
            controls.retain(|row| row.seq <= stop);
            full = Some(stop);
        }
        if let CursorPosition::Scan { start, .. } = plan.position {
            rows.retain(|row| row.op != "delete" || row.seq > start);
        }
        if query.exclude_self && query.reader.is_some() {
            rows.retain(|row| row.client_id != query.reader.as_ref());
        }
        let immutable = full.is_some() && plan.is_plain();
        let page = FeedPage { immutable, ..plan.page(&self.shared, rows, controls, full.unwrap_or(end)) };
        Ok(if page.snapshot_complete == Some(true) && self.is_overtaken(&plan).await? { plan.unfinished(page) } else { page })
    }

    /// The rows of a page, and how far it looked.
    async fn rows(&self, plan: &Arc<Plan>) -> Result<(FeedRows, Seq)> {
        if plan.scopes.is_empty() {
            return Ok((FeedRows::default(), plan.head));
        }
        let (plan, shared) = (Arc::clone(plan), Arc::clone(&self.shared));
        self.row_readers.read(move |connection| plan.read(connection, shared)).await
    }

    /// From memory: whether a feed at this cursor has nothing new, and then the ETag of its page.
    ///
    /// # Errors
    /// A refused cursor.
    pub fn changes_unchanged(&self, query: &FeedQuery, scopes: &[Scope]) -> Result<Option<String>> {
        let plan = Plan::new(&self.shared, query, scopes)?;
        let asleep = plan.scopes.is_empty() && plan.notices.is_empty() && !plan.compact;
        Ok(asleep.then(|| plan.etag(&self.shared, plan.position.pos())))
    }
}

impl Plan {
    fn new(shared: &Shared, query: &FeedQuery, scopes: &[Scope]) -> Result<Self> {
        let live = shared.live();
        let filter = fields_hash(filter_hash(&query.scopes, &query.collections), &query.fields);
        let ground = CursorGround { epoch: shared.epoch, head: live.head, horizon: Seq(0), filter };
        let ancestor = |epoch| shared.ancestors.iter().find(|(known, _)| *known == epoch).map(|(_, fork)| *fork);
        let since = since_read(query.since.as_deref(), query.epoch, ground, ancestor)?;
        let position = match since {
            Since::Beginning if query.compact => CursorPosition::Scan { pos: Seq(0), start: live.head },
            Since::Beginning => CursorPosition::At(Seq(0)),
            Since::Now => CursorPosition::At(live.head),
            // A scan that begins at an old cursor has to show every tombstone above it.
            Since::Position(CursorPosition::At(pos)) if query.compact && pos < live.head => {
                CursorPosition::Scan { pos, start: Seq(0) }
            }
            Since::Position(position) => position,
        };
        let awake = scopes.iter().filter_map(|scope| {
            let key = *live.scopes.get(scope)?;
            let head = *live.scope_heads.get(&key)?;
            (head > position.pos()).then(|| (key, scope.clone()))
        });
        let some = (!query.collections.is_empty()).then(|| {
            let keys = query.collections.iter().filter_map(|name| live.catalogue.get(name));
            format!("[{}]", keys.map(|known| known.key.0.to_string()).collect::<Vec<_>>().join(","))
        });
        let compact = matches!(position, CursorPosition::Scan { .. });
        let include = if query.include == FeedInclude::Fields { "" } else { query.include.as_str() };
        let whose = if query.exclude_self { "others" } else { "" };
        let (renamed, names) = renamed(&live, query.schema);
        Ok(Self {
            renamed,
            mode: format!("{}{include}{whose}{names}", if compact { "compact" } else { "log" }),
            include: query.include,
            notices: Notices::new(&live, query, scopes, position),
            position,
            filter,
            epoch: shared.epoch,
            head: live.head,
            compact,
            limit: query.limit.clamp(1, PAGE_ROWS_MAX) as usize,
            scopes: awake.collect(),
            collections: some,
        })
    }

    /// Its scopes, as statements take them.
    fn scope_list(&self) -> String {
        let keys = self.scopes.iter().map(|(key, _)| key.0.to_string());
        format!("[{}]", keys.collect::<Vec<_>>().join(","))
    }

    /// A page of the log without a filter by collection: once full, it holds the same rows for ever.
    const fn is_plain(&self) -> bool {
        !self.compact && self.collections.is_none()
    }

    fn page(&self, shared: &Shared, rows: FeedRows, controls: Vec<ControlRow>, scanned: Seq) -> FeedPage {
        let done = scanned >= self.head;
        let position = match self.position {
            CursorPosition::Scan { start, .. } if !done => CursorPosition::Scan { pos: scanned, start },
            _ => CursorPosition::At(scanned),
        };
        let last = rows.seqs().next_back().max(controls.last().map(|row| row.seq));
        let last = last.unwrap_or(self.position.pos());
        FeedPage {
            cursor: Cursor { epoch: shared.epoch, position, filter: self.filter }.to_string(),
            has_more: !done,
            up_to_date: done,
            snapshot_complete: self.compact.then_some(done),
            etag: self.etag(shared, last),
            immutable: false,
            rows,
            controls,
        }
    }

    fn etag(&self, shared: &Shared, last: Seq) -> String {
        format!("{}.{}-{last}.{:08x}.{}.{}", shared.epoch, self.position.pos(), self.filter, self.mode, self.limit)
    }
}

type Renamed = (HashMap<CollectionKey, Arc<Collection>>, Option<i64>);

/// The collections whose fields have had other names, for a reader with this schema version, and how the mode of a page says so.
fn renamed(live: &Live, schema: Option<i64>) -> (Renamed, String) {
    let known = live.collections.iter().filter(|known| !known.engine.policy.steps.is_empty());
    let known: HashMap<CollectionKey, Arc<Collection>> =
        known.map(|known| (known.engine.key, Arc::clone(&known.engine))).collect();
    if known.is_empty() {
        return ((known, schema), String::new());
    }
    // Revisions only grow, so that the sum is another one after every change.
    let revisions: i64 = known.values().map(|collection| collection.policy_rev).sum();
    let version = schema.map_or_else(String::new, |version| version.to_string());
    ((known, schema), format!("s{version}r{revisions}"))
}
