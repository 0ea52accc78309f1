//! The keys of tenants' identity providers: fetched when they are asked for, by the rules of
//! [`KeyCache`], from addresses that were checked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::id_token::{IssuerKeys, IssuerKeysError};
use strongroom_tenant_token::{KeyCache, Refresh};

use crate::clock::Clock;
use crate::jobs::{DestinationError, resolve};

/// The most sets that are kept; then the one that was used longest ago goes.
const MAX_SETS: usize = 1024;

/// The longest document, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// How long a fetch may take, from the look-up of the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sets of keys, one for each tenant and address.
pub struct IssuerKeySets {
    kept: Mutex<HashMap<(TenantId, String), Arc<Kept>>>,
    uses: AtomicU64,
    clock: Arc<dyn Clock>,
    allow_loopback: bool,
}

/// One set.
#[derive(Default)]
struct Kept {
    cache: Mutex<KeyCache<IssuerKeys>>,
    /// Held by who fetches: the others wait for what comes, if they have nothing.
    turn: tokio::sync::Mutex<()>,
    last_use: AtomicU64,
}

/// The keys of an issuer cannot be had; why is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys are not available")]
pub struct KeysUnavailable;

/// Why a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Destination(#[from] DestinationError),
    #[error("no answer in time")]
    Patience,
    #[error("no answer")]
    NoAnswer,
    #[error("an answer with status {0}")]
    Status(u16),
    #[error("longer than 1048576 bytes")]
    TooLarge,
    #[error("not UTF-8")]
    NotText,
    #[error(transparent)]
    Keys(#[from] IssuerKeysError),
}

impl IssuerKeySets {
    /// Nothing is kept yet. With `allow_loopback` keys may come from loopback, without TLS.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, allow_loopback: bool) -> Self {
        Self {
            kept: Mutex::default(),
            uses: AtomicU64::new(0),
            clock,
            allow_loopback,
        }
    }

    /// The keys at an address; fetched first when they are due, or when `kid` is not among them and
    /// nobody has just looked.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when there are none that may be relied on.
    pub async fn keys(
        &self,
        tenant: TenantId,
        url: &Url,
        kid: &str,
    ) -> Result<IssuerKeys, KeysUnavailable> {
        let kept = self.place(tenant, url);
        let now = self.clock.unix_seconds();
        let known = {
            let cache = kept.lock();
            let known = cache.keys(now).filter(|keys| keys.find(kid).is_some());
            match known {
                Some(keys) if !cache.is_due(now) => return Ok(keys.clone()),
                known => known.cloned(),
            }
        };
        let _turn = match &known {
            // Somebody is at it: what was there will do until they have come back.
            Some(known) => match kept.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(known.clone()),
            },
            None => kept.turn.lock().await,
        };
        let now = self.clock.unix_seconds();
        let refresh = {
            let mut cache = kept.lock();
            cache.refresh(now).or_else(|| cache.refresh_for(kid, now))
        };
        if let Some(refresh) = refresh {
            self.fetch(&kept, url, refresh).await;
        }
        let keys = kept.lock().keys(self.clock.unix_seconds()).cloned();
        keys.ok_or(KeysUnavailable)
    }

    async fn fetch(&self, kept: &Kept, url: &Url, refresh: Refresh) {
        let fetched = tokio::time::timeout(PATIENCE, read(url, self.allow_loopback)).await;
        let mut cache = kept.lock();
        let taken = match fetched.unwrap_or(Err(FetchError::Patience)) {
            Ok(text) => {
                let taken = cache.fetched(refresh, &text, self.clock.unix_seconds());
                taken.map_err(FetchError::from)
            }
            Err(error) => {
                cache.failed(refresh);
                Err(error)
            }
        };
        if let Err(error) = taken {
            let host = url.host_str().unwrap_or_default();
            tracing::warn!(%error, host, "an issuer's keys were not fetched");
        }
    }

    fn place(&self, tenant: TenantId, url: &Url) -> Arc<Kept> {
        let use_ = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (tenant, url.as_str().to_owned());
        if !all.contains_key(&place) && all.len() >= MAX_SETS {
            let age = |kept: &Arc<Kept>| kept.last_use.load(Ordering::Relaxed);
            let oldest = all.iter().min_by_key(|(_, kept)| age(kept));
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                all.remove(&oldest);
            }
        }
        let kept = Arc::clone(all.entry(place).or_default());
        kept.last_use.store(use_, Ordering::Relaxed);
        kept
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, KeyCache<IssuerKeys>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One document, from an address that was checked and no other.
async fn read(url: &Url, allow_loopback: bool) -> Result<String, FetchError> {
    let address = resolve(url, allow_loopback).await?;
    let host = url.host_str().ok_or(DestinationError::Url)?;
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .resolve(host, address)
        .build()
        .map_err(|_| FetchError::NoAnswer)?;
    let call = client
        .get(url.clone())
        .header("accept", "application/jwk-set+json, application/json")
        .header("user-agent", "strongroom-login");
    let mut answer = call.send().await.map_err(|_| FetchError::NoAnswer)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| FetchError::NoAnswer)? {
        if bytes.len().saturating_add(chunk.len()) > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| FetchError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let sets = IssuerKeySets::new(Arc::new(ManualClock::at(0)), false);
        let url = |number: usize| format!("https://e.com/{number}").parse().unwrap();
        let first = sets.place(TenantId::PLATFORM, &url(0));
        for number in 1..=MAX_SETS + 10 {
            sets.place(TenantId::PLATFORM, &url(number));
            let again = sets.place(TenantId::PLATFORM, &url(0));
            assert!(Arc::ptr_eq(&first, &again), "{number}");
        }
        assert_eq!(sets.kept.lock().unwrap().len(), MAX_SETS);
    }
}
