//! A device that signs: its intents, so that others may relay them, and its requests.

use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tidewatch_protocol::checksum::intent_bytes;
use tidewatch_protocol::http_signature::{Algorithm, SignedRequest, to_sign};
use tidewatch_protocol::keys::{bytes_written, content_digest};

/// What a device without a key signs with: HMAC-SHA256 with the SHA-256 of its access token.
///
/// # Panics
/// Never: a key of any length will do.
#[must_use]
pub fn token_mac(token: &str, text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(&Sha256::digest(token.as_bytes())).expect("a key of any length will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// A key, and what can be done with it.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// A key that follows from a number.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]) }
    }

    /// The public half, as a registration carries it.
    #[must_use]
    pub fn public_key(&self) -> String {
        bytes_written(self.key.verifying_key().as_bytes())
    }

    /// The intent with its signature.
    ///
    /// # Panics
    /// When it is no object.
    #[must_use]
    pub fn intent(&self, mut intent: Value) -> Value {
        let signature = self.key.sign(&intent_bytes(intent.as_object().expect("an intent is an object")));
        intent["sig"] = bytes_written(&signature.to_bytes()).into();
        intent
    }

    /// The headers that sign a request of a device to the test app.
    #[must_use]
    pub fn headers(&self, method: &str, path: &str, body: &[u8], client_id: &str, made: (i64, &str)) -> Vec<(String, String)> {
        let (target_uri, digest) = (format!("https://tidewatch.test{path}"), content_digest(body));
        let request = SignedRequest { method, target_uri: &target_uri, content_digest: &digest, sync_client: client_id };
        let (params, text) = to_sign(&request, made.0, made.1, client_id, Algorithm::Ed25519);
        let signature = bytes_written(&self.key.sign(text.as_bytes()).to_bytes());
        [
            ("content-digest", digest),
            ("sync-client", client_id.to_owned()),
            ("signature-input", format!("sig1={params}")),
            ("signature", format!("sig1=:{signature}:")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}
