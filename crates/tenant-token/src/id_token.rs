//! ID tokens of other issuers (OpenID Connect Core 1.0, Firebase Authentication), read as strictly
//! as our own access tokens.
//!
//! What is here decides everything but whether a signature holds: RS256 and ES256 are the caller's
//! library's, which is asked for that alone. [`PresentedToken::parse`] reads the header,
//! [`IssuerKeys`] is the issuer's JWK Set, kept in a [`KeyCache`](crate::KeyCache), and
//! [`PresentedToken::verify`] reads the claims once the signature over them holds.
//!
//! ```
//! use strongroom_tenant_token::id_token::{
//!     Algorithm, Expected, IdTokenError, IssuerKeys, PresentedToken, Profile,
//! };
//!
//! let keys = IssuerKeys::parse(
//!     r#"{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","use":"sig","alg":"ES256",
//!         "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
//!         "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
//! )?;
//! let expected = Expected {
//!     profile: Profile::Oidc,
//!     issuer: "https://login.example.com".to_owned(),
//!     client_id: "console".to_owned(),
//!     algorithms: vec![Algorithm::Es256],
//!     max_age: 600,
//! };
//! // {"alg":"ES256","kid":"k1"}.{"iss":"https://login.example.com"} and no signature worth the name.
//! let token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0\
//!     .eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIn0.AAAA";
//! let presented = PresentedToken::parse(token)?;
//! assert_eq!(presented.kid(), "k1");
//! let refused = presented
//!     .verify(&expected, &keys, None, 1_800_000_000, |_signed| false)
//!     .unwrap_err();
//! assert_eq!(refused.error(), IdTokenError::BadSignature);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod error;
mod keys;
mod presented;

pub use claims::{Expected, MAX_AGE, MAX_LIFETIME, Profile, VerifiedIdToken};
pub use error::{IdTokenError, IdTokenRejection};
pub use keys::{IssuerKey, IssuerKeys, IssuerKeysError, KeyFlaw, KeyMaterial};
pub use presented::{
    Algorithm, MAX_ID_TOKEN_BYTES, PresentedToken, Signed, UnknownIdTokenAlgorithm,
};
