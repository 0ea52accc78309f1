//! Who may use which key, and which calls that takes. Against the fake.

use serde_json::json;
use strongroom_envelope::{Dek, KeyAdmin as _, Kms as _, KmsError, Purpose};
use strongroom_envelope_aws::{AwsKeyAdmin, AwsKms, BroughtKeys, PendingWindow};

use crate::fake::{ADMIN, Fake, Fault, SERVICE};
use crate::target::{Target, key, patient};

#[tokio::test]
async fn the_roles_do_not_overlap() {
    let fake = Fake::start().await;
    let Target {
        kms, admin, tenant, ..
    } = fake.target();
    let root = key("root");
    admin.create(&tenant, &root).await.unwrap();
    let dek = Dek::generate().unwrap();
    let wrap = kms
        .wrap(&tenant, &root, &Purpose::Record, &dek)
        .await
        .unwrap();

    let sealer = fake.config(SERVICE);
    let sealer = AwsKeyAdmin::new(sealer, patient(), PendingWindow::SHORTEST);
    let second = key("second");
    assert_eq!(sealer.create(&tenant, &second).await, Err(KmsError::Denied));
    assert_eq!(sealer.rotate(&tenant, &root).await, Err(KmsError::Denied));
    assert_eq!(sealer.disable(&tenant, &root).await, Err(KmsError::Denied));
    assert_eq!(sealer.enable(&tenant, &root).await, Err(KmsError::Denied));
    assert_eq!(sealer.destroy(&tenant, &root).await, Err(KmsError::Denied));

    let opener = AwsKms::new(fake.config(ADMIN), patient());
    assert_eq!(
        opener.wrap(&tenant, &root, &Purpose::Record, &dek).await,
        Err(KmsError::Denied)
    );
    let unwrapped = opener.unwrap(&tenant, &Purpose::Record, &wrap).await;
    assert_eq!(unwrapped.unwrap_err(), KmsError::Denied);
    assert_eq!(fake.states(), ["Enabled"]);
}

#[tokio::test]
async fn each_call_names_the_key_and_the_context() {
    let fake = Fake::start().await;
    let Target {
        kms, admin, tenant, ..
    } = fake.target();
    let (root, second) = (key("root"), key("user:4"));
    admin.create(&tenant, &root).await.unwrap();
    admin.create(&tenant, &second).await.unwrap();
    let dek = Dek::generate().unwrap();
    let wrap = kms
        .wrap(&tenant, &root, &Purpose::Record, &dek)
        .await
        .unwrap();
    kms.unwrap(&tenant, &Purpose::Record, &wrap).await.unwrap();

    let alias = format!("alias/strongroom/{tenant}/root");
    let context = |key: &str| {
        json!({
            "strongroom:tenant": tenant.to_string(),
            "strongroom:key": key,
            "strongroom:purpose": "record",
        })
    };
    for action in ["Encrypt", "Decrypt"] {
        let calls = fake.calls(action);
        assert_eq!(calls.len(), 1, "{action}");
        assert_eq!(calls[0]["KeyId"], alias, "{action}");
        assert_eq!(calls[0]["EncryptionContext"], context("root"), "{action}");
    }

    // A rewrap happens within the KMS.
    kms.rewrap(&tenant, &Purpose::Record, &wrap, &second)
        .await
        .unwrap();
    let call = &fake.calls("ReEncrypt")[0];
    assert_eq!(call["SourceKeyId"], alias);
    assert_eq!(call["SourceEncryptionContext"], context("root"));
    assert_eq!(call["DestinationEncryptionContext"], context("user:4"));
    let alias = format!("alias/strongroom/{tenant}/user_c4");
    assert_eq!(call["DestinationKeyId"], alias);
    assert_eq!(fake.calls("Encrypt").len(), 1);
    assert_eq!(fake.calls("Decrypt").len(), 1);
}

#[tokio::test]
async fn a_brought_key_serves_its_tenant_alone() {
    let fake = Fake::start().await;
    let Target {
        admin,
        tenant,
        other,
        ..
    } = fake.target();
    let (arn, unlisted) = (fake.foreign_key(), fake.foreign_key());
    let mut brought = BroughtKeys::new();
    brought.add(tenant, arn.parse().unwrap()).unwrap();
    let kms = AwsKms::new(fake.config(SERVICE), patient()).with_brought_keys(brought);

    let dek = Dek::generate().unwrap();
    let wrap = kms
        .wrap(&tenant, &key(&arn), &Purpose::Record, &dek)
        .await
        .unwrap();
    assert_eq!(wrap.key_ref, key(&arn));
    let unwrapped = kms.unwrap(&tenant, &Purpose::Record, &wrap).await.unwrap();
    assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());
    kms.describe(&tenant, &key(&arn)).await.unwrap();
    kms.rewrap(&tenant, &Purpose::Record, &wrap, &key(&arn))
        .await
        .unwrap();

    let calls = fake.total();
    let alias_of_tenant = format!("alias/strongroom/{tenant}/root");
    let id = arn.rsplit('/').next().unwrap();
    let alias_arn = arn.replace(&format!("key/{id}"), &alias_of_tenant);
    for (tenant, name) in [
        (&other, arn.as_str()),
        (&tenant, unlisted.as_str()),
        (&tenant, alias_arn.as_str()),
        (&other, alias_of_tenant.as_str()),
        (&tenant, "alias/aws/s3"),
        (&tenant, "arn:"),
    ] {
        let name = key(name);
        let denied = KmsError::Denied;
        assert_eq!(
            kms.wrap(tenant, &name, &Purpose::Record, &dek).await,
            Err(denied),
            "{name}"
        );
        let described = kms.describe(tenant, &name).await;
        assert_eq!(described.unwrap_err(), denied, "{name}");
        let mut renamed = wrap.clone();
        renamed.key_ref = name.clone();
        let unwrapped = kms.unwrap(tenant, &Purpose::Record, &renamed).await;
        assert_eq!(unwrapped.unwrap_err(), denied, "{name}");
        let rewrapped = kms
            .rewrap(tenant, &Purpose::Record, &renamed, &key("root"))
            .await;
        assert_eq!(rewrapped, Err(denied), "{name}");
    }
    let rewrapped = kms
        .rewrap(&tenant, &Purpose::Record, &wrap, &key(&unlisted))
        .await;
    assert_eq!(rewrapped, Err(KmsError::Denied));

    // Its owner administers it.
    let arn = key(&arn);
    assert_eq!(admin.create(&tenant, &arn).await, Err(KmsError::Denied));
    assert_eq!(admin.rotate(&tenant, &arn).await, Err(KmsError::Denied));
    assert_eq!(admin.disable(&tenant, &arn).await, Err(KmsError::Denied));
    assert_eq!(admin.enable(&tenant, &arn).await, Err(KmsError::Denied));
    assert_eq!(admin.destroy(&tenant, &arn).await, Err(KmsError::Denied));
    assert_eq!(fake.total(), calls, "refused without a call");
}

#[tokio::test]
async fn a_wrap_that_is_not_ours_is_refused_without_a_call() {
    let fake = Fake::start().await;
    let Target {
        kms, admin, tenant, ..
    } = fake.target();
    admin.create(&tenant, &key("root")).await.unwrap();
    let dek = Dek::generate().unwrap();
    let wrap = kms
        .wrap(&tenant, &key("root"), &Purpose::Record, &dek)
        .await
        .unwrap();
    let calls = fake.total();
    for (provider, version, length) in [(1, 0, 100), (3, 1, 100), (3, 0, 0), (3, 0, 1025)] {
        let mut changed = wrap.clone();
        changed.provider = strongroom_envelope::Provider::from_number(provider).unwrap();
        changed.key_version = version;
        changed.bytes.resize(length, 0);
        assert!(
            kms.unwrap(&tenant, &Purpose::Record, &changed)
                .await
                .is_err()
        );
    }
    assert_eq!(fake.total(), calls);
}

#[tokio::test]
async fn a_key_that_lost_the_race_for_its_alias_does_not_stay() {
    let fake = Fake::start().await;
    let Target { admin, tenant, .. } = fake.target();
    fake.plant("CreateAlias", 1, Fault::Refuse("AlreadyExistsException"));
    let created = admin.create(&tenant, &key("root")).await;
    assert_eq!(created, Err(KmsError::AlreadyExists));
    assert_eq!(fake.states(), ["PendingDeletion"]);

    // The alias stands, though nobody heard so: its key must live.
    fake.plant("CreateAlias", 1, Fault::Disconnect);
    let created = admin.create(&tenant, &key("root")).await;
    assert_eq!(created, Err(KmsError::Unavailable));
    assert_eq!(fake.states(), ["PendingDeletion", "Enabled"]);
    let created = admin.create(&tenant, &key("root")).await;
    assert_eq!(created, Err(KmsError::AlreadyExists));
    assert_eq!(fake.states().len(), 2);
}

#[tokio::test]
async fn a_new_key_is_tagged_with_whose_it_is() {
    let fake = Fake::start().await;
    let Target { admin, tenant, .. } = fake.target();
    admin.create(&tenant, &key("user:4")).await.unwrap();
    let call = &fake.calls("CreateKey")[0];
    assert_eq!(
        call["Tags"],
        json!([
            { "TagKey": "strongroom:tenant", "TagValue": tenant.to_string() },
            { "TagKey": "strongroom:key", "TagValue": "user:4" },
        ])
    );
    assert_eq!(call["KeySpec"], "SYMMETRIC_DEFAULT");
    assert_eq!(call["KeyUsage"], "ENCRYPT_DECRYPT");
}
