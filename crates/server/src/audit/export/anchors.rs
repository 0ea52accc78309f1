//! What the platform's log adds to an export: to a tenant's its anchors, to its own the checkpoints
//! that were cosigned.

use strongroom_auditchain::{Anchor, Frontier, Hash, InclusionProof, PlatformSalt};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use super::{Export, ExportError, Pieces, file};
use crate::audit::platform_log::open_salt;
use crate::keystore::KeyStoreError;
use crate::postgres::{Access, QueryError, TenantTx, column, integer};

const ANCHORS: &str = "select a.size, a.entry_id, a.sealed, c.note from app.audit_anchors a \
     join app.audit_checkpoints c using (tenant_id, size) \
     where a.size > $1 and a.size <= $2 and a.sealed is not null order by a.size limit 256";

/// An entry's place in the platform's log, the first cosigned checkpoint that covers it, and the last
/// one that does not: what lies between the two proves it.
const ENTRY: &str = "select l.idx, k.size, k.note, p.size, p.frontier from app.audit_leaves l \
     cross join lateral (select s.size, s.note from app.audit_cosigned s \
       where s.size > l.idx order by s.size, s.time limit 1) k \
     left join lateral (select c.size, c.frontier from app.audit_checkpoints c \
       where c.size <= l.idx order by c.size desc limit 1) p on true where l.event_id = $1";

const HASHES: &str =
    "select leaf_hash from app.audit_leaves where idx >= $1 and idx < $2 order by idx";

const COSIGNED: &str = "select time, note from app.audit_cosigned \
     where time > $1 and size <= $2 order by time limit 1000";

/// The platform's log from one of its checkpoints to a later one.
struct Stretch {
    from: u64,
    to: u64,
    proofs: Vec<InclusionProof>,
}

impl Export {
    /// The anchors of the log's checkpoints that the platform's log has come to cover.
    pub(super) async fn anchors(&self, to: &Pieces) -> Result<(), ExportError> {
        let (mut after, last) = (0_i64, integer(self.checkpoint.size));
        let mut stretch: Option<Stretch> = None;
        loop {
            let mut tx = self.exporter.begin_tx().await?;
            let rows = tx.query(ANCHORS, &[&after, &last]).await?;
            tx.rollback().await;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                after = column(row, 0)?;
                let (id, sealed): (Uuid, Vec<u8>) = (column(row, 1)?, column(row, 2)?);
                let Some(salt) = self.salt(after.unsigned_abs(), &sealed).await? else {
                    continue;
                };
                let note: String = column(row, 3)?;
                if let Some(anchor) = self.anchor(id, salt, &note, &mut stretch).await? {
                    file(to, &format!("anchors/{after}"), anchor.to_text().as_bytes()).await?;
                }
            }
        }
    }

    /// None where it does not open any more: the anchor went with the tenant's key.
    async fn salt(&self, size: u64, sealed: &[u8]) -> Result<Option<PlatformSalt>, ExportError> {
        let tenant = &self.exporter.tenant;
        match open_salt(&self.exporter.keys, tenant, size, sealed).await {
            Ok(salt) => Ok(Some(salt)),
            Err(error @ (KeyStoreError::NoKey | KeyStoreError::Failed)) => {
                tracing::error!(%error, size, "an anchor was not exported");
                Ok(None)
            }
            Err(error) => Err(ExportError::Payload(error.into())),
        }
    }

    /// None before the platform's log was cosigned with the entry in it.
    async fn anchor(
        &self,
        id: Uuid,
        salt: PlatformSalt,
        note: &str,
        stretch: &mut Option<Stretch>,
    ) -> Result<Option<Anchor>, ExportError> {
        let malformed = || ExportError::Log("an anchor");
        let mut tx = self.platforms().await?;
        let rows = tx.query(ENTRY, &[&id]).await?;
        let Some(row) = rows.first() else {
            tx.rollback().await;
            return Ok(None);
        };
        let index = column::<i64>(row, 0)?.unsigned_abs();
        let end = column::<i64>(row, 1)?.unsigned_abs();
        let platform: String = column(row, 2)?;
        let from = column::<Option<i64>>(row, 3)?.map_or(0, i64::unsigned_abs);
        if stretch
            .as_ref()
            .is_none_or(|known| (known.from, known.to) != (from, end))
        {
            let bytes: Option<Vec<u8>> = column(row, 4)?;
            let frontier = Frontier::from_bytes(from, &bytes.unwrap_or_default());
            let frontier = frontier.map_err(|_| malformed())?;
            let rows = tx.query(HASHES, &[&integer(from), &integer(end)]).await?;
            let mut hashes = Vec::with_capacity(rows.len());
            for row in &rows {
                let hash: Vec<u8> = column(row, 0)?;
                hashes.push(Hash::from_bytes(hash.try_into().map_err(|_| malformed())?));
            }
            let (_, proofs) = frontier.append_batch(&hashes);
            *stretch = Some(Stretch {
                from,
                to: end,
                proofs,
            });
        }
        tx.rollback().await;
        let position = usize::try_from(index.saturating_sub(from)).ok();
        let proofs = stretch.as_ref().map(|stretch| &stretch.proofs);
        let proof = proofs.zip(position).and_then(|(all, at)| all.get(at));
        let proof = proof.ok_or_else(malformed)?;
        let log = note.parse().map_err(|_| malformed())?;
        let platform = platform.parse().map_err(|_| malformed())?;
        let anchor = Anchor::new(salt, proof, log, platform).map_err(|_| malformed())?;
        Ok(Some(anchor))
    }

    /// The platform's log, of which a tenant is shown no more than its own entries' proofs.
    async fn platforms(&self) -> Result<TenantTx, QueryError> {
        let of = &self.exporter;
        of.gateway
            .begin(TenantId::PLATFORM_LOG, of.actor, &of.request, Access::Read)
            .await
    }

    /// The platform's checkpoints with the times at which they stood.
    pub(super) async fn cosigned(&self, to: &Pieces) -> Result<(), ExportError> {
        let (mut after, last) = (0_i64, integer(self.checkpoint.size));
        loop {
            let mut tx = self.exporter.begin_tx().await?;
            let rows = tx.query(COSIGNED, &[&after, &last]).await?;
            tx.rollback().await;
            if rows.is_empty() {
                return Ok(());
            }
            for row in &rows {
                after = column(row, 0)?;
                let note: String = column(row, 1)?;
                file(to, &format!("cosigned/{after}"), note.as_bytes()).await?;
            }
        }
    }
}
