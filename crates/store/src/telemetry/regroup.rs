//! Signatures that an older version made otherwise: an entry is in the group that its failure would be put into now. Looked at once, when
//! the store is opened; groups are counted from the column, so a failure of before and the same one of after would be two groups.

use serde_json::{Value, json};
use sqlx::SqliteConnection;
use tidewatch_domain::signature::signature;

use crate::Result;

/// Which way signatures are made, in `marks`: 2 since names in backticks are words.
const MARK: &str = "signatures_made";
const MADE: i64 = 2;
/// Entries that one statement looks at.
const ROWS: i64 = if cfg!(test) { 2 } else { 1_000 };

#[derive(sqlx::FromRow)]
struct Failed {
    device: i64,
    operation_id: String,
    collection: String,
    op: String,
    code: String,
    message: String,
    signature: String,
}

/// Gives entries the signature that is made of their failure now.
pub(super) async fn regroup(connection: &mut SqliteConnection) -> Result<()> {
    const MARKED: &str = "select v from marks where k = ?1";
    const PUT: &str = "insert into marks (k, v) values (?1, ?2) on conflict (k) do update set v = excluded.v";
    // What changes is about names in backticks.
    const PAGE: &str = r"
        select device, operation_id, collection, op, error_code as code, error_message as message, signature from outbox
        where (device, operation_id) > (?1, ?2) and signature is not null and error_code is not null and instr(error_message, '`') > 0
        order by device, operation_id limit ?3";
    const CHANGE: &str = r"
        update outbox set signature = w.value ->> '$[2]' from json_each(?1) as w
        where outbox.device = w.value ->> '$[0]' and outbox.operation_id = w.value ->> '$[1]'";
    let made: Option<i64> = sqlx::query_scalar(MARKED).bind(MARK).fetch_optional(&mut *connection).await?;
    if made == Some(MADE) {
        return Ok(());
    }
    let mut after = (0, String::new());
    loop {
        let query = sqlx::query_as(PAGE).bind(after.0).bind(after.1.clone()).bind(ROWS);
        let rows: Vec<Failed> = query.fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { break };
        after = (last.device, last.operation_id.clone());
        let now = |row: &Failed| signature(&row.code, &row.collection, &row.op, Some(&row.message));
        let changed: Vec<Value> = rows
            .iter()
            .map(|row| (row, now(row)))
            .filter(|(row, now)| row.signature != *now)
            .map(|(row, now)| json!([row.device, row.operation_id, now]))
            .collect();
        sqlx::query(CHANGE).bind(Value::from(changed).to_string()).execute(&mut *connection).await?;
    }
    sqlx::query(PUT).bind(MARK).bind(MADE).execute(connection).await?;
    Ok(())
}
