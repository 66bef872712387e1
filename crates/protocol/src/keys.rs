//! Keys, signatures and digests as the wire writes them: base64 with its padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Reads so many bytes from base64.
#[must_use]
pub fn bytes_read<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// Writes bytes as base64.
#[must_use]
pub fn bytes_written(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `Content-Digest` (RFC 9530) of these bytes.
#[must_use]
pub fn content_digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", bytes_written(&Sha256::digest(bytes)))
}

/// The SHA-256 that a `Content-Digest` header names; `None` when it names none, or not in its form.
#[must_use]
pub fn content_digest_read(header: &str) -> Option<[u8; 32]> {
    let named = header.split(',').find_map(|item| item.trim().strip_prefix("sha-256=:"))?;
    bytes_read(named.strip_suffix(':')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_was_written_and_among_others() {
        // The example of RFC 9530, section B.1.
        let written = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        assert_eq!(content_digest(b"{\"hello\": \"world\"}\n"), written);
        let expected: Option<[u8; 32]> = Some(Sha256::digest(b"{\"hello\": \"world\"}\n").into());
        assert_eq!(content_digest_read(written), expected);
        assert_eq!(content_digest_read(&format!("sha-512=:YQ==:, {written}")), expected);
        for other in ["", "sha-256=abc", "sha-256=:YQ==:", "md5=:YQ==:"] {
            assert_eq!(content_digest_read(other), None, "{other}");
        }
    }
}
