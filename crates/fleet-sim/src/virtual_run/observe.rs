//! Reads, when everything is quiet, what the store holds and what the devices hold.

use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::{ClientRegistration, FeedQuery, FeedRow};
use tidewatch_domain::time::Millis;
use tidewatch_service::{Actor, Cx};

use super::World;
use crate::checks::{LogRow, Observed};
use crate::places::SITES;

/// The reader that judges: it has nothing of its own.
const READER: &str = "00000000-0000-4000-8000-000000000001";

impl World<'_> {
    pub(super) async fn observe(mut self, settled: bool) -> anyhow::Result<Observed> {
        let mut observed = Observed { settled, ..Observed::default() };
        let scopes: Vec<Scope> =
            SITES.iter().map(|site| Scope::parse(format!("site:{}", site.slug)).expect("site slugs are valid")).collect();
        let id = ClientId::parse(READER).expect("a valid id");
        let registration = ClientRegistration {
            client_id: Some(id.clone()),
            principal: "judge".to_owned(),
            platform: None,
            app_version: None,
            schema_version: None,
            scopes: scopes.clone(),
            simulated: true,
            public_key: None,
        };
        let enrolment = Actor::Enrolment { name: "judge".to_owned(), scopes: scopes.clone() };
        let service = self.transport.service();
        let cx = |actor| Cx { actor, now: self.now, request_id: String::new() };
        service.client_register(&cx(enrolment), registration).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let reader = cx(Actor::Device { client_id: id, principal: "judge".to_owned(), scopes });
        for row in read_all(self.transport, &reader, false).await? {
            observed.log_lines.push(format!("{row:?}"));
            observed.log.push(LogRow {
                seq: row.seq.0,
                key: (row.collection.to_string(), row.record_id.to_string()),
                version: row.version.0,
                client_id: row.client_id.map(|id| id.to_string()).unwrap_or_default(),
                operation_id: row.operation_id,
            });
        }
        for row in read_all(self.transport, &reader, true).await? {
            let of_scope = observed.state.entry(row.scope.to_string()).or_default();
            let key = (row.collection.to_string(), row.record_id.to_string());
            match (row.op, row.fields) {
                ("delete", _) | (_, None) => drop(of_scope.remove(&key)),
                (_, Some(fields)) => drop(of_scope.insert(key, (row.version.0, canonical(&fields)?))),
            }
        }
        for life in &mut self.lives {
            let device = life.device.take().expect("a device is only away while it crashes");
            let state = device.client.state();
            // Seen from far ahead no entry waits for its time any more: what waits, waits behind poison.
            for (badness, entry) in state.outbox.by_badness(Millis(i64::MAX), &[]) {
                use tidewatch_domain::report::EntryState::{Held, Poisoned, Waiting};
                life.seen.left.insert(entry.intent.operation_id.clone(), matches!(badness, Held | Poisoned | Waiting));
            }
            for (key, image) in state.replica.live() {
                let record = (image.version, image.body.as_deref().unwrap_or_default().to_owned());
                life.seen.records.entry(image.scope.clone()).or_default().insert(key.clone(), record);
            }
            observed.devices.push(std::mem::take(&mut life.seen));
        }
        self.observe_commands(&mut observed).await?;
        Ok(observed)
    }
}

/// Every row of the log, or of the state, that the reader may see.
async fn read_all(transport: &crate::in_process::InProcess, reader: &Cx, compact: bool) -> anyhow::Result<Vec<FeedRow>> {
    let mut rows = Vec::new();
    let mut since = "0".to_owned();
    loop {
        let query = FeedQuery { since: Some(since), limit: 500, compact, ..FeedQuery::default() };
        let page = transport.service().changes_page(reader, query).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        rows.extend(page.rows.to_vec());
        since = page.cursor;
        if !page.has_more && page.snapshot_complete != Some(false) {
            return Ok(rows);
        }
    }
}

fn canonical(fields: &str) -> anyhow::Result<String> {
    let value: serde_json::Value = serde_json::from_str(fields)?;
    Ok(String::from_utf8(tidewatch_client::intent::canonical(&value))?)
}
