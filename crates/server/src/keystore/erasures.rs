//! After an organisation's erasure: the data keys that sealed what is gone are destroyed.
//!
//! They sealed what is kept as well, so that is encrypted again under new ones first.

use strongroom_tenancy::{RequestId, TenantId};
use uuid::Uuid;

use super::rotations::{PUT_OFF_SECONDS, RotationError, SPREAD_SECONDS, batches};
use super::{KeyStore, KeyStoreError};
use crate::generations::BUMP_GENERATION;
use crate::postgres::{JobTx, column, integer};

const NEXT: &str = "select tenant_id, id, phase, request_id from app.erasures \
     where phase in ('retiring', 'resealing', 'overlapping') and due_at <= $1 \
     order by due_at limit 1 for no key update skip locked";

/// Under its own KEK are the data keys of payloads and of the vault's values, and no others.
const RETIRE: &str = "update app.tenant_deks set state = 'retired' \
     where tenant_id = $1 and kek = 'tenant' and state = 'active'";

const DESTROY: &str = "delete from app.tenant_deks d \
     where d.tenant_id = $1 and d.kek = 'tenant' and d.state = 'retired' \
     and not exists (select from app.audit_payloads p \
       where p.tenant_id = d.tenant_id and p.dek_id = d.dek_id) \
     and not exists (select from app.pii_values v \
       where v.tenant_id = d.tenant_id and v.dek_id = d.dek_id) returning 1";

const ADVANCE: &str = "update app.erasures set phase = $3, due_at = $4, \
     data_keys = data_keys + $5, finished_at = case when $3 = 'finished' then $6::bigint end \
     where tenant_id = $1 and id = $2";

const PUT_OFF: &str = "update app.erasures set due_at = $3 where tenant_id = $1 and id = $2";

/// One erasure whose payloads are gone, held by the transaction that reads it.
struct Erased {
    tenant: TenantId,
    id: Uuid,
    phase: String,
    request: RequestId,
}

/// What comes next, when, and how many data keys went.
type Step = (&'static str, u64, u64);

impl KeyStore {
    /// Takes one step with the erasure that waited for longest; whether there was any. Data keys go
    /// `overlap_seconds` after nothing more is sealed under them, for those who have read a row.
    ///
    /// # Errors
    /// [`RotationError`]; that erasure is left alone for five seconds.
    pub async fn destroy_erased(&self, overlap_seconds: u64) -> Result<bool, RotationError> {
        let now = self.inner.clock.unix_seconds();
        let mut tx = self.inner.job.begin().await?;
        let rows = tx.query(NEXT, &[&integer(now)]).await?;
        let Some(row) = rows.first() else {
            tx.rollback().await;
            return Ok(false);
        };
        let request: String = column(row, 3)?;
        let erased = Erased {
            tenant: TenantId::from_uuid(column(row, 0)?)
                .map_err(|_| RotationError::Malformed("tenant_id"))?,
            id: column(row, 1)?,
            phase: column(row, 2)?,
            request: request
                .parse()
                .map_err(|_| RotationError::Malformed("request_id"))?,
        };
        let stepped = self.step(tx, &erased, now, overlap_seconds).await;
        if stepped.is_err() {
            let mut tx = self.inner.job.begin().await?;
            let due = integer(now.saturating_add(PUT_OFF_SECONDS));
            tx.query(PUT_OFF, &[erased.tenant.as_uuid(), &erased.id, &due])
                .await?;
            tx.commit().await?;
        }
        stepped.map(|()| true)
    }

    async fn step(
        &self,
        mut tx: JobTx,
        erased: &Erased,
        now: u64,
        overlap_seconds: u64,
    ) -> Result<(), RotationError> {
        let tenant = erased.tenant.as_uuid();
        let (phase, due, destroyed): Step = match erased.phase.as_str() {
            "retiring" => {
                tx.query(RETIRE, &[tenant]).await?;
                tx.query(BUMP_GENERATION, &[tenant]).await?;
                ("resealing", now.saturating_add(SPREAD_SECONDS), 0)
            }
            "resealing" => self.reseal(&mut tx, erased, now, overlap_seconds).await?,
            _ => {
                let destroyed = tx.query(DESTROY, &[tenant]).await?.len() as u64;
                let resource = format!("erasure/{}", erased.id);
                let request = erased.request;
                self.stage_event(
                    &mut tx,
                    erased.tenant,
                    request,
                    "organisation.erased",
                    resource,
                )
                .await?;
                ("finished", 0, destroyed)
            }
        };
        tx.query(
            ADVANCE,
            &[
                tenant,
                &erased.id,
                &phase,
                &integer(due),
                &integer(destroyed),
                &integer(now),
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn reseal(
        &self,
        tx: &mut JobTx,
        erased: &Erased,
        now: u64,
        overlap_seconds: u64,
    ) -> Result<Step, RotationError> {
        let over = ("overlapping", now.saturating_add(overlap_seconds), 0);
        match self.reencrypt(tx, &erased.tenant).await {
            Ok(0) if batches::is_payload_left(tx, &erased.tenant).await? => {
                Ok(("resealing", now.saturating_add(PUT_OFF_SECONDS), 0))
            }
            Ok(0) => Ok(over),
            Ok(_) => Ok(("resealing", 0, 0)),
            // The tenant's keys are destroyed, and what they sealed with them.
            Err(RotationError::Keys(KeyStoreError::NoKey)) => Ok(over),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystore::TENANT;

    #[test]
    fn the_statements_name_the_tenants_own_kek() {
        for sql in [RETIRE, DESTROY] {
            assert!(sql.contains(&format!("kek = '{TENANT}'")));
        }
    }
}
