//! Envelope encryption of records under per-tenant keys, with a pluggable KMS.
//!
//! Each record is sealed under a fresh data-encryption key (DEK); the DEK is wrapped by a key that
//! belongs to one tenant and never leaves its [`Kms`]. A sealed record opens only for the tenant
//! and the [`EncryptionContext`] that it was sealed for, and commits to its DEK: it has one
//! plaintext, under one key. The format is `docs/spec/envelope.md`.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use strongroom_envelope::{
//!     EncryptionContext, KeyAdmin, KeyRef, LocalKms, Recipient, open, seal,
//! };
//! use strongroom_tenancy::TenantId;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("keys");
//! # pollster::block_on(async {
//! let kms = LocalKms::create(&path)?;
//! let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let key: KeyRef = "root".parse()?;
//! kms.create(&tenant, &key).await?;
//!
//! let context = EncryptionContext::new([("purpose", "provider-credential")])?;
//! let root = Recipient::new(&kms, &key);
//! let sealed = seal(&[root], &tenant, &context, b"sk-example").await?;
//! let opened = open(&[root], &tenant, &context, &sealed).await?;
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
mod cache;
mod chunked;
mod compact;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod data_key;
mod dek;
mod derive;
mod envelope;
mod errors;
#[cfg(feature = "fips")]
pub mod fips;
mod hash;
pub mod hazmat;
mod head;
mod header;
mod kek;
mod key_ref;
mod key_wrap;
mod kms;
mod layers;
#[cfg(feature = "std")]
mod local;
mod lookup;
mod mac;
mod provider;
mod purpose;
mod random;
mod recipients;
mod shred;
pub mod stream;
mod stream_key;
mod tenant_keys;
mod wipe;
mod xaes;

pub use cache::{CacheError, CacheGeneration, CacheLimits, KeyCache};
pub use compact::MAX_COMPACT;
pub use context::{ContextError, EncryptionContext, MAX_CONTEXT_PAIRS, MAX_CONTEXT_TEXT};
pub use data_key::{DataKey, KeyLimits};
pub use dek::{Dek, DekId, RandomnessError};
pub use envelope::{MAX_KMS_CALLS, Recipient, open, seal};
pub use errors::{OpenError, SealError};
pub use header::{HeaderError, MAX_HEADER, MAX_WRAPPED, MAX_WRAPS, Suite};
pub use kek::{KekRecord, KekState, RotationPeriod};
pub use key_ref::{KeyRef, KeyRefError};
pub use kms::{
    Destruction, KeyAdmin, KeyDescription, KeyState, Kms, KmsError, KmsFuture, WrappedDek,
};
pub use layers::{LayerError, Layers};
#[cfg(feature = "std")]
pub use local::{KeyringError, LocalKms};
pub use lookup::{LookupKey, LookupTenantError, TagLength, TagLengthError};
pub use provider::Provider;
pub use purpose::Purpose;
pub use recipients::{
    Inspection, KeyLocation, RewrapError, add_recipients, inspect, remove_recipient, rewrap,
};
pub use shred::{DEFAULT_BACKUP_RETENTION_DAYS, ShredReceipt};
pub use tenant_keys::TenantKeys;
pub use wipe::Plaintext;
