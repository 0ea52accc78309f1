//! A revocation is seen by every node, or the node refuses: none is skipped, and no tenant can
//! hide or hold up another's.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use strongroom_apikey::RevocationFeed as _;
use strongroom_server::generations::{
    BUMP_GENERATION, Generation, Generations, LEASE, LeaseLapsed, Watch, revoked_everywhere,
};
use strongroom_server::postgres::{Access, Gateway, Job, Role, TenantTx};
use strongroom_tenancy::TenantId;
use tokio_postgres::Client;

use crate::database::{Database, begin, database, folder};
use crate::platform::on_platform;

/// Another node: a watch and connections of its own.
struct Node {
    generations: Generations,
    watch: Watch,
    purged: Arc<Mutex<HashMap<TenantId, usize>>>,
}

impl Node {
    async fn start(database: &Database) -> Self {
        let (generations, watch) = Generations::start(Job::new(database.pool(Role::Watcher, 2)));
        let purged = Arc::new(Mutex::new(HashMap::new()));
        generations.confirm().await.map(drop).unwrap();
        let counted = Arc::clone(&purged);
        generations.on_change(move |tenant| {
            *counted.lock().unwrap().entry(tenant).or_default() += 1;
        });
        Self {
            generations,
            watch,
            purged,
        }
    }

    async fn generation(&self, tenant: TenantId) -> Generation {
        let lease = self.generations.confirm().await;
        lease.unwrap().generation(tenant)
    }

    fn purges(&self, tenant: TenantId) -> usize {
        *self.purged.lock().unwrap().get(&tenant).unwrap_or(&0)
    }

    /// Waits for something to be seen: no longer than what is cached may be used, unless the lease has
    /// lapsed, as it may on a busy machine.
    async fn sees(&self, what: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        loop {
            // A lease that holds so late is of an answer that has it.
            let answered = started.elapsed() > LEASE && self.generations.lease().is_ok();
            if what(self) {
                return;
            }
            let is_over = answered || started.elapsed() > Duration::from_secs(20);
            assert!(!is_over, "it was never seen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn bumped(gateway: &Gateway, tenant: TenantId) -> TenantTx {
    let mut tx = begin(gateway, tenant, Access::Write).await;
    tx.query(BUMP_GENERATION, &[tenant.as_uuid()])
        .await
        .unwrap();
    tx
}

pub(crate) async fn bump(gateway: &Gateway, tenant: TenantId) {
    bumped(gateway, tenant).await.commit().await.unwrap();
}

async fn cut_connections(superuser: &Client) {
    superuser
        .batch_execute(
            "select pg_terminate_backend(pid, 20000) from pg_stat_activity \
             where usename = 'strongroom_watcher'",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_bump_is_seen_by_every_node_once() {
    let database = database();
    let (acme, globex) = (
        database.tenant("acme").await,
        database.tenant("globex").await,
    );
    let gateway = database.gateway(1);
    let nodes = [Node::start(database).await, Node::start(database).await];
    for round in 1..=2 {
        bumped(&gateway, acme).await.rollback().await;
        bump(&gateway, acme).await;
        for node in &nodes {
            node.sees(|node| node.purges(acme) == round).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for node in nodes {
        assert_eq!((node.purges(acme), node.purges(globex)), (2, 0));
        assert!(node.generation(acme).await > node.generation(globex).await);
        node.watch.stop().await;
    }
}

#[tokio::test]
async fn a_node_asks_twice_a_second() {
    let node = Node::start(database()).await;
    let begun = Instant::now();
    let mut ends = vec![node.generations.lease_end()];
    // A busy machine draws out a gap now and then, and not each one. The first may be a shorter one.
    while !ends[1..]
        .windows(2)
        .any(|it| it[1] - it[0] < Duration::from_millis(750))
    {
        assert!(begun.elapsed() < Duration::from_secs(20), "{ends:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let end = node.generations.lease_end();
        if end != ends[ends.len() - 1] {
            ends.push(end);
        }
    }
    node.watch.stop().await;
}

#[test]
fn the_platform_watches() {
    on_platform(|running| async move {
        let tenant = running.tenant("watched").await.id;
        let generations = &running.app.generations;
        let before = generations.confirm().await.unwrap().generation(tenant);
        let request = crate::database::request_id();
        let gateway = &running.app.gateway;
        let mut tx = gateway
            .begin(tenant, crate::database::actor(), &request, Access::Write)
            .await
            .unwrap();
        tx.query(BUMP_GENERATION, &[tenant.as_uuid()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        revoked_everywhere().await;
        let after = generations.confirm().await.unwrap().generation(tenant);
        assert!(after > before);
    });
}

/// The one that a number drawn at the start would lose: begun first, committed last.
#[tokio::test]
async fn an_open_transaction_is_not_skipped_and_holds_nobody_up() {
    let database = database();
    let (early, late) = (
        database.tenant("early").await,
        database.tenant("late").await,
    );
    let gateway = database.gateway(2);
    let node = Node::start(database).await;
    let open = bumped(&gateway, early).await;
    for round in 1..=3 {
        // Less than the ten seconds for which a lock is waited for.
        tokio::time::timeout(Duration::from_secs(8), bump(&gateway, late))
            .await
            .expect("another tenant's open transaction holds the bump up");
        node.sees(|node| node.purges(late) == round).await;
    }
    assert_eq!(node.purges(early), 0);
    open.commit().await.unwrap();
    node.sees(|node| node.purges(early) == 1).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((node.purges(early), node.purges(late)), (1, 3));
    node.watch.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_hundred_overlapping_bumps_none_is_skipped() {
    let database = database();
    let superuser = database.sql("postgres").await;
    let rows = superuser
        .query(
            "insert into app.tenants (tenant_id, name) \
             select gen_random_uuid(), 'one of many' from generate_series(1, 400) \
             returning tenant_id",
            &[],
        )
        .await
        .unwrap();
    let tenants: Vec<TenantId> = rows
        .iter()
        .map(|row| TenantId::from_uuid(row.get(0)).unwrap())
        .collect();
    let gateway = database.gateway(8);
    let node = Node::start(database).await;
    let work = tenants.chunks(50).map(|chunk| {
        let (gateway, chunk) = (gateway.clone(), chunk.to_vec());
        tokio::spawn(async move {
            for tenant in chunk {
                let tx = bumped(&gateway, tenant).await;
                // Long against short, so that many end in another order than they began.
                let open = u64::from(tenant.as_bytes()[0]) / 2;
                tokio::time::sleep(Duration::from_millis(open)).await;
                tx.commit().await.unwrap();
            }
        })
    });
    for done in futures_util::future::join_all(work).await {
        done.unwrap();
    }
    revoked_everywhere().await;
    node.generations.confirm().await.map(drop).unwrap();
    let seen: Vec<usize> = tenants.iter().map(|&tenant| node.purges(tenant)).collect();
    assert_eq!(seen, vec![1; tenants.len()]);
    node.watch.stop().await;
}

#[tokio::test]
async fn when_it_is_over_a_node_has_seen_it_or_refuses() {
    let database = database();
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let (awake, dead) = (Node::start(database).await, Node::start(database).await);
    let before = awake.generation(tenant).await;
    // Ends with a lease that holds.
    dead.generations.confirm().await.map(drop).unwrap();
    dead.watch.stop().await;
    let dead = dead.generations;
    bump(&gateway, tenant).await;
    revoked_everywhere().await;
    assert!(awake.generation(tenant).await > before);
    assert!(
        dead.lease().is_err(),
        "a dead node's lease outlived the wait"
    );
    assert!(dead.confirm().await.is_err());
    awake.watch.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_refuses_after_two_seconds_and_comes_back() {
    let database = Database::start(folder()).await;
    let superuser = database.sql("postgres").await;
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let node = Node::start(&database).await;
    bump(&gateway, tenant).await;
    node.sees(|node| node.purges(tenant) == 1).await;

    let lease = node.generations.lease_end();
    superuser
        .batch_execute("alter role strongroom_watcher nologin")
        .await
        .unwrap();
    cut_connections(&superuser).await;
    let cut = Instant::now();
    // It holds to its end, though whoever asks meanwhile fails.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(
        node.generations.lease_end() >= lease,
        "a short hitch does not matter"
    );
    tokio::time::sleep_until((cut + LEASE).into()).await;
    assert!(node.generations.lease().is_err());
    assert_eq!(
        node.generations.confirm().await.map(drop),
        Err(LeaseLapsed),
        "there is no database to confirm it"
    );
    bump(&gateway, tenant).await;
    superuser
        .batch_execute("alter role strongroom_watcher login")
        .await
        .unwrap();
    // A hundred at once: the first to succeed has seen what happened meanwhile.
    let asks = (0..100).map(|_| async { node.generations.confirm().await.map(drop) });
    let answers = futures_util::future::join_all(asks).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(node.purges(tenant), 2);

    drop((superuser, gateway));
    let database = database.crash_and_restart();
    let restarted = Instant::now();
    while node.generations.confirm().await.is_err() {
        assert!(restarted.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        node.purges(tenant),
        2,
        "nothing was lost and nothing changed"
    );
    bump(&database.gateway(1), tenant).await;
    node.sees(|node| node.purges(tenant) == 3).await;
    node.watch.stop().await;
}

/// Questions that come to nothing while somebody waits refuse nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lapsed_lease_is_asked_for_until_there_is_an_answer() {
    let database = Database::start(folder()).await;
    let (blocker, observer) = (
        database.sql("postgres").await,
        database.sql("postgres").await,
    );
    let node = Node::start(&database).await;
    let lock = "begin; lock table app.generations in access exclusive mode";
    blocker.batch_execute(lock).await.unwrap();
    while node.generations.lease().is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let release = async {
        // Each question is cut off, for as long as any of them is waited for.
        let cut = "select pg_terminate_backend(pid) from pg_locks where not granted";
        let (begun, mut cuts) = (Instant::now(), 0);
        while cuts < 3 || begun.elapsed() < Duration::from_millis(500) {
            observer.batch_execute(cut).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            cuts += 1;
        }
        blocker.batch_execute("rollback").await.unwrap();
    };
    let confirmed = async { node.generations.confirm().await.map(drop) };
    let (confirmed, ()) = tokio::join!(confirmed, release);
    assert_eq!(confirmed, Ok(()));
    node.watch.stop().await;
}

/// While the answer waits, something may be revoked that is not in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_good_for_two_seconds_from_the_question() {
    const LOCK: &str = "begin; lock table app.generations in access exclusive mode";
    let database = Database::start(folder()).await;
    let (first, second) = (
        database.sql("postgres").await,
        database.sql("postgres").await,
    );
    let tenant = database.tenant("acme").await;
    let gateway = database.gateway(1);
    let node = Node::start(&database).await;
    let observer = database.sql("postgres").await;
    let waiting = async |least: i64| {
        loop {
            let count: i64 = observer
                .query_one("select count(*) from pg_locks where not granted", &[])
                .await
                .unwrap()
                .get(0);
            if count >= least {
                return Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bump(&gateway, tenant).await;
    first.batch_execute(LOCK).await.unwrap();
    let asked = waiting(1).await;
    // Next in the queue after the poll, so that there is no other poll after it.
    let locked = tokio::spawn(async move {
        second.batch_execute(LOCK).await.unwrap();
        second
    });
    waiting(2).await;
    // A lease from the answer would end half a second later; the rest is for a busy machine.
    tokio::time::sleep_until((asked + Duration::from_millis(500)).into()).await;
    first.batch_execute("rollback").await.unwrap();
    let second = locked.await.unwrap();
    tokio::time::sleep_until((asked + LEASE).into()).await;
    assert_eq!(node.purges(tenant), 1, "the answer was not taken");
    assert!(node.generations.lease().is_err());
    // And a database that does not answer at all is given up in time.
    let started = Instant::now();
    assert!(node.generations.confirm().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(9));
    second.batch_execute("rollback").await.unwrap();
    while node.generations.confirm().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    node.watch.stop().await;
}

/// A restored backup, or a replica that lacks the last commits, repeats numbers that were seen.
#[tokio::test]
async fn behind_a_new_connection_everything_is_compared() {
    let database = Database::start(folder()).await;
    let superuser = database.sql("postgres").await;
    let gateway = database.gateway(1);
    let tenant = database.tenant("acme").await;
    let other = database.tenant("globex").await;
    bump(&gateway, tenant).await;
    bump(&gateway, other).await;
    let node = Node::start(&database).await;
    let changes = [
        "update app.generations set stamp = gen_random_uuid(), changed_in = '3'",
        // As it comes with a dump of a database that had seen more transactions.
        "update app.generations set stamp = gen_random_uuid(), changed_in = '999999999'",
        "delete from app.generations",
    ];
    for (purges, change) in changes.into_iter().enumerate() {
        superuser
            .batch_execute("alter table app.generations disable trigger user")
            .await
            .unwrap();
        let change = format!("{change} where tenant_id = '{tenant}'");
        superuser.batch_execute(&change).await.unwrap();
        superuser
            .batch_execute("alter table app.generations enable trigger user")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(
            node.purges(tenant),
            purges,
            "over the old connection: {change}"
        );
        cut_connections(&superuser).await;
        node.sees(|node| node.purges(tenant) == purges + 1).await;
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!((node.purges(tenant), node.purges(other)), (3, 0));
    bump(&gateway, tenant).await;
    node.sees(|node| node.purges(tenant) == 4).await;
    node.watch.stop().await;
}

/// Answers are read a page at a time; a page ends between any two rows.
#[tokio::test]
async fn more_than_a_page_is_read_whole() {
    let database = Database::start(folder()).await;
    let superuser = database.sql("postgres").await;
    superuser
        .batch_execute(
            "insert into app.tenants (tenant_id, name) \
             select gen_random_uuid(), 'one of many' from generate_series(1, 20000); \
             alter table app.generations disable trigger user; \
             insert into app.generations (tenant_id, changed_in) select tenant_id, \
             (3 + row_number() over () / 3)::text::xid8 from app.tenants; \
             alter table app.generations enable trigger user",
        )
        .await
        .unwrap();
    let rows = superuser.query("select tenant_id from app.tenants", &[]);
    let rows = rows.await.unwrap();
    let tenants = rows
        .iter()
        .map(|row| TenantId::from_uuid(row.get(0)).unwrap());
    let tenants: Vec<TenantId> = tenants.collect();
    let (generations, watch) = Generations::start(Job::new(database.pool(Role::Watcher, 2)));
    // On this one thread nobody else has asked yet.
    assert!(generations.lease().is_err(), "no lease without an answer");
    let started = Instant::now();
    while generations.confirm().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    let numbers = async || -> HashSet<Generation> {
        let lease = generations.confirm().await.unwrap();
        tenants.iter().map(|&t| lease.generation(t)).collect()
    };
    let first = numbers().await;
    assert_eq!(first.len(), tenants.len());
    assert!(
        !first.contains(&Generation::default()),
        "a row was left out"
    );
    // And all of them in one transaction.
    superuser
        .batch_execute("update app.generations set stamp = default")
        .await
        .unwrap();
    revoked_everywhere().await;
    let second = numbers().await;
    assert_eq!(second.len(), tenants.len());
    assert!(second.is_disjoint(&first), "a change was left out");
    watch.stop().await;
}

/// With the rights and the policy that [`BUMP_GENERATION`] names, and no more.
#[tokio::test]
async fn a_job_bumps_too() {
    let database = Database::start(folder()).await;
    let superuser = database.sql("postgres").await;
    superuser
        .batch_execute(
            "grant select (tenant_id), insert (tenant_id), update (stamp) \
             on app.generations to strongroom_deliverer; \
             create policy deliverer_generations on app.generations to strongroom_deliverer \
             using (true) with check (true)",
        )
        .await
        .unwrap();
    let tenant = database.tenant("acme").await;
    let node = Node::start(&database).await;
    let job = Job::new(database.pool(Role::Deliverer, 1));
    for round in 1..=2 {
        let mut tx = job.begin().await.unwrap();
        tx.query(BUMP_GENERATION, &[tenant.as_uuid()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        node.sees(|node| node.purges(tenant) == round).await;
    }
    node.watch.stop().await;
}
