//! Second gate: how often an address may ask, and, once known, a caller.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
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

use super::request_id::RequestContext;
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
        let edge = count(limits.edge_per_10_seconds);
        let pause = Duration::from_secs(10) / edge.get();
        let edge = Quota::with_period(pause.max(Duration::from_nanos(1)))
            .map_or_else(|| Quota::per_second(edge), |quota| quota.allow_burst(edge));
        Self {
            edge: RateLimiter::keyed(edge),
            proxy: RateLimiter::keyed(per_second(limits.proxy_per_second, limits.proxy_burst)),
            caller: RateLimiter::keyed(per_second(limits.caller_per_second, limits.caller_burst)),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        let address = network(address);
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

/// What one client has for itself: an IPv4 address, or an IPv6 network of 64 bits, in which it can
/// take any address it likes.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

pub(super) fn per_second(rate: u32, burst: u32) -> Quota {
    Quota::per_second(count(rate)).allow_burst(count(burst))
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

pub(super) fn check<K: std::hash::Hash + Eq + Clone>(
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
    let address = client_address(&app.config, peer.ip(), request.headers());
    let checked = address.and_then(|address| {
        app.limits.check_address(address)?;
        Ok(address)
    });
    match checked {
        Ok(address) => {
            if let Some(context) = request.extensions().get::<Arc<RequestContext>>() {
                context.arrived_from(address);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The client's address: the peer's, or behind a trusted proxy the last one that the proxy added.
/// A proxy that adds none asks for itself, as for its health checks.
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
    let Some(forwarded) = headers.get("x-forwarded-for") else {
        return Ok(peer);
    };
    // What stands further left was written by the client itself.
    let last = forwarded
        .to_str()
        .ok()
        .and_then(|list| list.rsplit(',').next())
        .map(str::trim);
    last.and_then(address).ok_or_else(|| {
        Problem::new(Kind::MalformedRequest, "the proxy gave no client address")
            .with_param("x-forwarded-for")
    })
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    text.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        RateLimits::new(&Limits {
            edge_per_10_seconds: 100,
            proxy_per_second: 1,
            proxy_burst: 20,
            caller_per_second: 1,
            caller_burst: 20,
            body_bytes: 1024,
            concurrent_calls: 1,
        })
    }

    #[test]
    fn twenty_at_once_pass_and_the_next_is_told_when_to_come_back() {
        let limits = limits();
        let address = IpAddr::from([127, 0, 0, 1]);
        let (begun, mut passed) = (std::time::Instant::now(), 0);
        let problem = loop {
            match limits.check_address(address) {
                Ok(()) if passed < 1000 => passed += 1,
                Ok(()) => panic!("no limit"),
                Err(problem) => break problem,
            }
        };
        // And one for each second that this took.
        let most = 20 + begun.elapsed().as_secs();
        assert!((20..=most).contains(&passed), "{passed}");
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
        let silent = client_address(&config, proxy, &HeaderMap::new()).unwrap();
        assert_eq!(silent, proxy);
        for (text, found) in [
            ("9.9.9.9:4711", Some("9.9.9.9")),
            ("6.6.6.6, [2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("9.9.9.9,", None),
            ("", None),
            ("unknown", None),
            ("9.9.9.9:x", None),
            ("[2001:db8::1]", None),
        ] {
            headers.insert("x-forwarded-for", text.parse().unwrap());
            let read = client_address(&config, proxy, &headers);
            match found {
                Some(found) => assert_eq!(read.unwrap(), found.parse::<IpAddr>().unwrap()),
                None => assert_eq!(read.unwrap_err().kind(), Kind::MalformedRequest, "{text}"),
            }
        }
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(same("::ffff:9.9.9.9", "9.9.9.9"));
        assert!(!same("::ffff:9.9.9.9", "::ffff:9.9.9.8"));
        let limits = limits();
        let refused = (0..40_u16).filter(|&host| {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host);
            limits.check_address(address.into()).is_err()
        });
        assert!(refused.count() > 0);
    }
}
