//! The sequencer: gives events their place in the logs, in batches, one durable commit each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use strongroom_auditchain::{BatchLine, Ed25519Signer, Hash, Leaf, Receipt, sign_batch};
use strongroom_tenancy::TenantId;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::batch::{BatchError, Head, Keys, Placed, prove_known};
use super::checkpoint_store::CheckpointStore;
use super::follower::Follower;
use super::history::Vouched;
use super::intake::{Intake, Without, announced, forgotten};
use super::items::{Entry, Item};
use super::payloads::SealedPayload;
use super::renewals::Renewal;
use super::rows::commit;
use super::zones::ZoneSet;
use crate::metrics::Fate;
use crate::postgres::Job;

/// Events that may wait; beyond it a caller is told to come back.
const QUEUE: usize = 4096;

/// Most events of one batch.
const BATCH: usize = 512;

/// How often staged events that nobody announced are taken up.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a caller waits for its receipt.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events of the platform itself that may wait before all others.
const FIRST: usize = 16;

/// How long the end waits for batches that are not acknowledged.
const ENDING: Duration = Duration::from_secs(120);

/// How often a batch is tried before its callers are told that the log is not available.
const TRIES: u32 = 3;

/// How long batches go on without renewals when one of them failed by those: others' events are not
/// to wait for what is wrong with families.
const WITHOUT_RENEWALS: Duration = Duration::from_secs(5);

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
    /// The log is not what was signed of it before: nothing was done.
    #[error("the log was set back: it takes no events")]
    SetBack,
    /// Too few zones are left: nothing was done.
    #[error("a zone is missing: the audit log takes no events")]
    ZoneMissing,
}

/// A way to the running sequencer.
#[derive(Clone)]
pub struct Sequencer {
    queue: mpsc::Sender<Item>,
    /// What comes before all that waits.
    first: mpsc::Sender<Item>,
    zones: Option<Arc<ZoneSet>>,
    /// What those who wait for events were told.
    fates: Family<Fate, Counter>,
}

/// The running sequencer's task: it ends once every [`Sequencer`] is gone and its queue is empty.
pub struct SequencerHandle {
    task: tokio::task::JoinHandle<()>,
}

impl SequencerHandle {
    /// Waits until every event that was queued has been answered, or no zone came back to hold
    /// them: what is not acknowledged by then never is.
    pub async fn finished(mut self) {
        if tokio::time::timeout(ENDING, &mut self.task).await.is_err() {
            tracing::error!("events were not acknowledged: the log takes none");
            self.task.abort();
        }
    }
}

impl Sequencer {
    /// Starts the sequencer; the signer's name is the key name of batch notes. Without zones the
    /// database's own disk is what events wait for.
    #[must_use]
    pub fn start(
        job: Job,
        signer: Arc<Ed25519Signer>,
        zones: Option<Arc<ZoneSet>>,
    ) -> (Self, SequencerHandle) {
        Self::start_watched(job, signer, zones, None)
    }

    /// The same, with the store that remembers what was signed: a log that does not go on from it
    /// takes no events, and what batches sign follows there.
    #[must_use]
    pub fn start_watched(
        job: Job,
        signer: Arc<Ed25519Signer>,
        zones: Option<Arc<ZoneSet>>,
        store: Option<Arc<CheckpointStore>>,
    ) -> (Self, SequencerHandle) {
        let (queue, events) = mpsc::channel(QUEUE);
        let (first, urgent) = mpsc::channel(FIRST);
        let worker = Worker {
            job,
            signer,
            zones: zones.clone(),
            follower: store.clone().map(Follower::start),
            vouched: store.map(Vouched::new),
            renews_from: Instant::now(),
        };
        let task = tokio::spawn(run(worker, events, urgent));
        let sequencer = Self {
            queue,
            first,
            zones,
            fates: Fate::none_yet(),
        };
        (sequencer, SequencerHandle { task })
    }

    /// Appends an event before all that waits, however long it takes: zones may be missing.
    ///
    /// # Errors
    /// [`AuditError`]; with the same id it may be appended again.
    pub(super) async fn append_first(
        &self,
        tenant: TenantId,
        event_id: Uuid,
        leaf: Leaf,
    ) -> Result<Receipt, AuditError> {
        let (answer, answered) = oneshot::channel();
        let item = Item::Append {
            tenant,
            event_id,
            leaf,
            payload: None,
            answer,
        };
        let sent = self.first.send(item).await;
        sent.map_err(|_| AuditError::Unavailable)?;
        answered.await.unwrap_or(Err(AuditError::Unavailable))
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
        payload: Option<SealedPayload>,
    ) -> Result<Receipt, AuditError> {
        let appended = self.submit(|answer| Item::Append {
            tenant,
            event_id,
            leaf,
            payload,
            answer,
        });
        self.told(appended.await)
    }

    /// Waits until an event that a committed transaction staged is durable.
    ///
    /// # Errors
    /// [`AuditError`]; the event is written all the same, by the next sweep.
    pub async fn staged(&self, tenant: TenantId, event_id: Uuid) -> Result<Receipt, AuditError> {
        let placed = self.submit(|answer| Item::Staged {
            tenant,
            event_id,
            answer,
        });
        self.told(placed.await)
    }

    /// Renews a refresh token and appends the event of it, both or neither, and waits until they
    /// are durable. Nothing, when it was not done: the family's row is another by now, or somebody
    /// holds it, or nothing is renewed together at the moment. In its tenant's own transaction it
    /// may be.
    ///
    /// # Errors
    /// [`AuditError`]: nothing was done when it is [`AuditError::Busy`]; else it may have been.
    pub async fn renew(
        &self,
        renewal: Renewal,
        event_id: Uuid,
        leaf: Leaf,
    ) -> Result<Option<Receipt>, AuditError> {
        let renewed = self.submit(|answer| Item::Renew {
            renewal,
            event_id,
            leaf,
            answer,
        });
        match renewed.await {
            // There is no event.
            Ok(None) => Ok(None),
            done => self.told(done),
        }
    }

    /// Notes what somebody was told who waited for an event.
    fn told<T>(&self, answer: Result<T, AuditError>) -> Result<T, AuditError> {
        let fate = match &answer {
            Ok(_) => Fate::ACKNOWLEDGED,
            Err(error) => Fate::of(*error),
        };
        self.fates.get_or_create(&fate).inc();
        answer
    }

    /// What those who wait for events were told, how often.
    pub(crate) const fn fates(&self) -> &Family<Fate, Counter> {
        &self.fates
    }

    async fn submit<T>(
        &self,
        item: impl FnOnce(oneshot::Sender<Result<T, AuditError>>) -> Item,
    ) -> Result<T, AuditError> {
        if self.zones.as_ref().is_some_and(|zones| zones.is_short()) {
            return Err(AuditError::ZoneMissing);
        }
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(item(answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AuditError::Busy,
                mpsc::error::TrySendError::Closed(_) => AuditError::Unavailable,
            })?;
        let given_up = async {
            match &self.zones {
                Some(zones) => zones.until_short().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = tokio::time::timeout(PATIENCE, answered) => match answer {
                Ok(Ok(answer)) => answer,
                _ => Err(AuditError::Unavailable),
            },
            // It may have been written, and will be acknowledged to nobody.
            () = given_up => Err(AuditError::Unavailable),
        }
    }
}

/// Which staged events a batch takes along.
#[derive(Clone, Copy)]
enum Staged {
    /// Those that their writers announced, with what else is queued.
    Announced,
    /// Those that nobody announced in time, alone.
    Forgotten,
}

struct Worker {
    job: Job,
    signer: Arc<Ed25519Signer>,
    zones: Option<Arc<ZoneSet>>,
    follower: Option<Arc<Follower>>,
    vouched: Option<Vouched>,
    /// From when on families are renewed again.
    renews_from: Instant,
}

async fn run(
    mut worker: Worker,
    mut events: mpsc::Receiver<Item>,
    mut urgent: mpsc::Receiver<Item>,
) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            // The sweep before the queue: under load that is never empty.
            biased;
            // Alone: what a staged event has to say comes after it.
            Some(first) = urgent.recv() => {
                batch.push(first);
                worker.settle(&mut batch, Staged::Announced).await;
            }
            _ = sweep.tick() => worker.settle(&mut batch, Staged::Forgotten).await,
            taken = events.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    if let Some(follower) = &worker.follower {
                        follower.finish().await;
                    }
                    return;
                }
                worker.settle(&mut batch, Staged::Announced).await;
            }
        }
    }
}

impl Worker {
    /// Writes the batch, however often it takes, and answers everyone in it.
    async fn settle(&mut self, batch: &mut Vec<Item>, staged: Staged) {
        let mut outcome = Err(AuditError::Unavailable);
        let refused = self.vouched.as_mut().map(Vouched::refused);
        let mut set_back = refused.unwrap_or_default();
        let mut without = Without {
            renewals: Instant::now() < self.renews_from,
            logs: set_back.clone(),
            ..Without::default()
        };
        let mut attempt = 0;
        while attempt < TRIES {
            match self.write(batch, staged, &without).await {
                Ok(receipts) => {
                    outcome = Ok(receipts);
                    break;
                }
                // One tenant's log must not keep the others' waiting: the rest goes on without it.
                Err(BatchError::Log(tenant, reason))
                    if !without.logs.contains(tenant.as_uuid()) =>
                {
                    tracing::error!(%tenant, reason, "a log takes no events");
                    without.logs.push(*tenant.as_uuid());
                }
                Err(BatchError::SetBack(logs))
                    if logs.iter().any(|log| !without.logs.contains(log.as_uuid())) =>
                {
                    let logs = logs.iter().map(|log| *log.as_uuid());
                    set_back.extend(logs.clone());
                    without.logs.extend(logs);
                }
                Err(error @ BatchError::Row(_)) if !without.together => {
                    tracing::error!(%error, "whose it is shows when logs are written apart");
                    without.together = true;
                }
                // They can be asked for one by one.
                Err(error @ BatchError::Renewals(_)) if !without.renewals => {
                    tracing::error!(%error, "batches go on without renewals");
                    without.renewals = true;
                    self.renews_from = Instant::now() + WITHOUT_RENEWALS;
                }
                // A commit of unknown outcome is safe to repeat: entries are found by event id.
                Err(error) => {
                    attempt += 1;
                    tracing::error!(%error, attempt, events = batch.len(), "audit batch failed");
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
            }
        }
        let receipts = outcome;
        for item in batch.drain(..) {
            let key = item.key();
            let found = match &receipts {
                _ if set_back.contains(key.0.as_uuid()) => Err(AuditError::SetBack),
                Ok(receipts) => Ok(receipts.get(&key).cloned()),
                Err(error) => Err(*error),
            };
            // The caller may be gone; the event is written all the same.
            match item {
                Item::Append { answer, .. } | Item::Staged { answer, .. } => {
                    let found = found.and_then(|receipt| receipt.ok_or(AuditError::Unavailable));
                    let _ = answer.send(found);
                }
                Item::Renew { answer, .. } => {
                    let _ = answer.send(found);
                }
            }
        }
    }

    async fn write(
        &mut self,
        batch: &[Item],
        staged: Staged,
        without: &Without,
    ) -> Result<HashMap<Keys, Receipt>, BatchError> {
        if self.follower.as_ref().is_some_and(|it| it.is_late()) {
            return Err(BatchError::Late);
        }
        let intake = match staged {
            Staged::Announced => announced(&self.job, batch, without).await?,
            Staged::Forgotten => forgotten(&self.job, without).await?,
        };
        let Some(Intake {
            mut tx,
            mut heads,
            entries,
            known,
        }) = intake
        else {
            return Ok(HashMap::new());
        };
        if let Some(vouched) = &mut self.vouched {
            let doubtful = vouched.doubtful(&mut tx, &heads).await?;
            if !doubtful.is_empty() {
                tx.rollback().await;
                return Err(BatchError::SetBack(doubtful));
            }
        }
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
                return Err(BatchError::Log(*tenant, "it is not there".to_owned()));
            };
            let hashes: Vec<Hash> = list.iter().map(|entry| entry.leaf_hash).collect();
            let (grown, proofs) = head.frontier.append_batch(&hashes);
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
        let mut earlier: BTreeMap<TenantId, Vec<(Uuid, u64)>> = BTreeMap::new();
        for ((tenant, event_id), index) in known {
            earlier.entry(tenant).or_default().push((event_id, index));
        }
        for (tenant, entries) in &earlier {
            if let Some(head) = heads.get(tenant) {
                placed.extend(prove_known(&mut tx, *tenant, head, entries).await?);
            }
        }
        let zones = commit(tx, &heads, &fresh, self.zones.as_deref(), without.together).await?;
        self.receipts(&heads, placed, zones)
    }

    /// One signature for the whole batch, whatever the number of logs.
    fn receipts(
        &self,
        heads: &BTreeMap<TenantId, Head>,
        placed: HashMap<Keys, Placed>,
        zones: u8,
    ) -> Result<HashMap<Keys, Receipt>, BatchError> {
        let unsigned = |error: &dyn std::fmt::Display| BatchError::Sign(error.to_string());
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
        let signed = sign_batch(&lines, zones, self.signer.as_ref()).map_err(|e| unsigned(&e))?;
        if let Some(follower) = &self.follower {
            follower.note(&lines, zones);
        }
        let mut receipts = HashMap::with_capacity(placed.len());
        for (key, entry) in placed {
            let Some(line) = touched.get(&key.0) else {
                continue;
            };
            let receipt = signed
                .receipt(*line, entry.leaf, &entry.proof)
                .map_err(|error| unsigned(&error))?;
            receipts.insert(key, receipt);
        }
        Ok(receipts)
    }
}
