//! How the local keyring, and a tenant's KEK, wrap a key (`docs/spec/envelope.md`, "Local wrap").

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

use strongroom_tenancy::TenantId;

use crate::aead::{AeadError, Prf};
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KmsError, WrappedDek};
use crate::provider::Provider;
use crate::purpose::Purpose;
use crate::random;
use crate::wipe::on_wiped_stack;
use crate::xaes::{self, Inner};

/// What a wrap is long.
const WRAPPED: usize = xaes::NONCE + 32 + 16;

/// How many wraps share an inner key: far below the 2^32 that random 96-bit nonces allow one (NIST
/// SP 800-38D, section 8.3), even if forks of the process each make as many.
const MAX_WRAPS_PER_INNER_KEY: u32 = 1 << 24;

/// A key that wraps keys of one tenant, ready to use; AWS-LC or RustCrypto wipes it when it is
/// dropped.
pub(crate) struct KeyWrapper {
    /// On the heap, and so not copied when this is moved.
    prf: Box<Prf>,
    provider: Provider,
    key_ref: KeyRef,
    key_version: u32,
    /// Of the wraps for records, which are by far the most.
    for_records: Vec<u8>,
    tenant: TenantId,
}

/// An inner key that makes many wraps.
pub(crate) struct Session {
    /// On the heap, too.
    inner: Box<Inner>,
    made: AtomicU32,
}

impl KeyWrapper {
    pub(crate) fn new(
        key: &[u8; 32],
        provider: Provider,
        tenant: &TenantId,
        key_ref: &KeyRef,
        key_version: u32,
    ) -> Result<Self, KmsError> {
        Ok(Self {
            prf: on_wiped_stack(|| Prf::new(key).map(Box::new))
                .map_err(|_| KmsError::Unavailable)?,
            provider,
            key_ref: key_ref.clone(),
            key_version,
            for_records: WrappedDek::associated_data(
                provider,
                tenant,
                key_ref,
                key_version,
                &Purpose::Record,
            ),
            tenant: *tenant,
        })
    }

    /// Wraps a key under an inner key of its own.
    pub(crate) fn wrap(&self, purpose: &Purpose, dek: &Dek) -> Result<WrappedDek, KmsError> {
        self.wrap_in(&self.session()?, purpose, dek)
    }

    /// Wraps a key with a given nonce, which must be fresh.
    pub(crate) fn wrap_with(
        &self,
        nonce: &[u8; xaes::NONCE],
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, AeadError> {
        let (selector, nonce) = xaes::split(nonce).ok_or(AeadError)?;
        on_wiped_stack(|| self.seal(&Inner::new(&self.prf, selector)?, nonce, purpose, dek))
    }

    /// Chooses an inner key, to wrap many keys with.
    pub(crate) fn session(&self) -> Result<Session, KmsError> {
        let selector = random::bytes().map_err(|_| KmsError::Unavailable)?;
        let inner = on_wiped_stack(|| Inner::new(&self.prf, &selector).map(Box::new))
            .map_err(|_| KmsError::Unavailable)?;
        Ok(Session {
            inner,
            made: AtomicU32::new(0),
        })
    }

    /// Wraps a key under the session's inner key, until that has made its share.
    pub(crate) fn wrap_in(
        &self,
        session: &Session,
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, KmsError> {
        // Not a wrapping count: one that came round would start the limit anew.
        let count = |made: u32| (made < MAX_WRAPS_PER_INNER_KEY).then(|| made + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        if session.made.fetch_update(set, fetch, count).is_err() {
            return self.wrap(purpose, dek);
        }
        let nonce = match dek.take_wrap_nonce() {
            Some(nonce) => nonce,
            None => random::bytes().map_err(|_| KmsError::Unavailable)?,
        };
        on_wiped_stack(|| self.seal(&session.inner, &nonce, purpose, dek))
            .map_err(|_| KmsError::Unavailable)
    }

    /// Unwraps a key; what does not hold is the context's fault, whatever the reason.
    pub(crate) fn unwrap(&self, purpose: &Purpose, wrapped: &WrappedDek) -> Result<Dek, KmsError> {
        let is_ours = wrapped.provider == self.provider
            && wrapped.key_ref == self.key_ref
            && wrapped.key_version == self.key_version;
        if !is_ours {
            return Err(KmsError::ContextMismatch);
        }
        on_wiped_stack(|| {
            let opened = xaes::open_key(&self.prf, &self.associated_data(purpose), &wrapped.bytes);
            opened.map(|opened| Dek::from_bytes(&opened))
        })
        .map_err(|_| KmsError::ContextMismatch)
    }

    fn associated_data(&self, purpose: &Purpose) -> Cow<'_, [u8]> {
        if *purpose == Purpose::Record {
            return Cow::Borrowed(&self.for_records);
        }
        let (key_ref, version) = (&self.key_ref, self.key_version);
        Cow::Owned(WrappedDek::associated_data(
            self.provider,
            &self.tenant,
            key_ref,
            version,
            purpose,
        ))
    }

    fn seal(
        &self,
        inner: &Inner,
        nonce: &[u8; 12],
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, AeadError> {
        let mut bytes = Vec::with_capacity(WRAPPED);
        let bound = self.associated_data(purpose);
        inner.seal_to(nonce, &bound, dek.expose_bytes(), &mut bytes)?;
        Ok(WrappedDek {
            provider: self.provider,
            key_ref: self.key_ref.clone(),
            key_version: self.key_version,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_key_ends_at_its_limit() {
        let key_ref = "a".parse().unwrap();
        let wrapper =
            KeyWrapper::new(&[2; 32], Provider::LOCAL, &TenantId::PLATFORM, &key_ref, 1).unwrap();
        let session = wrapper.session().unwrap();
        let dek = Dek::from_bytes(&[1; 32]);
        session
            .made
            .store(MAX_WRAPS_PER_INNER_KEY - 1, Ordering::Relaxed);
        let wraps = [(); 3].map(|()| wrapper.wrap_in(&session, &Purpose::Record, &dek).unwrap());
        for wrapped in &wraps {
            assert_eq!(wrapped.bytes.len(), WRAPPED);
            let unwrapped = wrapper.unwrap(&Purpose::Record, wrapped).unwrap();
            assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());
        }
        let selector = |wrapped: &WrappedDek| wrapped.bytes[..12].to_vec();
        assert_eq!(selector(&wraps[0]), session_selector(&session));
        assert_ne!(selector(&wraps[1]), selector(&wraps[0]));
        assert_ne!(selector(&wraps[2]), selector(&wraps[1]));
    }

    #[test]
    fn two_wraps_of_a_key_have_two_nonces() {
        let key_ref = "a".parse().unwrap();
        let wrapper =
            KeyWrapper::new(&[2; 32], Provider::LOCAL, &TenantId::PLATFORM, &key_ref, 1).unwrap();
        let session = wrapper.session().unwrap();
        let dek = Dek::generate().unwrap();
        let [a, b] = [(); 2].map(|()| wrapper.wrap_in(&session, &Purpose::Record, &dek).unwrap());
        assert_eq!(a.bytes[..12], b.bytes[..12]);
        assert_ne!(a.bytes[12..24], b.bytes[12..24]);
    }

    fn session_selector(session: &Session) -> Vec<u8> {
        let mut sealed = Vec::new();
        session
            .inner
            .seal_to(&[0; 12], &[], &[], &mut sealed)
            .unwrap();
        sealed[..12].to_vec()
    }
}
