//! Second gate: how often an address may ask, and, once known, a caller.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::HeaderMap;
use strongroom_tenancy::{ActorId, TenantId};

use crate::app::App;
use crate::config::{Config, Limits};
use crate::problem::{Kind, Problem};

/// Keys beyond which idle ones are swept, so that strangers cannot fill the memory.
const SWEEP_ABOVE: usize = 100_000;

type CallerKey = (TenantId, ActorId, &'static str);

/// The limits: two by address, one by caller and route.
pub struct RateLimits {
    edge: DefaultKeyedRateLimiter<IpAddr>,
    proxy: DefaultKeyedRateLimiter<IpAddr>,
    caller: DefaultKeyedRateLimiter<CallerKey>,
}

impl RateLimits {
    /// Limits of these figures.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let count = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let edge = count(limits.edge_per_10_seconds);
        let pause = Duration::from_secs(10) / edge.get();
        let edge = Quota::with_period(pause.max(Duration::from_nanos(1)))
            .map_or_else(|| Quota::per_second(edge), |quota| quota.allow_burst(edge));
        let per_second = |rate, burst| Quota::per_second(count(rate)).allow_burst(count(burst));
        Self {
            edge: RateLimiter::keyed(edge),
            proxy: RateLimiter::keyed(per_second(limits.proxy_per_second, limits.proxy_burst)),
            caller: RateLimiter::keyed(per_second(limits.caller_per_second, limits.caller_burst)),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        check(&self.edge, &address)?;
        check(&self.proxy, &address)
    }

    /// Counts one call of a caller on a route.
    ///
    /// # Errors
    /// A problem that says when to come back.
    pub fn check_caller(
        &self,
        tenant: TenantId,
        actor: ActorId,
        route: &'static str,
    ) -> Result<(), Problem> {
        check(&self.caller, &(tenant, actor, route))
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Problem> {
    if limiter.len() > SWEEP_ABOVE {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|refusal| {
        let wait = refusal.wait_time_from(DefaultClock::default().now());
        let seconds = u32::try_from(wait.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        Problem::new(Kind::RateLimited, "too many requests").with_retry_after(seconds)
    })
}

/// Refuses an address that asks too often, and requests that did not come through the proxy.
pub async fn limit_address(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let checked = client_address(&app.config, peer.ip(), request.headers())
        .and_then(|address| app.limits.check_address(address));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// The client's address: the peer's, or behind a trusted proxy the last one that the proxy added.
fn client_address(config: &Config, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Problem> {
    if config.trusted_proxies.is_empty() {
        return Ok(peer);
    }
    if !config
        .trusted_proxies
        .iter()
        .any(|network| network.contains(peer))
    {
        return Err(Problem::new(
            Kind::UntrustedOrigin,
            "requests are taken from the proxy only",
        ));
    }
    let forwarded = headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok());
    // What stands further left was written by the client itself.
    let last = forwarded
        .and_then(|list| list.rsplit(',').next())
        .map(str::trim);
    last.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Problem::new(Kind::MalformedRequest, "the proxy gave no client address")
            .with_param("x-forwarded-for")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        RateLimits::new(&Limits {
            edge_per_10_seconds: 100,
            proxy_per_second: 10,
            proxy_burst: 20,
            caller_per_second: 10,
            caller_burst: 20,
            body_bytes: 1024,
        })
    }

    #[test]
    fn twenty_at_once_pass_and_the_next_is_told_when_to_come_back() {
        let limits = limits();
        let address = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..20 {
            limits.check_address(address).unwrap();
        }
        let problem = limits.check_address(address).unwrap_err();
        assert_eq!(problem.kind(), Kind::RateLimited);
        limits.check_address(IpAddr::from([127, 0, 0, 2])).unwrap();
    }

    #[test]
    fn only_the_proxy_s_own_word_on_the_address_counts() {
        let config = Config::from_sources(Some("behind_tls_proxy.trusted = ['10.0.0.0/8']"), []);
        let config = config.unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 9.9.9.9".parse().unwrap());
        let proxy = IpAddr::from([10, 0, 0, 1]);
        let address = client_address(&config, proxy, &headers).unwrap();
        assert_eq!(address, IpAddr::from([9, 9, 9, 9]));
        let direct = client_address(&config, IpAddr::from([9, 9, 9, 9]), &headers).unwrap_err();
        assert_eq!(direct.kind(), Kind::UntrustedOrigin);
        let silent = client_address(&config, proxy, &HeaderMap::new()).unwrap_err();
        assert_eq!(silent.kind(), Kind::MalformedRequest);
    }
}
