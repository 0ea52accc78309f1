//! The platform's log of tenants' checkpoints: its entries, and when its checkpoint stood.

use strongroom_auditchain::{
    CADENCE_SECONDS, Checkpoint, Frontier, Note, PlatformEntry, Witnessed,
};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use super::super::checkpoint_store::{CheckpointStore, Shelf, Swap};
use super::super::events::new_event_id;
use super::super::history::{blocking, leaf_hashes};
use super::super::platform_log::growth;
use super::super::zones::DegradedNote;
use super::one_log::{Done, Entry, Signed};
use super::{CheckpointError, Checkpointer};
use crate::keystore::KeyStoreError;
use crate::postgres::{JobTx, column, integer};

/// How old a cosignature becomes before the next: a clock's tick and a slow disk are no gap.
const COSIGNED_FOR: u64 = CADENCE_SECONDS - 60;

const NEWEST: &str = "select note, frontier from app.audit_checkpoints \
     where tenant_id = $1 order by size desc limit 1";

const FRONTIER: &str =
    "select frontier from app.audit_checkpoints where tenant_id = $1 and size = $2";

const COSIGNED: &str = "insert into app.audit_cosigned (tenant_id, time, size, note) \
     values ($1, $2, $3, $4) on conflict (tenant_id, time) do nothing";

impl Checkpointer {
    /// Makes the entries of what is to be published. The platform's log has none of itself.
    pub(super) async fn anchored(&self, mut signed: Vec<Signed>) -> Result<Done, CheckpointError> {
        let Some(platform) = &self.platform else {
            return Ok(Done::Signed(signed));
        };
        for new in &mut signed {
            let tenant = TenantId::from_uuid(new.tenant);
            let tenant = tenant.map_err(|error| CheckpointError::Sign(error.to_string()))?;
            if tenant == TenantId::PLATFORM_LOG {
                continue;
            }
            let checkpoint = new.head.checkpoint();
            let failed = |error: &dyn std::fmt::Display| {
                CheckpointError::Salt(checkpoint.origin.to_string(), error.to_string())
            };
            let (entry, salt) =
                PlatformEntry::generate(checkpoint).map_err(|error| failed(&error))?;
            let sealed = match platform.seal(&tenant, checkpoint.size, &salt).await {
                Ok(sealed) => Some(sealed),
                // It is its tenant's own, and went with its keys.
                Err(KeyStoreError::NoKey) => None,
                Err(error) => return Err(failed(&error)),
            };
            let id = new_event_id(self.clock.as_ref()).map_err(|error| failed(&error))?;
            new.entry = Some(Entry { id, entry, sealed });
        }
        Ok(Done::Signed(signed))
    }

    /// Waits until staged entries are in the platform's log. Those that do not get there now do
    /// with the sequencer's next sweep.
    pub(super) async fn placed(&self, entries: Vec<Uuid>) {
        let Some(platform) = &self.platform else {
            return;
        };
        let placed = entries.into_iter().map(|id| platform.placed(id));
        for error in futures_util::future::join_all(placed)
            .await
            .into_iter()
            .flatten()
        {
            tracing::warn!(%error, "an entry of the platform's log follows later");
        }
    }

    /// Has the platform's checkpoint cosigned if it is a new one, or was last four minutes ago.
    /// Answers when that is to be looked at next, in Unix seconds.
    ///
    /// # Errors
    /// [`CheckpointError`]: nothing was cosigned then, or not published.
    pub async fn cosign(&self) -> Result<u64, CheckpointError> {
        let now = self.clock.unix_seconds();
        let (Some(platform), Some(store)) = (&self.platform, &self.store) else {
            return Ok(now.saturating_add(COSIGNED_FOR));
        };
        let refuse = |reason: &dyn std::fmt::Display| CheckpointError::Cosign(reason.to_string());
        let log = TenantId::PLATFORM_LOG.as_uuid();
        let (origin, key) = (platform.origin(), platform.log_key());
        let mut tx = self.job.begin().await?;
        let rows = tx.query(NEWEST, &[log]).await?;
        let Some(row) = rows.first() else {
            // Its first checkpoint is cosigned by whoever signs it.
            tx.rollback().await;
            return Ok(now.saturating_add(COSIGNED_FOR));
        };
        let text: String = column(row, 0)?;
        let checkpoint = Checkpoint::verify(&text, key, origin).map_err(|e| refuse(&e))?;
        let (files, named) = (store.clone(), origin.clone());
        let (head, last) =
            blocking(move || Ok((files.head(&named)?, files.text(Shelf::Cosigned, &named)?)))
                .await?;
        if head.is_none_or(|head| *head.checkpoint() != checkpoint) {
            tx.rollback().await;
            return Err(refuse(&"it is not what the checkpoint store has"));
        }
        let witnessed = match &last {
            Some(note) => platform.witnessed(note).map_err(|error| refuse(&error))?,
            None => Witnessed::nothing(origin.clone()),
        };
        let is_new = witnessed.checkpoint != checkpoint;
        let due = witnessed.time.saturating_add(COSIGNED_FOR);
        if is_new && now == witnessed.time {
            // Cosigned checkpoints go by their times.
            tx.rollback().await;
            return Ok(now.saturating_add(1));
        }
        if !is_new && now < due {
            // Another node's may not have come to be published.
            let note = last.unwrap_or_default();
            self.publish_cosigned(tx, &witnessed, &note).await?;
            return Ok(due);
        }
        let since = &witnessed.checkpoint;
        let frontier = match since.size {
            0 => Frontier::new(),
            size => {
                let rows = tx.query(FRONTIER, &[log, &integer(size)]).await?;
                let bytes = rows.first().map(|row| column::<Vec<u8>>(row, 0));
                let bytes = bytes.transpose()?.unwrap_or_default();
                Frontier::from_bytes(size, &bytes).map_err(|error| refuse(&error))?
            }
        };
        let new = leaf_hashes(&mut tx, log, since.size, checkpoint.size).await?;
        let new = new.ok_or_else(|| refuse(&"entries are missing"))?;
        let proof = growth(&frontier, &new);
        let note: Note = text.parse().map_err(|error| refuse(&error))?;
        let cosigned = platform
            .cosigner()
            .cosign(&note, key, &witnessed, &proof, now);
        let (note, witnessed) = cosigned.map_err(|error| refuse(&error))?;
        let note = note.to_string();
        if !keep_cosigned(store, last, &witnessed, &note).await? {
            // Another node was first: when, the next look shows.
            tx.rollback().await;
            return Ok(now);
        }
        self.publish_cosigned(tx, &witnessed, &note).await?;
        Ok(witnessed.time.saturating_add(COSIGNED_FOR))
    }

    /// It waits for no zone: that one is missing is no gap.
    async fn publish_cosigned(
        &self,
        mut tx: JobTx,
        witnessed: &Witnessed,
        note: &str,
    ) -> Result<(), CheckpointError> {
        tx.query(DegradedNote::LOCALLY, &[]).await?;
        let log = TenantId::PLATFORM_LOG;
        let (time, size) = (integer(witnessed.time), integer(witnessed.checkpoint.size));
        tx.query(COSIGNED, &[log.as_uuid(), &time, &size, &note])
            .await?;
        Ok(tx.commit().await?)
    }
}

/// What is cosigned is in the store before anybody sees it. Whether it was, or another node's is.
async fn keep_cosigned(
    store: &std::sync::Arc<CheckpointStore>,
    before: Option<String>,
    witnessed: &Witnessed,
    note: &str,
) -> Result<bool, CheckpointError> {
    let store = store.clone();
    let swap = Swap {
        origin: witnessed.checkpoint.origin.clone(),
        before,
        after: note.to_owned(),
    };
    let changed = blocking(move || store.swap(Shelf::Cosigned, &[swap])).await?;
    Ok(changed.is_empty())
}
