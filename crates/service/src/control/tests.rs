//! Who may give commands, and to whom they are handed.

use tidewatch_domain::control::{EntryOrder, Reported, ResyncMode};
use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::ids::{CollectionName, IdempotencyKey, RecordId, Scope, Seq};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::{Base, BatchTerms, ClientRegistration, Intent, Mutation, MutationOp, Push};
use tidewatch_domain::time::DAY_MS;
use tidewatch_store::sync::CollectionDefinition;
use tidewatch_store::{Store, StoreOptions};

use super::*;

const NOW: Millis = Millis(1_790_000_000_000);
const REASON: &str = "the tablet is stuck";

fn cx(actor: Actor) -> Cx {
    Cx { actor, now: NOW, request_id: "r-1".to_owned() }
}

fn staff(role: Role) -> Cx {
    cx(Actor::User { name: "maya".to_owned(), role })
}

async fn service(dir: &std::path::Path) -> (Service, ClientId) {
    let store = Store::open(dir, StoreOptions::new(NOW, 7)).await.expect("opens");
    let id = ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id");
    let registration = ClientRegistration {
        client_id: Some(id.clone()),
        principal: "u1".to_owned(),
        platform: None,
        app_version: None,
        schema_version: None,
        scopes: vec![Scope::parse("site:a").expect("a scope")],
        simulated: true,
        public_key: None,
    };
    store.sync().client_register(registration, id.clone(), NOW).await.expect("registered");
    (Service::new(store), id)
}

fn order(client_id: &ClientId, order: Order) -> CommandOrder {
    CommandOrder { client_id: client_id.clone(), order, priority: 2, ttl_ms: DAY_MS, supersede_key: None }
}

#[tokio::test]
async fn only_roles_that_help_devices_give_commands_and_nobody_drains_with_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (service, id) = service(dir.path()).await;
    let resync = || order(&id, Order::Resync { scopes: Vec::new(), mode: ResyncMode::Escrow });
    for role in Role::ALL {
        let given = service.command_issue(&staff(role), resync(), REASON).await;
        let may = matches!(role, Role::Support | Role::Operator | Role::Admin);
        assert_eq!(given.is_ok(), may, "{role:?}: {given:?}");
    }
    assert!(matches!(
        service.command_issue(&staff(Role::Admin), resync(), "short").await,
        Err(Error::Invalid { field: "reason", .. })
    ));
    let operation_id = OperationId::parse("op-1").expect("an id");
    let drain = Order::Drain(vec![EntryOrder { operation_id, action: DrainAction::Retry, patch: None }]);
    let refused = service.command_issue(&staff(Role::Admin), order(&id, drain.clone()), REASON).await;
    assert!(matches!(refused, Err(Error::Invalid { field: "kind", .. })));
    service.command_issue(&cx(Actor::System), order(&id, drain), REASON).await.expect("the console may");
}

#[tokio::test]
async fn a_blocked_device_is_reached_and_a_key_that_is_rotated_is_vouched_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let (service, id) = service(dir.path()).await;
    service.store.sync().client_block(id.clone(), true).await.expect("blocked");
    let given = service.command_issue(&staff(Role::Support), order(&id, Order::RefreshPolicy), REASON).await.expect("given");
    let device = cx(Actor::Device { client_id: id.clone(), principal: "u1".to_owned(), scopes: Vec::new() });
    let handed = service.commands_poll(&device).await.expect("polled");
    assert_eq!(handed.iter().map(|command| command.id.as_str()).collect::<Vec<_>>(), [given.as_str()]);
    let first = service.control_kid(NOW).await.expect("a key");
    let bytes: KeyBytes = |kid, public, _| [kid.as_bytes(), public].concat();
    let second = service.control_key_rotate(&staff(Role::Admin), bytes).await.expect("rotated");
    assert!(matches!(service.control_key_rotate(&staff(Role::Operator), bytes).await, Err(Error::Forbidden)));
    let keys = service.control_keys(NOW).await.expect("keys");
    assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), [first.as_str(), second.as_str()]);
    let (by, signature) = keys[1].signed.clone().expect("the key before it signs it");
    let verifier = ed25519_dalek::VerifyingKey::from_bytes(&keys[0].public).expect("a key");
    let message = bytes(&second, &keys[1].public, NOW);
    assert!(by == first && verifier.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok());
    assert_eq!(service.control_sign(NOW, &first, b"x").await.expect("signs"), None, "the newest signs, and no other");
}

/// What the device reports as its fresh copy, ten seconds after which the command was given.
async fn resynced(service: &Service, id: &ClientId, result: serde_json::Value) -> CommandRow {
    let later = |actor| Cx { now: NOW.plus(10_000), ..cx(actor) };
    let device = later(Actor::Device { client_id: id.clone(), principal: "u1".to_owned(), scopes: Vec::new() });
    let asked = order(id, Order::Resync { scopes: Vec::new(), mode: ResyncMode::Escrow });
    let asker = later(Actor::User { name: "maya".to_owned(), role: Role::Admin });
    let given = service.command_issue(&asker, asked, REASON).await.expect("given");
    service.commands_poll(&device).await.expect("polled");
    let report = |reported, result| CommandReport { reported, progress: None, result, error: None, entries: Vec::new() };
    let begun = service.command_report(&device, &given, report(Reported::Running, None)).await.expect("told");
    assert_eq!(begun.expect("taken"), CommandState::Running);
    let done = service.command_report(&device, &given, report(Reported::Done, Some(result.to_string()))).await.expect("told");
    done.expect("taken");
    service.store.sync().command_view(&given).await.expect("there").row
}

/// Puts a record into the log.
async fn written(service: &Service, id: &ClientId) {
    let name = CollectionName::parse("assets").expect("a name");
    let assets = CollectionDefinition {
        name: name.clone(),
        schema_min: 1,
        schema_current: 1,
        priority: "normal",
        policy: r#"{"kind":"lww"}"#.to_owned(),
    };
    service.store.sync().collections_put(vec![assets], "test", NOW).await.expect("configured");
    let mutation = Mutation {
        operation_id: OperationId::parse("op-1").expect("an id"),
        idempotency_key: IdempotencyKey::parse("op-1").expect("a key"),
        client_seq: None,
        collection: name,
        record_id: RecordId::parse("a-1").expect("an id"),
        scope: Scope::parse("site:a").expect("a scope"),
        op: MutationOp::Create,
        base: Base::Unknown,
        fields: serde_json::Map::default(),
        logical_timestamp: None,
        created_at: None,
        priority: 3,
        deadline: None,
        schema_version: 1,
        terms: None,
        raw: "{}".to_owned(),
    };
    let intents = vec![Intent::Valid(Box::new(mutation))];
    let push = Push { client_id: id.clone(), sent_at: None, body_bytes: 100, intents, terms: BatchTerms::default() };
    let answer = service.store.sync().mutations_push(push, NOW).await.expect("pushed");
    assert_eq!(answer.results.iter().map(|result| result.status.as_str()).collect::<Vec<_>>(), ["applied"]);
}

#[tokio::test]
async fn a_fresh_copy_is_complete_and_no_older_than_the_wish_for_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (service, id) = service(dir.path()).await;
    written(&service, &id).await;
    let (epoch, head) = (service.store.sync().epoch(), service.store.sync().head());
    let cursor = |position| Cursor { epoch, position, filter: 0 }.to_string();
    let report = async |position| resynced(&service, &id, serde_json::json!({"cursor": cursor(position), "digests": {}})).await;
    let code = |row: &CommandRow| row.error.as_ref().map(|(code, _)| code.clone());
    let old = report(CursorPosition::At(Seq(1))).await;
    assert_eq!((old.state, code(&old).as_deref()), (CommandState::Failed, Some("copy_old")), "{old:?}");
    let under_way = report(CursorPosition::Scan { pos: head, start: head }).await;
    assert_eq!((under_way.state, code(&under_way).as_deref()), (CommandState::Failed, Some("copy_incomplete")));
    let fresh = report(CursorPosition::At(head)).await;
    assert_eq!(fresh.state, CommandState::Failed, "what is in the log is not in its digests: {fresh:?}");
    assert_eq!(code(&fresh).as_deref(), Some("digest_mismatch"));
}
