//! Renewals: what a refresh token's use changes, in the transaction that writes the event of it.

use strongroom_tenancy::TenantId;
use strongroom_tenant_token::refresh::Family;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::items::Item;

/// Renews what can be without waiting for anybody; answers the events of what was.
pub(super) const RENEW: &str = "select app.renew_families($1, $2, $3, $4, $5, $6)";

/// A family's next generation.
pub struct Renewal {
    tenant: TenantId,
    family: String,
    version: i64,
    newest: [u8; 32],
    successor: [u8; 60],
}

impl Renewal {
    /// What makes `next` of a row that has the version `expected`; nothing when it is not the plain
    /// next generation.
    #[must_use]
    pub fn of(expected: u64, next: &Family) -> Option<Self> {
        let is_next = next.revoked.is_none() && next.version == expected.checked_add(1)?;
        Some(Self {
            tenant: next.grant.tenant,
            family: next.id.to_string(),
            version: i64::try_from(expected).ok().filter(|_| is_next)?,
            newest: next.current,
            successor: next.successor?,
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// The renewals of a batch, by columns.
#[derive(Default)]
pub(super) struct Renewals<'a> {
    tenants: Vec<Uuid>,
    families: Vec<&'a str>,
    versions: Vec<i64>,
    newest: Vec<&'a [u8]>,
    successors: Vec<&'a [u8]>,
    events: Vec<Uuid>,
}

impl<'a> Renewals<'a> {
    pub(super) fn among(batch: &[&'a Item]) -> Self {
        let mut renewals = Self::default();
        for item in batch {
            if let Item::Renew {
                event_id, renewal, ..
            } = item
            {
                renewals.tenants.push(*renewal.tenant.as_uuid());
                renewals.families.push(&renewal.family);
                renewals.versions.push(renewal.version);
                renewals.newest.push(&renewal.newest);
                renewals.successors.push(&renewal.successor);
                renewals.events.push(*event_id);
            }
        }
        renewals
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What [`RENEW`] is asked.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 6] {
        [
            &self.tenants,
            &self.families,
            &self.versions,
            &self.newest,
            &self.successors,
            &self.events,
        ]
    }
}
