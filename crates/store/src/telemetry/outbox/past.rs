//! What has happened to many entries at once, for files that leave nothing out.

use serde_json::json;
use tidewatch_domain::fleet::Attempt;
use tidewatch_domain::ids::ClientId;

use super::super::Telemetry;
use super::entry::attempts;
use crate::Result;

impl Telemetry {
    /// The attempts of entries, newest first, and the number of the job that each was last in, in their order; nothing of one that is gone.
    ///
    /// # Errors
    /// As the database.
    pub async fn outbox_past(&self, entries: &[(&ClientId, &str)]) -> Result<Vec<(Vec<Attempt>, Option<i64>)>> {
        const TEXT: &str = r"
            select w.key, o.history, o.job from json_each(?1) as w
            cross join devices d on d.client_id = w.value ->> '$[0]'
            cross join outbox o on o.device = d.id and o.operation_id = w.value ->> '$[1]'";
        let wanted = entries.iter().map(|(client_id, operation_id)| json!([client_id.as_str(), operation_id]));
        let wanted = wanted.collect::<serde_json::Value>().to_string();
        let rows: Vec<(i64, String, Option<i64>)> = sqlx::query_as(TEXT).bind(wanted).fetch_all(&self.database.readers).await?;
        let mut found = vec![(Vec::new(), None); entries.len()];
        for (at, history, job) in rows {
            if let Some(place) = usize::try_from(at).ok().and_then(|at| found.get_mut(at)) {
                *place = (attempts(&history)?, job);
            }
        }
        Ok(found)
    }
}
