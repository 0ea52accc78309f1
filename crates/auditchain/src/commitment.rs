//! Commitments: what an entry says of a field that it does not show.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Field;

/// What separates commitments from every other use of HMAC-SHA256.
pub const COMMITMENT_LABEL: &str = "strongroom/audit-commitment/v1";

/// A field's salted digest: HMAC-SHA256 keyed with a salt of its own, over event, field and value.
///
/// Whoever has the salt and the value can show that the entry meant them; without the salt the
/// digest says nothing, not even to someone who can guess the value. So whoever destroys salt and
/// value together has erased the field, and the log stays whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Which field.
    pub field: Field,
    /// Its digest.
    pub digest: [u8; 32],
}

impl Commitment {
    /// Commits to a value under a salt of 32 random bytes (audit-leaf, "Commitments").
    ///
    /// # Security
    /// A salt serves one field of one event and is secret as long as the value is. Used twice, or
    /// guessable, it lets anyone with the log test guesses of the value.
    #[must_use]
    pub fn commit(salt: &[u8; 32], event_id: &Uuid, field: &Field, value: &[u8]) -> Self {
        // A key shorter than the block is padded with zeros (RFC 2104, section 2).
        let mut key = Zeroizing::new([0; 64]);
        for (padded, byte) in key.iter_mut().zip(salt) {
            *padded = *byte;
        }
        let mut mac = <Hmac<Sha256>>::new((&*key).into());
        mac.update(COMMITMENT_LABEL.as_bytes());
        // Each part behind its length, so that no two triples give the same message.
        for part in [event_id.as_bytes(), field.as_str().as_bytes(), value] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Self {
            field: field.clone(),
            digest: mac.finalize().into_bytes().into(),
        }
    }

    /// Compares in constant time: a digest's bytes are nothing to learn by timing.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.field == other.field && bool::from(self.digest.ct_eq(&other.digest))
    }
}
