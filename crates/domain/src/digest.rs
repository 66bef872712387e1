//! Hashes of the store: what an intent means, what a record holds, what a row of the log says, and the chain over rows.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ids::{OperationId, Version};
use crate::json::{value_text, write_body, write_text};
use crate::sync::{Base, Mutation};

/// A SHA-256.
pub type Hash = [u8; 32];

/// Digest of what an intent means, for the comparison with an earlier send. Clocks, priority and retry data stay out: a retry
/// may stamp them anew. Canonical JSON of `{args, base_*, collection, fields, group, json_patch, merges, op, record_id, resolves}`, as
/// far as they are there; `fields` always is.
#[must_use]
pub fn meaning_digest(mutation: &Mutation) -> Hash {
    let terms = mutation.terms.as_deref();
    let command = terms.and_then(|terms| terms.command.as_ref());
    let mut text = String::with_capacity(mutation.raw.len() + 64);
    text.push('{');
    if let Some(command) = command {
        text.push_str("\"args\":");
        write_body(&mut text, &command.args);
        text.push(',');
    }
    write_base(&mut text, &mutation.base);
    text.push_str("\"collection\":\"");
    text.push_str(mutation.collection.as_str());
    if let Some(command) = command {
        text.push_str("\",\"command\":");
        write_text(&mut text, &command.name);
        text.push_str(",\"fields\":");
    } else {
        text.push_str("\",\"fields\":");
    }
    write_body(&mut text, &mutation.fields);
    if let Some(group) = terms.and_then(|terms| terms.group.as_ref()) {
        text.push_str(",\"group\":");
        write_text(&mut text, group.as_str());
    }
    if let Some(patch) = terms.and_then(|terms| terms.patch.as_ref()) {
        text.push_str(",\"json_patch\":");
        text.push_str(&value_text(&Value::Array(patch.clone())));
    }
    if let Some(terms) = terms.filter(|terms| !terms.merges.is_empty()) {
        text.push_str(",\"merges\":");
        text.push_str(&value_text(&Value::from(terms.merges.clone())));
    }
    text.push_str(",\"op\":\"");
    text.push_str(if command.is_some() { "command" } else { mutation.op.as_str() });
    text.push_str("\",\"record_id\":\"");
    text.push_str(mutation.record_id.as_str());
    text.push('"');
    if let Some(terms) = terms.filter(|terms| !terms.resolves.is_empty()) {
        text.push_str(",\"resolves\":");
        text.push_str(&value_text(&Value::from(terms.resolves.clone())));
    }
    text.push('}');
    Sha256::digest(text).into()
}

fn write_base(text: &mut String, base: &Base) {
    match base {
        Base::Unknown => {}
        Base::Version(version) => text.push_str(&format!("\"base_version\":{version},")),
        Base::Operation(operation) => {
            text.push_str("\"base_operation_id\":");
            write_text(text, OperationId::as_str(operation));
            text.push(',');
        }
        Base::Checksum(hash) => text.push_str(&format!("\"base_checksum\":\"sha256:{}\",", hex::encode(hash))),
    }
}

/// Hash of a body by its canonical text; a tombstone hashes the empty text.
#[must_use]
pub fn content_hash(text: Option<&str>) -> Hash {
    Sha256::digest(text.unwrap_or_default()).into()
}

/// What a live record adds to the digest of its scope and collection: the first 8 bytes, big-endian, of SHA-256 over
/// `record_id "\0" version "\0" content_hash`, with the version in decimal and the hash in lower-case hex. The digest of a
/// set of records is the sum, modulo 2^64.
#[must_use]
pub fn record_hash(record_id: &str, version: Version, content: &Hash) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(record_id);
    hasher.update([0]);
    hasher.update(version.to_string());
    hasher.update([0]);
    hasher.update(hex::encode(content));
    let hash: Hash = hasher.finalize().into();
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(head)
}

/// Hashes the members of a row, each with its length in front, so that no two rows read alike.
#[derive(Clone, Debug, Default)]
pub struct RowHasher(Sha256);

impl RowHasher {
    /// Adds text or bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds text that may be missing; missing differs from empty.
    #[must_use]
    pub fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.number(1).bytes(text),
            None => self.number(0),
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: i64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// The digest of the row.
    #[must_use]
    pub fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

/// The next link: `SHA-256(chain ‖ seq ‖ digest)`, the number as 8 bytes, big-endian.
#[must_use]
pub fn chain_next(chain: &Hash, seq: i64, digest: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(chain);
    hasher.update(seq.to_be_bytes());
    hasher.update(digest);
    hasher.finalize().into()
}
