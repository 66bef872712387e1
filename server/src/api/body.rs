//! Reads request bodies: bounded as sent, bounded when decompressed, and of a known type.

use std::io::Read;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use tidewatch_protocol::headers::CONTENT_DIGEST;
use tidewatch_protocol::keys::content_digest_read;
use tidewatch_protocol::limits::{BODY_BYTES_MAX, DECOMPRESSION_RATIO_MAX, LOG_UPLOAD_BYTES_MAX, TELEMETRY_BYTES_MAX};
use tidewatch_protocol::{Code, Problem};

use crate::api::error::{Answer, Refusal};

/// Largest window that a zstd frame may ask for: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bodies above this are decompressed off the async threads.
const INLINE_BYTES_MAX: usize = 16 * 1_024;

/// A JSON body of at most 4 MiB, decompressed.
#[derive(Debug)]
pub struct JsonBody(pub Bytes);

/// A JSON body of at most 1 MiB, decompressed.
#[derive(Debug)]
pub struct TelemetryBody(pub Bytes);

/// Lines of JSON of at most 1 MiB, decompressed.
#[derive(Debug)]
pub struct LinesBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for LinesBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Answer<Self> {
        lines_check(request.headers())?;
        body_take(request, LOG_UPLOAD_BYTES_MAX).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Answer<Self> {
        body_read(request, BODY_BYTES_MAX).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for TelemetryBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Answer<Self> {
        body_read(request, TELEMETRY_BYTES_MAX).await.map(Self)
    }
}

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Zstd,
}

async fn body_read(request: Request, bytes_max: usize) -> Answer<Bytes> {
    type_check(request.headers())?;
    body_take(request, bytes_max).await
}

/// The body, whatever it holds.
async fn body_take(request: Request, bytes_max: usize) -> Answer<Bytes> {
    let too_large = || Refusal::from(Problem::new(Code::BodyTooLarge).detail(format!("a body has at most {bytes_max} bytes")));
    let (parts, body) = request.into_parts();
    let coding = coding(&parts.headers)?;
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    let sent = axum::body::to_bytes(body, bytes_max).await.map_err(|error| {
        // The bound is the only thing of ours that can break here; else the client went away.
        let bound = std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("length limit"));
        if bound { too_large() } else { Refusal::new(Code::JsonInvalid, "the body ended early") }
    })?;
    digest_check(&parts.headers, &sent)?;
    match coding {
        Coding::Identity => Ok(sent),
        _ if sent.len() <= INLINE_BYTES_MAX => decompress(coding, &sent, bytes_max),
        _ => tokio::task::spawn_blocking(move || decompress(coding, &sent, bytes_max)).await.map_err(Refusal::internal)?,
    }
}

/// The bytes as they were sent, after any content coding, are those that the client had when it took the digest.
fn digest_check(headers: &HeaderMap, sent: &[u8]) -> Answer<()> {
    let Some(value) = headers.get(CONTENT_DIGEST) else { return Ok(()) };
    let wanted = value.to_str().ok().and_then(content_digest_read);
    let wanted = wanted.ok_or_else(|| Refusal::header(CONTENT_DIGEST, "must hold `sha-256=:<base64>:`"))?;
    let found: [u8; 32] = Sha256::digest(sent).into();
    if found == wanted { Ok(()) } else { Err(Refusal::header(CONTENT_DIGEST, "does not fit the body")) }
}

fn lines_check(headers: &HeaderMap) -> Answer<()> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-ndjson") {
        return Ok(());
    }
    Err(Refusal::new(Code::MediaTypeUnsupported, "send application/x-ndjson"))
}

fn type_check(headers: &HeaderMap) -> Answer<()> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Refusal::new(Code::MediaTypeUnsupported, "send application/json"))
}

fn coding(headers: &HeaderMap) -> Answer<Coding> {
    let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
    let (first, more) = (all.next(), all.next());
    let name = first.map_or("identity", |value| value.to_str().unwrap_or("?")).trim().to_ascii_lowercase();
    match (name.as_str(), more) {
        ("identity" | "", None) => Ok(Coding::Identity),
        ("gzip" | "x-gzip", None) => Ok(Coding::Gzip),
        ("zstd", None) => Ok(Coding::Zstd),
        _ => Err(Refusal::new(Code::EncodingUnsupported, "send the body as it is, or coded once with gzip or zstd")
            .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("zstd, gzip"))),
    }
}

/// Decompresses at most `bytes_max` bytes, and at most [`DECOMPRESSION_RATIO_MAX`] for each byte sent.
fn decompress(coding: Coding, sent: &[u8], bytes_max: usize) -> Answer<Bytes> {
    let bound = bytes_max.min(sent.len().saturating_mul(DECOMPRESSION_RATIO_MAX));
    let broken = |_| Refusal::new(Code::JsonInvalid, "the body is not what its Content-Encoding says");
    let mut plain = Vec::with_capacity(bound.min(sent.len().saturating_mul(4)));
    let take = bound as u64 + 1;
    match coding {
        Coding::Identity => plain.extend_from_slice(sent),
        Coding::Gzip => {
            flate2::read::MultiGzDecoder::new(sent).take(take).read_to_end(&mut plain).map_err(broken)?;
        }
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(sent).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
            decoder.take(take).read_to_end(&mut plain).map_err(broken)?;
        }
    }
    if plain.len() <= bound {
        return Ok(plain.into());
    }
    let detail = format!("a body may grow to {bytes_max} bytes, and to {DECOMPRESSION_RATIO_MAX} times its size");
    Err(Problem::new(Code::DecompressionLimit).detail(detail).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).expect("writes to memory");
        encoder.finish().expect("finishes")
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let plain = br#"{"a":1}"#;
        assert_eq!(decompress(Coding::Gzip, &gzip(plain), 100).expect("decompressed"), plain.as_slice());
        let zstd = zstd::encode_all(plain.as_slice(), 1).expect("compressed");
        assert_eq!(decompress(Coding::Zstd, &zstd, 100).expect("decompressed"), plain.as_slice());
    }

    #[test]
    fn a_bomb_is_refused_by_its_size_and_by_its_ratio() {
        let zeros = vec![0_u8; 6 * 1_024 * 1_024];
        let noise: Vec<u8> = (0_u32..3_000_000).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        for bomb in [gzip(&zeros), gzip(&[noise.as_slice(), zeros.as_slice()].concat())] {
            assert_eq!(decompress(Coding::Gzip, &bomb, BODY_BYTES_MAX).expect_err("refused").code(), "decompression_limit");
        }
        let bomb = zstd::encode_all(zeros.as_slice(), 3).expect("compressed");
        assert_eq!(decompress(Coding::Zstd, &bomb, BODY_BYTES_MAX).expect_err("refused").code(), "decompression_limit");
    }

    #[test]
    fn rubbish_is_refused_as_unreadable() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            assert_eq!(decompress(coding, b"not compressed at all", 100).expect_err("refused").code(), "json_invalid");
        }
    }

    #[test]
    fn only_known_codings_are_taken() {
        let with = |value: &'static str| HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(value))]);
        assert_eq!(coding(&HeaderMap::new()).expect("taken"), Coding::Identity);
        assert_eq!(coding(&with("GZIP")).expect("taken"), Coding::Gzip);
        for unknown in ["br", "gzip, gzip", "deflate"] {
            assert_eq!(coding(&with(unknown)).expect_err("refused").code(), "encoding_unsupported");
        }
    }
}
