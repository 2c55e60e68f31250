//! A device's proof in the headers of a request (see `gridwork_sync::proof`).
//!
//! It knows neither devices nor keys.
//!
//! **Invariant:** a [`Proof`] is fresh, came in exactly one header of each kind, on a request without a query; nothing
//! in it is true before [`Proof::verify_signature`] and [`Proof::verify_body`] have agreed.

use crate::limits::SMALLEST_BLOCKING_BODY_BYTES;
use crate::problem::{Kind, Problem, Sentence};
use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use ed25519_dalek::VerifyingKey;
use gridwork_domain::instant::Instant;
use gridwork_registry::Nonce;
use gridwork_sync::proof::{self, Claim, ProofError};
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, Required};

/// What a request claims of who made it.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    claim: Claim,
    method: String,
    path: String,
}

impl Proof {
    /// The proof of a request.
    ///
    /// # Errors
    /// A problem if a header is missing, repeated or not of the profile, if there is a query, and with the server's time
    /// if the proof is not of now.
    pub(crate) fn of(request: &HttpRequest, now: Instant) -> Result<Self, Problem> {
        if request.uri().query().is_some() {
            return Err(Problem::new(Kind::Malformed, Sentence::ProofQuery));
        }
        let headers = request.headers();
        let claim = proof::parse(
            one(headers, proof::SIGNATURE_INPUT)?,
            one(headers, proof::SIGNATURE)?,
            one(headers, proof::CONTENT_DIGEST)?,
        )?;
        let (method, path) = (request.method().as_str().to_owned(), request.uri().path().to_owned());
        let proof = Self { claim, method, path };
        proof.check_age(now)?;
        Ok(proof)
    }

    /// Refuses a proof that is not of now. Asked again after a slow body: a nonce is remembered only for as long as its
    /// proof is fresh.
    ///
    /// # Errors
    /// A problem with the server's time.
    pub(crate) fn check_age(&self, now: Instant) -> Result<(), Problem> {
        if self.claim.is_fresh(now.ms().div_euclid(1_000)) { Ok(()) } else { Err(Problem::stale_clock(now)) }
    }

    /// The key id that is claimed: the id of a device, or the spelling of a new key.
    pub(crate) fn key_id(&self) -> &str {
        &self.claim.device
    }

    /// The nonce, which is used once.
    pub(crate) fn nonce(&self) -> Nonce {
        Nonce { bytes: self.claim.nonce, created_s: self.claim.created_s }
    }

    /// Holds the proof against a public key. The body is still to be held against its digest.
    ///
    /// # Errors
    /// A problem if the key is none, or did not sign this request.
    pub(crate) fn verify_signature(&self, public_key: &[u8; 32]) -> Result<(), Problem> {
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| ProofError::Signature)?;
        Ok(self.claim.verify_signature(&key, &self.method, &self.path)?)
    }

    /// Holds the body as it was transferred against the digest that was signed.
    ///
    /// # Errors
    /// A problem if it is another body.
    pub(crate) async fn verify_body(self: Arc<Self>, body: Bytes) -> Result<(), Problem> {
        if body.len() < SMALLEST_BLOCKING_BODY_BYTES {
            return Ok(self.claim.verify_body(&body)?);
        }
        let verified = tokio::task::spawn_blocking(move || self.claim.verify_body(&body)).await;
        Ok(verified.map_err(Problem::internal)??)
    }
}

impl IntoParams for Proof {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name: &str, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::True)
                .description(Some(description))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build()
        };
        vec![
            header("Content-Digest", "`sha-256=:` base64 of the digest of the body as transferred `:` (RFC 9530)."),
            header(
                "Signature-Input",
                "`sig1=(\"@method\" \"@path\" \"content-digest\");created=…;nonce=\"…\";keyid=\"…\";alg=\"ed25519\"` (RFC \
                 9421, 4.1): seconds since 1970, base64 of 16 random bytes, the key id.",
            ),
            header("Signature", "`sig1=:` base64 of the Ed25519 signature `:` (RFC 9421, 4.2)."),
        ]
    }
}

fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name);
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Problem::new(Kind::Unauthenticated, Sentence::ProofHeader(name))),
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        Self::new(Kind::Unauthenticated, Sentence::Proof(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use ed25519_dalek::SigningKey;
    use gridwork_sync::proof::Covered;

    const BODY: &[u8] = b"body";
    const NOW_S: i64 = 1_790_000_000;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[5; 32])
    }

    fn signed(uri: &str, created_s: i64) -> TestRequest {
        let covered = Covered { method: "POST", path: "/v1/sync", body: BODY };
        let headers = proof::sign(&key(), &covered, created_s, [1; 16], "AAAAAAAAAAAAAAAAAAAAAA");
        TestRequest::post()
            .uri(uri)
            .insert_header((proof::CONTENT_DIGEST, headers.content_digest))
            .insert_header((proof::SIGNATURE_INPUT, headers.signature_input))
            .insert_header((proof::SIGNATURE, headers.signature))
    }

    fn read(request: TestRequest) -> Result<Proof, Problem> {
        Proof::of(&request.to_http_request(), Instant::from_ms(NOW_S * 1_000))
    }

    async fn verify(proof: Proof, key: [u8; 32], body: &'static [u8]) -> Result<(), StatusCode> {
        proof.verify_signature(&key).map_err(|problem| problem.status())?;
        Arc::new(proof).verify_body(Bytes::from_static(body)).await.map_err(|problem| problem.status())
    }

    #[actix_web::test]
    async fn a_request_that_the_key_signed_is_proven() {
        let proof = read(signed("/v1/sync", NOW_S)).expect("a proof");
        assert_eq!(proof.key_id(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(verify(proof, key().verifying_key().to_bytes(), BODY).await, Ok(()));
    }

    #[actix_web::test]
    async fn another_body_key_or_path_is_not() {
        let public_key = key().verifying_key().to_bytes();
        let proof = read(signed("/v1/sync", NOW_S)).expect("a proof");
        assert_eq!(verify(proof.clone(), public_key, b"other").await, Err(StatusCode::UNAUTHORIZED));
        let other = SigningKey::from_bytes(&[6; 32]).verifying_key().to_bytes();
        assert_eq!(verify(proof.clone(), other, BODY).await, Err(StatusCode::UNAUTHORIZED));
        assert_eq!(verify(proof, [0; 32], BODY).await, Err(StatusCode::UNAUTHORIZED));
        let elsewhere = read(signed("/v1/enrolments", NOW_S)).expect("a proof");
        assert_eq!(verify(elsewhere, public_key, BODY).await, Err(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn a_proof_of_another_time_is_answered_with_the_servers_time() {
        for created_s in [NOW_S - 301, NOW_S + 301] {
            let problem = read(signed("/v1/sync", created_s)).expect_err("refused");
            assert_eq!(problem.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(problem.server_time(), Some(Instant::from_ms(NOW_S * 1_000)));
        }
    }

    #[test]
    fn a_repeated_or_missing_header_and_a_query_are_refused() {
        let repeated = signed("/v1/sync", NOW_S).append_header((proof::SIGNATURE, "sig1=:AA==:"));
        assert_eq!(read(repeated).expect_err("refused").status(), StatusCode::UNAUTHORIZED);
        assert_eq!(read(TestRequest::post()).expect_err("refused").status(), StatusCode::UNAUTHORIZED);
        let query = signed("/v1/sync?a=b", NOW_S);
        assert_eq!(read(query).expect_err("refused").status(), StatusCode::BAD_REQUEST);
    }
}
