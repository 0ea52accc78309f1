//! Tokens that carry a tenant and its capabilities: strict JWTs with the keys, caches, revocations
//! and refresh tokens around them.
//!
//! An access token is a closed profile: EdDSA unless ES256 is chosen, one type, three header members, `exp`, `aud` and `iss`
//! always present, no member twice, at most an hour of life. What a general JWT library leaves to
//! its caller's options is not optional here. The format is `docs/spec/access-token.md`.
//!
//! An issuer moves its keys through a [`KeyRing`] and publishes a [`JwkSet`]; a service keeps that
//! in a [`KeyCache`], and what it verified in a [`TokenCache`], which asks for revocations on each
//! hit. [`refresh`] has the tokens that renew, [`id_token`] reads those of other issuers.
//!
//! ```
//! use strongroom_tenancy::{Actor, CapabilitySet};
//! use strongroom_tenant_token::{
//!     ACCESS_TOKEN_LIFETIME, Authentication, Claims, JwkSet, SigningKey, TokenError, Verifier, mint,
//! };
//!
//! let key = SigningKey::generate()?;
//! let now = 1_800_000_000;
//! let claims = Claims {
//!     issuer: "https://id.example.com".to_owned(),
//!     audience: "https://api.example.com".to_owned(),
//!     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
//!     actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
//!     capabilities: "chat:create".parse::<CapabilitySet>()?,
//!     issued_at: now,
//!     expires_at: now + ACCESS_TOKEN_LIFETIME,
//!     token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120004".parse()?,
//!     session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
//!     client_id: "console".to_owned(),
//!     authentication: Authentication::at(now),
//!     epoch: 0,
//! };
//! let token = mint(&key, &claims)?;
//!
//! let published = JwkSet::of(&[key.public_key()]).to_json();
//! let verifier = Verifier::new(
//!     "https://id.example.com",
//!     "https://api.example.com",
//!     JwkSet::parse(&published)?,
//! );
//! assert_eq!(verifier.verify(&token, now + 60)?.claims(), &claims);
//!
//! let refused = verifier.verify(&token, now + 3_600).unwrap_err();
//! assert_eq!(refused.error(), TokenError::Expired);
//! // The signature held, so the refusal can go into the tenant's audit log.
//! assert_eq!(refused.tenant(), Some(claims.tenant));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod algorithm;
mod claims;
mod error;
pub mod hazmat;
pub mod id_token;
mod jwks;
mod key;
mod key_cache;
mod key_ring;
mod mint;
mod public_key;
pub mod refresh;
mod revocation;
mod strict_json;
mod token_cache;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use claims::{Authentication, Claims};
pub use error::TokenError;
pub use jwks::{JwkSet, JwkSetError, MAX_KEYS};
pub use key::{PrivateKeyError, RandomnessError, SigningKey};
pub use key_cache::{KeyCache, KeySet, Refresh};
pub use key_ring::{
    KeyEntry, KeyRing, KeyRingError, KeyState, RotationPolicy, RotationPolicyError,
};
pub use mint::{ACCESS_TOKEN_LIFETIME, MintError, mint};
pub use public_key::{PublicKey, PublicKeyError};
pub use revocation::{Revocation, RevocationList, Standing};
pub use token_cache::{Authentic, TokenCache};
pub use verifier::{LEEWAY, MAX_LIFETIME, MAX_TOKEN_BYTES, Rejection, VerifiedToken, Verifier};
