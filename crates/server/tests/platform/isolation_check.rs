//! The self-check at start passes on what we install, and names every hole that is planted.

use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::postgres::self_check;

use crate::database::Database;

#[tokio::test]
async fn the_self_check_passes_and_finds_planted_holes() {
    // A cluster of its own: the planted holes must not be seen by other tests.
    let database = Database::start(crate::database::folder()).await;
    let now = || SystemClock.unix_seconds();
    let held = self_check(&database.endpoint(), now()).await.unwrap();
    assert!(held > 60, "{held} checks");

    let superuser = database.sql("postgres").await;
    for (plant, repair, named) in [
        (
            "alter table app.api_keys no force row level security",
            "alter table app.api_keys force row level security",
            "tables-force-row-security: app.api_keys",
        ),
        (
            "create table app.stray (tenant_id uuid)",
            "drop table app.stray",
            "tables-force-row-security: app.stray",
        ),
        (
            "create view app.leak as select * from app.api_keys",
            "drop view app.leak",
            "views-are-invokers: app.leak",
        ),
        (
            "grant temp on database strongroom to strongroom_gateway",
            "revoke temp on database strongroom from strongroom_gateway",
            "role-cannot-create",
        ),
        (
            "grant truncate on app.api_keys to strongroom_gateway",
            "revoke truncate on app.api_keys from strongroom_gateway",
            "role-cannot-skip-policies",
        ),
        (
            "alter role strongroom_sequencer bypassrls",
            "alter role strongroom_sequencer nobypassrls",
            "role-attributes",
        ),
        (
            "grant strongroom_owner to strongroom_gateway",
            "revoke strongroom_owner from strongroom_gateway",
            "role-membership",
        ),
        (
            "grant usage on schema priv to strongroom_gateway; \
             grant select on priv.claim_key to strongroom_gateway",
            "revoke select on priv.claim_key from strongroom_gateway",
            "claim-key-unreadable",
        ),
        (
            "alter function app.tenant_id() set search_path = pg_catalog",
            "alter function app.tenant_id() set search_path = pg_catalog, pg_temp",
            "verifier-is-as-specified",
        ),
        (
            "grant execute on function app.find_api_key(text) to strongroom_gateway",
            "revoke execute on function app.find_api_key(text) from strongroom_gateway",
            "definer-functions-are-named",
        ),
        (
            "create unique index stray on app.api_keys (id)",
            "drop index app.stray",
            "keys-start-with-the-tenant",
        ),
        (
            "grant select on app.tenants to public",
            "revoke select on app.tenants from public",
            "public-may-nothing",
        ),
        (
            "create policy leak on app.api_keys to strongroom_gateway using (true)",
            "drop policy leak on app.api_keys",
            "policies-read-the-claim-alone: app.api_keys",
        ),
        (
            "grant update on app.api_keys to strongroom_gateway",
            "revoke update on app.api_keys from strongroom_gateway; \
             grant update (revoked_at) on app.api_keys to strongroom_gateway",
            "role-cannot-lock-tables: app.api_keys",
        ),
        (
            "grant select (kid, ipad) on priv.claim_key to strongroom_gateway",
            "revoke select (kid, ipad) on priv.claim_key from strongroom_gateway",
            "claim-key-unreadable",
        ),
        (
            "alter table app.audit_leaves disable trigger user",
            "alter table app.audit_leaves enable trigger user",
            "leaves-are-append-only",
        ),
        (
            "alter role strongroom_sequencer set synchronous_commit = off",
            "alter role strongroom_sequencer set synchronous_commit = on",
            "commits-wait-for-the-disk",
        ),
        (
            "alter role strongroom_sequencer set default_transaction_read_only = off",
            "alter role strongroom_sequencer set default_transaction_read_only = on",
            "batches-are-whole",
        ),
        (
            "alter role strongroom_gateway set client_connection_check_interval = 0",
            "alter role strongroom_gateway set client_connection_check_interval = '500ms'",
            "time-outs-are-set",
        ),
        (
            "grant select (id) on app.api_keys to strongroom_watcher",
            "revoke select (id) on app.api_keys from strongroom_watcher",
            "watcher-reads-one-table: app.api_keys",
        ),
        (
            "grant update (stamp) on app.generations to strongroom_watcher",
            "revoke update (stamp) on app.generations from strongroom_watcher",
            "watcher-reads-one-table: app.generations",
        ),
        (
            "alter table app.generations disable trigger user",
            "alter table app.generations enable trigger user",
            "generations-are-stamped",
        ),
        (
            "alter table app.token_keys disable trigger user",
            "alter table app.token_keys enable trigger user",
            "withdrawn-keys-stay-withdrawn",
        ),
        (
            "alter table app.webhook_receipts disable trigger user",
            "alter table app.webhook_receipts enable trigger user",
            "receipts-are-durable",
        ),
        (
            "alter table app.api_keys disable trigger api_key_ends_stay",
            "alter table app.api_keys enable trigger api_key_ends_stay",
            "what-is-ended-stays-ended",
        ),
        (
            "alter table app.api_keys disable trigger api_key_ids_apart",
            "alter table app.api_keys enable trigger api_key_ids_apart",
            "what-is-ended-stays-ended",
        ),
        (
            "alter table app.token_epochs disable trigger token_epochs_grow",
            "alter table app.token_epochs enable trigger token_epochs_grow",
            "what-is-ended-stays-ended",
        ),
        (
            "alter table app.token_revocations disable trigger revocations_are_dated",
            "alter table app.token_revocations enable trigger revocations_are_dated",
            "what-is-ended-stays-ended",
        ),
        (
            "alter table app.refresh_families disable trigger families_move_forward",
            "alter table app.refresh_families enable trigger families_move_forward",
            "what-is-ended-stays-ended",
        ),
        (
            "alter table app.refresh_families disable trigger family_ids_apart",
            "alter table app.refresh_families enable trigger family_ids_apart",
            "what-is-ended-stays-ended",
        ),
    ] {
        superuser.batch_execute(plant).await.unwrap();
        let error = self_check(&database.endpoint(), now())
            .await
            .expect_err(plant)
            .to_string();
        assert!(error.contains(named), "{plant}: {error}");
        superuser.batch_execute(repair).await.unwrap();
    }
    let skewed = self_check(&database.endpoint(), now() + 60)
        .await
        .unwrap_err()
        .to_string();
    assert!(skewed.contains("clock-skew"), "{skewed}");
    self_check(&database.endpoint(), now()).await.unwrap();
    // Last, since it cannot be undone from outside: a verifier that believes what it is told.
    superuser
        .batch_execute(
            "create or replace function app.tenant_id() returns uuid language plpgsql stable \
             security definer parallel restricted set search_path = pg_catalog, pg_temp as \
             $$ begin return current_setting('strongroom.claim', true)::uuid; end $$",
        )
        .await
        .unwrap();
    let error = self_check(&database.endpoint(), now())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("verifier-is-as-specified"), "{error}");
}
