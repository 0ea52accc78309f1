//! Signing keys, and the private JWK in which one is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use serde::Deserialize;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::algorithm::Algorithm;
use crate::public_key::PublicKey;

/// A private key that signs tokens; wiped when dropped.
///
/// # Security
/// Whoever holds it can mint any tenant's tokens.
///
/// ```
/// use strongroom_tenant_token::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate_for(Algorithm::Es256)?;
/// let kept = key.expose_jwk();
/// assert_eq!(SigningKey::from_jwk(&kept)?.kid(), key.kid());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SigningKey {
    key: Key,
    public: PublicKey,
}

enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomnessError;

/// Why what was stored is not a private key; says nothing about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not the JSON object that a private JWK is, or a member is absent, twice or of another form.
    #[error("private key: not a private JWK of an Ed25519 or P-256 key")]
    Malformed,
    /// The private number is not 32 bytes, or no scalar of the curve (zero, or not below the
    /// group's order).
    #[error("private key: d is not a private key of the curve")]
    NotAScalar,
    /// The public half is another key's: what was signed would verify nowhere.
    #[error("private key: the public half is of another key")]
    Mismatch,
}

#[derive(Deserialize, ZeroizeOnDrop)]
struct PrivateJwk {
    kty: String,
    crv: String,
    d: String,
    x: String,
    y: Option<String>,
}

/// The base64url of 32 bytes.
const SECRET_BASE64: usize = 43;

impl SigningKey {
    /// Makes an Ed25519 key from the operating system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when there is none.
    pub fn generate() -> Result<Self, RandomnessError> {
        Self::generate_for(Algorithm::EdDsa)
    }

    /// Makes a key of an algorithm from the operating system's randomness.
    ///
    /// # Errors
    /// [`RandomnessError`] when there is none.
    pub fn generate_for(algorithm: Algorithm) -> Result<Self, RandomnessError> {
        // All but one in 2^32 draws are scalars of P-256; many misses are broken randomness.
        for _ in 0..8 {
            let mut secret = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *secret).map_err(|_| RandomnessError)?;
            if let Ok(key) = Self::from_secret(algorithm, secret.as_slice()) {
                return Ok(key);
            }
        }
        Err(RandomnessError)
    }

    /// Takes an Ed25519 seed (RFC 8032, section 5.1.5: the 32-byte private key).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::of_ed25519(key.verifying_key());
        let key = Key::Ed25519(key);
        Self { key, public }
    }

    /// Takes what [`expose_secret`](Self::expose_secret) gave.
    ///
    /// # Errors
    /// [`PrivateKeyError::NotAScalar`].
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, PrivateKeyError> {
        let secret: &[u8; 32] = secret.try_into().map_err(|_| PrivateKeyError::NotAScalar)?;
        match algorithm {
            Algorithm::EdDsa => Ok(Self::from_seed(secret)),
            Algorithm::Es256 => {
                let key = p256::ecdsa::SigningKey::from_slice(secret)
                    .map_err(|_| PrivateKeyError::NotAScalar)?;
                let public = PublicKey::of_p256(*key.verifying_key());
                let key = Key::P256(key);
                Ok(Self { key, public })
            }
        }
    }

    /// Reads a private JWK (RFC 8037, section 2; RFC 7518, section 6.2.2). Members other than the
    /// key's own are passed over.
    ///
    /// # Errors
    /// [`PrivateKeyError`].
    pub fn from_jwk(text: &str) -> Result<Self, PrivateKeyError> {
        // The parser's own message could repeat the value at fault.
        let jwk: PrivateJwk = serde_json::from_str(text).map_err(|_| PrivateKeyError::Malformed)?;
        let algorithm = match (jwk.kty.as_str(), jwk.crv.as_str(), jwk.y.is_some()) {
            ("OKP", "Ed25519", false) => Algorithm::EdDsa,
            ("EC", "P-256", true) => Algorithm::Es256,
            _ => return Err(PrivateKeyError::Malformed),
        };
        let mut decoded = Zeroizing::new([0; 36]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(&jwk.d, decoded.as_mut_slice())
            .map_err(|_| PrivateKeyError::NotAScalar)?;
        let key = Self::from_secret(algorithm, decoded.get(..length).unwrap_or_default())?;
        let own = key.public.to_jwk();
        let halves = [Some(("x", &jwk.x)), jwk.y.as_ref().map(|y| ("y", y))];
        for (name, value) in halves.into_iter().flatten() {
            // Held as text: a second spelling is not this key's.
            if value.len() != SECRET_BASE64 || !own.contains(&format!(r#""{name}":"{value}""#)) {
                return Err(PrivateKeyError::Mismatch);
            }
        }
        Ok(key)
    }

    /// How the key signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
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

    /// The secret, for sealing it into storage: the Ed25519 seed, or the P-256 scalar.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match &self.key {
            Key::Ed25519(key) => *key.as_bytes(),
            Key::P256(key) => key.to_bytes().into(),
        })
    }

    /// The key as a private JWK, in JSON; holds the secret.
    #[must_use]
    pub fn expose_jwk(&self) -> Zeroizing<String> {
        let mut encoded = Zeroizing::new([0; SECRET_BASE64]);
        // 32 bytes are 43 characters; a key that lost some would not be read again.
        let written = URL_SAFE_NO_PAD.encode_slice(*self.expose_secret(), encoded.as_mut_slice());
        let secret = encoded.get(..written.unwrap_or(0)).unwrap_or_default();
        let public = self.public.to_jwk();
        // Full size from the start: a buffer that grew would leave the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(public.len() + SECRET_BASE64 + 16));
        text.push_str(r#"{"d":""#);
        text.extend(secret.iter().copied().map(char::from));
        text.push_str(r#"","#);
        text.push_str(public.get(1..).unwrap_or_default());
        text
    }

    pub(crate) fn header(&self) -> &str {
        self.public.header()
    }

    /// Signs; the same message gives the same signature (RFC 8032; RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.key {
            Key::Ed25519(key) => key.sign(message).to_bytes(),
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid())
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
    fn debug_shows_no_secret() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(
            format!("{key:?}"),
            "SigningKey(--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck)"
        );
        assert_eq!(
            format!("{:?}", key.public_key()),
            "PublicKey(--6IM5l0OosLj9yWskISYhUA3n_3CURQkmrYMSha_ck)"
        );
        let key = SigningKey::from_secret(Algorithm::Es256, &[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.kid()));
    }

    #[test]
    fn private_keys_are_wiped_on_drop() {
        fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<ed25519_dalek::SigningKey>();
        wiped::<p256::ecdsa::SigningKey>();
        wiped::<PrivateJwk>();
    }

    #[test]
    fn secrets_of_no_key_are_refused() {
        // The order of P-256's group.
        let order: [u8; 32] = [
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
            0x25, 0x51,
        ];
        let refused = |algorithm, secret: &[u8]| {
            SigningKey::from_secret(algorithm, secret).err() == Some(PrivateKeyError::NotAScalar)
        };
        assert!(refused(Algorithm::Es256, &[0; 32]));
        assert!(refused(Algorithm::Es256, &order));
        assert!(refused(Algorithm::Es256, &[0xff; 32]));
        for length in [0, 16, 31, 33, 64] {
            for algorithm in Algorithm::ALL {
                assert!(refused(algorithm, &vec![1; length]), "{algorithm} {length}");
            }
        }
    }

    #[test]
    fn private_jwks_round_trip_and_their_faults_are_named() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate_for(algorithm).unwrap();
            let other = SigningKey::generate_for(algorithm).unwrap();
            let text = key.expose_jwk();
            assert_eq!(SigningKey::from_jwk(&text).unwrap().kid(), key.kid());
            let others = other.expose_jwk();
            let (secret, _) = text.split_at(49);
            let (_, public) = others.split_at(49);
            let swapped = format!("{secret}{public}");
            let fault = |text: &str| SigningKey::from_jwk(text).err().unwrap();
            assert_eq!(fault(&swapped), PrivateKeyError::Mismatch);
            assert_eq!(
                fault(&key.public_key().to_jwk()),
                PrivateKeyError::Malformed
            );
            let short = text.replacen(text.get(6..10).unwrap(), "", 1);
            assert_eq!(fault(&short), PrivateKeyError::NotAScalar);
            assert_eq!(
                fault(&text.replace("kty", "kt")),
                PrivateKeyError::Malformed
            );
            let twice = text.replacen('{', r#"{"d":"","#, 1);
            assert_eq!(fault(&twice), PrivateKeyError::Malformed);
            assert_eq!(
                fault(&text.replace("crv\":\"", "crv\":\"X")),
                PrivateKeyError::Malformed
            );
        }
    }

    #[test]
    fn generated_keys_differ_and_signatures_repeat() {
        for algorithm in Algorithm::ALL {
            let a = SigningKey::generate_for(algorithm).unwrap();
            let b = SigningKey::generate_for(algorithm).unwrap();
            assert_ne!(a.kid(), b.kid());
            assert_eq!(a.sign(b"x"), a.sign(b"x"));
            assert!(a.public_key().holds(b"x", &a.sign(b"x")));
            assert!(!b.public_key().holds(b"x", &a.sign(b"x")));
        }
    }
}
