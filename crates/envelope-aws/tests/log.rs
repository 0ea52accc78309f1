//! What the SDK logs, against the fake; alone in its process, as `tracing` may lose events of one
//! thread while others log without a subscriber.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "aws/fake/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod fake;
#[path = "aws/target.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod target;

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_envelope::{Dek, KeyAdmin as _, Kms as _, Purpose};
use strongroom_envelope_aws::aws_sdk_kms::config::StalledStreamProtectionConfig;
use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{ADMIN, Fake, SERVICE};
use crate::target::{SECRET, Target, key};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_sdk_logs_no_key_at_any_level() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let dispatch = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let fake = Fake::start().await;
    // On, it hides what is sent from the log.
    let protection = StalledStreamProtectionConfig::disabled();
    let config = |role| {
        fake.config(role)
            .stalled_stream_protection(protection.clone())
    };
    let Target {
        kms, admin, tenant, ..
    } = Target::new(config(SERVICE), config(ADMIN));
    admin.create(&tenant, &key("root")).await.unwrap();
    let dek = Dek::generate().unwrap();
    let wrap = kms
        .wrap(&tenant, &key("root"), &Purpose::Record, &dek)
        .await
        .unwrap();
    kms.unwrap(&tenant, &Purpose::Record, &wrap).await.unwrap();
    let mut altered = wrap.clone();
    altered.bytes[40] ^= 1;
    assert!(
        kms.unwrap(&tenant, &Purpose::Record, &altered)
            .await
            .is_err()
    );
    drop(dispatch);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for logged in [
        "transmitting request",
        "TrentService.Decrypt",
        "output_or_error",
    ] {
        assert!(log.contains(logged), "nothing was logged: {logged}");
    }
    let blob = STANDARD.encode(&wrap.bytes);
    assert!(log.contains(&blob), "no body was logged");
    let bytes = dek.expose_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let escaped = bytes.escape_ascii().to_string();
    let base64 = STANDARD.encode(bytes);
    for secret in [
        &base64,
        base64.trim_end_matches('='),
        &hex,
        &hex.to_uppercase(),
        &format!("{bytes:?}"),
        &escaped,
        SECRET,
    ] {
        assert!(!log.contains(secret), "a secret is logged");
    }
}
