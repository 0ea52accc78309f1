//! The payload: the fields that an entry commits to, before they are sealed.

use std::fmt;

use minicbor::Encoder;
use secrecy::{ExposeSecret as _, SecretBox};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::event::MAX_COMMITMENTS;
use crate::leaf_view::is_v7;
use crate::payload_view::PayloadView;
use crate::{Commitment, Commitments, Event, Field};

/// The longest payload, in bytes of its encoding.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// The most fields of a payload. Of more than [`MAX_COMMITMENTS`] the event commits to the map.
pub const MAX_PAYLOAD_FIELDS: usize = 1024;

/// The version of the format.
pub(crate) const VERSION: u8 = 1;

/// No encoding is longer than so many bytes of frame,
pub(crate) const ENCODED_FRAME: usize = 96;

/// and for each field its name, its value, and so many for its salt and all heads.
pub(crate) const ENCODED_FIELD: usize = 32 + 16;

/// An event's sealed fields with their salts: the plaintext of the blob that is kept beside the
/// log under the tenant's key (audit-leaf, "Payload").
///
/// Values and salts are wiped on drop and never printed.
///
/// ```
/// use strongroom_auditchain::Payload;
/// use strongroom_tenancy::RequestId;
/// use zeroize::Zeroizing;
///
/// let event_id = *RequestId::from_parts(1_700_000_000_000, &[1; 10]).as_uuid();
/// let prompt = Zeroizing::new(b"What is our notice period?".to_vec());
/// let payload = Payload::generate(event_id, vec![("prompt".parse()?, prompt)])?;
/// // These go into the event, and the encoding, sealed, into the store beside the log.
/// let commitments = payload.commitments();
/// let plaintext = payload.encode();
/// assert_eq!(Payload::decode(&plaintext)?.commitments(), commitments);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// The salts exist nowhere else. That is what makes destroying the key an erasure: keep no copy of
/// a payload that is not sealed.
pub struct Payload {
    event_id: Uuid,
    /// The salt of the whole map, where the fields have none of their own.
    map_salt: Option<SecretBox<[u8; 32]>>,
    /// Ascending by field.
    fields: Vec<Sealed>,
}

/// A field with its salt and its value, on the way into a [`Payload`].
pub type SaltedField = (Field, Zeroizing<[u8; 32]>, Zeroizing<Vec<u8>>);

/// A field with its value, on the way into a [`Payload`] that chooses its salts, or has one.
pub type FieldValue = (Field, Zeroizing<Vec<u8>>);

struct Sealed {
    field: Field,
    /// There unless the payload has one salt for all.
    salt: Option<SecretBox<[u8; 32]>>,
    value: SecretBox<Vec<u8>>,
}

/// Why fields are no payload, or bytes not the encoding of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Longer than [`MAX_PAYLOAD_BYTES`].
    #[error("payload: longer than 16 MiB")]
    TooLong,
    /// Not the CBOR that the format asks for, or not its canonical form.
    #[error("payload: malformed")]
    Malformed,
    /// Another version of the format.
    #[error("payload: unknown version")]
    Version,
    /// The event id is not a UUIDv7.
    #[error("payload: the event id must be a UUIDv7")]
    Id,
    /// A field twice, or not 0 to 16 with salts of their own or 17 to 1024 with one for all.
    #[error("payload: at most 16 fields with salts or 17 to 1024 with one for all, each once")]
    Fields,
    /// The operating system gave no random bytes for a salt.
    #[error("payload: no random bytes from the operating system")]
    Random,
}

/// The payload is not the one that the event commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload: not what the event commits to")]
pub struct CommitmentMismatch;

impl Payload {
    /// Puts each field under a new random salt; more than [`MAX_COMMITMENTS`] fields all under one.
    ///
    /// # Errors
    /// [`PayloadError`] for more than [`MAX_PAYLOAD_FIELDS`] or repeated fields, or too long a
    /// payload.
    pub fn generate(event_id: Uuid, fields: Vec<FieldValue>) -> Result<Self, PayloadError> {
        let new_salt = || -> Result<Zeroizing<[u8; 32]>, PayloadError> {
            let mut salt = Zeroizing::new([0; 32]);
            getrandom::fill(salt.as_mut()).map_err(|_| PayloadError::Random)?;
            Ok(salt)
        };
        if fields.len() > MAX_COMMITMENTS {
            return Self::with_map_salt(event_id, new_salt()?, fields);
        }
        let mut salted = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            salted.push((field, new_salt()?, value));
        }
        Self::with_salts(event_id, salted)
    }

    /// As [`Self::generate`], with the salts of single fields given.
    ///
    /// # Errors
    /// [`PayloadError`], as there, and for more than [`MAX_COMMITMENTS`] fields.
    ///
    /// # Security
    /// A salt is 32 random bytes that no other field of any event has had.
    pub fn with_salts(event_id: Uuid, fields: Vec<SaltedField>) -> Result<Self, PayloadError> {
        if fields.len() > MAX_COMMITMENTS {
            return Err(PayloadError::Fields);
        }
        let fields = fields
            .into_iter()
            .map(|(field, salt, value)| Sealed::new(field, Some(boxed(&salt)), value));
        Self::new(event_id, None, fields.collect())
    }

    /// As [`Self::generate`], with the one salt of [`MAX_COMMITMENTS`] + 1 to
    /// [`MAX_PAYLOAD_FIELDS`] fields given.
    ///
    /// # Errors
    /// [`PayloadError`], as there, and for fewer fields.
    ///
    /// # Security
    /// As [`Self::with_salts`]. Whoever is shown one of the fields must be shown them all.
    pub fn with_map_salt(
        event_id: Uuid,
        salt: Zeroizing<[u8; 32]>,
        fields: Vec<FieldValue>,
    ) -> Result<Self, PayloadError> {
        if !(MAX_COMMITMENTS + 1..=MAX_PAYLOAD_FIELDS).contains(&fields.len()) {
            return Err(PayloadError::Fields);
        }
        let fields = fields
            .into_iter()
            .map(|(field, value)| Sealed::new(field, None, value));
        Self::new(event_id, Some(boxed(&salt)), fields.collect())
    }

    fn new(
        event_id: Uuid,
        map_salt: Option<SecretBox<[u8; 32]>>,
        mut fields: Vec<Sealed>,
    ) -> Result<Self, PayloadError> {
        if !is_v7(event_id.as_bytes()) {
            return Err(PayloadError::Id);
        }
        fields.sort_by(|one, other| one.field.cmp(&other.field));
        if !fields.is_sorted_by(|one, next| one.field < next.field) {
            return Err(PayloadError::Fields);
        }
        let payload = Self {
            event_id,
            map_salt,
            fields,
        };
        if payload.encoded_bound() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        Ok(payload)
    }

    /// Whose payload it is.
    #[must_use]
    pub const fn event_id(&self) -> &Uuid {
        &self.event_id
    }

    /// The names of its fields, ascending.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().map(|sealed| &sealed.field)
    }

    /// A field's value.
    #[must_use]
    pub fn expose(&self, field: &Field) -> Option<&[u8]> {
        let sealed = self.fields.iter().find(|sealed| sealed.field == *field)?;
        Some(sealed.value.expose_secret())
    }

    /// The commitments that the event carries for this payload.
    #[must_use]
    pub fn commitments(&self) -> Commitments {
        if let Some(salt) = &self.map_salt {
            let fields = self.fields.iter();
            let fields =
                fields.map(|sealed| (&sealed.field, sealed.value.expose_secret().as_ref()));
            return Commitments::of_map(salt.expose_secret(), &self.event_id, fields);
        }
        let commit = |sealed: &Sealed| {
            let salt = sealed.salt.as_ref()?.expose_secret();
            let value = sealed.value.expose_secret();
            Some(Commitment::commit(
                salt,
                &self.event_id,
                &sealed.field,
                value,
            ))
        };
        Commitments::Fields(self.fields.iter().filter_map(commit).collect())
    }

    /// Checks that the event commits to exactly this payload: its id, each field, no other.
    ///
    /// # Errors
    /// [`CommitmentMismatch`], which does not say where.
    pub fn verify(&self, event: &Event) -> Result<(), CommitmentMismatch> {
        if self.commitments().are(&event.commitments) && self.event_id == event.id {
            Ok(())
        } else {
            Err(CommitmentMismatch)
        }
    }

    /// The plaintext to seal, wiped when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        // All of it at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.encoded_bound()));
        // Writing to a vector cannot fail.
        let _: Result<(), minicbor::encode::Error<std::convert::Infallible>> =
            self.write(&mut Encoder::new(&mut *bytes));
        bytes
    }

    /// Reads what [`Self::encode`] wrote, strictly: re-encoding gives the same bytes.
    ///
    /// # Errors
    /// [`PayloadError`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let view = PayloadView::parse(bytes)?;
        let name = |name| {
            let name = std::str::from_utf8(name)
                .ok()
                .and_then(|name| name.parse().ok());
            name.ok_or(PayloadError::Malformed)
        };
        let fields = view.fields().map(|(field, salt, value)| {
            let value = Zeroizing::new(value.to_vec());
            Ok::<_, PayloadError>(Sealed::new(name(field)?, salt.map(boxed), value))
        });
        let event_id = Uuid::from_bytes(*view.event_id);
        Self::new(
            event_id,
            view.map_salt.map(boxed),
            fields.collect::<Result<_, _>>()?,
        )
    }

    /// No encoding is longer.
    fn encoded_bound(&self) -> usize {
        self.fields.iter().fold(ENCODED_FRAME, |sum, sealed| {
            let value = sealed.value.expose_secret().len();
            let field = sealed.field.as_str().len();
            sum.saturating_add(value)
                .saturating_add(field + ENCODED_FIELD)
        })
    }

    fn write<W: minicbor::encode::Write>(
        &self,
        cbor: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        cbor.map(if self.map_salt.is_some() { 4 } else { 3 })?;
        cbor.u8(0)?.u8(VERSION)?;
        cbor.u8(1)?.bytes(self.event_id.as_bytes())?;
        if let Some(salt) = &self.map_salt {
            cbor.u8(3)?.bytes(salt.expose_secret())?.u8(4)?;
        } else {
            cbor.u8(2)?;
        }
        cbor.array(self.fields.iter().fold(0, |n, _| n + 1))?;
        for sealed in &self.fields {
            cbor.array(if sealed.salt.is_some() { 3 } else { 2 })?;
            cbor.str(sealed.field.as_str())?;
            if let Some(salt) = &sealed.salt {
                cbor.bytes(salt.expose_secret())?;
            }
            cbor.bytes(sealed.value.expose_secret())?;
        }
        Ok(())
    }
}

impl Sealed {
    fn new(field: Field, salt: Option<SecretBox<[u8; 32]>>, mut value: Zeroizing<Vec<u8>>) -> Self {
        let value = SecretBox::new(Box::new(std::mem::take(&mut *value)));
        Self { field, salt, value }
    }
}

fn boxed(salt: &[u8; 32]) -> SecretBox<[u8; 32]> {
    SecretBox::init_with_mut(|boxed: &mut [u8; 32]| *boxed = *salt)
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&Field> = self.fields().collect();
        write!(
            f,
            "Payload {{ event_id: {}, fields: {fields:?} }}",
            self.event_id
        )
    }
}
