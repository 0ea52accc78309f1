//! The claim key, and the padded form in which the database holds it.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::claim::{Claim, ClaimError, ClaimRequest};

/// SHA-256's block, the width of HMAC's pads in bytes (RFC 2104, section 2).
const BLOCK: usize = 64;

/// Names a claim key; 1 to 16 characters of `a-z 0-9`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

/// The secret with which claims are made; 32 bytes, wiped when dropped.
pub struct ClaimKey {
    id: KeyId,
    secret: SecretBox<[u8; 32]>,
}

/// A claim key combined with HMAC's pads: what the database's key table holds.
///
/// # Security
/// Both halves are as secret as the key: whoever reads them can forge claims.
pub struct PaddedKey {
    inner: Zeroizing<[u8; BLOCK]>,
    outer: Zeroizing<[u8; BLOCK]>,
}

/// Why a claim key could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The id is not 1 to 16 characters of `a-z 0-9`.
    #[error("claim key id: expected 1 to 16 characters of a-z 0-9")]
    Id,
    /// The operating system gave no randomness.
    #[error("claim key: no randomness from the operating system")]
    Randomness,
}

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.is_empty() || text.len() > 16 || !text.bytes().all(safe) {
            return Err(KeyError::Id);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ClaimKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`KeyError::Randomness`] when the operating system gives none.
    pub fn generate(id: KeyId) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyError::Randomness)?;
        Ok(Self::from_bytes(id, &bytes))
    }

    /// Takes 32 bytes as a key.
    #[must_use]
    pub fn from_bytes(id: KeyId, bytes: &[u8; 32]) -> Self {
        Self {
            id,
            secret: SecretBox::new(Box::new(*bytes)),
        }
    }

    /// The key's name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key's 32 bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.secret.expose_secret()
    }

    /// Mints a claim for one transaction.
    ///
    /// # Errors
    /// [`ClaimError`] when the lifetime is zero or over a minute, or the clock is out of range.
    pub fn mint(&self, request: &ClaimRequest) -> Result<Claim, ClaimError> {
        let body = request.body(&self.id)?;
        let mac = self.mac(body.as_bytes());
        Ok(Claim::assemble(body, &mac, request))
    }

    /// The pads that the database needs to verify this key's claims without an extension.
    #[must_use]
    pub fn padded(&self) -> PaddedKey {
        let mut inner = Zeroizing::new([0x36_u8; BLOCK]);
        let mut outer = Zeroizing::new([0x5c_u8; BLOCK]);
        let key = self.secret.expose_secret();
        for (pad, byte) in inner.iter_mut().zip(key) {
            *pad ^= byte;
        }
        for (pad, byte) in outer.iter_mut().zip(key) {
            *pad ^= byte;
        }
        PaddedKey { inner, outer }
    }

    fn mac(&self, body: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this error cannot happen; zeroes would verify nowhere.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.expose_secret()) else {
            return [0; 32];
        };
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKey({}, [redacted])", self.id)
    }
}

impl PaddedKey {
    /// The key xor HMAC's inner pad, 64 bytes.
    #[must_use]
    pub fn expose_inner(&self) -> &[u8] {
        self.inner.as_slice()
    }

    /// The key xor HMAC's outer pad, 64 bytes.
    #[must_use]
    pub fn expose_outer(&self) -> &[u8] {
        self.outer.as_slice()
    }
}

impl fmt::Debug for PaddedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaddedKey([redacted])")
    }
}

impl Drop for PaddedKey {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let key = ClaimKey::from_bytes("k1".parse().unwrap(), &[7; 32]);
        assert_eq!(format!("{key:?}"), "ClaimKey(k1, [redacted])");
        assert_eq!(format!("{:?}", key.padded()), "PaddedKey([redacted])");
    }

    /// The database computes HMAC from the pads by hand; both ways must agree.
    #[test]
    fn pads_give_the_same_mac() {
        let key = ClaimKey::from_bytes("k1".parse().unwrap(), &[0xa5; 32]);
        let pads = key.padded();
        let inner = Sha256::new()
            .chain_update(pads.expose_inner())
            .chain_update(b"body");
        let outer = Sha256::new()
            .chain_update(pads.expose_outer())
            .chain_update(inner.finalize());
        assert_eq!(<[u8; 32]>::from(outer.finalize()), key.mac(b"body"));
    }

    #[test]
    fn key_ids_cannot_hold_the_separator() {
        for bad in ["", "K1", "k.1", "k 1", "0123456789abcdefg", "é"] {
            assert_eq!(bad.parse::<KeyId>(), Err(KeyError::Id));
        }
    }
}
