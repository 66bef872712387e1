//! Check sum of an intent: `sha256:` and the hex digest of its canonical JSON (RFC 8785) without `checksum` and `sig`, and
//! without what a relay writes onto it, `relayed_by` and `hops`. The same bytes are signed.
//!
//! A device computes it when the intent enters its write-ahead log; the server verifies it on arrival. It catches bit rot
//! and re-serialisation during days offline.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tidewatch_domain::json::write_body_without;

/// A SHA-256 as the wire writes it.
#[must_use]
pub fn written(hash: &[u8; 32]) -> String {
    format!("sha256:{}", hex::encode(hash))
}

/// Reads what [`written`] writes; the hex digits alone do, too.
#[must_use]
pub fn hash_read(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.strip_prefix("sha256:").unwrap_or(text), &mut hash).ok()?;
    Some(hash)
}

/// Members that neither check sum nor signature covers.
const OUTSIDE: [&str; 4] = ["checksum", "sig", "relayed_by", "hops"];

/// The canonical bytes that check sum and signature cover.
#[must_use]
pub fn intent_bytes(intent: &Map<String, Value>) -> Vec<u8> {
    let mut text = String::with_capacity(512);
    write_body_without(&mut text, intent, &OUTSIDE);
    text.into_bytes()
}

/// The check sum of an intent.
#[must_use]
pub fn intent_checksum(intent: &Map<String, Value>) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(intent_bytes(intent))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> String {
        let value: Value = serde_json::from_str(text).expect("a vector is JSON");
        intent_checksum(value.as_object().expect("a vector is an object"))
    }

    #[test]
    fn the_published_vectors_hold() {
        let intent = r#"{"operation_id":"0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e","collection":"equipment","record_id":"eq-1","op":"update","base_version":6,"logical_timestamp":"0199a3c2f1b00003-dev1","fields":{"status":"fault","location_x":12.50,"note":"café €"}}"#;
        assert_eq!(digest(intent), "sha256:304ac036a81e35094df7b5ace427e13065273f948479c03e48f65154d3ff13eb");
        let numbers = r#"{"b":1e21,"a":1e-7,"c":-0.0,"d":1.0,"e":123456789012345680000,"f":0.30000000000000004,"g":5e-324,"h":1.7976931348623157e308}"#;
        assert_eq!(digest(numbers), "sha256:ec5facb18fb2f3103aa2952a3bb7c8d44a543c14bb656045cd0067a94035bf50");
    }

    /// The protocol publishes a third hash, of an object with these keys, but not the values in it, so that nobody can check it. This
    /// object is our own.
    #[test]
    fn keys_are_in_the_order_of_utf16_units() {
        let keys = "{\"\u{10000}\":1,\"\u{e000}\":2,\"\\u0001\":3,\"é\":4}";
        let value: Value = serde_json::from_str(keys).expect("JSON");
        let text = intent_bytes(value.as_object().expect("an object"));
        assert_eq!(String::from_utf8(text).expect("text"), "{\"\\u0001\":3,\"é\":4,\"\u{10000}\":1,\"\u{e000}\":2}");
        assert_eq!(digest(keys), "sha256:b6ce95b8a8b5a6cbfd44e9041b15070c0ba77ab1bdd587e29cabd4d9009a2b43");
    }

    #[test]
    fn what_is_added_later_does_not_count() {
        let later = r#"{"a":1,"checksum":"sha256:00","sig":"x","relayed_by":["m"],"hops":2}"#;
        assert_eq!(digest(later), digest(r#"{"a":1}"#));
    }
}
