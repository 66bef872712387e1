//! Who may give commands, and to whom they are handed.

use tidewatch_domain::control::{EntryOrder, ResyncMode};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::ClientRegistration;
use tidewatch_domain::time::DAY_MS;
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
