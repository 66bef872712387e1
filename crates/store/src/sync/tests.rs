//! The log on a real SQLite in a temporary folder; helpers for the modules below.

use std::path::Path;

use serde_json::json;
use tidewatch_domain::ids::{ClientId, CollectionName, IdempotencyKey, OperationId, RecordId, Scope, Seq, Version};
use tidewatch_domain::sync::{
    Base, BatchTerms, ClientRegistration, FeedPage, FeedQuery, Intent, IntentResult, IntentStatus, Mutation, MutationOp, Push,
};
use tidewatch_domain::time::Millis;

use crate::sync::CollectionDefinition;
use crate::{Store, StoreOptions};

mod backfill;
mod control;
mod controls;
mod drain;
mod drain_chunk;
mod drain_device;
mod drain_sets;
mod explore;
mod feed;
mod plans;
mod poison;
mod policies;
mod prebuilt;
mod purge;
mod push;
mod push_terms;
mod records;
mod relayed;
mod roll;
mod schema;
mod sealing;
mod verify;

pub(crate) const NOW: Millis = Millis(1_763_000_000_000);

pub(crate) fn client(n: u32) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("a UUID")
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

pub(crate) fn definitions() -> Vec<CollectionDefinition> {
    [
        ("assets", r#"{"kind":"lww"}"#),
        ("orders", r#"{"kind":"field_merge","rules":{"qty":"sum_delta","grade":"max"}}"#),
        ("readings", r#"{"kind":"lww","clock":"server","fields":{"reading":"number"}}"#),
        ("approvals", r#"{"kind":"manual_review"}"#),
        ("settings", r#"{"kind":"client_resolves"}"#),
        ("profiles", r#"{"kind":"lww_field"}"#),
        ("reviews", r#"{"kind":"higher_role_wins","guards":[{"name":"juniors_wait","require_approval":"role == 'trainee'"}]}"#),
        ("articles", r#"{"kind":"version_control"}"#),
        ("boards", r#"{"kind":"crdt","crdt":{"count":"counter","tags":"set","text":"yjs1","doc":"opaque"}}"#),
        ("calls", r#"{"kind":"append_only","natural_key":{"exact":["number"],"tolerance":{"duration":1}}}"#),
    ]
    .into_iter()
    .map(|(name, policy)| CollectionDefinition {
        name: CollectionName::parse(name).expect("a name"),
        schema_min: 1,
        schema_current: 1,
        priority: "normal",
        policy: policy.to_owned(),
    })
    .collect()
}

/// A store with ten collections and devices 1 to 4, who may use `site:a` and `site:b`.
pub(crate) async fn store(dir: &Path) -> Store {
    store_with(dir, StoreOptions { durability: crate::Durability::Normal, ..StoreOptions::new(NOW, 7) }).await
}

/// The same, opened in another way.
pub(crate) async fn store_with(dir: &Path, options: StoreOptions) -> Store {
    let store = Store::open(dir, options).await.expect("opens");
    store.sync().collections_put(definitions(), "system", NOW).await.expect("configured");
    for n in 1..=4 {
        let registration = ClientRegistration {
            client_id: None,
            principal: format!("u{n}"),
            platform: None,
            app_version: None,
            schema_version: Some(1),
            scopes: vec![scope("site:a"), scope("site:b")],
            simulated: true,
            public_key: None,
        };
        store.sync().client_register(registration, client(n), NOW).await.expect("registered");
    }
    store
}

/// An intent of the tests: `asset-1` in `site:a`, by default an update without a base.
pub(crate) fn intent(operation: &str, op: MutationOp, collection: &str, record: &str, fields: serde_json::Value) -> Mutation {
    Mutation {
        operation_id: OperationId::parse(operation).expect("an id"),
        idempotency_key: IdempotencyKey::parse(operation).expect("a key"),
        client_seq: None,
        collection: CollectionName::parse(collection).expect("a name"),
        record_id: RecordId::parse(record).expect("an id"),
        scope: scope("site:a"),
        op,
        base: Base::Unknown,
        fields: fields.as_object().cloned().unwrap_or_default(),
        logical_timestamp: None,
        created_at: None,
        priority: 3,
        deadline: None,
        schema_version: 1,
        terms: None,
        raw: format!("{{\"operation_id\":\"{operation}\"}}"),
    }
}

pub(crate) fn batch(from: u32, intents: Vec<Mutation>) -> Push {
    let intents: Vec<Intent> = intents.into_iter().map(|mutation| Intent::Valid(Box::new(mutation))).collect();
    Push { client_id: client(from), sent_at: None, body_bytes: intents.len() * 100, intents, terms: BatchTerms::default() }
}

pub(crate) async fn push(store: &Store, from: u32, intents: Vec<Mutation>) -> Vec<IntentResult> {
    store.sync().mutations_push(batch(from, intents), NOW).await.expect("pushed").results
}

pub(crate) fn query(since: Option<&str>, limit: u32, compact: bool) -> FeedQuery {
    FeedQuery { since: since.map(str::to_owned), limit, compact, ..FeedQuery::default() }
}

pub(crate) async fn page(store: &Store, since: Option<&str>, limit: u32, compact: bool) -> FeedPage {
    let scopes = [scope("site:a"), scope("site:b")];
    store.sync().changes_page(&query(since, limit, compact), &scopes).await.expect("a page")
}
