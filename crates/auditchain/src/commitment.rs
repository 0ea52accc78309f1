//! Commitments: what an entry says of fields that it does not show.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Field;

/// What separates commitments from every other use of HMAC-SHA256.
pub const COMMITMENT_LABEL: &str = "strongroom/audit-commitment/v1";

/// What separates commitments to whole maps.
pub const MAP_COMMITMENT_LABEL: &str = "strongroom/audit-map-commitment/v1";

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

/// All that an event commits to: some fields, each by itself, or a map of many by one digest.
///
/// ```
/// use strongroom_auditchain::Commitments;
///
/// assert!(Commitments::NONE.is_none());
/// assert!(Commitments::Map([7; 32]).fields().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commitments {
    /// Up to [`crate::MAX_COMMITMENTS`] fields, ascending, each of which can be shown alone.
    Fields(Vec<Commitment>),
    /// The digest of more fields than that, which can be shown only together.
    Map([u8; 32]),
}

impl Commitment {
    /// Commits to a value under a salt of 32 random bytes (audit-leaf, "Commitments").
    ///
    /// # Security
    /// A salt serves one field of one event and is secret as long as the value is. Used twice, or
    /// guessable, it lets anyone with the log test guesses of the value.
    #[must_use]
    pub fn commit(salt: &[u8; 32], event_id: &Uuid, field: &Field, value: &[u8]) -> Self {
        Self {
            field: field.clone(),
            digest: field_digest(salt, event_id.as_bytes(), field.as_str().as_bytes(), value),
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.field == other.field && same(&self.digest, &other.digest)
    }
}

impl Commitments {
    /// Nothing is committed to.
    pub const NONE: Self = Self::Fields(Vec::new());

    /// The commitments to single fields; none for a map.
    #[must_use]
    pub fn fields(&self) -> &[Commitment] {
        match self {
            Self::Fields(fields) => fields,
            Self::Map(_) => &[],
        }
    }

    /// Whether nothing is committed to.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Fields(fields) if fields.is_empty())
    }

    /// Commits to a whole map, whose fields ascend (audit-leaf, "Commitment to a map").
    pub(crate) fn of_map<'a>(
        salt: &[u8; 32],
        event_id: &Uuid,
        fields: impl ExactSizeIterator<Item = (&'a Field, &'a [u8])>,
    ) -> Self {
        let count = fields.len() as u64;
        let fields = fields.map(|(field, value)| (field.as_str().as_bytes(), value));
        Self::Map(map_digest(salt, event_id.as_bytes(), count, fields))
    }

    pub(crate) fn are(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Fields(own), Self::Fields(others)) => {
                own.len() == others.len() && own.iter().zip(others).all(|(a, b)| a.is(b))
            }
            (Self::Map(own), Self::Map(other)) => same(own, other),
            _ => false,
        }
    }
}

impl From<Vec<Commitment>> for Commitments {
    fn from(fields: Vec<Commitment>) -> Self {
        Self::Fields(fields)
    }
}

/// The digest of a field (audit-leaf, section 5).
pub(crate) fn field_digest(
    salt: &[u8; 32],
    event_id: &[u8; 16],
    field: &[u8],
    value: &[u8],
) -> [u8; 32] {
    let mut digest = SaltedDigest::new(salt, COMMITMENT_LABEL);
    digest.part(event_id);
    digest.part(field);
    digest.part(value);
    digest.finish()
}

/// The digest of a map of so many fields, which ascend (audit-leaf, section 5.1).
pub(crate) fn map_digest<'a>(
    salt: &[u8; 32],
    event_id: &[u8; 16],
    count: u64,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> [u8; 32] {
    let mut digest = SaltedDigest::new(salt, MAP_COMMITMENT_LABEL);
    digest.part(event_id);
    digest.number(count);
    for (field, value) in fields {
        digest.part(field);
        digest.part(value);
    }
    digest.finish()
}

/// HMAC-SHA256 keyed with a salt, over a label and parts of which each stands behind its length, so
/// that no two lists of parts give the same message.
pub(crate) struct SaltedDigest(Hmac<Sha256>);

impl SaltedDigest {
    pub(crate) fn new(salt: &[u8; 32], label: &str) -> Self {
        // A key shorter than the block is padded with zeros (RFC 2104, section 2).
        let mut key = Zeroizing::new([0; 64]);
        for (padded, byte) in key.iter_mut().zip(salt) {
            *padded = *byte;
        }
        let mut mac = <Hmac<Sha256>>::new((&*key).into());
        mac.update(label.as_bytes());
        Self(mac)
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    pub(crate) fn part(&mut self, part: &[u8]) {
        self.number(part.len() as u64);
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

/// Compares in constant time, by words: a digest's bytes are nothing to learn by timing.
pub(crate) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let ((one, _), (other, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let differ = one.iter().zip(other).fold(0, |differ, (one, other)| {
        differ | (u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other))
    });
    bool::from(differ.ct_eq(&0))
}
