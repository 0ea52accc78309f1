//! Where the records are, and a whole check against it.

use std::future::Future;
use std::pin::Pin;

use crate::shown::Shown;
use crate::{
    Accepted, Candidate, Found, KeyError, KeyGate, KeyId, KeyRecord, RevocationFeed, VerifiedKey,
    Visit,
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
        let presented = presented.into();
        match self.find(presented.id, feed) {
            Found::Unknown => return Err(self.reject_unknown(presented)),
            Found::Record(kept) => match self.accept(&kept, presented, visit, feed) {
                Accepted::Yes(verified) => return Ok(verified),
                Accepted::No(refused) => return Err(refused),
                Accepted::Outdated => {}
            },
            Found::Nothing => {}
        }
        let candidate = self.load(presented, store, feed).await?;
        match self.accept(&candidate, presented, visit, feed) {
            Accepted::Yes(verified) => Ok(verified),
            Accepted::No(refused) => Err(refused),
            Accepted::Outdated => Err(KeyError::Unavailable),
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
