//! Keys at rest: what is in use cannot be lost, what is destroyed stays destroyed, no tenant's key
//! opens another's records, and nothing that is cached is used without a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use strongroom_envelope::{
    Dek, EncryptionContext, KekRecord, KeyAdmin, KeyDescription, KeyRef, Kms, KmsFuture, LocalKms,
    Provider, Purpose, Recipient, WrappedDek,
};
use strongroom_server::clock::SystemClock;
use strongroom_server::generations::{
    BUMP_GENERATION, Generations, LEASE, Watch, revoked_everywhere,
};
use strongroom_server::keystore::{KeyStore, KeyStoreError, ROOT, Roots, store_kek};
use strongroom_server::postgres::{Access, Job, Role, self_check};
use strongroom_tenancy::TenantId;
use tokio::sync::oneshot;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::database::{Database, begin, database, folder, random};
use crate::platform::on_platform;
use crate::webhook_operations::until;

/// A KMS that counts.
struct Counted {
    kms: LocalKms,
    unwraps: AtomicUsize,
}

impl Kms for Counted {
    fn provider(&self) -> Provider {
        self.kms.provider()
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        self.kms.wrap(tenant, key, purpose, dek)
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            // As long as a KMS far away.
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.kms.unwrap(tenant, purpose, wrapped).await
        })
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        self.kms.describe(tenant, key)
    }
}

fn kms() -> Arc<Counted> {
    Arc::new(Counted {
        kms: LocalKms::create(folder()).unwrap(),
        unwraps: AtomicUsize::new(0),
    })
}

fn root() -> KeyRef {
    ROOT.parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "tests")]).unwrap()
}

/// A node with a key store of its own.
struct Node {
    keys: KeyStore,
    generations: Generations,
    watch: Watch,
}

impl Node {
    async fn start(database: &Database, roots: Roots) -> Self {
        let (generations, watch) = Generations::start(Job::new(database.pool(Role::Watcher, 2)));
        generations.confirm().await.map(drop).unwrap();
        let job = Job::new(database.pool(Role::Keymaster, 2));
        let known = generations.clone();
        let keys = KeyStore::new(job, roots, known, Arc::new(SystemClock)).unwrap();
        Self {
            keys,
            generations,
            watch,
        }
    }

    async fn of(database: &Database, kms: &Arc<Counted>) -> Self {
        Self::start(database, Roots::new(Arc::clone(kms) as _, root())).await
    }

    async fn opens(&self, tenant: &TenantId, sealed: &[u8]) -> Result<Vec<u8>, KeyStoreError> {
        let opened = self.keys.open(tenant, &context(), sealed).await;
        opened.map(strongroom_envelope::Plaintext::into_vec)
    }
}

/// A tenant as the platform makes it: a root key, a KEK and a row.
async fn tenant(database: &Database, kms: &LocalKms, keys: &KeyStore) -> TenantId {
    let tenant = TenantId::from_uuid(Uuid::from_bytes(random())).unwrap();
    kms.create(&tenant, &root()).await.unwrap();
    let kek = keys.first_kek(&tenant).await.unwrap();
    let mut tx = begin(&database.gateway(1), tenant, Access::Write).await;
    tx.query(
        "insert into app.tenants (tenant_id, name) values ($1, 'keys')",
        &[tenant.as_uuid()],
    )
    .await
    .unwrap();
    store_kek(&mut tx, &kek).await.unwrap();
    tx.commit().await.unwrap();
    tenant
}

async fn refused(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.expect_err(sql);
    error.code().cloned().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn a_data_key_that_something_is_sealed_under_cannot_go() {
    on_platform(|running| async move {
        let tenant = running.tenant("data-keys").await;
        let body =
            json!({ "model": "m", "messages": [{ "role": "user", "content": "what was said" }] });
        for _ in 0..2 {
            let path = "/v1/chat/completions";
            let call = running.send("POST", path, Some(&tenant.token), Some(body.clone()));
            assert_eq!(call.await.status, 200);
        }
        let superuser = database().sql("postgres").await;
        let of_tenant = format!("tenant_id = '{}'", tenant.id);
        let row = superuser
            .query_one(
                &format!(
                    "select (select count(*) from app.tenant_deks where {of_tenant}), \
                     (select count(*) from app.audit_payloads p \
                      join app.tenant_deks using (tenant_id, dek_id) where {of_tenant})"
                ),
                &[],
            )
            .await
            .unwrap();
        assert_eq!(
            (row.get(0), row.get(1)),
            (1_i64, 4_i64),
            "four payloads, one data key"
        );
        let delete = format!("delete from app.tenant_deks where {of_tenant}");
        let code = refused(&superuser, &delete).await;
        assert!(code.code().starts_with("23"), "{code:?}");
        let payloads = format!("delete from app.audit_payloads where {of_tenant}");
        superuser.batch_execute(&payloads).await.unwrap();
        superuser.batch_execute(&delete).await.unwrap();
    });
}

#[tokio::test]
async fn a_key_version_moves_forward_only_and_its_tombstone_stays() {
    // A cluster of its own: TRUNCATE locks the tables that others work with.
    let database = &Database::start(folder()).await;
    let kms = kms();
    let node = Node::of(database, &kms).await;
    let tenant = tenant(database, &kms.kms, &node.keys).await;
    let superuser = database.sql("postgres").await;
    let rows = format!("where tenant_id = '{tenant}'");
    let update = |set: &str| format!("update app.tenant_keks set {set} {rows}");
    for refuse in [
        format!("delete from app.tenant_keks {rows}"),
        "truncate app.tenant_keks cascade".to_owned(),
        update("version = 2"),
        update("created_at = 0"),
        update("check_value = sha256('x')"),
        update("wrapped = null"),
        update("state = 'destroyed'"),
    ] {
        refused(&superuser, &refuse).await;
    }
    let forward = update("state = 'decrypt-only'");
    superuser.batch_execute(&forward).await.unwrap();
    refused(&superuser, &update("state = 'active'")).await;
    let destroy = update("state = 'destroyed', wrapped = null");
    superuser.batch_execute(&destroy).await.unwrap();
    for refuse in [
        update("state = 'decrypt-only', wrapped = '\\x00'"),
        update("root_version = 9"),
        format!("delete from app.tenant_keks {rows}"),
    ] {
        refused(&superuser, &refuse).await;
    }
    // Neither does its number come twice, nor does it go with its tenant.
    let again = format!(
        "insert into app.tenant_keks values \
         ('{tenant}', 'tenant', 1, 'active', 0, sha256(''), 1, 'root', 1, '\\x00')"
    );
    assert_eq!(
        refused(&superuser, &again).await,
        SqlState::UNIQUE_VIOLATION
    );
    let gone = format!("delete from app.tenants {rows}");
    superuser.batch_execute(&gone).await.unwrap();
    let left = superuser
        .query(&format!("select from app.tenant_keks {rows}"), &[])
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    // Who works with the rows may do even less.
    for role in [Role::Gateway, Role::Keymaster] {
        let client = database.sql(role.name()).await;
        for sql in ["delete from app.tenant_keks", "truncate app.tenant_keks"] {
            let code = refused(&client, sql).await;
            assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{role:?}: {sql}");
        }
    }
    let gateway = database.sql(Role::Gateway.name()).await;
    for sql in [
        "select wrapped from app.tenant_keks",
        "update app.tenant_keks set state = 'destroyed', wrapped = null",
        "select from app.tenant_deks",
    ] {
        let code = refused(&gateway, sql).await;
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
    node.watch.stop().await;
}

#[tokio::test]
async fn the_self_check_finds_what_no_longer_keeps_keys() {
    let database = Database::start(folder()).await;
    let superuser = database.sql("postgres").await;
    let now = strongroom_server::clock::Clock::unix_seconds(&SystemClock);
    for (plant, check) in [
        (
            "alter table app.tenant_keks disable trigger tenant_keks_move_forward",
            "tombstones-stay",
        ),
        (
            "alter table app.tenant_deks disable trigger under_a_live_kek",
            "sealed-under-a-live-key",
        ),
        (
            "alter table app.audit_payloads drop constraint audit_payloads_tenant_id_dek_id_fkey",
            "data-keys-in-use-stay",
        ),
    ] {
        superuser.batch_execute(plant).await.unwrap();
        let error = self_check(&database.endpoint(), now).await.unwrap_err();
        assert!(error.to_string().contains(check), "{plant}: {error}");
    }
}

#[tokio::test]
async fn another_tenants_keys_never_open() {
    let database = database();
    let kms = kms();
    let node = Node::of(database, &kms).await;
    let acme = tenant(database, &kms.kms, &node.keys).await;
    let globex = tenant(database, &kms.kms, &node.keys).await;
    let sealed = node
        .keys
        .seal(&acme, &self::context(), b"acme's")
        .await
        .unwrap();
    let context = &context();
    let detached = node.keys.seal_detached(&acme, context, b"acme's too");
    let (dek, record) = detached.await.unwrap();
    assert_eq!(node.opens(&acme, &sealed.bytes).await.unwrap(), b"acme's");
    let opened = node.keys.open_detached(&acme, context, &record).await;
    assert_eq!(opened.unwrap().as_slice(), b"acme's too");
    assert_eq!(
        node.opens(&globex, &sealed.bytes).await,
        Err(KeyStoreError::Failed)
    );
    let theirs = |node: &Node| {
        let (keys, record) = (node.keys.clone(), record.clone());
        async move {
            keys.open_detached(&globex, &self::context(), &record)
                .await
                .map(drop)
        }
    };
    assert_eq!(
        theirs(&node).await,
        Err(KeyStoreError::Failed),
        "no such id"
    );
    // Whoever can write every row copies acme's keys into globex's.
    let superuser = database.sql("postgres").await;
    superuser
        .execute(
            "insert into app.tenant_deks \
             select $2, dek_id, kek, kek_version, wrapped, state, created_at \
             from app.tenant_deks where tenant_id = $1 and dek_id = $3",
            &[acme.as_uuid(), globex.as_uuid(), &dek.as_bytes().as_slice()],
        )
        .await
        .unwrap();
    assert_eq!(theirs(&node).await, Err(KeyStoreError::Failed));
    superuser
        .execute(
            "insert into app.tenant_keks select $2, name, 2, state, created_at, check_value, \
             provider, root_key, root_version, wrapped from app.tenant_keks where tenant_id = $1",
            &[acme.as_uuid(), globex.as_uuid()],
        )
        .await
        .unwrap();
    let fresh = Node::of(database, &kms).await;
    assert_eq!(theirs(&fresh).await, Err(KeyStoreError::Unavailable));
    assert_eq!(
        fresh.opens(&globex, &sealed.bytes).await,
        Err(KeyStoreError::Unavailable)
    );
    for node in [node, fresh] {
        node.watch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_lease_nothing_cached_is_used() {
    let database = Database::start(folder()).await;
    let kms = kms();
    let node = Node::of(&database, &kms).await;
    let tenant = tenant(&database, &kms.kms, &node.keys).await;
    let sealed = node.keys.seal(&tenant, &context(), b"x").await.unwrap();
    let (_, detached) = node
        .keys
        .seal_detached(&tenant, &context(), b"x")
        .await
        .unwrap();
    assert_eq!(node.keys.held(), 1);
    let superuser = database.sql("postgres").await;
    superuser
        .batch_execute(
            "alter role strongroom_watcher nologin; select pg_terminate_backend(pid) \
             from pg_stat_activity where usename = 'strongroom_watcher'",
        )
        .await
        .unwrap();
    tokio::time::sleep(LEASE + Duration::from_millis(500)).await;
    let unavailable = Some(KeyStoreError::Unavailable);
    assert_eq!(node.keys.held(), 1, "it is there, and not used");
    assert_eq!(node.opens(&tenant, &sealed.bytes).await.err(), unavailable);
    let opened = node
        .keys
        .open_detached(&tenant, &context(), &detached)
        .await;
    assert_eq!(opened.err(), unavailable);
    let again = node.keys.seal(&tenant, &context(), b"x").await;
    assert_eq!(again.err(), unavailable);
    let again = node.keys.seal_detached(&tenant, &context(), b"x").await;
    assert_eq!(again.err(), unavailable);
    superuser
        .batch_execute("alter role strongroom_watcher login")
        .await
        .unwrap();
    let started = std::time::Instant::now();
    while node.opens(&tenant, &sealed.bytes).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    node.watch.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_loaded_once_for_all_and_again_after_a_revocation() {
    let database = database();
    let kms = kms();
    let node = Node::of(database, &kms).await;
    let tenant = tenant(database, &kms.kms, &node.keys).await;
    let all = |node: &Node| {
        let asks = (0..50).map(|_| {
            let keys = node.keys.clone();
            tokio::spawn(async move {
                let context = context();
                let (dek, _) = keys.seal_detached(&tenant, &context, b"x").await.unwrap();
                dek
            })
        });
        futures_util::future::join_all(asks)
    };
    let first: Vec<_> = all(&node).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(kms.unwraps.load(Ordering::SeqCst), 1);
    assert!(first.iter().all(|dek| *dek == first[0]), "one data key");
    let mut tx = begin(&database.gateway(1), tenant, Access::Write).await;
    tx.query(BUMP_GENERATION, &[tenant.as_uuid()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // Who holds a lease so late has dropped what is kept.
    revoked_everywhere().await;
    node.generations.confirm().await.map(drop).unwrap();
    assert_eq!(node.keys.held(), 0, "what is kept was not dropped");
    let second: Vec<_> = all(&node).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(kms.unwraps.load(Ordering::SeqCst), 2);
    // Whatever was revoked, nothing more is sealed under what was in memory then.
    assert!(
        second
            .iter()
            .all(|dek| *dek == second[0] && *dek != first[0])
    );
    node.watch.stop().await;
}

#[tokio::test]
async fn a_failure_is_shared_by_those_who_waited_and_not_kept() {
    let database = database();
    let kms = kms();
    let node = Node::of(database, &kms).await;
    let tenant = tenant(database, &kms.kms, &node.keys).await;
    kms.kms.disable(&tenant, &root()).await.unwrap();
    let asks = (0..20).map(|_| async { node.keys.seal(&tenant, &context(), b"x").await.err() });
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers, vec![Some(KeyStoreError::Unavailable); 20]);
    assert_eq!(kms.unwraps.load(Ordering::SeqCst), 1);
    kms.kms.enable(&tenant, &root()).await.unwrap();
    node.keys.seal(&tenant, &context(), b"x").await.unwrap();
    node.watch.stop().await;
}

#[tokio::test]
async fn a_tenant_may_bring_its_own_kms() {
    let database = database();
    let (ours, theirs) = (kms(), kms());
    let tenant_id = TenantId::from_uuid(Uuid::from_bytes(random())).unwrap();
    let name: KeyRef = "their-root".parse().unwrap();
    theirs.kms.create(&tenant_id, &name).await.unwrap();
    let roots = Roots::new(Arc::clone(&ours) as _, root());
    let roots = roots.with_own(tenant_id, Arc::clone(&theirs) as _, name);
    let node = Node::start(database, roots).await;
    let kek = node.keys.first_kek(&tenant_id).await.unwrap();
    let mut tx = begin(&database.gateway(1), tenant_id, Access::Write).await;
    store_kek(&mut tx, &kek).await.unwrap();
    tx.commit().await.unwrap();
    let sealed = node.keys.seal(&tenant_id, &context(), b"x").await.unwrap();
    assert_eq!(node.opens(&tenant_id, &sealed.bytes).await.unwrap(), b"x");
    assert_eq!(theirs.unwraps.load(Ordering::SeqCst), 1);
    assert_eq!(ours.unwraps.load(Ordering::SeqCst), 0);
    let other = tenant(database, &ours.kms, &node.keys).await;
    node.keys.seal(&other, &context(), b"x").await.unwrap();
    assert_eq!(theirs.unwraps.load(Ordering::SeqCst), 1);
    assert_eq!(ours.unwraps.load(Ordering::SeqCst), 1);
    node.watch.stop().await;
}

/// Another node made a version that this one has not heard of.
#[tokio::test]
async fn a_newer_version_is_looked_for_when_a_record_names_it() {
    let (database, context) = (database(), &context());
    let kms = kms();
    let behind = Node::of(database, &kms).await;
    let tenant = tenant(database, &kms.kms, &behind.keys).await;
    behind.keys.seal(&tenant, context, b"x").await.unwrap();
    let third = Node::of(database, &kms).await;
    third.keys.seal(&tenant, context, b"x").await.unwrap();
    let recipient_key = root();
    let recipient = Recipient::new(&kms.kms, &recipient_key);
    let name: KeyRef = "tenant".parse().unwrap();
    let second = KekRecord::generate(recipient, &tenant, &name, 2, 0);
    let mut tx = begin(&database.gateway(1), tenant, Access::Write).await;
    store_kek(&mut tx, &second.await.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    let ahead = Node::of(database, &kms).await;
    let sealed = ahead.keys.seal(&tenant, context, b"new").await.unwrap();
    assert_eq!((sealed.kek.as_str(), sealed.kek_version), ("tenant", 2));
    let detached = ahead.keys.seal_detached(&tenant, context, b"new too");
    let (_, detached) = detached.await.unwrap();
    assert_eq!(behind.opens(&tenant, &sealed.bytes).await.unwrap(), b"new");
    let opened = third.keys.open_detached(&tenant, context, &detached);
    assert_eq!(opened.await.unwrap().as_slice(), b"new too");
    // A number that never was costs the KMS nothing.
    let unwraps = kms.unwraps.load(Ordering::SeqCst);
    let mut forged = sealed.bytes.clone();
    let place = forged.windows(6).position(|w| w == b"tenant").unwrap() + 6;
    forged[place..place + 4].copy_from_slice(&9_u32.to_be_bytes());
    assert_eq!(
        behind.opens(&tenant, &forged).await,
        Err(KeyStoreError::Failed)
    );
    assert_eq!(kms.unwraps.load(Ordering::SeqCst), unwraps);
    for node in [behind, ahead, third] {
        node.watch.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_stored_under_a_key_version_that_is_destroyed_meanwhile() {
    const INSERT: &str = "insert into app.provider_credentials \
         (tenant_id, name, sealed, stored_at, kek, kek_version) values ($1, $2, 'x', 0, 'tenant', 1)";
    let database = database();
    let kms = kms();
    let node = Node::of(database, &kms).await;
    let tenant = tenant(database, &kms.kms, &node.keys).await;
    let gateway = database.gateway(2);
    let mut first = begin(&gateway, tenant, Access::Write).await;
    first
        .query(INSERT, &[tenant.as_uuid(), &"first"])
        .await
        .unwrap();
    let (destroyer, observer) = (
        database.sql("postgres").await,
        database.sql("postgres").await,
    );
    let pid = destroyer.query_one("select pg_backend_pid()", &[]).await;
    let pid: i32 = pid.unwrap().get(0);
    let until_waiting = async |what: &str, who: &str| {
        let sql = format!("select from pg_stat_activity where {who}");
        let waiting = || async {
            let waiting = observer.query(&sql, &[&pid]).await.unwrap();
            (!waiting.is_empty()).then_some(())
        };
        until(what, waiting).await;
    };
    let (tell, is_destroyed) = oneshot::channel();
    let (let_go, is_let_go) = oneshot::channel();
    let destroyed = tokio::spawn(async move {
        let lock = format!("select from app.tenant_keks where tenant_id = '{tenant}' for update");
        let count =
            format!("select count(*) from app.provider_credentials where tenant_id = '{tenant}'");
        let destroy = format!(
            "update app.tenant_keks set state = 'destroyed', wrapped = null \
             where tenant_id = '{tenant}'"
        );
        destroyer.batch_execute("begin").await.unwrap();
        destroyer.batch_execute(&lock).await.unwrap();
        let seen: i64 = destroyer.query_one(&count, &[]).await.unwrap().get(0);
        destroyer.batch_execute(&destroy).await.unwrap();
        tell.send(()).unwrap();
        is_let_go.await.unwrap();
        destroyer.batch_execute("commit").await.unwrap();
        seen
    });
    let held = "pid = $1 and cardinality(pg_blocking_pids(pid)) > 0";
    until_waiting("the destruction waits", held).await;
    first.commit().await.unwrap();
    is_destroyed.await.unwrap();
    let mut second = begin(&gateway, tenant, Access::Write).await;
    let storing = async { second.query(INSERT, &[tenant.as_uuid(), &"second"]).await };
    let letting = async {
        until_waiting("a late one waits", "$1 = any (pg_blocking_pids(pid))").await;
        let_go.send(()).unwrap();
    };
    let (late, ()) = tokio::join!(storing, letting);
    assert!(late.is_err(), "it would be lost");
    assert_eq!(destroyed.await.unwrap(), 1, "what came first is seen");
    node.watch.stop().await;
}
