//! The change feed (`protocol.md` 2.4 and 2.5): pages of the log by scope, and the chasing scan of the state.
//!
//! A page covers the positions up to the head in memory when it began; everything below is committed, so its statements need
//! no common transaction. Each scope is read by its own indexed range and merged here: a range over many scopes would make SQLite sort
//! every match.

mod chase;
mod reading;
mod state;
mod vectors;

use std::collections::HashMap;
use std::sync::Arc;

use tidewatch_domain::cursor::{Cursor, CursorGround, CursorPosition, Since, fields_hash, filter_hash, since_read};
use tidewatch_domain::engine::{Collection, CollectionKey, ScopeKey};
use tidewatch_domain::ids::{Epoch, Scope, Seq};
use tidewatch_domain::sync::{ControlRow, FeedInclude, FeedPage, FeedQuery, FeedRows};

use self::reading::Reading;
pub(crate) use self::state::StateScan;
use super::controls::{Notices, together};
use super::live::Live;
use super::statements::feed::{
    FEED_BOUND, FEED_POSITIONS, FEED_SCOPE, FEED_SCOPES, FEED_SCOPES_SOME, SCAN_BOUND, SCAN_POSITIONS, SCAN_SCOPE, SCAN_SCOPES,
    SCAN_SCOPES_SOME,
};
use super::{Shared, Sync};
use crate::Result;

/// Most rows of a page.
const PAGE_ROWS_MAX: u32 = 5_000;
/// A page ends once its payloads reach this.
const PAGE_BYTES_SOFT: usize = 1024 * 1024;
/// What a row weighs beside its payload.
const ROW_BYTES: usize = 200;
/// Rows of one scope that are read first, to see what its rows weigh.
const FIRST_ROWS: i64 = 64;
/// Bytes of rows that are read at a time, about.
const PART_BYTES: usize = 1024 * 1024;
/// Positions of each of several scopes that are looked at a time, and rows of each that are read then.
const PART_ROWS: i64 = 256;
/// Most rows that a page looks at.
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
        let (mut from, mut share) = (plan.position.pos(), plan.share());
        let mut reading = Reading::new(plan.include, plan.compact, plan.renamed.clone());
        let mut bytes = 0;
        let end = loop {
            let before = reading.rows.len();
            let most = plan.most(before, bytes);
            let (packed, end) = match plan.alone() {
                Some(scope) => self.scope_rows(&plan, scope, from, most).await?,
                None => {
                    let end = self.end(&plan, from, share, plan.limit - before).await?;
                    (self.scopes_rows(&plan, from, end, most).await?, end)
                }
            };
            let live = self.shared.live();
            for ((_, scope), (packed,)) in plan.scopes.iter().zip(packed) {
                bytes += packed.as_ref().map_or(0, String::len);
                packed.map_or(Ok(()), |packed| reading.text(packed, scope, &live))?;
            }
            drop(live);
            reading.rows.sort_from(before);
            let is_full = reading.rows.len() > plan.limit || weight(&reading.rows) > PAGE_BYTES_SOFT;
            if end >= plan.head || is_full || plan.collections.is_some() {
                break end;
            }
            (from, share) = (end, share.saturating_mul(2).min(plan.fetched()).min(PART_ROWS));
        };
        let mut rows = reading.rows;
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
            rows.retain(|row| row.client_id != query.reader.as_ref());
        }
        let wanted = vectors::wanted(&rows, &self.shared.live());
        vectors::add(&mut rows, wanted, plan.compact, &self.readers).await?;
        let immutable = full.is_some() && plan.is_plain();
        let page = FeedPage { immutable, ..plan.page(&self.shared, rows, controls, full.unwrap_or(end)) };
        Ok(if page.snapshot_complete == Some(true) && self.is_overtaken(&plan).await? { plan.unfinished(page) } else { page })
    }

    /// How far a part of this page may look: to the head, unless a scope holds more than its share of rows up to there. Several
    /// scopes are read in parts, each up to the first row that is not wanted any more, so that a page reads about as many rows as it
    /// has, however many scopes there are.
    async fn end(&self, plan: &Plan, from: Seq, share: i64, wanted: usize) -> Result<Seq> {
        let filtered = plan.collections.is_some();
        if plan.scopes.is_empty() {
            return Ok(plan.head);
        }
        if filtered {
            let statement = if plan.compact { SCAN_BOUND } else { FEED_BOUND };
            let scopes = i64::try_from(plan.scopes.len()).unwrap_or(i64::MAX);
            let query = sqlx::query_as(statement).bind(plan.scope_list()).bind(from.0).bind(plan.head.0);
            let bound: (Option<i64>,) = query.bind((PAGE_SCANNED_MAX / scopes).max(1) - 1).fetch_one(&self.readers).await?;
            return Ok(bound.0.map_or(plan.head, Seq));
        }
        let statement = if plan.compact { SCAN_POSITIONS } else { FEED_POSITIONS };
        let query = sqlx::query_as(statement).bind(plan.scope_list()).bind(from.0).bind(plan.head.0).bind(share);
        let lists: Vec<(Option<String>,)> = query.fetch_all(&self.readers).await?;
        Ok(reached(lists.iter().filter_map(|(list,)| list.as_deref()), share, wanted).unwrap_or(plan.head))
    }

    /// The rows of one scope as a packed text, at most so many, and how far that looked.
    async fn scope_rows(&self, plan: &Plan, scope: ScopeKey, from: Seq, most: i64) -> Result<(Vec<(Option<String>,)>, Seq)> {
        let statement = if plan.compact { SCAN_SCOPE } else { FEED_SCOPE };
        let query = sqlx::query_as(statement).bind(scope.0).bind(from.0).bind(plan.head.0).bind(most - 1);
        let (packed, bound): (Option<String>, Option<i64>) = query.fetch_one(&self.readers).await?;
        Ok((vec![(packed,)], bound.map_or(plan.head, Seq)))
    }

    /// One packed text a scope, in the order of the plan, of at most so many rows each.
    async fn scopes_rows(&self, plan: &Plan, from: Seq, end: Seq, most: i64) -> Result<Vec<(Option<String>,)>> {
        if plan.scopes.is_empty() {
            return Ok(Vec::new());
        }
        let statement = match (plan.compact, &plan.collections) {
            (false, None) => FEED_SCOPES,
            (false, Some(_)) => FEED_SCOPES_SOME,
            (true, None) => SCAN_SCOPES,
            (true, Some(_)) => SCAN_SCOPES_SOME,
        };
        let mut query = sqlx::query_as(statement).bind(plan.scope_list()).bind(from.0).bind(end.0).bind(most);
        if let Some(collections) = &plan.collections {
            query = query.bind(collections.clone());
        }
        Ok(query.fetch_all(&self.readers).await?)
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

/// How far lists of positions (numbers with commas, `share` of them at most) reach together: to the end of the first that was cut
/// off, or to the first position beyond so many that are wanted. `None`: to the end of everything.
fn reached<'a>(lists: impl Iterator<Item = &'a str>, share: i64, wanted: usize) -> Option<Seq> {
    let (mut all, mut bound) = (Vec::new(), i64::MAX);
    for list in lists {
        let before = all.len();
        all.extend(list.split(',').filter_map(|position| position.parse::<i64>().ok()));
        if let Some(last) = all.last().filter(|_| i64::try_from(all.len() - before).is_ok_and(|count| count >= share)) {
            bound = bound.min(*last);
        }
    }
    all.retain(|position| *position <= bound);
    if all.len() > wanted {
        bound = *all.select_nth_unstable(wanted).1;
    }
    (bound < i64::MAX).then_some(Seq(bound))
}

/// Rows of one scope to read next, after so many of so many bytes: each part is a call into the database, and its text is memory.
fn part_rows(before: usize, bytes: usize) -> i64 {
    let each = bytes.checked_div(before).map(|each| each.max(1));
    each.map_or(FIRST_ROWS, |each| i64::try_from(PART_BYTES / each).unwrap_or(i64::MAX).max(1))
}

/// What rows weigh.
fn weight(rows: &FeedRows) -> usize {
    rows.fields_bytes().map(|fields| fields + ROW_BYTES).sum()
}

/// Cuts a page where it is full, by rows or by bytes, when there is more than fits. Answers where it was cut.
fn cut(rows: &mut FeedRows, limit: usize) -> Option<Seq> {
    let mut bytes = 0;
    let heavy = rows.fields_bytes().position(|fields| {
        bytes += fields + ROW_BYTES;
        bytes > PAGE_BYTES_SOFT
    });
    let keep = heavy.map_or(limit, |at| limit.min(at.max(1)));
    if rows.len() <= keep {
        return None;
    }
    rows.truncate(keep);
    rows.seqs().next_back()
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

    /// One row more than the page holds, to know whether there is more.
    fn fetched(&self) -> i64 {
        i64::try_from(self.limit + 1).unwrap_or(i64::MAX)
    }

    /// Positions of each scope that the first part of a page looks at: twice its share, for scopes are rarely even.
    fn share(&self) -> i64 {
        (2 * self.fetched() / i64::try_from(self.scopes.len().max(1)).unwrap_or(i64::MAX)).clamp(1, self.fetched().min(PART_ROWS))
    }

    /// The scope, when there is one and all of its rows are wanted: its parts end where they have enough rows.
    fn alone(&self) -> Option<ScopeKey> {
        let [(scope, _)] = self.scopes.as_slice() else { return None };
        self.collections.is_none().then_some(*scope)
    }

    /// Rows of each scope that a part reads at most, when so many rows of so many bytes were read before.
    fn most(&self, before: usize, bytes: usize) -> i64 {
        let wanted = self.fetched() - i64::try_from(before).unwrap_or(0);
        if self.alone().is_some() { wanted.min(part_rows(before, bytes)) } else { self.fetched() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_is_as_long_as_the_rows_before_let_it_be() {
        for (before, bytes, rows) in
            [(0, 0, 64), (0, 9, 64), (64, 64 * 1024, 1024), (64, 64 << 18, 4), (1, 8 << 20, 1), (5, 0, 1 << 20)]
        {
            assert_eq!(part_rows(before, bytes), rows, "{before} rows of {bytes} bytes");
        }
    }

    #[test]
    fn scopes_are_read_together_up_to_what_was_cut_off_or_is_not_wanted() {
        for (lists, share, wanted, up_to) in [
            (&[][..], 3, 1, None),
            (&["1,4", "2,3"][..], 3, 4, None),
            (&["1,4", "2,3"][..], 3, 2, Some(3)),
            (&["1,4,9", "2,3"][..], 3, 10, Some(9)),
            (&["1,4,9", "2,3,5"][..], 3, 10, Some(5)),
            (&["1,4,9", "2,3,5"][..], 3, 1, Some(2)),
        ] {
            assert_eq!(reached(lists.iter().copied(), share, wanted), up_to.map(Seq), "{lists:?} {share} {wanted}");
        }
    }
}
