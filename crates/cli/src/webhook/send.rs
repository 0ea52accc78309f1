//! `send`: one delivery attempt over HTTP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ureq::http::{Request, Uri};
use ureq::tls::{RootCerts, TlsConfig};

use super::sign::Message;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;

pub(super) const HELP: &str = "\
A status of 2xx is a delivery; any other one, a redirect among them, is none, and exit status 1. One
attempt is made. No proxy is used. Plain http goes to this machine alone.

Examples:
  strongroom webhook send --secret-file secret --url https://example.com/hooks body.json
  strongroom webhook send --secret-file secret --url http://127.0.0.1:8080/hooks < body.json";

#[derive(Args)]
pub(crate) struct Send {
    #[command(flatten)]
    message: Message,
    /// Where to: https, or http on this machine
    #[arg(long)]
    url: Uri,
    /// What the body is
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    /// How long the receiver may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    timeout: u64,
}

impl Send {
    pub(super) fn run(&self, output: Output) -> Result<(), Failure> {
        check(&self.url).map_err(Failure::unusable)?;
        let (headers, body) = self.message.sign()?;
        let mut request = Request::post(self.url.clone())
            .header("content-type", &self.content_type)
            .header(
                "user-agent",
                concat!("strongroom/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(Failure::unusable)?;
        // What went wrong on the way is the receiver's as much as the user's: not delivered.
        let answer = agent(self.timeout)
            .run(request)
            .map_err(|error| Failure::refused(format!("not delivered: {error}")))?;
        let status = answer.status();
        let report = headers.into_iter().fold(
            Report::new().with("status", status.as_u16()),
            |report, (name, value)| {
                // The signature would be good for whoever reads the output, as long as the window.
                match name.ends_with("signature") || name.ends_with("signature-256") {
                    true => report,
                    false => report.with(name, value),
                }
            },
        );
        let later = answer.headers().get("retry-after");
        let later = later.and_then(|value| value.to_str().ok());
        report.with("retry-after", later).print(output)?;
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::RefusedAndShown)
        }
    }
}

/// An agent that makes one request, follows no redirect and uses no proxy.
fn agent(timeout: u64) -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(timeout)))
        .build();
    config.into()
}

fn check(url: &Uri) -> Result<(), &'static str> {
    let host = url.host().unwrap_or_default();
    if host.is_empty()
        || url
            .authority()
            .is_some_and(|all| all.as_str().contains('@'))
    {
        return Err("url: expected a host, and no user");
    }
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_here(host) => Ok(()),
        Some("http") => Err("url: expected https; http is for this machine alone"),
        _ => Err("url: expected https"),
    }
}

fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (url, is_taken) in [
            ("https://example.com/hooks", true),
            ("https://10.0.0.1/", true),
            ("http://127.0.0.1:8080/hooks", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost/", true),
            ("http://example.com/", false),
            ("http://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://0.0.0.0/", false),
            ("ftp://127.0.0.1/", false),
            ("https://user:word@example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("/hooks", false),
            ("example.com", false),
        ] {
            assert_eq!(check(&url.parse().unwrap()).is_ok(), is_taken, "{url}");
        }
    }
}
