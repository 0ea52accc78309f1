//! Where the server listens, what it is called, and whom it asks.

use std::net::{IpAddr, SocketAddr};

use super::{ConfigError, optional, refuse};

/// An address to listen on.
pub(super) fn address(
    key: &'static str,
    text: &str,
    is_behind_proxy: bool,
) -> Result<SocketAddr, ConfigError> {
    let address: SocketAddr = text.parse().map_err(|e| refuse(&key, &e))?;
    if !address.ip().is_loopback() && !is_behind_proxy {
        let reason = "must be loopback, or set behind_tls_proxy.trusted: this server speaks \
                      no TLS of its own";
        return Err(refuse(&key, &reason));
    }
    Ok(address)
}

/// The platform's public URL.
pub(super) fn issuer(text: &str) -> Result<String, ConfigError> {
    let url: reqwest::Url = text
        .parse()
        .map_err(|_| refuse(&"issuer", &"expected a URL"))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() != "https" || url.host_str().is_none() || !plain {
        return Err(refuse(
            &"issuer",
            &"expected an https URL without user, query or fragment",
        ));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The provider's URL, if there is one.
pub(super) fn upstream(text: &str) -> Result<Option<reqwest::Url>, ConfigError> {
    let Some(text) = optional(text) else {
        return Ok(None);
    };
    let key = "upstream.base_url";
    let url: reqwest::Url = text.parse().map_err(|_| refuse(&key, &"expected a URL"))?;
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(refuse(&key, &"must not hold a user, a password or a query"));
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(refuse(&key, &"expected https, or http on loopback"));
    }
    Ok(Some(url))
}
