//! Check sum of an intent: `sha256:` and the hex digest of its canonical JSON (RFC 8785) without `checksum` and `sig`.
//!
//! A device computes it when the intent enters its write-ahead log; the server verifies it on arrival. It catches bit rot
//! and re-serialisation during days offline.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The check sum of an intent.
#[must_use]
pub fn intent_checksum(intent: &Map<String, Value>) -> String {
    let mut bare = intent.clone();
    bare.remove("checksum");
    bare.remove("sig");
    let canonical = serde_json_canonicalizer::to_vec(&bare).expect("a JSON object has a canonical form");
    format!("sha256:{}", hex::encode(Sha256::digest(&canonical)))
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

    #[test]
    fn checksum_and_signature_do_not_count() {
        assert_eq!(digest(r#"{"a":1,"checksum":"sha256:00","sig":"x"}"#), digest(r#"{"a":1}"#));
    }
}
