//! The change feed (`protocol.md` 2.4 and 2.5): pages of the log by scope, and the chasing scan of the state.
//!
//! A page covers the positions up to the head in memory when it began; everything below is committed, so its statements need
//! no common transaction. Each scope is read by its own indexed range and merged here: one statement over many scopes would
//! make SQLite sort every match.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tidewatch_domain::cursor::{Cursor, CursorGround, CursorPosition, Since, filter_hash, since_read};
use tidewatch_domain::decide::Detail;
use tidewatch_domain::engine::{Collection, CollectionKey, ScopeKey};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, CollectionName, RecordId, Scope, Seq, Version};
use tidewatch_domain::json::{body_text, literals, members_pick, names_read};
use tidewatch_domain::sync::{ControlRow, FeedInclude, FeedPage, FeedQuery, FeedRow, SnapshotFilter};
use tidewatch_domain::time::Millis;

use super::controls::{Notices, together};
use super::live::Live;
use super::packed::{self, Row};
use super::statements::{FEED_BOUND, FEED_SCOPE, FEED_SCOPE_SOME, SCAN_BOUND, SCAN_SCOPE, SCAN_SCOPE_SOME};
use super::{Shared, Sync};
use crate::{Error, Result};

/// Most rows of a page.
const PAGE_ROWS_MAX: u32 = 5_000;
/// A page ends once its payloads reach this.
const PAGE_BYTES_SOFT: usize = 1024 * 1024;
/// Most rows that a page looks at.
const PAGE_SCANNED_MAX: i64 = 20_000;

/// A page under way: what is read, from where to where.
#[derive(Debug)]
struct Plan {
    position: CursorPosition,
    filter: u32,
    head: Seq,
    compact: bool,
    limit: usize,
    /// Scopes with something above the position.
    scopes: Vec<(ScopeKey, Scope)>,
    /// `[id, …]`, when only some collections are wanted.
    collections: Option<String>,
    names: HashMap<CollectionKey, CollectionName>,
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
            return Ok(plan.page(&self.shared, Vec::new(), Vec::new(), plan.head));
        }
        let (mut from, mut share) = (plan.position.pos(), plan.share());
        let mut rows: Vec<FeedRow> = Vec::new();
        let end = loop {
            let end = self.end(&plan, from, share).await?;
            let before = rows.len();
            for (key, scope) in &plan.scopes {
                let packed = self.scope_rows(&plan, *key, from, end).await?;
                let live = self.shared.live();
                for mut row in packed::rows(packed.as_deref()) {
                    rows.push(row_read(&mut row, scope, &plan, &live)?);
                }
            }
            if plan.scopes.len() > 1 {
                rows[before..].sort_unstable_by_key(|row| row.seq);
            }
            if end >= plan.head || rows.len() > plan.limit || plan.collections.is_some() {
                break end;
            }
            (from, share) = (end, share.saturating_mul(2).min(plan.fetched()));
        };
        let mut full = cut(&mut rows, plan.limit);
        let (mut controls, stopped) = self.notices(&plan.notices, plan.limit, full.unwrap_or(end)).await?;
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
            rows.retain(|row| row.client_id != query.reader);
        }
        let immutable = full.is_some() && plan.is_plain();
        Ok(FeedPage { immutable, ..plan.page(&self.shared, rows, controls, full.unwrap_or(end)) })
    }

    /// How far a part of this page may look: to the head, unless a scope holds more than its share of rows up to there. Several
    /// scopes are read in parts, so that a page reads about as many rows as it has, however many scopes there are.
    async fn end(&self, plan: &Plan, from: Seq, share: i64) -> Result<Seq> {
        let statement = if plan.compact { SCAN_BOUND } else { FEED_BOUND };
        let scopes = i64::try_from(plan.scopes.len()).unwrap_or(i64::MAX);
        let offset = match plan.collections {
            _ if scopes == 0 => return Ok(plan.head),
            None if scopes == 1 => return Ok(plan.head),
            None => share,
            Some(_) => (PAGE_SCANNED_MAX / scopes).max(1),
        };
        let mut end = plan.head;
        for (key, _) in &plan.scopes {
            let bound: Option<(i64,)> = sqlx::query_as(statement)
                .bind(key.0)
                .bind(from.0)
                .bind(end.0)
                .bind(offset - 1)
                .fetch_optional(&self.readers)
                .await?;
            end = bound.map_or(end, |(seq,)| end.min(Seq(seq)));
        }
        Ok(end)
    }

    async fn scope_rows(&self, plan: &Plan, scope: ScopeKey, from: Seq, end: Seq) -> Result<Option<String>> {
        let statement = match (plan.compact, &plan.collections) {
            (false, None) => FEED_SCOPE,
            (false, Some(_)) => FEED_SCOPE_SOME,
            (true, None) => SCAN_SCOPE,
            (true, Some(_)) => SCAN_SCOPE_SOME,
        };
        let mut query = sqlx::query_as(statement).bind(scope.0).bind(from.0).bind(end.0).bind(plan.fetched());
        if let Some(collections) = &plan.collections {
            query = query.bind(collections.clone());
        }
        let (packed,): (Option<String>,) = query.fetch_one(&self.readers).await?;
        Ok(packed)
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

/// The state of one scope at one position, read in stretches by one transaction that sees no further. Its rows are those of a compact
/// scan from the beginning, without what was deleted.
#[derive(Debug)]
pub(crate) struct StateScan {
    plan: Plan,
    /// The scope; none when nothing was ever written in it.
    scope: Option<(ScopeKey, Scope)>,
    at: Seq,
}

impl StateScan {
    /// A scan of the state at `at`.
    ///
    /// # Errors
    /// None in fact: a scan from the beginning has no cursor that could be refused.
    pub(crate) fn new(shared: &Shared, filter: &SnapshotFilter, at: Seq) -> Result<Self> {
        let SnapshotFilter { scope, collections } = filter.clone();
        let scopes = [scope];
        let query = FeedQuery { compact: true, scopes: scopes.to_vec(), collections, ..FeedQuery::default() };
        let plan = Plan::new(shared, &query, &scopes)?;
        Ok(Self { scope: plan.scopes.first().cloned(), plan, at })
    }

    /// The records whose last change lies above a position, so many at most; and where the next stretch begins, if there is more.
    ///
    /// # Errors
    /// As the database.
    pub(crate) async fn stretch(
        &self,
        transaction: &mut SqliteConnection,
        above: Seq,
        most: u32,
        live: &std::sync::RwLock<Live>,
    ) -> Result<(Vec<FeedRow>, Option<Seq>)> {
        let Some((key, scope)) = &self.scope else { return Ok((Vec::new(), None)) };
        let statement = if self.plan.collections.is_some() { SCAN_SCOPE_SOME } else { SCAN_SCOPE };
        let mut query = sqlx::query_as(statement).bind(key.0).bind(above.0).bind(self.at.0).bind(i64::from(most));
        if let Some(collections) = &self.plan.collections {
            query = query.bind(collections.clone());
        }
        let (packed,): (Option<String>,) = query.fetch_one(transaction).await?;
        let live = live.read().expect("no holder of this lock panics");
        let rows = packed::rows(packed.as_deref()).map(|mut row| row_read(&mut row, scope, &self.plan, &live));
        let mut rows = rows.collect::<Result<Vec<FeedRow>>>()?;
        let full = rows.len() == most as usize;
        let next = rows.last().filter(|_| full).map(|row| row.seq);
        rows.retain(|row| row.op != "delete");
        Ok((rows, next))
    }
}

/// Cuts a page where it is full, by rows or by bytes, when there is more than fits. Answers where it was cut.
fn cut(rows: &mut Vec<FeedRow>, limit: usize) -> Option<Seq> {
    let mut bytes = 0;
    let heavy = rows.iter().position(|row| {
        bytes += row.fields.as_ref().map_or(0, String::len) + 200;
        bytes > PAGE_BYTES_SOFT
    });
    let keep = heavy.map_or(limit, |at| limit.min(at.max(1)));
    if rows.len() <= keep {
        return None;
    }
    rows.truncate(keep);
    rows.last().map(|row| row.seq)
}

impl Plan {
    fn new(shared: &Shared, query: &FeedQuery, scopes: &[Scope]) -> Result<Self> {
        let live = shared.live();
        let filter = filter_hash(&query.scopes, &query.collections);
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
            head: live.head,
            compact,
            limit: query.limit.clamp(1, PAGE_ROWS_MAX) as usize,
            scopes: awake.collect(),
            collections: some,
            names: live.collections.iter().map(|known| (known.engine.key, known.engine.name.clone())).collect(),
        })
    }

    /// One row more than the page holds, to know whether there is more.
    fn fetched(&self) -> i64 {
        i64::try_from(self.limit + 1).unwrap_or(i64::MAX)
    }

    /// Rows of each scope that the first part of a page looks at.
    fn share(&self) -> i64 {
        (self.fetched() / i64::try_from(self.scopes.len().max(1)).unwrap_or(i64::MAX)).max(1)
    }

    /// A page of the log without a filter by collection: once full, it holds the same rows for ever.
    const fn is_plain(&self) -> bool {
        !self.compact && self.collections.is_none()
    }

    fn page(&self, shared: &Shared, rows: Vec<FeedRow>, controls: Vec<ControlRow>, scanned: Seq) -> FeedPage {
        let done = scanned >= self.head;
        let position = match self.position {
            CursorPosition::Scan { start, .. } if !done => CursorPosition::Scan { pos: scanned, start },
            _ => CursorPosition::At(scanned),
        };
        let last = rows.last().map(|row| row.seq).max(controls.last().map(|row| row.seq));
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

fn row_read(row: &mut Row<'_>, scope: &Scope, plan: &Plan, live: &Live) -> Result<FeedRow> {
    let seq = Seq(row.number()?);
    let op: i64 = row.number()?;
    let key = CollectionKey(row.number()?);
    let collection = plan.names.get(&key).or_else(|| live.collection_name(key)).cloned();
    let collection = collection.ok_or_else(|| Error::Corrupt(format!("row {seq} is of an unknown collection")))?;
    let record_id = RecordId::parse(row.text()?).map_err(|error| Error::Corrupt(error.to_string()))?;
    let version = Version(row.number()?);
    let prev_seq: i64 = row.number()?;
    let ticks = Ticks(row.number::<i64>()?.cast_unsigned());
    let hlc = Hlc { ticks, node: row.text()?.to_owned() }.to_string();
    let client = tidewatch_domain::engine::ClientKey(row.number()?);
    let client_id: Option<ClientId> = live.client_ids.get(&client).cloned();
    let operation_id = row.text()?.to_owned();
    let schema_version = row.number()?;
    let committed = Millis(row.number()?);
    let (changed, body) = (row.maybe()?, row.maybe()?);
    // Of an operation on a field that merges by itself the log row has the operation; a scan of the state has the state.
    let merging = if op == 5 && !plan.compact { Detail::read(changed).crdt } else { None };
    let (changed, body) = if merging.is_some() { (None, body) } else { (changed, body) };
    let op = match (op, body) {
        (_, None) => "delete",
        _ if plan.compact => "put",
        _ if merging.is_some() => "crdt",
        (1, _) => "create",
        (2, _) => "update",
        _ => "put",
    };
    let fields = match plan.include {
        FeedInclude::Fields => body.filter(|_| merging.is_none()).map(|body| match changed {
            Some(changed) => members_pick(body, &literals(changed)),
            None => body.to_owned(),
        }),
        FeedInclude::Full => body.map(str::to_owned),
        FeedInclude::Meta => None,
    };
    let merging = merging.filter(|_| plan.include != FeedInclude::Meta);
    let (mut changed, mut fields) = (changed.map(names_read), fields);
    if let Some(known) = plan.renamed.0.get(&key) {
        let (steps, version) = (&known.policy.steps, plan.renamed.1);
        changed = changed.map(|names| steps.names_shown(version, names));
        fields = fields.map(|text| steps.text_shown(version, text));
    }
    Ok(FeedRow {
        seq,
        op,
        collection,
        record_id,
        scope: scope.clone(),
        version,
        prev_seq: (prev_seq > 0).then_some(Seq(prev_seq)),
        hlc,
        client_id,
        operation_id,
        schema_version,
        changed,
        fields,
        crdt: merging.map(|operation| body_text(&operation)),
        committed,
    })
}
