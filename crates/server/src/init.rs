//! Initialisation, over the owner's connection: migrate, make the roles, keys and the platform's
//! own tenant, and print the one-time key of its operator.

use std::path::Path;
use std::sync::Arc;

use strongroom_apikey::{ApiKey, Hasher};
use strongroom_auditchain::Outcome;
use strongroom_envelope::{KeyAdmin, KmsError, LocalKms};
use strongroom_tenancy::{
    Actor, ActorId, ActorKind, Capability, CapabilitySet, RequestId, TenantId,
};

use crate::app::StartError;
use crate::audit::{Adopted, Draft, STAGE_EVENT, adopt, new_event_id, new_origin};
use crate::clock::Clock;
use crate::config::Config;
use crate::files;
use crate::keys::PlatformKeys;
use crate::keystore::{self, Roots};
use crate::postgres::{Access, Endpoint, Gateway, Job, Owner, Pool, Role};
use crate::routes::tenants::provision;

/// What the platform's operator may do.
const OPERATOR: CapabilitySet = CapabilitySet::of(&[
    Capability::TenantsCreate,
    Capability::TenantsShred,
    Capability::TokenKeysManage,
    Capability::TokensRevoke,
    Capability::ApiKeysManage,
    Capability::AuditRead,
    Capability::AuditOperate,
]);

/// What an initialisation did.
pub struct Initialised {
    /// How many migrations ran.
    pub migrations: usize,
    /// The operator's key, when the platform is new: it is shown here and never again.
    pub admin_key: Option<ApiKey>,
}

/// Initialises a database and the keyrings; safe to repeat.
///
/// `owner` is the role whose connection it is; `password_dir` is where the login roles' passwords
/// are written when the database does not know its users by their sockets.
///
/// # Errors
/// [`StartError`] says what was refused.
pub async fn init(
    config: &Config,
    endpoint: &Endpoint,
    owner: &str,
    password_dir: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<Initialised, StartError> {
    let database = Owner::connect(endpoint, owner)
        .await
        .map_err(StartError::of)?;
    let migrations = database.migrate().await.map_err(StartError::of)?;
    if let Some(dir) = password_dir {
        database.set_passwords(dir).await.map_err(StartError::of)?;
    }
    let kms = Arc::new(keyrings(config)?);
    let root = keystore::root().map_err(StartError::of)?;
    match kms.create(&TenantId::PLATFORM, &root).await {
        Ok(()) | Err(KmsError::AlreadyExists) => {}
        Err(error) => return Err(StartError::of(error)),
    }
    let pool = |role| Pool::new(endpoint.clone(), role, 1).map_err(StartError::of);
    let keymaster = Job::new(pool(Role::Keymaster)?);
    let kek = keystore::platform_keys(&keymaster, &Roots::new(kms, root), clock.as_ref())
        .await
        .map_err(StartError::of)?;
    PlatformKeys::create(&keymaster, &kek, clock.as_ref())
        .await
        .map_err(StartError::of)?;
    let keys = PlatformKeys::open(&keymaster, &kek, config.host())
        .await
        .map_err(StartError::of)?;
    database
        .add_claim_key(&keys.claim)
        .await
        .map_err(StartError::of)?;
    let gateway = Gateway::new(pool(Role::Gateway)?, keys.claim, Arc::clone(&clock));
    let admin_key = platform_tenant(config, &gateway, clock.as_ref()).await?;
    platform_log(config, &gateway, clock.as_ref()).await?;
    Ok(Initialised {
        migrations,
        admin_key,
    })
}

/// The platform's log of tenants' checkpoints, unless it is there.
async fn platform_log(
    config: &Config,
    gateway: &Gateway,
    clock: &dyn Clock,
) -> Result<(), StartError> {
    const TENANT: &str = "insert into app.tenants (tenant_id, name) values ($1, 'platform log')";
    const LOG: &str = "insert into app.audit_logs (tenant_id, origin) values ($1, $2)";
    let platform = TenantId::PLATFORM;
    let actor = ActorId::new(ActorKind::Platform, *platform.as_uuid()).map_err(StartError::of)?;
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).map_err(StartError::of)?;
    let request = RequestId::from_parts(clock.unix_millis(), &random);
    let tenant = TenantId::PLATFORM_LOG;
    let begin = gateway.begin(tenant, actor, &request, Access::Write);
    let mut tx = begin.await.map_err(StartError::of)?;
    let known = tx.query("select from app.tenants", &[]).await;
    if !known.map_err(StartError::of)?.is_empty() {
        tx.rollback().await;
        return Ok(());
    }
    let origin = new_origin(config.host()).map_err(StartError::of)?;
    let rows: [(_, &[&(dyn tokio_postgres::types::ToSql + Sync)]); 2] = [
        (TENANT, &[tenant.as_uuid()]),
        (LOG, &[tenant.as_uuid(), &origin.as_str()]),
    ];
    for (sql, values) in rows {
        tx.query(sql, values).await.map_err(StartError::of)?;
    }
    tx.commit().await.map_err(StartError::of)
}

/// Lets the checkpoint store begin anew with what the database says was signed.
///
/// # Errors
/// [`StartError`].
pub async fn adopt_checkpoints(
    config: &Config,
    endpoint: &Endpoint,
    clock: Arc<dyn Clock>,
) -> Result<Adopted, StartError> {
    let kms = Arc::new(keyrings(config)?);
    let root = keystore::root().map_err(StartError::of)?;
    let pool = |role| Pool::new(endpoint.clone(), role, 1).map_err(StartError::of);
    let keymaster = Job::new(pool(Role::Keymaster)?);
    let kek = keystore::platform_keys(&keymaster, &Roots::new(kms, root), clock.as_ref())
        .await
        .map_err(StartError::of)?;
    let keys = PlatformKeys::open(&keymaster, &kek, config.host())
        .await
        .map_err(StartError::of)?;
    let job = Job::new(pool(Role::Checkpointer)?);
    let adopted = adopt(&config.checkpoints, &job, &keys.checkpoint, &keys.batch);
    adopted.await.map_err(StartError::of)
}

fn keyrings(config: &Config) -> Result<LocalKms, StartError> {
    let dir = config.keyrings();
    files::make_private_dir(&dir).map_err(StartError::of)?;
    files::plain_files(&dir).map_err(StartError::of)?;
    LocalKms::open(dir).map_err(StartError::of)
}

/// The platform's own tenant, with its log and its operator's key, unless it is there.
async fn platform_tenant(
    config: &Config,
    gateway: &Gateway,
    clock: &dyn Clock,
) -> Result<Option<ApiKey>, StartError> {
    let platform = TenantId::PLATFORM;
    let actor = ActorId::new(ActorKind::Platform, *platform.as_uuid()).map_err(StartError::of)?;
    let mut random = [0_u8; 10];
    getrandom::fill(&mut random).map_err(StartError::of)?;
    let request = RequestId::from_parts(clock.unix_millis(), &random);
    let begin = gateway.begin(platform, actor, &request, Access::Write);
    let mut tx = begin.await.map_err(StartError::of)?;
    let known = tx
        .query("select from app.tenants", &[])
        .await
        .map_err(StartError::of)?;
    if !known.is_empty() {
        tx.rollback().await;
        return Ok(None);
    }
    let now = clock.unix_seconds();
    // Its first use hashes it anew, where there is a pepper.
    let hasher = Hasher::default();
    let key = provision(&mut tx, now, config.host(), "platform", OPERATOR, &hasher)
        .await
        .map_err(|problem| StartError::of(problem.kind().title()))?;
    let draft = Draft {
        kind: "platform.initialised",
        actor: Some(Actor::new(actor)),
        request,
        resource: Some(platform.to_string()),
        credential: None,
        policy: None,
        outcome: Outcome::Success,
    };
    let id = new_event_id(clock).map_err(StartError::of)?;
    let leaf = draft
        .leaf(id, clock.unix_micros(), Vec::new())
        .map_err(StartError::of)?;
    tx.query(STAGE_EVENT, &[platform.as_uuid(), &id, &leaf.as_bytes()])
        .await
        .map_err(StartError::of)?;
    tx.commit().await.map_err(StartError::of)?;
    Ok(Some(key))
}
