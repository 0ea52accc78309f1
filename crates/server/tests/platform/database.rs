//! A private cluster for the tests of this process, with the platform's schema.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use strongroom_rls::{Backend, Claim, ClaimKey, ClaimRequest};
use strongroom_server::clock::{Clock, SystemClock};
use strongroom_server::postgres::{
    Access, Binaries, Cluster, ClusterSpec, Endpoint, Gateway, IdentLine, Owner, Pool, Role,
    SystemUser, TenantTx,
};
use strongroom_tenancy::{ActorId, ActorKind, RequestId, TenantId};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

pub(crate) struct Database {
    root: PathBuf,
    cluster: Cluster,
    claim_key: [u8; 32],
}

/// The one cluster of this process. It ends with the process, and its folder with it.
pub(crate) fn database() -> &'static Database {
    static DATABASE: OnceLock<Database> = OnceLock::new();
    DATABASE.get_or_init(|| {
        let started = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(Database::start(lasting_folder()))
        });
        started.join().unwrap()
    })
}

/// A folder that the cluster's user can reach. It goes with the thread that asked for it, which is
/// the test's: two hundred tests' clusters are more than a disk may have room for. A task's thread
/// is anybody's, and its folder stays until the process ends.
pub(crate) fn folder() -> PathBuf {
    thread_local! {
        static FOLDERS: RefCell<Folders> = const { RefCell::new(Folders(Vec::new())) };
    }
    let folder = lasting_folder();
    if tokio::task::try_id().is_none() {
        FOLDERS.with_borrow_mut(|folders| folders.0.push(folder.clone()));
    }
    folder
}

/// What a thread has asked for.
struct Folders(Vec<PathBuf>);

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in &self.0 {
            // One that was never made, or is still written into, is left to the janitor.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A folder that goes when this process has ended and its clusters with it.
fn lasting_folder() -> PathBuf {
    static JANITOR: OnceLock<PathBuf> = OnceLock::new();
    let prefix = JANITOR.get_or_init(|| {
        let process = std::process::id();
        let prefix = std::env::temp_dir().join(format!("strongroom-test-{process}-"));
        let work = "while kill -0 \"$1\" 2>/dev/null; do sleep 1; done; sleep 3; rm -rf -- \"$2\"*";
        // It outlives us on purpose, and ends by itself: nobody is left to wait for it.
        #[allow(
            clippy::zombie_processes,
            reason = "the child waits for this process to end"
        )]
        std::process::Command::new("sh")
            .args(["-c", work, "janitor", &process.to_string()])
            .arg(&prefix)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        prefix
    });
    let mut name = prefix.clone().into_os_string();
    name.push(Uuid::from_bytes(random()).to_string());
    name.into()
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub(crate) fn spec(root: PathBuf) -> ClusterSpec {
    let me = rustix::process::getuid();
    let run_as = me.is_root().then(|| system_user("postgres"));
    let os_user = user_name(me.as_raw());
    let mut roles = vec!["postgres"];
    roles.extend(Role::ALL.iter().map(|role| role.name()));
    let ident = roles.into_iter().map(|role| IdentLine {
        os_user: os_user.clone(),
        role: role.to_owned(),
    });
    ClusterSpec {
        binaries: Binaries::find().unwrap(),
        root,
        run_as,
        socket_gid: None,
        ident: ident.collect(),
        settings: Vec::new(),
        following: None,
    }
}

fn system_user(name: &str) -> SystemUser {
    SystemUser::find(name)
        .unwrap()
        .unwrap_or_else(|| panic!("no user {name}"))
}

fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&uid.to_string()))
        .unwrap();
    line.split(':').next().unwrap().to_owned()
}

impl Database {
    pub(crate) async fn start(root: PathBuf) -> Self {
        let cluster = spec(root.clone()).start().unwrap();
        let postgres = Owner::connect(&cluster.endpoint("postgres"), "postgres")
            .await
            .unwrap();
        postgres.create_database().await.unwrap();
        let owner = Owner::connect(&cluster.endpoint("strongroom"), "postgres")
            .await
            .unwrap();
        assert_eq!(owner.migrate().await.unwrap(), 20);
        assert_eq!(
            owner.migrate().await.unwrap(),
            0,
            "a second run has nothing to do"
        );
        let claim_key = random();
        owner.add_claim_key(&key(&claim_key)).await.unwrap();
        Self {
            root,
            cluster,
            claim_key,
        }
    }

    /// PostgreSQL dies as in a crash, and comes up again on what reached the disk.
    pub(crate) fn crash_and_restart(self) -> Self {
        let Self {
            root,
            cluster,
            claim_key,
        } = self;
        cluster.crash();
        let cluster = spec(root.clone()).start().unwrap();
        Self {
            root,
            cluster,
            claim_key,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgresql:///strongroom?host={}&port=5432",
            self.cluster.socket_dir().display()
        )
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.cluster.endpoint("strongroom")
    }

    pub(crate) fn pool(&self, role: Role, slots: usize) -> Pool {
        Pool::new(self.endpoint(), role, slots).unwrap()
    }

    pub(crate) fn gateway(&self, slots: usize) -> Gateway {
        let pool = self.pool(Role::Gateway, slots);
        Gateway::new(pool, key(&self.claim_key), Arc::new(SystemClock))
    }

    /// A gateway whose claims the database will not accept.
    pub(crate) fn gateway_with_key(&self, bytes: [u8; 32]) -> Gateway {
        Gateway::new(
            self.pool(Role::Gateway, 1),
            key(&bytes),
            Arc::new(SystemClock),
        )
    }

    /// All that PostgreSQL has logged.
    pub(crate) fn said(&self) -> String {
        let log = std::fs::read(self.root.join("etc/postgresql.log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// A connection of the tests' own, to run any SQL as any role.
    pub(crate) async fn sql(&self, role: &str) -> Client {
        let (client, connection) = tokio_postgres::Config::new()
            .host_path(self.cluster.socket_dir())
            .user(role)
            .dbname("strongroom")
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// A connection as the gateway's role, as an attacker with SQL would have it, and its pid.
    pub(crate) async fn attacker(&self) -> (Client, i32) {
        let client = self.sql(Role::Gateway.name()).await;
        let pid = client
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        (client, pid)
    }

    /// A genuine claim, as the gateway would mint it.
    pub(crate) fn claim(&self, tenant: TenantId, pid: i32) -> Claim {
        self.claim_at(tenant, pid, SystemClock.unix_seconds())
    }

    pub(crate) fn claim_at(&self, tenant: TenantId, pid: i32, now: u64) -> Claim {
        let request = ClaimRequest {
            tenant,
            actor: actor(),
            backend: Backend::Pid(pid),
            now,
            lifetime: 60,
        };
        key(&self.claim_key).mint(&request).unwrap()
    }

    pub(crate) fn claim_key_bytes(&self) -> &[u8; 32] {
        &self.claim_key
    }

    /// A tenant with one API key row.
    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let tenant = TenantId::from_uuid(Uuid::from_bytes(random())).unwrap();
        let mut tx = begin(&self.gateway(1), tenant, Access::Write).await;
        tx.query(
            "insert into app.tenants (tenant_id, name) values ($1, $2)",
            &[tenant.as_uuid(), &name],
        )
        .await
        .unwrap();
        tx.query(
            "insert into app.tenant_keks values ($1, 'tenant', 1, 'active', $3, $2, 1, 'root', 1, $2)",
            &[
                tenant.as_uuid(),
                &[7_u8; 32].as_slice(),
                &i64::try_from(SystemClock.unix_seconds()).unwrap(),
            ],
        )
        .await
        .unwrap();
        tx.query(
            "insert into app.provider_credentials \
             (tenant_id, name, sealed, stored_at, kek, kek_version) \
             values ($1, 'default', $2, 0, 'tenant', 1)",
            &[tenant.as_uuid(), &name.as_bytes()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        tenant
    }
}

fn key(bytes: &[u8; 32]) -> ClaimKey {
    ClaimKey::from_bytes("t1".parse().unwrap(), bytes)
}

pub(crate) fn actor() -> ActorId {
    ActorId::new(ActorKind::Service, Uuid::from_u128(7)).unwrap()
}

pub(crate) fn request_id() -> RequestId {
    RequestId::from_parts(SystemClock.unix_millis(), &random())
}

pub(crate) async fn begin(gateway: &Gateway, tenant: TenantId, access: Access) -> TenantTx {
    gateway
        .begin(tenant, actor(), &request_id(), access)
        .await
        .unwrap()
}
