//! Which commands are taken, and how trust goes from key to key.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;

use super::*;

const DEVICE: &str = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn published(n: u8, by: Option<u8>) -> Value {
    let public = key(n).verifying_key().to_bytes();
    let (kid, created) = (format!("k{n}"), Timestamp(Millis(1_790_000_000_000 + i64::from(n))));
    let mut entry = json!({"kid": kid, "public_key": keys::bytes_written(&public), "created_at": created});
    if let Some(by) = by {
        let signature = key(by).sign(&key_bytes(&kid, &public, created)).to_bytes();
        entry["signed_by"] = json!(format!("k{by}"));
        entry["sig"] = json!(keys::bytes_written(&signature));
    }
    entry
}

fn signed(n: u8, mut command: Value) -> Value {
    command["kid"] = json!(format!("k{n}"));
    command["sig"] = json!(keys::bytes_written(&key(n).sign(&command_bytes(&command)).to_bytes()));
    command
}

fn command(id: &str) -> Value {
    json!({"id": id, "client_id": DEVICE, "kind": "refresh_policy", "args": {}, "priority": 2})
}

fn trusting(n: u8) -> Commands {
    let mut commands = Commands::default();
    commands.pin(commands.followed(&json!({"keys": [published(n, None)]})));
    commands
}

#[test]
fn only_a_command_that_is_signed_for_this_device_is_taken_and_only_once() {
    let mut commands = trusting(1);
    let good = signed(1, command("c-1"));
    let mut changed = good.clone();
    changed["args"] = json!({"scopes": "all"});
    assert_eq!(commands.verify(&changed, DEVICE), Err(NotTaken::Forged));
    assert_eq!(commands.verify(&good, "0192f0c1-7b1e-7c3a-9d2e-000000000000"), Err(NotTaken::Forged));
    assert_eq!(commands.verify(&signed(2, command("c-1")), DEVICE), Err(NotTaken::UnknownKey));
    assert_eq!(commands.verify(&json!({"id": "c-1"}), DEVICE), Err(NotTaken::Broken));
    let taken = commands.verify(&good, DEVICE).expect("it holds");
    commands.take(taken);
    assert_eq!(commands.verify(&good, DEVICE), Err(NotTaken::Known));
    commands.end("c-1");
    assert_eq!(commands.verify(&good, DEVICE), Err(NotTaken::Known));
}

#[test]
fn trust_follows_the_chain_of_keys_and_no_further() {
    let commands = trusting(1);
    let kids = |keys: Vec<PinnedKey>| keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
    let chain = json!({"keys": [published(1, None), published(2, Some(1)), published(3, Some(2))]});
    assert_eq!(kids(commands.followed(&chain)), ["k1", "k2", "k3"]);
    let stranger = json!({"keys": [published(1, None), published(4, None), published(5, Some(4))]});
    assert_eq!(kids(commands.followed(&stranger)), ["k1"]);
    let mut forged = published(2, Some(1));
    forged["public_key"] = published(6, None)["public_key"].clone();
    assert_eq!(kids(commands.followed(&json!({"keys": [forged]}))), ["k1"]);
}
