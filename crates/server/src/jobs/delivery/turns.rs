//! Whose turn it is: the messages that are taken next, and those that are put aside.

use strongroom_tenancy::TenantId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::settle::{RECORD, SETTLE, seconds};
use super::{Deliverer, DeliveryError, LEASE_SECONDS, Message, PATIENCE, RESOLVING};
use crate::audit::new_event_id;
use crate::postgres::{QueryError, column};

/// Takes at most two messages of each tenant, none of those that have enough under way; and says
/// whose turn it was last, or nothing after the last tenant.
///
/// While fewer than 200 messages are due, they say which tenants have any. With more, some tenant may
/// have a backlog: it is left alone, and the way goes from one tenant to the next by index, in the
/// order of their ids, through at most a thousand. Two messages of each are read: what a tenant has
/// waiting costs nobody else's messages any time.
const TAKE: &str = "with recursive head as materialized ( \
       select o.tenant_id, o.next_attempt_at from app.webhook_outbox o \
       where o.next_attempt_at <= $1 order by o.next_attempt_at limit 200), \
     tenants (tenant_id, place) as ( \
       (select o.tenant_id, 1 from app.webhook_outbox o \
         where o.next_attempt_at is not null and o.tenant_id >= $4 \
         and (select count(*) from head) = 200 \
         order by o.tenant_id, o.next_attempt_at limit 1) \
       union all \
       select (select o.tenant_id from app.webhook_outbox o \
         where o.next_attempt_at is not null and o.tenant_id > t.tenant_id \
         order by o.tenant_id, o.next_attempt_at limit 1), t.place + 1 \
       from tenants t where t.tenant_id is not null and t.place < 1000), \
     candidates as ( \
       (select h.tenant_id from head h where (select count(*) from head) < 200 \
         group by h.tenant_id order by min(h.next_attempt_at)) \
       union all select t.tenant_id from tenants t where t.tenant_id is not null), \
     due as ( \
       select o.tenant_id, o.id from candidates c cross join lateral ( \
         select o.tenant_id, o.id from app.webhook_outbox o \
         where o.tenant_id = c.tenant_id and o.next_attempt_at <= $1 \
         order by o.next_attempt_at, o.id limit 2 for update of o skip locked) o \
       where c.tenant_id <> all ($2) limit $3), \
     taken as ( \
       update app.webhook_outbox o set next_attempt_at = $1::bigint + 60, attempts = \
         case when e.disabled_at is null then least(o.attempts + 1, 1000) else o.attempts end \
       from due, app.webhook_endpoints e \
       where o.tenant_id = due.tenant_id and o.id = due.id \
       and e.tenant_id = o.tenant_id and e.id = o.endpoint_id \
       returning o.tenant_id, o.id, o.body, o.attempts, e.id as endpoint, e.url, \
       array[e.sealed_secret] || array(select s.sealed from app.webhook_old_secrets s \
         where s.tenant_id = e.tenant_id and s.endpoint_id = e.id and s.expires_at > $1 \
         order by s.expires_at desc limit 15) as secrets, o.next_attempt_at, \
       e.disabled_at is not null as is_parked) \
     select case when (select count(*) from due) >= $3 \
       then (select d.tenant_id from due d order by d.tenant_id desc limit 1) \
       else (select t.tenant_id from tenants t order by t.place desc limit 1) end, \
     t.* from (select) as one left join taken t on true";

/// Holds an endpoint disabled until its messages are parked: who enables it finds all of them. Who
/// holds it keeps its messages only: they are found again when their lease is over.
const HOLD: &str = "select from app.webhook_endpoints \
     where tenant_id = $1 and id = $2 and disabled_at is not null for share skip locked";

/// What is under way comes to its end first, and what is held is parked the next time.
const PARK: &str = "with due as (select o.tenant_id, o.id from app.webhook_outbox o \
       where o.tenant_id = $1 and o.endpoint_id = $2 and o.next_attempt_at is not null \
       and (o.id = $4 or o.next_attempt_at <= $3 or o.next_attempt_at > $3 + 60) \
       for no key update skip locked) \
     update app.webhook_outbox o set parked_at = $3, next_attempt_at = null from due \
     where o.tenant_id = due.tenant_id and o.id = due.id";

/// What was taken.
pub(super) struct Turn {
    /// What is to be sent.
    pub(super) due: Vec<Message>,
    /// Whether there was anything, to be sent or not.
    pub(super) is_any: bool,
    /// Whose turn is next; none after the last tenant.
    pub(super) next: Option<Uuid>,
}

/// What a message that was taken is good for.
enum Taken {
    /// It is to be sent.
    Due(Message),
    /// Its endpoint is disabled.
    Parked(Message),
    /// It is none.
    Malformed(QueryError),
}

/// What is known even of a row that is no message.
struct Fence {
    tenant: Uuid,
    id: Uuid,
    attempts: i32,
    lease: i64,
}

impl Deliverer {
    /// Takes messages, up to `room`, of the tenants whose turn it is. Those that are not to be sent
    /// are put aside, each alone.
    pub(super) async fn take(
        &self,
        busy: &[Uuid],
        room: usize,
        turn: Uuid,
    ) -> Result<Turn, DeliveryError> {
        let now = seconds(self.clock.unix_seconds());
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        debug_assert!(LEASE_SECONDS > (RESOLVING + PATIENCE).as_secs() as i64);
        let mut tx = self.job.begin().await?;
        let rows = tx.query(TAKE, &[&now, &busy, &room, &turn]).await?;
        // No transaction is held across an outward call: the lease keeps others away.
        tx.commit().await?;
        let last: Option<Uuid> = match rows.first() {
            Some(row) => column(row, 0)?,
            None => None,
        };
        let mut turn = Turn {
            due: Vec::with_capacity(rows.len()),
            is_any: false,
            next: last.map(|last| Uuid::from_u128(last.as_u128().saturating_add(1))),
        };
        for row in &rows {
            let aside = match taken(row) {
                None => continue,
                Some(Taken::Due(message)) => {
                    turn.due.push(message);
                    Ok(())
                }
                Some(Taken::Parked(message)) => self.park(&message, now).await,
                Some(Taken::Malformed(error)) => {
                    tracing::error!(%error, "a webhook message is malformed, and given up");
                    self.give_up(row, now).await
                }
            };
            turn.is_any = true;
            if let Err(error) = aside {
                tracing::error!(%error, "a webhook message was not put aside");
            }
        }
        Ok(turn)
    }

    /// Has all that waits for a disabled endpoint wait until it is enabled, so that it is not read
    /// again and again.
    async fn park(&self, message: &Message, now: i64) -> Result<(), DeliveryError> {
        let (tenant, endpoint) = (message.tenant.as_uuid(), &message.endpoint);
        let mut tx = self.job.begin().await?;
        // Enabled meanwhile, or held: it is due again when its lease is over.
        if !tx.query(HOLD, &[tenant, endpoint]).await?.is_empty() {
            tx.query(PARK, &[tenant, endpoint, &now, &message.id])
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Settles what is no message as failed.
    async fn give_up(&self, row: &Row, now: i64) -> Result<(), DeliveryError> {
        let fence = Fence {
            tenant: column(row, 1)?,
            id: column(row, 2)?,
            attempts: column(row, 4)?,
            lease: column(row, 8)?,
        };
        let id = new_event_id(self.clock.as_ref())?;
        let (none, reason) = (None::<i32>, "malformed");
        let never = None::<i64>;
        let mut tx = self.job.begin().await?;
        let record: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&fence.tenant, &id, &fence.id, &now, &0_i32, &none, &reason];
        tx.query(RECORD, &record).await?;
        let settle: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
            &fence.tenant,
            &fence.id,
            &never,
            &never,
            &none,
            &fence.lease,
            &fence.attempts,
            &now,
        ];
        tx.query(SETTLE, &settle).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// One row's message; none in the row that stands for no message at all.
fn taken(row: &Row) -> Option<Taken> {
    let is_parked = match column::<Option<bool>>(row, 9) {
        Ok(is_parked) => is_parked?,
        Err(error) => return Some(Taken::Malformed(error)),
    };
    Some(match message(row) {
        Ok(message) if is_parked => Taken::Parked(message),
        Ok(message) => Taken::Due(message),
        Err(error) => Taken::Malformed(error),
    })
}

fn message(row: &Row) -> Result<Message, QueryError> {
    Ok(Message {
        tenant: TenantId::from_uuid(column(row, 1)?)
            .map_err(|error| QueryError::Row(error.to_string()))?,
        id: column(row, 2)?,
        body: column(row, 3)?,
        attempts: column(row, 4)?,
        endpoint: column(row, 5)?,
        url: column(row, 6)?,
        sealed_secrets: column(row, 7)?,
        lease: column(row, 8)?,
    })
}
