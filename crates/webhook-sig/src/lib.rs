//! Webhook signatures by Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`.
//!
//! A sender calls [`sign`]; a receiver collects a [`HeaderSet`] and asks a [`Verifier`], which
//! refuses a stale message before its body is read and hashes the body as it arrives. A
//! [`ReplayGuard`] then tells a first delivery from a retry and from a replay. The format, and
//! every refusal, is written down in `docs/spec/webhook.md`.
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
//! let verifier = Verifier::new(vec![secret])?;
//! let headers = signed.headers();
//! let received = HeaderSet::collect(headers.iter().map(|(name, value)| (*name, value.as_bytes())))?;
//! let verified = verifier.verify(&received, body, 1_614_265_400)?;
//! assert_eq!(verified.message_id().as_str(), "msg_1");
//! assert!(verifier.verify(&received, b"another body", 1_614_265_400).is_err());
//! # Ok::<(), strongroom_webhook_sig::WebhookError>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod header;
mod memory;
mod message;
mod replay;
mod secret;
mod sign;
mod verify;

pub use error::{Header, WebhookError};
pub use header::{HeaderSet, MAX_HEADER_BYTES, MAX_SIGNATURES};
pub use memory::MemoryReplayGuard;
pub use message::MessageId;
pub use replay::{Claim, ReplayGuard};
pub use secret::SigningSecret;
pub use sign::{Signed, sign, sign_with_all};
pub use verify::{BodyVerifier, DEFAULT_BODY_LIMIT, DEFAULT_TOLERANCE, Verified, Verifier};
