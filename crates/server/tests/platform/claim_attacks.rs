//! An attacker who can run any SQL as the gateway's role sees no other tenant's row.

use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::postgres::{Access, Role};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::database::{Database, begin, database};

/// Every table under the claim that the gateway may read.
const READABLE: &[&str] = &[
    "tenants",
    "api_keys",
    "provider_credentials",
    "pii_policies",
    "webhook_endpoints",
    "webhook_outbox",
    "webhook_attempts",
    "webhook_receipts",
    "audit_logs",
    "audit_leaves",
    "audit_payloads",
    "audit_checkpoints",
    "generations",
];

async fn rows(client: &Client, sql: &str) -> u64 {
    client
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .len() as u64
}

async fn visible(client: &Client) -> u64 {
    let mut sum = 0;
    for table in READABLE {
        sum += rows(client, &format!("select from app.{table}")).await;
    }
    sum
}

async fn refused(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error
        .code()
        .cloned()
        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
}

async fn set_claim(client: &Client, claim: &str) {
    client
        .query(
            "select set_config('strongroom.claim', $1, false)",
            &[&claim],
        )
        .await
        .unwrap();
}

async fn two_tenants() -> (&'static Database, TenantId, TenantId) {
    let database = database();
    (
        database,
        database.tenant("acme").await,
        database.tenant("globex").await,
    )
}

#[tokio::test]
async fn a_genuine_claim_sees_its_own_rows_and_no_others() {
    let (database, acme, globex) = two_tenants().await;
    let gateway = database.gateway(1);
    for tenant in [acme, globex] {
        let mut tx = begin(&gateway, tenant, Access::Read).await;
        let rows = tx
            .query("select tenant_id from app.provider_credentials", &[])
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<_, uuid::Uuid>(0), *tenant.as_uuid());
        tx.rollback().await;
    }
    // Writing into another tenant is refused, moving a row there too, deleting there finds nothing.
    let (client, pid) = database.attacker().await;
    set_claim(&client, database.claim(acme, pid).expose()).await;
    let insert = "insert into app.provider_credentials values ($1, 'x', '', 0)";
    let error = client
        .execute(insert, &[globex.as_uuid()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    let update = "update app.provider_credentials set tenant_id = $1";
    let error = client
        .execute(update, &[globex.as_uuid()])
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    let delete = "update app.provider_credentials set stored_at = 9 where tenant_id = $1";
    assert_eq!(
        client.execute(delete, &[globex.as_uuid()]).await.unwrap(),
        0
    );
}

#[tokio::test]
async fn a_bad_claim_reads_as_nobody_without_an_error() {
    let (database, acme, _) = two_tenants().await;
    let (client, pid) = database.attacker().await;
    assert_eq!(visible(&client).await, 0, "no claim at all");

    let genuine = database.claim(acme, pid).expose().to_owned();
    let now = SystemClock.unix_seconds();
    let other_pid = database.claim(acme, pid + 1).expose().to_owned();
    let expired = database.claim_at(acme, pid, now - 61).expose().to_owned();
    let stranger = strongroom_rls::ClaimKey::from_bytes("t1".parse().unwrap(), &[9; 32]);
    let forged = stranger
        .mint(&strongroom_rls::ClaimRequest {
            tenant: acme,
            actor: crate::database::actor(),
            backend: strongroom_rls::Backend::Pid(pid),
            now,
            lifetime: 60,
        })
        .unwrap();
    let unbound =
        strongroom_rls::ClaimKey::from_bytes("t1".parse().unwrap(), database.claim_key_bytes())
            .mint(&strongroom_rls::ClaimRequest {
                tenant: acme,
                actor: crate::database::actor(),
                backend: strongroom_rls::Backend::Unbound,
                now,
                lifetime: 60,
            })
            .unwrap();
    let flipped = {
        let mut bytes = genuine.clone().into_bytes();
        let last = bytes.len() - 1;
        bytes[last] = if bytes[last] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let cases = [
        ("empty", String::new()),
        ("malformed", "not a claim".to_owned()),
        ("json", format!("{{\"tenant_id\":\"{acme}\"}}")),
        ("the right length, all dots", ".".repeat(genuine.len())),
        (
            "the right length, multi-byte",
            "é".repeat(genuine.len() / 2),
        ),
        ("oversized", genuine.repeat(40)),
        ("forged with another key", forged.expose().to_owned()),
        ("one digit changed", flipped),
        ("upper-case MAC", genuine.to_uppercase()),
        ("a trailing space", format!("{genuine} ")),
        ("unknown key id", genuine.replacen(".t1.", ".t2.", 1)),
        ("another version", genuine.replacen("v1.", "v2.", 1)),
        ("another backend's", other_pid),
        ("expired", expired),
        ("bound to no backend", unbound.expose().to_owned()),
    ];
    for (name, claim) in cases {
        set_claim(&client, &claim).await;
        assert_eq!(visible(&client).await, 0, "{name}");
    }
    // One from the future is good five seconds later: it counts when all was asked before.
    loop {
        let now = SystemClock.unix_seconds();
        set_claim(&client, database.claim_at(acme, pid, now + 10).expose()).await;
        let seen = visible(&client).await;
        if SystemClock.unix_seconds() < now + 5 {
            assert_eq!(seen, 0, "from the future");
            break;
        }
    }
    // The control: a genuine one does see rows on this very connection.
    set_claim(&client, database.claim(acme, pid).expose()).await;
    assert!(visible(&client).await > 0);
}

#[tokio::test]
async fn a_captured_claim_cannot_be_replayed_on_another_connection() {
    let (database, acme, _) = two_tenants().await;
    let (victim, victim_pid) = database.attacker().await;
    let (thief, _) = database.attacker().await;
    let claim = database.claim(acme, victim_pid);
    set_claim(&victim, claim.expose()).await;
    assert!(visible(&victim).await > 0);
    set_claim(&thief, claim.expose()).await;
    assert_eq!(visible(&thief).await, 0);
}

#[tokio::test]
async fn what_would_go_round_the_policies_is_refused() {
    let (database, acme, _) = two_tenants().await;
    let (client, pid) = database.attacker().await;
    set_claim(&client, database.claim(acme, pid).expose()).await;
    let denied = SqlState::INSUFFICIENT_PRIVILEGE;
    for sql in [
        "create temp table stolen (x int)",
        "create domain pg_temp.uuid as pg_catalog.uuid check (false)",
        "create type pg_temp.uuid as (x int)",
        "create table app.mine (x int)",
        "create table public.mine (x int)",
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "create schema mine",
        "truncate app.provider_credentials",
        "truncate app.audit_leaves",
        "set role strongroom_owner",
        "set role strongroom_claim_owner",
        "set role strongroom_sequencer",
        "set role postgres",
        "set session authorization postgres",
        "alter table app.api_keys disable row level security",
        "alter table app.api_keys no force row level security",
        "drop policy tenant_isolation on app.api_keys",
        "alter role strongroom_gateway bypassrls",
        "select * from priv.claim_key",
        "select priv.add_claim_key('kx', '', '')",
        "select * from app.find_api_key('000000000000')",
        "select * from app.platform_keys",
        "select * from app.audit_staged",
        "select * from app.schema_migrations",
        "delete from app.audit_leaves",
        "delete from app.provider_credentials",
        "do $$ begin lock table app.provider_credentials in access exclusive mode; end $$",
        "do $$ begin lock table app.api_keys in access exclusive mode; end $$",
        "select lo_create(0)",
        "select lo_from_bytea(0, 'x')",
        "select pg_terminate_backend(pg_backend_pid())",
        "insert into app.audit_staged (tenant_id, event_id, leaf, staged_at) \
         values (gen_random_uuid(), gen_random_uuid(), '', '-infinity')",
        "update app.audit_leaves set leaf = ''",
        "insert into app.audit_leaves values (gen_random_uuid(), 0, gen_random_uuid(), '', '')",
        "insert into app.audit_checkpoints values (gen_random_uuid(), 1, '', '', 0)",
        "copy app.api_keys to '/tmp/strongroom-stolen'",
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/passwd')",
        "alter system set row_security = off",
    ] {
        assert_eq!(refused(&client, sql).await, denied, "{sql}");
    }
    // `off` does not lift a policy: it turns a query that a policy would filter into an error.
    client
        .batch_execute("set row_security = off")
        .await
        .unwrap();
    assert_eq!(
        refused(&client, "select * from app.provider_credentials").await,
        denied
    );
}

#[tokio::test]
async fn another_role_s_session_cannot_be_cancelled_or_seen() {
    let database = database();
    let (client, _) = database.attacker().await;
    let sequencer = database.sql(Role::Sequencer.name()).await;
    let pid: i32 = sequencer
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    for function in ["pg_cancel_backend", "pg_terminate_backend"] {
        let sql = format!("select {function}({pid})");
        assert_eq!(
            refused(&client, &sql).await,
            SqlState::INSUFFICIENT_PRIVILEGE
        );
    }
    let seen = format!("select query from pg_stat_activity where pid = {pid}");
    let query: String = client.query_one(&seen, &[]).await.unwrap().get(0);
    assert_eq!(query, "<insufficient privilege>");
}

#[tokio::test]
async fn claims_are_never_literals_that_other_sessions_can_read() {
    let (database, acme, _) = two_tenants().await;
    let gateway = database.gateway(1);
    let mut tx = begin(&gateway, acme, Access::Read).await;
    tx.query("select from app.tenants", &[]).await.unwrap();
    let (spy, _) = database.attacker().await;
    let texts = spy
        .query("select query from pg_stat_activity", &[])
        .await
        .unwrap();
    assert!(texts.len() > 1);
    for row in texts {
        let text: Option<String> = row.get(0);
        assert!(!text.unwrap_or_default().contains("v1.t1."));
    }
    tx.rollback().await;
}

#[tokio::test]
async fn cursors_and_prepared_plans_do_not_outlive_their_claim() {
    let (database, acme, globex) = two_tenants().await;
    let (client, pid) = database.attacker().await;
    client
        .batch_execute("set plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    let statement = client
        .prepare("select tenant_id from app.tenants")
        .await
        .unwrap();
    for tenant in [acme, globex, acme] {
        set_claim(&client, database.claim(tenant, pid).expose()).await;
        let rows = client.query(&statement, &[]).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<_, uuid::Uuid>(0), *tenant.as_uuid());
    }
    set_claim(&client, "").await;
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 0);
    // A cursor declared under no claim and fetched from under one stays empty of other tenants.
    client
        .batch_execute("declare held cursor with hold for select tenant_id from app.tenants")
        .await
        .unwrap();
    set_claim(&client, database.claim(acme, pid).expose()).await;
    for row in client.query("fetch all from held", &[]).await.unwrap() {
        assert_eq!(row.get::<_, uuid::Uuid>(0), *acme.as_uuid());
    }
    set_claim(&client, "").await;
    client
        .batch_execute("begin; declare live cursor for select from app.tenants")
        .await
        .unwrap();
    assert_eq!(rows(&client, "fetch all from live").await, 0);
    client.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn a_key_that_another_tenant_uses_is_not_a_duplicate() {
    let (database, acme, globex) = two_tenants().await;
    let gateway = database.gateway(1);
    for tenant in [acme, globex] {
        let mut tx = begin(&gateway, tenant, Access::Write).await;
        tx.query(
            "insert into app.provider_credentials values ($1, 'same-name', '', 0)",
            &[tenant.as_uuid()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    // A row of one's own that claims another tenant's is refused by the policy, not the key.
    let (client, pid) = database.attacker().await;
    set_claim(&client, database.claim(acme, pid).expose()).await;
    let sql = "insert into app.tenants values ($1, 'x')";
    let error = client.execute(sql, &[globex.as_uuid()]).await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn a_view_of_the_gateway_s_own_role_filters_too() {
    let (database, acme, _) = two_tenants().await;
    let superuser = database.sql("postgres").await;
    superuser
        .batch_execute(
            "create or replace view app.my_credentials with (security_invoker = true) as \
             select tenant_id, name from app.provider_credentials; \
             grant select on app.my_credentials to strongroom_gateway",
        )
        .await
        .unwrap();
    let (client, pid) = database.attacker().await;
    assert_eq!(rows(&client, "select from app.my_credentials").await, 0);
    set_claim(&client, database.claim(acme, pid).expose()).await;
    let seen = client
        .query("select tenant_id from app.my_credentials", &[])
        .await
        .unwrap();
    assert!(!seen.is_empty());
    assert!(
        seen.iter()
            .all(|row| row.get::<_, uuid::Uuid>(0) == *acme.as_uuid())
    );
}

#[tokio::test]
async fn a_genuine_claim_holds_in_parallel_plans_over_a_million_rows() {
    let database = Database::start(crate::database::folder()).await;
    let (acme, globex) = (
        database.tenant("acme").await,
        database.tenant("globex").await,
    );
    let superuser = database.sql("postgres").await;
    // The rows are another team's own table, protected with the crate's own SQL.
    let names = strongroom_rls::Names::default();
    let protect = names
        .protect_sql("public.assessments", &[Role::Gateway.name()])
        .unwrap();
    superuser
        .batch_execute(&format!(
            "create table public.assessments (tenant_id uuid not null, score int not null); \
             insert into public.assessments \
               select case when i % 1000 = 0 then '{acme}'::uuid else '{globex}'::uuid end, i \
               from generate_series(1, 1000000) i; \
             analyze public.assessments; {protect} \
             grant usage on schema public to strongroom_gateway; \
             grant select on public.assessments to strongroom_gateway"
        ))
        .await
        .unwrap();
    let (client, pid) = database.attacker().await;
    client
        .batch_execute(
            "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; \
             set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 4",
        )
        .await
        .unwrap();
    let sql = "select count(*), min(score), count(distinct tenant_id) from public.assessments";
    let plan = client.query(&format!("explain {sql}"), &[]).await.unwrap();
    let plan: String = plan
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    assert!(plan.contains("Parallel"), "{plan}");

    assert_eq!(
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
    set_claim(&client, database.claim(acme, pid).expose()).await;
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(2)), (1000, 1));
    set_claim(&client, database.claim(globex, pid).expose()).await;
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(2)), (999_000, 1));
}

/// Whatever the role tries, no byte of the key comes back: in rows, in errors, in debug output.
#[tokio::test]
async fn no_byte_of_the_claim_key_comes_out() {
    let (database, acme, _) = two_tenants().await;
    let (client, pid) = database.attacker().await;
    set_claim(&client, database.claim(acme, pid).expose()).await;
    client
        .batch_execute("set client_min_messages = debug5; set debug_print_plan = on")
        .await
        .unwrap();
    let key =
        strongroom_rls::ClaimKey::from_bytes("t1".parse().unwrap(), database.claim_key_bytes());
    let pads = key.padded();
    let needles = [
        hex(database.claim_key_bytes()),
        hex(pads.expose_inner()),
        hex(pads.expose_outer()),
    ];
    for sql in [
        "select prosrc from pg_proc where proname = 'tenant_id'",
        "select * from priv.claim_key",
        "select app.tenant_id()",
        "select * from pg_stats",
        "select * from pg_settings",
        "table pg_stat_activity",
        "explain (analyze, verbose) select * from app.tenants",
    ] {
        let said = match client.simple_query(sql).await {
            Ok(messages) => format!("{messages:?}"),
            Err(error) => format!("{error:?}"),
        };
        for needle in &needles {
            assert!(!said.contains(needle.get(..16).unwrap()), "{sql}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The verifier and the minter's codec agree: a genuine claim holds, and no change of it does.
#[tokio::test]
async fn no_altered_claim_holds() {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let (database, acme, _) = two_tenants().await;
    let (client, pid) = database.attacker().await;
    let genuine = database.claim(acme, pid).expose().to_owned();
    let mut runner = TestRunner::deterministic();
    let change = (0..genuine.len(), 0x21_u8..0x7f, 0_u8..4);
    for _ in 0..400 {
        let (place, byte, how) = change.new_tree(&mut runner).unwrap().current();
        let mut bytes = genuine.clone().into_bytes();
        match how {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            _ => bytes.swap(place, (place + 1) % genuine.len()),
        }
        let altered = String::from_utf8(bytes).unwrap();
        set_claim(&client, &altered).await;
        let seen = rows(&client, "select from app.tenants").await;
        assert_eq!(
            seen,
            u64::from(altered == genuine),
            "{how} at {place}: {byte}"
        );
    }
}

/// Whoever can run SQL in one request leaves nothing in the session for the next: least of all a
/// statement under the name of the one that takes the next claim.
#[tokio::test]
async fn nothing_of_a_session_outlives_its_loan() {
    let database = Database::start(crate::database::folder()).await;
    let (victim, thief) = (
        database.tenant("victim").await,
        database.tenant("thief").await,
    );
    let gateway = database.gateway(1);
    let mut tx = begin(&gateway, thief, Access::Read).await;
    tx.query(
        "do $d$ declare n text; begin \
         select name into n from pg_prepared_statements where not from_sql \
           and statement like '%strongroom.claim%' limit 1; \
         execute 'deallocate ' || quote_ident(n); \
         execute 'prepare ' || quote_ident(n) || '(text, text) as select \
           pg_catalog.set_config(''strongroom.claim'', $1, true), \
           pg_catalog.set_config(''application_name'', $2, true), \
           pg_catalog.set_config(''evil.claim'', $1, false)'; end $d$",
        &[],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut tx = begin(&gateway, victim, Access::Write).await;
    tx.query("select from app.provider_credentials", &[])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = begin(&gateway, thief, Access::Read).await;
    let kept = tx
        .query("select current_setting('evil.claim', true)", &[])
        .await
        .unwrap();
    assert_eq!(kept[0].get::<_, Option<String>>(0).unwrap_or_default(), "");

    // On one session: a cursor that is held, a lock, a channel, a setting.
    for sql in [
        "declare held cursor with hold for select sealed from app.provider_credentials",
        "select pg_advisory_lock(1)",
        "listen spy",
        "select set_config('statement_timeout', '0', false), set_config('my.own', 'x', false)",
    ] {
        tx.query(sql, &[]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = begin(&gateway, victim, Access::Read).await;
    let left = tx
        .query(
            "select (select count(*) from pg_cursors where name <> ''), coalesce(current_setting('my.own', true), ''), \
             current_setting('statement_timeout'), (select count(*) from pg_listening_channels()), \
             (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
            &[],
        )
        .await
        .unwrap();
    let left = &left[0];
    assert_eq!(
        (
            left.get::<_, i64>(0),
            left.get::<_, i64>(3),
            left.get::<_, i64>(4)
        ),
        (0, 0, 0)
    );
    assert_eq!(
        (left.get::<_, &str>(1), left.get::<_, &str>(2)),
        ("", "30s")
    );
    tx.rollback().await;
}
