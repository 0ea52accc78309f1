//! What is over of webhooks: messages with their attempts, secrets that were replaced, receipts of
//! those that came in.

use super::Rule;

/// How long a message is kept that was settled, or that waits for a disabled endpoint, and an
/// attempt: thirty days, in seconds.
const KEPT: u64 = 30 * 24 * 60 * 60;

// The lock is as strong as the deletion's own: none that others hold is waited for.

pub(super) const WEBHOOKS: &[Rule] = &[
    // Before the messages that they are of. No tenant may lock them.
    Rule {
        what: "webhook attempts",
        kept: KEPT,
        sql: "with old as (select tenant_id, id from app.webhook_attempts \
             where at <= $1 order by at limit $2) \
             delete from app.webhook_attempts a using old \
             where a.tenant_id = old.tenant_id and a.id = old.id returning 1",
    },
    Rule {
        what: "settled webhook messages",
        kept: KEPT,
        sql: "with old as (select o.tenant_id, o.id from app.webhook_outbox o \
             where o.settled_at <= $1 and not exists (select from app.webhook_attempts a \
             where a.tenant_id = o.tenant_id and a.message_id = o.id) \
             order by o.settled_at limit $2 for update of o skip locked) \
             delete from app.webhook_outbox o using old \
             where o.tenant_id = old.tenant_id and o.id = old.id returning 1",
    },
    Rule {
        what: "parked webhook messages",
        kept: KEPT,
        sql: "with old as (select o.tenant_id, o.id from app.webhook_outbox o \
             where o.parked_at <= $1 and not exists (select from app.webhook_attempts a \
             where a.tenant_id = o.tenant_id and a.message_id = o.id) \
             order by o.parked_at limit $2 for update of o skip locked) \
             delete from app.webhook_outbox o using old \
             where o.tenant_id = old.tenant_id and o.id = old.id returning 1",
    },
    Rule {
        what: "old webhook secrets",
        kept: 0,
        sql: "with old as (select tenant_id, endpoint_id, id from app.webhook_old_secrets \
             where expires_at <= $1 order by expires_at limit $2 for update skip locked) \
             delete from app.webhook_old_secrets s using old \
             where s.tenant_id = old.tenant_id and s.endpoint_id = old.endpoint_id \
             and s.id = old.id returning 1",
    },
    Rule {
        what: "webhook receipts",
        kept: 0,
        sql: "with old as (select tenant_id, endpoint, id from app.webhook_receipts \
             where until < $1 order by until limit $2 for update skip locked) \
             delete from app.webhook_receipts r using old \
             where r.tenant_id = old.tenant_id and r.endpoint = old.endpoint \
             and r.id = old.id returning 1",
    },
];
