//! The verifier key: a public key with its name and the type of what it signs.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::NoteError;
use crate::cosignature;
use crate::label::is_key_name;

/// What a key's signatures are over (C2SP signed-note, "Signature types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureType {
    /// Ed25519 over the note's text: 0x01.
    Ed25519,
    /// Ed25519 over a time and the note's text, by a cosigner (C2SP tlog-cosignature): 0x04.
    Cosignature,
}

/// A public key with the name under which it signs notes, written `name+keyid+key`.
///
/// The key id is computed from name, type and key, so that the same key under another name, or for
/// another type of signature, is another verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: [u8; 4],
    signature_type: SignatureType,
    key: VerifyingKey,
}

/// What a good signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// The text.
    Signed,
    /// That the text stood at this time, in Unix seconds.
    Cosigned { time: u64 },
}

impl SignatureType {
    const ALL: [Self; 2] = [Self::Ed25519, Self::Cosignature];

    /// The identifier that stands in front of the key.
    const fn identifier(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

impl VerifierKey {
    /// Puts a name to an Ed25519 public key that signs notes.
    ///
    /// # Errors
    /// [`NoteError::MalformedName`], or [`NoteError::WeakKey`] for bytes with which anyone could
    /// sign.
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_type(SignatureType::Ed25519, name, public_key)
    }

    /// Puts a name to an Ed25519 public key that cosigns checkpoints.
    ///
    /// # Errors
    /// [`NoteError`], as [`Self::new`].
    ///
    /// # Security
    /// What a cosigner signs does not hold its name: two cosigners must not share a key
    /// (tlog-cosignature, "Ed25519 signed message").
    pub fn cosigner(name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        Self::of_type(SignatureType::Cosignature, name, public_key)
    }

    /// The name under which the key signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of the hash of name, type and key.
    #[must_use]
    pub const fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// What its signatures are over.
    #[must_use]
    pub const fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// What the signature says of the text, if this key made it.
    pub(crate) fn accepts(&self, text: &str, signature: &[u8]) -> Option<Statement> {
        match self.signature_type {
            SignatureType::Ed25519 => {
                self.signed(text.as_bytes(), signature)?;
                Some(Statement::Signed)
            }
            SignatureType::Cosignature => {
                let (time, signature) = cosignature::split(signature)?;
                self.signed(cosignature::message(time, text).as_bytes(), signature)?;
                Some(Statement::Cosigned { time })
            }
        }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        // Strict: no small-order points, so that one signature fits one text and one key.
        let signature = Signature::from_slice(signature).ok()?;
        self.key.verify_strict(message, &signature).ok()
    }

    fn of_type(kind: SignatureType, name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::MalformedName);
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| NoteError::WeakKey)?;
        if key.is_weak() {
            return Err(NoteError::WeakKey);
        }
        // signed-note, "Ed25519 signatures"; tlog-cosignature, "Format".
        let hash: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind.identifier()])
            .chain_update(public_key)
            .finalize()
            .into();
        let [a, b, c, d, ..] = hash;
        Ok(Self {
            name: name.to_owned(),
            key_id: [a, b, c, d],
            signature_type: kind,
            key,
        })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.key_id);
        let kind = self.signature_type.identifier();
        let key = [&[kind], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = NoteError::MalformedKey;
        // The base64 alphabet holds a plus sign, names and ids don't.
        let (name, rest) = text.split_once('+').ok_or(malformed)?;
        let (id, key) = rest.split_once('+').ok_or(malformed)?;
        let lower = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        if id.len() != 8 || !id.bytes().all(lower) || key.len() > 1024 {
            return Err(malformed);
        }
        let id = u32::from_str_radix(id, 16).map_err(|_| malformed)?;
        let key = STANDARD.decode(key).map_err(|_| malformed)?;
        let (identifier, public_key) = key.split_first().ok_or(malformed)?;
        let kind = SignatureType::ALL
            .into_iter()
            .find(|kind| kind.identifier() == *identifier)
            .ok_or(NoteError::UnsupportedKey)?;
        let public_key = public_key.try_into().map_err(|_| malformed)?;
        let key = Self::of_type(kind, name, public_key)?;
        if key.key_id != id.to_be_bytes() {
            return Err(NoteError::KeyIdMismatch);
        }
        Ok(key)
    }
}
