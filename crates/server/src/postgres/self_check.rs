//! The self-check at start: what the isolation rests on is asked of the database itself.

use std::time::Instant;

use strongroom_rls::{Names, claimed_role_checks, role_checks, schema_checks};

use super::endpoint::Endpoint;
use super::roles::{EXEMPT_TABLES, Role};
use super::session::{Session, SessionError};
use crate::config::{ZoneMode, Zones};

/// How far the database's clock may be from ours, in seconds.
const MAX_SKEW_SECONDS: f64 = 5.0;

/// Settings that every connection must have, and what each would open when missing.
const SETTINGS: &[(&str, &str)] = &[
    (
        "select 'row_security', 'is off' where current_setting('row_security') <> 'on'",
        "row-security-on",
    ),
    (
        "select s.name, 'is not set: a lost client would keep its locks' from pg_catalog.pg_settings s \
         where s.name in ('statement_timeout', 'idle_in_transaction_session_timeout', \
         'client_connection_check_interval') and s.setting = '0'",
        "time-outs-are-set",
    ),
    (
        "select s.name, 'logs parameters, claims among them' from pg_catalog.pg_settings s \
         where s.name in ('log_parameter_max_length', 'log_parameter_max_length_on_error') \
         and s.setting <> '0'",
        "parameters-are-not-logged",
    ),
    (
        "select 'default_transaction_read_only', 'is off: half a batch could be written' \
         where session_user = 'strongroom_sequencer' \
         and current_setting('default_transaction_read_only') <> 'on'",
        "batches-are-whole",
    ),
    (
        "select 'server_version', 'is below 15' \
         where current_setting('server_version_num')::int < 150000",
        "version",
    ),
    (
        "select 'synchronous_commit', 'does not wait for the disk: acknowledged events could be lost' \
         where current_setting('synchronous_commit') not in ('on', 'remote_apply')",
        "commits-wait-for-the-disk",
    ),
    (
        "select 'app.audit_leaves', 'lacks an enabled trigger that refuses changes' \
         where (select count(*) from pg_catalog.pg_trigger t \
         where t.tgrelid = 'app.audit_leaves'::pg_catalog.regclass and not t.tgisinternal \
         and t.tgenabled = 'O') <> 2",
        "leaves-are-append-only",
    ),
    (
        "select 'app.generations', 'lacks an enabled trigger that stamps what changed' \
         where (select count(*) from pg_catalog.pg_trigger t \
         where t.tgrelid = 'app.generations'::pg_catalog.regclass and not t.tgisinternal \
         and t.tgenabled = 'O') <> 1",
        "generations-are-stamped",
    ),
    (
        "select 'app.webhook_receipts', 'lacks an enabled trigger that waits for the disk' \
         where (select count(*) from pg_catalog.pg_trigger t \
         where t.tgrelid = 'app.webhook_receipts'::pg_catalog.regclass and not t.tgisinternal \
         and t.tgenabled = 'O') <> 1",
        "receipts-are-durable",
    ),
    (
        "select 'app.tenant_keks', 'lacks an enabled trigger that keeps its tombstones' \
         where (select count(*) from pg_catalog.pg_trigger t \
         where t.tgrelid = 'app.tenant_keks'::pg_catalog.regclass and not t.tgisinternal \
         and t.tgenabled = 'O') <> 2",
        "tombstones-stay",
    ),
    (
        "select 'app.token_keys', 'lacks an enabled trigger that keeps what is withdrawn' \
         where (select count(*) from pg_catalog.pg_trigger t \
         where t.tgrelid = 'app.token_keys'::pg_catalog.regclass and not t.tgisinternal \
         and t.tgenabled = 'O') <> 2",
        "withdrawn-keys-stay-withdrawn",
    ),
    (
        "select t.name, 'lacks an enabled trigger that refuses a destroyed key' \
         from (values ('app.tenant_deks'), ('app.provider_credentials'), \
         ('app.webhook_endpoints'), ('app.webhook_old_secrets'), ('app.platform_keys'), \
         ('app.subjects'), ('app.pii_linking_keys')) \
         as t (name) \
         where not exists (select from pg_catalog.pg_trigger g \
         where g.tgrelid = t.name::pg_catalog.regclass and g.tgname = 'under_a_live_kek' \
         and g.tgenabled = 'O')",
        "sealed-under-a-live-key",
    ),
    (
        "select t.name, 'lacks its enabled trigger ' || t.trigger \
         from (values ('app.api_keys', 'api_key_ends_stay'), ('app.api_keys', 'api_key_ids_apart'), \
         ('app.token_epochs', 'token_epochs_grow'), \
         ('app.token_revocations', 'revocations_are_dated'), \
         ('app.refresh_families', 'families_move_forward'), \
         ('app.refresh_families', 'family_ids_apart'), ('app.subjects', 'subjects_stay'), \
         ('app.subjects', 'subjects_no_truncate'), ('app.pii_values', 'pii_values_end')) as t (name, trigger) \
         where not exists (select from pg_catalog.pg_trigger g \
         where g.tgrelid = t.name::pg_catalog.regclass and g.tgname = t.trigger \
         and g.tgenabled = 'O')",
        "what-is-ended-stays-ended",
    ),
    (
        "select t.name, 'could lose a data key that is in use' \
         from (values ('app.audit_payloads'), ('app.pii_values')) as t (name) \
         left join pg_catalog.pg_constraint c on c.conrelid = t.name::pg_catalog.regclass \
         and c.confrelid = 'app.tenant_deks'::pg_catalog.regclass and c.contype = 'f' \
         where c.confdeltype is distinct from 'r'",
        "data-keys-in-use-stay",
    ),
    (
        "select 'app.tenant_deks', 'lacks the policy that keeps data keys in use' \
         where not exists (select from pg_catalog.pg_policy p \
         where p.polrelid = 'app.tenant_deks'::pg_catalog.regclass \
         and p.polname = 'keymaster_deks_unused' and not p.polpermissive)",
        "data-keys-in-use-are-kept",
    ),
    (
        "select s.name, 'is off: acknowledged events could be lost' from pg_catalog.pg_settings s \
         where s.name in ('fsync', 'full_page_writes') and s.setting <> 'on'",
        "commits-are-durable",
    ),
];

/// What zones need besides, as the sequencer sees it.
const ZONES: &[(&str, &str)] = &[
    (
        "select 'app.zones', 'cannot see who streams: grant pg_read_all_stats to \
         strongroom_zones_owner' \
         where not pg_catalog.pg_has_role('strongroom_zones_owner', 'pg_read_all_stats', 'USAGE')",
        "zones-are-seen",
    ),
    (
        "select 'the database', 'is a standby: database.url must be the primary' \
         where pg_catalog.pg_is_in_recovery()",
        "the-primary-is-one",
    ),
];

/// The watcher sees the rows of every tenant in the one table that it reads.
const WATCHER: (&str, &str) = (
    "select c.oid::regclass::text, 'is open to the watcher, who reads app.generations and no more' \
     from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
     where c.relkind in ('r', 'p', 'v', 'm', 'f') \
     and n.nspname not in ('pg_catalog', 'information_schema') \
     and (has_table_privilege(c.oid, 'DELETE') \
     or has_any_column_privilege(c.oid, 'INSERT, UPDATE') \
     or (has_any_column_privilege(c.oid, 'SELECT') \
     and c.oid <> 'app.generations'::pg_catalog.regclass))",
    "watcher-reads-one-table",
);

/// The isolation does not hold, or could not be asked about; the server must not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelfCheckError {
    /// Every violation that was found, `check: object problem`, a line each.
    #[error("the database's isolation does not hold:\n{}", .0.join("\n"))]
    Violations(Vec<String>),
    /// The database did not answer.
    #[error("the self-check could not run: {0}")]
    Unavailable(String),
}

impl From<tokio_postgres::Error> for SelfCheckError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Unavailable(
            error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string),
        )
    }
}

impl From<SessionError> for SelfCheckError {
    fn from(error: SessionError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Asks whether the database waits for just the zones that the configuration names. Answers how many
/// checks held.
///
/// # Errors
/// [`SelfCheckError::Violations`] names everything that does not hold at once.
pub async fn zones_check(endpoint: &Endpoint, zones: &Zones) -> Result<usize, SelfCheckError> {
    let session = Session::connect(endpoint, Role::Sequencer.name()).await?;
    let mut violations = Vec::new();
    let checks = if zones.mode == ZoneMode::One {
        &[]
    } else {
        ZONES
    };
    for (sql, name) in checks {
        for row in session.client().query(*sql, &[]).await? {
            let (object, problem): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            violations.push(format!("{name}: {object} {problem}"));
        }
    }
    let names = "select pg_catalog.current_setting('synchronous_standby_names')";
    let said: String = session.client().query_one(names, &[]).await?.try_get(0)?;
    let kept = "select pg_catalog.current_setting('max_slot_wal_keep_size')";
    let kept: String = session.client().query_one(kept, &[]).await?.try_get(0)?;
    if let Some(warning) = unbounded_slots(zones.mode, &kept) {
        tracing::warn!("{warning}");
    }
    let expected = zones.standby_names();
    if !is_same(&said, &expected) {
        violations.push(format!(
            "zones-are-waited-for: synchronous_standby_names is '{said}': with zones.mode {} it must \
             be '{expected}'",
            zones.mode
        ));
    }
    session.end(false).await;
    if violations.is_empty() {
        Ok(checks.len() + 1)
    } else {
        Err(SelfCheckError::Violations(violations))
    }
}

/// What is to be said of a primary that keeps all that a lost zone has not got yet.
fn unbounded_slots(mode: ZoneMode, kept: &str) -> Option<&'static str> {
    (mode != ZoneMode::One && kept == "-1").then_some(
        "max_slot_wal_keep_size is -1: while a zone is lost, its replication slot fills the primary's \
         disk; set a limit",
    )
}

/// Whether two lists of standbys say the same; of the forms that PostgreSQL takes, only the one that
/// we write, in any order and spacing.
fn is_same(said: &str, expected: &str) -> bool {
    let parts = |text: &str| {
        let (method, names) = text.trim().split_once('(').unwrap_or((text.trim(), ")"));
        let method: Vec<String> = method.split_whitespace().map(str::to_uppercase).collect();
        let names = names.strip_suffix(')')?.split(',');
        let mut names: Vec<String> = names
            .map(|name| name.trim().trim_matches('"').to_owned())
            .collect();
        names.sort_unstable();
        Some((method, names))
    };
    parts(said).is_some() && parts(said) == parts(expected)
}

/// How far a clock is off that shows so many seconds more than ours did, when it was read between
/// `before` and `after` seconds later: on a busy machine the checks themselves take some.
fn skew(ahead: f64, before: f64, after: f64) -> f64 {
    // Our own was read in whole seconds.
    ahead - ahead.clamp(before, after + 1.0)
}

/// Asks, as each login role, everything that the isolation rests on. Answers how many checks held.
///
/// `now` is what our clock shows as it begins, in Unix seconds.
///
/// # Errors
/// [`SelfCheckError::Violations`] names every hole at once.
pub async fn self_check(endpoint: &Endpoint, now: u64) -> Result<usize, SelfCheckError> {
    let names = Names::default();
    let exempt: Vec<_> = EXEMPT_TABLES.iter().map(|(table, _)| *table).collect();
    let asked = Instant::now();
    let mut violations = Vec::new();
    let mut held = 0;
    for role in Role::ALL {
        let session = Session::connect(endpoint, role.name()).await?;
        let mut checks: Vec<_> = role_checks(&names, role.definer_functions())
            .into_iter()
            .map(|check| (check.name, check.sql))
            .collect();
        checks.extend(
            SETTINGS
                .iter()
                .map(|(sql, name)| (*name, (*sql).to_owned())),
        );
        if role == Role::Watcher {
            let (sql, name) = WATCHER;
            checks.push((name, sql.to_owned()));
        }
        if role == Role::Gateway {
            checks.extend(
                claimed_role_checks(&names)
                    .into_iter()
                    .map(|c| (c.name, c.sql)),
            );
            checks.extend(
                schema_checks(&names, &exempt)
                    .into_iter()
                    .map(|c| (c.name, c.sql)),
            );
        }
        for (name, sql) in checks {
            let rows = session.client().query(&sql, &[]).await?;
            if rows.is_empty() {
                held += 1;
            }
            for row in rows {
                let (object, problem): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                violations.push(format!("{}: {name}: {object} {problem}", role.name()));
            }
        }
        if role == Role::Gateway {
            let before = asked.elapsed().as_secs_f64();
            let row = session
                .client()
                .query_one("select extract(epoch from clock_timestamp())::float8", &[])
                .await?;
            let theirs: f64 = row.try_get(0)?;
            let skew = skew(theirs - now as f64, before, asked.elapsed().as_secs_f64());
            if skew.abs() > MAX_SKEW_SECONDS {
                violations.push(format!(
                    "clock-skew: the database's clock is {skew:.0} s off"
                ));
            } else {
                held += 1;
            }
        }
        session.end(false).await;
    }
    if violations.is_empty() {
        Ok(held)
    } else {
        Err(SelfCheckError::Violations(violations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_passes_meanwhile_is_no_skew() {
        for (ahead, off) in [(0.9, 0.0), (8.4, 0.0), (9.9, 0.0)] {
            assert!((skew(ahead, 0.5, 9.0) - off).abs() < 1e-9, "{ahead}");
        }
        for (ahead, off) in [(-60.0, -60.5), (70.0, 60.0), (0.0, -0.5)] {
            assert!((skew(ahead, 0.5, 9.0) - off).abs() < 1e-9, "{ahead}");
        }
        assert!((skew(6.2, 0.1, 0.1) - 5.1).abs() < 1e-9);
    }

    #[test]
    fn slots_without_a_limit_are_warned_of() {
        assert!(unbounded_slots(ZoneMode::Any2, "-1").is_some());
        assert!(unbounded_slots(ZoneMode::Any1, "-1").is_some());
        assert!(unbounded_slots(ZoneMode::Any2, "2GB").is_none());
        assert!(unbounded_slots(ZoneMode::One, "-1").is_none());
    }

    #[test]
    fn only_the_same_zones_are_the_same() {
        let expected = "ANY 2 (z2, z3)";
        for same in ["ANY 2 (z2, z3)", "any 2(\"z3\",z2)", " ANY  2 ( z2 , z3 ) "] {
            assert!(is_same(same, expected), "{same}");
        }
        for other in [
            "",
            "*",
            "ANY 1 (z2, z3)",
            "FIRST 2 (z2, z3)",
            "2 (z2, z3)",
            "z2, z3",
            "ANY 2 (z2)",
            "ANY 2 (z2, z2)",
            "ANY 2 (z2, z3, z4)",
            "ANY 2 (*)",
            "ANY 2 (z2, z3",
            "ANY 2 (Z2, z3)",
        ] {
            assert!(!is_same(other, expected), "{other}");
        }
        assert!(is_same("", "") && is_same(" ", ""));
        assert!(!is_same("*", "") && !is_same("z2", "") && !is_same("ANY 1 (z2)", ""));
    }
}
