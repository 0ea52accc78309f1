//! Sealed payloads: the erasable part of an event, under its tenant's own key.

use strongroom_auditchain::{Commitment, Payload};
use strongroom_envelope::{
    EncryptionContext, KeyRef, Kms, MAX_PLAINTEXT, OpenError, SealError, open, seal,
};
use strongroom_tenancy::TenantId;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Why a payload was not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Its parts are out of bounds.
    #[error(transparent)]
    Payload(#[from] strongroom_auditchain::PayloadError),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The encryption context is malformed.
    #[error(transparent)]
    Context(#[from] strongroom_envelope::ContextError),
    /// The stored bytes are not a row of sealed parts.
    #[error("the stored payload is not a row of sealed parts")]
    Framing,
}

/// Seals one value as the payload of an event; answers the bytes to store and the commitments
/// that go into the leaf.
///
/// A payload longer than one sealed record is cut into parts, each bound to its place and to how
/// many there are: a part that is missing, moved or added does not open.
///
/// # Errors
/// [`PayloadError`].
pub async fn seal_payload(
    kms: &dyn Kms,
    key: &KeyRef,
    tenant: &TenantId,
    event_id: Uuid,
    field: strongroom_auditchain::Field,
    value: Zeroizing<Vec<u8>>,
) -> Result<(Vec<u8>, Vec<Commitment>), PayloadError> {
    let payload = Payload::generate(event_id, vec![(field, value)])?;
    let encoded = payload.encode();
    let parts: Vec<&[u8]> = encoded.chunks(MAX_PLAINTEXT).collect();
    let mut stored = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let context = part_context(event_id, place, parts.len())?;
        let sealed = seal(kms, key, tenant, &context, part).await?;
        let length = u32::try_from(sealed.len()).map_err(|_| PayloadError::Framing)?;
        stored.extend_from_slice(&length.to_be_bytes());
        stored.extend_from_slice(&sealed);
    }
    Ok((stored, payload.commitments()))
}

/// Opens what [`seal_payload`] stored.
///
/// # Errors
/// [`PayloadError`].
pub async fn open_payload(
    kms: &dyn Kms,
    key: &KeyRef,
    tenant: &TenantId,
    event_id: Uuid,
    stored: &[u8],
) -> Result<Payload, PayloadError> {
    let mut parts = Vec::new();
    let mut rest = stored;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(PayloadError::Framing)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (part, after) = after
            .split_at_checked(length)
            .ok_or(PayloadError::Framing)?;
        parts.push(part);
        rest = after;
    }
    let mut encoded = Zeroizing::new(Vec::new());
    for (place, part) in parts.iter().enumerate() {
        let context = part_context(event_id, place, parts.len())?;
        let opened = open(kms, std::slice::from_ref(key), tenant, &context, part).await?;
        encoded.extend_from_slice(&opened);
    }
    Ok(Payload::decode(&encoded)?)
}

fn part_context(
    event_id: Uuid,
    place: usize,
    count: usize,
) -> Result<EncryptionContext, strongroom_envelope::ContextError> {
    EncryptionContext::new([
        ("purpose", "audit-payload".to_owned()),
        ("event", event_id.to_string()),
        ("part", format!("{place}/{count}")),
    ])
}
