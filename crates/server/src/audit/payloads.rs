//! Sealed payloads: the erasable part of an event, under its tenant's own key.

use strongroom_auditchain::{Commitments, FieldValue, Payload};
use strongroom_envelope::{DekId, EncryptionContext};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use crate::keystore::{KeyStore, KeyStoreError};

/// Why a payload was not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Its parts are out of bounds.
    #[error(transparent)]
    Payload(#[from] strongroom_auditchain::PayloadError),
    /// It could not be sealed, or does not open.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// The encryption context is malformed.
    #[error(transparent)]
    Context(#[from] strongroom_envelope::ContextError),
}

/// A payload as its row has it.
#[derive(Clone, Debug)]
pub struct SealedPayload {
    /// The sealed record.
    pub bytes: Vec<u8>,
    /// The data key that it is sealed under, whose row is stored.
    pub dek: DekId,
}

/// Seals the payload of an event; answers what to store and the commitments that go
/// into the leaf.
///
/// # Errors
/// [`PayloadError`].
pub async fn seal_payload(
    keys: &KeyStore,
    tenant: &TenantId,
    event_id: Uuid,
    fields: Vec<FieldValue>,
) -> Result<(SealedPayload, Commitments), PayloadError> {
    let payload = Payload::generate(event_id, fields)?;
    let (context, encoded) = (payload_context(event_id)?, payload.encode());
    let (dek, bytes) = keys.seal_detached(tenant, &context, &encoded).await?;
    Ok((SealedPayload { bytes, dek }, payload.commitments()))
}

/// Opens what [`seal_payload`] sealed.
///
/// # Errors
/// [`PayloadError`].
pub async fn open_payload(
    keys: &KeyStore,
    tenant: &TenantId,
    event_id: Uuid,
    sealed: &[u8],
) -> Result<Payload, PayloadError> {
    let context = payload_context(event_id)?;
    let opened = keys.open_detached(tenant, &context, sealed).await?;
    Ok(Payload::decode(&opened)?)
}

pub(crate) fn payload_context(
    event_id: Uuid,
) -> Result<EncryptionContext, strongroom_envelope::ContextError> {
    EncryptionContext::new([
        ("purpose", "audit-payload".to_owned()),
        ("event", event_id.to_string()),
    ])
}
