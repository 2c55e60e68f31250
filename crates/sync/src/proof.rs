//! A device's proof, per request, that it holds its key: HTTP Message Signatures (RFC 9421) with Ed25519 over the
//! method, the path and a Content-Digest (RFC 9530) of the body.
//!
//! One fixed profile, so that one grammar is enough: label `sig1`; covered components `"@method"` (RFC 9421, 2.2.1),
//! `"@path"` (2.2.6) and `"content-digest"` (RFC 9530, 2; SHA-256, of the empty body where there is none); parameters
//! (2.3) `created`, `nonce`, `keyid` and `alg`, in this order. The signature base is that of 2.5, the algorithm that of
//! 3.3.6, the fields are those of 4.1 and 4.2. Whatever deviates is refused, though a general verifier might take it.
//!
//! Knows no clock, no key store and no used nonces: the caller looks the key up by [`Claim::device`], asks
//! [`Claim::is_fresh`], and remembers nonces for as long as a proof is fresh (RFC 9421, 7.2.2). A query is not covered:
//! a route that asks for a proof takes no query.
//!
//! Invariant: a [`Claim`] is only what the headers say; nothing in it is true before [`Claim::verify`] has agreed.

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Name of the header with the digest of the body.
pub const CONTENT_DIGEST: &str = "content-digest";
/// Name of the header that says what is signed, when and by whom.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// Name of the header with the signature.
pub const SIGNATURE: &str = "signature";

/// Seconds for which a proof is fresh, before and after `created`: enough for a slow link and a skew that changed since
/// it was last measured, short enough to keep the used nonces in memory.
pub const MAX_AGE_S: u64 = 300;
/// Bytes that each of the three header values may have; a proof in the profile needs at most 185.
pub const MAX_HEADER_BYTES: usize = 256;
/// Bytes that a device id may have.
pub const MAX_DEVICE_BYTES: usize = 64;

/// The parts of a request that a proof covers.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// The method as it stands in the request line, such as `POST`.
    pub method: &'a str,
    /// The absolute path as it stands in the request line, without query; `/` where it is empty.
    pub path: &'a str,
    /// The body as transferred: after compression.
    pub body: &'a [u8],
}

/// The values of the three headers that make up a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofHeaders {
    /// Value of [`CONTENT_DIGEST`].
    pub content_digest: String,
    /// Value of [`SIGNATURE_INPUT`].
    pub signature_input: String,
    /// Value of [`SIGNATURE`].
    pub signature: String,
}

/// What the headers of a request claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The id of the device whose key is said to have signed.
    pub device: String,
    /// When the proof was made: seconds since 1970-01-01 UTC by the device's corrected clock, never negative.
    pub created_s: i64,
    /// Random bytes that no other fresh proof of the device may carry.
    pub nonce: [u8; 16],
    digest: [u8; 32],
    signature: [u8; 64],
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A header value longer than [`MAX_HEADER_BYTES`].
    #[error("a header of the proof is longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// The content-digest header is not one SHA-256 digest.
    #[error("content-digest must be sha-256=:<base64 of 32 bytes>:")]
    ContentDigest,
    /// The signature input has another label or covers other components.
    #[error(r#"signature-input must begin with sig1=("@method" "@path" "content-digest")"#)]
    Components,
    /// A parameter is missing, repeated, unknown, or out of order.
    #[error("the signature parameters must be created, nonce, keyid and alg, in this order")]
    Parameters,
    /// `created` is not a whole number of at most 15 digits.
    #[error("created must be a number of seconds since 1970")]
    Created,
    /// The nonce is not base64 of 16 bytes.
    #[error("nonce must be base64 of 16 bytes")]
    Nonce,
    /// The key id is empty, longer than [`MAX_DEVICE_BYTES`] or holds other than visible ASCII characters.
    #[error("keyid must be a device id of 1 to {MAX_DEVICE_BYTES} visible ASCII characters")]
    Device,
    /// The signature header is not one Ed25519 signature under our label.
    #[error("signature must be sig1=:<base64 of 64 bytes>:")]
    SignatureForm,
    /// The digest is not that of the body.
    #[error("content-digest does not match the body: send the request again")]
    Body,
    /// The signature is not that of the device's key over this request.
    #[error("the signature does not match this request and the device's key")]
    Signature,
}

/// Makes the proof for one request.
///
/// `created_s` is in seconds since 1970-01-01 UTC and not negative, `nonce` fresh random bytes, `device` an id of 1 to
/// [`MAX_DEVICE_BYTES`] visible ASCII characters without `"`, `;` and `\`; [`parse`] refuses anything else.
pub fn sign(key: &SigningKey, request: &Covered<'_>, created_s: i64, nonce: [u8; 16], device: &str) -> ProofHeaders {
    let content_digest = content_digest(&Sha256::digest(request.body).into());
    let parameters = parameters(created_s, &nonce, device);
    let signature = key.sign(base(request.method, request.path, &content_digest, &parameters).as_bytes());
    ProofHeaders {
        content_digest,
        signature_input: format!("sig1={parameters}"),
        signature: format!("sig1=:{}:", STANDARD.encode(signature.to_bytes())),
    }
}

/// Reads the values of the three headers as received.
///
/// # Errors
/// The first deviation from the profile; never [`ProofError::Body`] or [`ProofError::Signature`].
pub fn parse(signature_input: &str, signature: &str, content_digest: &str) -> Result<Claim, ProofError> {
    if [signature_input, signature, content_digest].iter().any(|value| value.len() > MAX_HEADER_BYTES) {
        return Err(ProofError::TooLong);
    }
    let parameters = signature_input
        .strip_prefix("sig1=")
        .and_then(|value| value.strip_prefix(COMPONENTS))
        .ok_or(ProofError::Components)?;
    let (created, nonce, device) = split(parameters).ok_or(ProofError::Parameters)?;

    let plain = created == "0" || !created.starts_with('0');
    if !plain || created.len() > 15 || !created.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(ProofError::Created);
    }
    let visible = device.bytes().all(|byte| byte.is_ascii_graphic());
    if device.is_empty() || device.len() > MAX_DEVICE_BYTES || !visible {
        return Err(ProofError::Device);
    }
    Ok(Claim {
        device: device.to_owned(),
        created_s: created.parse().map_err(|_| ProofError::Created)?,
        nonce: decode(nonce).ok_or(ProofError::Nonce)?,
        digest: byte_sequence(content_digest, "sha-256=").ok_or(ProofError::ContentDigest)?,
        signature: byte_sequence(signature, "sig1=").ok_or(ProofError::SignatureForm)?,
    })
}

impl Claim {
    /// Holds the claim against the request that carried it and the key of [`Claim::device`].
    ///
    /// # Errors
    /// [`ProofError::Body`] if the digest is another body's; [`ProofError::Signature`] if the key did not sign this
    /// method, path, digest and these parameters, or is a weak key.
    pub fn verify(&self, key: &VerifyingKey, request: &Covered<'_>) -> Result<(), ProofError> {
        self.verify_body(request.body)?;
        self.verify_signature(key, request.method, request.path)
    }

    /// Holds the body against the digest that was signed: half of [`Claim::verify`].
    ///
    /// # Errors
    /// [`ProofError::Body`].
    pub fn verify_body(&self, body: &[u8]) -> Result<(), ProofError> {
        if Sha256::digest(body)[..] == self.digest { Ok(()) } else { Err(ProofError::Body) }
    }

    /// Holds the signature against a key, before the body is there: the other half of [`Claim::verify`].
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify_signature(&self, key: &VerifyingKey, method: &str, path: &str) -> Result<(), ProofError> {
        // The grammar leaves no choice of spelling, so what was signed is rebuilt instead of kept.
        let parameters = parameters(self.created_s, &self.nonce, &self.device);
        let base = base(method, path, &content_digest(&self.digest), &parameters);
        key.verify_strict(base.as_bytes(), &Signature::from_bytes(&self.signature)).map_err(|_| ProofError::Signature)
    }

    /// Seconds from `created` to `now_s` (seconds since 1970-01-01 UTC); negative if it was made in the future.
    pub fn age_s(&self, now_s: i64) -> i64 {
        now_s.saturating_sub(self.created_s)
    }

    /// Whether the proof was made at most [`MAX_AGE_S`] before or after `now_s`. If not, the answer is 401 with the
    /// server's time, by which the device corrects its clock.
    pub fn is_fresh(&self, now_s: i64) -> bool {
        self.age_s(now_s).unsigned_abs() <= MAX_AGE_S
    }
}

const COMPONENTS: &str = r#"("@method" "@path" "content-digest")"#;

/// The signature parameters (RFC 9421, 2.3): value of the signature input without its label, last line of the base.
fn parameters(created_s: i64, nonce: &[u8; 16], device: &str) -> String {
    let nonce = STANDARD.encode(nonce);
    format!(r#"{COMPONENTS};created={created_s};nonce="{nonce}";keyid="{device}";alg="ed25519""#)
}

/// Takes `;created=…;nonce="…";keyid="…";alg="ed25519"` apart into the first three values.
fn split(parameters: &str) -> Option<(&str, &str, &str)> {
    let (created, rest) = parameters.strip_prefix(";created=")?.split_once(r#";nonce=""#)?;
    let (nonce, rest) = rest.split_once(r#"";keyid=""#)?;
    let device = rest.strip_suffix(r#"";alg="ed25519""#)?;
    let further = [created, nonce, device].iter().any(|value| value.contains(['"', ';', '\\']));
    (!further).then_some((created, nonce, device))
}

/// The signature base (RFC 9421, 2.5).
fn base(method: &str, path: &str, content_digest: &str, parameters: &str) -> String {
    format!(
        "\"@method\": {method}\n\"@path\": {path}\n\"content-digest\": {content_digest}\n\"@signature-params\": {parameters}"
    )
}

fn content_digest(digest: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest))
}

/// A dictionary of one byte sequence (RFC 8941, 3.2 and 3.3.5) of `N` bytes: `key`, then `:base64:`.
fn byte_sequence<const N: usize>(value: &str, key: &str) -> Option<[u8; N]> {
    decode(value.strip_prefix(key)?.strip_prefix(':')?.strip_suffix(':')?)
}

/// Base64 with padding of exactly `N` bytes, in its one spelling.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}
