//! Access tokens of staff: JSON Web Tokens (RFC 7519) with HS256, for a quarter of an hour.
//!
//! A token says who, and in which session; whether that goes on, and what the person may do, is read from the registry at
//! each request.
//!
//! **Invariant:** one algorithm, one issuer, one audience; a token with any other is none.

use crate::limits::ACCESS_TOKEN_S;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_domain::instant::Instant;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// Issuer and audience: an installation issues tokens for itself.
const ISSUER: &str = "gridwork";
const AUDIENCE: &str = "gridwork-api";

/// The key and the rules of this installation's tokens.
pub(crate) struct AccessTokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    rules: Validation,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: StaffId,
    sid: SessionId,
    iat: u64,
    exp: u64,
}

/// A text that is not a token of this installation, or one that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token does not hold: sign in again")]
pub(crate) struct NotAToken;

impl AccessTokens {
    /// Tokens under this secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.leeway = 0;
        Self { signing: EncodingKey::from_secret(secret), verifying: DecodingKey::from_secret(secret), rules }
    }

    /// A token for a session of a member of staff, from `now` for [`ACCESS_TOKEN_S`] seconds.
    ///
    /// # Errors
    /// As the library says; there is no known case.
    pub(crate) fn issue(
        &self,
        staff: StaffId,
        session: SessionId,
        now: Instant,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = u64::try_from(now.ms() / 1_000).unwrap_or(0);
        let exp = iat + ACCESS_TOKEN_S;
        let claims = Claims { iss: ISSUER.to_owned(), aud: AUDIENCE.to_owned(), sub: staff, sid: session, iat, exp };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// Who holds a token, and in which session.
    ///
    /// # Errors
    /// [`NotAToken`].
    pub(crate) fn verify(&self, token: &str) -> Result<(StaffId, SessionId), NotAToken> {
        let verified = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.rules).map_err(|_| NotAToken)?;
        Ok((verified.claims.sub, verified.claims.sid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const SECRET: &[u8] = &[7; 32];
    const STAFF: StaffId = StaffId::from_bytes([3; 16]);
    const SESSION: SessionId = SessionId::from_bytes([4; 16]);

    fn claims() -> serde_json::Value {
        let now = crate::clock::now().ms() / 1_000;
        serde_json::json!({"iss": ISSUER, "aud": AUDIENCE, "sub": STAFF, "sid": SESSION, "iat": now, "exp": now + 60})
    }

    fn sign(algorithm: Algorithm, claims: &serde_json::Value, secret: &[u8]) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).expect("a token")
    }

    #[test]
    fn a_token_says_who_holds_it() {
        let tokens = AccessTokens::new(SECRET);
        let token = tokens.issue(STAFF, SESSION, crate::clock::now()).expect("a token");
        assert_eq!(tokens.verify(&token), Ok((STAFF, SESSION)));
    }

    #[test]
    fn a_token_ends() {
        let tokens = AccessTokens::new(SECRET);
        let long_ago = crate::clock::now().plus_ms(-1_000 * (ACCESS_TOKEN_S as i64 + 1));
        let token = tokens.issue(STAFF, SESSION, long_ago).expect("a token");
        assert_eq!(tokens.verify(&token), Err(NotAToken));
    }

    #[test]
    fn a_token_of_another_algorithm_secret_issuer_or_audience_is_none() {
        let tokens = AccessTokens::new(SECRET);
        assert_eq!(tokens.verify(&sign(Algorithm::HS256, &claims(), SECRET)), Ok((STAFF, SESSION)));
        assert_eq!(tokens.verify(&sign(Algorithm::HS384, &claims(), SECRET)), Err(NotAToken));
        assert_eq!(tokens.verify(&sign(Algorithm::HS256, &claims(), &[8; 32])), Err(NotAToken));
        for claim in ["iss", "aud", "sub", "sid", "exp"] {
            let mut other = claims();
            other[claim] = "other".into();
            assert_eq!(tokens.verify(&sign(Algorithm::HS256, &other, SECRET)), Err(NotAToken), "{claim}");
            let mut without = claims();
            without.as_object_mut().expect("claims").remove(claim);
            assert_eq!(tokens.verify(&sign(Algorithm::HS256, &without, SECRET)), Err(NotAToken), "{claim}");
        }
    }

    #[test]
    fn a_token_without_a_signature_is_none() {
        let tokens = AccessTokens::new(SECRET);
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        for token in [format!("{head}.{body}."), format!("{head}.{body}"), String::new(), "..".to_owned()] {
            assert_eq!(tokens.verify(&token), Err(NotAToken), "{token}");
        }
    }
}
