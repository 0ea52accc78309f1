//! What is printed. Against the fake; what is logged is in `tests/log.rs`.

use strongroom_envelope_aws::{AwsKeyAdmin, AwsKms, BroughtKeys, PendingWindow};

use crate::fake::{ADMIN, Fake, SERVICE};
use crate::target::patient;

#[tokio::test]
async fn debug_shows_no_credentials() {
    let fake = Fake::start().await;
    let mut brought = BroughtKeys::new();
    let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
    let arn = "arn:aws:kms:eu-central-1:111122223333:key/1234";
    brought.add(tenant, arn.parse().unwrap()).unwrap();
    let kms = AwsKms::new(fake.config(SERVICE), patient()).with_brought_keys(brought);
    assert_eq!(
        format!("{kms:?}"),
        format!(
            "AwsKms {{ brought: BroughtKeys {{ tenants: {{KeyRef({arn}): TenantId({tenant})}} }}, \
             .. }}"
        )
    );
    let admin = AwsKeyAdmin::new(fake.config(ADMIN), patient(), PendingWindow::LONGEST);
    assert_eq!(
        format!("{admin:?}"),
        "AwsKeyAdmin { window: PendingWindow(30), .. }"
    );
}
