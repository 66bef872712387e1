//! `GET /api/v1/mobile/equipment/building/{id}/updates?since=`: what has changed in a building, by a time or by a cursor.
//!
//! A time is not exact: the position that belongs to it is looked up a little earlier, and rows come twice rather than never. An
//! app that only keeps times moves on by the commit time of the last row; when a page is full of rows of one moment, more pages are put
//! into the same answer, or it would ask for them for ever.

use std::collections::HashMap;
use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::ids::{CollectionName, RecordId, Scope, Seq};
use tidewatch_domain::sync::{ControlRow, FeedPage, FeedQuery, FeedRowRef};
use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_protocol::facades::arxos::{EquipmentUpdate, IncrementalUpdates, OVERLAP_MS, server_version, since_millis};
use tidewatch_protocol::limits::PAGE_MAX;
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::api::sync::changes::page_position;
use crate::gate::Device;
use crate::state::App;

/// Rows of an answer, unless the request names fewer.
const ROWS_MAX: u32 = PAGE_MAX;
/// Most pages of the feed in one answer.
const PAGES_MAX: usize = 40;
/// The cursor of an answer, for apps that keep headers and not bodies.
const SYNC_CURSOR: &str = "x-sync-cursor";

/// Reads what has changed in a building.
#[utoipa::path(get, path = "/api/v1/mobile/equipment/building/{id}/updates", tag = "adapters", security(("device" = [])),
    params(("id" = String, Path),
        ("since" = Option<i64>, Query, description = "seconds, or milliseconds from 10^11 on; absent or 0 is everything"),
        ("cursor" = Option<String>, Query, description = "of the answer before; counts before `since`"),
        ("limit" = Option<u32>, Query, description = "1 to 5000 rows")),
    responses((status = 200, body = IncrementalUpdates), (status = 410, body = Problem, description = "older than the log still holds: download the building again",
        content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn equipment_updates(State(app): State<App>, device: Device, Path(id): Path<String>, uri: Uri) -> Answer<Response> {
    let started = Instant::now();
    let done = pulled(&app, &device, &id, &uri, started).await;
    if let Err(refusal) = &done {
        app.service().contact_note(&device.client_id, app.now(), Contact::PullRefused { code: refusal.code() });
    }
    done
}

/// What is asked for.
struct Asked {
    scope: Scope,
    since: i64,
    cursor: Option<String>,
    limit: u32,
}

async fn pulled(app: &App, device: &Device, id: &str, uri: &Uri, started: Instant) -> Answer<Response> {
    let asked = asked_read(id, uri)?;
    let since = since_millis(asked.since);
    let (updates, deletes, last, page) = rows_read(app, device, &asked, since).await?;
    let contact = Contact::Pulled {
        scopes: vec![asked.scope],
        to: page_position(&page, app.service().head()),
        rows: u32::try_from(updates.len() + deletes.len()).unwrap_or(u32::MAX),
        took_ms: started.elapsed().as_secs_f64() * 1_000.0,
    };
    app.service().contact_note(&device.client_id, app.now(), contact);
    let cursor = HeaderValue::from_str(&page.cursor).map_err(Refusal::internal)?;
    let last_sync = Timestamp(last.unwrap_or(since));
    let answer = IncrementalUpdates { updates, deletes, last_sync, cursor: page.cursor, has_more: page.has_more };
    Ok(([(SYNC_CURSOR, cursor)], Json(answer)).into_response())
}

fn asked_read(id: &str, uri: &Uri) -> Answer<Asked> {
    let mut params = Params::of(uri)?;
    let since = match params.take("since").as_deref() {
        None | Some("") => 0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|since| (0..=253_402_300_799_999).contains(since))
            .ok_or_else(|| Refusal::query("since", "must be a time in seconds or milliseconds since 1970"))?,
    };
    let (cursor, limit) = (params.take("cursor"), params.take_integer("limit", 1..=ROWS_MAX)?.unwrap_or(ROWS_MAX));
    params.done()?;
    let scope = Scope::parse(format!("building:{id}")).map_err(|_| Refusal::query("id", "is no id of a building"))?;
    Ok(Asked { scope, since, cursor, limit })
}

type Rows = (Vec<EquipmentUpdate>, Vec<String>, Option<Millis>, FeedPage);

/// The newest word of each record. A record that was written while an answer was put together is in several of its pages, and an app takes
/// everything that was changed before everything that was deleted: of a record that came back it may not see both.
#[derive(Debug, Default)]
struct Newest {
    /// `None` in the place of a word that has been overtaken.
    words: Vec<Option<Word>>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
enum Word {
    Changed(EquipmentUpdate),
    Deleted,
}

impl Newest {
    fn take(&mut self, record_id: &str, word: Word) {
        if let Some(before) = self.places.insert(record_id.to_owned(), self.words.len()) {
            self.words[before] = None;
        }
        self.words.push(Some(word));
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// What was changed and what was deleted, each in the order of the log.
    fn split(self) -> (Vec<EquipmentUpdate>, Vec<String>) {
        let mut ids: Vec<(usize, String)> = self.places.into_iter().map(|(id, place)| (place, id)).collect();
        ids.sort_unstable();
        let mut words: Vec<Option<Word>> = self.words;
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        for (place, id) in ids {
            match words[place].take() {
                Some(Word::Changed(update)) => updates.push(update),
                Some(Word::Deleted) => deletes.push(id),
                None => {}
            }
        }
        (updates, deletes)
    }
}

async fn rows_read(app: &App, device: &Device, asked: &Asked, since: Millis) -> Answer<Rows> {
    let (mut newest, mut last) = (Newest::default(), None);
    let mut query = first_query(app, device, asked, since).await?;
    let mut pages = 0;
    loop {
        let page = app.service().changes_page(&device.cx, query.clone()).await.map_err(page_refusal)?;
        for row in evicted(&page) {
            last = last.max(Some(row.committed));
            row.record_id.iter().for_each(|record_id| newest.take(record_id.as_str(), Word::Deleted));
        }
        for row in page.rows.iter() {
            last = last.max(Some(row.committed));
            word(row)?.into_iter().for_each(|word| newest.take(row.record_id, word));
        }
        pages += 1;
        let full = newest.len() >= asked.limit as usize;
        // By time alone nobody gets past rows that were committed within the overlap.
        let moved_on = asked.cursor.is_some() || last.is_some_and(|last| last.since(since) > OVERLAP_MS + 2 * SECOND_MS);
        if !page.has_more || pages >= PAGES_MAX || (full && moved_on) {
            let (updates, deletes) = newest.split();
            return Ok((updates, deletes, last, page));
        }
        (query.since, query.epoch) = (Some(page.cursor), None);
    }
}

async fn first_query(app: &App, device: &Device, asked: &Asked, since: Millis) -> Answer<FeedQuery> {
    let equipment = CollectionName::parse("equipment").map_err(Refusal::internal)?;
    let mut query = FeedQuery {
        since: asked.cursor.clone(),
        epoch: None,
        limit: asked.limit,
        compact: true,
        scopes: vec![asked.scope.clone()],
        collections: vec![equipment],
        ..FeedQuery::default()
    };
    if asked.cursor.is_none() && asked.since > 0 {
        let position = app.service().position_before(&device.cx, since.plus(-OVERLAP_MS)).await?;
        // Never from the beginning: a scan from there leaves out what was deleted before it.
        query.since = Some(position.max(Seq(1)).to_string());
        query.epoch = Some(app.service().epoch());
    }
    Ok(query)
}

fn page_refusal(error: Error) -> Refusal {
    match error {
        Error::Forbidden => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new("id", "is a building that this device may not read")).into()
        }
        other => other.into(),
    }
}

/// The records that have left the building in this page, and have not come back in it.
fn evicted(page: &FeedPage) -> impl Iterator<Item = &ControlRow> {
    let back = |row: &ControlRow| {
        let record = row.record_id.as_ref().map(RecordId::as_str);
        page.rows.iter().any(|later| Some(later.record_id) == record && later.seq > row.seq)
    };
    page.controls.iter().filter(move |row| row.op == ControlOp::Evict && !back(row))
}

/// A row as the app has it. Rows that say nothing of a record are none of its business.
fn word(row: FeedRowRef<'_>) -> Answer<Option<Word>> {
    if row.op == "delete" {
        return Ok(Some(Word::Deleted));
    }
    let Some(text) = row.fields else { return Ok(None) };
    let fields = serde_json::from_str(text).map_err(Refusal::internal)?;
    let equipment = server_version(row.record_id, Some(row.version.0), &fields);
    Ok(Some(Word::Changed(EquipmentUpdate { equipment, updated_at: Timestamp(row.committed) })))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn a_record_that_came_back_while_the_answer_was_made_is_not_deleted_in_it() {
        let changed = |id: &str, version: i64| {
            Word::Changed(EquipmentUpdate {
                equipment: server_version(id, Some(version), &Map::new()),
                updated_at: Timestamp(Millis(version)),
            })
        };
        let mut newest = Newest::default();
        for (id, word) in [
            ("came-back", Word::Deleted),
            ("gone", changed("gone", 1)),
            ("twice", changed("twice", 1)),
            ("came-back", changed("came-back", 3)),
            ("gone", Word::Deleted),
            ("twice", changed("twice", 2)),
        ] {
            newest.take(id, word);
        }
        assert_eq!(newest.len(), 3);
        let (updates, deletes) = newest.split();
        let told: Vec<_> = updates.iter().map(|update| json!([update.equipment["id"], update.equipment["version"]])).collect();
        assert_eq!(told, [json!(["came-back", 3]), json!(["twice", 2])]);
        assert_eq!(deletes, ["gone"]);
    }
}
