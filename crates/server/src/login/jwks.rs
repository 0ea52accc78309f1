//! The keys of tenants' identity providers: fetched when they are asked for, by the rules of
//! [`KeyCache`], from addresses that were checked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::id_token::{IssuerKeys, IssuerKeysError};
use strongroom_tenant_token::{KeyCache, Refresh};

use super::fetches::Fetches;
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
    fetches: Fetches,
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
            fetches: Fetches::new(),
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
        match (kept.turn.try_lock(), known) {
            (Ok(_turn), _) => {
                let now = self.clock.unix_seconds();
                let refresh = {
                    let mut cache = kept.lock();
                    let due = cache.refresh(now);
                    due.or_else(|| cache.refresh_for(kid, now))
                };
                if let Some(refresh) = refresh {
                    self.fetch(&kept, tenant, url, refresh).await;
                }
            }
            // Somebody is at it: what was there will do until they have come back,
            (Err(_), Some(known)) => return Ok(known),
            // and who has nothing waits for what they bring, and asks for no more.
            (Err(_), None) => {
                let _ = tokio::time::timeout(PATIENCE, kept.turn.lock()).await;
            }
        }
        let keys = kept.lock().keys(self.clock.unix_seconds()).cloned();
        keys.ok_or(KeysUnavailable)
    }

    async fn fetch(&self, kept: &Kept, tenant: TenantId, url: &Url, refresh: Refresh) {
        let fetched = tokio::time::timeout(PATIENCE, self.read(tenant, url)).await;
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

    /// One document, from an address that was checked and no other, when it is the tenant's turn.
    async fn read(&self, tenant: TenantId, url: &Url) -> Result<String, FetchError> {
        let turn = self.fetches.turn(tenant).await;
        let turn = turn.map_err(|_| FetchError::NoAnswer)?;
        let (name, allow_loopback) = (url.clone(), self.allow_loopback);
        let look_up = async move { resolve(&name, allow_loopback).await };
        let (address, _turn) = turn.hold(look_up).await.ok_or(FetchError::NoAnswer)?;
        document(url, address?).await
    }

    fn place(&self, tenant: TenantId, url: &Url) -> Arc<Kept> {
        let used = self.uses.fetch_add(1, Ordering::Relaxed);
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
        kept.last_use.store(used, Ordering::Relaxed);
        kept
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, KeyCache<IssuerKeys>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an address answers, as the URL's host.
async fn document(url: &Url, address: SocketAddr) -> Result<String, FetchError> {
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
    #[test]
    fn a_set_is_one_tenants() {
        let sets = IssuerKeySets::new(Arc::new(ManualClock::at(0)), false);
        let url = "https://e.com/keys".parse().unwrap();
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let one = sets.place(TenantId::PLATFORM, &url);
        assert!(!Arc::ptr_eq(&one, &sets.place(tenant, &url)));
        assert!(Arc::ptr_eq(&one, &sets.place(TenantId::PLATFORM, &url)));
    }

    /// The name is nobody's: that it is not looked up again shows in that there is an answer.
    #[tokio::test]
    async fn keys_come_from_the_address_that_was_checked() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        crate::upstream::install_tls();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://keys.invalid:{}/keys", address.port());
        let url = url.parse().unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(asked > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            text = document(&url, address) => assert_eq!(text, Ok("{}".to_owned())),
            () = answering => {}
        }
    }

    /// Which proxies there are is read from the environment; another process has another one.
    #[test]
    fn keys_do_not_come_by_a_proxy() {
        let mut run = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "login::jwks::tests::keys_come_from_the_address_that_was_checked";
        run.args(["--exact", name]);
        for (name, value) in [
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("http_proxy", "http://127.0.0.1:1"),
            ("ALL_PROXY", "http://127.0.0.1:1"),
            ("NO_PROXY", ""),
            ("no_proxy", ""),
        ] {
            run.env(name, value);
        }
        let ran = run.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }
}
