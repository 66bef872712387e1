//! Sealing payloads: what devices hand over in escrow is stored so that the database alone opens nothing
//! (`docs/adr/0011-control-channel.md`).
//!
//! A sealed payload is a version, the id of its key, a random nonce, then what XChaCha20-Poly1305 makes of the text. The device and the
//! operation are bound into it, so that it opens in no other row. Which payloads are sealed, and where they are, is not known here.

mod file;
#[cfg(test)]
mod tests;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

pub(crate) use self::file::KeyFile;
use crate::{Error, Result};

/// First byte of everything that is sealed.
const VERSION: u8 = 1;
/// What is sealed here, and nothing else that the same key might seal.
const KIND: &[u8] = b"tidewatch escrow payload\0";
const NONCE_BYTES: usize = 24;
/// Version, key, nonce.
const HEAD_BYTES: usize = 1 + size_of::<KeyId>() + NONCE_BYTES;

/// Which key: the beginning of a hash of it. It stands in the open.
pub(crate) type KeyId = [u8; 8];

/// A key as its file has it.
pub(crate) type KeyBytes = [u8; 32];

/// The id of a key.
pub(crate) fn key_id(key: &KeyBytes) -> KeyId {
    let hash = Sha256::new().chain_update(b"tidewatch escrow key\0").chain_update(key).finalize();
    std::array::from_fn(|at| hash[at])
}

/// Random bytes that nobody can guess: neither a key nor a nonce may come from a seed.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

struct Key {
    id: KeyId,
    cipher: XChaCha20Poly1305,
}

/// The keys of a store, newest first. Seals with the newest, opens with any.
pub(crate) struct Vault {
    keys: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.keys.iter().map(|key| hex::encode(key.id))).finish()
    }
}

impl Vault {
    /// Of at least one key, newest first.
    pub(crate) fn new(keys: &[KeyBytes]) -> Self {
        let key = |key: &KeyBytes| Key { id: key_id(key), cipher: XChaCha20Poly1305::new(key.into()) };
        Self { keys: keys.iter().map(key).collect() }
    }

    /// Ids of the keys, newest first.
    pub(crate) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(|key| key.id).collect()
    }

    /// Seals the payload of an operation of a device, under a fresh nonce each time.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn seal(&self, client: i64, operation_id: &str, text: &str) -> Result<Vec<u8>> {
        let key = self.keys.first().ok_or_else(|| Error::Corrupt("no key to seal a payload with".to_owned()))?;
        let nonce: [u8; NONCE_BYTES] = random()?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + text.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        let aad = bound(&sealed, client, operation_id);
        sealed.extend_from_slice(&nonce);
        let made = key.cipher.encrypt(&XNonce::from(nonce), Payload { msg: text.as_bytes(), aad: &aad });
        sealed.extend(made.map_err(|_| Error::Corrupt("a payload is too long to be sealed".to_owned()))?);
        Ok(sealed)
    }

    /// The payload of an operation of a device. Corrupt when it was sealed for another one, with a key that is not here, or has changed.
    ///
    /// # Errors
    /// Corrupt, naming the operation.
    pub(crate) fn open(&self, client: i64, operation_id: &str, sealed: &[u8]) -> Result<String> {
        let broken = |why: &str| Error::Corrupt(format!("the payload of operation {operation_id} does not open: {why}"));
        let (head, made) = sealed.split_at_checked(HEAD_BYTES).ok_or_else(|| broken("it is too short"))?;
        let (named, nonce) = head.split_at(HEAD_BYTES - NONCE_BYTES);
        if named[0] != VERSION {
            return Err(broken("its version is not known"));
        }
        let key = self.keys.iter().find(|key| key.id == named[1..]);
        let key = key.ok_or_else(|| broken(&format!("key {} is not here", hex::encode(&named[1..]))))?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| broken("it is too short"))?;
        let aad = bound(named, client, operation_id);
        let opened = key.cipher.decrypt(&XNonce::from(nonce), Payload { msg: made, aad: &aad });
        let opened = opened.map_err(|_| broken("it was changed, or is another one's"))?;
        String::from_utf8(opened).map_err(|_| broken("it is no text"))
    }

    /// The intent of a row of the archive: what is sealed when anything is, and otherwise what stands there.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub(crate) fn text(&self, client: i64, operation_id: &str, mutation: String, sealed: Option<&[u8]>) -> Result<String> {
        sealed.map_or(Ok(mutation), |sealed| self.open(client, operation_id, sealed))
    }
}

/// What a sealed payload is bound to.
fn bound(named: &[u8], client: i64, operation_id: &str) -> Vec<u8> {
    [KIND, named, &client.to_be_bytes(), operation_id.as_bytes()].concat()
}
