//! Rotation: new KEK versions, everything wrapped under them, then the old ones destroyed.
//!
//! A rotation is a row, and goes through phases; how far each has come is in the rows themselves,
//! so that after a crash any node goes on. Each batch is one transaction, which holds the
//! rotation's row against the other nodes.

pub(super) mod batches;

use std::str::FromStr;

use strongroom_auditchain::Outcome;
use strongroom_envelope::{KeyRef, RotationPeriod};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::records::{self, RecordError};
use super::{KeyStore, KeyStoreError};
use crate::audit::{Draft, EventError, STAGE_EVENT, new_event_id};
use crate::generations::BUMP_GENERATION;
use crate::postgres::{CommitError, JobTx, QueryError, column};

const DAY: i64 = 24 * 60 * 60;

/// How long every node needs to hear of a change, in whole seconds.
pub(super) const SPREAD_SECONDS: u64 = 3;

/// How long a rotation is left alone that failed, in seconds.
pub(super) const PUT_OFF_SECONDS: u64 = 5;

/// KEKs that get a new version in one batch: a call to the KMS each.
const MADE_AT_ONCE: usize = 50;

/// Data keys that are retired in one batch.
const RETIRED_AT_ONCE: usize = 10_000;

/// KEK names whose newest version is older than their tenant's schedule allows.
const OLD: &str = "select k.tenant_id, min(k.newest), coalesce(s.rotation_days, $2::int) \
     from (select tenant_id, name, max(created_at) as newest from app.tenant_keks \
       where state = 'active' group by tenant_id, name) k \
     left join app.key_schedules s using (tenant_id) \
     where k.newest <= $1::bigint - 86400 * coalesce(s.rotation_days, $2::int)::bigint \
     and not exists (select from app.key_rotations r \
       where r.tenant_id = k.tenant_id and r.finished_at is null) \
     group by k.tenant_id, s.rotation_days order by 2 limit 64";

const START: &str = "insert into app.key_rotations \
     (tenant_id, id, cause, exposed, reencrypt, request_id, cutoff, started_at) \
     select $1, $2, 'schedule', 'none', false, $3, $4, $5 \
     where exists (select from app.tenants t where t.tenant_id = $1) \
     on conflict do nothing returning id";

const NEXT: &str = "select tenant_id, id, cause, reencrypt, request_id, cutoff, phase \
     from app.key_rotations where finished_at is null and due_at <= $1 \
     order by cause = 'break-glass' desc, worked_at limit 1 for update skip locked";

const ADVANCE: &str = "update app.key_rotations set phase = $3, due_at = $4, \
     rows_done = rows_done + $5, worked_at = clock_timestamp(), \
     finished_at = case when $3 = 'finished' then $6::bigint end \
     where tenant_id = $1 and id = $2";

const PUT_OFF: &str = "update app.key_rotations set due_at = $1 + $2::bigint, \
     worked_at = clock_timestamp() where tenant_id = $3 and id = $4 and finished_at is null";

const NAMES: &str = "select name, max(version) from app.tenant_keks where tenant_id = $1 \
     group by name having max(created_at) filter (where state = 'active') <= $2 limit $3";

const SUPERSEDE: &str = "update app.tenant_keks set state = 'decrypt-only' \
     where tenant_id = $1 and name = $2 and version < $3 and state = 'active'";

const RETIRE: &str = "update app.tenant_deks d set state = 'retired' from ( \
       select dek_id from app.tenant_deks where tenant_id = $1 and state = 'active' \
       and created_at <= $2 limit $3) u \
     where d.tenant_id = $1 and d.dek_id = u.dek_id returning 1";

const DESTROY: &str = "update app.tenant_keks set state = 'destroyed', wrapped = null \
     where tenant_id = $1 and state = 'decrypt-only' and name not like 'export%'";

const LOCK_OLD: &str = "select from app.tenant_keks where tenant_id = $1 \
     and state = 'decrypt-only' and name not like 'export%' order by name, version for update";

/// What was read by somebody who should not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposed {
    /// Nothing that is known.
    Nothing,
    /// Wrapped keys, as a backup has them, and no key that opens them.
    OldWraps,
    /// A KEK: with old wraps, every data key under it too.
    Kek,
    /// A data key.
    Dek,
}

/// Why a rotation did not go on. It is tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// A row was not read or written, or the KMS failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Keys could not be used.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// Its event could not be written.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A column does not hold what it should.
    #[error("a rotation's row is malformed: {0}")]
    Malformed(&'static str),
}

/// One rotation, held by the transaction that reads it.
struct Rotation {
    tenant: TenantId,
    id: Uuid,
    is_break_glass: bool,
    reencrypt: bool,
    request: RequestId,
    cutoff: i64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Making,
    Spreading,
    Rewrapping,
    Reencrypting,
    Overlapping,
    Finished,
}

impl Exposed {
    /// The value of the API and of the row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::OldWraps => "old_wraps",
            Self::Kek => "kek",
            Self::Dek => "dek",
        }
    }

    /// Whether wrapping keys again takes nothing back from who read this: the data has to be
    /// encrypted again.
    #[must_use]
    pub const fn needs_reencryption(self) -> bool {
        matches!(self, Self::Kek | Self::Dek)
    }
}

impl FromStr for Exposed {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Nothing, Self::OldWraps, Self::Kek, Self::Dek];
        all.into_iter()
            .find(|exposed| exposed.as_str() == text)
            .ok_or(())
    }
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Making,
        Self::Spreading,
        Self::Rewrapping,
        Self::Reencrypting,
        Self::Overlapping,
        Self::Finished,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Spreading => "spreading",
            Self::Rewrapping => "rewrapping",
            Self::Reencrypting => "reencrypting",
            Self::Overlapping => "overlapping",
            Self::Finished => "finished",
        }
    }
}

impl From<QueryError> for RotationError {
    fn from(error: QueryError) -> Self {
        Self::Record(error.into())
    }
}

impl From<CommitError> for RotationError {
    fn from(error: CommitError) -> Self {
        Self::Record(error.into())
    }
}

impl KeyStore {
    /// Starts a rotation for each tenant that has a key older than its schedule, `rotation_days`
    /// where it has none of its own. Answers how many.
    ///
    /// # Errors
    /// [`RotationError`].
    pub async fn start_due_rotations(&self, rotation_days: u32) -> Result<usize, RotationError> {
        let inner = &self.inner;
        let now = inner.clock.unix_seconds();
        let at = seconds(now);
        let days = i32::try_from(rotation_days).unwrap_or(i32::MAX);
        let mut tx = inner.job.begin().await?;
        let mut started = 0;
        for row in tx.query(OLD, &[&at, &days]).await? {
            let tenant: Uuid = column(&row, 0)?;
            let newest = u64::try_from(column::<i64>(&row, 1)?).unwrap_or(0);
            let days: i32 = column(&row, 2)?;
            let period = RotationPeriod::days(u32::try_from(days).unwrap_or(u32::MAX));
            if !period.is_due(newest, now) {
                continue;
            }
            let tenant =
                TenantId::from_uuid(tenant).map_err(|_| RotationError::Malformed("tenant_id"))?;
            let id = new_event_id(inner.clock.as_ref())?;
            let request = self.request_id()?;
            let cutoff = at.saturating_sub(DAY.saturating_mul(i64::from(days)));
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [tenant.as_uuid(), &id, &request.to_string(), &cutoff, &at];
            if tx.query(START, &params).await?.is_empty() {
                continue;
            }
            let rotation = Rotation {
                tenant,
                id,
                is_break_glass: false,
                reencrypt: false,
                request,
                cutoff,
                phase: Phase::Making,
            };
            self.stage(&mut tx, &rotation, "keys.rotation_started")
                .await?;
            started += 1;
        }
        tx.commit().await?;
        Ok(started)
    }

    /// Does one batch of the rotation that waited for longest; whether there was any.
    ///
    /// # Errors
    /// [`RotationError`]; that rotation is left alone for five seconds.
    pub async fn rotate_a_batch(&self, overlap_seconds: u64) -> Result<bool, RotationError> {
        let inner = &self.inner;
        let now = inner.clock.unix_seconds();
        let mut tx = inner.job.begin().await?;
        let rows = tx.query(NEXT, &[&seconds(now)]).await?;
        let Some(row) = rows.first() else {
            tx.rollback().await;
            return Ok(false);
        };
        let rotation = rotation(row)?;
        let (tenant, id) = (rotation.tenant, rotation.id);
        let worked = self.work(tx, rotation, now, overlap_seconds).await;
        if worked.is_err() {
            let mut tx = inner.job.begin().await?;
            let put_off = seconds(PUT_OFF_SECONDS);
            tx.query(PUT_OFF, &[&seconds(now), &put_off, tenant.as_uuid(), &id])
                .await?;
            tx.commit().await?;
        }
        worked.map(|()| true)
    }

    async fn work(
        &self,
        mut tx: JobTx,
        rotation: Rotation,
        now: u64,
        overlap_seconds: u64,
    ) -> Result<(), RotationError> {
        let (mut done, mut due) = (0, 0);
        let next = match rotation.phase {
            Phase::Making => {
                if self.make(&mut tx, &rotation, now).await? {
                    Phase::Making
                } else {
                    due = now.saturating_add(SPREAD_SECONDS);
                    Phase::Spreading
                }
            }
            Phase::Spreading => {
                batches::count(&mut tx, &rotation).await?;
                Phase::Rewrapping
            }
            Phase::Rewrapping => {
                done = self.rewrap(&mut tx, &rotation).await?;
                if done > 0 {
                    Phase::Rewrapping
                } else if batches::is_wrap_left(&mut tx, &rotation.tenant).await? {
                    // Somebody has them in hand, or this node has not heard of the new version.
                    due = now.saturating_add(1);
                    Phase::Rewrapping
                } else {
                    Phase::Reencrypting
                }
            }
            Phase::Reencrypting => {
                done = self.reencrypt(&mut tx, &rotation.tenant).await?;
                if done > 0 {
                    Phase::Reencrypting
                } else if batches::is_payload_left(&mut tx, &rotation.tenant).await? {
                    due = now.saturating_add(1);
                    Phase::Reencrypting
                } else {
                    due = now.saturating_add(overlap_seconds);
                    Phase::Overlapping
                }
            }
            Phase::Overlapping | Phase::Finished => self.finish(&mut tx, &rotation).await?,
        };
        let tenant = rotation.tenant;
        tx.query(
            ADVANCE,
            &[
                tenant.as_uuid(),
                &rotation.id,
                &next.as_str(),
                &seconds(due),
                &i64::try_from(done).unwrap_or(i64::MAX),
                &seconds(now),
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Makes new versions; whether there may be more to make.
    async fn make(
        &self,
        tx: &mut JobTx,
        rotation: &Rotation,
        now: u64,
    ) -> Result<bool, RotationError> {
        let tenant = rotation.tenant;
        let limit = i64::try_from(MADE_AT_ONCE).unwrap_or(i64::MAX);
        let rows = tx
            .query(NAMES, &[tenant.as_uuid(), &rotation.cutoff, &limit])
            .await?;
        // Younger than what is replaced, or it would be replaced itself.
        let made_at = now.max(records::number::<u64, _>(rotation.cutoff, "cutoff")? + 1);
        for row in &rows {
            let name: KeyRef = column::<String>(row, 0)?
                .parse()
                .map_err(RecordError::from)?;
            let last: u32 = records::number(column::<i32>(row, 1)?, "version")?;
            let version = last.saturating_add(1);
            let made = self.inner.roots.kek(&tenant, &name, version, made_at).await;
            let made = made.map_err(RecordError::from)?;
            let new = records::Row::of(&made)?;
            tx.query(records::INSERT, &new.params()).await?;
            let version = records::column_of(version)?;
            tx.query(SUPERSEDE, &[tenant.as_uuid(), &name.as_str(), &version])
                .await?;
        }
        if rows.len() == MADE_AT_ONCE {
            return Ok(true);
        }
        if rotation.reencrypt {
            let limit = i64::try_from(RETIRED_AT_ONCE).unwrap_or(i64::MAX);
            let retired = tx
                .query(RETIRE, &[tenant.as_uuid(), &rotation.cutoff, &limit])
                .await?;
            if retired.len() == RETIRED_AT_ONCE {
                return Ok(true);
            }
        }
        tx.query(BUMP_GENERATION, &[tenant.as_uuid()]).await?;
        Ok(false)
    }

    /// Destroys the old versions, if nothing is under them.
    async fn finish(&self, tx: &mut JobTx, rotation: &Rotation) -> Result<Phase, RotationError> {
        let tenant = rotation.tenant;
        // Whoever stores something under them now comes to its end first, or finds them destroyed.
        tx.query(LOCK_OLD, &[tenant.as_uuid()]).await?;
        if batches::is_wrap_left(tx, &tenant).await? {
            return Ok(Phase::Rewrapping);
        }
        if batches::is_payload_left(tx, &tenant).await? {
            return Ok(Phase::Reencrypting);
        }
        let kind = if rotation.is_break_glass {
            "break_glass.rotation_finished"
        } else {
            "keys.rotation_finished"
        };
        tx.query(DESTROY, &[tenant.as_uuid()]).await?;
        self.stage(tx, rotation, kind).await?;
        tx.query(BUMP_GENERATION, &[tenant.as_uuid()]).await?;
        Ok(Phase::Finished)
    }

    /// Stages an event of the rotation; the sequencer takes it up.
    async fn stage(
        &self,
        tx: &mut JobTx,
        rotation: &Rotation,
        kind: &'static str,
    ) -> Result<(), RotationError> {
        let resource = format!("rotation/{}", rotation.id);
        self.stage_event(tx, rotation.tenant, rotation.request, kind, resource)
            .await
    }

    /// Stages an event of the platform's own; the sequencer takes it up.
    pub(super) async fn stage_event(
        &self,
        tx: &mut JobTx,
        tenant: TenantId,
        request: RequestId,
        kind: &'static str,
        resource: String,
    ) -> Result<(), RotationError> {
        let clock = self.inner.clock.as_ref();
        let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
        let draft = Draft {
            kind,
            actor: platform.ok().map(Actor::new),
            request,
            resource: Some(resource),
            credential: None,
            policy: None,
            outcome: Outcome::Success,
        };
        let event = new_event_id(clock)?;
        let leaf = draft.leaf(event, clock.unix_micros(), Vec::new())?;
        tx.query(STAGE_EVENT, &[tenant.as_uuid(), &event, &leaf.as_bytes()])
            .await?;
        Ok(())
    }

    fn request_id(&self) -> Result<RequestId, RotationError> {
        let mut random = [0_u8; 10];
        getrandom::fill(&mut random).map_err(|_| EventError::Randomness)?;
        let now = self.inner.clock.unix_millis();
        Ok(RequestId::from_parts(now, &random))
    }
}

fn rotation(row: &Row) -> Result<Rotation, RotationError> {
    let phase: String = column(row, 6)?;
    let phase = Phase::ALL.into_iter().find(|known| known.as_str() == phase);
    let request: String = column(row, 4)?;
    Ok(Rotation {
        tenant: TenantId::from_uuid(column(row, 0)?)
            .map_err(|_| RotationError::Malformed("tenant_id"))?,
        id: column(row, 1)?,
        is_break_glass: column::<String>(row, 2)? == "break-glass",
        reencrypt: column(row, 3)?,
        request: request
            .parse()
            .map_err(|_| RotationError::Malformed("request_id"))?,
        cutoff: column(row, 5)?,
        phase: phase.ok_or(RotationError::Malformed("phase"))?,
    })
}

fn seconds(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}
