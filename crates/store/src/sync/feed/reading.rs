//! From what SQLite holds to the rows of a page. Every word is copied once, into the text of the page.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, ValueRef};
use tidewatch_domain::decide::Detail;
use tidewatch_domain::engine::{ClientKey, Collection, CollectionKey};
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::{RecordId, Scope, Seq, Version};
use tidewatch_domain::json::{members_pick, names_read, names_text, write_body};
use tidewatch_domain::sync::{FeedInclude, FeedRows, FeedSlot, Span};
use tidewatch_domain::time::Millis;

use super::{PAGE_BYTES_SOFT, ROW_BYTES, Renamed};
use crate::sync::Shared;
use crate::{Error, Result};

/// Number of operations on fields that merge by themselves.
const CRDT: i64 = 5;
/// What a row takes in the text of a page, about; a page may take more.
const ROW_TEXT_BYTES: usize = 400;

/// A page that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    shared: Arc<Shared>,
    include: FeedInclude,
    /// The state instead of the log.
    compact: bool,
    renamed: Renamed,
    /// Most rows.
    limit: usize,
    /// What its rows weigh.
    bytes: usize,
    pub(super) rows: FeedRows,
    collections: Vec<(CollectionKey, u32)>,
    clients: HashMap<ClientKey, Option<u32>>,
    /// That of the row before: devices push many changes at once.
    client: Option<(ClientKey, Option<u32>)>,
}

/// What a row carries beside its ids.
#[derive(Debug, Default)]
struct Payload {
    op: &'static str,
    changed: Option<Span>,
    fields: Option<Span>,
    crdt: Option<Span>,
}

impl Reading {
    /// With room for `most` rows of at most `limit`.
    pub(super) fn new(
        shared: Arc<Shared>,
        (include, compact): (FeedInclude, bool),
        renamed: Renamed,
        (limit, most): (usize, usize),
    ) -> Self {
        let most = most.min(limit);
        let rows = FeedRows::with_capacity(most, (most * ROW_TEXT_BYTES).min(PAGE_BYTES_SOFT));
        let (collections, clients) = (Vec::new(), HashMap::new());
        Self { shared, include, compact, renamed, limit, bytes: 0, rows, collections, clients, client: None }
    }

    pub(super) fn scope(&mut self, scope: Scope) -> u32 {
        self.rows.scope_add(scope)
    }

    /// Position of the last row.
    pub(super) fn last(&self) -> Option<Seq> {
        self.rows.seqs().next_back()
    }

    /// Adds a row of a scope; whether it still belongs to this page. One row always does, however heavy it is.
    pub(super) fn takes(&mut self, scope: u32, row: &Row<'_>) -> Result<bool> {
        if self.rows.len() == self.limit {
            return Ok(false);
        }
        let slot = self.slot(scope, row)?;
        self.bytes += slot.fields.map_or(0, Span::bytes) + ROW_BYTES;
        if self.bytes > PAGE_BYTES_SOFT && !self.rows.is_empty() {
            return Ok(false);
        }
        self.rows.push(slot);
        Ok(true)
    }

    fn slot(&mut self, scope: u32, row: &Row<'_>) -> Result<FeedSlot> {
        let number = |at: usize| whole(row, at);
        let (seq, key) = (Seq(number(0)?), CollectionKey(number(3)?));
        let (collection, client) = (self.collection(key, seq)?, self.client(ClientKey(number(2)?)));
        let record = text(row, 9)?;
        RecordId::check(record).map_err(|error| Error::Corrupt(error.to_string()))?;
        let prev_seq = number(5)?;
        let record_id = self.word(record);
        let (node, operation_id) = (self.word(text(row, 10)?), self.word(text(row, 11)?));
        let known = self.renamed.0.get(&key).map(Arc::clone);
        let payload = self.payload(number(1)?, maybe(row, 12)?, maybe(row, 13)?, known.as_deref());
        Ok(FeedSlot {
            seq,
            op: payload.op,
            scope,
            collection,
            client,
            version: Version(number(4)?),
            prev_seq: (prev_seq > 0).then_some(Seq(prev_seq)),
            ticks: Ticks(number(6)?.cast_unsigned()),
            schema_version: number(7)?,
            committed: Millis(number(8)?),
            record_id,
            node,
            operation_id,
            changed: payload.changed,
            fields: payload.fields,
            crdt: payload.crdt,
        })
    }

    fn word(&mut self, word: &str) -> Span {
        self.rows.word(|text| text.push_str(word))
    }

    /// What a row carries: of the operation, the names of the fields that it touched (of an operation on a field that merges by
    /// itself what else the log says of it), and the body of the record after it; in the names that its reader has for the fields.
    fn payload(&mut self, op: i64, changed: Option<&str>, body: Option<&str>, known: Option<&Collection>) -> Payload {
        if op == CRDT && !self.compact {
            return self.merging(changed, body, known);
        }
        let op = match (op, body) {
            (_, None) => "delete",
            _ if self.compact => "put",
            (1, _) => "create",
            (2, _) => "update",
            _ => "put",
        };
        let fields = match (self.include, body, changed) {
            (FeedInclude::Meta, ..) | (_, None, _) => None,
            (FeedInclude::Fields, Some(body), Some(names)) => Some(self.picked(body, names, known)),
            (FeedInclude::Fields, Some(body), None) | (FeedInclude::Full, Some(body), _) => Some(self.body(body, known)),
        };
        Payload { op, changed: changed.map(|names| self.names(names, known)), fields, crdt: None }
    }

    /// Of an operation on a field that merges by itself the log row has the operation; a scan of the state has the state.
    fn merging(&mut self, detail: Option<&str>, body: Option<&str>, known: Option<&Collection>) -> Payload {
        let Some(operation) = Detail::read(detail).crdt else { return self.payload(0, None, body, known) };
        let whole = body.filter(|_| self.include == FeedInclude::Full).map(|body| self.body(body, known));
        let crdt = (self.include != FeedInclude::Meta).then(|| self.rows.word(|out| write_body(out, &operation)));
        Payload { op: if body.is_some() { "crdt" } else { "delete" }, changed: None, fields: whole, crdt }
    }

    fn picked(&mut self, body: &str, names: &str, known: Option<&Collection>) -> Span {
        let Some(known) = known else { return self.rows.word(|out| members_pick(out, body, names)) };
        let mut picked = String::new();
        members_pick(&mut picked, body, names);
        self.body(&picked, Some(known))
    }

    fn body(&mut self, body: &str, known: Option<&Collection>) -> Span {
        let Some(known) = known else { return self.word(body) };
        let shown = known.policy.steps.text_shown(self.renamed.1, body.to_owned());
        self.word(&shown)
    }

    fn names(&mut self, names: &str, known: Option<&Collection>) -> Span {
        let Some(known) = known else { return self.word(names) };
        let shown = known.policy.steps.names_shown(self.renamed.1, names_read(names));
        self.word(&names_text(shown.iter().map(String::as_str)))
    }

    fn collection(&mut self, key: CollectionKey, seq: Seq) -> Result<u32> {
        if let Some((_, number)) = self.collections.iter().find(|(known, _)| *known == key) {
            return Ok(*number);
        }
        let name = self.shared.live().collection_name(key).cloned();
        let number =
            self.rows.collection_add(name.ok_or_else(|| Error::Corrupt(format!("row {seq} is of an unknown collection")))?);
        self.collections.push((key, number));
        Ok(number)
    }

    fn client(&mut self, key: ClientKey) -> Option<u32> {
        if let Some((_, number)) = self.client.filter(|(known, _)| *known == key) {
            return number;
        }
        let (rows, shared) = (&mut self.rows, &self.shared);
        let known = || shared.live().client_ids.get(&key).cloned().map(|client_id| rows.client_add(client_id));
        let number = *self.clients.entry(key).or_insert_with(known);
        self.client = Some((key, number));
        number
    }
}

fn whole(row: &Row<'_>, at: usize) -> Result<i64> {
    Ok(row.get_ref(at)?.as_i64().map_err(rusqlite::Error::from)?)
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<&'r str> {
    let read = row.get_ref(at)?.as_str();
    read.map_err(|error| corrupt(row, at, &error))
}

/// Null where there is nothing; so is an empty text.
fn maybe<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>> {
    match row.get_ref(at)? {
        ValueRef::Null => Ok(None),
        value => Ok(Some(value.as_str().map_err(|error| corrupt(row, at, &error))?).filter(|text| !text.is_empty())),
    }
}

fn corrupt(row: &Row<'_>, at: usize, error: &FromSqlError) -> Error {
    let name = row.as_ref().column_name(at).unwrap_or_default();
    Error::Corrupt(format!("{name} of a row of the log: {error}"))
}
