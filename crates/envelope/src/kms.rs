//! The KMS: where wrapping keys live, and the one place that outsiders plug in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use strongroom_tenancy::TenantId;

use crate::dek::Dek;
use crate::derive;
use crate::key_ref::KeyRef;
use crate::provider::Provider;
use crate::purpose::Purpose;

/// What a KMS call returns: a boxed future, so that the traits can be used as `dyn`.
pub type KmsFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KmsError>> + Send + 'a>>;

/// Wraps and unwraps data-encryption keys under keys that never leave it.
///
/// An implementation binds each wrap to its tenant, key, version and purpose, such as by handing
/// [`WrappedDek::associated_data`] to an authenticated cipher: a wrap that was made for one tenant
/// must not unwrap for another, nor for another purpose, whatever the wrap itself claims. Calls may run concurrently. Each
/// ends in bounded time, with [`KmsError::Unavailable`] when the KMS does not answer.
///
/// The feature `conformance` has the tests that every implementation must pass.
pub trait Kms: Send + Sync {
    /// What kind of KMS this is; the same in each of its wraps.
    fn provider(&self) -> Provider;

    /// Wraps a key under the active version of the tenant's key.
    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek>;

    /// Unwraps a key that was wrapped for this purpose, under the version that the wrap names.
    /// `wrapped` is untrusted input.
    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek>;

    /// Wraps what is wrapped again, for the same purpose, under the active version of `key`; the
    /// old wrap stays good.
    ///
    /// A KMS that can do so without handing out the key overrides this.
    fn rewrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            let dek = self.unwrap(tenant, purpose, wrapped).await?;
            self.wrap(tenant, key, purpose, &dek).await
        })
    }

    /// Tells a key's state and the version that wraps.
    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription>;
}

/// Creates, rotates and ends wrapping keys; apart from [`Kms`], so that what seals and opens need
/// not hold the right to destroy.
///
/// A change is durable when its call returns `Ok`. A call on a destroyed key fails with
/// [`KmsError::NotFound`], save `create`: its name is not used again.
pub trait KeyAdmin: Send + Sync {
    /// Creates a tenant's key, at its first version; [`KmsError::AlreadyExists`] for a name that
    /// is or was in use.
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()>;

    /// Adds a version, which wraps from now on, and returns its number. Older ones only unwrap.
    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32>;

    /// Disables every version: until [`enable`](Self::enable), calls fail with
    /// [`KmsError::Disabled`]. Doing it twice is no error.
    fn disable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()>;

    /// Takes a [`disable`](Self::disable) back. Doing it twice is no error.
    fn enable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()>;

    /// Destroys every version, for good; all that is wrapped under them is lost.
    fn destroy<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, Destruction>;
}

/// What a KMS says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// Whether it can be used.
    pub state: KeyState,
    /// The version that wraps, or would if the key were enabled.
    pub active_version: u32,
}

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It wraps and unwraps.
    Enabled,
    /// It does neither, until it is enabled.
    Disabled,
    /// It does neither, and will be destroyed.
    PendingDestruction,
}

/// When a destroyed key is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destruction {
    /// It is gone from the KMS. Backups of what the KMS writes may still hold it.
    Done,
    /// It can no longer be used, and will be gone at this time, unless an operator of the KMS
    /// takes the destruction back before.
    Scheduled {
        /// Unix seconds.
        at: u64,
    },
}

/// A wrapped data-encryption key, as a record carries it. Not secret, and not to be trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedDek {
    /// What kind of KMS made it.
    pub provider: Provider,
    /// The key that it is wrapped under.
    pub key_ref: KeyRef,
    /// That key's version; 0 where the KMS keeps that to itself.
    pub key_version: u32,
    /// The wrapped key, in the provider's own form; 1 to 1,024 bytes.
    pub bytes: Vec<u8>,
}

/// Why a KMS did not do as it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The caller may not use the key.
    #[error("kms: denied")]
    Denied,
    /// There is no such key, or not that version of it, for this tenant.
    #[error("kms: no such key")]
    NotFound,
    /// A key of that name exists already.
    #[error("kms: the key exists already")]
    AlreadyExists,
    /// The key is disabled, or about to be destroyed.
    #[error("kms: the key is disabled")]
    Disabled,
    /// The wrap does not hold under this tenant, key, version and purpose.
    #[error("kms: the wrap does not hold in this context")]
    ContextMismatch,
    /// Too many calls; try again later.
    #[error("kms: throttled")]
    Throttled,
    /// The KMS cannot be reached, does not answer in time or cannot write; try again later.
    #[error("kms: unavailable")]
    Unavailable,
}

impl KmsError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }
}

impl WrappedDek {
    /// The associated data that binds a wrap to whom and what it is for (`docs/spec/envelope.md`, "Wraps").
    #[must_use]
    pub fn associated_data(
        provider: Provider,
        tenant: &TenantId,
        key_ref: &KeyRef,
        key_version: u32,
        purpose: &Purpose,
    ) -> Vec<u8> {
        let mut data = Vec::with_capacity(400);
        let version = key_version.to_be_bytes();
        let purpose = purpose.to_string();
        let fields: [&[u8]; 6] = [
            derive::WRAP.as_bytes(),
            &[provider.number()],
            tenant.as_bytes(),
            key_ref.as_str().as_bytes(),
            &version,
            purpose.as_bytes(),
        ];
        for field in fields {
            data.extend_from_slice(&derive::length(field));
            data.extend_from_slice(field);
        }
        data
    }
}

impl fmt::Debug for WrappedDek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedDek")
            .field("provider", &self.provider)
            .field("key_ref", &self.key_ref)
            .field("key_version", &self.key_version)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
