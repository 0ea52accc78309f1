//! Roots: what each zone's own rows come to, before a log is signed.

use std::time::{Duration, Instant};

use strongroom_auditchain::{Frontier, Hash};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Standing, ZoneSet};
use crate::config::ZoneName;
use crate::postgres::{JobTx, PrimaryView, QueryError, ZONES, column, integer};

/// From the leaves, not from what stands beside them. By the zone's own database: a leaf has up to
/// 1 KiB, and its hash 32 bytes. RFC 6962, section 2.1: a leaf is hashed after a zero byte.
const HASHES: &str = "select pg_catalog.sha256('\\x00'::bytea || leaf) from app.audit_leaves \
     where tenant_id = $1 and idx >= $2 and idx < $3 order by idx";

/// Hashes read in one go.
const PAGE: u64 = 8192;

/// How long a zone may take to show what the primary shows.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Between two looks at how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The zones as they are read for one round of signatures.
pub(in crate::audit) struct Reading<'a> {
    zones: &'a ZoneSet,
    /// Each as it stood when it had caught up; nothing for one that is missing.
    standing: Vec<Option<Standing>>,
}

/// What the zones say of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) enum Agreement {
    /// Each one's rows have the root.
    All,
    /// Those that could be read have; these could not.
    Missing(Vec<ZoneName>),
    /// This one's have another, or are not there.
    Differs(String),
}

impl ZoneSet {
    /// Waits until each zone shows what the primary's transaction sees.
    pub(in crate::audit) async fn reading(
        &self,
        primary: &mut JobTx,
    ) -> Result<Reading<'_>, QueryError> {
        let view = PrimaryView::of(&primary.query(ZONES, &[]).await?)?;
        let mut standing = Vec::with_capacity(self.standbys());
        for zone in 0..self.standbys() {
            let found = self.standing_of(zone);
            let is_admitted = matches!(found, Standing::Admitted(_));
            let caught_up = is_admitted && self.catches_up(zone, &view).await;
            standing.push(caught_up.then_some(found));
        }
        Ok(Reading {
            zones: self,
            standing,
        })
    }

    async fn catches_up(&self, zone: usize, view: &PrimaryView) -> bool {
        let began = Instant::now();
        while began.elapsed() < CATCH_UP {
            match self.read(zone).await {
                Ok(found) if found.timeline != Some(view.timeline) => return false,
                Ok(found) if found.replayed >= view.flushed => return true,
                Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(error) => {
                    tracing::error!(%error, "a zone could not be read");
                    return false;
                }
            }
        }
        false
    }
}

impl Reading<'_> {
    /// The zones that are missing.
    pub(in crate::audit) fn missing(&self) -> Vec<ZoneName> {
        let zones = self.zones.names.iter().zip(&self.standing).enumerate();
        zones
            .filter(|(zone, (_, then))| **then != Some(self.zones.standing_of(*zone)))
            .map(|(_, (name, _))| name.clone())
            .collect()
    }

    /// Computes the root of a log's first `size` entries from the rows of each zone, the primary
    /// among them. The entries of `from` were signed before.
    pub(in crate::audit) async fn agree(
        &self,
        primary: &mut JobTx,
        tenant: Uuid,
        from: &Frontier,
        size: u64,
        root: Hash,
    ) -> Result<Agreement, QueryError> {
        if root_in(primary, tenant, from, size).await? != Some(root) {
            return Ok(Agreement::Differs("the primary".to_owned()));
        }
        for (zone, then) in self.standing.iter().enumerate() {
            let (Some(standby), true) = (self.zones.standbys.get(zone), then.is_some()) else {
                continue;
            };
            let read = async {
                let mut tx = standby.begin_reading().await?;
                let found = root_in(&mut tx, tenant, from, size).await?;
                tx.rollback().await;
                Ok::<_, QueryError>(found)
            };
            match read.await {
                Ok(Some(found)) if found == root => {}
                Ok(_) => {
                    let name = self.zones.names.get(zone).map(ToString::to_string);
                    return Ok(Agreement::Differs(name.unwrap_or_default()));
                }
                Err(error) => {
                    tracing::error!(%error, "a zone's rows could not be read");
                    let missing = self.zones.names.get(zone).cloned();
                    return Ok(Agreement::Missing(missing.into_iter().collect()));
                }
            }
        }
        // One that went or connected again meanwhile may have shown anything.
        let missing = self.missing();
        Ok(if missing.is_empty() {
            Agreement::All
        } else {
            Agreement::Missing(missing)
        })
    }

    /// How much of a log every zone holds for certain, at least what is `known` of it and at most
    /// `size`.
    pub(in crate::audit) fn held_by_all(&self, tenant: Uuid, known: u64, size: u64) -> u64 {
        let tenant = strongroom_tenancy::TenantId::from_uuid(tenant);
        let held = tenant.map_or(0, |tenant| self.zones.whole_of(tenant));
        held.max(known).min(size)
    }
}

/// The root of a log's first `size` entries; nothing when some are not there.
pub(in crate::audit) async fn root_in(
    tx: &mut JobTx,
    tenant: Uuid,
    from: &Frontier,
    size: u64,
) -> Result<Option<Hash>, QueryError> {
    let mut tree = from.clone();
    while tree.size() < size {
        let start = tree.size();
        let end = size.min(start.saturating_add(PAGE));
        let rows = tx
            .query(HASHES, &[&tenant, &integer(start), &integer(end)])
            .await?;
        if rows.len() as u64 != end - start {
            return Ok(None);
        }
        for row in &rows {
            tree.push(hash(row)?);
        }
    }
    Ok(Some(tree.root()))
}

fn hash(row: &Row) -> Result<Hash, QueryError> {
    let bytes = <[u8; 32]>::try_from(column::<&[u8]>(row, 0)?);
    bytes
        .map(Hash::from_bytes)
        .map_err(|_| QueryError::Row("a hash is malformed".to_owned()))
}
