//! Webhook signatures: signed by a sender, verified by a receiver, each message handled once.
//!
//! A sender calls [`sign`], or keeps a [`Signer`]; a receiver collects a [`HeaderSet`] and asks a
//! [`Verifier`], which refuses a stale message before its body is read and hashes the body as it
//! arrives. A [`ReplayGuard`] then tells a first delivery from a retry and from a replay. The
//! format is Standard Webhooks, with shared secrets (`v1`) and with Ed25519 (`v1a`), or another
//! [`Scheme`] when it is chosen. Every format and every refusal is written down in
//! `docs/spec/webhook.md`.
//!
//! Nothing here reads a clock: `now` is always a parameter, in Unix seconds.
//!
//! ```
//! use strongroom_webhook_sig::{HeaderSet, SigningSecret, Verifier, sign};
//!
//! let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse()?;
//! let body = br#"{"test": 2432232314}"#;
//! let signed = sign(&secret, &"msg_1".parse()?, 1_614_265_330, body);
//!
//! let verifier = Verifier::new([secret])?;
//! let headers = signed.headers();
//! let received = HeaderSet::collect(headers.iter().map(|(name, value)| (*name, value.as_bytes())))?;
//! let verified = verifier.verify(&received, body, 1_614_265_400)?;
//! assert_eq!(verified.message_id().as_str(), "msg_1");
//! assert!(verifier.verify(&received, b"another body", 1_614_265_400).is_err());
//! # Ok::<(), strongroom_webhook_sig::WebhookError>(())
//! ```
//!
//! # Features
//! - `tower`: `WebhookLayer`, in front of a handler, lets only verified requests through.
//! - `conformance`: the tests that every [`ReplayGuard`] must pass.

#![forbid(unsafe_code)]

mod asymmetric;
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod header;
mod key;
#[cfg(feature = "tower")]
mod layer;
mod memory;
mod message;
mod replay;
mod scheme;
mod secret;
mod sign;
mod signatures;
mod text_secret;
mod undated;
mod verify;

pub use asymmetric::{SigningKey, VerifyingKey};
pub use error::{Header, WebhookError};
pub use header::{HeaderSet, MAX_HEADER_BYTES, MAX_SIGNATURES};
pub use key::{ReceiverKey, SenderKey};
#[cfg(feature = "tower")]
pub use layer::{WebhookLayer, WebhookService};
pub use memory::{DEFAULT_LEASE, MemoryReplayGuard};
pub use message::MessageId;
pub use replay::{Claim, ReplayFuture, ReplayGuard};
pub use scheme::Scheme;
pub use secret::SigningSecret;
pub use sign::{Signed, Signer, sign};
pub use text_secret::GithubSecret;
pub use undated::{Undated, UndatedBodyVerifier, UndatedHeaders, UndatedVerifier, sign_undated};
pub use verify::{BodyVerifier, DEFAULT_BODY_LIMIT, DEFAULT_TOLERANCE, Verified, Verifier};
