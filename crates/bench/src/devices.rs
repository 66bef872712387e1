//! Devices that talk to the server: enrolled over HTTP, each with its own token, because the server limits requests by device.

use anyhow::Context as _;
use serde_json::{Value, json};
use tidewatch_domain::ids::{ClientId, Scope};

use crate::http::{Connection, Request};
use crate::server::Place;

/// Requests that a device may save up; more in a row would be refused.
pub(crate) const BURST: u64 = 200;
/// Requests of a device a second.
pub(crate) const PER_SECOND: u64 = 50;

/// One device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) client_id: ClientId,
    /// Head of its requests.
    pub(crate) head: String,
}

impl Device {
    /// Enrols a device, or lets a known one in again.
    pub(crate) async fn enrol(
        connection: &mut Connection,
        enrolment: &str,
        client_id: Option<&ClientId>,
        scopes: &[Scope],
    ) -> anyhow::Result<Self> {
        let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        let mut body = json!({"platform": "android", "app_version": "4.18.0", "scopes": scopes});
        if let Some(client_id) = client_id {
            body["client_id"] = json!(client_id.as_str());
        }
        let head = format!("authorization: Bearer {enrolment}\r\ncontent-type: application/json\r\n");
        let answer = connection.send(Request::post("/clients", &head, body.to_string().as_bytes())).await?;
        let known = answer.status == 200;
        let answer: Value = serde_json::from_slice(&answer.expect(if known { 200 } else { 201 })?.body)?;
        let text = |name: &str| answer[name].as_str().with_context(|| format!("no {name} in the answer"));
        let client_id = ClientId::parse(text("client_id")?).map_err(|error| anyhow::anyhow!("{error}"))?;
        let head = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\nsync-protocol: 1\r\nsync-client: {client_id}\r\n",
            text("access_token")?
        );
        Ok(Self { client_id, head })
    }
}

/// An enrolment token for these scopes.
pub(crate) fn enrolment(place: &Place, scopes: &[Scope]) -> anyhow::Result<String> {
    let scopes = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",");
    place.errand(&["token", "create", "--kind", "enrolment", "--name", "bench", "--scopes", &scopes], "")
}

/// How many devices can send this many requests in this many seconds without being told to slow down.
pub(crate) const fn needed(requests: u64, seconds: u64) -> u64 {
    requests.div_ceil(BURST + PER_SECOND * seconds)
}

/// Deals devices out to lanes, one after the other.
pub(crate) fn dealt<T: Clone>(devices: Vec<T>, lanes: usize) -> Vec<Vec<T>> {
    let mut hands = vec![Vec::new(); lanes];
    for (at, device) in devices.into_iter().enumerate() {
        hands[at % lanes].push(device);
    }
    hands
}
