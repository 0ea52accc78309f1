//! The [`Kms`](strongroom_envelope::Kms) of `strongroom-envelope` over AWS KMS.
//!
//! [`AwsKms`] wraps and unwraps data-encryption keys with `Encrypt`, `Decrypt` and `ReEncrypt`;
//! [`AwsKeyAdmin`] creates, rotates, disables and destroys KMS keys. They are two types so that
//! what seals and opens can run as an IAM role without the right to destroy. Each tenant has KMS
//! keys of its own, found by alias, or brings its own by ARN ([`BroughtKeys`]). How to set it up is
//! `docs/operating/kms-aws.md`.
//!
//! Calls run on a Tokio runtime, as AWS's SDK does. The SDK is re-exported as [`aws_sdk_kms`], so
//! that its configuration can be named in the version that this crate takes.
//!
//! ```
//! use aws_sdk_kms::config::{Builder, Region};
//! use strongroom_envelope::{Purpose, Dek, KeyRef, Kms as _, KmsError};
//! use strongroom_envelope_aws::{AwsKms, BroughtKeys, CallLimits, KeyArn, aws_sdk_kms};
//! use strongroom_tenancy::TenantId;
//!
//! let acme: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let other: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?;
//! let arn: KeyArn =
//!     "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse()?;
//! let mut brought = BroughtKeys::new();
//! brought.add(acme, arn.clone())?;
//!
//! let config = Builder::new().region(Region::new("eu-central-1"));
//! let kms = AwsKms::new(config, CallLimits::default()).with_brought_keys(brought);
//!
//! // Acme's key is refused to everybody else, without a call.
//! let dek = Dek::generate()?;
//! let refused = pollster::block_on(kms.wrap(&other, arn.as_key_ref(), &Purpose::Record, &dek));
//! assert_eq!(refused, Err(KmsError::Denied));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//! The encryption context of every call is the tenant's id and the key's name. AWS writes it to
//! CloudTrail in clear.
//!
//! A data-encryption key is wiped where this crate holds it. The SDK's own copies are not: the
//! request's body (of a wrap) and the answer's (of an unwrap), in JSON, and what HTTP and TLS
//! buffer of them. A rewrap has none: the key stays within AWS KMS. No copy reaches the SDK's log,
//! at any level.

#![forbid(unsafe_code)]

pub use aws_sdk_kms;

mod admin;
mod client;
mod failure;
mod key_id;
mod kms;
mod metadata;

pub use admin::{AwsKeyAdmin, PendingWindow, PendingWindowError};
pub use client::CallLimits;
pub use key_id::{BroughtKeys, KeyArn, KeyArnError, KeyTaken};
pub use kms::AwsKms;
