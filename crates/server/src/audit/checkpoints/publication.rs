//! Publication: first into the checkpoint store, then into the database, with an entry of the
//! platform's log.

use strongroom_tenancy::TenantId;
use uuid::Uuid;

use super::super::history::blocking;
use super::one_log::Signed;
use super::{CheckpointError, Checkpointer};
use crate::postgres::{JobTx, integer};

const STORE: &str = "insert into app.audit_checkpoints (tenant_id, size, note, frontier, signed_at) \
     values ($1, $2, $3, $4, $5) on conflict (tenant_id, size) do nothing";

/// The sequencer takes the entry up from there, if nobody else published the checkpoint meanwhile.
const ANCHOR: &str = "with anchored as (insert into app.audit_anchors \
     (tenant_id, size, entry_id, sealed) values ($1, $2, $3, $4) \
     on conflict (tenant_id, size) do nothing returning entry_id) \
     insert into app.audit_staged (tenant_id, event_id, leaf) select $5, entry_id, $6 from anchored";

impl Checkpointer {
    /// Keeps new checkpoints in the store. Those of logs that another node signed meanwhile are
    /// dropped: answers whose.
    pub(super) async fn keep(
        &self,
        signed: &mut Vec<Signed>,
    ) -> Result<Vec<Uuid>, CheckpointError> {
        let Some(store) = self.store.clone() else {
            return Ok(Vec::new());
        };
        let new = signed.iter().filter(|it| !it.is_kept);
        let heads: Vec<_> = new.map(|it| (it.before.clone(), it.head.clone())).collect();
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        let changed = blocking(move || store.advance(&heads)).await?;
        let is_others = |it: &Signed| !it.is_kept && changed.contains(&it.head.checkpoint().origin);
        let others = signed.iter().filter(|it| is_others(it)).map(|it| it.tenant);
        let others = others.collect();
        signed.retain(|it| !is_others(it));
        Ok(others)
    }

    /// Answers the ids of the entries that are staged for the platform's log.
    pub(super) async fn publish(
        &self,
        tx: &mut JobTx,
        signed: &[Signed],
    ) -> Result<Vec<Uuid>, CheckpointError> {
        let now = integer(self.clock.unix_seconds());
        let mut entries = Vec::with_capacity(signed.len());
        for Signed {
            tenant,
            head,
            entry,
            ..
        } in signed
        {
            let length = head.checkpoint().size;
            let (size, frontier) = (integer(length), head.frontier().to_bytes());
            tx.query(STORE, &[tenant, &size, &head.note(), &frontier, &now])
                .await?;
            if let Some(entry) = entry {
                let bytes = entry.entry.encode();
                tx.query(
                    ANCHOR,
                    &[
                        tenant,
                        &size,
                        &entry.id,
                        &entry.sealed,
                        TenantId::PLATFORM_LOG.as_uuid(),
                        &bytes.as_slice(),
                    ],
                )
                .await?;
                entries.push(entry.id);
            }
            if let (Some(zones), Ok(tenant)) = (&self.zones, TenantId::from_uuid(*tenant)) {
                zones.forget_whole(tenant, length);
            }
        }
        Ok(entries)
    }
}
