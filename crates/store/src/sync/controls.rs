//! Rows of the feed that change no record. They are few, stand in an index of their own, and are read only when the heads in memory
//! say that there is one, so that a page without them costs what it did.

use tidewatch_domain::cursor::CursorPosition;
use tidewatch_domain::engine::{ClientKey, CollectionKey, ControlFacts, ControlOp, ScopeKey};
use tidewatch_domain::ids::{CollectionName, RecordId, Scope, Seq, Version};
use tidewatch_domain::sync::{ControlRow, FeedQuery, FeedRows};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::live::Live;
use super::packed::{self, Row};
use super::statements::feed::FEED_CONTROLS;
use crate::{Error, Result};

/// Which of these rows a page shows.
#[derive(Debug)]
pub(crate) struct Notices {
    /// Scopes with such a row above the position.
    scopes: Vec<(ScopeKey, Scope)>,
    /// Above this.
    from: Seq,
    /// The state is scanned.
    scan: bool,
    /// Whose page it is.
    reader: Option<ClientKey>,
    /// Only these collections; empty means all.
    collections: Vec<CollectionName>,
}

impl Notices {
    /// Those of the scopes that are read, and of the two that every device reads unasked: that of its principal, and the one that
    /// speaks of collections. Records that stand in those are shown only to devices that have the scope. A scan from the beginning
    /// has no use for what was said before it began.
    pub(crate) fn new(live: &Live, query: &FeedQuery, scopes: &[Scope], position: CursorPosition) -> Self {
        let (from, scan) = match position {
            CursorPosition::At(pos) => (pos, false),
            CursorPosition::Scan { pos, start } => (pos.max(start), true),
        };
        let client = query.reader.as_ref().and_then(|reader| live.clients.get(reader));
        let mut wanted = scopes.to_vec();
        if let Some(client) = client {
            wanted.extend([Scope::of_principal(&client.principal), Scope::of_collections()]);
            wanted.sort_unstable();
            wanted.dedup();
        }
        let awake = wanted.into_iter().filter_map(|scope| {
            let key = *live.scopes.get(&scope)?;
            let head = *live.control_heads.get(&key)?;
            (head > from).then_some((key, scope))
        });
        let scopes = awake.collect();
        Self { scopes, from, scan, reader: client.map(|client| client.key), collections: query.collections.clone() }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// Whether a row is for this reader.
    fn shows(&self, row: &ControlRow, client: ClientKey) -> bool {
        let named = |name: &CollectionName| self.collections.is_empty() || self.collections.contains(name);
        let mine = !row.op.is_personal() || self.reader == Some(client);
        mine && row.collection.as_ref().is_none_or(named) && (!self.scan || row.op.in_scan())
    }
}

/// Where a page of both kinds of rows is full, when there are more than fit.
pub(crate) fn together(rows: &FeedRows, controls: &[ControlRow], limit: usize) -> Option<Seq> {
    if controls.is_empty() || rows.len() + controls.len() <= limit {
        return None;
    }
    let mut seqs: Vec<Seq> = rows.seqs().chain(controls.iter().map(|row| row.seq)).collect();
    seqs.sort_unstable();
    seqs.get(limit - 1).copied()
}

impl Sync {
    /// These rows up to `end`, in order; and where they stop, when there are more than a page looks at.
    pub(super) async fn notices(&self, notices: &Notices, limit: usize, end: Seq) -> Result<(Vec<ControlRow>, Option<Seq>)> {
        let fetched = limit + 1;
        let (mut rows, mut stop) = (Vec::new(), None::<Seq>);
        for (key, scope) in &notices.scopes {
            let query = sqlx::query_as(FEED_CONTROLS).bind(key.0).bind(notices.from.0).bind(end.0);
            let bound = i64::try_from(fetched).unwrap_or(i64::MAX);
            let (packed,): (Option<String>,) = query.bind(bound).fetch_one(&self.readers).await?;
            let live = self.shared.live();
            let (mut seen, mut last) = (0, Seq(0));
            for mut row in packed::rows(packed.as_deref()) {
                let (row, client) = control_read(&mut row, scope, &live)?;
                (seen, last) = (seen + 1, row.seq);
                if notices.shows(&row, client) {
                    rows.push(row);
                }
            }
            if seen == fetched {
                stop = Some(stop.map_or(last, |stop| stop.min(last)));
            }
        }
        rows.sort_unstable_by_key(|row: &ControlRow| row.seq);
        if let Some(stop) = stop {
            rows.retain(|row| row.seq <= stop);
        }
        Ok((rows, stop))
    }
}

fn control_read(row: &mut Row<'_>, scope: &Scope, live: &Live) -> Result<(ControlRow, ClientKey)> {
    let seq = Seq(row.number()?);
    let op = ControlOp::of(row.number()?).ok_or_else(|| Error::Corrupt(format!("row {seq} is of an unknown kind")))?;
    let collection = live.collection_name(CollectionKey(row.number()?)).cloned();
    let record_id = row.maybe()?.map(RecordId::parse).transpose().map_err(|error| Error::Corrupt(error.to_string()))?;
    let version: i64 = row.number()?;
    let client = ClientKey(row.number()?);
    let operation_id = row.text()?.to_owned();
    let committed = Millis(row.number()?);
    let facts = ControlFacts::read(row.text()?);
    let scope = facts.scope.clone().unwrap_or_else(|| scope.clone());
    let version = (version > 0).then_some(Version(version));
    Ok((ControlRow { seq, op, collection, record_id, scope, version, operation_id, facts, committed }, client))
}
