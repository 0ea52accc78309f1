//! A body on its way through every MAC and signature at once.

use ed25519_dalek::StreamVerifier;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::WebhookError;
use crate::signatures::MAC_BYTES;

/// What the body is compared with, and how much of it may still come.
pub(crate) struct BodyCheck {
    pub(crate) macs: Vec<Hmac<Sha256>>,
    pub(crate) streams: Vec<StreamVerifier>,
    /// Where the scheme sends no id: the body's own hash.
    pub(crate) digest: Option<Sha256>,
    pub(crate) remaining: Option<u64>,
}

impl BodyCheck {
    pub(crate) fn update(&mut self, chunk: &[u8]) {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.remaining = self.remaining.and_then(|left| left.checked_sub(length));
        if self.remaining.is_some() {
            for mac in &mut self.macs {
                mac.update(chunk);
            }
            for stream in &mut self.streams {
                stream.update(chunk);
            }
            if let Some(digest) = &mut self.digest {
                digest.update(chunk);
            }
        }
    }

    pub(crate) const fn over_limit(&self) -> bool {
        self.remaining.is_none()
    }

    /// Compares, and gives the body's hash where it was asked for.
    pub(crate) fn finish(
        self,
        signatures: &[[u8; MAC_BYTES]],
    ) -> Result<Option<[u8; 32]>, WebhookError> {
        if self.over_limit() {
            return Err(WebhookError::BodyTooLarge);
        }
        // Every pair is compared: the time tells neither which secret matched nor how many.
        let mut matched = Choice::from(0);
        for mac in self.macs {
            let expected: [u8; MAC_BYTES] = mac.finalize().into_bytes().into();
            for signature in signatures {
                matched |= expected.ct_eq(signature);
            }
        }
        // Public keys and signatures are no secrets: the first that holds is enough.
        let mut streams = self.streams.into_iter();
        if !bool::from(matched) && !streams.any(|stream| stream.finalize_and_verify().is_ok()) {
            return Err(WebhookError::SignatureMismatch);
        }
        Ok(self.digest.map(|digest| digest.finalize().into()))
    }
}
