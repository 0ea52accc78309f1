//! The rows of OWASP ASVS 5.0 that webhook signatures can meet by themselves, each as a test of
//! its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;

use strongroom_webhook_sig::{
    Claim, HeaderSet, MemoryReplayGuard, Signed, SigningKey, SigningSecret, Verified, Verifier,
    VerifyingKey, WebhookError, sign,
};

const NOW: u64 = 1_800_000_000;
const BODY: &[u8] = br#"{"type":"invoice.paid"}"#;

/// Whether a type has `==`, which stops at the first byte that differs: its own method is found
/// before the trait's, where there is one.
macro_rules! has_equality {
    ($type:ty) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "a type takes one of the two")]
        trait Without {
            fn has_equality(&self) -> bool {
                false
            }
        }
        impl<T> Without for Probe<T> {}
        #[allow(dead_code, reason = "a type takes one of the two")]
        impl<T: PartialEq> Probe<T> {
            fn has_equality(&self) -> bool {
                true
            }
        }
        Probe::<$type>(std::marker::PhantomData).has_equality()
    }};
}

fn secret(fill: u8) -> SigningSecret {
    SigningSecret::from_bytes(&[fill; 32]).unwrap()
}

fn signed(fill: u8, id: &str) -> Signed {
    sign(&secret(fill), &id.parse().unwrap(), NOW, BODY)
}

fn received(fields: &[(&str, String)]) -> HeaderSet {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    HeaderSet::collect(fields).unwrap()
}

fn verify(keys: Vec<SigningSecret>, sent: &Signed, body: &[u8]) -> Result<Verified, WebhookError> {
    let headers = received(&sent.headers());
    Verifier::new(keys).unwrap().verify(&headers, body, NOW)
}

/// 4.1.5: each message is signed: what it says, its id and its time.
#[test]
fn v4_1_5_a_message_is_signed_whole() {
    let sent = signed(1, "msg_1");
    assert!(verify(vec![secret(1)], &sent, BODY).is_ok());
    let mismatch = Some(WebhookError::SignatureMismatch);
    for place in 0..BODY.len() {
        let mut other = BODY.to_vec();
        other[place] ^= 1;
        assert_eq!(verify(vec![secret(1)], &sent, &other).err(), mismatch);
    }
    for (field, other) in [
        ("webhook-id", "msg_2".to_owned()),
        ("webhook-timestamp", (NOW + 1).to_string()),
    ] {
        let mut fields = sent.headers();
        let place = fields.iter().position(|(name, _)| *name == field).unwrap();
        fields[place].1 = other;
        let verifier = Verifier::new([secret(1)]).unwrap();
        let refused = verifier.verify(&received(&fields), BODY, NOW).err();
        assert_eq!(refused, mismatch, "{field}");
    }
}

/// 11.2.3: at least 128 bits of security: no short secret, and no public key of small order, under
/// which signatures of anything hold.
#[test]
fn v11_2_3_weak_keys_are_refused() {
    for length in [0, 16, 23, 65] {
        assert!(
            SigningSecret::from_bytes(&vec![7; length]).is_err(),
            "{length}"
        );
    }
    let mut identity = [0; 32];
    identity[0] = 1;
    for weak in [[0; 32], identity] {
        assert!(VerifyingKey::from_bytes(&weak).is_err());
    }
}

/// 11.2.4: what is secret, or decides about a secret, has no `==`: it is compared by the crate, in
/// one time wherever it differs.
#[test]
fn v11_2_4_no_secret_is_compared_by_equality() {
    let secrets = [has_equality!(SigningSecret), has_equality!(SigningKey)];
    assert!(!secrets.contains(&true), "{secrets:?}");
    assert!(
        has_equality!(VerifyingKey),
        "the probe sees one that is there"
    );
}

/// 11.5.1: what is generated is unique, from a secure generator, of at least 128 bits.
#[test]
fn v11_5_1_secrets_are_unique_and_every_digit_varies() {
    let shared = || SigningSecret::generate().unwrap().expose_text().to_string();
    let private = || SigningKey::generate().unwrap().expose_text().to_string();
    for generate in [&shared as &dyn Fn() -> String, &private] {
        let made: Vec<_> = (0..500).map(|_| generate()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
        let (_, first) = made[0].split_once('_').unwrap();
        let begin = made[0].len() - first.len();
        // The last digits of base64 hold what is left, and padding.
        for place in begin..begin + 40 {
            let digits: HashSet<_> = made.iter().map(|text| text.as_bytes()[place]).collect();
            assert!(digits.len() > 40, "{place}: {}", digits.len());
        }
    }
}

/// 13.3.4: a secret can be replaced: for a time both count, and then the old one no longer.
#[test]
fn v13_3_4_a_secret_comes_to_its_end() {
    let (old, new) = (signed(1, "msg_1"), signed(2, "msg_2"));
    for sent in [&old, &new] {
        assert!(verify(vec![secret(2), secret(1)], sent, BODY).is_ok());
    }
    assert!(verify(vec![secret(2)], &new, BODY).is_ok());
    let refused = verify(vec![secret(2)], &old, BODY).err();
    assert_eq!(refused, Some(WebhookError::SignatureMismatch));
}

/// 16.2.5: what could be logged shows no secret.
#[test]
fn v16_2_5_nothing_that_is_shown_holds_a_secret() {
    let (shared, private) = (
        SigningSecret::generate().unwrap(),
        SigningKey::generate().unwrap(),
    );
    let (text, key) = (shared.expose_text(), private.expose_text());
    let verifier = Verifier::new([SigningSecret::from_bytes(&[1; 32]).unwrap()]).unwrap();
    let shown = format!("{shared:?} {private:?} {verifier:?}");
    for secret in [&text, &key] {
        let (_, digits) = secret.split_once('_').unwrap();
        assert!(!shown.contains(digits), "{shown}");
    }
    assert!(!shown.contains("1, 1, 1, 1"), "{shown}");
}

/// 16.5.1: what is answered tells nobody whether the key was wrong or the message.
#[test]
fn v16_5_1_a_refusal_does_not_tell_a_wrong_key_from_a_wrong_message() {
    let sent = signed(1, "msg_1");
    let wrong_key = verify(vec![secret(2)], &sent, BODY).unwrap_err();
    let wrong_body = verify(vec![secret(1)], &sent, b"{}").unwrap_err();
    assert_eq!(wrong_key.problem(), wrong_body.problem());
}

/// 16.5.3: what cannot be remembered is not handled.
#[test]
fn v16_5_3_fails_closed() {
    let guard = MemoryReplayGuard::new(1, 300);
    let verified = |id| verify(vec![secret(1)], &signed(1, id), BODY).unwrap();
    assert_eq!(guard.claim("e", &verified("a"), NOW), Ok(Claim::First));
    let refused = guard.claim("e", &verified("b"), NOW).unwrap_err();
    assert_eq!(refused, WebhookError::StoreUnavailable);
    assert!(refused.problem().contains(r#""status":503"#));
    assert!(Verifier::new(Vec::<SigningSecret>::new()).is_err());
}
