//! Envelope encryption of records under per-tenant keys, with a pluggable KMS.
//!
//! Each record is sealed under a fresh data-encryption key (DEK); the DEK is wrapped by a key that
//! belongs to one tenant and never leaves its [`Kms`]. A sealed record opens only for the tenant
//! and the [`EncryptionContext`] that it was sealed for, and commits to its DEK: it has one
//! plaintext, under one key. The format is `docs/spec/envelope.md`.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use strongroom_envelope::{EncryptionContext, KeyAdmin, KeyRef, LocalKms, open, seal};
//! use strongroom_tenancy::TenantId;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("keyring");
//! # pollster::block_on(async {
//! let kms = LocalKms::create(&path)?;
//! let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let key: KeyRef = "tenant-root".parse()?;
//! kms.create(&tenant, &key).await?;
//!
//! let context = EncryptionContext::new([("purpose", "provider-credential")])?;
//! let sealed = seal(&kms, &key, &tenant, &context, b"sk-example").await?;
//! let opened = open(&kms, &[key], &tenant, &context, &sealed).await?;
//! assert_eq!(opened.as_slice(), b"sk-example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! AES-256-GCM comes from AWS-LC (feature `aws-lc`, on by default) or from RustCrypto (feature
//! `rustcrypto`); the bytes are the same. With both on, AWS-LC does the work.

#![forbid(unsafe_code)]

#[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
compile_error!("strongroom-envelope needs a cipher: turn on `aws-lc` or `rustcrypto`");

mod aead;
mod body;
mod context;
mod dek;
mod derive;
mod envelope;
pub mod hazmat;
mod header;
mod key_ref;
mod kms;
mod local;

pub use context::{ContextError, EncryptionContext, MAX_CONTEXT_PAIRS, MAX_CONTEXT_TEXT};
pub use dek::{Dek, RandomnessError};
pub use envelope::{MAX_KMS_CALLS, OpenError, SealError, open, read_wraps, seal};
pub use header::{HeaderError, MAX_HEADER, MAX_PLAINTEXT, MAX_WRAPPED, MAX_WRAPS};
pub use key_ref::{KeyRef, KeyRefError};
pub use kms::{KeyAdmin, Kms, KmsError, KmsFuture, WrappedDek};
#[cfg(feature = "std")]
pub use local::{KeyringError, LocalKms};
