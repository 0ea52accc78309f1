//! The LLM provider: any OpenAI-compatible one, called with the tenant's own credential.

use std::time::Duration;

use reqwest::{Client, Url, redirect};
use zeroize::Zeroizing;

use crate::config::Config;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 8 << 20;

/// Chooses AWS-LC for every TLS connection of the process. Any HTTP client needs it done before.
pub fn install_tls() {
    // A second attempt finds it there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A provider to call.
#[derive(Clone)]
pub struct Upstream {
    client: Client,
    chat: Url,
}

/// Why a call brought no answer to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The provider could not be set up.
    #[error("upstream: the client could not be made")]
    Client,
    /// No answer in time.
    #[error("upstream: no answer in time")]
    Timeout,
    /// No connection, or a broken answer.
    #[error("upstream: no answer")]
    Broken,
    /// An answer that is too long.
    #[error("upstream: the answer is too long")]
    TooLong,
    /// An answer that is no success; its text is not passed on, since it may echo a credential.
    #[error("upstream: refused with status {status}")]
    Refused {
        /// The provider's status.
        status: u16,
        /// Its Retry-After in seconds, if it gave one.
        retry_after: Option<u32>,
    },
    /// The credential cannot stand in a header.
    #[error("upstream: the stored credential is malformed")]
    Credential,
}

impl UpstreamError {
    /// A stable name for the audit log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Client => "upstream-client",
            Self::Timeout => "upstream-timeout",
            Self::Broken => "upstream-broken",
            Self::TooLong => "upstream-too-long",
            Self::Refused { .. } => "upstream-refused",
            Self::Credential => "upstream-credential",
        }
    }
}

impl Upstream {
    /// The configured provider, if there is one.
    ///
    /// # Errors
    /// [`UpstreamError::Client`].
    pub fn new(config: &Config) -> Result<Option<Self>, UpstreamError> {
        let Some(base) = &config.upstream else {
            return Ok(None);
        };
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(config.upstream_timeout_seconds))
            .build()
            .map_err(|_| UpstreamError::Client)?;
        let mut chat = base.clone();
        let path = format!("{}/chat/completions", base.path().trim_end_matches('/'));
        chat.set_path(&path);
        Ok(Some(Self { client, chat }))
    }

    /// Sends a redacted request. Nothing of the caller's headers goes with it.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn chat(
        &self,
        credential: &Zeroizing<Vec<u8>>,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, UpstreamError> {
        let mut bearer = Zeroizing::new(b"Bearer ".to_vec());
        bearer.extend_from_slice(credential);
        let mut bearer =
            http::HeaderValue::from_bytes(&bearer).map_err(|_| UpstreamError::Credential)?;
        bearer.set_sensitive(true);
        let mut response = self
            .client
            .post(self.chat.clone())
            .header(http::header::AUTHORIZATION, bearer)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::USER_AGENT, "strongroom-gateway")
            .body(body)
            .send()
            .await
            .map_err(failure)?;
        let status = response.status().as_u16();
        if status != 200 {
            let retry_after = response
                .headers()
                .get(http::header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.parse().ok());
            return Err(UpstreamError::Refused {
                status,
                retry_after,
            });
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if answer.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(UpstreamError::TooLong);
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

fn failure(error: reqwest::Error) -> UpstreamError {
    if error.is_timeout() {
        UpstreamError::Timeout
    } else {
        UpstreamError::Broken
    }
}
