//! The outbox by device: what each still has to send. The devices are those of the device table that have a queue, the worst
//! first; how many entries a device has in each state is kept beside its row and proven by `verify`.

use std::collections::HashMap;

use tidewatch_domain::filter::{Filter, Op, Subject, Term, Value};
use tidewatch_domain::fleet::{DeviceRow, DeviceSort, OutboxDevice};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::report::STATES;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::super::persist::doc_read;
use crate::Result;

impl Telemetry {
    /// One page of the devices that still have something to send, the worst first.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn outbox_devices(
        &self,
        filter: &Filter,
        position: &Position,
        rows: u32,
        now: Millis,
    ) -> Result<Page<OutboxDevice>> {
        let filter = filter.with(queued());
        let page = self.devices_page(&filter, DeviceSort::Worst, position, rows, now).await?;
        let mut states = self.states_of(page.rows.iter().map(|row| row.client_id.as_str()).collect()).await?;
        let with_states = |row: DeviceRow| {
            let states = states.remove(row.client_id.as_str()).unwrap_or_default();
            OutboxDevice { row, states }
        };
        let rows = page.rows.into_iter().map(with_states).collect();
        Ok(Page { rows, next: page.next, previous: page.previous, total: page.total })
    }

    /// Mirrored entries of devices in each state.
    async fn states_of(&self, devices: Vec<&str>) -> Result<HashMap<String, [u64; STATES]>> {
        const TEXT: &str = r"
            select d.client_id, x.doc from json_each(?1) as wanted
            join devices d on d.client_id = wanted.value join device_docs x on x.id = d.id";
        let rows: Vec<(String, String)> =
            sqlx::query_as(TEXT).bind(serde_json::json!(devices).to_string()).fetch_all(&self.database.readers).await?;
        rows.into_iter().map(|(id, doc)| Ok((id, doc_read(&doc)?.states_all().map(i64::cast_unsigned)))).collect()
    }
}

/// `queue:>0`.
fn queued() -> Term {
    let key = Subject::Key("queue".to_owned());
    Term { negated: false, subject: key, op: Op::Gt, values: vec![Value::Number(0.0)], span: Default::default() }
}
