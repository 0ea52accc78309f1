//! The platform assembled: what every gate and route works with.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use strongroom_apikey::{KeyGate, LastUsed};
use strongroom_auditchain::Ed25519Signer;
use strongroom_envelope::{KeyAdmin, KeyRef, LocalKms};
use strongroom_tenant_token::TokenCache;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::audit::{
    CheckpointStore, Checkpointer, Monitor, PlatformLog, Sequencer, SequencerHandle, ZoneSet,
    open_store, platform_log_name,
};
use crate::clock::Clock;
use crate::config::Config;
use crate::gates::{RateLimits, Refusals};
use crate::generations::{Generations, Watch};
use crate::jobs;
use crate::keys::PlatformKeys;
use crate::keystore::{self, KeyStore, Roots};
use crate::login::IssuerKeySets;
use crate::metrics::Metrics;
use crate::peppers;
use crate::postgres::{AuthLookup, Endpoint, Gateway, Job, Pool, Role, self_check, zones_check};
use crate::subjects::Subjects;
use crate::token_keys::{RingStore, TokenKeys};
use crate::upstream::{Upstream, install_tls};

/// The most API keys of which a record, or a last use, is kept.
const KEPT_KEYS: usize = 100_000;

/// About how many verified access tokens are kept.
const KEPT_TOKENS: usize = 100_000;

/// The running platform, shared by every request.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Tenants' rows.
    pub gateway: Gateway,
    /// Credentials, before a tenant is known.
    pub lookup: AuthLookup,
    /// Checks API keys, and keeps their records under a lease.
    pub key_gate: KeyGate,
    /// When keys were last used, until it is stored.
    pub last_used: LastUsed,
    /// Keys that are hashed anew, until they are stored so.
    pub rehashes: jobs::Rehashes,
    /// The audit log.
    pub sequencer: Sequencer,
    /// The zones that events wait for, when there are any.
    pub zones: Option<Arc<ZoneSet>>,
    /// Signs logs that grew.
    pub checkpointer: Checkpointer,
    /// What was signed last, apart from the database.
    pub checkpoint_store: Arc<CheckpointStore>,
    /// The log of all tenants' checkpoints.
    pub platform_log: Arc<PlatformLog>,
    /// What was revoked, on any node.
    pub generations: Generations,
    /// Tenants' keys.
    pub keys: KeyStore,
    /// The keys of tenants' identity providers.
    pub issuer_keys: IssuerKeySets,
    /// Who people are in the log.
    pub subjects: Subjects,
    /// Makes tenants' root keys.
    pub key_admin: Arc<dyn KeyAdmin>,
    /// The name of each tenant's root key in the KMS.
    pub root: KeyRef,
    /// The keys of access tokens.
    pub token_keys: TokenKeys,
    /// Access tokens that were verified, and good.
    pub tokens: TokenCache,
    /// Signs checkpoints.
    pub checkpoint_signer: Arc<Ed25519Signer>,
    /// Signs batches of events.
    pub batch_signer: Arc<Ed25519Signer>,
    /// The provider, when one is configured.
    pub upstream: Option<Upstream>,
    /// Who may ask how often.
    pub limits: RateLimits,
    /// Who was refused how often.
    pub refusals: Refusals,
    /// Places for chat calls.
    pub calls: Arc<Semaphore>,
    /// Places for the examination of texts, which keeps a processor busy: one for each there is.
    pub redactions: Arc<Semaphore>,
    /// What the platform counts.
    pub metrics: Arc<Metrics>,
    /// Requests that must come to their end before the platform does.
    pub in_flight: TaskTracker,
}

/// The platform with its background work.
pub struct Platform {
    /// What requests share.
    pub app: Arc<App>,
    sequencer: SequencerHandle,
    monitor: Option<Monitor>,
    jobs: jobs::Jobs,
    watch: Watch,
}

/// The platform could not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    pub(crate) fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Platform {
    /// Checks the database's isolation, opens the platform's keys and starts its jobs.
    ///
    /// # Errors
    /// [`StartError`]: the platform does not start on a database that would not isolate.
    pub async fn start(
        config: Config,
        endpoint: Endpoint,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        install_tls();
        let held = self_check(&endpoint, clock.unix_seconds())
            .await
            .map_err(StartError::of)?;
        let of_zones = zones_check(&endpoint, &config.zones)
            .await
            .map_err(StartError::of)?;
        tracing::info!(checks = held + of_zones, "self-check passed");
        let kms = Arc::new(LocalKms::open(config.keyrings()).map_err(StartError::of)?);
        let pool = |role, slots| Pool::new(endpoint.clone(), role, slots).map_err(StartError::of);
        let root = keystore::root().map_err(StartError::of)?;
        let roots = Roots::new(Arc::clone(&kms) as _, root.clone());
        let keymaster = Job::new(pool(Role::Keymaster, 4)?);
        let kek = keystore::platform_keys(&keymaster, &roots, clock.as_ref())
            .await
            .map_err(StartError::of)?;
        let keys = PlatformKeys::open(&keymaster, &kek, config.host())
            .await
            .map_err(StartError::of)?;
        let pepper = config.api_key_pepper;
        let hasher = peppers::hasher(&keymaster, &kek, pepper, clock.as_ref())
            .await
            .map_err(StartError::of)?;
        let passwords = config.database_password_dir.as_deref();
        let zones = ZoneSet::new(&config.zones, endpoint.clone(), passwords)
            .map_err(StartError::of)?
            .map(Arc::new);
        let dedicated =
            Pool::dedicated(endpoint.clone(), Role::Sequencer).map_err(StartError::of)?;
        let checkpoints = Job::new(pool(Role::Checkpointer, 2)?);
        let directory = &config.checkpoints;
        let store = open_store(directory, &checkpoints, &keys.checkpoint, &keys.batch)
            .await
            .map_err(StartError::of)?;
        let platform_log = platform_log_name(&checkpoints).await;
        let platform_log = platform_log.map_err(StartError::of)?;
        let (sequencer, handle) = Sequencer::start_watched(
            Job::new(dedicated),
            Arc::clone(&keys.batch),
            zones.clone(),
            Some(Arc::clone(&store)),
        );
        let monitor = match &zones {
            Some(zones) => {
                let (zones, sequencer) = (Arc::clone(zones), sequencer.clone());
                Some(Monitor::start(zones, sequencer, Arc::clone(&clock)).await)
            }
            None => None,
        };
        let ring = RingStore::new(
            keymaster.clone(),
            Roots::new(Arc::clone(&kms) as _, root.clone()),
            Arc::clone(&clock),
            &config,
        );
        // The first start makes the first key. Before the watch: that sees it at its first look.
        match &zones {
            // It would wait for them. The job does it when they are back.
            Some(zones) if zones.is_short() => {
                tracing::warn!(
                    "zones are missing: the keys of access tokens are taken as they are"
                );
            }
            _ => ring.advance().await.map_err(StartError::of)?,
        }
        let (generations, watch) = Generations::start(Job::new(pool(Role::Watcher, 2)?));
        let token_keys = TokenKeys::new(ring, generations.clone(), &config);
        token_keys.read_again().await.map_err(StartError::of)?;
        let gateway = Gateway::new(
            pool(Role::Gateway, config.database_connections)?,
            keys.claim,
            Arc::clone(&clock),
        );
        let key_store = KeyStore::new(
            keymaster.clone(),
            roots,
            generations.clone(),
            Arc::clone(&clock),
        )
        .map_err(StartError::of)?;
        let subjects = Subjects::open(
            &keymaster,
            &kek,
            gateway.clone(),
            key_store.clone(),
            Arc::clone(&clock),
        )
        .await
        .map_err(StartError::of)?;
        let platform_log = PlatformLog::new(
            platform_log,
            &keys.checkpoint,
            keys.cosigner,
            key_store.clone(),
            sequencer.clone(),
        );
        let platform_log = Arc::new(platform_log.map_err(StartError::of)?);
        let checkpointer = Checkpointer::new(
            checkpoints,
            Arc::clone(&keys.checkpoint),
            Arc::clone(&clock),
            config.checkpoint_seconds,
        )
        .with_zones(zones.clone())
        .with_store(Some(Arc::clone(&store)))
        .with_platform_log(Arc::clone(&platform_log));
        let upstream = Upstream::new(&config).map_err(StartError::of)?;
        let not_intact = Counter::default();
        let app = Arc::new(App {
            metrics: Arc::new(Metrics::new(&sequencer, zones.clone(), &not_intact)),
            gateway,
            lookup: AuthLookup::new(pool(Role::Authenticator, 4)?),
            key_gate: KeyGate::new(hasher, KEPT_KEYS),
            last_used: LastUsed::new(KEPT_KEYS),
            rehashes: jobs::Rehashes::default(),
            sequencer,
            zones,
            checkpointer,
            checkpoint_store: store,
            platform_log,
            generations,
            keys: key_store,
            subjects,
            issuer_keys: IssuerKeySets::new(Arc::clone(&clock), config.webhooks_allow_loopback),
            key_admin: kms,
            root,
            token_keys,
            tokens: TokenCache::new(KEPT_TOKENS),
            checkpoint_signer: keys.checkpoint,
            batch_signer: keys.batch,
            upstream,
            limits: RateLimits::new(&config.limits),
            refusals: Refusals::default(),
            calls: Arc::new(Semaphore::new(config.limits.concurrent_calls)),
            redactions: Arc::new(Semaphore::new(
                std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            )),
            in_flight: TaskTracker::new(),
            clock,
            config,
        });
        let retainer = jobs::Retainer::new(
            Job::new(pool(Role::Eraser, 1)?),
            app.sequencer.clone(),
            Arc::clone(&app.clock),
        )
        .map_err(StartError::of)?
        .with_keys(app.keys.clone(), app.config.keys.overlap_seconds);
        let verifier = jobs::Verifier {
            job: Job::new(pool(Role::Checkpointer, 1)?),
            gateway: app.gateway.clone(),
            signer: Arc::clone(&app.checkpoint_signer),
            sequencer: app.sequencer.clone(),
            clock: Arc::clone(&app.clock),
            every_seconds: app.config.verify_seconds,
            not_intact,
        };
        let jobs = jobs::Jobs::start(
            &app,
            Job::new(pool(Role::Deliverer, 6)?),
            Job::new(pool(Role::Sweeper, 1)?),
            retainer,
            verifier,
        );
        Ok(Self {
            app,
            sequencer: handle,
            monitor,
            jobs,
            watch,
        })
    }

    /// Ends the platform: requests that began come to their end, then the jobs, then the
    /// sequencer, so that no acknowledged event is lost and no queued one forgotten.
    pub async fn stop(self) {
        let Self {
            app,
            sequencer,
            monitor,
            jobs,
            watch,
        } = self;
        app.in_flight.close();
        app.in_flight.wait().await;
        jobs.stop().await;
        watch.stop().await;
        if let Some(monitor) = monitor {
            monitor.stop().await;
        }
        drop(app);
        sequencer.finished().await;
    }
}
