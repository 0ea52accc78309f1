//! A [`Kms`](strongroom_envelope::Kms) whose keys never leave a PKCS#11 token, such as an HSM.
//!
//! Each version of a tenant's key is an AES-256 key object that the token generated: sensitive,
//! not extractable, found by its tenant, name and version. Wrapping and unwrapping are AES-GCM
//! inside the token, with the tenant, key, version and purpose as associated data, so that a wrap opens for
//! nobody else. What the token needs, and how keys lie in it, is `docs/operating/kms-pkcs11.md`.
//!
//! ```no_run
//! use strongroom_envelope::{EncryptionContext, KeyAdmin, KeyRef, Recipient, seal};
//! use strongroom_envelope_pkcs11::{Limits, Pin, Pkcs11Admin, Pkcs11Kms, Token};
//! use strongroom_tenancy::TenantId;
//!
//! # pollster::block_on(async {
//! let pin = Pin::read("/etc/strongroom/token-pin")?;
//! let token = Token::load("/usr/lib/softhsm/libsofthsm2.so", "strongroom", pin)?;
//! let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let key: KeyRef = "root".parse()?;
//! Pkcs11Admin::connect(&token, Limits::default())?.create(&tenant, &key).await?;
//!
//! let kms = Pkcs11Kms::connect(&token, Limits::default())?;
//! let context = EncryptionContext::new([("purpose", "provider-credential")])?;
//! let sealed = seal(&[Recipient::new(&kms, &key)], &tenant, &context, b"sk-example").await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A token blocks its caller, and may do so for ever. So a few threads of their own hold a session
//! each and take calls from a bounded queue; a call that is not answered in time fails with
//! [`KmsError::Unavailable`](strongroom_envelope::KmsError), whatever the token does. No async
//! runtime is needed, and any will do.

#![forbid(unsafe_code)]

mod admin;
mod answer;
mod deadlines;
mod failure;
mod kms;
mod limits;
mod line;
mod objects;
mod pin;
mod pool;
mod token;
mod wrap;

pub use admin::Pkcs11Admin;
pub use kms::Pkcs11Kms;
pub use limits::Limits;
pub use pin::{Pin, PinError};
pub use token::{Token, TokenError};
