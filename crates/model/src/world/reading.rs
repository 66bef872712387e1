//! Pages, as devices read them, beside those of the reference.

use std::collections::BTreeSet;

use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::ids::Seq;
use tidewatch_domain::sync::{Body, FeedInclude, FeedPage, FeedQuery};

use super::{PageSeen, Shown, World, client, same, scope};
use crate::command::Fault;
use crate::reference::Row;
use crate::rules::down;

impl World {
    /// A device reads a page. Whether there is more.
    pub(super) fn pull(&mut self, n: usize, size: usize, compact: bool, fault: Fault) -> Result<bool, String> {
        let device = &self.devices[n];
        let (since, scopes) = (device.cursor.clone(), self.open[n].clone());
        let compact = compact || device.must_scan;
        if compact && since.is_none() {
            // A scan from the beginning says nothing of what was opened and closed before it: what is open now is what counts.
            self.devices[n].scopes.clone_from(&scopes);
        }
        let page = self.page(since.as_deref(), size, compact, &scopes, Some(n))?;
        if fault == Fault::Request || fault == Fault::Answer {
            return Ok(page.has_more);
        }
        self.taken(n, &page, since, scopes, fault);
        Ok(page.has_more)
    }

    /// A page that has come to its device.
    pub(super) fn taken(&mut self, n: usize, page: &FeedPage, since: Option<String>, scopes: BTreeSet<String>, fault: Fault) {
        let scan = page.snapshot_complete.is_some();
        self.seen.pages.push(PageSeen {
            device: n,
            start: self.starts,
            scan,
            since,
            cursor: page.cursor.clone(),
            open: scopes,
            rows: page.rows.iter().map(|row| (row.seq.0, row.scope.to_string())).collect(),
            said: page.controls.iter().map(|row| (row.seq.0, row.op.as_str())).collect(),
        });
        // Applied and not written down: the device ends and starts again at its older cursor.
        self.starts += u64::from(fault == Fault::Late);
        let doubtful = self.untold(n, 0);
        let device = &mut self.devices[n];
        device.doubtful = doubtful;
        device.apply(page, fault != Fault::Late);
        // What a page of a scan has is whole, and may be younger than where the scan will end.
        if fault == Fault::Late || fault == Fault::Twice && !scan {
            let applied = page.rows.iter().map(|row| row.seq.0).chain(page.controls.iter().map(|row| row.seq.0)).max();
            device.ahead = device.ahead.max(applied.unwrap_or(0));
        }
        if fault == Fault::Twice && !device.must_scan {
            device.apply(page, true);
        }
        // Between two pages of a scan a device shows nothing; at a cursor it shows the state at the cursor, once that has caught up with
        // what is applied.
        let position = device.cursor.as_deref().and_then(|text| Cursor::parse(text).ok()).map(|cursor| cursor.position);
        if let (Some(CursorPosition::At(at)), true) = (position, fault != Fault::Late) {
            let untold = self.untold(n, at.0);
            let device = &self.devices[n];
            if at.0 < device.ahead {
                return;
            }
            let sure = device.scopes.difference(&untold);
            let state = sure.map(|scope| (scope.clone(), device.visible(scope))).collect();
            self.seen.shown.push(Shown { device: n, at: at.0, state });
        }
    }

    /// A page in another form, which no device applies; long ones from the beginning.
    pub(super) fn aside(&mut self, n: usize, size: usize, include: usize, exclude_self: bool) -> Result<(), String> {
        let (device, scopes) = (&self.devices[n], self.open[n].clone());
        let since = device
            .cursor
            .clone()
            .filter(|_| size < 7)
            .filter(|text| matches!(Cursor::parse(text).map(|cursor| cursor.position), Ok(CursorPosition::At(_))));
        let include = FeedInclude::NAMES[include].1;
        let query = FeedQuery { include, exclude_self, ..self.query(since.as_deref(), size, false, Some(n)) };
        let list: Vec<_> = scopes.iter().map(|name| scope(name)).collect();
        let (runtime, store) = self.both();
        let page = runtime.block_on(store.sync().changes_page(&query, &list)).map_err(|error| error.to_string())?;
        let (from, to) = self.same_page(&page, &query, &scopes, self.reference.head())?;
        let (head, id) = (self.reference.head(), device.id.clone());
        same("that there is more aside", &page.has_more, &(to < head))?;
        let own = self.reference.between(&scopes, Some(&id), from, to).iter().filter(|row| row.device == id).count();
        self.seen.aside += usize::from(exclude_self && own > 0);
        self.seen.whole += usize::from(include == FeedInclude::Full && page.rows.iter().any(|row| row.op == "update"));
        Ok(())
    }

    /// A page of the store, which has to be that of the reference.
    pub(super) fn page(
        &self,
        since: Option<&str>,
        size: usize,
        compact: bool,
        scopes: &BTreeSet<String>,
        reader: Option<usize>,
    ) -> Result<FeedPage, String> {
        let list: Vec<_> = scopes.iter().map(|name| scope(name)).collect();
        let (runtime, store) = self.both();
        let query = self.query(since, size, compact, reader);
        let page = runtime.block_on(store.sync().changes_page(&query, &list)).map_err(|error| error.to_string())?;
        let head = self.reference.head();
        let (from, to) = self.same_page(&page, &query, scopes, head)?;
        same("that there is more", &page.has_more, &(to < head))?;
        if to <= from && to < head || to > head || page.rows.len() + page.controls.len() > size {
            return Err(format!("a page of {size} rows from {from} ends at {to}, and the log at {head}"));
        }
        Ok(self.mutated(page))
    }

    pub(super) fn query(&self, since: Option<&str>, size: usize, compact: bool, reader: Option<usize>) -> FeedQuery {
        FeedQuery {
            since: since.map(str::to_owned),
            limit: u32::try_from(size).expect("small"),
            compact,
            reader: reader.map(client),
            schema: reader.map(|n| self.devices[n].schema),
            ..FeedQuery::default()
        }
    }

    /// The rows of a page that was asked for at this head are those of the reference. Answers from where to where it goes.
    pub(super) fn same_page(
        &self,
        page: &FeedPage,
        query: &FeedQuery,
        scopes: &BTreeSet<String>,
        head: i64,
    ) -> Result<(i64, i64), String> {
        let position = query.since.as_deref().and_then(|text| Cursor::parse(text).ok()).map(|cursor| cursor.position);
        let who = query.reader.as_ref().map(ToString::to_string);
        let who = who.as_deref();
        let to = Cursor::parse(&page.cursor).map_err(|refusal| refusal.to_string())?.position.pos().0;
        let (from, expected) = match (position, query.compact) {
            (None, false) => (0, self.reference.between(scopes, who, 0, to)),
            (None, true) => (0, self.reference.scanned(scopes, who, 0, head, to)),
            (Some(CursorPosition::Scan { pos, start }), _) => (pos.0, self.reference.scanned(scopes, who, pos.0, start.0, to)),
            (Some(CursorPosition::At(Seq(pos))), true) if pos < head => (pos, self.reference.scanned(scopes, who, pos, 0, to)),
            (Some(CursorPosition::At(pos)), _) => (pos.0, self.reference.between(scopes, who, pos.0, to)),
        };
        // What is said of a record is news also to whoever caused it.
        let changes = |row: &Row| ["create", "update", "put", "delete", "crdt"].contains(&row.op);
        let own = |row: &Row| query.exclude_self && who == Some(row.device.as_str()) && changes(row);
        let expected: Vec<Row> = expected.into_iter().filter(|row| !own(row)).map(|row| shown_as(row, query.include)).collect();
        same_rows(page, &expected, query.schema.unwrap_or(i64::MAX))?;
        Ok((from, to))
    }
}

/// A row with as much of its change as was asked for.
fn shown_as(row: Row, include: FeedInclude) -> Row {
    match include {
        FeedInclude::Fields => row,
        FeedInclude::Full => Row { carried: if row.op == "crdt" { row.carried } else { row.body.clone() }, ..row },
        FeedInclude::Meta => Row { carried: None, ..row },
    }
}

fn same_rows(page: &FeedPage, expected: &[Row], schema: i64) -> Result<(), String> {
    let body = |text: Option<&str>| text.map(|text| serde_json::from_str::<Body>(text).expect("a body is JSON"));
    let changes = page.rows.iter().map(|row| Row {
        seq: row.seq.0,
        op: row.op,
        key: (row.collection.to_string(), row.record_id.to_string()),
        scope: row.scope.to_string(),
        version: row.version.0,
        before: row.prev_seq.map_or(0, |seq| seq.0),
        device: row.client_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        operation: row.operation_id.to_owned(),
        carried: if row.op == "crdt" { body(row.crdt) } else { body(row.fields) },
        body: None,
        entry: None,
        clock: row.vector.map(|text| serde_json::from_str(text).expect("a clock is JSON")),
    });
    let said = page.controls.iter().map(|row| Row {
        seq: row.seq.0,
        op: row.op.as_str(),
        key: (
            row.collection.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.record_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        scope: row.scope.to_string(),
        version: row.version.map_or(0, |version| version.0),
        before: 0,
        // A row that changes no record does not say which device caused it.
        device: String::new(),
        operation: row.operation_id.clone(),
        carried: None,
        body: None,
        entry: row.facts.conflict,
        clock: None,
    });
    let mut rows: Vec<Row> = changes.chain(said).collect();
    rows.sort_by_key(|row| row.seq);
    let silent = |row: &Row| ["evict", "conflict", "resolved", "schema", "grant", "revoke"].contains(&row.op);
    let wanted = expected.iter().map(|row| {
        let device = if silent(row) { String::new() } else { row.device.clone() };
        let carried = row.carried.as_ref().map(|body| down(&row.key.0, schema, body));
        Row { body: None, device, carried, ..row.clone() }
    });
    same("the rows of a page", &rows, &wanted.collect::<Vec<_>>())
}
