//! An item as its file has it: one JSON object a line.

use serde_json::{Value, json};
use sqlx::FromRow;
use tidewatch_domain::drain::ItemOutcome;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

/// An item that rolls.
#[derive(Debug, FromRow)]
pub(super) struct RolledItem {
    pub(super) n: i64,
    pub(super) client: i64,
    operation_id: String,
    behind: bool,
    outcome: i64,
    code: Option<String>,
    detail: Option<String>,
    command: Option<String>,
    at_ms: Option<i64>,
    together: Option<i64>,
    along: bool,
}

impl RolledItem {
    /// Its line, with the line break.
    pub(super) fn line(&self, client_id: &ClientId) -> String {
        let outcome = ItemOutcome::of_number(self.outcome).map_or("unknown", ItemOutcome::as_str);
        let line = json!({
            "n": self.n, "client_id": client_id.as_str(), "operation_id": self.operation_id, "outcome": outcome, "code": self.code,
            "detail": self.detail, "command": self.command, "at": self.at_ms.map(|at| Millis(at).to_string()), "behind": self.behind,
            "together": self.together, "along": self.along,
        });
        format!("{line}\n")
    }
}

/// What a line says of the member that it is about, and what became of it; `None` for any other line.
pub(super) fn read(line: &str) -> Option<(String, String, ItemOutcome)> {
    let row: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    Some((text("client_id")?, text("operation_id")?, ItemOutcome::parse(row["outcome"].as_str()?)?))
}
