//! What a test runs against.

use std::time::Duration;

use aws_sdk_kms::config::{Builder, Credentials, Region};
use strongroom_envelope::{Dek, KeyRef};
use strongroom_envelope_aws::{AwsKeyAdmin, AwsKms, CallLimits, PendingWindow, aws_sdk_kms};
use strongroom_tenancy::TenantId;
use uuid::Uuid;

pub(crate) const SECRET: &str = "the-secret-part-of-the-credentials";

/// A KMS, with two tenants that it has not seen before.
pub(crate) struct Target {
    pub(crate) kms: AwsKms,
    pub(crate) admin: AwsKeyAdmin,
    pub(crate) tenant: TenantId,
    pub(crate) other: TenantId,
}

/// Time enough for a busy machine.
pub(crate) fn patient() -> CallLimits {
    CallLimits {
        connect: Duration::from_secs(20),
        attempt: Duration::from_secs(20),
        call: Duration::from_secs(60),
        attempts: 3,
    }
}

pub(crate) fn config(endpoint: &str, region: &str, access_key: &str) -> Builder {
    Builder::new()
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(access_key, SECRET, None, None, "test"))
}

impl Target {
    pub(crate) fn new(service: Builder, admin: Builder) -> Self {
        Self {
            kms: AwsKms::new(service, patient()),
            admin: AwsKeyAdmin::new(admin, patient(), PendingWindow::SHORTEST),
            tenant: tenant(),
            other: tenant(),
        }
    }
}

pub(crate) fn tenant() -> TenantId {
    let dek = Dek::generate().unwrap();
    let bytes: [u8; 16] = dek.expose_bytes()[..16].try_into().unwrap();
    TenantId::from_uuid(Uuid::from_bytes(bytes)).unwrap()
}

pub(crate) fn key(name: &str) -> KeyRef {
    name.parse().unwrap()
}
