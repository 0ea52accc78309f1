//! The sequencer: gives events their place in the logs, in batches, one durable commit each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use strongroom_auditchain::{
    BatchLine, Ed25519Signer, Frontier, Hash, InclusionProof, Leaf, Origin, Receipt,
    prove_inclusion, sign_batch,
};
use strongroom_tenancy::TenantId;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;
use uuid::Uuid;

use super::items::{Entry, Item};
use crate::postgres::{CommitError, Job, JobTx, QueryError};

/// Events that may wait; beyond it a caller is told to come back.
const QUEUE: usize = 4096;

/// Most events of one batch.
const BATCH: usize = 512;

/// How often staged events that nobody announced are taken up.
const SWEEP: Duration = Duration::from_secs(1);

/// How often a batch is tried before its callers are told that the log is not available.
const TRIES: u32 = 3;

/// Why an event was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The queue is full; come back in a second.
    #[error("the audit log is busy")]
    Busy,
    /// The log did not take the event, or did not say so. It is not acknowledged, and a staged
    /// event may still be sequenced later.
    #[error("the audit log is not available")]
    Unavailable,
}

/// A way to the running sequencer.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Item>,
}

/// The running sequencer's task: it ends once every [`Sequencer`] is gone and its queue is empty.
pub struct SequencerHandle {
    task: tokio::task::JoinHandle<()>,
}

impl SequencerHandle {
    /// Waits until every event that was queued has been answered.
    pub async fn finished(self) {
        let _ = self.task.await;
    }
}

impl Sequencer {
    /// Starts the sequencer; the signer's name is the key name of batch notes.
    #[must_use]
    pub fn start(job: Job, signer: Arc<Ed25519Signer>) -> (Self, SequencerHandle) {
        let (queue, events) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(Worker { job, signer }, events));
        (Self { queue }, SequencerHandle { task })
    }

    /// Appends an event that no transaction staged, with its sealed payload, and waits until it is
    /// durable.
    ///
    /// # Errors
    /// [`AuditError`]; the event must then be taken as not written.
    pub async fn append(
        &self,
        tenant: TenantId,
        event_id: Uuid,
        leaf: Leaf,
        payload: Option<Vec<u8>>,
    ) -> Result<Receipt, AuditError> {
        self.submit(|answer| Item::Append {
            tenant,
            event_id,
            leaf,
            payload,
            answer,
        })
        .await
    }

    /// Waits until an event that a committed transaction staged is durable.
    ///
    /// # Errors
    /// [`AuditError`]; the event is written all the same, by the next sweep.
    pub async fn staged(&self, tenant: TenantId, event_id: Uuid) -> Result<Receipt, AuditError> {
        self.submit(|answer| Item::Staged {
            tenant,
            event_id,
            answer,
        })
        .await
    }

    async fn submit(
        &self,
        item: impl FnOnce(super::items::Answer) -> Item,
    ) -> Result<Receipt, AuditError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(item(answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AuditError::Busy,
                mpsc::error::TrySendError::Closed(_) => AuditError::Unavailable,
            })?;
        answered.await.unwrap_or(Err(AuditError::Unavailable))
    }
}

struct Worker {
    job: Job,
    signer: Arc<Ed25519Signer>,
}

/// A log's head, locked by the batch in hand.
struct Head {
    origin: Origin,
    frontier: Frontier,
}

/// The proof of one entry in the log as it is after the batch.
struct Placed {
    leaf: Hash,
    proof: InclusionProof,
}

/// Why one attempt at a batch failed.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("a stored log is inconsistent: {0}")]
    Inconsistent(String),
}

type Keys = (TenantId, Uuid);

/// Which staged events a batch takes along.
#[derive(Clone, Copy)]
enum Staged {
    /// Those that their writers announced.
    Announced,
    /// Those that nobody announced in time: their writer died, or gave up waiting.
    Forgotten,
}

async fn run(worker: Worker, mut events: mpsc::Receiver<Item>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            taken = events.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    return;
                }
                worker.settle(&mut batch, Staged::Announced).await;
            }
            _ = sweep.tick() => worker.settle(&mut batch, Staged::Forgotten).await,
        }
    }
}

impl Worker {
    /// Writes the batch, however often it takes, and answers everyone in it.
    async fn settle(&self, batch: &mut Vec<Item>, staged: Staged) {
        let mut outcome = Err(AuditError::Unavailable);
        for attempt in 1..=TRIES {
            match self.write(batch, staged).await {
                Ok(receipts) => {
                    outcome = Ok(receipts);
                    break;
                }
                // A commit of unknown outcome is safe to repeat: entries are found by event id.
                Err(error) => {
                    tracing::error!(%error, attempt, events = batch.len(), "audit batch failed");
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
            }
        }
        let receipts = outcome;
        for item in batch.drain(..) {
            let key = item.key();
            let answer = match item {
                Item::Append { answer, .. } | Item::Staged { answer, .. } => answer,
            };
            let found = match &receipts {
                Ok(receipts) => receipts.get(&key).cloned().ok_or(AuditError::Unavailable),
                Err(error) => Err(*error),
            };
            // The caller may be gone; the event is written all the same.
            let _ = answer.send(found);
        }
    }

    async fn write(
        &self,
        batch: &[Item],
        staged: Staged,
    ) -> Result<HashMap<Keys, Receipt>, BatchError> {
        let mut tx = self.job.begin().await?;
        let entries = gather(&mut tx, batch, staged).await?;
        let asked: Vec<Keys> = batch.iter().map(Item::key).collect();
        if entries.is_empty() && asked.is_empty() {
            tx.rollback().await;
            return Ok(HashMap::new());
        }
        let tenants = entries
            .iter()
            .map(|entry| entry.tenant)
            .chain(asked.iter().map(|(tenant, _)| *tenant))
            .map(|tenant| *tenant.as_uuid());
        let mut tenants: Vec<Uuid> = tenants.collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut heads = lock_heads(&mut tx, &tenants).await?;
        let known = known_entries(&mut tx, &tenants, &entries, &asked).await?;

        let mut placed: HashMap<Keys, Placed> = HashMap::new();
        let mut fresh: BTreeMap<TenantId, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            let key = (entry.tenant, entry.event_id);
            let again = fresh
                .get(&entry.tenant)
                .is_some_and(|list| list.iter().any(|other| other.event_id == entry.event_id));
            if !known.contains_key(&key) && !again {
                fresh.entry(entry.tenant).or_default().push(entry);
            }
        }
        for (tenant, list) in &fresh {
            let Some(head) = heads.get_mut(tenant) else {
                return Err(BatchError::Inconsistent(format!("{tenant} has no log")));
            };
            let hashes: Vec<Hash> = list.iter().map(|entry| entry.leaf_hash).collect();
            let start = head.frontier.size();
            let (grown, proofs) = head.frontier.append_batch(&hashes);
            insert(&mut tx, *tenant, start, list).await?;
            head.frontier = grown;
            for (entry, proof) in list.iter().zip(proofs) {
                placed.insert(
                    (*tenant, entry.event_id),
                    Placed {
                        leaf: entry.leaf_hash,
                        proof,
                    },
                );
            }
        }
        store_heads(&mut tx, &heads, &fresh).await?;
        for (key, index) in known {
            let Some(head) = heads.get(&key.0) else {
                continue;
            };
            placed.insert(key, prove_known(&mut tx, key.0, index, head).await?);
        }
        tx.commit().await?;
        self.receipts(&heads, placed)
    }

    /// One signature for the whole batch, whatever the number of logs.
    fn receipts(
        &self,
        heads: &BTreeMap<TenantId, Head>,
        placed: HashMap<Keys, Placed>,
    ) -> Result<HashMap<Keys, Receipt>, BatchError> {
        let inconsistent =
            |error: &dyn std::fmt::Display| BatchError::Inconsistent(error.to_string());
        let touched: BTreeMap<TenantId, usize> = heads
            .iter()
            .filter(|(_, head)| head.frontier.size() > 0)
            .enumerate()
            .map(|(line, (tenant, _))| (*tenant, line))
            .collect();
        if touched.is_empty() {
            return Ok(HashMap::new());
        }
        let lines: Vec<BatchLine> = touched
            .keys()
            .filter_map(|tenant| heads.get(tenant))
            .map(|head| BatchLine {
                origin: head.origin.clone(),
                size: head.frontier.size(),
                root: head.frontier.root(),
            })
            .collect();
        let signed = sign_batch(&lines, self.signer.as_ref()).map_err(|e| inconsistent(&e))?;
        let mut receipts = HashMap::with_capacity(placed.len());
        for (key, entry) in placed {
            let Some(line) = touched.get(&key.0) else {
                continue;
            };
            let receipt = signed
                .receipt(*line, entry.leaf, &entry.proof)
                .map_err(|error| inconsistent(&error))?;
            receipts.insert(key, receipt);
        }
        Ok(receipts)
    }
}

/// The batch's own events, and the staged ones that it is to take.
async fn gather(tx: &mut JobTx, batch: &[Item], staged: Staged) -> Result<Vec<Entry>, BatchError> {
    const TAKE_ANNOUNCED: &str = "delete from app.audit_staged s \
         using unnest($1::uuid[], $2::uuid[]) as u (t, e) \
         where s.tenant_id = u.t and s.event_id = u.e \
         returning s.tenant_id, s.event_id, s.leaf, s.payload, s.staged_at";
    // Younger rows are about to be announced: taken now, their writers would have to wait for a
    // proof from the whole log.
    const TAKE_FORGOTTEN: &str = "with taken as (select tenant_id, event_id from app.audit_staged \
         where staged_at < clock_timestamp() - interval '2 seconds' \
         order by staged_at limit 512 for update skip locked) \
         delete from app.audit_staged s using taken t \
         where s.tenant_id = t.tenant_id and s.event_id = t.event_id \
         returning s.tenant_id, s.event_id, s.leaf, s.payload, s.staged_at";
    let mut entries = Vec::with_capacity(batch.len());
    let mut rows = match staged {
        Staged::Forgotten => tx.query(TAKE_FORGOTTEN, &[]).await?,
        Staged::Announced => {
            let (tenants, events): (Vec<Uuid>, Vec<Uuid>) = batch
                .iter()
                .filter(|item| matches!(item, Item::Staged { .. }))
                .map(|item| (*item.key().0.as_uuid(), item.key().1))
                .unzip();
            if tenants.is_empty() {
                Vec::new()
            } else {
                tx.query(TAKE_ANNOUNCED, &[&tenants, &events]).await?
            }
        }
    };
    rows.sort_by_key(|row| row.try_get::<_, std::time::SystemTime>(4).ok());
    for row in rows {
        let tenant = tenant_of(&row, 0)?;
        let leaf: Vec<u8> = column(&row, 2)?;
        entries.push(Entry {
            tenant,
            event_id: column(&row, 1)?,
            leaf_hash: Hash::of_leaf(&leaf),
            leaf,
            payload: column(&row, 3)?,
        });
    }
    for item in batch {
        if let Item::Append {
            tenant,
            event_id,
            leaf,
            payload,
            ..
        } = item
        {
            entries.push(Entry {
                tenant: *tenant,
                event_id: *event_id,
                leaf_hash: leaf.hash(),
                leaf: leaf.as_bytes().to_vec(),
                payload: payload.clone(),
            });
        }
    }
    Ok(entries)
}

/// Locks the logs' heads, in one order, so that two sequencers never wait for each other.
async fn lock_heads(
    tx: &mut JobTx,
    tenants: &[Uuid],
) -> Result<BTreeMap<TenantId, Head>, BatchError> {
    const LOCK_HEADS: &str = "select tenant_id, origin, size, frontier from app.audit_logs \
         where tenant_id = any($1) order by tenant_id for update";
    let mut heads = BTreeMap::new();
    for row in tx.query(LOCK_HEADS, &[&tenants]).await? {
        let origin: String = column(&row, 1)?;
        let size: i64 = column(&row, 2)?;
        let bytes: Vec<u8> = column(&row, 3)?;
        let inconsistent = |what: &str| BatchError::Inconsistent(format!("{origin}: {what}"));
        let size = u64::try_from(size).map_err(|_| inconsistent("negative size"))?;
        let frontier = Frontier::from_bytes(size, &bytes)
            .map_err(|_| inconsistent("frontier of another size"))?;
        let origin = origin
            .parse()
            .map_err(|_| inconsistent("malformed origin"))?;
        heads.insert(tenant_of(&row, 0)?, Head { origin, frontier });
    }
    Ok(heads)
}

/// Which of these events have their place already: a retry must never write one twice.
async fn known_entries(
    tx: &mut JobTx,
    tenants: &[Uuid],
    entries: &[Entry],
    asked: &[Keys],
) -> Result<HashMap<Keys, u64>, BatchError> {
    const KNOWN: &str = "select tenant_id, event_id, idx from app.audit_leaves \
         where tenant_id = any($1) and event_id = any($2)";
    let ids: Vec<Uuid> = entries
        .iter()
        .map(|entry| entry.event_id)
        .chain(asked.iter().map(|(_, event_id)| *event_id))
        .collect();
    let mut known = HashMap::new();
    for row in tx.query(KNOWN, &[&tenants, &ids]).await? {
        let index: i64 = column(&row, 2)?;
        known.insert(
            (tenant_of(&row, 0)?, column(&row, 1)?),
            index.unsigned_abs(),
        );
    }
    Ok(known)
}

async fn insert(
    tx: &mut JobTx,
    tenant: TenantId,
    start: u64,
    list: &[Entry],
) -> Result<(), BatchError> {
    const INSERT_LEAVES: &str = "insert into app.audit_leaves \
         (tenant_id, idx, event_id, leaf, leaf_hash) \
         select $1, i, e, l, h from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[]) \
         as u (i, e, l, h)";
    const INSERT_PAYLOADS: &str = "insert into app.audit_payloads (tenant_id, event_id, sealed) \
         select $1, e, p from unnest($2::uuid[], $3::bytea[]) as u (e, p)";
    let indices: Vec<i64> = (start..)
        .take(list.len())
        .map(|index| i64::try_from(index).unwrap_or(i64::MAX))
        .collect();
    let ids: Vec<Uuid> = list.iter().map(|entry| entry.event_id).collect();
    let leaves: Vec<&[u8]> = list.iter().map(|entry| entry.leaf.as_slice()).collect();
    let hashes: Vec<&[u8]> = list
        .iter()
        .map(|entry| entry.leaf_hash.as_bytes().as_slice())
        .collect();
    tx.query(
        INSERT_LEAVES,
        &[tenant.as_uuid(), &indices, &ids, &leaves, &hashes],
    )
    .await?;
    let (with, payloads): (Vec<Uuid>, Vec<&[u8]>) = list
        .iter()
        .filter_map(|entry| {
            entry
                .payload
                .as_deref()
                .map(|payload| (entry.event_id, payload))
        })
        .unzip();
    if !with.is_empty() {
        tx.query(INSERT_PAYLOADS, &[tenant.as_uuid(), &with, &payloads])
            .await?;
    }
    Ok(())
}

async fn store_heads(
    tx: &mut JobTx,
    heads: &BTreeMap<TenantId, Head>,
    grown: &BTreeMap<TenantId, Vec<Entry>>,
) -> Result<(), BatchError> {
    const STORE_HEADS: &str = "update app.audit_logs l set size = u.s, frontier = u.f \
         from unnest($1::uuid[], $2::bigint[], $3::bytea[]) as u (t, s, f) where l.tenant_id = u.t";
    let changed = grown
        .keys()
        .filter_map(|tenant| heads.get(tenant).map(|head| (tenant, head)));
    let mut rows = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, head) in changed {
        let size = i64::try_from(head.frontier.size())
            .map_err(|_| BatchError::Inconsistent("a log is full".to_owned()))?;
        rows.0.push(*tenant.as_uuid());
        rows.1.push(size);
        rows.2.push(head.frontier.to_bytes());
    }
    if !rows.0.is_empty() {
        tx.query(STORE_HEADS, &[&rows.0, &rows.1, &rows.2]).await?;
    }
    Ok(())
}

/// A proof for an entry that an earlier batch wrote; rare, so the whole log is read.
async fn prove_known(
    tx: &mut JobTx,
    tenant: TenantId,
    index: u64,
    head: &Head,
) -> Result<Placed, BatchError> {
    const HASHES: &str = "select leaf_hash from app.audit_leaves where tenant_id = $1 order by idx";
    let mut hashes = Vec::new();
    for row in tx.query(HASHES, &[tenant.as_uuid()]).await? {
        let bytes: Vec<u8> = column(&row, 0)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| BatchError::Inconsistent("leaf hash".to_owned()))?;
        hashes.push(Hash::from_bytes(bytes));
    }
    let proof = prove_inclusion(&hashes, index, head.frontier.size())
        .map_err(|error| BatchError::Inconsistent(error.to_string()))?;
    let leaf = usize::try_from(index)
        .ok()
        .and_then(|index| hashes.get(index))
        .copied();
    leaf.map(|leaf| Placed { leaf, proof })
        .ok_or_else(|| BatchError::Inconsistent("entry beyond the log".to_owned()))
}

fn tenant_of(row: &Row, index: usize) -> Result<TenantId, BatchError> {
    TenantId::from_uuid(column(row, index)?)
        .map_err(|error| BatchError::Inconsistent(error.to_string()))
}

fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T, QueryError> {
    row.try_get(index)
        .map_err(|error| QueryError::Row(error.to_string()))
}
