//! The LLM provider: any OpenAI-compatible one, called with the tenant's own credential.

use std::time::Duration;

use memchr::memmem::Finder;
use reqwest::{Client, Url, redirect};
use zeroize::Zeroizing;

use crate::config::Config;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 8 << 20;

/// How long a credential must be, in bytes, to be looked for in answers: a shorter one would be
/// found in many that say nothing of it.
const LEAST_ECHO: usize = 8;

/// How often an answer's escapes are decoded: JSON in a string of JSON in a string.
const ESCAPES: usize = 3;

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
    /// No connection, or an answer that is broken or tells the credential.
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
    pub async fn chat(&self, credential: &[u8], body: Vec<u8>) -> Result<Vec<u8>, UpstreamError> {
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
        if tells(&answer, credential) {
            tracing::error!("the provider's answer tells the credential");
            return Err(UpstreamError::Broken);
        }
        Ok(answer)
    }
}

/// Whether an answer tells the credential, as it is or with characters of it escaped (RFC 8259,
/// section 7).
fn tells(answer: &[u8], credential: &[u8]) -> bool {
    if credential.len() < LEAST_ECHO {
        return false;
    }
    let finder = Finder::new(credential);
    let mut decoded = Zeroizing::new(Vec::new());
    for pass in 0..=ESCAPES {
        let text = if pass == 0 { answer } else { &decoded };
        if finder.find(text).is_some() {
            return true;
        }
        if !text.contains(&b'\\') {
            return false;
        }
        decoded = Zeroizing::new(unescape(text));
    }
    false
}

/// A text with each ASCII escape of JSON's as the character that it stands for.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [b'u', b'0', b'0', high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let code = digit(*high).zip(digit(*low));
                let byte = code.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                plain.push(byte.unwrap_or(b'u'));
                if byte.is_some() {
                    rest = after;
                }
            }
            (b'\\', [escaped, after @ ..]) => {
                // A line break and the like stand in no credential.
                plain.push(if b"bfnrt".contains(escaped) {
                    b' '
                } else {
                    *escaped
                });
                rest = after;
            }
            (byte, _) => plain.push(*byte),
        }
    }
    plain
}

fn failure(error: reqwest::Error) -> UpstreamError {
    if error.is_timeout() {
        UpstreamError::Timeout
    } else {
        UpstreamError::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_tells_the_credential_is_known_however_it_is_written() {
        let credential = b"sk-live/4f9aQ7";
        for text in [
            r#"{"key":"sk-live/4f9aQ7"}"#,
            r#"sk-live/4f9aQ7"#,
            r#"{"key":"sk-live\/4f9aQ7"}"#,
            r#"{"key":"\u0073k-live/4f9aQ7"}"#,
            r#"{"key":"sk\u002Dlive\u002f4f9aQ7"}"#,
            r#"{"arguments":"{\"key\":\"\\u0073k-live/4f9aQ7\"}"}"#,
            r#"{"\\\\\\u0073k-live/4f9aQ7":1}"#,
        ] {
            assert!(tells(text.as_bytes(), credential), "{text}");
        }
        for text in [
            "",
            "\\",
            "\\u",
            "\\u00",
            "\\u00zz",
            "sk-live/4f9aQ8",
            "\\u007",
        ] {
            assert!(!tells(text.as_bytes(), credential), "{text}");
        }
        assert!(!tells(b"a test", b"test"));
    }
}
