//! The watch: asks what was revoked, lets the caches drop it, and only then renews the lease.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use strongroom_tenancy::TenantId;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Generation, Known, LEASE, Shared, since_boot};
use crate::postgres::{Job, JobTx, QueryError, column};

/// How often a node asks.
const EVERY: Duration = Duration::from_millis(500);

/// How long it leaves a database alone that did not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it says that there is no answer.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// How long the first answer over a connection may take, which is every tenant that ever revoked
/// something. A later one is of no use after its lease.
const EVERYTHING: Duration = Duration::from_secs(30);

const ONE_SNAPSHOT: &str = "set transaction isolation level repeatable read read only";

const NOW: &str =
    "select pg_current_snapshot()::text, pg_snapshot_xmax(pg_current_snapshot())::text";

/// What changed after the snapshot `$3` and before the transaction `$4`, from the row that follows
/// `($1, $2)`. A transaction that had begun before that snapshot and committed after it is not
/// visible in it, whatever its number.
const CHANGED: &str = "select g.changed_in::text, g.tenant_id, g.stamp from app.generations g \
     where (g.changed_in, g.tenant_id) > ($1::text::xid8, $2) and g.changed_in < $4::text::xid8 \
     and not pg_visible_in_snapshot(g.changed_in, $3::text::pg_snapshot) \
     order by g.changed_in, g.tenant_id limit 8192";

/// Rows read in one go.
const PAGE: usize = 8192;

/// A snapshot in which nothing is visible.
const NOTHING: &str = "1:1:";

/// Later than any transaction: rows that came with a dump have another database's numbers.
const NEVER: &str = "18446744073709551615";

/// The running watch.
pub struct Watch {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(job: Job, shared: Arc<Shared>) -> Self {
        let stop = CancellationToken::new();
        let watcher = Watcher {
            job,
            shared,
            seen: None,
            last: Generation::default(),
        };
        let task = tokio::spawn(watcher.run(stop.clone()));
        Self { stop, task }
    }

    /// Ends the watch; its last lease lapses.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.task.await;
    }
}

struct Watcher {
    job: Job,
    shared: Arc<Shared>,
    seen: Option<Seen>,
    /// The last number that was given out.
    last: Generation,
}

/// Up to where the changes are known.
struct Seen {
    /// Over which connection: behind another may be a database that was restored, or a replica
    /// that lacks the last commits, and transactions there have numbers that were seen before.
    connection: u64,
    snapshot: String,
}

impl Watcher {
    async fn run(mut self, stop: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = Silence::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = shared.asked.notified() => {}
            }
            let polled = tokio::select! {
                () = stop.cancelled() => return,
                polled = self.poll() => polled,
            };
            shared
                .polls
                .send_modify(|ended| *ended = ended.wrapping_add(1));
            match &polled {
                Ok(()) if silence.ended() => tracing::info!("what was revoked is known again"),
                Err(error) if silence.is_to_be_said(Instant::now()) => {
                    tracing::error!(%error, "what was revoked is not known");
                }
                _ => {}
            }
            if polled.is_err() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }

    async fn poll(&mut self) -> Result<(), QueryError> {
        let mut tx = within(LEASE, self.job.begin()).await?;
        let connection = tx.connection()?;
        let seen = self.seen.take();
        let since = seen.filter(|seen| seen.connection == connection);
        let time = if since.is_some() { LEASE } else { EVERYTHING };
        let (sent, snapshot) = within(time, self.read(&mut tx, since)).await?;
        self.seen = Some(Seen {
            connection,
            snapshot,
        });
        self.shared.renew(sent);
        tx.rollback().await;
        Ok(())
    }

    /// Applies what changed since, or, without a since, whatever is not as it was. Answers when
    /// the database was asked, and the snapshot that it answered from.
    async fn read(
        &mut self,
        tx: &mut JobTx,
        since: Option<Seen>,
    ) -> Result<(u64, String), QueryError> {
        tx.query(ONE_SNAPSHOT, &[]).await?;
        // Before the question: what commits while the answer is on its way is not in it.
        let sent = since_boot();
        let now = tx.query(NOW, &[]).await?;
        let now = now
            .first()
            .ok_or_else(|| QueryError::Row("no snapshot".to_owned()))?;
        let snapshot: String = column(now, 0)?;
        let (before, mut missing) = match &since {
            Some(_) => (column(now, 1)?, HashSet::new()),
            None => (NEVER.to_owned(), self.known()),
        };
        let seen = since.map_or_else(|| NOTHING.to_owned(), |seen| seen.snapshot);
        let oldest = seen.split(':').next().unwrap_or_default();
        let mut from = (oldest.to_owned(), Uuid::nil());
        loop {
            let rows = tx
                .query(CHANGED, &[&from.0, &from.1, &seen, &before])
                .await?;
            for row in &rows {
                from = (column(row, 0)?, column(row, 1)?);
                missing.remove(&from.1);
                self.apply(from.1, column(row, 2)?);
            }
            if rows.len() < PAGE {
                break;
            }
        }
        // Their rows are gone, so the database is an older one: nothing loaded since holds.
        for tenant in missing {
            self.apply(tenant, Uuid::nil());
        }
        Ok((sent, snapshot))
    }

    fn known(&self) -> HashSet<Uuid> {
        let known = self.shared.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.keys().copied().collect()
    }

    fn apply(&mut self, tenant: Uuid, stamp: Uuid) {
        {
            let known = self.shared.known.write();
            let mut known = known.unwrap_or_else(PoisonError::into_inner);
            if known.get(&tenant).is_some_and(|known| known.stamp == stamp) {
                return;
            }
            self.last = Generation(self.last.0.saturating_add(1));
            let generation = self.last;
            known.insert(tenant, Known { stamp, generation });
            self.shared.last.store(generation.0, Ordering::Release);
        }
        // The nil id is nobody's: no cache has anything of it.
        let Ok(tenant) = TenantId::from_uuid(tenant) else {
            return;
        };
        let purges = self.shared.purges.read();
        let purges = purges.unwrap_or_else(PoisonError::into_inner);
        for purge in purges.iter() {
            purge(tenant);
        }
    }
}

/// When the log last said that the database does not answer.
#[derive(Default)]
struct Silence {
    said: Option<Instant>,
}

impl Silence {
    fn is_to_be_said(&mut self, now: Instant) -> bool {
        let due = self.said.is_none_or(|said| now - said >= LOG_EVERY);
        if due {
            self.said = Some(now);
        }
        due
    }

    fn ended(&mut self) -> bool {
        self.said.take().is_some()
    }
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    let done = tokio::time::timeout(time, work).await;
    done.unwrap_or(Err(QueryError::Deadline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_said_once_a_second_and_its_end_once() {
        let mut silence = Silence::default();
        let start = Instant::now();
        let said = (0..25).filter(|&tenth| {
            let now = start + Duration::from_millis(100 * tenth);
            silence.is_to_be_said(now)
        });
        assert_eq!(said.collect::<Vec<_>>(), [0, 10, 20]);
        assert!(silence.ended());
        assert!(!silence.ended());
        assert!(silence.is_to_be_said(start));
    }
}
