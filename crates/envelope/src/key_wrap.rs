//! How the local keyring, and a tenant's KEK, wrap a key (`docs/spec/envelope.md`, "Local wrap").

use std::sync::atomic::{AtomicU32, Ordering};

use strongroom_tenancy::TenantId;

use crate::aead::AeadError;
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KmsError, WrappedDek};
use crate::provider::Provider;
use crate::random;
use crate::xaes::{self, Inner};

/// What a wrap is long.
const WRAPPED: usize = xaes::NONCE + 32 + 16;

/// How many wraps share an inner key: far below the 2^32 that random 96-bit nonces allow one (NIST
/// SP 800-38D, section 8.3), even if forks of the process each make as many.
const MAX_WRAPS_PER_INNER_KEY: u32 = 1 << 24;

/// A key that wraps many others: the inner key is derived once and used for many wraps.
pub(crate) struct Wrapper {
    inner: Inner,
    made: AtomicU32,
}

/// Whom a wrap is for.
#[derive(Clone, Copy)]
pub(crate) struct WrapFor<'a> {
    pub(crate) provider: Provider,
    pub(crate) tenant: &'a TenantId,
    pub(crate) key_ref: &'a KeyRef,
    pub(crate) key_version: u32,
}

impl Wrapper {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, KmsError> {
        let selector = random::bytes().map_err(|_| KmsError::Unavailable)?;
        Ok(Self {
            inner: Inner::new(key, &selector).map_err(|_| KmsError::Unavailable)?,
            made: AtomicU32::new(0),
        })
    }

    /// Wraps a key; `None` when another wrapper must be made first.
    pub(crate) fn wrap(
        &self,
        whom: WrapFor<'_>,
        dek: &Dek,
    ) -> Option<Result<WrappedDek, KmsError>> {
        // Not wrapping: a count that came round would start the limit anew.
        let count = |made: u32| (made < MAX_WRAPS_PER_INNER_KEY).then(|| made + 1);
        let (read, write) = (Ordering::Relaxed, Ordering::Relaxed);
        self.made.fetch_update(read, write, count).ok()?;
        Some(self.wrap_uncounted(whom, dek))
    }

    fn wrap_uncounted(&self, whom: WrapFor<'_>, dek: &Dek) -> Result<WrappedDek, KmsError> {
        let nonce = random::bytes().map_err(|_| KmsError::Unavailable)?;
        wrap_with(&self.inner, whom, &nonce, dek).map_err(|_| KmsError::Unavailable)
    }
}

/// Wraps one key, under an inner key of its own.
pub(crate) fn wrap_once(
    key: &[u8; 32],
    whom: WrapFor<'_>,
    dek: &Dek,
) -> Result<WrappedDek, KmsError> {
    Wrapper::new(key)?.wrap_uncounted(whom, dek)
}

pub(crate) fn wrap_with(
    inner: &Inner,
    whom: WrapFor<'_>,
    nonce: &[u8; 12],
    dek: &Dek,
) -> Result<WrappedDek, AeadError> {
    let mut bytes = Vec::with_capacity(WRAPPED);
    inner.seal_to(
        nonce,
        &whom.associated_data(),
        dek.expose_bytes(),
        &mut bytes,
    )?;
    Ok(WrappedDek {
        provider: whom.provider,
        key_ref: whom.key_ref.clone(),
        key_version: whom.key_version,
        bytes,
    })
}

/// Unwraps a key; what does not hold is the context's fault, whatever the reason.
pub(crate) fn unwrap(
    key: &[u8; 32],
    tenant: &TenantId,
    wrapped: &WrappedDek,
) -> Result<Dek, KmsError> {
    let whom = WrapFor {
        provider: wrapped.provider,
        tenant,
        key_ref: &wrapped.key_ref,
        key_version: wrapped.key_version,
    };
    let opened = xaes::open_key(key, &whom.associated_data(), &wrapped.bytes);
    let opened = opened.map_err(|_| KmsError::ContextMismatch)?;
    Ok(Dek::from_bytes(&opened))
}

impl WrapFor<'_> {
    fn associated_data(&self) -> Vec<u8> {
        WrappedDek::associated_data(self.provider, self.tenant, self.key_ref, self.key_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_key_ends_at_its_limit() {
        let tenant = TenantId::PLATFORM;
        let key_ref = "a".parse().unwrap();
        let whom = WrapFor {
            provider: Provider::LOCAL,
            tenant: &tenant,
            key_ref: &key_ref,
            key_version: 1,
        };
        let dek = Dek::from_bytes(&[1; 32]);
        let wrapper = Wrapper::new(&[2; 32]).unwrap();
        wrapper
            .made
            .store(MAX_WRAPS_PER_INNER_KEY - 1, Ordering::Relaxed);
        let wrapped = wrapper.wrap(whom, &dek).unwrap().unwrap();
        assert_eq!(wrapped.bytes.len(), WRAPPED);
        assert!(wrapper.wrap(whom, &dek).is_none());
        assert!(wrapper.wrap(whom, &dek).is_none());
        let unwrapped = unwrap(&[2; 32], &tenant, &wrapped).unwrap();
        assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());
    }
}
