//! Bounded time and bounded retries. Against the fake.

use std::time::{Duration, Instant};

use aws_credential_types::provider::{ProvideCredentials, future};
use strongroom_envelope::{Dek, KeyAdmin as _, Kms as _, KmsError, Purpose};
use strongroom_envelope_aws::aws_sdk_kms::config::{Builder, Region};
use strongroom_envelope_aws::{AwsKeyAdmin, AwsKms, CallLimits, PendingWindow};

use crate::fake::{ADMIN, Fake, Fault, SERVICE};
use crate::target::{Target, key};

fn short() -> CallLimits {
    CallLimits {
        connect: Duration::from_millis(500),
        attempt: Duration::from_millis(300),
        call: Duration::from_millis(1200),
        attempts: 3,
    }
}

/// Whether it took no longer than a short call may, on a busy machine.
fn is_in_time(begun: Instant) -> bool {
    begun.elapsed() < Duration::from_secs(5)
}

async fn with_key(fake: &Fake) -> (AwsKms, Target) {
    let target = fake.target();
    target
        .admin
        .create(&target.tenant, &key("root"))
        .await
        .unwrap();
    (AwsKms::new(fake.config(SERVICE), short()), target)
}

#[tokio::test]
async fn a_kms_that_does_not_answer_is_unavailable() {
    let fake = Fake::start().await;
    let (kms, Target { tenant, .. }) = with_key(&fake).await;
    let dek = Dek::generate().unwrap();
    for fault in [Fault::Hang, Fault::StallInBody, Fault::Disconnect] {
        let begun = Instant::now();
        fake.plant("Encrypt", 3, fault);
        let wrapped = kms
            .wrap(&tenant, &key("root"), &Purpose::Record, &dek)
            .await;
        assert_eq!(wrapped, Err(KmsError::Unavailable));
        assert!(is_in_time(begun), "{:?}", begun.elapsed());
        fake.forget_faults();
    }
    let config = fake.config(ADMIN);
    let admin = AwsKeyAdmin::new(config, short(), PendingWindow::SHORTEST);
    fake.plant("DisableKey", 1, Fault::Hang);
    let begun = Instant::now();
    let disabled = admin.disable(&tenant, &key("root")).await;
    assert_eq!(disabled, Err(KmsError::Unavailable));
    assert!(is_in_time(begun));
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailability() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    // Port 1 is nobody's.
    let config = fake.config(SERVICE).endpoint_url("http://127.0.0.1:1");
    let begun = Instant::now();
    let described = AwsKms::new(config, short())
        .describe(&tenant, &key("root"))
        .await;
    assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    assert!(is_in_time(begun));
}

#[tokio::test]
async fn a_configuration_that_lacks_something_is_unavailability() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    let before = fake.total();
    let complete = || fake.config(SERVICE);
    let no_credentials = Builder::new().region(Region::new("eu-central-1"));
    for config in [
        Builder::new(),
        no_credentials,
        complete().region(None),
        complete().endpoint_url("no address"),
        complete().endpoint_url("ftp://127.0.0.1"),
    ] {
        let described = AwsKms::new(config, short())
            .describe(&tenant, &key("root"))
            .await;
        assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    }
    assert_eq!(fake.total(), before);
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn credentials_that_never_come_are_unavailability() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    let config = fake.config(SERVICE).credentials_provider(NoCredentials);
    let before = fake.total();
    let begun = Instant::now();
    let described = AwsKms::new(config, short())
        .describe(&tenant, &key("root"))
        .await;
    assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    assert!(is_in_time(begun), "{:?}", begun.elapsed());
    assert_eq!(fake.total(), before);
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let fake = Fake::start().await;
    let (_, Target { kms, tenant, .. }) = with_key(&fake).await;
    let dek = Dek::generate().unwrap();
    for fault in [
        Fault::Refuse("ThrottlingException"),
        Fault::Refuse("KMSInternalException"),
        Fault::Disconnect,
    ] {
        fake.plant("Encrypt", 2, fault);
        kms.wrap(&tenant, &key("root"), &Purpose::Record, &dek)
            .await
            .unwrap();
    }
    assert_eq!(fake.calls("Encrypt").len(), 9);
}

#[tokio::test]
async fn a_call_ends_though_an_attempt_may_take_longer() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    let limits = CallLimits {
        attempt: Duration::from_secs(10),
        attempts: 1,
        ..short()
    };
    let kms = AwsKms::new(fake.config(SERVICE), limits);
    fake.plant("DescribeKey", 1, Fault::Hang);
    let begun = Instant::now();
    let described = kms.describe(&tenant, &key("root")).await;
    assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    assert!(is_in_time(begun), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_tried_again() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    let limits = CallLimits {
        attempt: Duration::from_secs(1),
        ..crate::target::patient()
    };
    let kms = AwsKms::new(fake.config(SERVICE), limits);
    for fault in [Fault::Hang, Fault::StallInBody] {
        fake.plant("DescribeKey", 1, fault);
        let begun = Instant::now();
        kms.describe(&tenant, &key("root")).await.unwrap();
        assert!(begun.elapsed() >= limits.attempt);
    }
}

#[tokio::test]
async fn a_lasting_failure_is_tried_as_often_as_allowed() {
    let fake = Fake::start().await;
    let (_, Target { tenant, .. }) = with_key(&fake).await;
    let root = key("root");
    for (attempts, made) in [(0, 1), (1, 1), (3, 3)] {
        let limits = CallLimits {
            attempts,
            ..crate::target::patient()
        };
        let kms = AwsKms::new(fake.config(SERVICE), limits);
        for (name, expected) in [
            ("ThrottlingException", KmsError::Throttled),
            ("KMSInternalException", KmsError::Unavailable),
        ] {
            let before = fake.total();
            fake.plant("DescribeKey", 10, Fault::Refuse(name));
            let described = kms.describe(&tenant, &root).await;
            assert_eq!(described.unwrap_err(), expected);
            assert_eq!(fake.total() - before, made, "{attempts} attempts, {name}");
            fake.forget_faults();
        }
    }
    // What is final is not tried again.
    let (before, kms) = (fake.total(), fake.target().kms);
    fake.plant("DescribeKey", 10, Fault::Refuse("AccessDeniedException"));
    assert!(kms.describe(&tenant, &root).await.is_err());
    assert_eq!(fake.total() - before, 1);
}

#[tokio::test]
async fn administration_is_tried_once() {
    let fake = Fake::start().await;
    let (_, Target { admin, tenant, .. }) = with_key(&fake).await;
    let root = key("root");
    for fault in [
        Fault::Refuse("ThrottlingException"),
        Fault::Refuse("KMSInternalException"),
        Fault::Disconnect,
    ] {
        for action in [
            "CreateKey",
            "RotateKeyOnDemand",
            "DisableKey",
            "EnableKey",
            "ScheduleKeyDeletion",
        ] {
            let before = fake.calls(action).len();
            fake.plant(action, 1, fault.clone());
            let error = match action {
                "CreateKey" => admin.create(&tenant, &key("new")).await.unwrap_err(),
                "RotateKeyOnDemand" => admin.rotate(&tenant, &root).await.unwrap_err(),
                "DisableKey" => admin.disable(&tenant, &root).await.unwrap_err(),
                "EnableKey" => admin.enable(&tenant, &root).await.unwrap_err(),
                _ => admin.destroy(&tenant, &root).await.unwrap_err(),
            };
            assert!(error.is_retryable(), "{action}: {error}");
            assert_eq!(fake.calls(action).len() - before, 1, "{action}");
        }
    }
}

#[tokio::test]
async fn an_outage_brings_no_storm_of_retries() {
    let fake = Fake::start().await;
    let (_, Target { kms, tenant, .. }) = with_key(&fake).await;
    let (root, before) = (key("root"), fake.total());
    fake.plant("DescribeKey", 10_000, Fault::Refuse("KMSInternalException"));
    let calls = (0..300).map(|_| kms.describe(&tenant, &root));
    for described in futures_util::future::join_all(calls).await {
        assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    }
    let made = fake.total() - before;
    assert!(made < 450, "{made} requests for 300 calls");
}
