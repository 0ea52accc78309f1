//! Signed notes: C2SP signed-note with Ed25519 (signature type 0x01).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::label::is_key_name;
use crate::{SignError, Signer};

/// The longest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The most signatures that a note may carry; the specification asks for at least as many.
pub const MAX_SIGNATURES: usize = 16;

/// The signature type identifier of plain Ed25519.
const ED25519: u8 = 0x01;

/// A text with signatures under it, parsed and not yet verified.
///
/// ```
/// use strongroom_auditchain::{Note, VerifierKey};
///
/// // The example of the C2SP signed-note specification.
/// let key: VerifierKey =
///     "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?;
/// let note: Note = "This is an example message.\n\n\
///     — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
///     .parse()?;
/// assert_eq!(note.verify(&[key])?.text(), "This is an example message.\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: whose it claims to be, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

/// A note's text that at least one known key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedNote<'a>(&'a str);

/// A public key with the name under which it signs notes, written `name+keyid+key`.
///
/// The key id is computed from name and key, so that the same key under another name is another
/// verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: [u8; 4],
    key: VerifyingKey,
}

/// Why a note or a verifier key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("note: longer than 64 KiB")]
    TooLong,
    /// An ASCII control character other than the line feed.
    #[error("note: a control character")]
    ControlCharacter,
    /// No empty line between text and signatures, or nothing after it.
    #[error("note: no signatures after a last empty line")]
    Unsigned,
    /// A text to be signed that does not end in a line feed.
    #[error("note: the text must end in a line feed")]
    UnterminatedText,
    /// More than [`MAX_SIGNATURES`].
    #[error("note: more than 16 signatures")]
    TooManySignatures,
    /// A line after the empty one that is not em dash, key name and base64 of id and signature.
    #[error("note: a malformed signature line")]
    MalformedSignature,
    /// A name that is empty, longer than 255 bytes, or holds a space, `+` or control character.
    #[error("note: a malformed key name")]
    MalformedName,
    /// A signature with a known key's name and id that the key did not make.
    #[error("note: a signature of a known key does not verify")]
    BadSignature,
    /// No signature is from a known key.
    #[error("note: not signed by a known key")]
    UnknownKey,
    /// The verifier key is not `name+keyid+base64`.
    #[error("verifier key: expected name, 8 hexadecimal digits and base64, joined by plus signs")]
    MalformedKey,
    /// The verifier key is of another type than Ed25519 (0x01).
    #[error("verifier key: only Ed25519 is supported")]
    UnsupportedKey,
    /// The verifier key's id is not the one of its name and key.
    #[error("verifier key: the id belongs to another name or key")]
    KeyIdMismatch,
    /// The verifier key is not a point of the curve, or one of small order.
    #[error("verifier key: not a usable Ed25519 public key")]
    WeakKey,
    /// The signer failed, or gave a signature that its own verifier key does not accept.
    #[error("note: signing failed")]
    Signing,
}

impl From<SignError> for NoteError {
    fn from(_: SignError) -> Self {
        Self::Signing
    }
}

impl Note {
    /// Signs a text, which must end in a line feed.
    ///
    /// The signature is verified before the note is handed out, so that a faulty signer can't
    /// publish what nobody will accept.
    ///
    /// # Errors
    /// [`NoteError`] for a text that no note can hold, and when signing fails.
    ///
    /// # Security
    /// Sign only texts that you composed: whoever chooses the text chooses what you attest.
    pub fn sign(text: &str, signer: &dyn Signer) -> Result<Self, NoteError> {
        // The other half is room for signature lines.
        if text.len() > MAX_NOTE_BYTES / 2 {
            return Err(NoteError::TooLong);
        }
        refuse_controls(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::UnterminatedText);
        }
        let key = signer.verifier_key();
        let signature = signer.sign(text.as_bytes())?;
        if !key.accepts(text, &signature) {
            return Err(NoteError::Signing);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![NoteSignature {
                name: key.name.clone(),
                key_id: key.key_id,
                signature: signature.to_vec(),
            }],
        })
    }

    /// Verifies the note against the keys that the caller trusts.
    ///
    /// Signatures of other keys are ignored, even where they share a name or an id with a known
    /// one (signed-note, "Signatures").
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if any signature of a known key fails, and
    /// [`NoteError::UnknownKey`] if there is none.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedNote<'_>, NoteError> {
        let mut verified = false;
        for line in &self.signatures {
            let mut known = keys
                .iter()
                .filter(|key| key.name == line.name && key.key_id == line.key_id)
                .peekable();
            if known.peek().is_none() {
                continue;
            }
            if !known.any(|key| key.accepts(&self.text, &line.signature)) {
                return Err(NoteError::BadSignature);
            }
            verified = true;
        }
        if verified {
            Ok(VerifiedNote(&self.text))
        } else {
            Err(NoteError::UnknownKey)
        }
    }

    /// The text, which nobody has vouched for yet.
    pub(crate) fn unverified_text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for line in &self.signatures {
            let blob = [&line.key_id, line.signature.as_slice()].concat();
            writeln!(f, "— {} {}", line.name, STANDARD.encode(blob))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    /// Reads a note's form (signed-note, "Format"); says nothing about who signed it.
    fn from_str(note: &str) -> Result<Self, Self::Err> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        refuse_controls(note)?;
        // The last empty line parts text and signatures; the text keeps its own line feed.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        if lines.is_empty() {
            return Err(NoteError::Unsigned);
        }
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::MalformedSignature)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line)?);
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::MalformedSignature;
        let (name, blob) = line
            .strip_prefix("— ")
            .and_then(|line| line.split_once(' '))
            .ok_or(malformed)?;
        if !is_key_name(name) {
            return Err(NoteError::MalformedName);
        }
        let blob = STANDARD.decode(blob).map_err(|_| malformed)?;
        let (key_id, signature) = blob.split_first_chunk().ok_or(malformed)?;
        if signature.is_empty() {
            return Err(malformed);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

impl<'a> VerifiedNote<'a> {
    /// The signed text, with its last line feed.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.0
    }
}

impl VerifierKey {
    /// Puts a name to an Ed25519 public key.
    ///
    /// # Errors
    /// [`NoteError::MalformedName`], or [`NoteError::WeakKey`] for bytes with which anyone could
    /// sign.
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::MalformedName);
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| NoteError::WeakKey)?;
        if key.is_weak() {
            return Err(NoteError::WeakKey);
        }
        // signed-note, "Ed25519 signatures".
        let hash: [u8; 32] = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', ED25519])
            .chain_update(public_key)
            .finalize()
            .into();
        let [a, b, c, d, ..] = hash;
        Ok(Self {
            name: name.to_owned(),
            key_id: [a, b, c, d],
            key,
        })
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

    /// The Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        // Strict: no small-order points, so that one signature fits one text and one key.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.key_id);
        let key = [&[ED25519], self.key.as_bytes().as_slice()].concat();
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
        let (kind, public_key) = key.split_first().ok_or(malformed)?;
        if *kind != ED25519 {
            return Err(NoteError::UnsupportedKey);
        }
        let key = Self::new(name, public_key.try_into().map_err(|_| malformed)?)?;
        if key.key_id != id.to_be_bytes() {
            return Err(NoteError::KeyIdMismatch);
        }
        Ok(key)
    }
}

fn refuse_controls(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}
