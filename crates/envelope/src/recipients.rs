//! Changing who can open a record, without touching its body.

use strongroom_tenancy::TenantId;

use crate::context::EncryptionContext;
use crate::envelope::{Recipient, unwrap_until, wrap_for};
use crate::errors::{OpenError, SealError};
use crate::head::Head;
use crate::header::{self, Header, HeaderError, KeyField, Suite, Wraps};
use crate::kms::{KmsError, WrappedDek};
use crate::provider::Provider;
use crate::purpose::Purpose;
use crate::{Dek, DekId, KeyRef};

/// Why a record's recipients were not changed. The record is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// The bytes are not a sealed record, or the new wraps do not fit it.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The record's key is not in it: what is wrapped again is the row that keeps it. To share such
    /// a record, open it and seal it for whom it is for: the row's key seals other records too.
    #[error("rewrap: the record's key is kept elsewhere, under its id")]
    Detached,
    /// None of the record's wraps is for one of the recipients.
    #[error("rewrap: no wrap is for one of these recipients")]
    NoWrap,
    /// The last wrap cannot be removed.
    #[error("rewrap: the last recipient cannot be removed")]
    LastRecipient,
    /// The record was not opened.
    #[error(transparent)]
    Open(OpenError),
    /// The key was not wrapped.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Wraps the record's key again for each of the `recipients` that it has a wrap for, under the
/// active version of their keys. Returns how many wraps were replaced; a wrap of theirs that does
/// not unwrap for good, such as one that somebody added, or one under a version that is gone, stays
/// as it is. [`inspect`] tells which versions are left. At most [`MAX_WRAPS`](crate::MAX_WRAPS) calls
/// are made.
///
/// Only the front of the record changes; the cost does not depend on its length, unless a new wrap
/// is longer or shorter than the old one, when the body is moved.
///
/// # Errors
/// [`RewrapError`] when no wrap was replaced, or a KMS refused or failed in another way than to say
/// that a wrap is none; the record is then as it was.
///
/// # Security
/// This takes nothing back from somebody who has read the DEK, or the old wrap and the key above
/// it. Against that, open the record and seal it again.
pub async fn rewrap(
    recipients: &[Recipient<'_>],
    tenant: &TenantId,
    sealed: &mut Vec<u8>,
) -> Result<usize, RewrapError> {
    let (suite, mut wraps) = read(sealed)?;
    let mut replaced = 0;
    let mut refused = None;
    for wrap in &mut wraps {
        let recipient = recipients.iter().find(|recipient| recipient.is_of(wrap));
        let Some(recipient) = recipient else {
            continue;
        };
        match recipient.rewrap(tenant, &Purpose::Record, wrap).await {
            Ok(new) => {
                *wrap = new;
                replaced += 1;
            }
            // A wrap that holds nowhere must not keep the others from being replaced.
            Err(SealError::Kms(error @ (KmsError::ContextMismatch | KmsError::NotFound))) => {
                refused = refused.or(Some(error));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if replaced == 0 {
        return Err(refused.map_or(RewrapError::NoWrap, |error| SealError::Kms(error).into()));
    }
    replace(sealed, suite, &wraps)?;
    Ok(replaced)
}

/// Adds recipients to a record that one of `with` opens. A recipient that it has already gets a
/// second wrap in the old one's place.
///
/// # Errors
/// [`RewrapError`]; the record is then as it was. [`RewrapError::Open`] when no wrap of `with` holds
/// the key that the body was sealed under, for this tenant and context.
///
/// # Security
/// A wrap can be moved from one record to another. What is wrapped for the added is therefore what
/// the body's head commits to and nothing else: name the context of the record that they are to
/// read. The rest of the body is not looked at, and need not be there.
pub async fn add_recipients(
    with: &[Recipient<'_>],
    added: &[Recipient<'_>],
    tenant: &TenantId,
    context: &EncryptionContext,
    sealed: &mut Vec<u8>,
) -> Result<(), RewrapError> {
    let (header, body) = Header::parse(sealed)?;
    let inline = inline_wraps(&header)?;
    let head = Head::of(header.suite, body)?;
    let keep = |dek: &Dek| {
        let is_its = head.is_under(dek, tenant, context);
        is_its.then(|| Dek::from_bytes(dek.expose_bytes()))
    };
    let dek = unwrap_until(with, tenant, inline, keep)
        .await
        .map_err(RewrapError::Open)?;
    let mut wraps = inline.to_vec();
    wraps.retain(|wrap| !added.iter().any(|recipient| recipient.is_of(wrap)));
    wraps.extend(wrap_for(added, tenant, &dek).await?);
    let suite = header.suite;
    Ok(replace(sealed, suite, &wraps)?)
}

/// Removes a recipient's wrap from a record.
///
/// # Errors
/// [`RewrapError::NoWrap`] when the record has none for it, [`RewrapError::LastRecipient`] when it
/// has no other, [`RewrapError::Header`] when the bytes are not a record.
///
/// # Security
/// A recipient that kept the old record, or its DEK, can still open it.
pub fn remove_recipient(
    provider: Provider,
    key: &KeyRef,
    sealed: &mut Vec<u8>,
) -> Result<(), RewrapError> {
    let (suite, mut wraps) = read(sealed)?;
    let before = wraps.len();
    wraps.retain(|wrap| wrap.provider != provider || wrap.key_ref != *key);
    match wraps.len() {
        0 => Err(RewrapError::LastRecipient),
        left if left == before => Err(RewrapError::NoWrap),
        _ => Ok(replace(sealed, suite, &wraps)?),
    }
}

/// What a record says of itself: all that can be read without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// How the body is encrypted.
    pub suite: Suite,
    /// Where the key is.
    pub key: KeyLocation,
    /// The bytes in front of the body.
    pub front_bytes: usize,
    /// The bytes of the body, its overhead included; 0 when only the front was given.
    pub body_bytes: usize,
}

/// Where a record's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyLocation {
    /// In the record, wrapped, for each recipient.
    Inline(Vec<WrappedDek>),
    /// Beside the record, under this id.
    Detached(DekId),
}

/// Reads what a record says of itself: under which keys and versions it is sealed, and how.
///
/// # Errors
/// [`HeaderError`] when the bytes do not begin as a record does.
///
/// # Security
/// Nothing here has been authenticated.
pub fn inspect(sealed: &[u8]) -> Result<Inspection, HeaderError> {
    let (header, body) = Header::parse(sealed)?;
    Ok(Inspection {
        suite: header.suite,
        key: match header.key {
            KeyField::Inline(wraps) => KeyLocation::Inline(wraps.to_vec()),
            KeyField::Detached(id) => KeyLocation::Detached(id),
        },
        front_bytes: sealed.len() - body.len(),
        body_bytes: body.len(),
    })
}

fn inline_wraps<'a>(header: &Header<'a>) -> Result<Wraps<'a>, RewrapError> {
    match header.key {
        KeyField::Inline(wraps) => Ok(wraps),
        KeyField::Detached(_) => Err(RewrapError::Detached),
    }
}

fn read(sealed: &[u8]) -> Result<(Suite, Vec<WrappedDek>), RewrapError> {
    let (header, _) = Header::parse(sealed)?;
    Ok((header.suite, inline_wraps(&header)?.to_vec()))
}

/// Puts new wraps in front of the body.
pub(crate) fn replace(
    sealed: &mut Vec<u8>,
    suite: Suite,
    wraps: &[WrappedDek],
) -> Result<(), HeaderError> {
    let (_, body) = Header::parse(sealed)?;
    let old = sealed.len() - body.len();
    let mut front = Vec::new();
    header::write_inline(suite, wraps, &mut front)?;
    sealed.splice(..old, front);
    Ok(())
}
