//! Which sender's conventions are followed, and its keys in a file.

use std::path::Path;

use clap::ValueEnum;
use strongroom::webhook_sig::{GithubSecret, ReceiverKey, Scheme, SenderKey, WebhookError};

use crate::failure::Failure;
use crate::input;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Chosen {
    /// Standard Webhooks, v1 and v1a
    Standard,
    /// Standard Webhooks under Svix's header names
    Svix,
    /// Stripe
    Stripe,
    /// Slack
    Slack,
    /// GitHub, which signs no time
    Github,
}

impl Chosen {
    /// The scheme, if it signs a time.
    pub(super) const fn dated(self) -> Option<Scheme> {
        match self {
            Self::Standard => Some(Scheme::Standard),
            Self::Svix => Some(Scheme::Svix),
            Self::Stripe => Some(Scheme::Stripe),
            Self::Slack => Some(Scheme::Slack),
            Self::Github => None,
        }
    }
}

/// Reads keys to sign with, one a line.
pub(super) fn sender_keys(scheme: Scheme, path: &Path) -> Result<Vec<SenderKey>, Failure> {
    read(path, |line| SenderKey::parse(scheme, line))
}

/// Reads keys to verify with, one a line.
pub(super) fn receiver_keys(scheme: Scheme, path: &Path) -> Result<Vec<ReceiverKey>, Failure> {
    read(path, |line| ReceiverKey::parse(scheme, line))
}

/// Reads GitHub's secrets, one a line.
pub(super) fn github_secrets(path: &Path) -> Result<Vec<GithubSecret>, Failure> {
    read(path, str::parse)
}

fn read<K>(
    path: &Path,
    parse: impl Fn(&str) -> Result<K, WebhookError>,
) -> Result<Vec<K>, Failure> {
    let text = input::secret(Some(path))?;
    let keys: Result<Vec<_>, WebhookError> = text.lines().map(parse).collect();
    keys.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}
