//! Signatures of devices: of single intents, so that another device may relay them, and of whole requests.
//!
//! Invariant: an intent of another device reaches the store only with a signature by the key that is bound to that device.

use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::sync::{Intent, IntentProblem, PublicKey, Push};
use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_store::sync::ClientFacts;

use super::nonces::Taken;
use crate::{Result, Service};

/// What signs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKey<'a> {
    /// The key that is bound to the device.
    Bound,
    /// The access token of the device: HMAC-SHA256 with the SHA-256 of its text.
    Token(&'a str),
}

/// What a request's signature came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// It holds, and its nonce is fresh.
    Holds,
    /// It does not, or no key is bound.
    Wrong,
    /// Its nonce was used before.
    Replayed,
    /// Too many nonces are remembered to take another.
    Full,
}

fn holds(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(key);
    key.is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

impl Service {
    /// Whether a device has bound a key.
    #[must_use]
    pub fn device_signs(&self, client_id: &ClientId) -> bool {
        self.store.sync().client(client_id).is_some_and(|client| client.public_key.is_some())
    }

    /// Checks the signature of a request over a text, and takes its nonce until the end that goes with it.
    ///
    /// # Errors
    /// As the store, when the nonces of the process before are read.
    pub async fn request_verify(
        &self,
        client_id: &ClientId,
        key: RequestKey<'_>,
        text: &str,
        signature: &[u8],
        (nonce, now, keep_s): (&str, Millis, i64),
    ) -> Result<RequestVerdict> {
        let holds = match key {
            RequestKey::Bound => {
                let bound = self.store.sync().client(client_id).and_then(|client| client.public_key.clone());
                let signature = <[u8; 64]>::try_from(signature);
                bound.zip(signature.ok()).is_some_and(|(key, signature)| holds(&key, text.as_bytes(), &signature))
            }
            RequestKey::Token(token) => {
                let secret = Sha256::digest(token.as_bytes());
                let mac = Hmac::<Sha256>::new_from_slice(&secret).map(|mac| mac.chain_update(text.as_bytes()));
                mac.is_ok_and(|mac| mac.verify_slice(signature).is_ok())
            }
        };
        if !holds {
            return Ok(RequestVerdict::Wrong);
        }
        self.nonces.load(&self.store, now).await?;
        let end = now.0.div_euclid(SECOND_MS) + keep_s;
        Ok(match self.nonces.take(client_id, nonce, now, end) {
            Taken::Fresh => RequestVerdict::Holds,
            Taken::Used => RequestVerdict::Replayed,
            Taken::Full => RequestVerdict::Full,
        })
    }

    /// Refuses every intent whose signature does not hold, or that another device made and did not sign.
    pub(super) fn signatures_check(&self, push: &mut Push) {
        let signatures = std::mem::take(&mut push.terms.signatures);
        for (at, intent) in push.intents.iter_mut().enumerate() {
            let signature = signatures.iter().find(|signature| signature.at == at);
            if signature.is_none() && intent.author().is_none() {
                continue;
            }
            let maker = intent.author().unwrap_or(&push.client_id);
            let maker = self.store.sync().client(maker);
            let wrong = match (&maker, signature) {
                (None, _) => Some(refusal("signature_invalid", 401, "the device that made it is not known here")),
                (Some(client), _) if client.blocked => Some(refusal("client_blocked", 403, "the device that made it is blocked")),
                (Some(client), Some(signature)) => signed_by(client, &signature.message, &signature.signature),
                (Some(_), None) => Some(refusal("signature_invalid", 401, "an intent of another device must be signed by it")),
            };
            if let Some(problem) = wrong {
                *intent = Intent::refused(intent, problem);
            }
        }
    }
}

fn signed_by(client: &ClientFacts, message: &[u8], signature: &[u8; 64]) -> Option<IntentProblem> {
    match &client.public_key {
        None => Some(refusal("signature_invalid", 401, "the device that made it has bound no key")),
        Some(key) if holds(key, message, signature) => None,
        Some(_) => Some(refusal("signature_invalid", 401, "the signature does not fit the intent and the key of its device")),
    }
}

fn refusal(code: &'static str, status: u16, detail: &str) -> IntentProblem {
    IntentProblem { code, status, retryable: false, retry_after_ms: None, detail: detail.to_owned() }
}
