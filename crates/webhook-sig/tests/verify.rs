//! What a verifier accepts: the window, the body in pieces, the limits.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_webhook_sig::{
    HeaderSet, MessageId, Signed, SigningSecret, Verifier, WebhookError, sign, sign_with_all,
};

fn secret(fill: u8) -> SigningSecret {
    SigningSecret::from_bytes(&[fill; 32]).unwrap()
}

fn id() -> MessageId {
    "msg_1".parse().unwrap()
}

fn received(signed: &Signed) -> HeaderSet {
    let headers = signed.headers();
    let pairs = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    HeaderSet::collect(pairs).unwrap()
}

#[test]
fn the_window_is_inclusive_on_both_sides() {
    let headers = received(&sign(&secret(1), &id(), 1_000_000, b"x"));
    let verifier = Verifier::new(vec![secret(1)]).unwrap();
    assert!(verifier.verify(&headers, b"x", 1_000_300).is_ok());
    assert!(verifier.verify(&headers, b"x", 999_700).is_ok());
    assert_eq!(
        verifier.verify(&headers, b"x", 1_000_301),
        Err(WebhookError::TooOld)
    );
    assert_eq!(
        verifier.verify(&headers, b"x", 999_699),
        Err(WebhookError::TooNew)
    );
}

#[test]
fn the_window_never_overflows() {
    let extremes = [0, 1, 300, u64::MAX - 300, u64::MAX - 1, u64::MAX];
    for timestamp in extremes {
        let headers = received(&sign(&secret(1), &id(), timestamp, b"x"));
        for now in extremes {
            for tolerance in extremes {
                let verifier = Verifier::new(vec![secret(1)])
                    .unwrap()
                    .with_tolerance(tolerance);
                let inside = timestamp.abs_diff(now) <= tolerance;
                assert_eq!(verifier.verify(&headers, b"x", now).is_ok(), inside);
            }
        }
    }
}

#[test]
fn a_stale_message_is_refused_before_its_body() {
    let headers = received(&sign(&secret(1), &id(), 1_000_000, b"x"));
    let verifier = Verifier::new(vec![secret(1)]).unwrap();
    assert_eq!(
        verifier.begin(&headers, 1_000_301).err(),
        Some(WebhookError::TooOld)
    );
    assert_eq!(
        verifier.begin(&headers, 0).err(),
        Some(WebhookError::TooNew)
    );
}

#[test]
fn a_body_at_the_limit_is_accepted_and_one_byte_more_is_not() {
    let verifier = Verifier::new(vec![secret(1)]).unwrap().with_body_limit(8);
    let headers = received(&sign(&secret(1), &id(), 5, b"12345678"));
    assert!(verifier.verify(&headers, b"12345678", 5).is_ok());

    let headers = received(&sign(&secret(1), &id(), 5, b"123456789"));
    let mut body = verifier.begin(&headers, 5).unwrap();
    body.update(b"12345678");
    assert!(!body.over_limit());
    body.update(b"9");
    assert!(body.over_limit());
    // Once over, always over.
    body.update(b"");
    assert_eq!(body.finish(), Err(WebhookError::BodyTooLarge));
}

#[test]
fn between_one_and_sixteen_secrets() {
    let many = |count| (0..count).map(secret).collect::<Vec<_>>();
    for count in [0, 17] {
        let refused = Verifier::new(many(count)).err();
        assert_eq!(refused, Some(WebhookError::SecretCount));
        let refused = sign_with_all(&many(count), &id(), 5, b"x").err();
        assert_eq!(refused, Some(WebhookError::SecretCount));
    }
    let signed = sign_with_all(&many(16), &id(), 5, b"x").unwrap();
    assert_eq!(signed.signature.split(' ').count(), 16);
    for single in 0..16 {
        let verifier = Verifier::new(vec![secret(single)]).unwrap();
        assert!(verifier.verify(&received(&signed), b"x", 5).is_ok());
    }
    let last = received(&sign(&secret(15), &id(), 5, b"x"));
    let first = received(&sign(&secret(0), &id(), 5, b"x"));
    let verifier = Verifier::new(many(16)).unwrap();
    assert!(verifier.verify(&last, b"x", 5).is_ok());
    assert!(verifier.verify(&first, b"x", 5).is_ok());
}

#[test]
fn a_withdrawn_secret_verifies_nothing() {
    let headers = received(&sign(&secret(1), &id(), 5, b"x"));
    let verifier = Verifier::new(vec![secret(2), secret(3)]).unwrap();
    let refused = verifier.verify(&headers, b"x", 5);
    assert_eq!(refused, Err(WebhookError::SignatureMismatch));
}

#[test]
fn debug_shows_no_secret() {
    let verifier = Verifier::new(vec![secret(b'A')]).unwrap();
    assert_eq!(
        format!("{verifier:?}"),
        "Verifier { secrets: [SigningSecret(32 bytes)], tolerance: 300, body_limit: 1048576 }"
    );
    let headers = received(&sign(&secret(b'A'), &id(), 5, b"x"));
    let mut body = verifier.begin(&headers, 5).unwrap();
    body.update(b"body");
    let inner = "HeaderSet { id: MessageId(msg_1), timestamp: 5, signatures: 1 }";
    let shown = format!("BodyVerifier {{ headers: {inner}, remaining: Some(1048572), .. }}");
    assert_eq!(format!("{body:?}"), shown);
}

proptest! {
    #[test]
    fn pieces_verify_as_the_whole_does(
        body in prop::collection::vec(any::<u8>(), 0..500),
        cuts in prop::collection::vec(0_usize..500, 0..6),
        timestamp: u64,
    ) {
        let headers = received(&sign(&secret(1), &id(), timestamp, &body));
        let verifier = Verifier::new(vec![secret(2), secret(1)]).unwrap();
        let mut pieces = verifier.begin(&headers, timestamp).unwrap();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.sort_unstable();
        let mut start = 0;
        for end in cuts.into_iter().chain([body.len()]) {
            pieces.update(&body[start..end]);
            start = end;
        }
        prop_assert_eq!(pieces.finish(), verifier.verify(&headers, &body, timestamp));
        prop_assert!(verifier.verify(&headers, &body, timestamp).is_ok());
    }

    #[test]
    fn any_flipped_bit_of_the_body_is_refused(
        mut body in prop::collection::vec(any::<u8>(), 1..200),
        bit in any::<prop::sample::Index>(),
    ) {
        let headers = received(&sign(&secret(1), &id(), 5, &body));
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let verifier = Verifier::new(vec![secret(1)]).unwrap();
        let refused = verifier.verify(&headers, &body, 5);
        prop_assert_eq!(refused, Err(WebhookError::SignatureMismatch));
    }
}
