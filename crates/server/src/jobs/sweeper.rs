//! The sweep: sealed successors after their grace, revocations that no token outlives, families
//! that are over.

use std::sync::Arc;

use strongroom_tenant_token::refresh::{ABSOLUTE, GRACE, IDLE};
use strongroom_tenant_token::{LEEWAY, MAX_LIFETIME};
use tokio_util::sync::CancellationToken;

use super::ticks;
use crate::app::App;
use crate::clock::Clock;
use crate::postgres::{Job, QueryError};

/// How often rows that are over are looked for, in seconds.
const DELETE_SECONDS: u64 = 60;

/// How long what is over is kept besides, in seconds: clocks differ, and a family's end can be
/// looked up for a day.
const MARGIN: u64 = 24 * 3_600;

/// Rows deleted at once.
const BATCH: i64 = 1000;

// All by the database's clock: a node's own may be wrong, and this cannot be undone.

const SUCCESSORS: &str = "update app.refresh_families f \
     set successor = null, version = f.version + 1 \
     from (select g.tenant_id, g.id from app.refresh_families g \
       where g.successor is not null \
       and g.rotated_at < extract(epoch from clock_timestamp())::bigint - $1 \
       order by g.rotated_at limit $2 for no key update skip locked) o \
     where f.tenant_id = o.tenant_id and f.id = o.id returning f.id";

const REVOCATIONS: &str = "delete from app.token_revocations r \
     using (select g.tenant_id, g.kind, g.subject from app.token_revocations g \
       where g.revoked_at < extract(epoch from clock_timestamp())::bigint - $1 \
       order by g.revoked_at limit $2 for no key update skip locked) o \
     where r.tenant_id = o.tenant_id and r.kind = o.kind and r.subject = o.subject \
     returning r.subject";

const IDLE_FAMILIES: &str = "delete from app.refresh_families f \
     using (select g.tenant_id, g.id from app.refresh_families g \
       where g.rotated_at < extract(epoch from clock_timestamp())::bigint - $1 \
       order by g.rotated_at limit $2 for no key update skip locked) o \
     where f.tenant_id = o.tenant_id and f.id = o.id returning f.id";

const OLD_FAMILIES: &str = "delete from app.refresh_families f \
     using (select g.tenant_id, g.id from app.refresh_families g \
       where g.begun_at < extract(epoch from clock_timestamp())::bigint - $1 \
       order by g.begun_at limit $2 for no key update skip locked) o \
     where f.tenant_id = o.tenant_id and f.id = o.id returning f.id";

/// Deletes what is over.
pub(super) struct Sweeper {
    job: Job,
    clock: Arc<dyn Clock>,
}

impl Sweeper {
    pub(super) fn new(app: &App, job: Job) -> Self {
        Self {
            job,
            clock: Arc::clone(&app.clock),
        }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        let mut ticks = ticks();
        let mut next = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let now = self.clock.unix_seconds();
            let mut due = vec![(SUCCESSORS, GRACE)];
            if now >= next {
                next = now.saturating_add(DELETE_SECONDS);
                due.extend([
                    (REVOCATIONS, MAX_LIFETIME + 2 * LEEWAY + MARGIN),
                    (IDLE_FAMILIES, IDLE + MARGIN),
                    (OLD_FAMILIES, ABSOLUTE + MARGIN),
                ]);
            }
            for (sql, age) in due {
                if let Err(error) = self.sweep(sql, age, &stop).await {
                    tracing::error!(%error, "what is over was not deleted");
                }
            }
        }
    }

    async fn sweep(
        &self,
        sql: &'static str,
        age: u64,
        stop: &CancellationToken,
    ) -> Result<(), QueryError> {
        let age = i64::try_from(age).unwrap_or(i64::MAX);
        loop {
            let mut tx = self.job.begin().await?;
            let rows = tx.query(sql, &[&age, &BATCH]).await?;
            tx.commit()
                .await
                .map_err(|error| QueryError::Unavailable(error.to_string()))?;
            if i64::try_from(rows.len()).unwrap_or(0) < BATCH || stop.is_cancelled() {
                return Ok(());
            }
        }
    }
}
