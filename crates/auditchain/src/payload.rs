//! The payload: the fields that an entry commits to, before they are sealed.

use std::fmt;

use minicbor::{Decoder, Encoder};
use secrecy::{ExposeSecret as _, SecretBox};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::event::MAX_COMMITMENTS;
use crate::leaf::is_v7;
use crate::{Commitment, Event, Field};

/// The longest payload, in bytes of its encoding.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// The version of the format.
const VERSION: u8 = 1;

/// An event's sealed fields, each with its salt: the plaintext of the blob that is kept beside the
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
    fields: Vec<Sealed>,
}

/// A field with its salt and its value, on the way into a [`Payload`].
pub type SaltedField = (Field, Zeroizing<[u8; 32]>, Zeroizing<Vec<u8>>);

struct Sealed {
    field: Field,
    salt: SecretBox<[u8; 32]>,
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
    /// More than [`MAX_COMMITMENTS`] fields, or one of them twice.
    #[error("payload: at most 16 fields, each once")]
    Fields,
    /// The operating system gave no random bytes for a salt.
    #[error("payload: no random bytes from the operating system")]
    Random,
}

/// The payload is not the one that the event commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload: not what the event commits to")]
pub struct CommitmentMismatch;

impl From<minicbor::decode::Error> for PayloadError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

impl Payload {
    /// Puts each field under a new random salt.
    ///
    /// # Errors
    /// [`PayloadError`] for too many or repeated fields, or too long a payload.
    pub fn generate(
        event_id: Uuid,
        fields: Vec<(Field, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self, PayloadError> {
        let mut salted = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let mut salt = Zeroizing::new([0; 32]);
            getrandom::fill(salt.as_mut()).map_err(|_| PayloadError::Random)?;
            salted.push((field, salt, value));
        }
        Self::with_salts(event_id, salted)
    }

    /// As [`Self::generate`], with the salts given.
    ///
    /// # Errors
    /// [`PayloadError`], as there.
    ///
    /// # Security
    /// A salt is 32 random bytes that no other field of any event has had.
    pub fn with_salts(event_id: Uuid, fields: Vec<SaltedField>) -> Result<Self, PayloadError> {
        if !is_v7(&event_id) {
            return Err(PayloadError::Id);
        }
        if fields.len() > MAX_COMMITMENTS {
            return Err(PayloadError::Fields);
        }
        let mut fields: Vec<Sealed> = fields
            .into_iter()
            .map(|(field, salt, mut value)| Sealed {
                field,
                salt: SecretBox::init_with_mut(|boxed: &mut [u8; 32]| *boxed = *salt),
                value: SecretBox::new(Box::new(std::mem::take(&mut *value))),
            })
            .collect();
        fields.sort_by(|one, other| one.field.cmp(&other.field));
        if !fields.is_sorted_by(|one, next| one.field < next.field) {
            return Err(PayloadError::Fields);
        }
        let payload = Self { event_id, fields };
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

    /// The commitments that the event carries for this payload, ascending by field.
    #[must_use]
    pub fn commitments(&self) -> Vec<Commitment> {
        let commit = |sealed: &Sealed| {
            Commitment::commit(
                sealed.salt.expose_secret(),
                &self.event_id,
                &sealed.field,
                sealed.value.expose_secret(),
            )
        };
        self.fields.iter().map(commit).collect()
    }

    /// Checks that the event commits to exactly this payload: its id, each field, no other.
    ///
    /// # Errors
    /// [`CommitmentMismatch`], which does not say where.
    pub fn verify(&self, event: &Event) -> Result<(), CommitmentMismatch> {
        let own = self.commitments();
        let same = own.len() == event.commitments.len()
            && own.iter().zip(&event.commitments).all(|(a, b)| a.is(b));
        if same && self.event_id == event.id {
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
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong);
        }
        let mut cbor = Decoder::new(bytes);
        if cbor.map()? != Some(3) || cbor.u8()? != 0 {
            return Err(PayloadError::Malformed);
        }
        if cbor.u8()? != VERSION {
            return Err(PayloadError::Version);
        }
        if cbor.u8()? != 1 {
            return Err(PayloadError::Malformed);
        }
        let event_id = cbor.bytes()?.try_into().map_err(|_| PayloadError::Id)?;
        if cbor.u8()? != 2 {
            return Err(PayloadError::Malformed);
        }
        let count = cbor.array()?.ok_or(PayloadError::Malformed)?;
        let mut fields = Vec::new();
        for _ in 0..count {
            if fields.len() == MAX_COMMITMENTS {
                return Err(PayloadError::Fields);
            }
            if cbor.array()? != Some(3) {
                return Err(PayloadError::Malformed);
            }
            let field = cbor.str()?.parse().map_err(|_| PayloadError::Malformed)?;
            let salt = cbor.bytes()?.try_into();
            let salt = Zeroizing::new(salt.map_err(|_| PayloadError::Malformed)?);
            fields.push((field, salt, Zeroizing::new(cbor.bytes()?.to_vec())));
        }
        let payload = Self::with_salts(Uuid::from_bytes(event_id), fields)?;
        if *payload.encode() != bytes {
            return Err(PayloadError::Malformed);
        }
        Ok(payload)
    }

    /// No encoding is longer: 64 bytes of frame, and for each field its label, its salt, its
    /// value and at most 16 bytes of heads.
    fn encoded_bound(&self) -> usize {
        self.fields.iter().fold(64, |sum, sealed| {
            let value = sealed.value.expose_secret().len();
            let field = sealed.field.as_str().len();
            sum.saturating_add(value).saturating_add(field + 32 + 16)
        })
    }

    fn write<W: minicbor::encode::Write>(
        &self,
        cbor: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        cbor.map(3)?.u8(0)?.u8(VERSION)?;
        cbor.u8(1)?.bytes(self.event_id.as_bytes())?;
        cbor.u8(2)?;
        cbor.array(self.fields.iter().fold(0, |n, _| n + 1))?;
        for sealed in &self.fields {
            cbor.array(3)?.str(sealed.field.as_str())?;
            cbor.bytes(sealed.salt.expose_secret())?;
            cbor.bytes(sealed.value.expose_secret())?;
        }
        Ok(())
    }
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
