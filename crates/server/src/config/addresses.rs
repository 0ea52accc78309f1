//! Where the server listens, what it is called, and whom it asks.

use std::net::{IpAddr, SocketAddr};

use super::{ConfigError, optional, refuse};

/// The gateway's address.
pub(super) fn listen(text: &str, is_behind_proxy: bool) -> Result<SocketAddr, ConfigError> {
    let key = "listen";
    let listen: SocketAddr = text.parse().map_err(|e| refuse(&key, &e))?;
    if !listen.ip().is_loopback() && !is_behind_proxy {
        let reason = "must be loopback, or set behind_tls_proxy.trusted: this server speaks \
                      no TLS of its own";
        return Err(refuse(&key, &reason));
    }
    Ok(listen)
}

/// The metrics' address, if they are read: whoever reaches it may read, so nobody does from elsewhere.
pub(super) fn metrics(text: &str, listen: SocketAddr) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = optional(text) else {
        return Ok(None);
    };
    let key = "metrics.listen";
    let metrics: SocketAddr = text.parse().map_err(|e| refuse(&key, &e))?;
    if !metrics.ip().is_loopback() {
        return Err(refuse(&key, &"must be loopback"));
    }
    if metrics.port() != 0 && metrics.port() == listen.port() {
        return Err(refuse(&key, &"must have a port of its own"));
    }
    Ok(Some(metrics))
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
