//! Whether what the database has of a log goes on from what was signed of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_auditchain::{Frontier, Hash, Origin};
use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::batch::{BatchError, Head};
use super::checkpoint_store::{CheckpointStore, Known, StoreError};
use crate::postgres::{JobTx, QueryError, column, integer};

const HASHES: &str = "select leaf_hash from app.audit_leaves \
     where tenant_id = $1 and idx >= $2 and idx < $3 order by idx";

/// Leaf hashes read in one go.
const PAGE: u64 = 8192;

/// How long a log that was refused is refused without another look.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// What a log is that does not go on from what was signed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("it was set back: {signed} entries were signed, and it has {found}")]
    SetBack { signed: u64, found: u64 },
    #[error("it has another history: its first {0} entries are not those that were signed")]
    Other(u64),
    #[error("it has another history, or entries are missing")]
    Missing,
}

/// Reads entries' hashes into a tree up to a size. Whether they were all there.
pub(super) async fn grow(
    tx: &mut JobTx,
    tenant: &Uuid,
    tree: &mut Frontier,
    size: u64,
) -> Result<bool, QueryError> {
    while tree.size() < size {
        let start = tree.size();
        let end = size.min(start.saturating_add(PAGE));
        let Some(hashes) = leaf_hashes(tx, tenant, start, end).await? else {
            return Ok(false);
        };
        hashes.into_iter().for_each(|hash| tree.push(hash));
    }
    Ok(true)
}

/// Entries' hashes from one index to another; nothing when some are not there.
pub(super) async fn leaf_hashes(
    tx: &mut JobTx,
    tenant: &Uuid,
    from: u64,
    to: u64,
) -> Result<Option<Vec<Hash>>, QueryError> {
    let bounds = (integer(from), integer(to));
    let rows = tx.query(HASHES, &[tenant, &bounds.0, &bounds.1]).await?;
    if rows.len() as u64 != to.saturating_sub(from) {
        return Ok(None);
    }
    rows.iter().map(hash).collect::<Result<_, _>>().map(Some)
}

fn hash(row: &Row) -> Result<Hash, QueryError> {
    let hash = <[u8; 32]>::try_from(column::<&[u8]>(row, 0)?);
    hash.map(Hash::from_bytes)
        .map_err(|_| QueryError::Row("a leaf hash is malformed".to_owned()))
}

/// Whether the log that has this head begins with all that was signed of it. In its common case,
/// that what was signed last is its head, nothing is read.
pub(super) async fn doubt(
    tx: &mut JobTx,
    tenant: &Uuid,
    known: &Known,
    head: &Frontier,
) -> Result<Option<Doubt>, QueryError> {
    let signed = known.signed();
    let Some((last, root)) = signed.last().copied() else {
        return Ok(None);
    };
    let found = head.size();
    if found < last {
        let signed = last;
        return Ok(Some(Doubt::SetBack { signed, found }));
    }
    if found == last {
        return Ok((head.root() != root).then_some(Doubt::Other(last)));
    }
    let mut tree = match &known.head {
        Some(head) => head.frontier().clone(),
        None => Frontier::new(),
    };
    for (size, root) in signed {
        if !grow(tx, tenant, &mut tree, size).await? {
            return Ok(Some(Doubt::Missing));
        }
        if tree.size() == size && tree.root() != root {
            return Ok(Some(Doubt::Other(size)));
        }
    }
    if !grow(tx, tenant, &mut tree, found).await? {
        return Ok(Some(Doubt::Missing));
    }
    Ok((tree.root() != head.root()).then_some(Doubt::Missing))
}

/// The sequencer's knowledge of which logs go on from what was signed, on one connection: another
/// one may lead to another database.
pub(super) struct Vouched {
    store: Arc<CheckpointStore>,
    connection: Option<u64>,
    logs: HashSet<TenantId>,
    refused: HashMap<Uuid, Instant>,
}

impl Vouched {
    pub(super) fn new(store: Arc<CheckpointStore>) -> Self {
        Self {
            store,
            connection: None,
            logs: HashSet::new(),
            refused: HashMap::new(),
        }
    }

    /// The logs that were refused just now.
    pub(super) fn refused(&mut self) -> Vec<Uuid> {
        self.refused
            .retain(|_, since| since.elapsed() < REFUSED_FOR);
        self.refused.keys().copied().collect()
    }

    /// The logs of a batch, whose heads it has locked, that do not go on from what was signed.
    pub(super) async fn doubtful(
        &mut self,
        tx: &mut JobTx,
        heads: &BTreeMap<TenantId, Head>,
    ) -> Result<Vec<TenantId>, BatchError> {
        let connection = tx.connection()?;
        if self.connection != Some(connection) {
            self.logs.clear();
            self.refused.clear();
            let store = Arc::clone(&self.store);
            blocking(move || store.read_lines_again()).await?;
            self.connection = Some(connection);
        }
        let unknown = heads.iter().filter(|(log, _)| !self.logs.contains(*log));
        let unknown: Vec<(TenantId, &Head)> = unknown.map(|(log, head)| (*log, head)).collect();
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let origins: Vec<Origin> = unknown.iter().map(|it| it.1.origin.clone()).collect();
        let store = Arc::clone(&self.store);
        let known = blocking(move || store.known(&origins)).await?;
        let mut doubtful = Vec::new();
        for (tenant, head) in unknown {
            let nothing = Known::default();
            let known = known.get(&head.origin).unwrap_or(&nothing);
            match doubt(tx, tenant.as_uuid(), known, &head.frontier).await? {
                None => {
                    self.logs.insert(tenant);
                }
                Some(doubt) => {
                    let origin = head.origin.as_str();
                    tracing::error!(
                        alarm = "log.set_back",
                        %tenant,
                        origin,
                        %doubt,
                        "a log takes no events"
                    );
                    self.refused.insert(*tenant.as_uuid(), Instant::now());
                    doubtful.push(tenant);
                }
            }
        }
        Ok(doubtful)
    }
}

/// What files have to say, on a thread that may wait for them.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(StoreError::Poisoned))
}
