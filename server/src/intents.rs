//! Archived intents, read as the wire wrote them: the service decides them again and knows no wire.

use tidewatch_domain::ids::ClientId;
use tidewatch_domain::sync::Intent;
use tidewatch_protocol::v1::mutations::intent_kept_read;

/// Reads an intent that was kept as it came.
///
/// # Errors
/// In words, when it cannot be read at all.
pub fn intent_read(client_id: &ClientId, schema_version: i64, raw: &str) -> Result<Intent, String> {
    intent_kept_read(client_id, schema_version, raw).map_err(|error| error.to_string())
}
