//! What is over of tokens: sealed successors after their grace, revocations that no token outlives,
//! families.

use strongroom_tenant_token::refresh::{ABSOLUTE, GRACE, IDLE};
use strongroom_tenant_token::{LEEWAY, MAX_LIFETIME};

use super::Rule;

/// How long what is over is kept besides, in seconds: clocks differ, and a family's end can be
/// looked up for a day.
const MARGIN: u64 = 24 * 3_600;

pub(super) const SUCCESSORS: &[Rule] = &[Rule {
    what: "sealed successors",
    kept: GRACE,
    sql: "with old as (select tenant_id, id from app.refresh_families \
         where successor is not null and rotated_at < $1 \
         order by rotated_at limit $2 for no key update skip locked) \
         update app.refresh_families f set successor = null, version = f.version + 1 from old \
         where f.tenant_id = old.tenant_id and f.id = old.id returning 1",
}];

// The lock is as strong as the deletion's own: none that others hold is waited for.

pub(super) const TOKENS: &[Rule] = &[
    Rule {
        what: "values of the vault",
        kept: 0,
        sql: "with old as (select tenant_id, token from app.pii_values \
             where ends_at <= $1 order by ends_at limit $2 for update skip locked) \
             delete from app.pii_values v using old \
             where v.tenant_id = old.tenant_id and v.token = old.token returning 1",
    },
    Rule {
        what: "revocations of tokens",
        kept: MAX_LIFETIME + 2 * LEEWAY + MARGIN,
        sql: "with old as (select tenant_id, kind, subject from app.token_revocations \
             where revoked_at < $1 order by revoked_at limit $2 for update skip locked) \
             delete from app.token_revocations r using old \
             where r.tenant_id = old.tenant_id and r.kind = old.kind and r.subject = old.subject \
             returning 1",
    },
    Rule {
        what: "families that were idle",
        kept: IDLE + MARGIN,
        sql: "with old as (select tenant_id, id from app.refresh_families \
             where rotated_at < $1 order by rotated_at limit $2 for update skip locked) \
             delete from app.refresh_families f using old \
             where f.tenant_id = old.tenant_id and f.id = old.id returning 1",
    },
    Rule {
        what: "families at their end",
        kept: ABSOLUTE + MARGIN,
        sql: "with old as (select tenant_id, id from app.refresh_families \
             where begun_at < $1 order by begun_at limit $2 for update skip locked) \
             delete from app.refresh_families f using old \
             where f.tenant_id = old.tenant_id and f.id = old.id returning 1",
    },
];
