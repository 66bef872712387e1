//! `POST /changes`: pages of several subscriptions in one answer, each with a cursor of its own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::ids::{CollectionName, Epoch, Scope};
use tidewatch_domain::sync::{FeedInclude, FeedPage, FeedQuery};

use super::changes::{Change, SnapshotState, bytes_about, rows_write, server_hlc};
use crate::headers::PROTOCOL_VERSION;
use crate::limits::{FILTER_TERMS_MAX, PAGE_DEFAULT, PAGE_MAX, SUBSCRIPTIONS_MAX, WAIT_S_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::timestamp::Timestamp;
use crate::v1::raw::Envelope;

/// Longest cursor that is looked at.
pub(super) const CURSOR_BYTES_MAX: usize = 128;

/// One subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Subscription {
    /// Scope.
    pub scope: String,
    /// Cursor of this subscription; absent or `0` is the beginning, `now` the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Goes with a bare number in `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Only these; absent means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// The state instead of the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compact: bool,
}

/// Asks for the next page of several subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SubscriptionsRequest {
    /// 1 to 100.
    pub subscriptions: Vec<Subscription>,
    /// 1 to 5000 rows in all; 500 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// 0 to 25 seconds that a caught-up reader waits for news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
    /// `fields`, `full` or `meta`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Leave out what this device did itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exclude_self: bool,
}

/// A request as read: one query a subscription, each with the limit of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionsRead {
    /// In the order of the request.
    pub queries: Vec<FeedQuery>,
    /// Rows in all.
    pub limit: u32,
    /// Seconds.
    pub wait_s: u32,
}

/// Where a subscription is after a page.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SubscriptionState {
    /// Scope.
    pub scope: String,
    /// `ok`; `revoked`: the scope is not open to this device, drop everything of it; `refused`: see `problem`.
    #[schema(value_type = String)]
    pub status: Cow<'static, str>,
    /// Where its next page starts. Save it together with the rows, never before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// More rows are there now.
    pub has_more: bool,
    /// Everything up to the time of the answer is in this page or before it.
    pub up_to_date: bool,
    /// Progress of a compact scan; `null` in normal mode.
    pub snapshot: Option<SnapshotState>,
    /// Why its cursor was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Box<Problem>>,
}

/// The answer: every subscription, and the rows of all of them in the order of `seq`.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SubscriptionsPage {
    /// 1.
    pub protocol: u32,
    /// Incarnation of the store.
    pub epoch: String,
    /// In the order of the request.
    pub subscriptions: Vec<SubscriptionState>,
    /// Some subscription has more rows now.
    pub has_more: bool,
    /// Every subscription is up to date.
    pub up_to_date: bool,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// Server clock as a hybrid logical clock.
    pub server_hlc: String,
    /// When to poll again.
    pub poll_after_ms: i64,
    /// In the order of `seq`.
    pub changes: Vec<Change>,
}

impl SubscriptionState {
    /// After this page.
    #[must_use]
    pub fn after(scope: &Scope, page: &FeedPage) -> Self {
        Self {
            scope: scope.to_string(),
            status: Cow::Borrowed("ok"),
            cursor: Some(page.cursor.clone()),
            has_more: page.has_more,
            up_to_date: page.up_to_date,
            snapshot: page.snapshot_complete.map(|complete| SnapshotState { complete }),
            problem: None,
        }
    }

    /// Not read this time, for the answer is full: where it was.
    #[must_use]
    pub fn waiting(scope: &Scope, cursor: Option<String>) -> Self {
        Self { cursor, has_more: true, ..Self::without("ok", scope) }
    }

    /// Not open to the device.
    #[must_use]
    pub fn revoked(scope: &Scope) -> Self {
        Self::without("revoked", scope)
    }

    /// With a cursor that was refused.
    #[must_use]
    pub fn refused(scope: &Scope, problem: Problem) -> Self {
        Self { problem: Some(Box::new(problem)), ..Self::without("refused", scope) }
    }

    fn without(status: &'static str, scope: &Scope) -> Self {
        Self {
            scope: scope.to_string(),
            status: Cow::Borrowed(status),
            cursor: None,
            has_more: false,
            up_to_date: false,
            snapshot: None,
            problem: None,
        }
    }
}

/// The text of an answer.
#[must_use]
pub fn subscriptions_text(
    subscriptions: Vec<SubscriptionState>,
    pages: &[FeedPage],
    epoch: &str,
    server_time: Timestamp,
    poll_after_ms: i64,
) -> Vec<u8> {
    let head = SubscriptionsPage {
        protocol: PROTOCOL_VERSION,
        epoch: epoch.to_owned(),
        has_more: subscriptions.iter().any(|known| known.has_more),
        up_to_date: subscriptions.iter().all(|known| known.up_to_date),
        subscriptions,
        server_time,
        server_hlc: server_hlc(server_time),
        poll_after_ms,
        changes: Vec::new(),
    };
    let mut out = Vec::with_capacity(bytes_about(pages));
    serde_json::to_writer(&mut out, &head).expect("an answer is JSON");
    // The rows go between the brackets at the end.
    out.truncate(out.len() - 2);
    rows_write(&mut out, pages, b"{\"seq\":", b",{\"seq\":");
    out.extend_from_slice(b"]}");
    out
}

/// Reads a request.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member.
pub fn subscriptions_read(body: &[u8]) -> Result<SubscriptionsRead, Problem> {
    let envelope = Envelope::read(body, &["subscriptions"])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let items = envelope.items("subscriptions", SUBSCRIPTIONS_MAX)?;
    let items = items.filter(|items| !items.is_empty()).ok_or_else(|| invalid(members.missing("subscriptions")))?;
    let bounded = |name: &str, range: std::ops::RangeInclusive<u32>, default: u32| {
        let number = members.integer(name, i64::from(*range.start())..=i64::from(*range.end())).map_err(invalid)?;
        Ok::<u32, Problem>(number.map_or(default, |number| u32::try_from(number).unwrap_or(default)))
    };
    let (limit, wait_s) = (bounded("limit", 1..=PAGE_MAX, PAGE_DEFAULT)?, bounded("wait", 0..=WAIT_S_MAX, 0)?);
    let include = match members.text("include", 16).map_err(invalid)? {
        None => FeedInclude::default(),
        Some(text) => {
            FeedInclude::parse(text).ok_or_else(|| invalid(members.fault("include", "must be `fields`, `full` or `meta`")))?
        }
    };
    let exclude_self = members.flag("exclude_self").map_err(invalid)?.unwrap_or(false);
    let mut queries: Vec<FeedQuery> = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("subscriptions[{at}]");
        let value =
            crate::strict::parse(item.get()).map_err(|fault| invalid(FieldError::new(path.clone(), fault.to_string())))?;
        let query = subscription(&value, &path).map_err(invalid)?;
        if queries.iter().any(|other| (&other.scopes, &other.collections) == (&query.scopes, &query.collections)) {
            return Err(invalid(FieldError::new(path, "is there twice")));
        }
        queries.push(FeedQuery { limit, include, exclude_self, ..query });
    }
    Ok(SubscriptionsRead { queries, limit, wait_s })
}

fn subscription(value: &Value, path: &str) -> Result<FeedQuery, FieldError> {
    let members = Members::of(value, path)?;
    let scope = Scope::parse(members.text_required("scope", 256)?).map_err(|error| members.fault("scope", error.to_string()))?;
    let epoch = members.text("epoch", 16)?;
    let epoch = epoch.map(|text| Epoch::parse(text).ok_or_else(|| members.fault("epoch", "must be 16 lower-case hex digits")));
    let name = |(at, text): (usize, String)| {
        CollectionName::parse(text).map_err(|error| members.fault(&format!("collections[{at}]"), error.to_string()))
    };
    let collections = members.texts("collections", FILTER_TERMS_MAX, 64)?.into_iter().enumerate().map(name);
    Ok(FeedQuery {
        since: members.text_owned("since", CURSOR_BYTES_MAX)?,
        epoch: epoch.transpose()?,
        compact: members.flag("compact")?.unwrap_or(false),
        scopes: vec![scope],
        collections: collections.collect::<Result<_, _>>()?,
        ..FeedQuery::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let problem = subscriptions_read(body.as_bytes()).expect_err(body);
        format!("{} {}", problem.code, problem.errors.first().map_or("", |error| error.field.as_str()))
    }

    #[test]
    fn a_request_that_is_not_as_it_must_be_is_refused_by_the_member_at_fault() {
        let many = format!(r#"{{"subscriptions":[{}]}}"#, vec!["{}"; SUBSCRIPTIONS_MAX + 1].join(","));
        for (body, said) in [
            ("{", "json_invalid "),
            ("{}", "envelope_invalid subscriptions"),
            (r#"{"subscriptions":[]}"#, "envelope_invalid subscriptions"),
            (r#"{"subscriptions":7}"#, "envelope_invalid subscriptions"),
            (r#"{"subscriptions":[7]}"#, "envelope_invalid subscriptions[0]"),
            (r#"{"subscriptions":[{}]}"#, "envelope_invalid subscriptions[0].scope"),
            (r#"{"subscriptions":[{"scope":"no good"}]}"#, "envelope_invalid subscriptions[0].scope"),
            (r#"{"subscriptions":[{"scope":"a:1","since":7}]}"#, "envelope_invalid subscriptions[0].since"),
            (r#"{"subscriptions":[{"scope":"a:1","epoch":"x"}]}"#, "envelope_invalid subscriptions[0].epoch"),
            (r#"{"subscriptions":[{"scope":"a:1","compact":1}]}"#, "envelope_invalid subscriptions[0].compact"),
            (r#"{"subscriptions":[{"scope":"a:1","collections":["A"]}]}"#, "envelope_invalid subscriptions[0].collections[0]"),
            (r#"{"subscriptions":[{"scope":"a:1"},{"scope":"a:1","since":"now"}]}"#, "envelope_invalid subscriptions[1]"),
            (r#"{"subscriptions":[{"scope":"a:1"}],"limit":0}"#, "envelope_invalid limit"),
            (r#"{"subscriptions":[{"scope":"a:1"}],"wait":26}"#, "envelope_invalid wait"),
            (r#"{"subscriptions":[{"scope":"a:1"}],"include":"all"}"#, "envelope_invalid include"),
            (r#"{"subscriptions":[{"scope":"a:1"}],"exclude_self":"yes"}"#, "envelope_invalid exclude_self"),
            (&many, "batch_too_large subscriptions"),
        ] {
            assert_eq!(refused(body), said, "{body}");
        }
    }

    #[test]
    fn each_subscription_is_a_query_of_its_own() {
        let body = r#"{"subscriptions":[{"scope":"a:1","since":"now"},{"scope":"a:2","compact":true,"collections":["todos"]}],
            "limit":7,"wait":25,"include":"meta","exclude_self":true}"#;
        let read = subscriptions_read(body.as_bytes()).expect("read");
        assert_eq!((read.limit, read.wait_s, read.queries.len()), (7, 25, 2));
        let second = &read.queries[1];
        assert_eq!((second.scopes[0].as_str(), second.collections[0].as_str()), ("a:2", "todos"));
        assert_eq!((second.compact, second.include, second.exclude_self), (true, FeedInclude::Meta, true));
        assert_eq!(read.queries[0].since.as_deref(), Some("now"));
    }
}
