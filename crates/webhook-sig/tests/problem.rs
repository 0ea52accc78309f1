//! Every refusal: its code, its status, its problem document.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;

use strongroom_webhook_sig::{Header, WebhookError};

const TABLE: [(WebhookError, &str, u16); 22] = [
    (
        WebhookError::MissingHeader(Header::Id),
        "missing-header",
        401,
    ),
    (
        WebhookError::MissingHeader(Header::Timestamp),
        "missing-header",
        401,
    ),
    (
        WebhookError::MissingHeader(Header::Signature),
        "missing-header",
        401,
    ),
    (
        WebhookError::DuplicateHeader(Header::Id),
        "duplicate-header",
        401,
    ),
    (
        WebhookError::MalformedHeader(Header::Id),
        "malformed-header",
        401,
    ),
    (WebhookError::HeadersTooLarge, "headers-too-large", 401),
    (WebhookError::TooManySignatures, "too-many-signatures", 401),
    (
        WebhookError::NoSupportedSignature,
        "no-supported-signature",
        401,
    ),
    (WebhookError::TooOld, "too-old", 401),
    (WebhookError::TooNew, "too-new", 401),
    (WebhookError::SignatureMismatch, "signature-mismatch", 401),
    (WebhookError::Replayed, "replayed", 401),
    (WebhookError::InFlight, "in-flight", 409),
    (WebhookError::ClaimLost, "claim-lost", 409),
    (WebhookError::BodyTooLarge, "body-too-large", 413),
    (WebhookError::StoreUnavailable, "store-unavailable", 503),
    (WebhookError::BodyIncomplete, "body-incomplete", 401),
    (WebhookError::InvalidKey, "invalid-key", 500),
    (WebhookError::WrongScheme, "wrong-scheme", 500),
    (WebhookError::InvalidSecret, "invalid-secret", 500),
    (WebhookError::SecretCount, "secret-count", 500),
    (
        WebhookError::RandomnessUnavailable,
        "randomness-unavailable",
        500,
    ),
];

#[test]
fn every_refusal_is_a_problem_document() {
    for (error, code, status) in TABLE {
        assert_eq!((error.code(), error.status()), (code, status));
        let is_refused = [401, 409, 413, 500, 503].contains(&status);
        assert!(is_refused && (status == 413) == (error == WebhookError::BodyTooLarge));
        let comes_back = matches!(
            error,
            WebhookError::InFlight | WebhookError::StoreUnavailable
        );
        assert_eq!(error.retry_after(), comes_back.then_some(5));
        let problem: serde_json::Value = serde_json::from_str(&error.problem()).unwrap();
        let members = problem.as_object().unwrap();
        assert_eq!(members.len(), 4);
        let about = format!("https://strongroom.dev/problems/webhook-{code}");
        assert_eq!(members["type"], about);
        assert_eq!(members["status"], status);
        assert_eq!(members["detail"], error.to_string());
        assert!(
            members["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
    }
}

#[test]
fn every_code_is_in_the_specification() {
    let page = include_str!("../../../docs/spec/webhook.md");
    let mut listed = HashSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1);
        let (codes, status) = (cells.next().unwrap(), cells.next().unwrap().trim());
        for code in codes.split(',') {
            listed.insert((code.trim().trim_matches('`').to_owned(), status.to_owned()));
        }
    }
    let ours: HashSet<_> = TABLE
        .iter()
        .map(|(_, code, status)| ((*code).to_owned(), status.to_string()))
        .collect();
    assert_eq!(listed, ours);
}
