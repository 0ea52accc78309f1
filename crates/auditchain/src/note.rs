//! Signed notes: C2SP signed-note with Ed25519, plain (signature type 0x01) or as a cosignature
//! with a time (0x04).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosignature::COSIGNATURE_LABEL;
use crate::label::is_key_name;
use crate::verifier_key::Statement;
use crate::{SignError, SignatureType, Signer, VerifierKey};

/// The longest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The most signatures that a note may carry; the specification asks for at least as many.
pub const MAX_SIGNATURES: usize = 16;

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
    /// The verifier key is of another type than Ed25519 (0x01) and its cosignatures (0x04).
    #[error("verifier key: only Ed25519 and its cosignatures are supported")]
    UnsupportedKey,
    /// The verifier key's id is not the one of its name and key.
    #[error("verifier key: the id belongs to another name or key")]
    KeyIdMismatch,
    /// The verifier key is not a point of the curve, or one of small order.
    #[error("verifier key: not a usable Ed25519 public key")]
    WeakKey,
    /// A cosigner's key where the key of whoever wrote the text belongs.
    #[error("verifier key: a cosigner's, which cannot speak for the log")]
    CosignerKey,
    /// A text that begins as what cosigners sign.
    #[error("note: a text that begins with cosignature/v1 is reserved for cosigners")]
    ReservedText,
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
        // What a cosigner says under the same key must be said by a cosigner.
        if text.starts_with(COSIGNATURE_LABEL) {
            return Err(NoteError::ReservedText);
        }
        let key = signer.verifier_key();
        let signature = signer.sign(text.as_bytes())?;
        if key.accepts(text, &signature) != Some(Statement::Signed) {
            return Err(NoteError::Signing);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![NoteSignature {
                name: key.name().to_owned(),
                key_id: key.key_id(),
                signature: signature.to_vec(),
            }],
        })
    }

    /// Verifies the note against the keys that the caller trusts, each signature by the message of
    /// its key's type.
    ///
    /// Signatures of other keys are ignored, even where they share a name or an id with a known
    /// one (signed-note, "Signatures").
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] if any signature of a known key fails, and
    /// [`NoteError::UnknownKey`] if there is none.
    ///
    /// # Security
    /// Any of the keys is enough. Where a certain number of cosigners is wanted, use a
    /// [`crate::CosignaturePolicy`].
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<VerifiedNote<'_>, NoteError> {
        if self.statements(keys)?.is_empty() {
            return Err(NoteError::UnknownKey);
        }
        Ok(VerifiedNote(&self.text))
    }

    /// Verifies that whoever wrote the text signed it: what only cosigners say is not enough.
    pub(crate) fn verify_author(&self, key: &VerifierKey) -> Result<VerifiedNote<'_>, NoteError> {
        if key.signature_type() == SignatureType::Cosignature {
            return Err(NoteError::CosignerKey);
        }
        self.verify(std::slice::from_ref(key))
    }

    /// What each signature of a known key states, in the order of the signatures.
    pub(crate) fn statements<'k>(
        &self,
        keys: &'k [VerifierKey],
    ) -> Result<Vec<(&'k VerifierKey, Statement)>, NoteError> {
        let mut stated = Vec::new();
        for line in &self.signatures {
            let mut known = keys
                .iter()
                .filter(|key| key.name() == line.name && key.key_id() == line.key_id)
                .peekable();
            if known.peek().is_none() {
                continue;
            }
            let found =
                known.find_map(|key| Some((key, key.accepts(&self.text, &line.signature)?)));
            let Some(found) = found else {
                return Err(NoteError::BadSignature);
            };
            stated.push(found);
        }
        Ok(stated)
    }

    /// The note with a signature more, in the place of an earlier one of the same key.
    pub(crate) fn with_signature(
        &self,
        key: &VerifierKey,
        signature: &[u8],
    ) -> Result<Self, NoteError> {
        let mut note = self.clone();
        note.signatures
            .retain(|line| line.name != key.name() || line.key_id != key.key_id());
        if note.signatures.len() >= MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        note.signatures.push(NoteSignature {
            name: key.name().to_owned(),
            key_id: key.key_id(),
            signature: signature.to_vec(),
        });
        if note.to_string().len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong);
        }
        Ok(note)
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

fn refuse_controls(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|b| b < 0x20 && b != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}
