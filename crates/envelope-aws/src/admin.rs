//! Creating, rotating and ending keys.

use std::fmt;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::error::BuildError;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyUsageType, Tag};
use strongroom_envelope::{Destruction, KeyAdmin, KeyRef, KeyState, KmsError, KmsFuture};
use strongroom_tenancy::TenantId;

use crate::client::{CallLimits, once};
use crate::failure::classify;
use crate::key_id::alias;
use crate::kms::NO_VERSION;
use crate::metadata::{find, state};

/// A [`KeyAdmin`] over AWS KMS, for the keys under our aliases. A key that a tenant brought is the
/// tenant's to administer: its ARN is refused.
///
/// Calls are tried once: try again what failed with an error that
/// [is retryable](KmsError::is_retryable).
///
/// - `create` makes a symmetric KMS key, tagged with tenant and name, and its alias. When the alias
///   is refused, the key is scheduled for deletion; when it is not known whether the alias was made,
///   the key is left, without an alias at worst. The alias of a destroyed key goes with it at the
///   end of its window; that its name is not used again is for the caller's own record to ensure.
/// - `rotate` has AWS KMS make new key material. It answers 0, as versions are AWS's own.
/// - `destroy` schedules the deletion. When its answer was lost, ask [`Self::destruction`].
///
/// AWS KMS is eventually consistent: a change may take seconds to reach every call.
///
/// Needs `kms:CreateKey`, `kms:TagResource`, `kms:CreateAlias`, `kms:DescribeKey`,
/// `kms:RotateKeyOnDemand`, `kms:DisableKey`, `kms:EnableKey` and `kms:ScheduleKeyDeletion`.
pub struct AwsKeyAdmin {
    client: Client,
    window: PendingWindow,
}

/// How long a destroyed key waits for its deletion, unusable but not yet lost: 7 to 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingWindow(u8);

/// Not 7 to 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pending window: expected 7 to 30 days")]
pub struct PendingWindowError;

impl PendingWindow {
    /// The shortest that AWS KMS allows.
    pub const SHORTEST: Self = Self(7);
    /// The longest, which is also AWS's own choice where none is made.
    pub const LONGEST: Self = Self(30);

    /// Takes a number of days.
    ///
    /// # Errors
    /// [`PendingWindowError`] below 7 and above 30.
    pub const fn from_days(days: u8) -> Result<Self, PendingWindowError> {
        if Self::SHORTEST.0 <= days && days <= Self::LONGEST.0 {
            Ok(Self(days))
        } else {
            Err(PendingWindowError)
        }
    }

    /// The number of days.
    #[must_use]
    pub const fn days(self) -> u8 {
        self.0
    }
}

impl AwsKeyAdmin {
    /// Takes the SDK's configuration, as [`AwsKms::new`](crate::AwsKms::new) does, but for a role
    /// of its own.
    #[must_use]
    pub fn new(config: Builder, limits: CallLimits, window: PendingWindow) -> Self {
        Self {
            client: once(config, limits),
            window,
        }
    }

    /// When a destroyed key will be gone; nothing when the key is not destroyed.
    ///
    /// # Errors
    /// [`KmsError`], as of `destroy`; [`KmsError::NotFound`] when the key is gone already.
    pub async fn destruction(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
    ) -> Result<Option<Destruction>, KmsError> {
        let metadata = self.find(tenant, key).await?;
        if state(&metadata)? != KeyState::PendingDestruction {
            return Ok(None);
        }
        scheduled(metadata.deletion_date()).map(Some)
    }

    async fn create_key(&self, tenant: &TenantId, key: &KeyRef) -> Result<(), KmsError> {
        let alias = alias(tenant, key).ok_or(KmsError::Denied)?;
        // Asked first, because a key that is made in vain cannot be deleted for a week.
        match find(&self.client, &alias).await {
            Ok(_) => return Err(KmsError::AlreadyExists),
            Err(KmsError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let tags = tags(tenant, key).map_err(|_| KmsError::Unavailable)?;
        let request = self.client.create_key().set_tags(Some(tags));
        let request = request
            .key_spec(KeySpec::SymmetricDefault)
            .key_usage(KeyUsageType::EncryptDecrypt);
        let answer = request.send().await.map_err(classify)?;
        let key_id = answer.key_metadata.map(|metadata| metadata.key_id);
        let key_id = key_id.filter(|id| !id.is_empty());
        let key_id = key_id.ok_or(KmsError::Unavailable)?;

        let request = self.client.create_alias().alias_name(alias);
        let named = request.target_key_id(&key_id).send().await;
        let Err(error) = named.map_err(classify) else {
            return Ok(());
        };
        // Without an answer the alias may stand, and its key must then live.
        if error != KmsError::Unavailable {
            // The alias's refusal is the answer; a key that stays costs money and wraps nothing.
            let _ = self.schedule(&key_id).await;
        }
        Err(error)
    }

    async fn schedule(&self, key_id: &str) -> Result<Destruction, KmsError> {
        let request = self.client.schedule_key_deletion().key_id(key_id);
        let request = request.pending_window_in_days(self.window.0.into());
        let answer = request.send().await.map_err(classify)?;
        scheduled(answer.deletion_date())
    }

    async fn find(&self, tenant: &TenantId, key: &KeyRef) -> Result<KeyMetadata, KmsError> {
        let alias = alias(tenant, key).ok_or(KmsError::Denied)?;
        find(&self.client, &alias).await
    }

    /// The id of a key of ours: what changes a key takes no alias.
    async fn key_id(&self, tenant: &TenantId, key: &KeyRef) -> Result<String, KmsError> {
        Ok(self.find(tenant, key).await?.key_id)
    }
}

impl KeyAdmin for AwsKeyAdmin {
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(self.create_key(tenant, key))
    }

    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key).await?;
            let request = self.client.rotate_key_on_demand().key_id(key_id);
            request.send().await.map_err(classify)?;
            Ok(NO_VERSION)
        })
    }

    fn disable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key).await?;
            let request = self.client.disable_key().key_id(key_id);
            request.send().await.map_err(classify)?;
            Ok(())
        })
    }

    fn enable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key).await?;
            let request = self.client.enable_key().key_id(key_id);
            request.send().await.map_err(classify)?;
            Ok(())
        })
    }

    fn destroy<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, Destruction> {
        Box::pin(async move {
            let key_id = self.key_id(tenant, key).await?;
            self.schedule(&key_id).await
        })
    }
}

impl fmt::Debug for AwsKeyAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKeyAdmin")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

/// By these an operator finds a key that has lost its alias.
fn tags(tenant: &TenantId, key: &KeyRef) -> Result<Vec<Tag>, BuildError> {
    let tag = |name: &str, value: String| Tag::builder().tag_key(name).tag_value(value).build();
    Ok(vec![
        tag("strongroom:tenant", tenant.to_string())?,
        tag("strongroom:key", key.to_string())?,
    ])
}

fn scheduled(date: Option<&aws_sdk_kms::primitives::DateTime>) -> Result<Destruction, KmsError> {
    let seconds = date.and_then(|date| u64::try_from(date.secs()).ok());
    let at = seconds.ok_or(KmsError::Unavailable)?;
    Ok(Destruction::Scheduled { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_aws_does_not_have() {
        for refused in [0, 6, 31, 255] {
            assert_eq!(PendingWindow::from_days(refused), Err(PendingWindowError));
        }
        for taken in [7, 30] {
            assert_eq!(PendingWindow::from_days(taken).unwrap().days(), taken);
        }
    }
}
