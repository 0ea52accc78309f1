//! Opening the checkpoint store of this database's installation, and letting it begin anew.

use std::path::Path;
use std::sync::Arc;

use strongroom_auditchain::{Checkpoint, Ed25519Signer, Frontier, Origin};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

use super::checkpoint_store::{CheckpointStore, Head, Shelf, StoreError, Swap};
use super::history::{blocking, grow};
use crate::postgres::{CommitError, Job, QueryError, column};

/// The name of the platform's own log, which is random, is the installation's.
const INSTALLATION: &str = "select l.origin, exists (select from app.audit_logs g where g.size > 0) \
     or exists (select from app.audit_checkpoints) from app.audit_logs l where l.tenant_id = $1";

const NAME: &str = "select origin from app.audit_logs where tenant_id = $1";

const CHECKPOINTS: &str = "select l.tenant_id, l.origin, c.note, c.frontier \
     from app.audit_logs l cross join lateral (select k.note, k.frontier \
     from app.audit_checkpoints k where k.tenant_id = l.tenant_id order by k.size desc limit 1) c \
     where l.tenant_id > $1 order by l.tenant_id limit 256";

const COSIGNED: &str = "select note from app.audit_cosigned where tenant_id = $1 \
     order by time desc limit 1";

/// The store was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The transaction did not end well.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The directory is not to be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform has no log of this kind.
    #[error("the platform has no log of its own: run `strongroom-server init` first")]
    NoLog,
}

/// What an adoption did.
#[derive(Debug, Default)]
pub struct Adopted {
    /// How many logs' checkpoints the store took from the database.
    pub logs: usize,
    /// The logs that do not go on from what the store has: it keeps that, and they are not signed.
    pub refused: Vec<String>,
}

/// Opens the store, which is made for a database of which nothing was ever signed.
///
/// # Errors
/// [`OpenError`].
pub async fn open_store(
    directory: &Path,
    job: &Job,
    checkpoints: &Arc<Ed25519Signer>,
    batches: &Arc<Ed25519Signer>,
) -> Result<Arc<CheckpointStore>, OpenError> {
    let (installation, is_new) = installation(job).await?;
    let (checkpoints, batches) = (Arc::clone(checkpoints), Arc::clone(batches));
    let directory = directory.to_owned();
    let opened = blocking(move || {
        CheckpointStore::open(&directory, &installation, is_new, checkpoints, batches)
    });
    Ok(Arc::new(opened.await?))
}

/// The name of the platform's log of checkpoints.
///
/// # Errors
/// [`OpenError::NoLog`] before initialisation.
pub async fn platform_log_name(job: &Job) -> Result<Origin, OpenError> {
    let mut tx = job.begin().await?;
    let log = TenantId::PLATFORM_LOG;
    let rows = tx.query(NAME, &[log.as_uuid()]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or(OpenError::NoLog)?;
    let name: String = column(row, 0)?;
    name.parse().map_err(|_| OpenError::NoLog)
}

/// Gives a store what the database says was signed last, where the store knows nothing of it or
/// what it knows is the beginning of it.
///
/// # Errors
/// [`OpenError`].
///
/// # Security
/// What the database says is believed. Whoever calls this says that it was not set back.
pub async fn adopt(
    directory: &Path,
    job: &Job,
    checkpoints: &Arc<Ed25519Signer>,
    batches: &Arc<Ed25519Signer>,
) -> Result<Adopted, OpenError> {
    let (installation, _) = installation(job).await?;
    let (signer, batches) = (Arc::clone(checkpoints), Arc::clone(batches));
    let (directory, name) = (directory.to_owned(), installation.clone());
    let opened =
        blocking(move || CheckpointStore::adopting(&directory, &name, signer, batches)).await?;
    let store = Arc::new(opened);
    let mut adopted = Adopted::default();
    let mut last = Uuid::nil();
    loop {
        let mut tx = job.begin_reading().await?;
        let rows = tx.query(CHECKPOINTS, &[&last]).await?;
        if rows.is_empty() {
            tx.rollback().await;
            break;
        }
        let mut heads = Vec::new();
        for row in &rows {
            last = column(row, 0)?;
            let name: String = column(row, 1)?;
            let (note, frontier): (String, Vec<u8>) = (column(row, 2)?, column(row, 3)?);
            let Some(head) = published(checkpoints, &name, note, &frontier) else {
                adopted.refused.push(name);
                continue;
            };
            let (files, origin) = (Arc::clone(&store), head.checkpoint().origin.clone());
            let known = blocking(move || files.head(&origin)).await?;
            let size = head.checkpoint().size;
            if let Some(known) = &known {
                let mut tree = known.frontier().clone();
                let goes_on = tree.size() <= size
                    && grow(&mut tx, &last, &mut tree, size).await?
                    && tree.root() == head.checkpoint().root;
                if !goes_on {
                    adopted.refused.push(name);
                    continue;
                }
            }
            heads.push((known, head));
        }
        tx.rollback().await;
        adopted.logs += heads.len();
        let files = Arc::clone(&store);
        blocking(move || files.advance(&heads)).await?;
    }
    cosigned(&store, job).await?;
    blocking(move || store.confirm(&installation)).await?;
    Ok(adopted)
}

/// What was cosigned last, unless the store has something.
async fn cosigned(store: &Arc<CheckpointStore>, job: &Job) -> Result<(), OpenError> {
    let origin = platform_log_name(job).await?;
    let mut tx = job.begin_reading().await?;
    let log = TenantId::PLATFORM_LOG;
    let rows = tx.query(COSIGNED, &[log.as_uuid()]).await?;
    tx.rollback().await;
    if let Some(row) = rows.first() {
        let (store, after) = (Arc::clone(store), column(row, 0)?);
        let swap = Swap {
            origin,
            before: None,
            after,
        };
        blocking(move || store.swap(Shelf::Cosigned, &[swap])).await?;
    }
    Ok(())
}

/// A log's last checkpoint, if the log's key signed it.
fn published(signer: &Ed25519Signer, name: &str, note: String, frontier: &[u8]) -> Option<Head> {
    let origin: Origin = name.parse().ok()?;
    let signer = signer.with_name(name).ok()?;
    let checkpoint = Checkpoint::verify(&note, signer.verifier_key(), &origin).ok()?;
    let frontier = Frontier::from_bytes(checkpoint.size, frontier).ok()?;
    (frontier.root() == checkpoint.root).then(|| Head::new(checkpoint, note, frontier))
}

async fn installation(job: &Job) -> Result<(Origin, bool), OpenError> {
    let mut tx = job.begin().await?;
    let platform = TenantId::PLATFORM;
    let rows = tx.query(INSTALLATION, &[platform.as_uuid()]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or(OpenError::NoLog)?;
    let name: String = column(row, 0)?;
    let was_signed: bool = column(row, 1)?;
    Ok((name.parse().map_err(|_| OpenError::NoLog)?, !was_signed))
}
