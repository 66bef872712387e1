//! From a packed text to the rows of a page. Nothing is copied but what the text does not have as it is.

use std::collections::HashMap;
use std::sync::Arc;

use tidewatch_domain::decide::Detail;
use tidewatch_domain::engine::{ClientKey, Collection, CollectionKey};
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::{RecordId, Scope, Seq, Version};
use tidewatch_domain::json::{members_pick, names_read, names_text, write_body};
use tidewatch_domain::sync::{FeedInclude, FeedRows, FeedSlot, Span, Word};
use tidewatch_domain::time::Millis;

use super::Renamed;
use crate::sync::live::Live;
use crate::sync::packed::{self, Row};
use crate::{Error, Result};

/// Number of operations on fields that merge by themselves.
const CRDT: i64 = 5;

/// A page that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    include: FeedInclude,
    /// The state instead of the log.
    compact: bool,
    renamed: Renamed,
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
    changed: Option<Word>,
    fields: Option<Word>,
    crdt: Option<Word>,
}

impl Reading {
    pub(super) fn new(include: FeedInclude, compact: bool, renamed: Renamed) -> Self {
        let (rows, collections, clients) = (FeedRows::default(), Vec::new(), HashMap::new());
        Self { include, compact, renamed, rows, collections, clients, client: None }
    }

    /// Adds the rows of a packed text, all of one scope.
    pub(super) fn text(&mut self, packed: String, scope: &Scope, live: &Live) -> Result<()> {
        for mut row in packed::rows(Some(&packed)) {
            self.row(&mut row, &packed, live)?;
        }
        self.rows.text_keep(scope.clone(), packed);
        Ok(())
    }

    fn row(&mut self, row: &mut Row<'_>, packed: &str, live: &Live) -> Result<()> {
        let seq = Seq(row.number()?);
        let whose: i64 = row.number()?;
        let (op, key) = (whose & 0xf, CollectionKey(whose >> 4 & 0xf_ffff));
        let collection = self.collection(key, live, seq)?;
        let (record, record_id) = row.placed()?;
        RecordId::check(record).map_err(|error| Error::Corrupt(error.to_string()))?;
        let version = Version(row.number()?);
        let prev_seq: i64 = row.number()?;
        let ticks = Ticks(row.number::<i64>()?.cast_unsigned());
        let (_, node) = row.placed()?;
        let client = self.client(ClientKey(whose >> 24), live);
        let (_, operation_id) = row.placed()?;
        let schema_version = row.number()?;
        let committed = Millis(row.number()?);
        let (changed, body) = (row.maybe_placed()?, row.maybe_placed()?);
        let payload = self.payload(op, changed, body);
        let known = self.renamed.0.get(&key).map(Arc::clone);
        let Payload { op, changed, fields, crdt } = match known {
            Some(known) => self.shown(payload, packed, &known),
            None => payload,
        };
        self.rows.push(FeedSlot {
            seq,
            op,
            collection,
            client,
            version,
            prev_seq: (prev_seq > 0).then_some(Seq(prev_seq)),
            ticks,
            schema_version,
            committed,
            record_id,
            node,
            operation_id,
            changed,
            fields,
            crdt,
        });
        Ok(())
    }

    /// What a row carries, of the operation, the names of the fields that it touched (of an operation on a field that merges by
    /// itself what else the log says of it), and the body of the record after it.
    fn payload(&mut self, op: i64, changed: Option<(&str, Span)>, body: Option<(&str, Span)>) -> Payload {
        if op == CRDT && !self.compact {
            return self.merging(changed, body);
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
            (FeedInclude::Fields, Some((body, _)), Some((names, _))) => {
                Some(self.rows.make(|out| members_pick(out, body, names)))
            }
            (FeedInclude::Fields, Some((_, whole)), None) | (FeedInclude::Full, Some((_, whole)), _) => Some(Word::Read(whole)),
        };
        Payload { op, changed: changed.map(|(_, names)| Word::Read(names)), fields, crdt: None }
    }

    /// Of an operation on a field that merges by itself the log row has the operation; a scan of the state has the state.
    fn merging(&mut self, detail: Option<(&str, Span)>, body: Option<(&str, Span)>) -> Payload {
        let Some(operation) = Detail::read(detail.map(|(text, _)| text)).crdt else { return self.payload(0, None, body) };
        let whole = body.filter(|_| self.include == FeedInclude::Full).map(|(_, body)| Word::Read(body));
        let crdt = (self.include != FeedInclude::Meta).then(|| self.rows.make(|out| write_body(out, &operation)));
        Payload { op: if body.is_some() { "crdt" } else { "delete" }, changed: None, fields: whole, crdt }
    }

    /// A payload in the names that its reader has for the fields.
    fn shown(&mut self, payload: Payload, packed: &str, known: &Collection) -> Payload {
        let (steps, version, rows) = (&known.policy.steps, self.renamed.1, &mut self.rows);
        let names = payload.changed.map(|word| steps.names_shown(version, names_read(rows.word(packed, word))));
        let fields = payload.fields.map(|word| steps.text_shown(version, rows.word(packed, word).to_owned()));
        let changed = names.map(|names| rows.make(|out| out.push_str(&names_text(names.iter().map(String::as_str)))));
        let fields = fields.map(|fields| rows.make(|out| out.push_str(&fields)));
        Payload { changed, fields, ..payload }
    }

    fn collection(&mut self, key: CollectionKey, live: &Live, seq: Seq) -> Result<u32> {
        if let Some((_, number)) = self.collections.iter().find(|(known, _)| *known == key) {
            return Ok(*number);
        }
        let name = live.collection_name(key).ok_or_else(|| Error::Corrupt(format!("row {seq} is of an unknown collection")))?;
        let number = self.rows.collection_add(name.clone());
        self.collections.push((key, number));
        Ok(number)
    }

    fn client(&mut self, key: ClientKey, live: &Live) -> Option<u32> {
        if let Some((_, number)) = self.client.filter(|(known, _)| *known == key) {
            return number;
        }
        let rows = &mut self.rows;
        let known = || live.client_ids.get(&key).map(|client_id| rows.client_add(client_id.clone()));
        let number = *self.clients.entry(key).or_insert_with(known);
        self.client = Some((key, number));
        number
    }
}
