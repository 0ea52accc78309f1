//! Access tokens that carry a tenant and its capabilities: strict EdDSA JWTs with a JWK Set.
//!
//! The profile is closed: one algorithm, one type, three header members, `exp`, `aud` and `iss`
//! always present, no member twice, at most an hour of life. What a general JWT library leaves to
//! its caller's options is not optional here. The format is `docs/spec/access-token.md`.
//!
//! ```
//! use strongroom_tenancy::{Actor, CapabilitySet};
//! use strongroom_tenant_token::{
//!     ACCESS_TOKEN_LIFETIME, Claims, JwkSet, SigningKey, TokenError, Verifier, mint,
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

mod claims;
mod error;
mod jwks;
mod key;
mod mint;
mod strict_json;
mod verifier;

pub use claims::Claims;
pub use error::TokenError;
pub use jwks::{JwkSet, JwkSetError, MAX_KEYS};
pub use key::{PublicKey, PublicKeyError, RandomnessError, SigningKey};
pub use mint::{ACCESS_TOKEN_LIFETIME, MintError, mint};
pub use verifier::{LEEWAY, MAX_LIFETIME, MAX_TOKEN_BYTES, Rejection, VerifiedToken, Verifier};
