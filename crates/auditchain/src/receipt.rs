//! The receipt: that an entry was sequenced, `docs/spec/audit-receipt.md`.

use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::batch::BatchText;
use crate::lines::{Lines, decimal};
use crate::{Checkpoint, Hash, InclusionProof, Note, NoteError, Origin, ProofError, VerifierKey};

/// The first line of a receipt.
pub const RECEIPT_LABEL: &str = "strongroom.dev/audit-receipt/v1";

/// The longest receipt, in bytes of its text.
pub const MAX_RECEIPT_BYTES: usize = 16 * 1024;

/// The most hashes of an inclusion proof: a tree of 2^63 - 1 leaves is 63 levels high.
const MAX_INCLUSION: usize = 63;

/// The most hashes of a line's path: a batch has at most 2^16 lines.
const MAX_PATH: usize = 16;

/// A signed promise that an entry stands in a log, checked offline with one key.
///
/// It leads from the entry's leaf hash to its log's root, from that log's line to the batch's root,
/// and ends in the signed batch note.
///
/// ```
/// use strongroom_auditchain::{BatchLine, Ed25519Signer, Frontier, Hash, Receipt, sign_batch};
///
/// let signer = Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32])?;
/// let leaf = Hash::of_leaf(b"entry");
/// let (log, proofs) = Frontier::new().append_batch(&[leaf]);
/// let line = BatchLine {
///     origin: "audit.example.com/t/acme".parse()?,
///     size: log.size(),
///     root: log.root(),
/// };
/// let receipt = sign_batch(&[line], 1, &signer)?.receipt(0, leaf, &proofs[0])?;
///
/// // What travels, as a file or as a header, is enough for whoever holds the key.
/// let again: Receipt = receipt.to_text().parse()?;
/// let verified = again.verify(signer.verifier_key())?;
/// assert_eq!((verified.index(), verified.leaf()), (0, &leaf));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    origin: Origin,
    leaf: Hash,
    inclusion: InclusionProof,
    root: Hash,
    line: u64,
    path: Vec<Hash>,
    note: Arc<Note>,
}

/// What a verified receipt proves; only [`Receipt::verify`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    zones: u8,
    checkpoint: Checkpoint,
    index: u64,
    leaf: Hash,
}

/// Why a receipt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Longer than [`MAX_RECEIPT_BYTES`].
    #[error("receipt: longer than 16 KiB")]
    TooLong,
    /// The header form is not base64url without padding, or not of UTF-8.
    #[error("receipt: malformed header")]
    Header,
    /// The first line is another.
    #[error("receipt: unknown format")]
    Label,
    /// The origin line.
    #[error("receipt: malformed origin")]
    Origin,
    /// The index line.
    #[error("receipt: malformed index")]
    Index,
    /// The leaf line.
    #[error("receipt: malformed leaf hash")]
    Leaf,
    /// The size line, or a line where it or a hash should be.
    #[error("receipt: malformed tree size")]
    Size,
    /// The root line.
    #[error("receipt: malformed root hash")]
    Root,
    /// The line's index, or a batch without this line.
    #[error("receipt: malformed line index")]
    LineIndex,
    /// No empty line where a hash or the empty line should be.
    #[error("receipt: malformed path")]
    Path,
    /// The batch note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note is signed, and is no batch note.
    #[error("receipt: the note is not of a batch")]
    NotABatch,
    /// The entry is not in the log's tree.
    #[error("receipt: inclusion: {0}")]
    Inclusion(ProofError),
    /// The log's line is not in the batch.
    #[error("receipt: batch line: {0}")]
    Line(ProofError),
}

impl Receipt {
    /// Puts a receipt together, once its proof is seen to hold.
    pub(crate) fn new(
        checkpoint: &Checkpoint,
        leaf: Hash,
        inclusion: InclusionProof,
        path: InclusionProof,
        note: Arc<Note>,
    ) -> Result<Self, ReceiptError> {
        if inclusion.size != checkpoint.size {
            return Err(ReceiptError::Inclusion(ProofError::SizeMismatch));
        }
        inclusion
            .verify(&leaf, &checkpoint.root)
            .map_err(ReceiptError::Inclusion)?;
        Ok(Self::of_proved(checkpoint, leaf, inclusion, path, note))
    }

    /// Puts a receipt together whose proof was made with the checkpoint's root, from one tree.
    pub(crate) fn of_proved(
        checkpoint: &Checkpoint,
        leaf: Hash,
        inclusion: InclusionProof,
        path: InclusionProof,
        note: Arc<Note>,
    ) -> Self {
        Self {
            origin: checkpoint.origin.clone(),
            leaf,
            inclusion,
            root: checkpoint.root,
            line: path.index,
            path: path.hashes,
            note,
        }
    }

    /// Verifies the receipt with the platform's batch key.
    ///
    /// # Errors
    /// [`ReceiptError`] unless the key signed the batch, the line is in it and the leaf in the log.
    ///
    /// # Security
    /// The caller compares what comes out with what it asked for: the origin with its log's, and
    /// the leaf hash with that of the bytes that it holds.
    pub fn verify(&self, batch_key: &VerifierKey) -> Result<VerifiedReceipt, ReceiptError> {
        let signed = self.note.verify_author(batch_key)?;
        let batch = BatchText::parse(signed.text()).ok_or(ReceiptError::NotABatch)?;
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: self.inclusion.size,
            root: self.root,
        };
        let line = checkpoint.to_text().map_err(|_| ReceiptError::Size)?;
        let path = InclusionProof {
            index: self.line,
            size: batch.size,
            hashes: self.path.clone(),
        };
        path.verify(&Hash::of_leaf(line.as_bytes()), &batch.root)
            .map_err(ReceiptError::Line)?;
        self.inclusion
            .verify(&self.leaf, &self.root)
            .map_err(ReceiptError::Inclusion)?;
        Ok(VerifiedReceipt {
            zones: batch.zones,
            checkpoint,
            index: self.inclusion.index,
            leaf: self.leaf,
        })
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        let hashes =
            |hashes: &[Hash]| -> String { hashes.iter().map(|hash| format!("{hash}\n")).collect() };
        format!(
            "{RECEIPT_LABEL}\norigin {}\nindex {}\nleaf {}\n{}size {}\nroot {}\nline {}\n{}\n{}",
            self.origin,
            self.inclusion.index,
            self.leaf,
            hashes(&self.inclusion.hashes),
            self.inclusion.size,
            self.root,
            self.line,
            hashes(&self.path),
            self.note,
        )
    }

    /// The text in base64url without padding, for an HTTP header.
    #[must_use]
    pub fn to_header(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_text())
    }

    /// Reads the header form.
    ///
    /// # Errors
    /// [`ReceiptError`] for anything that [`Self::to_header`] never gives.
    pub fn from_header(header: &str) -> Result<Self, ReceiptError> {
        if header.len() > MAX_RECEIPT_BYTES.div_ceil(3) * 4 {
            return Err(ReceiptError::TooLong);
        }
        let text = URL_SAFE_NO_PAD
            .decode(header)
            .map_err(|_| ReceiptError::Header)?;
        let text = std::str::from_utf8(&text).map_err(|_| ReceiptError::Header)?;
        text.parse()
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    /// Reads the text form (audit-receipt, "Receipt"); says nothing about whether it holds.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(RECEIPT_LABEL) {
            return Err(ReceiptError::Label);
        }
        let origin = lines.keyed("origin").ok_or(ReceiptError::Origin)?;
        let origin = origin.parse().map_err(|_| ReceiptError::Origin)?;
        let index = lines.keyed("index").and_then(decimal);
        let index = index.ok_or(ReceiptError::Index)?;
        let leaf = lines.keyed("leaf").ok_or(ReceiptError::Leaf)?;
        let leaf = leaf.parse().map_err(|_| ReceiptError::Leaf)?;
        let hashes = lines.hashes(MAX_INCLUSION);
        let size = lines.keyed("size").and_then(decimal);
        let size = size.ok_or(ReceiptError::Size)?;
        let root = lines.keyed("root").ok_or(ReceiptError::Root)?;
        let root = root.parse().map_err(|_| ReceiptError::Root)?;
        let line = lines.keyed("line").and_then(decimal);
        let line = line.ok_or(ReceiptError::LineIndex)?;
        let path = lines.hashes(MAX_PATH);
        if lines.line() != Some("") {
            return Err(ReceiptError::Path);
        }
        Ok(Self {
            origin,
            leaf,
            inclusion: InclusionProof {
                index,
                size,
                hashes,
            },
            root,
            line,
            path,
            note: Arc::new(lines.rest().parse()?),
        })
    }
}

impl VerifiedReceipt {
    /// In how many zones the operator says that the entry was durable when it was acknowledged.
    #[must_use]
    pub const fn zones(&self) -> u8 {
        self.zones
    }

    /// What the platform signed of the log.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// The entry's index in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The entry's leaf hash.
    #[must_use]
    pub const fn leaf(&self) -> &Hash {
        &self.leaf
    }
}
