//! Where the records are, and a whole check against it.

use std::future::Future;
use std::pin::Pin;

use strongroom_tenancy::TenantId;

use crate::shown::Shown;
use crate::{
    Accepted, Candidate, Found, KeyError, KeyGate, KeyId, KeyRecord, RevocationFeed, VerifiedKey,
    Visit, Vouched,
};

/// What a look-up returns: a boxed future, so that the trait can be used as `dyn`.
pub type StoreFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<KeyRecord>, StoreUnavailable>> + Send + 'a>>;

/// The store did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of api keys did not answer")]
pub struct StoreUnavailable;

/// Where the records are.
///
/// # Security
/// A look-up reads what was committed before it began: a replica that lags, or a transaction that
/// had begun earlier, shows a revoked key as good after its revocation is over.
pub trait KeyStore: Send + Sync {
    /// The record of an id, if there is one.
    fn by_id<'a>(&'a self, id: &'a KeyId) -> StoreFuture<'a>;
}

impl KeyGate {
    /// Checks a key: against what is kept, or else against the store.
    ///
    /// # Errors
    /// [`KeyError`], for the log. [`KeyError::Unavailable`] is no refusal: the key was not checked.
    pub async fn authenticate<'a>(
        &self,
        presented: impl Into<Shown<'a>>,
        visit: &Visit,
        store: &dyn KeyStore,
        feed: &dyn RevocationFeed,
    ) -> Result<VerifiedKey, KeyError> {
        self.check(presented, visit, store, feed).await.1
    }

    /// As [`authenticate`](Self::authenticate), with the record that the key was checked against.
    ///
    /// # Security
    /// The record is whoever's has the id. It is the presenter's when the key is accepted, or
    /// refused with an error of which [`KeyError::is_of_a_genuine_key`] holds.
    pub async fn check<'a>(
        &self,
        presented: impl Into<Shown<'a>>,
        visit: &Visit,
        store: &dyn KeyStore,
        feed: &dyn RevocationFeed,
    ) -> (Option<KeyRecord>, Result<VerifiedKey, KeyError>) {
        let presented = presented.into();
        match self.find(presented.id, feed) {
            Found::Unknown => return (None, Err(self.reject_unknown(presented))),
            Found::Record(kept) => match self.accept(&kept, presented, visit, feed) {
                Accepted::Yes(verified) => return (Some(kept.record().clone()), Ok(verified)),
                Accepted::No(refused) => return (Some(kept.record().clone()), Err(refused)),
                Accepted::Outdated => {}
            },
            Found::Nothing => {}
        }
        let candidate = match self.load(presented, store, feed).await {
            Ok(candidate) => candidate,
            Err(error) => return (None, Err(error)),
        };
        let checked = match self.accept(&candidate, presented, visit, feed) {
            Accepted::Yes(verified) => Ok(verified),
            Accepted::No(refused) => Err(refused),
            Accepted::Outdated => Err(KeyError::Unavailable),
        };
        (Some(candidate.record().clone()), checked)
    }

    /// Checks whether a tenant's key is accepted still, for what was issued on it, such as an access
    /// token: so that a token ends with its key, at once.
    ///
    /// # Errors
    /// [`KeyError`], for the log. [`KeyError::Unavailable`] is no refusal: nothing was checked.
    pub async fn vouch_for(
        &self,
        id: &KeyId,
        tenant: &TenantId,
        visit: &Visit,
        store: &dyn KeyStore,
        feed: &dyn RevocationFeed,
    ) -> Result<(), KeyError> {
        let is_theirs = |candidate: &Candidate| candidate.record().tenant == *tenant;
        match self.find(id, feed) {
            Found::Unknown => return Err(KeyError::Unknown),
            Found::Record(kept) if is_theirs(&kept) => match self.vouch(&kept, visit, feed) {
                Vouched::Yes => return Ok(()),
                Vouched::No(refused) => return Err(refused),
                Vouched::Outdated => {}
            },
            Found::Record(_) | Found::Nothing => {}
        }
        let ticket = self.begin(id, feed);
        let record = store.by_id(id).await;
        let record = record.map_err(|StoreUnavailable| KeyError::Unavailable)?;
        let candidate = self.keep(ticket, record)?.filter(is_theirs);
        match self.vouch(&candidate.ok_or(KeyError::Unknown)?, visit, feed) {
            Vouched::Yes => Ok(()),
            Vouched::No(refused) => Err(refused),
            Vouched::Outdated => Err(KeyError::Unavailable),
        }
    }

    async fn load(
        &self,
        presented: Shown<'_>,
        store: &dyn KeyStore,
        feed: &dyn RevocationFeed,
    ) -> Result<Candidate, KeyError> {
        let ticket = self.begin(presented.id, feed);
        let record = store.by_id(presented.id).await;
        let record = record.map_err(|StoreUnavailable| KeyError::Unavailable)?;
        self.loaded(ticket, record, presented)
    }
}
