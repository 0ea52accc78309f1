//! The SDK's client, bounded in time.

use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Builder};

/// How long a call to AWS KMS may take, and how often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// For a connection to stand.
    pub connect: Duration,
    /// For one attempt, from the request to the end of its answer.
    pub attempt: Duration,
    /// For a call with all its attempts and the pauses between them, and the search for
    /// credentials before it.
    pub call: Duration,
    /// How often a call of [`AwsKms`](crate::AwsKms) is tried when AWS KMS throttles, fails or
    /// does not answer; 0 means 1. After a run of failures the SDK stops to try again at all,
    /// until calls succeed. [`AwsKeyAdmin`](crate::AwsKeyAdmin) never tries twice.
    pub attempts: u32,
}

impl Default for CallLimits {
    /// 1 s to connect, 2 s an attempt, 5 s a call, 3 attempts.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            attempt: Duration::from_secs(2),
            call: Duration::from_secs(5),
            attempts: 3,
        }
    }
}

/// A client whose calls are tried again within the limits.
pub(crate) fn retrying(config: Builder, limits: CallLimits) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(limits.attempts.max(1))
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(1));
    build(config, limits, retries)
}

/// A client whose calls are tried once: an answer that was lost must not become a second key.
pub(crate) fn once(config: Builder, limits: CallLimits) -> Client {
    build(config, limits, RetryConfig::disabled())
}

fn build(config: Builder, limits: CallLimits, retries: RetryConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(limits.connect)
        .operation_attempt_timeout(limits.attempt)
        .operation_timeout(limits.call)
        .build();
    let config = config
        .behavior_version(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(retries);
    Client::from_conf(config.build())
}
