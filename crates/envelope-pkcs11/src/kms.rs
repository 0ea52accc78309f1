//! Wrapping and unwrapping in the token.

use std::fmt;

use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::Session;
use strongroom_envelope::{
    Dek, KeyDescription, KeyRef, KeyState, Kms, KmsError, KmsFuture, Provider, Purpose, WrappedDek,
};
use strongroom_tenancy::TenantId;

use crate::failure::{self, Failure};
use crate::limits::Limits;
use crate::objects::{Name, Version};
use crate::pool::Pool;
use crate::token::{Access, Token, TokenError};
use crate::wrap;

/// A PKCS#11 token as a [`Kms`].
///
/// Its sessions are read-only: none can make, change or destroy a key. A wrap is 60 bytes: IV,
/// ciphertext and tag of AES-256-GCM.
///
/// # Security
/// The IV is random: wrap fewer than 2^32 keys under one version (NIST SP 800-38D, section 8.3),
/// which the rotation of keys sees to long before.
pub struct Pkcs11Kms {
    token: Token,
    pool: Pool,
}

impl Pkcs11Kms {
    /// Starts the threads and opens a first session, waiting for it no longer than for a call.
    ///
    /// # Errors
    /// [`TokenError::Session`] when the PIN is refused or the token does not answer.
    pub fn connect(token: &Token, limits: Limits) -> Result<Self, TokenError> {
        Ok(Self {
            token: token.clone(),
            pool: Pool::start(token, Access::ReadOnly, limits)?,
        })
    }
}

impl Kms for Pkcs11Kms {
    fn provider(&self) -> Provider {
        Provider::PKCS11
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            let name = Name::new(tenant, key);
            let (tenant, key_ref, purpose) = (*tenant, key.clone(), purpose.clone());
            let dek = Dek::from_bytes(dek.expose_bytes());
            let wrapped = self.pool.call(move |session| {
                let versions = name.versions(session)?;
                let active = versions.last().ok_or(KmsError::NotFound)?;
                let number = active.number;
                let bound = WrappedDek::associated_data(
                    Provider::PKCS11,
                    &tenant,
                    &key_ref,
                    number,
                    &purpose,
                );
                Ok((number, wrap::wrap(session, active.object, &bound, &dek)?))
            });
            let (key_version, bytes) = wrapped.await?;
            Ok(WrappedDek {
                provider: Provider::PKCS11,
                key_ref: key.clone(),
                key_version,
                bytes,
            })
        })
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        Box::pin(async move {
            if wrapped.provider != Provider::PKCS11 {
                return Err(KmsError::NotFound);
            }
            if wrapped.bytes.len() != wrap::LENGTH {
                return Err(KmsError::ContextMismatch);
            }
            let name = Name::new(tenant, &wrapped.key_ref);
            let (number, bytes) = (wrapped.key_version, wrapped.bytes.clone());
            let bound = WrappedDek::associated_data(
                Provider::PKCS11,
                tenant,
                &wrapped.key_ref,
                wrapped.key_version,
                purpose,
            );
            let opened = self
                .pool
                .call(move |session| unwrap_under(session, &name, number, &bound, &bytes));
            opened.await
        })
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        Box::pin(async move {
            let name = Name::new(tenant, key);
            let described = self.pool.call(move |session| {
                let versions = name.versions(session)?;
                let active = versions.last().ok_or(KmsError::NotFound)?;
                let state = if name.is_destroyed(session)? {
                    KeyState::PendingDestruction
                } else {
                    state(session, active)?
                };
                Ok(KeyDescription {
                    state,
                    active_version: active.number,
                })
            });
            described.await
        })
    }
}

/// Whether the token lets the version unwrap.
pub(crate) fn state(session: &Session, version: &Version) -> Result<KeyState, Failure> {
    let attributes = session.get_attributes(version.object, &[AttributeType::Decrypt])?;
    Ok(match attributes.first() {
        Some(Attribute::Decrypt(true)) => KeyState::Enabled,
        _ => KeyState::Disabled,
    })
}

/// Unwraps under the version of this number.
fn unwrap_under(
    session: &Session,
    name: &Name,
    number: u32,
    bound: &[u8],
    bytes: &[u8],
) -> Result<Dek, Failure> {
    let mut failure = Failure::from(KmsError::NotFound);
    for object in name.version(session, number)? {
        match wrap::unwrap(session, object, bound, bytes) {
            Err(other) if other.session() == failure::Session::Kept => failure = other,
            result => return result,
        }
    }
    Err(failure)
}

impl fmt::Debug for Pkcs11Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Kms")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
