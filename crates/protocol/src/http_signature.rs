//! Signatures of whole requests (RFC 9421), in one fixed profile: the covered components are always the same four, in the same
//! order, under the label `sig1`. This module takes the headers apart and builds the text that is signed; whose key it is and
//! whether the nonce is fresh, it does not know.

use crate::keys::bytes_read;

/// The components that are covered, as both headers spell them.
pub const COMPONENTS: &str = r#"("@method" "@target-uri" "content-digest" "sync-client")"#;
/// How far `created` may be from the server's clock, either way, seconds.
pub const AGE_S_MAX: i64 = 300;
/// How long a nonce is remembered, seconds.
pub const NONCE_S: i64 = 600;
/// Longest nonce.
const NONCE_BYTES_MAX: usize = 64;

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// With the private half of the device's key.
    Ed25519,
    /// With a secret that both sides know.
    HmacSha256,
}

/// A signature as the headers state it, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSignature {
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Fresh for each request, also for a repeat of the same batch.
    pub nonce: String,
    /// Whose key.
    pub keyid: String,
    /// Which kind of key.
    pub algorithm: Algorithm,
    /// The signature itself.
    pub signature: Vec<u8>,
    /// Components and parameters, as they were signed.
    params: String,
}

impl RequestSignature {
    /// Reads `Signature-Input` and `Signature`.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn read(input: &str, signature: &str) -> Result<Self, &'static str> {
        let params = input.strip_prefix("sig1=").ok_or("Signature-Input must begin with `sig1=`")?;
        let rest =
            params.strip_prefix(COMPONENTS).ok_or("Signature-Input must cover the four components of the profile, in order")?;
        let (mut created, mut nonce, mut keyid, mut algorithm) = (None, None, None, None);
        for pair in rest.split(';').skip(1) {
            let (name, value) = pair.split_once('=').ok_or("a parameter of Signature-Input has no value")?;
            let fresh = match name {
                "created" => created.replace(value.parse::<i64>().map_err(|_| "`created` must be an integer")?).is_none(),
                "nonce" => nonce.replace(quoted(value)?).is_none(),
                "keyid" => keyid.replace(quoted(value)?).is_none(),
                "alg" => algorithm.replace(algorithm_read(quoted(value)?)?).is_none(),
                _ => return Err("Signature-Input has a parameter that is not of the profile"),
            };
            if !fresh {
                return Err("a parameter of Signature-Input stands twice");
            }
        }
        let (Some(created), Some(nonce), Some(keyid), Some(algorithm)) = (created, nonce, keyid, algorithm) else {
            return Err("Signature-Input must have created, nonce, keyid and alg");
        };
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX {
            return Err("`nonce` must have 1 to 64 characters");
        }
        let text = signature.strip_prefix("sig1=:").and_then(|rest| rest.strip_suffix(':'));
        let text = text.ok_or("Signature must be `sig1=:<base64>:`")?;
        let bytes = match algorithm {
            Algorithm::Ed25519 => bytes_read::<64>(text).map(Vec::from),
            Algorithm::HmacSha256 => bytes_read::<32>(text).map(Vec::from),
        };
        let signature = bytes.ok_or("Signature has not the length of its kind")?;
        Ok(Self { created, nonce: nonce.to_owned(), keyid: keyid.to_owned(), algorithm, signature, params: params.to_owned() })
    }

    /// The text that was signed.
    #[must_use]
    pub fn base(&self, request: &SignedRequest<'_>) -> String {
        base(request, &self.params)
    }
}

/// What a signature covers of a request.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Whole: scheme, host, path, query.
    pub target_uri: &'a str,
    /// The header.
    pub content_digest: &'a str,
    /// The header.
    pub sync_client: &'a str,
}

fn base(request: &SignedRequest<'_>, params: &str) -> String {
    let SignedRequest { method, target_uri, content_digest, sync_client } = request;
    format!(
        "\"@method\": {method}\n\"@target-uri\": {target_uri}\n\"content-digest\": {content_digest}\n\"sync-client\": {sync_client}\n\"@signature-params\": {params}"
    )
}

/// The value of `Signature-Input` without its label, and the text to sign: what a client does.
#[must_use]
pub fn to_sign(request: &SignedRequest<'_>, created: i64, nonce: &str, keyid: &str, algorithm: Algorithm) -> (String, String) {
    let params = format!("{COMPONENTS};created={created};nonce=\"{nonce}\";keyid=\"{keyid}\";alg=\"{}\"", algorithm.as_str());
    let text = base(request, &params);
    (params, text)
}

impl Algorithm {
    /// As the headers spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::HmacSha256 => "hmac-sha256",
        }
    }
}

fn algorithm_read(text: &str) -> Result<Algorithm, &'static str> {
    match text {
        "ed25519" => Ok(Algorithm::Ed25519),
        "hmac-sha256" => Ok(Algorithm::HmacSha256),
        _ => Err("`alg` must be ed25519 or hmac-sha256"),
    }
}

/// The text between quotes. No character of the profile needs an escape, so none is read.
fn quoted(value: &str) -> Result<&str, &'static str> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or("a parameter must be a quoted string")?;
    let plain = inner.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b';'));
    if plain { Ok(inner) } else { Err("a parameter has a character that is not of the profile") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";

    fn request() -> SignedRequest<'static> {
        SignedRequest {
            method: "POST",
            target_uri: "https://sync.example/mutations",
            content_digest: "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
            sync_client: CLIENT,
        }
    }

    fn signature(bytes: usize) -> String {
        format!("sig1=:{}:", crate::keys::bytes_written(&vec![7; bytes]))
    }

    #[test]
    fn both_sides_build_the_same_text() {
        let (params, text) = to_sign(&request(), 1_763_652_100, "n-1", CLIENT, Algorithm::Ed25519);
        assert_eq!(
            text,
            format!(
                "\"@method\": POST\n\"@target-uri\": https://sync.example/mutations\n\"content-digest\": {}\n\"sync-client\": {CLIENT}\n\"@signature-params\": {COMPONENTS};created=1763652100;nonce=\"n-1\";keyid=\"{CLIENT}\";alg=\"ed25519\"",
                request().content_digest
            )
        );
        let read = RequestSignature::read(&format!("sig1={params}"), &signature(64)).expect("readable");
        assert_eq!(
            (read.created, read.nonce.as_str(), read.keyid.as_str(), read.algorithm),
            (1_763_652_100, "n-1", CLIENT, Algorithm::Ed25519)
        );
        assert_eq!(read.base(&request()), text);
    }

    #[test]
    fn whatever_is_not_of_the_profile_is_refused_in_words() {
        let tail = ";created=1;nonce=\"n\";keyid=\"k\";alg=\"ed25519\"";
        let cases = [
            (format!("sig2={COMPONENTS}{tail}"), 64, "begin with"),
            (format!("sig1=(\"@method\"){tail}"), 64, "four components"),
            (format!("sig1={COMPONENTS};created=1;nonce=\"n\";keyid=\"k\""), 64, "must have created"),
            (format!("sig1={COMPONENTS}{tail};created=2"), 64, "twice"),
            (format!("sig1={COMPONENTS}{tail};expires=2"), 64, "not of the profile"),
            (format!("sig1={COMPONENTS};created=1;nonce=\"\";keyid=\"k\";alg=\"ed25519\""), 64, "1 to 64"),
            (format!("sig1={COMPONENTS};created=1;nonce=n;keyid=\"k\";alg=\"ed25519\""), 64, "quoted"),
            (format!("sig1={COMPONENTS};created=1;nonce=\"n\";keyid=\"k\";alg=\"rsa-v1_5-sha256\""), 64, "`alg`"),
            (format!("sig1={COMPONENTS}{tail}"), 32, "length"),
        ];
        for (input, bytes, words) in cases {
            let refusal = RequestSignature::read(&input, &signature(bytes)).expect_err("refused");
            assert!(refusal.contains(words), "{input}: {refusal}");
        }
    }
}
