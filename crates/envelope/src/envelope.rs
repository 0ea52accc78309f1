//! Sealing and opening, with the KMS in between.

use futures_util::future::try_join_all;
use strongroom_tenancy::TenantId;

use crate::aead;
use crate::compact::{self, CompactBody, CompactKey, MAX_COMPACT, SALT};
use crate::context::EncryptionContext;
use crate::data_key::DataKey;
use crate::dek::{Dek, WRAP_NONCE};
use crate::errors::{OpenError, SealError};
use crate::header::{self, Header, KeyField, MAX_WRAPS, Suite, Wraps};
use crate::key_ref::KeyRef;
use crate::kms::{Kms, WrappedDek};
use crate::purpose::Purpose;
use crate::random;
use crate::stream;
use crate::stream_key::StreamKey;
use crate::wipe::{Plaintext, Secret, on_wiped_stack};

/// The most calls that opening one record makes to a KMS: for each layer of two,
/// [`Layers::open`](crate::Layers::open) makes so many.
pub const MAX_KMS_CALLS: usize = 2;

/// The random bytes of a record with a DEK of its own.
const DRAWN: usize = 32 + WRAP_NONCE + SALT + aead::NONCE;

/// A key that a record is sealed to, or may be opened with: its KMS, and its name there.
///
/// A wrap says of its key no more than the provider and the name. Of two recipients that have both in
/// common, in two KMSs, only the first is asked: give such keys names that differ.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    /// Where the key is.
    pub kms: &'a dyn Kms,
    /// Its name.
    pub key: &'a KeyRef,
}

impl<'a> Recipient<'a> {
    /// Names a key of a KMS.
    #[must_use]
    pub const fn new(kms: &'a dyn Kms, key: &'a KeyRef) -> Self {
        Self { kms, key }
    }

    /// Wraps for this recipient, and checks that the answer is for this key.
    pub(crate) async fn wrap(
        &self,
        tenant: &TenantId,
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, SealError> {
        let wrapped = self.kms.wrap(tenant, self.key, purpose, dek).await?;
        self.check(wrapped)
    }

    /// Wraps again what is wrapped for this recipient.
    pub(crate) async fn rewrap(
        &self,
        tenant: &TenantId,
        purpose: &Purpose,
        wrapped: &WrappedDek,
    ) -> Result<WrappedDek, SealError> {
        let rewrapped = self.kms.rewrap(tenant, purpose, wrapped, self.key);
        let wrapped = rewrapped.await?;
        self.check(wrapped)
    }

    fn check(&self, wrapped: WrappedDek) -> Result<WrappedDek, SealError> {
        if wrapped.provider == self.kms.provider() && wrapped.key_ref == *self.key {
            Ok(wrapped)
        } else {
            Err(SealError::Wrap)
        }
    }

    pub(crate) fn is_of(&self, wrapped: &WrappedDek) -> bool {
        wrapped.provider == self.kms.provider() && wrapped.key_ref == *self.key
    }
}

/// Seals a record of any length under a fresh key, which is wrapped for each recipient.
///
/// Up to [`MAX_COMPACT`] bytes it is one AES-256-GCM; above, the stream suite. Several recipients
/// are asked at the same time; any one of them opens the record.
///
/// # Errors
/// [`SealError`] when a KMS or the randomness fails. Nothing is sealed to a part of the recipients.
///
/// # Security
/// The record's length and the keys' names stay visible. The context is authenticated, not stored.
pub async fn seal(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    // One call for the DEK and all that the record needs: randomness costs by the call.
    let mut drawn = Secret([0; DRAWN]);
    random::fill(&mut drawn.0)?;
    let (dek, salt, nonce) = split(&drawn).ok_or(SealError::Cipher)?;
    let wraps = wrap_for(recipients, tenant, &dek).await?;
    let mut sealed = Vec::with_capacity(
        front_length(&wraps) + compact::OVERHEAD + plaintext.len().min(MAX_COMPACT),
    );
    if plaintext.len() > MAX_COMPACT {
        header::write_inline(Suite::Stream, &wraps, &mut sealed).map_err(|_| SealError::Wrap)?;
        return on_wiped_stack(|| StreamKey::new(&dek, tenant).seal(&sealed, context, plaintext));
    }
    header::write_inline(Suite::Compact, &wraps, &mut sealed).map_err(|_| SealError::Wrap)?;
    on_wiped_stack(|| {
        CompactKey::new(&dek, tenant).seal(context, salt, nonce, plaintext, &mut sealed)
    })
    .map_err(|_| SealError::Cipher)?;
    Ok(sealed)
}

/// Opens a record for the tenant and context that the caller expects it to be for.
///
/// A wrap that is for none of the `recipients` is passed over without a call, and at most
/// [`MAX_KMS_CALLS`] calls are made, whatever the record says.
///
/// # Errors
/// [`OpenError::Header`] when the bytes are not a record, [`OpenError::Detached`] when its key is
/// not in it, [`OpenError::Kms`] when a later try may succeed, and [`OpenError::Failed`] for
/// everything else.
///
/// # Security
/// Take `tenant` and `context` from what the caller is allowed to see, never from the record or
/// from beside it.
pub async fn open(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &[u8],
) -> Result<Plaintext, OpenError> {
    let (header, body) = Header::parse(sealed)?;
    let KeyField::Inline(wraps) = header.key else {
        return Err(OpenError::Detached);
    };
    match header.suite {
        Suite::Compact => {
            let body = CompactBody::parse(body)?;
            let open =
                |dek: &Dek| on_wiped_stack(|| CompactKey::new(dek, tenant).open(context, &body));
            unwrap_until(recipients, tenant, wraps, open).await
        }
        Suite::Stream => {
            stream::check_body(body)?;
            let open =
                |dek: &Dek| on_wiped_stack(|| StreamKey::new(dek, tenant).open(context, body).ok());
            unwrap_until(recipients, tenant, wraps, open).await
        }
    }
}

impl DataKey {
    /// Makes a fresh key and has it wrapped for each recipient, to seal many records under.
    ///
    /// # Errors
    /// [`SealError`] when a KMS or the randomness fails.
    pub async fn generate(
        recipients: &[Recipient<'_>],
        tenant: &TenantId,
    ) -> Result<Self, SealError> {
        let dek = Dek::generate()?;
        let wraps = wrap_for(recipients, tenant, &dek).await?;
        Self::inline(&dek, tenant, &wraps).map_err(|_| SealError::Wrap)
    }
}

/// Wraps a record's key for each recipient.
pub(crate) async fn wrap_for(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    dek: &Dek,
) -> Result<Vec<WrappedDek>, SealError> {
    match recipients {
        [] => Err(SealError::Recipients),
        [one] => Ok(vec![one.wrap(tenant, &Purpose::Record, dek).await?]),
        many if many.len() > MAX_WRAPS => Err(SealError::Recipients),
        many => {
            let wraps = many
                .iter()
                .map(|one| one.wrap(tenant, &Purpose::Record, dek));
            try_join_all(wraps).await
        }
    }
}

/// Unwraps one of a record's wraps after the other until one holds a key that `take` takes.
pub(crate) async fn unwrap_until<T>(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    wraps: Wraps<'_>,
    mut take: impl FnMut(&Dek) -> Option<T>,
) -> Result<T, OpenError> {
    let mut retryable = None;
    let candidates = wraps.iter().filter_map(|wrap| {
        let recipient = recipients.iter().find(|recipient| {
            recipient.kms.provider() == wrap.provider && recipient.key.as_str() == wrap.key_ref
        })?;
        Some((recipient, wrap.to_wrapped()?))
    });
    for (recipient, wrapped) in candidates.take(MAX_KMS_CALLS) {
        let unwrapped = recipient.kms.unwrap(tenant, &Purpose::Record, &wrapped);
        match unwrapped.await {
            Ok(dek) => {
                if let Some(taken) = take(&dek) {
                    return Ok(taken);
                }
            }
            Err(error) if error.is_retryable() => retryable = Some(error),
            Err(_) => {}
        }
    }
    Err(retryable.map_or(OpenError::Failed, OpenError::Kms))
}

/// The DEK with the nonce of its first wrap, the salt and the nonce.
fn split(drawn: &[u8; DRAWN]) -> Option<(Dek, &[u8; SALT], &[u8; aead::NONCE])> {
    let (key, rest) = drawn.split_first_chunk()?;
    let (wrap_nonce, rest) = rest.split_first_chunk()?;
    let (salt, rest) = rest.split_first_chunk()?;
    Some((Dek::from_drawn(key, wrap_nonce), salt, rest.first_chunk()?))
}

fn front_length(wraps: &[WrappedDek]) -> usize {
    let fields = wraps
        .iter()
        .map(|wrap| 8 + wrap.key_ref.as_str().len() + wrap.bytes.len());
    7 + fields.sum::<usize>()
}
