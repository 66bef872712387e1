//! What a device sent as one group: which rows of the archive came in together, so that nobody decides one of them alone.

use sqlx::FromRow;
use tidewatch_domain::drain::ArchiveState;
use tidewatch_domain::engine::ClientKey;

use super::statements::{LETTERS_GROUPED, LETTERS_TOGETHER};
use crate::Result;
use crate::sync::Sync;

/// A row of the archive that came in with others of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fellow {
    /// The first of its group, by its number: what all of them share.
    pub together: i64,
    /// Device.
    pub client: ClientKey,
    /// Operation.
    pub operation_id: String,
    /// Where it stands.
    pub state: ArchiveState,
}

#[derive(FromRow)]
struct FellowRow {
    together: i64,
    client: i64,
    operation_id: String,
    state: i64,
}

impl Sync {
    /// Whether the archive holds anything that was sent as a group.
    ///
    /// # Errors
    /// As the database.
    pub async fn letters_grouped(&self) -> Result<bool> {
        let found: Option<(i64,)> = sqlx::query_as(LETTERS_GROUPED).fetch_optional(&self.readers).await?;
        Ok(found.is_some())
    }

    /// Everything of these groups, in the order in which it was sent.
    ///
    /// # Errors
    /// As the database.
    pub async fn letters_together(&self, groups: &[i64]) -> Result<Vec<Fellow>> {
        let groups = serde_json::json!(groups).to_string();
        let rows: Vec<FellowRow> = sqlx::query_as(LETTERS_TOGETHER).bind(groups).fetch_all(&self.readers).await?;
        let fellow = |row: FellowRow| Fellow {
            together: row.together,
            client: ClientKey(row.client),
            operation_id: row.operation_id,
            state: ArchiveState::of_number(row.state).expect("a checked column"),
        };
        Ok(rows.into_iter().map(fellow).collect())
    }
}

/// The number that letters of one group share, for each of `(number, device, intent)` in the order in which they came; none for what was
/// sent alone. Of a group nothing else stands in between.
pub(crate) fn together<'a>(letters: impl Iterator<Item = (i64, ClientKey, &'a str)>) -> Vec<Option<i64>> {
    let mut last: Option<(i64, ClientKey, String)> = None;
    let mark = |(id, client, intent): (i64, ClientKey, &str)| {
        last = group_of(intent).map(|name| match last.take() {
            Some((first, of, known)) if (of, &known) == (client, &name) => (first, of, known),
            _ => (id, client, name),
        });
        last.as_ref().map(|(first, ..)| *first)
    };
    letters.map(mark).collect()
}

/// The name of its group. Most intents have none, and are not read for that.
pub(crate) fn group_of(intent: &str) -> Option<String> {
    if !intent.contains("\"group\"") {
        return None;
    }
    let intent: serde_json::Value = serde_json::from_str(intent).ok()?;
    intent.get("group")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_one_group_share_the_number_of_the_first() {
        let (a, b) = (r#"{"group":"a"}"#, r#"{"group":"b"}"#);
        let came = [
            (4, 1, a),
            (5, 1, a),
            (6, 1, b),
            (7, 2, b),
            (8, 2, r#"{"group":null}"#),
            (9, 2, r#"{"fields":{"group":"b"}}"#),
            (10, 2, b),
            (11, 2, "\"group\""),
        ];
        let marks = together(came.into_iter().map(|(id, client, intent)| (id, ClientKey(client), intent)));
        assert_eq!(marks, [Some(4), Some(4), Some(6), Some(7), None, None, Some(10), None]);
    }
}
