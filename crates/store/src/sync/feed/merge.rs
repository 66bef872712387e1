//! The ranges of the scopes of a page, merged by position.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator as _;
use rusqlite::{CachedStatement, Connection, Rows, params};
use tidewatch_domain::ids::Seq;
use tidewatch_domain::sync::FeedRows;

use super::reading::Reading;
use super::{PAGE_SCANNED_MAX, Plan, vectors};
use crate::Result;
use crate::sync::Shared;
use crate::sync::statements::feed::{FEED_BOUND, FEED_ROWS, FEED_ROWS_SOME, SCAN_BOUND, SCAN_ROWS, SCAN_ROWS_SOME};

/// One scope of a page, at its next row.
struct Lane<'s> {
    /// As the page numbers it.
    scope: u32,
    rows: Rows<'s>,
}

impl Lane<'_> {
    /// Goes to the next row; answers its position.
    fn next(&mut self) -> Result<Option<i64>> {
        self.rows.advance()?;
        Ok(self.rows.get().map(|row| row.get(0)).transpose()?)
    }
}

impl Plan {
    /// The rows of a page, and how far it looked: to the head, or to its last row when there are more than it holds.
    pub(super) fn read(&self, connection: &Connection, shared: Arc<Shared>) -> Result<(FeedRows, Seq)> {
        // Several statements see one state of the file.
        let _view =
            (self.scopes.len() > 1 || self.collections.is_some()).then(|| connection.unchecked_transaction()).transpose()?;
        let (from, end) = (self.position.pos(), self.end(connection)?);
        let rows_most = usize::try_from(end.0 - from.0).unwrap_or(0);
        let include = (self.include, self.compact);
        let mut reading = Reading::new(Arc::clone(&shared), include, self.renamed.clone(), (self.limit, rows_most));
        let end = if self.merge(connection, &mut reading, from, end)? { end } else { reading.last().unwrap_or(end) };
        let mut rows = reading.rows;
        let wanted = vectors::wanted(&rows, &shared.live());
        vectors::add(&mut rows, wanted, self.compact, connection)?;
        Ok((rows, end))
    }

    /// Adds the rows above a position, up to another; whether all of them went in.
    pub(super) fn merge(&self, connection: &Connection, reading: &mut Reading, from: Seq, end: Seq) -> Result<bool> {
        let lanes = 0..self.scopes.len();
        let mut statements = lanes.map(|lane| self.statement(connection, lane)).collect::<Result<Vec<_>>>()?;
        let (mut lanes, mut next) = (Vec::with_capacity(statements.len()), BinaryHeap::with_capacity(statements.len()));
        for (statement, (key, scope)) in statements.iter_mut().zip(&self.scopes) {
            let rows = match &self.collections {
                None => statement.query(params![key.0, from.0, end.0])?,
                Some(collections) => statement.query(params![key.0, from.0, end.0, collections])?,
            };
            let mut lane = Lane { scope: reading.scope(scope.clone()), rows };
            next.extend(lane.next()?.map(|seq| Reverse((seq, lanes.len()))));
            lanes.push(lane);
        }
        while let Some(Reverse((_, at))) = next.pop() {
            let Some(lane) = lanes.get_mut(at) else { continue };
            let Some(row) = lane.rows.get() else { continue };
            if !reading.takes(lane.scope, row)? {
                return Ok(false);
            }
            next.extend(lane.next()?.map(|seq| Reverse((seq, at))));
        }
        Ok(true)
    }

    /// The statement of a lane. A prepared one has one row at a time, so that each lane needs its own; its number is a comment in the
    /// text, by which it is kept.
    fn statement<'c>(&self, connection: &'c Connection, lane: usize) -> Result<CachedStatement<'c>> {
        let text = match (self.compact, &self.collections) {
            (false, None) => FEED_ROWS,
            (false, Some(_)) => FEED_ROWS_SOME,
            (true, None) => SCAN_ROWS,
            (true, Some(_)) => SCAN_ROWS_SOME,
        };
        Ok(if lane == 0 { connection.prepare_cached(text)? } else { connection.prepare_cached(&format!("{text} -- {lane}"))? })
    }

    /// How far a page may look: to the head, unless it wants some collections only and a scope holds more than its share of rows up to
    /// there.
    fn end(&self, connection: &Connection) -> Result<Seq> {
        if self.collections.is_none() {
            return Ok(self.head);
        }
        let share = PAGE_SCANNED_MAX / i64::try_from(self.scopes.len().max(1)).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(if self.compact { SCAN_BOUND } else { FEED_BOUND })?;
        let bounds = params![self.scope_list(), self.position.pos().0, self.head.0, share.max(1) - 1];
        let bound: Option<i64> = statement.query_row(bounds, |row| row.get(0))?;
        Ok(bound.map_or(self.head, Seq))
    }
}
