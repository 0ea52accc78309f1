//! The data key: a DEK loaded for use, which seals and opens without a KMS.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_tenancy::TenantId;

use crate::aead;
use crate::compact::{self, CompactBody, CompactKey, MAX_COMPACT, SALT};
use crate::context::EncryptionContext;
use crate::dek::{Dek, DekId};
use crate::errors::{OpenError, SealError};
use crate::header::{self, Header, HeaderError, Suite};
use crate::kms::WrappedDek;
use crate::random;
use crate::stream;
use crate::stream_key::StreamKey;
use crate::wipe::{Plaintext, on_wiped_stack};

/// A data-encryption key, unwrapped and ready to seal and open records of one tenant.
///
/// Its calls are synchronous, and allocate their output and nothing else; AWS-LC, where that is the
/// backend, keeps each record's cipher in memory of its own until the call ends.
/// Records that it seals carry the wraps that it was made with, or the id under which it is kept.
///
/// ```
/// use strongroom_envelope::{DataKey, Dek, DekId, EncryptionContext};
/// use strongroom_tenancy::TenantId;
///
/// let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
/// let key = DataKey::detached(&Dek::generate()?, &tenant, DekId::generate()?);
/// let context = EncryptionContext::new([("column", "users.email"), ("id", "17")])?;
///
/// let sealed = key.seal(&tenant, &context, b"ada@example.com")?;
/// assert_eq!(sealed.len(), 15 + 96);
/// assert_eq!(key.open(&tenant, &context, &sealed)?.as_slice(), b"ada@example.com");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DataKey {
    tenant: TenantId,
    /// What stands before a compact body.
    front: Vec<u8>,
    /// What stands before a stream's.
    stream_front: Vec<u8>,
    /// On the heap, and so not copied when this is moved.
    compact: Box<CompactKey>,
    stream: StreamKey,
    limits: KeyLimits,
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// How much one data key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// The most records.
    pub messages: u64,
    /// The most bytes of plaintext, over all records.
    pub bytes: u64,
}

impl KeyLimits {
    /// No limit: the format has none that can be reached.
    pub const NONE: Self = Self {
        messages: u64::MAX,
        bytes: u64::MAX,
    };

    /// The lower of both, each.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages.min(other.messages),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

impl DataKey {
    /// Loads a key whose records carry these wraps of it.
    ///
    /// # Errors
    /// [`HeaderError`] when there are no wraps, more than [`MAX_WRAPS`](crate::MAX_WRAPS), or they
    /// do not fit the header.
    pub fn inline(dek: &Dek, tenant: &TenantId, wraps: &[WrappedDek]) -> Result<Self, HeaderError> {
        let mut front = Vec::new();
        header::write_inline(Suite::Compact, wraps, &mut front)?;
        Ok(Self::load(dek, tenant, front))
    }

    /// Loads a key whose records name it by its id; it is kept, wrapped, beside them.
    #[must_use]
    pub fn detached(dek: &Dek, tenant: &TenantId, id: DekId) -> Self {
        let mut front = Vec::new();
        header::write_detached(Suite::Compact, &id, &mut front);
        Self::load(dek, tenant, front)
    }

    fn load(dek: &Dek, tenant: &TenantId, front: Vec<u8>) -> Self {
        let (compact, stream) = on_wiped_stack(|| {
            (
                Box::new(CompactKey::new(dek, tenant)),
                StreamKey::new(dek, tenant),
            )
        });
        let mut stream_front = front.clone();
        if let Some(suite) = stream_front.get_mut(2) {
            *suite = Suite::Stream as u8;
        }
        Self {
            tenant: *tenant,
            front,
            stream_front,
            compact,
            stream,
            limits: KeyLimits::NONE,
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// The same key, refusing to seal beyond these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: KeyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The tenant that it was loaded for.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Whether it has sealed as much as its limits allow.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.messages.load(Ordering::Relaxed) >= self.limits.messages
            || self.bytes.load(Ordering::Relaxed) >= self.limits.bytes
    }

    /// Seals a record of any length: in the compact suite up to [`MAX_COMPACT`] bytes, above in
    /// the stream suite.
    ///
    /// # Errors
    /// [`SealError::Tenant`] for another tenant than the key's, [`SealError::Spent`] beyond its
    /// limits, [`SealError::Randomness`] and [`SealError::Cipher`] when these fail.
    pub fn seal(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.admit(tenant, plaintext.len() as u64)?;
        if plaintext.len() > MAX_COMPACT {
            return on_wiped_stack(|| self.stream.seal(&self.stream_front, context, plaintext));
        }
        let (salt, nonce) = compact_randomness()?;
        let length = self.front.len() + compact::OVERHEAD + plaintext.len();
        let mut sealed = Vec::with_capacity(length);
        sealed.extend_from_slice(&self.front);
        on_wiped_stack(|| {
            self.compact
                .seal(context, &salt, &nonce, plaintext, &mut sealed)
        })
        .map_err(|_| SealError::Cipher)?;
        Ok(sealed)
    }

    /// Opens a record that was sealed under this key for this tenant and context; where the
    /// record says that its key is, is not looked at.
    ///
    /// # Errors
    /// [`OpenError::Header`] when the bytes are not a record, otherwise [`OpenError::Failed`].
    pub fn open(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, OpenError> {
        let (header, body) = Header::parse(sealed)?;
        if *tenant != self.tenant {
            return Err(OpenError::Failed);
        }
        match header.suite {
            Suite::Compact => {
                let body = CompactBody::parse(body)?;
                on_wiped_stack(|| self.compact.open(context, &body)).ok_or(OpenError::Failed)
            }
            Suite::Stream => {
                stream::check_body(body)?;
                on_wiped_stack(|| self.stream.open(context, body))
            }
        }
    }

    /// Counts a record before it is sealed.
    pub(crate) fn admit(&self, tenant: &TenantId, bytes: u64) -> Result<(), SealError> {
        if *tenant != self.tenant {
            return Err(SealError::Tenant);
        }
        // What is refused counts too, so that a refusal ends the key; a count that came round would
        // start the limits anew.
        let count = |counter: &AtomicU64, more: u64| {
            let add = |count: u64| Some(count.saturating_add(more));
            let counted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            counted.unwrap_or(u64::MAX)
        };
        let messages = count(&self.messages, 1);
        let before = count(&self.bytes, bytes);
        let is_over = messages >= self.limits.messages
            || before
                .checked_add(bytes)
                .is_none_or(|sum| sum > self.limits.bytes);
        if is_over {
            Err(SealError::Spent)
        } else {
            Ok(())
        }
    }

    pub(crate) const fn limits(&self) -> KeyLimits {
        self.limits
    }

    pub(crate) const fn stream_key(&self) -> &StreamKey {
        &self.stream
    }

    /// What stands before a stream's body.
    pub(crate) fn stream_front(&self) -> &[u8] {
        &self.stream_front
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("tenant", &self.tenant)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// Salt and nonce of a compact body, in one call.
pub(crate) fn compact_randomness() -> Result<([u8; SALT], [u8; aead::NONCE]), SealError> {
    let bytes = random::bytes::<{ SALT + aead::NONCE }>()?;
    let (salt, nonce) = bytes.split_at(SALT);
    let (Ok(salt), Ok(nonce)) = (salt.try_into(), nonce.try_into()) else {
        return Err(SealError::Cipher);
    };
    Ok((salt, nonce))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_the_key_and_no_count_comes_round() {
        let tenant = TenantId::PLATFORM;
        let limits = KeyLimits {
            messages: u64::MAX,
            bytes: 100,
        };
        let id = DekId::from_bytes([1; 16]);
        let key = DataKey::detached(&Dek::from_bytes(&[1; 32]), &tenant, id).with_limits(limits);
        assert_eq!(key.admit(&tenant, 60), Ok(()));
        assert!(!key.is_spent());
        assert_eq!(key.admit(&tenant, 41), Err(SealError::Spent));
        assert!(key.is_spent());
        for bytes in [1, u64::MAX, u64::MAX - 100, 1, 40, u64::MAX / 2 + 1, 0] {
            assert_eq!(key.admit(&tenant, bytes), Err(SealError::Spent), "{bytes}");
        }
    }
}
