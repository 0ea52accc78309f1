//! The keys of access tokens: which one signs, which verify, on every node.
//!
//! The ring ([`strongroom_tenant_token::KeyRing`]) is two tables of the platform's tenant; every
//! change of it is one transaction, with its events, and makes copies of it out of date
//! ([`crate::generations`]). A node uses its copy under the lease and in the generation that it was
//! read under, so that once a withdrawal is answered no node accepts a token of that key.

mod change;
mod ring;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use strongroom_envelope::TenantKeys;
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{
    Algorithm, JwkSet, KeyRing, Rejection, RotationPolicy, SigningKey, TokenError, Verifier,
};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::generations::{Generation, Generations};
use crate::keys;
use crate::keystore::{self, RecordError, Roots};
use crate::postgres::{Job, QueryError};
use crate::problem::{Kind, Problem};

pub use change::{Cause, ChangeError, Changed};
pub(crate) use ring::state_name;

/// How long the ring may take to be read and its key to be opened.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a use begins again because the ring changed in between.
const TRIES: usize = 4;

/// How often the ring is read because of a token or a key that is missing from the copy.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The ring as this node knows it, and the way to change it. Cheap to clone.
#[derive(Clone)]
pub struct TokenKeys {
    inner: Arc<Inner>,
}

/// The keys cannot be known, or opened, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys of access tokens are not available")]
pub struct TokenKeysUnavailable;

/// The ring in the database, over the keymaster's role.
pub struct RingStore {
    job: Job,
    roots: Roots,
    clock: Arc<dyn Clock>,
    policy: RotationPolicy,
    algorithm: Algorithm,
}

struct Inner {
    store: RingStore,
    generations: Generations,
    issuer: String,
    audience: String,
    held: ArcSwapOption<Held>,
    /// When the last reading began, and how it ended.
    reading: tokio::sync::Mutex<Option<(Instant, Result<(), TokenKeysUnavailable>)>>,
    looked_again: Mutex<Option<Instant>>,
}

/// A copy of the ring.
struct Held {
    /// Of the platform's tenant, read before the ring was.
    generation: Generation,
    published: JwkSet,
    verifier: Arc<Verifier>,
    signing: Option<Arc<SigningKey>>,
}

impl TokenKeys {
    /// The keys of a stored ring. Nothing is read before they are asked for.
    #[must_use]
    pub fn new(store: RingStore, generations: Generations, config: &Config) -> Self {
        let inner = Inner {
            store,
            generations,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            held: ArcSwapOption::empty(),
            reading: tokio::sync::Mutex::new(None),
            looked_again: Mutex::new(None),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How long a key stays in each state.
    #[must_use]
    pub fn policy(&self) -> RotationPolicy {
        self.inner.store.policy
    }

    /// The key that signs.
    ///
    /// # Errors
    /// [`TokenKeysUnavailable`], also while its private half does not open.
    pub async fn signing(&self) -> Result<Arc<SigningKey>, TokenKeysUnavailable> {
        let held = self.held().await?;
        if let Some(key) = &held.signing {
            return Ok(Arc::clone(key));
        }
        if self.may_look_again() {
            self.read_again().await?;
        }
        let key = self.held().await?.signing.clone();
        key.ok_or(TokenKeysUnavailable)
    }

    /// The keys to publish.
    ///
    /// # Errors
    /// [`TokenKeysUnavailable`].
    pub async fn jwks(&self) -> Result<JwkSet, TokenKeysUnavailable> {
        Ok(self.held().await?.published.clone())
    }

    /// The verifier of this platform's tokens, good for what is checked at once.
    ///
    /// # Errors
    /// [`TokenKeysUnavailable`].
    ///
    /// # Security
    /// Whoever waits for something after the check compares, in the end, the generation of the
    /// platform's tenant with the one from before it: the key may have been withdrawn meanwhile.
    pub async fn verifier(&self) -> Result<Arc<Verifier>, TokenKeysUnavailable> {
        Ok(Arc::clone(&self.held().await?.verifier))
    }

    /// Checks a token; for a key that is not known the ring is read once more, since another node
    /// may have made it this moment.
    ///
    /// # Errors
    /// [`TokenKeysUnavailable`]; inside, what the check says.
    pub async fn check<T>(
        &self,
        check: impl Fn(&Verifier) -> Result<T, Rejection>,
    ) -> Result<Result<T, Rejection>, TokenKeysUnavailable> {
        let verifier = self.verifier().await?;
        let checked = check(&verifier);
        let is_unknown = |rejection: &Rejection| rejection.error() == TokenError::UnknownKid;
        if checked.as_ref().err().is_some_and(is_unknown) && self.may_look_again() {
            self.read_again().await?;
            let verifier = self.verifier().await?;
            return Ok(check(&verifier));
        }
        Ok(checked)
    }

    /// The ring as it is stored.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn ring(&self) -> Result<KeyRing, ChangeError> {
        Ok(self.inner.store.read().await?.ring)
    }

    /// Reads the ring, whatever is held of it.
    ///
    /// # Errors
    /// [`TokenKeysUnavailable`].
    pub async fn read_again(&self) -> Result<(), TokenKeysUnavailable> {
        let asked = Instant::now();
        let mut last = self.inner.reading.lock().await;
        // Who read it after we asked read it for us too.
        if let Some((began, ended)) = *last
            && began >= asked
        {
            return ended;
        }
        let began = Instant::now();
        let read = tokio::time::timeout(PATIENCE, self.inner.read()).await;
        let ended = match read.unwrap_or(Err(TokenKeysUnavailable)) {
            Ok(held) => {
                self.inner.held.store(Some(Arc::new(held)));
                Ok(())
            }
            Err(error) => Err(error),
        };
        *last = Some((began, ended));
        ended
    }

    /// The copy, under the lease and in its generation, or a new one.
    async fn held(&self) -> Result<Arc<Held>, TokenKeysUnavailable> {
        for _ in 0..TRIES {
            let current = self.inner.generation().await?;
            let held = self.inner.held.load_full();
            if let Some(held) = held.filter(|held| held.generation == current) {
                return Ok(held);
            }
            self.read_again().await?;
        }
        Err(TokenKeysUnavailable)
    }

    /// Anybody can name a key that is not there: the database is asked once a second for all.
    fn may_look_again(&self) -> bool {
        let last = self.inner.looked_again.lock();
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= LOOK_AGAIN);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

impl Inner {
    /// The platform's generation, under a lease that holds right now.
    async fn generation(&self) -> Result<Generation, TokenKeysUnavailable> {
        let confirmed = self.generations.confirm().await;
        match confirmed {
            Ok(lease) => Ok(lease.generation(TenantId::PLATFORM)),
            Err(error) => {
                tracing::error!(%error, "keys of access tokens are not used");
                Err(TokenKeysUnavailable)
            }
        }
    }

    async fn read(&self) -> Result<Held, TokenKeysUnavailable> {
        // Before the ring: a change in the course of the reading is seen as one.
        let generation = self.generation().await?;
        let stored = self.store.read().await.map_err(|error| {
            tracing::error!(%error, "the keys of access tokens were not read");
            TokenKeysUnavailable
        })?;
        let ring = stored.ring;
        let published = ring.published();
        let verifier = Verifier::new(&*self.issuer, &*self.audience, published.clone());
        let active = ring.active().map(|key| key.kid());
        Ok(Held {
            generation,
            verifier: Arc::new(verifier.with_generation(ring.generation())),
            published,
            signing: match active {
                Some(kid) => self.signing(kid).await,
                None => None,
            },
        })
    }

    /// The active key's private half. Without it no token is minted, and tokens verify.
    async fn signing(&self, kid: &str) -> Option<Arc<SigningKey>> {
        let held = self.held.load_full();
        let known = held.and_then(|held| held.signing.clone());
        if let Some(key) = known.filter(|key| key.kid() == kid) {
            return Some(key);
        }
        let opened = async {
            let kek = self.store.kek().await?;
            Ok::<_, ChangeError>(keys::open_token_key(&self.store.job, &kek, kid).await?)
        };
        match opened.await {
            Ok(Some(key)) => Some(Arc::new(key)),
            Ok(None) => {
                tracing::error!(
                    kid,
                    "the private half of the active token key is not stored"
                );
                None
            }
            Err(error) => {
                tracing::error!(%error, kid, "the active token key does not open");
                None
            }
        }
    }
}

impl RingStore {
    /// The ring, which goes on by this policy.
    #[must_use]
    pub fn new(job: Job, roots: Roots, clock: Arc<dyn Clock>, config: &Config) -> Self {
        Self {
            job,
            roots,
            clock,
            policy: config.token_rotation,
            algorithm: config.token_algorithm,
        }
    }

    async fn read(&self) -> Result<ring::Stored, ChangeError> {
        let mut tx = self.job.begin().await?;
        let stored = ring::read(&mut tx, self.policy).await?;
        tx.rollback().await;
        Ok(stored)
    }

    /// The platform's KEK as it is now: it is wanted when a key is made or begins to sign.
    async fn kek(&self) -> Result<TenantKeys, RecordError> {
        keystore::platform_keys(&self.job, &self.roots, self.clock.as_ref()).await
    }
}

impl From<TokenKeysUnavailable> for Problem {
    fn from(error: TokenKeysUnavailable) -> Self {
        Self::new(Kind::Unavailable, error.to_string()).with_retry_after(1)
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoSuchKey => Self::new(Kind::NotFound, "there is no such object"),
            ChangeError::Query(error) => error.into(),
            ChangeError::Commit(error) => error.into(),
            ChangeError::Busy => {
                Self::new(Kind::Unavailable, error.to_string()).with_retry_after(1)
            }
            error => {
                tracing::error!(%error, "the keys of access tokens were not changed");
                Self::new(Kind::Internal, "the platform failed")
            }
        }
    }
}

/// A row that the schema does not allow.
fn malformed(column: &'static str) -> QueryError {
    QueryError::Row(format!("token keys: {column}"))
}
