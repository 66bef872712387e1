//! `POST /records/backfill`: single fields of the records of one collection, for a client that has learned of a new column.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::ids::{CollectionName, Scope};
use tidewatch_domain::sync::{BackfillQuery, BackfillRow};

use super::subscriptions::CURSOR_BYTES_MAX;
use crate::limits::{BACKFILL_FIELDS_MAX, FILTER_TERMS_MAX, PAGE_DEFAULT, PAGE_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::timestamp::Timestamp;
use crate::v1::raw::Envelope;

/// Longest name of a field that is looked at.
const FIELD_BYTES_MAX: usize = 256;

/// Asks for some fields of the records that a client has already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackfillRequest {
    /// Collection.
    pub collection: String,
    /// 1 to 64 names, as the client's schema version has them.
    pub fields: Vec<String>,
    /// Only these; absent means every scope that the device may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Cursor of the page before; absent is the beginning. It belongs to collection, fields and scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 5000 rows; 500 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What one live record has of the fields that were asked for.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackfillEntry {
    /// Record.
    pub record_id: String,
    /// Scope that it stands in.
    pub scope: String,
    /// The version that has these values. They belong to no other one.
    pub version: i64,
    /// Position of that version.
    pub seq: i64,
    /// Those of the fields that the record has.
    #[schema(value_type = Object)]
    pub fields: Box<RawValue>,
}

/// One page.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackfillPage {
    /// 1.
    pub protocol: u32,
    /// Incarnation of the store.
    pub epoch: String,
    /// `cursor` of the next request.
    pub cursor: String,
    /// More rows are there now. A page without rows may have more behind it.
    pub has_more: bool,
    /// Every record was met; what changes from now on is in the feed.
    pub up_to_date: bool,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// In the order of `seq`. A record that changes meanwhile comes again, later.
    pub rows: Vec<BackfillEntry>,
}

impl From<BackfillRow> for BackfillEntry {
    fn from(row: BackfillRow) -> Self {
        Self {
            record_id: row.record_id.into_string(),
            scope: row.scope.into_string(),
            version: row.version.0,
            seq: row.seq.0,
            fields: RawValue::from_string(row.fields).expect("stored fields are JSON"),
        }
    }
}

/// Reads a request.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member.
pub fn backfill_read(body: &[u8]) -> Result<BackfillQuery, Problem> {
    let envelope = Envelope::read(body, &[])?;
    let read = || -> Result<BackfillQuery, FieldError> {
        let members = Members::of(&envelope.members, "")?;
        let collection = CollectionName::parse(members.text_required("collection", 64)?);
        let limit = members.integer("limit", 1..=i64::from(PAGE_MAX))?;
        Ok(BackfillQuery {
            collection: collection.map_err(|error| members.fault("collection", error.to_string()))?,
            fields: fields_read(&members)?,
            scopes: scopes_read(&members)?,
            cursor: members.text_owned("cursor", CURSOR_BYTES_MAX)?,
            limit: limit.map_or(PAGE_DEFAULT, |limit| u32::try_from(limit).unwrap_or(PAGE_DEFAULT)),
            schema: None,
        })
    };
    read().map_err(|error| Problem::new(Code::EnvelopeInvalid).field(error))
}

fn fields_read(members: &Members<'_>) -> Result<Vec<String>, FieldError> {
    let fields = members.texts("fields", BACKFILL_FIELDS_MAX, FIELD_BYTES_MAX)?;
    if fields.is_empty() {
        return Err(members.fault("fields", format!("must name 1 to {BACKFILL_FIELDS_MAX} fields")));
    }
    match fields.iter().position(String::is_empty) {
        Some(at) => Err(members.fault(&format!("fields[{at}]"), "must not be empty")),
        None => Ok(fields),
    }
}

fn scopes_read(members: &Members<'_>) -> Result<Vec<Scope>, FieldError> {
    let read = |(at, text): (usize, String)| {
        Scope::parse(text).map_err(|error| members.fault(&format!("scopes[{at}]"), error.to_string()))
    };
    members.texts("scopes", FILTER_TERMS_MAX, 256)?.into_iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let problem = backfill_read(body.as_bytes()).expect_err(body);
        format!("{} {}", problem.code, problem.errors.first().map_or("", |error| error.field.as_str()))
    }

    #[test]
    fn a_request_that_is_not_as_it_must_be_is_refused_by_the_member_at_fault() {
        let names = |count: usize| vec!["\"a\""; count].join(",");
        let with = |fields: &str| format!(r#"{{"collection":"jobs","fields":[{fields}]}}"#);
        for (body, said) in [
            ("{", "json_invalid "),
            ("[]", "envelope_invalid $"),
            (r#"{"fields":["a"]}"#, "envelope_invalid collection"),
            (r#"{"collection":"No","fields":["a"]}"#, "envelope_invalid collection"),
            (r#"{"collection":"jobs"}"#, "envelope_invalid fields"),
            (&with(""), "envelope_invalid fields"),
            (&with(&names(BACKFILL_FIELDS_MAX + 1)), "envelope_invalid fields"),
            (&with("\"a\",\"\""), "envelope_invalid fields[1]"),
            (&with("7"), "envelope_invalid fields[0]"),
            (r#"{"collection":"jobs","fields":["a"],"scopes":["site:1","x"]}"#, "envelope_invalid scopes[1]"),
            (r#"{"collection":"jobs","fields":["a"],"cursor":7}"#, "envelope_invalid cursor"),
            (r#"{"collection":"jobs","fields":["a"],"limit":0}"#, "envelope_invalid limit"),
            (r#"{"collection":"jobs","fields":["a"],"limit":5001}"#, "envelope_invalid limit"),
        ] {
            assert_eq!(refused(body), said, "{body}");
        }
        assert_eq!(backfill_read(with(&names(BACKFILL_FIELDS_MAX)).as_bytes()).expect("read").fields.len(), BACKFILL_FIELDS_MAX);
    }

    #[test]
    fn a_request_is_read_with_what_it_does_not_say() {
        let body = r#"{"collection":"jobs","fields":["stars"],"scopes":["site:1"],"cursor":"v1.x","limit":5000,"more":1}"#;
        let read = backfill_read(body.as_bytes()).expect("read");
        assert_eq!((read.collection.as_str(), read.fields, read.limit), ("jobs", vec!["stars".to_owned()], 5_000));
        assert_eq!((read.scopes[0].as_str(), read.cursor.as_deref()), ("site:1", Some("v1.x")));
        let least = backfill_read(br#"{"collection":"jobs","fields":["stars"]}"#).expect("read");
        assert_eq!((least.scopes.len(), least.cursor, least.limit), (0, None, PAGE_DEFAULT));
    }
}
