//! The receipt of a crypto-shredding.

use strongroom_tenancy::TenantId;

use crate::kms::Destruction;
use crate::{KekRecord, KekState, KeyRef};

/// How long backups are kept, unless said otherwise: 35 days.
pub const DEFAULT_BACKUP_RETENTION_DAYS: u32 = 35;

/// What was destroyed, and by when the last copy is gone: for the audit log.
///
/// It says what was done, not that it is true: the record of it is the log's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShredReceipt {
    /// Whose keys they were.
    pub tenant: TenantId,
    /// The name of the KEK.
    pub name: KeyRef,
    /// The versions that are gone.
    pub versions: Vec<u32>,
    /// When the key records were destroyed, in Unix seconds.
    pub destroyed_at: u64,
    /// By when no process held a copy any more, in Unix seconds.
    pub copies_gone_at: u64,
    /// From when on no backup of the key records exists, in Unix seconds, as backups are configured.
    pub backups_gone_at: u64,
    /// What the root key's KMS did, when the root key was destroyed too. A KMS that schedules
    /// destruction says for when.
    pub root: Option<Destruction>,
}

impl ShredReceipt {
    /// Makes the receipt for these tombstones; `None` when one of them is none, or they are not of
    /// one tenant and name. Times are in Unix seconds.
    #[must_use]
    pub fn new(
        tombstones: &[KekRecord],
        destroyed_at: u64,
        copies_gone_at: u64,
        backup_retention_days: u32,
        root: Option<Destruction>,
    ) -> Option<Self> {
        let first = tombstones.first()?;
        let is_one = |record: &KekRecord| {
            record.tenant == first.tenant
                && record.name == first.name
                && record.state == KekState::Destroyed
                && record.wrapped.is_none()
        };
        if !tombstones.iter().all(is_one) {
            return None;
        }
        let retention = u64::from(backup_retention_days) * 24 * 60 * 60;
        Some(Self {
            tenant: first.tenant,
            name: first.name.clone(),
            versions: tombstones.iter().map(|record| record.version).collect(),
            destroyed_at,
            copies_gone_at,
            backups_gone_at: destroyed_at.saturating_add(retention),
            root,
        })
    }

    /// From when on nothing can bring the records back, in Unix seconds.
    #[must_use]
    pub const fn gone_at(&self) -> u64 {
        let mut at = max(self.copies_gone_at, self.backups_gone_at);
        if let Some(Destruction::Scheduled { at: scheduled }) = self.root {
            at = max(at, scheduled);
        }
        at
    }
}

const fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}
