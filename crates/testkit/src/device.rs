//! A device that speaks the sync protocol over HTTP.

use serde_json::{Value, json};

use crate::events::Events;
use crate::reply::Reply;
use crate::visitor::Visitor;

/// A device with its tokens.
#[derive(Clone, Debug)]
pub struct Device {
    visitor: Visitor,
    /// Its id.
    pub client_id: String,
    /// Its refresh token.
    pub refresh_token: String,
    /// Its access token.
    pub access_token: String,
}

/// An intent that sets fields of a record of `notes` in `building:42`.
#[must_use]
pub fn intent(operation_id: &str, record_id: &str, op: &str, fields: Value) -> Value {
    json!({"operation_id": operation_id, "collection": "notes", "record_id": record_id, "scope": "building:42", "op": op, "fields": fields})
}

/// The id that a name stands for: the same name is the same device.
fn id_of(name: &str) -> String {
    let sum = name.bytes().fold(0x00cb_f29c_e484_2223_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("00000000-0000-4000-8000-{:012x}", sum & 0xffff_ffff_ffff)
}

impl Device {
    pub(crate) async fn enrol(enrolment: &Visitor, name: &str) -> Self {
        let body = json!({"client_id": id_of(name), "principal": name, "platform": "linux", "app_version": "1.0.0", "schema_version": 1});
        let registered = enrolment.post("/clients", &body).await.ok(201);
        let text = |member: &str| registered[member].as_str().unwrap_or_else(|| panic!("no {member} in {registered}")).to_owned();
        Self {
            visitor: enrolment.clone().with_bearer(&text("access_token")),
            client_id: text("client_id"),
            refresh_token: text("refresh_token"),
            access_token: text("access_token"),
        }
    }

    /// The verbs.
    #[must_use]
    pub fn http(&self) -> &Visitor {
        &self.visitor
    }

    /// A batch of this device.
    #[must_use]
    pub fn batch(&self, intents: &[Value]) -> Value {
        json!({"protocol": 1, "client_id": self.client_id, "mutations": intents})
    }

    /// Pushes intents.
    pub async fn push(&self, intents: &[Value]) -> Reply {
        self.visitor.post("/mutations", &self.batch(intents)).await
    }

    /// Pushes intents and answers the statuses, in order.
    ///
    /// # Panics
    /// When the batch is refused.
    pub async fn push_statuses(&self, intents: &[Value]) -> Vec<String> {
        let answer = self.push(intents).await.ok(200);
        let results = answer["results"].as_array().expect("results");
        results.iter().map(|result| result["status"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Reads the feed to its end from a cursor; answers all rows and the last cursor.
    ///
    /// # Panics
    /// When a page is refused.
    pub async fn pull(&self, since: &str, query: &str) -> (Vec<Value>, String) {
        let (mut rows, mut cursor) = (Vec::new(), since.to_owned());
        loop {
            let page = self.visitor.get(&format!("/changes?since={cursor}{query}")).await.ok(200);
            rows.extend(page["changes"].as_array().expect("changes").iter().cloned());
            cursor = page["cursor"].as_str().expect("a cursor").to_owned();
            if page["has_more"] == false {
                return (rows, cursor);
            }
        }
    }

    /// Opens the event stream.
    pub async fn listen(&self) -> Events {
        self.visitor.listen("/events", &[]).await
    }
}
