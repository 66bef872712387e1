//! `POST /clients` and `POST /clients/token`: an installation registers with an enrolment token and gets its own tokens.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::{ClientRegistration, CollectionInfo};

use crate::limits;
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::timestamp::Timestamp;
use crate::v1::raw::Envelope;

/// Registers an installation.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClientRequest {
    /// Lower-case UUID chosen by the device; the server makes one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Who it belongs to; the name of the enrolment token when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Scopes it wants; all that the enrolment token gives when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// `ios`, `android`, `windows`, `macos`, `linux`, `web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Version of the client app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// Schema version of its database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// Made by a simulator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub simulated: bool,
    /// Public key that it signs with: the 32 bytes of Ed25519 in base64. Bound at the first registration that brings one; another
    /// key needs another `client_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_public_key: Option<String>,
}

/// A registration as read, before the token has its say on principal and scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRead {
    /// What the device says of itself; `principal` is empty and `scopes` is empty when it does not say.
    pub registration: ClientRegistration,
    /// Whether it named scopes.
    pub scopes_named: bool,
}

/// Reads a registration.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member.
pub fn client_read(body: &[u8]) -> Result<ClientRead, Problem> {
    let envelope = Envelope::read(body, &[])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    registration(&members).map_err(invalid)
}

fn registration(members: &Members<'_>) -> Result<ClientRead, FieldError> {
    let id = |text: &str| ClientId::parse(text).map_err(|error| members.fault("client_id", error.to_string()));
    let scope = |(at, text): (usize, String)| {
        Scope::parse(text).map_err(|error| members.fault(&format!("scopes[{at}]"), error.to_string()))
    };
    let key = |text: &str| {
        crate::keys::bytes_read(text).ok_or_else(|| members.fault("device_public_key", "must be 32 bytes in base64"))
    };
    let named = members.texts("scopes", limits::FILTER_TERMS_MAX, 128)?;
    Ok(ClientRead {
        scopes_named: members.value("scopes").is_some(),
        registration: ClientRegistration {
            client_id: members.text("client_id", 64)?.map(id).transpose()?,
            principal: members.text_owned("principal", 128)?.unwrap_or_default(),
            platform: members.text_owned("platform", 32)?,
            app_version: members.text_owned("app_version", 64)?,
            schema_version: members.integer("schema_version", 0..=limits::INTEGER_MAX)?,
            scopes: named.into_iter().enumerate().map(scope).collect::<Result<_, _>>()?,
            simulated: members.flag("simulated")?.unwrap_or(false),
            public_key: members.text("device_public_key", 64)?.map(key).transpose()?,
        },
    })
}

/// The answer to a registration: ids, limits, policies, and the tokens of the device.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClientRegistered {
    /// Id of the device.
    pub client_id: String,
    /// Who it belongs to.
    pub principal: String,
    /// What it may read and write.
    pub scopes: Vec<String>,
    /// Incarnation of the store.
    pub epoch: String,
    /// Cursor at the head of the log.
    pub head: String,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// Server clock as a hybrid logical clock.
    pub server_hlc: String,
    /// Its tokens.
    #[serde(flatten)]
    pub tokens: TokensIssued,
    /// Limits.
    pub limits: ClientLimits,
    /// How often to poll, by priority.
    pub poll_after_ms: PollTiers,
    /// Configured collections.
    pub collections: Vec<CollectionEntry>,
    /// What the device may do offline, and when it should send.
    pub features: ClientFeatures,
}

/// What a device may do offline, and when it should send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClientFeatures {
    /// Intents made offline are taken.
    pub offline_writes: bool,
    /// Scopes that it may keep for work offline: all that it may read.
    pub offline_scope: Vec<String>,
    /// All devices are asked to stop. Never so on this server, which stops one device by blocking it (`client_blocked`).
    pub kill_switch: bool,
    /// A device that prefers Wi-Fi uses a mobile network once something has waited so many seconds.
    pub cellular_after_s: u32,
    /// The same, once so many bytes wait.
    pub cellular_after_bytes: u32,
}

impl ClientFeatures {
    /// Those of a device with these scopes.
    #[must_use]
    pub fn of(scopes: &[String]) -> Self {
        Self {
            offline_writes: true,
            offline_scope: scopes.to_vec(),
            kill_switch: false,
            cellular_after_s: limits::CELLULAR_AFTER_S,
            cellular_after_bytes: limits::CELLULAR_AFTER_BYTES,
        }
    }
}

/// Tokens of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokensIssued {
    /// Bearer token of requests.
    pub access_token: String,
    /// It ends in so many seconds.
    pub access_expires_in_s: u32,
    /// Buys the next pair at `POST /clients/token`; works once.
    pub refresh_token: String,
}

/// `POST /clients/token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenRefresh {
    /// The refresh token of the last pair.
    pub refresh_token: String,
}

/// Limits that a device must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClientLimits {
    /// Most intents in one batch.
    pub max_mutations: usize,
    /// Best size of a batch.
    pub recommended_batch: usize,
    /// Most bytes of a body.
    pub max_body_bytes: usize,
    /// Most bytes of one intent.
    pub max_record_bytes: usize,
    /// Most rows of a page.
    pub max_page: u32,
    /// Rows of a page when nobody asks.
    pub default_page: u32,
    /// Days that an answer is remembered.
    pub dedupe_days: u32,
    /// How far a clock may run ahead, seconds.
    pub max_skew_s: u32,
    /// Pause between heartbeats of the event stream, seconds.
    pub events_heartbeat_s: u32,
    /// Scopes with so many records are offered as prebuilt snapshots (`GET /snapshots`). Absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_rows_min: Option<u64>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            max_mutations: limits::MUTATIONS_MAX,
            recommended_batch: limits::BATCH_RECOMMENDED,
            max_body_bytes: limits::BODY_BYTES_MAX,
            max_record_bytes: limits::RECORD_BYTES_MAX,
            max_page: limits::PAGE_MAX,
            default_page: limits::PAGE_DEFAULT,
            dedupe_days: limits::DEDUPE_DAYS,
            max_skew_s: limits::SKEW_S_MAX,
            events_heartbeat_s: limits::EVENTS_HEARTBEAT_S,
            snapshot_rows_min: None,
        }
    }
}

/// Milliseconds between polls by priority of what is waited for (seed 004's tiers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PollTiers {
    /// Critical data.
    pub critical: i64,
    /// Important data.
    pub important: i64,
    /// Normal data.
    pub normal: i64,
    /// Background data.
    pub background: i64,
}

impl Default for PollTiers {
    fn default() -> Self {
        Self { critical: 30_000, important: 300_000, normal: 1_800_000, background: 3_600_000 }
    }
}

impl PollTiers {
    /// The pause of a priority; that of normal data for one that is not known.
    #[must_use]
    pub fn of(&self, priority: &str) -> i64 {
        match priority {
            "critical" => self.critical,
            "important" => self.important,
            "background" => self.background,
            _ => self.normal,
        }
    }
}

/// A configured collection.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CollectionEntry {
    /// Name.
    pub name: String,
    /// Schemas that are served.
    pub schema: SchemaRange,
    /// Conflict policy, with its `kind`.
    #[schema(value_type = Object)]
    pub policy: Box<RawValue>,
    /// Revision of the policy.
    pub policy_rev: i64,
    /// `critical`, `important`, `normal`, `background`.
    pub priority: String,
}

/// Schemas that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SchemaRange {
    /// Oldest.
    pub min: i64,
    /// Current.
    pub current: i64,
}

impl From<CollectionInfo> for CollectionEntry {
    fn from(info: CollectionInfo) -> Self {
        Self {
            name: info.name.into_string(),
            schema: SchemaRange { min: info.schema_min, current: info.schema_current },
            policy: RawValue::from_string(info.policy).expect("a stored policy is JSON"),
            policy_rev: info.policy_rev,
            priority: info.priority.to_owned(),
        }
    }
}
