//! Fields of records that a device asks for by themselves: page by page while others write, beside what the reference holds.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::sync::{BackfillPage, BackfillQuery, Body};

use super::{COLLECTIONS, World, same, scope};
use crate::reference::Key;
use crate::rules::down;

/// Fields that are asked for: some that every collection knows, and some of one only.
const FIELDS: [&str; 5] = ["a", "count", "grade", "title", "number"];

/// Fields of a record with the version that has them.
type Filled = (i64, Body);

/// What a device has asked for so far.
#[derive(Debug)]
pub(super) struct Backfill {
    collection: usize,
    scopes: BTreeSet<String>,
    cursor: Option<String>,
    got: BTreeMap<Key, Filled>,
}

fn picked(body: &Body) -> Body {
    body.iter().filter(|(name, _)| FIELDS.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl World {
    /// A device reads the next page of fields of a collection; from the beginning when it has come to the end, or may read other scopes
    /// by now. At the end it has been given the fields of every record as the record stands.
    pub(super) fn backfill(&mut self, n: usize, collection: usize, size: usize) -> Result<(), String> {
        let scopes = self.open[n].clone();
        let going = self.backfills[n].take().filter(|known| known.collection == collection && known.scopes == scopes);
        let mut going = going.unwrap_or(Backfill { collection, scopes, cursor: None, got: BTreeMap::new() });
        let page = self.backfill_page(n, &going, size)?;
        for row in &page.rows {
            let key = (COLLECTIONS[collection].0.to_owned(), row.record_id.to_string());
            going.got.insert(key, (row.version.0, fields(&row.fields)));
        }
        if page.has_more {
            going.cursor = Some(page.cursor);
            self.backfills[n] = Some(going);
            return Ok(());
        }
        self.seen.backfilled += 1;
        let (name, schema) = (COLLECTIONS[collection].0, self.devices[n].schema);
        let held = going.scopes.iter().flat_map(|place| self.reference.visible(place)).filter(|(key, _)| key.0 == name);
        let held: BTreeMap<Key, Filled> =
            held.map(|(key, (version, body))| (key, (version, picked(&down(name, schema, &body))))).collect();
        going.got.retain(|key, _| held.contains_key(key));
        same("the fields of every record", &going.got, &held)
    }

    /// A page, which has to be that of the reference.
    fn backfill_page(&self, n: usize, going: &Backfill, size: usize) -> Result<BackfillPage, String> {
        let (name, schema) = (COLLECTIONS[going.collection].0, self.devices[n].schema);
        let query = BackfillQuery {
            collection: CollectionName::parse(name).expect("a name"),
            fields: FIELDS.map(str::to_owned).to_vec(),
            scopes: Vec::new(),
            cursor: going.cursor.clone(),
            limit: u32::try_from(size).expect("small"),
            schema: Some(schema),
        };
        let list: Vec<_> = going.scopes.iter().map(|name| scope(name)).collect();
        let (runtime, store) = self.both();
        let page = runtime.block_on(store.sync().backfill_page(query, &list)).map_err(|error| error.to_string())?;
        let at = |text: &str| Cursor::parse(text).map(|cursor| cursor.position).map_err(|refusal| refusal.to_string());
        let (from, start) = match going.cursor.as_deref().map(at).transpose()? {
            Some(CursorPosition::Scan { pos, start }) => (pos.0, start.0),
            _ => (0, self.reference.head()),
        };
        let (to, head) = (at(&page.cursor)?.pos().0, self.reference.head());
        let rows = self.reference.scanned(&going.scopes, None, from, start, to).into_iter();
        let rows = rows.filter(|row| row.op == "put" && row.key.0 == name).map(|row| {
            let body = row.carried.unwrap_or_default();
            (row.seq, row.key.1, row.scope, row.version, picked(&down(name, schema, &body)))
        });
        let real = page
            .rows
            .iter()
            .map(|row| (row.seq.0, row.record_id.to_string(), row.scope.to_string(), row.version.0, fields(&row.fields)));
        same("the fields of a page", &real.collect::<Vec<_>>(), &rows.collect())?;
        same("that there are more of them", &page.has_more, &(to < head))?;
        Ok(page)
    }
}

fn fields(text: &str) -> Body {
    serde_json::from_str(text).expect("fields are JSON")
}
