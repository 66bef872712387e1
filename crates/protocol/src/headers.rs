//! Names of the protocol's own HTTP headers (`Sync-…`), lower case as HTTP/2 sends them.

/// Version of the protocol, on requests and answers.
pub const SYNC_PROTOCOL: &str = "sync-protocol";
/// The device that asks; must be the one its token belongs to.
pub const SYNC_CLIENT: &str = "sync-client";
/// Schema version of the device's database.
pub const SYNC_SCHEMA: &str = "sync-schema";
/// Incarnation of the store.
pub const SYNC_EPOCH: &str = "sync-epoch";
/// `primary` or `replica`.
pub const SYNC_ROLE: &str = "sync-role";
/// Position of the log.
pub const SYNC_HEAD: &str = "sync-head";
/// Server clock, RFC 3339 with milliseconds.
pub const SYNC_SERVER_TIME: &str = "sync-server-time";
/// Digest of the bytes of a body (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";
/// Digest of the bytes of the whole representation, also when the body is a part of it (RFC 9530).
pub const REPR_DIGEST: &str = "repr-digest";
/// What a signature covers, and how it was made (RFC 9421).
pub const SIGNATURE_INPUT: &str = "signature-input";
/// The signature.
pub const SIGNATURE: &str = "signature";
/// The one version of the protocol that is spoken here.
pub const PROTOCOL_VERSION: u32 = 1;
