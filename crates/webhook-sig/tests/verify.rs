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
    GithubSecret, HeaderSet, MessageId, ReceiverKey, Scheme, SenderKey, Signed, Signer, SigningKey,
    SigningSecret, UndatedHeaders, UndatedVerifier, Verifier, WebhookError, sign, sign_undated,
};

const TEXT: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn secret(fill: u8) -> SigningSecret {
    SigningSecret::from_bytes(&[fill; 32]).unwrap()
}

fn id() -> MessageId {
    "msg_1".parse().unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn collected(scheme: Scheme, signed: &Signed) -> HeaderSet {
    let headers = signed.headers();
    let pairs = headers.iter();
    HeaderSet::collect_as(scheme, pairs.map(|(name, value)| (*name, value.as_bytes()))).unwrap()
}

/// A sender's and a receiver's key of each scheme.
fn pairs() -> Vec<(Scheme, SenderKey, ReceiverKey)> {
    let stripe = format!("whsec_{TEXT}");
    vec![
        (Scheme::Standard, secret(1).into(), secret(1).into()),
        (
            Scheme::Standard,
            key(1).into(),
            key(1).verifying_key().into(),
        ),
        (Scheme::Svix, secret(1).into(), secret(1).into()),
        (Scheme::Svix, key(1).into(), key(1).verifying_key().into()),
        (
            Scheme::Stripe,
            SenderKey::parse(Scheme::Stripe, &stripe).unwrap(),
            ReceiverKey::parse(Scheme::Stripe, &stripe).unwrap(),
        ),
        (
            Scheme::Slack,
            SenderKey::parse(Scheme::Slack, TEXT).unwrap(),
            ReceiverKey::parse(Scheme::Slack, TEXT).unwrap(),
        ),
    ]
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
    let verifier = Verifier::new([secret(1)]).unwrap();
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
                let verifier = Verifier::new([secret(1)])
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
    let verifier = Verifier::new([secret(1)]).unwrap();
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
    let verifier = Verifier::new([secret(1)]).unwrap().with_body_limit(8);
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
    let signer = |count| Signer::new(Scheme::Standard, many(count));
    for count in [0, 17] {
        let refused = Verifier::new(many(count)).err();
        assert_eq!(refused, Some(WebhookError::SecretCount));
        assert_eq!(signer(count).err(), Some(WebhookError::SecretCount));
    }
    let signed = signer(16).unwrap().sign(&id(), 5, b"x");
    assert_eq!(signed.signature().split(' ').count(), 16);
    for single in 0..16 {
        let verifier = Verifier::new([secret(single)]).unwrap();
        assert!(verifier.verify(&received(&signed), b"x", 5).is_ok());
    }
    let last = received(&sign(&secret(15), &id(), 5, b"x"));
    let first = received(&sign(&secret(0), &id(), 5, b"x"));
    let verifier = Verifier::new(many(16)).unwrap();
    assert!(verifier.verify(&last, b"x", 5).is_ok());
    assert!(verifier.verify(&first, b"x", 5).is_ok());
    let slack = || SenderKey::parse(Scheme::Slack, TEXT).unwrap();
    let two = Signer::new(Scheme::Slack, [slack(), slack()]).err();
    assert_eq!(two, Some(WebhookError::SecretCount));
}

/// Each scheme: its window, its limit, its body and its keys, as strict as the others.
#[test]
fn every_scheme_is_as_strict() {
    for (scheme, sender, receiver) in pairs() {
        let signer = Signer::new(scheme, [sender]).unwrap();
        let verifier = Verifier::for_scheme(scheme, [receiver]).unwrap();
        let signed = signer.sign(&id(), 1_000_000, b"12345678");
        let headers = collected(scheme, &signed);
        let outcome = |body: &[u8], now| verifier.verify(&headers, body, now).map(|_| ());
        for now in [1_000_300, 999_700] {
            assert_eq!(outcome(b"12345678", now), Ok(()), "{scheme:?}");
        }
        let refused = Err(WebhookError::TooOld);
        assert_eq!(outcome(b"12345678", 1_000_301), refused, "{scheme:?}");
        let refused = Err(WebhookError::TooNew);
        assert_eq!(outcome(b"12345678", 999_699), refused, "{scheme:?}");
        let refused = Err(WebhookError::SignatureMismatch);
        for body in [b"12345679".as_slice(), b"", b"1234567", b"12345678\n"] {
            assert_eq!(outcome(body, 1_000_000), refused, "{scheme:?}");
        }
        let verifier = verifier.with_body_limit(7);
        let refused = Err(WebhookError::BodyTooLarge);
        assert_eq!(verifier.verify(&headers, b"12345678", 1_000_000), refused);
        let verified = verifier.with_body_limit(8);
        let verified = verified.verify(&headers, b"12345678", 1_000_000).unwrap();
        assert_eq!(verified.timestamp(), 1_000_000);
    }
}

/// Nothing of one scheme is taken for another's.
#[test]
fn schemes_are_not_mixed() {
    let wrong = Some(WebhookError::WrongScheme);
    for (of, _, _) in pairs() {
        for scheme in [
            Scheme::Standard,
            Scheme::Svix,
            Scheme::Stripe,
            Scheme::Slack,
        ] {
            let same = |other: Scheme| {
                let family = |scheme| match scheme {
                    Scheme::Svix => Scheme::Standard,
                    other => other,
                };
                family(other) == family(scheme)
            };
            let mut mine = pairs();
            mine.retain(|(found, _, _)| *found == of);
            let (_, sender, receiver) = mine.remove(0);
            let refused = Signer::new(scheme, [sender]).err();
            assert_eq!(refused, wrong.filter(|_| !same(of)), "{of:?} {scheme:?}");
            let refused = Verifier::for_scheme(scheme, [receiver]).err();
            assert_eq!(refused, wrong.filter(|_| !same(of)), "{of:?} {scheme:?}");
        }
    }
    let verifier = Verifier::new([secret(1)]).unwrap();
    let (_, sender, _) = pairs().remove(4);
    let stripe = Signer::new(Scheme::Stripe, [sender]).unwrap();
    let headers = collected(Scheme::Stripe, &stripe.sign(&id(), 5, b"x"));
    assert_eq!(verifier.verify(&headers, b"x", 5).err(), wrong);
}

#[test]
fn while_keys_change_either_kind_is_enough() {
    let keys: [SenderKey; 2] = [secret(1).into(), key(1).into()];
    let signed = Signer::new(Scheme::Standard, keys).unwrap();
    let headers = received(&signed.sign(&id(), 5, b"x"));
    let public = |seed| ReceiverKey::from(key(seed).verifying_key());
    for keys in [
        vec![secret(1).into()],
        vec![public(1)],
        vec![secret(2).into(), public(1)],
        vec![public(2), secret(1).into()],
        vec![public(2), public(1)],
    ] {
        let verifier = Verifier::new(keys).unwrap();
        assert!(verifier.verify(&headers, b"x", 5).is_ok());
    }
    // A wrong key, a wrong kind of key and a wrong body look alike.
    let refused = Some(WebhookError::SignatureMismatch);
    for keys in [
        vec![secret(2).into()],
        vec![public(2)],
        vec![secret(2).into(), public(2)],
    ] {
        assert_eq!(
            Verifier::new(keys).unwrap().verify(&headers, b"x", 5).err(),
            refused
        );
    }
    let old = received(&sign(&secret(1), &id(), 5, b"x"));
    let verifier = Verifier::new([public(1)]).unwrap();
    assert_eq!(verifier.verify(&old, b"x", 5).err(), refused);
    let verifier = Verifier::new([secret(1), secret(2)]).unwrap();
    assert_eq!(verifier.verify(&headers, b"y", 5).err(), refused);
}

/// Sixteen passes over the body are the most that a request can ask for.
#[test]
fn pairs_of_public_keys_and_entries_are_bounded() {
    let many = |count: u8| (0..count).map(|seed| SenderKey::from(key(seed)));
    let publics = |count: u8| (0..count).map(|seed| key(seed).verifying_key());
    let signed = |count| {
        let signer = Signer::new(Scheme::Standard, many(count)).unwrap();
        received(&signer.sign(&id(), 5, b"x"))
    };
    for (keys, entries, is_bounded) in [(1, 16, true), (16, 1, true), (4, 4, true), (4, 5, false)] {
        let verifier = Verifier::new(publics(keys)).unwrap();
        let outcome = verifier.begin(&signed(entries), 5).err();
        let expected = (!is_bounded).then_some(WebhookError::TooManySignatures);
        assert_eq!(outcome, expected, "{keys} keys, {entries} entries");
    }
}

/// Where no id is sent, the body is the id, and the guard tells a retry.
#[test]
fn the_body_is_the_id_where_none_is_sent() {
    for (scheme, sender, receiver) in pairs() {
        let signer = Signer::new(scheme, [sender]).unwrap();
        let verifier = Verifier::for_scheme(scheme, [receiver]).unwrap();
        let verified = |at, body: &[u8]| {
            let headers = collected(scheme, &signer.sign(&id(), at, body));
            verifier.verify(&headers, body, at).unwrap()
        };
        let first = verified(5, b"x");
        let expected = match scheme {
            Scheme::Standard | Scheme::Svix => "msg_1",
            _ => "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
        };
        assert_eq!(first.message_id().as_str(), expected);
        assert_eq!(verified(9, b"x").message_id(), first.message_id());
        let named = first.with_message_id("evt_1".parse().unwrap());
        assert_eq!(
            (named.message_id().as_str(), named.timestamp()),
            ("evt_1", 5)
        );
    }
}

#[test]
fn github_is_verified_under_no_time() {
    let secret = |text: &str| text.parse::<GithubSecret>().unwrap();
    let other = "another secret of enough bytes";
    let verifier = UndatedVerifier::accepting_replays([secret(other), secret(TEXT)]).unwrap();
    let sent = sign_undated(&secret(TEXT), &id(), b"12345678").headers();
    let sent = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let headers = UndatedHeaders::collect(sent).unwrap();
    let verified = verifier.verify(&headers, b"12345678").unwrap();
    assert_eq!(verified.unsigned_delivery(), Some(&id()));
    let digest = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f";
    let hexadecimal = verified.body_digest().map(|byte| format!("{byte:02x}"));
    assert_eq!(hexadecimal.concat(), digest);

    let refused = Err(WebhookError::SignatureMismatch);
    assert_eq!(verifier.verify(&headers, b"12345679"), refused);
    let wrong = UndatedVerifier::accepting_replays([secret(other)]).unwrap();
    assert_eq!(wrong.verify(&headers, b"12345678"), refused);
    let mut pieces = verifier.begin(&headers);
    pieces.update(b"1234");
    pieces.update(b"5678");
    assert_eq!(pieces.finish(), Ok(verified));
    let small = UndatedVerifier::accepting_replays([secret(TEXT)]).unwrap();
    let small = small.with_body_limit(7);
    let refused = Err(WebhookError::BodyTooLarge);
    assert_eq!(small.verify(&headers, b"12345678"), refused);
    for count in [0, 17] {
        let secrets = (0..count).map(|_| secret(TEXT));
        let refused = UndatedVerifier::accepting_replays(secrets).err();
        assert_eq!(refused, Some(WebhookError::SecretCount));
    }
}

#[test]
fn a_withdrawn_secret_verifies_nothing() {
    let headers = received(&sign(&secret(1), &id(), 5, b"x"));
    let verifier = Verifier::new([secret(2), secret(3)]).unwrap();
    let refused = verifier.verify(&headers, b"x", 5);
    assert_eq!(refused, Err(WebhookError::SignatureMismatch));
}

#[test]
fn debug_shows_no_secret() {
    let keys: [ReceiverKey; 2] = [secret(b'A').into(), key(1).verifying_key().into()];
    let verifier = Verifier::new(keys).unwrap();
    let public = key(1).verifying_key();
    assert_eq!(
        format!("{verifier:?}"),
        format!(
            "Verifier {{ scheme: Standard, keys: [ReceiverKey(Secret(SigningSecret(32 bytes))), \
             ReceiverKey(Public(VerifyingKey({public})))], tolerance: 300, body_limit: 1048576 }}"
        )
    );
    let headers = received(&sign(&secret(b'A'), &id(), 5, b"x"));
    let mut body = verifier.begin(&headers, 5).unwrap();
    body.update(b"body");
    let inner = "HeaderSet { scheme: Standard, id: Some(MessageId(msg_1)), timestamp: 5, \
                 signatures: 1 }";
    let shown = format!("BodyVerifier {{ headers: {inner}, remaining: Some(1048572), .. }}");
    assert_eq!(format!("{body:?}"), shown);

    let keys: [SenderKey; 2] = [secret(b'A').into(), key(1).into()];
    assert_eq!(
        format!("{:?}", Signer::new(Scheme::Standard, keys).unwrap()),
        format!(
            "Signer {{ scheme: Standard, keys: [SenderKey(Secret(SigningSecret(32 bytes))), \
             SenderKey(Private(SigningKey(of {public})))] }}"
        )
    );
    let slack = ReceiverKey::parse(Scheme::Slack, TEXT).unwrap();
    assert_eq!(format!("{slack:?}"), "ReceiverKey(Text(Slack, TextSecret))");
    let stripe = SenderKey::parse(Scheme::Stripe, &format!("whsec_{TEXT}")).unwrap();
    assert_eq!(format!("{stripe:?}"), "SenderKey(Text(Stripe, TextSecret))");

    let github = || TEXT.parse::<GithubSecret>().unwrap();
    let verifier = UndatedVerifier::accepting_replays([github()]).unwrap();
    let shown = "UndatedVerifier { secrets: [GithubSecret], body_limit: 1048576 }";
    assert_eq!(format!("{verifier:?}"), shown);
    let sent = sign_undated(&github(), &id(), b"x").headers();
    let sent = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
    let headers = UndatedHeaders::collect(sent).unwrap();
    let inner = "UndatedHeaders { delivery: Some(MessageId(msg_1)), .. }";
    let shown = format!("UndatedBodyVerifier {{ headers: {inner}, remaining: Some(1048576), .. }}");
    assert_eq!(format!("{:?}", verifier.begin(&headers)), shown);
}

proptest! {
    #[test]
    fn pieces_verify_as_the_whole_does(
        body in prop::collection::vec(any::<u8>(), 0..500),
        cuts in prop::collection::vec(0_usize..500, 0..6),
        timestamp: u64,
        which in any::<prop::sample::Index>(),
    ) {
        let mut pairs = pairs();
        let (scheme, sender, receiver) = pairs.remove(which.index(pairs.len()));
        let signed = Signer::new(scheme, [sender]).unwrap().sign(&id(), timestamp, &body);
        let headers = collected(scheme, &signed);
        let verifier = Verifier::for_scheme(scheme, [receiver]).unwrap();
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
        which in any::<prop::sample::Index>(),
    ) {
        let mut pairs = pairs();
        let (scheme, sender, receiver) = pairs.remove(which.index(pairs.len()));
        let signed = Signer::new(scheme, [sender]).unwrap().sign(&id(), 5, &body);
        let headers = collected(scheme, &signed);
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        let verifier = Verifier::for_scheme(scheme, [receiver]).unwrap();
        let refused = verifier.verify(&headers, &body, 5);
        prop_assert_eq!(refused, Err(WebhookError::SignatureMismatch));
    }
}
