//! Errors, and answers that are none. Against the fake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use strongroom_envelope::{Dek, KeyAdmin as _, Kms as _, KmsError, Purpose, WrappedDek};

use crate::fake::{Fake, Fault};
use crate::target::{Target, key};

const OTHER: &str = "arn:aws:kms:eu-central-1:111122223333:alias/strongroom";

async fn with_wrap(fake: &Fake) -> (Target, Dek, WrappedDek) {
    let target = fake.target();
    target
        .admin
        .create(&target.tenant, &key("root"))
        .await
        .unwrap();
    let dek = Dek::generate().unwrap();
    let wrapped = target
        .kms
        .wrap(&target.tenant, &key("root"), &Purpose::Record, &dek)
        .await;
    (target, dek, wrapped.unwrap())
}

#[tokio::test]
async fn errors_are_told_apart_by_their_type() {
    let fake = Fake::start().await;
    let (
        Target {
            kms, admin, tenant, ..
        },
        dek,
        wrap,
    ) = with_wrap(&fake).await;
    let root = key("root");
    for (name, expected) in [
        ("AccessDeniedException", KmsError::Denied),
        ("UnrecognizedClientException", KmsError::Denied),
        ("ExpiredTokenException", KmsError::Denied),
        ("InvalidGrantTokenException", KmsError::Denied),
        ("InvalidKeyUsageException", KmsError::Denied),
        ("ValidationException", KmsError::Denied),
        ("NotFoundException", KmsError::NotFound),
        ("InvalidArnException", KmsError::NotFound),
        ("DisabledException", KmsError::Disabled),
        ("KMSInvalidStateException", KmsError::Disabled),
        ("InvalidCiphertextException", KmsError::ContextMismatch),
        ("IncorrectKeyException", KmsError::ContextMismatch),
        ("ThrottlingException", KmsError::Throttled),
        ("LimitExceededException", KmsError::Throttled),
        ("KMSInternalException", KmsError::Unavailable),
        ("DependencyTimeoutException", KmsError::Unavailable),
        ("KeyUnavailableException", KmsError::Unavailable),
        ("com.amazonaws.kms#DisabledException", KmsError::Disabled),
        ("DisabledException:http://internal", KmsError::Disabled),
    ] {
        // Three times each, for the errors that the SDK answers by trying again.
        let plant = |action| {
            let text = json!({ "__type": name, "message": "NotFoundException Throttling" });
            let status = if name.starts_with("KMSInternal") {
                500
            } else {
                400
            };
            fake.plant(action, 3, Fault::Answer(status, text.to_string()));
        };
        let before = fake.total();
        plant("Encrypt");
        assert_eq!(
            kms.wrap(&tenant, &root, &Purpose::Record, &dek).await,
            Err(expected),
            "{name}"
        );
        let attempts = fake.total() - before;
        for action in ["Decrypt", "ReEncrypt", "DescribeKey"] {
            let text = json!({ "__type": name }).to_string();
            fake.plant(action, attempts, Fault::Answer(400, text));
        }
        let unwrapped = kms
            .unwrap(&tenant, &Purpose::Record, &wrap)
            .await
            .unwrap_err();
        assert_eq!(unwrapped, expected, "{name}");
        let rewrapped = kms.rewrap(&tenant, &Purpose::Record, &wrap, &root).await;
        assert_eq!(rewrapped, Err(expected), "{name}");
        let described = kms.describe(&tenant, &root).await.unwrap_err();
        assert_eq!(described, expected, "{name}");
        fake.forget_faults();
    }
    for (name, expected) in [
        ("ConflictException", KmsError::Throttled),
        ("LimitExceededException", KmsError::Throttled),
        ("DisabledException", KmsError::Disabled),
    ] {
        fake.plant("RotateKeyOnDemand", 1, Fault::Refuse(name));
        assert_eq!(admin.rotate(&tenant, &root).await, Err(expected), "{name}");
    }
}

#[tokio::test]
async fn garbage_is_unavailability() {
    let fake = Fake::start().await;
    let (
        Target {
            kms, admin, tenant, ..
        },
        dek,
        wrap,
    ) = with_wrap(&fake).await;
    let root = key("root");
    for (status, text) in [
        (200, ""),
        (200, "{"),
        (200, "{}"),
        (200, "[]"),
        (200, "null"),
        (200, "<html>"),
        (200, "{\"KeyMetadata\": {}}"),
        (
            200,
            "{\"KeyId\": 7, \"Plaintext\": 7, \"CiphertextBlob\": {}}",
        ),
        (
            200,
            "{\"KeyId\": null, \"Plaintext\": \"*\", \"CiphertextBlob\": \"*\"}",
        ),
        (302, ""),
        (404, "<html>"),
        (418, "\u{0}"),
        (502, "<html>"),
        (503, "{\"__type\": 7}"),
    ] {
        for action in ["Encrypt", "Decrypt", "ReEncrypt", "DescribeKey"] {
            fake.plant(action, 3, Fault::Answer(status, text.to_owned()));
        }
        let case = format!("{status} {text:?}");
        let unavailable = KmsError::Unavailable;
        assert_eq!(
            kms.wrap(&tenant, &root, &Purpose::Record, &dek).await,
            Err(unavailable),
            "{case}"
        );
        let unwrapped = kms
            .unwrap(&tenant, &Purpose::Record, &wrap)
            .await
            .unwrap_err();
        assert_eq!(unwrapped, unavailable, "{case}");
        let rewrapped = kms
            .rewrap(&tenant, &Purpose::Record, &wrap, &root)
            .await
            .unwrap_err();
        let is_refusal = [unavailable, KmsError::ContextMismatch].contains(&rewrapped);
        assert!(is_refusal, "{case}: {rewrapped}");
        let described = kms.describe(&tenant, &root).await.unwrap_err();
        assert_eq!(described, unavailable, "{case}");
        fake.forget_faults();
        fake.plant("CreateKey", 1, Fault::Answer(status, text.to_owned()));
        let created = admin.create(&tenant, &key("new")).await;
        assert_eq!(created, Err(unavailable), "{case}");
        fake.plant(
            "ScheduleKeyDeletion",
            1,
            Fault::Answer(status, text.to_owned()),
        );
        let destroyed = admin.destroy(&tenant, &root).await;
        assert_eq!(destroyed, Err(unavailable), "{case}");
    }
    assert_eq!(fake.states(), ["Enabled"]);
}

#[tokio::test]
async fn random_answers_wrap_and_unwrap_nothing() {
    let fake = Fake::start().await;
    let (Target { kms, tenant, .. }, dek, wrap) = with_wrap(&fake).await;
    let mut runner = TestRunner::deterministic();
    let answers =
        "(\\{|\\[|\"(KeyId|Plaintext|CiphertextBlob|__type)\":|\"[a-zA-Z=]*\"|,|\\}|.){0,12}";
    let answers = proptest::string::string_regex(answers).unwrap();
    for _ in 0..200 {
        let text = answers.new_tree(&mut runner).unwrap().current();
        for action in ["Encrypt", "Decrypt"] {
            fake.plant(action, 1, Fault::Answer(200, text.clone()));
        }
        assert!(
            kms.wrap(&tenant, &key("root"), &Purpose::Record, &dek)
                .await
                .is_err(),
            "{text:?}"
        );
        assert!(
            kms.unwrap(&tenant, &Purpose::Record, &wrap).await.is_err(),
            "{text:?}"
        );
        fake.forget_faults();
    }
}

#[tokio::test]
async fn an_answer_for_another_key_is_refused() {
    let fake = Fake::start().await;
    let (_, dek, _) = with_wrap(&fake).await;
    let arn = fake.foreign_key();
    let mut brought = strongroom_envelope_aws::BroughtKeys::new();
    let Target { kms, tenant, .. } = fake.target();
    brought.add(tenant, arn.parse().unwrap()).unwrap();
    let kms = kms.with_brought_keys(brought);
    let arn = key(&arn);
    let wrap = kms
        .wrap(&tenant, &arn, &Purpose::Record, &dek)
        .await
        .unwrap();

    let another_key: fn(&mut Value) = |answer| {
        answer["KeyId"] = OTHER.replace("alias/strongroom", "key/another").into();
        answer["KeyMetadata"]["Arn"] = answer["KeyId"].clone();
    };
    let no_key: fn(&mut Value) = |answer| {
        answer["KeyId"] = Value::Null;
        answer["KeyMetadata"]["Arn"] = Value::Null;
    };
    for edit in [another_key, no_key] {
        for action in ["Encrypt", "Decrypt", "ReEncrypt", "DescribeKey"] {
            fake.plant(action, 1, Fault::Edit(edit));
        }
        let wrapped = kms.wrap(&tenant, &arn, &Purpose::Record, &dek).await;
        assert_eq!(wrapped, Err(KmsError::Unavailable));
        let unwrapped = kms.unwrap(&tenant, &Purpose::Record, &wrap).await;
        assert_eq!(unwrapped.unwrap_err(), KmsError::ContextMismatch);
        let rewrapped = kms.rewrap(&tenant, &Purpose::Record, &wrap, &arn).await;
        assert_eq!(rewrapped, Err(KmsError::Unavailable));
        let described = kms.describe(&tenant, &arn).await;
        assert_eq!(described.unwrap_err(), KmsError::Unavailable);
    }
    let another_source = |answer: &mut Value| answer["SourceKeyId"] = OTHER.into();
    fake.plant("ReEncrypt", 1, Fault::Edit(another_source));
    let rewrapped = kms.rewrap(&tenant, &Purpose::Record, &wrap, &arn).await;
    assert_eq!(rewrapped, Err(KmsError::ContextMismatch));
    kms.unwrap(&tenant, &Purpose::Record, &wrap).await.unwrap();
}

#[tokio::test]
async fn an_alias_must_be_answered_by_a_key() {
    let fake = Fake::start().await;
    let (Target { kms, tenant, .. }, dek, wrap) = with_wrap(&fake).await;
    for action in ["Encrypt", "Decrypt"] {
        fake.plant(
            action,
            1,
            Fault::Edit(|answer| answer["KeyId"] = OTHER.into()),
        );
    }
    let wrapped = kms
        .wrap(&tenant, &key("root"), &Purpose::Record, &dek)
        .await;
    assert_eq!(wrapped, Err(KmsError::Unavailable));
    let unwrapped = kms.unwrap(&tenant, &Purpose::Record, &wrap).await;
    assert_eq!(unwrapped.unwrap_err(), KmsError::ContextMismatch);
}

#[tokio::test]
async fn what_is_unwrapped_has_32_bytes() {
    fn set(answer: &mut Value, length: usize) {
        answer["Plaintext"] = STANDARD.encode(vec![7; length]).into();
    }
    let fake = Fake::start().await;
    let (Target { kms, tenant, .. }, _, wrap) = with_wrap(&fake).await;
    let edits: [fn(&mut Value); 4] = [
        |answer| set(answer, 0),
        |answer| set(answer, 31),
        |answer| set(answer, 33),
        |answer| set(answer, 4096),
    ];
    for edit in edits {
        fake.plant("Decrypt", 1, Fault::Edit(edit));
        let unwrapped = kms.unwrap(&tenant, &Purpose::Record, &wrap).await;
        assert_eq!(unwrapped.unwrap_err(), KmsError::ContextMismatch);
    }
    fake.plant("Decrypt", 1, Fault::Edit(|answer| set(answer, 32)));
    let unwrapped = kms.unwrap(&tenant, &Purpose::Record, &wrap).await.unwrap();
    assert_eq!(unwrapped.expose_bytes(), &[7; 32]);
}

#[tokio::test]
async fn a_wrap_has_1_to_1024_bytes() {
    fn set(answer: &mut Value, length: usize) {
        answer["CiphertextBlob"] = STANDARD.encode(vec![7; length]).into();
    }
    let fake = Fake::start().await;
    let (Target { kms, tenant, .. }, dek, wrap) = with_wrap(&fake).await;
    let edits: [fn(&mut Value); 2] = [|answer| set(answer, 0), |answer| set(answer, 1025)];
    for edit in edits {
        for action in ["Encrypt", "ReEncrypt"] {
            fake.plant(action, 1, Fault::Edit(edit));
        }
        let wrapped = kms
            .wrap(&tenant, &key("root"), &Purpose::Record, &dek)
            .await;
        assert_eq!(wrapped, Err(KmsError::Unavailable));
        let rewrapped = kms
            .rewrap(&tenant, &Purpose::Record, &wrap, &key("root"))
            .await;
        assert_eq!(rewrapped, Err(KmsError::Unavailable));
    }
}

#[tokio::test]
async fn a_key_of_another_nature_is_not_found() {
    let fake = Fake::start().await;
    let (Target { kms, tenant, .. }, ..) = with_wrap(&fake).await;
    let edits: [fn(&mut Value); 2] = [
        |answer| answer["KeyMetadata"]["KeyUsage"] = "SIGN_VERIFY".into(),
        |answer| answer["KeyMetadata"]["KeySpec"] = "RSA_2048".into(),
    ];
    for edit in edits {
        fake.plant("DescribeKey", 1, Fault::Edit(edit));
        let described = kms.describe(&tenant, &key("root")).await;
        assert_eq!(described.unwrap_err(), KmsError::NotFound);
    }
    let unheard_of = |answer: &mut Value| answer["KeyMetadata"]["KeyState"] = "Elsewhere".into();
    fake.plant("DescribeKey", 1, Fault::Edit(unheard_of));
    let described = kms.describe(&tenant, &key("root")).await;
    assert_eq!(described.unwrap_err(), KmsError::Unavailable);
}
