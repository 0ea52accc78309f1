//! Where a webhook may go, and an issuer's keys come from: public addresses, checked after the name was resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

/// Why a URL is no destination for webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// Not https, or with a user, a fragment or no host.
    #[error("url: expected https without user or fragment")]
    Url,
    /// The host does not resolve.
    #[error("url: the host does not resolve")]
    Unresolved,
    /// The host resolves to an address that is not public.
    #[error("url: the host is not a public address")]
    NotPublic,
}

/// Checks the shape of a destination, before anything is resolved.
///
/// # Errors
/// [`DestinationError::Url`].
pub fn check_url(url: &Url, allow_loopback: bool) -> Result<(), DestinationError> {
    let scheme = url.scheme() == "https" || (allow_loopback && url.scheme() == "http");
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if scheme && plain && url.host_str().is_some() {
        Ok(())
    } else {
        Err(DestinationError::Url)
    }
}

/// Resolves a destination to one address that may be called; the caller connects to just that one,
/// so that the name cannot be made to point elsewhere in between.
///
/// # Errors
/// [`DestinationError`]; one address that is not public refuses the whole host.
pub(crate) async fn resolve(
    url: &Url,
    allow_loopback: bool,
) -> Result<SocketAddr, DestinationError> {
    check_url(url, allow_loopback)?;
    let host = url
        .host_str()
        .ok_or(DestinationError::Url)?
        .trim_matches(['[', ']']);
    let port = url.port_or_known_default().ok_or(DestinationError::Url)?;
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| DestinationError::Unresolved)?;
    let mut first = None;
    for address in found {
        if !(check_address(address.ip()) || (allow_loopback && address.ip().is_loopback())) {
            return Err(DestinationError::NotPublic);
        }
        first.get_or_insert(address);
    }
    first.ok_or(DestinationError::Unresolved)
}

/// Whether an address is public: none of the ranges that are private, local, shared, reserved or
/// a translation of such (IANA special-purpose address registries).
#[must_use]
pub fn check_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => public_v4(address),
            None => public_v6(address),
        },
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3; of it, Teredo, documentation and 6to4 are not destinations.
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && (b < 0x0200 || b == 0x0db8))
        && a != 0x2002
        && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_destinations() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!check_address(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
        ] {
            assert!(check_address(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn urls_that_are_refused() {
        for text in [
            "http://example.com/",
            "ftp://example.com/",
            "https://u@example.com/",
            "https://e.com/#x",
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!(check_url(&url, false), Err(DestinationError::Url), "{text}");
        }
        assert_eq!(
            check_url(&"http://127.0.0.1:1/".parse().unwrap(), true),
            Ok(())
        );
    }

    #[tokio::test]
    async fn a_name_for_loopback_is_refused_unless_allowed() {
        let url: Url = "https://localhost:1/".parse().unwrap();
        assert_eq!(resolve(&url, false).await, Err(DestinationError::NotPublic));
        assert!(resolve(&url, true).await.unwrap().ip().is_loopback());
    }
}
