//! A tamper-evident audit log: the bytes of its entries, its tree, what is signed about it, and
//! the pass that verifies it offline.
//!
//! The tree is RFC 6962's, the signed statements are C2SP signed notes and checkpoints, so that
//! standard tools verify them; the entry, the receipt, the anchor and proofs of many entries are this
//! family's own formats (`docs/spec/audit-leaf.md`, `audit-receipt.md`, `audit-log.md`,
//! `audit-tree.md`). A log is kept by whoever likes: it takes the leaf bytes, a [`Frontier`] and the
//! checkpoints, and tiles to prove from ([`TileTree`]). [`store`] keeps many in files.
//!
//! ```
//! use strongroom_auditchain::{Checkpoint, Ed25519Signer, Frontier, Hash, Origin};
//!
//! // A log of three entries, and its signed checkpoint.
//! let origin: Origin = "audit.example.com/t/acme".parse()?;
//! let signer = Ed25519Signer::from_seed(origin.as_str(), &[7; 32])?;
//! let leaves: Vec<Hash> = ["a", "b", "c"].iter().map(|e| Hash::of_leaf(e.as_bytes())).collect();
//! let (frontier, proofs) = Frontier::new().append_batch(&leaves);
//! let head = Checkpoint { origin, size: frontier.size(), root: frontier.root() };
//! let note = head.sign(&signer)?;
//!
//! // Anyone with the verifier key, the note and one proof can check one entry.
//! let signed = Checkpoint::verify(&note, signer.verifier_key(), &head.origin)?;
//! proofs[1].verify(&Hash::of_leaf(b"b"), &signed.root)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod alphabet;
mod anchor;
mod batch;
mod batch_file;
mod cadence;
mod cbor;
mod checkpoint;
mod commitment;
mod cosignature;
mod cosigner;
mod erasure;
mod event;
mod finding;
mod frontier;
mod growth;
#[cfg(feature = "json")]
mod json;
mod label;
mod leaf;
mod leaf_view;
mod lines;
mod merkle;
#[cfg(feature = "multiproof")]
mod multiproof;
#[cfg(feature = "multiproof")]
mod multiproof_file;
mod note;
mod payload;
mod payload_view;
mod platform;
mod proof;
mod proof_file;
mod range;
mod range_file;
mod receipt;
mod retention;
mod signer;
#[cfg(feature = "std")]
pub mod store;
mod tile;
mod tree;
mod verifier_key;
mod verify;

pub use anchor::{ANCHOR_LABEL, Anchor, AnchorError, Anchored, HistoryError, MAX_ANCHOR_BYTES};
pub use batch::{BATCH_LABEL, BatchError, BatchLine, MAX_BATCH_LINES, SignedBatch, sign_batch};
pub use batch_file::{BatchFile, BatchFileError, MAX_BATCH_FILE_BYTES, VerifiedBatch};
pub use cadence::{CADENCE_SECONDS, CadenceError, CadenceFinding, CadenceReport, cadence};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use commitment::{COMMITMENT_LABEL, Commitment, Commitments, MAP_COMMITMENT_LABEL};
pub use cosignature::{Cosignature, CosignatureError, CosignaturePolicy, Cosigned, PolicyError};
pub use cosigner::{Cosigner, Witnessed};
pub use erasure::{ERASED_KIND, Erasure, ErasureError};
pub use event::{Event, MAX_COMMITMENTS, Outcome};
pub use finding::Finding;
pub use frontier::{Frontier, FrontierError};
pub use label::{EventKind, Field, LabelError, Origin, Slug};
pub use leaf::{Leaf, LeafError, MAX_LEAF_BYTES};
pub use leaf_view::LeafView;
pub use merkle::{Hash, HashError, MAX_TREE_SIZE, root};
#[cfg(feature = "multiproof")]
pub use multiproof::{MAX_MULTIPROOF_LEAVES, Multiproof, MultiproofError};
#[cfg(feature = "multiproof")]
pub use multiproof_file::{MULTIPROOF_LABEL, MultiproofFile, MultiproofFileError};
pub use note::{MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteError, VerifiedNote};
pub use payload::{
    CommitmentMismatch, FieldValue, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_FIELDS, Payload, PayloadError,
    SaltedField,
};
pub use platform::{OpeningMismatch, PLATFORM_LABEL, PlatformEntry, PlatformError, PlatformSalt};
pub use proof::{ConsistencyProof, InclusionProof, ProofError, prove_consistency, prove_inclusion};
pub use proof_file::{PROOF_LABEL, ProofFile, ProofFileError};
pub use range::RangeProof;
pub use range_file::{RANGE_LABEL, RangeFile, RangeFileError};
pub use receipt::{MAX_RECEIPT_BYTES, RECEIPT_LABEL, Receipt, ReceiptError, VerifiedReceipt};
pub use retention::{Classes, ClassesError, Retention, RetentionClass, RetentionError};
pub use signer::{Ed25519Signer, SignError, Signer};
pub use tile::{
    BundleError, Entries, EntryBundle, MAX_ENTRY_BYTES, TILE_WIDTH, Tile, TileError, TileKind,
    TilePath, TilePathError, TileReader, TileTree, bundles_for, grow_tiles, tiles_for,
};
pub use tree::Tree;
pub use verifier_key::{SignatureType, VerifierKey};
pub use verify::{LogVerifier, MAX_FINDINGS, NotIntact, Report, StoredEntry, verify_log};
