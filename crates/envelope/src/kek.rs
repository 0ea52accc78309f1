//! A key-encryption key as it is stored: one record for each version.

use std::fmt;

use strongroom_tenancy::TenantId;

use crate::dek::Dek;
use crate::derive::{KEK_CHECK, mac_of_fields};
use crate::envelope::Recipient;
use crate::errors::SealError;
use crate::key_ref::KeyRef;
use crate::kms::{KmsError, WrappedDek};
use crate::purpose::Purpose;
use crate::wipe::{Secret, is_equal, on_wiped_stack};

/// The state of a KEK version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KekState {
    /// It wraps, if no version above it is active, and unwraps.
    Active,
    /// It only unwraps.
    DecryptOnly,
    /// It is gone; the record is its tombstone.
    Destroyed,
}

/// One version of a tenant's, or a subject's, key-encryption key: wrapped by the tenant's root key, to
/// be stored by the caller (`docs/spec/envelope.md`, "Keys").
#[derive(Clone, PartialEq, Eq)]
pub struct KekRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name: the tenant's own, or that of a subject within the tenant.
    pub name: KeyRef,
    /// Its number among the versions of that name, from 1.
    pub version: u32,
    /// Whether it wraps, unwraps or is gone.
    pub state: KekState,
    /// When it was made, in Unix seconds.
    pub created_at: u64,
    /// The key, wrapped by the root key; `None` once destroyed.
    pub wrapped: Option<WrappedDek>,
    /// Tells this key, with its name, version and age, from every other; who has the key can make it.
    pub check: [u8; 32],
}

/// When a key is to be rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPeriod {
    seconds: u64,
}

impl RotationPeriod {
    /// The default: 90 days.
    pub const NINETY_DAYS: Self = Self::days(90);

    /// That many days.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self {
            seconds: days as u64 * 24 * 60 * 60,
        }
    }

    /// When a key that was made then is to be rotated, in Unix seconds.
    #[must_use]
    pub const fn due_at(self, created_at: u64) -> u64 {
        created_at.saturating_add(self.seconds)
    }

    /// Whether a key that was made then is to be rotated now; both in Unix seconds.
    #[must_use]
    pub const fn is_due(self, created_at: u64, now: u64) -> bool {
        now >= self.due_at(created_at)
    }
}

impl Default for RotationPeriod {
    fn default() -> Self {
        Self::NINETY_DAYS
    }
}

impl KekRecord {
    /// Makes a new version, active, wrapped by the tenant's root key. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`SealError`] when the KMS or the randomness fails.
    pub async fn generate(
        root: Recipient<'_>,
        tenant: &TenantId,
        name: &KeyRef,
        version: u32,
        now: u64,
    ) -> Result<Self, SealError> {
        let kek = Dek::generate()?;
        let purpose = Purpose::Kek {
            name: name.clone(),
            version,
            created_at: now,
        };
        Ok(Self {
            tenant: *tenant,
            name: name.clone(),
            version,
            state: KekState::Active,
            created_at: now,
            wrapped: Some(root.wrap(tenant, &purpose, &kek).await?),
            check: *check(&kek, tenant, name, version, now),
        })
    }

    /// Unwraps the key, and checks that it is the one of this tenant, name, version and time.
    ///
    /// # Errors
    /// [`KmsError::NotFound`] for a tombstone, or a wrap by another key than the root;
    /// [`KmsError::ContextMismatch`] for another key than the record's; what the KMS says.
    pub(crate) async fn unwrap(
        &self,
        root: Recipient<'_>,
        tenant: &TenantId,
    ) -> Result<Dek, KmsError> {
        let wrapped = self.wrapped.as_ref().filter(|wrapped| root.is_of(wrapped));
        let wrapped = wrapped.ok_or(KmsError::NotFound)?;
        let kek = root.kms.unwrap(tenant, &self.purpose(), wrapped).await?;
        let expected = check(&kek, tenant, &self.name, self.version, self.created_at);
        if !is_equal(&expected, &self.check) {
            return Err(KmsError::ContextMismatch);
        }
        Ok(kek)
    }

    /// Wraps the key again, under the active version of the root key.
    ///
    /// # Errors
    /// [`SealError::Kms`] with [`KmsError::NotFound`] for a tombstone; what the KMS says.
    pub async fn rewrap(&mut self, root: Recipient<'_>) -> Result<(), SealError> {
        let wrapped = self.wrapped.as_ref().filter(|wrapped| root.is_of(wrapped));
        let wrapped = wrapped.ok_or(SealError::Kms(KmsError::NotFound))?;
        let rewrapped = root.rewrap(&self.tenant, &self.purpose(), wrapped).await?;
        self.wrapped = Some(rewrapped);
        Ok(())
    }

    fn purpose(&self) -> Purpose {
        Purpose::Kek {
            name: self.name.clone(),
            version: self.version,
            created_at: self.created_at,
        }
    }

    /// Makes the record its own tombstone: the wrapped key is dropped, the rest stays.
    pub fn destroy(&mut self) {
        self.state = KekState::Destroyed;
        self.wrapped = None;
    }
}

impl fmt::Debug for KekRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KekRecord")
            .field("tenant", &self.tenant)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("state", &self.state)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

pub(crate) fn check(
    kek: &Dek,
    tenant: &TenantId,
    name: &KeyRef,
    version: u32,
    created_at: u64,
) -> Secret<32> {
    on_wiped_stack(|| {
        mac_of_fields(
            kek.expose_bytes(),
            &[
                KEK_CHECK.as_bytes(),
                tenant.as_bytes(),
                name.as_str().as_bytes(),
                &version.to_be_bytes(),
                &created_at.to_be_bytes(),
            ],
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_after_its_period() {
        let period = RotationPeriod::default();
        let day = 24 * 60 * 60;
        assert!(!period.is_due(1_000, 1_000 + 90 * day - 1));
        assert!(period.is_due(1_000, 1_000 + 90 * day));
        assert!(RotationPeriod::days(0).is_due(1_000, 1_000));
        assert!(!RotationPeriod::days(u32::MAX).is_due(u64::MAX - 1, u64::MAX - 1));
    }
}
