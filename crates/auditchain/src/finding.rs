//! What a verification pass finds.

use std::fmt;

use crate::{CadenceFinding, TilePath};

/// Something that an untouched log does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// An entry's bytes do not hash to its stored hash.
    Leaf {
        /// The entry.
        index: u64,
    },
    /// An entry's bytes hash as they should and are not a leaf.
    MalformedLeaf {
        /// The entry.
        index: u64,
    },
    /// An entry is not there: a later one follows in its place.
    Missing {
        /// The first entry that is missing.
        index: u64,
    },
    /// An entry comes twice, or out of order.
    Repeated {
        /// The entry.
        index: u64,
    },
    /// Stored hashes were rewritten somewhere in `from..to`.
    ///
    /// The entries before `from` are what was signed, those before `to` are not. With one copy of
    /// the log nothing narrower can be said: compare with another copy, or with receipts.
    Interval {
        /// The size at the last good checkpoint, or 0.
        from: u64,
        /// The size at the first bad one.
        to: u64,
    },
    /// A checkpoint is not signed by the log's key, or not well-formed, or another log's.
    CheckpointSignature {
        /// Its place in the list, from 0.
        position: usize,
        /// The size that it claims, if it can be read at all.
        size: Option<u64>,
    },
    /// A checkpoint is smaller than the one before it.
    CheckpointOrder {
        /// Its place in the list, from 0.
        position: usize,
        /// Its size.
        size: u64,
    },
    /// Two signed checkpoints of one size have different roots: the key signed two histories.
    Fork {
        /// The size.
        size: u64,
    },
    /// Entries are gone from the end.
    Truncated {
        /// How many there are.
        have: u64,
        /// How many a checkpoint, or the stored head, says there were.
        signed: u64,
    },
    /// The stored head has another root than the signed entries up to its size.
    Head {
        /// The head's size.
        size: u64,
    },
    /// There are more entries than the log's stored head knows of.
    BeyondHead {
        /// How many there are.
        have: u64,
        /// The head's size.
        head: u64,
    },
    /// A checkpoint lies under the name of another size.
    CheckpointName {
        /// The size that it is named by.
        named: u64,
        /// The size that it is of.
        size: u64,
    },
    /// A checkpoint that was there at an earlier pass is there no more.
    CheckpointGone {
        /// Its size.
        size: u64,
    },
    /// A tile is missing, of another length, or has another hash than the entries and the signed
    /// roots.
    Tile {
        /// The tile.
        path: TilePath,
        /// The first entry under its first wrong hash.
        index: u64,
    },
    /// An entry has the event id of an earlier one.
    RepeatedEvent {
        /// The entry.
        index: u64,
        /// The first that has the id.
        first: u64,
    },
    /// A payload does not fit its entry's commitments.
    Payload {
        /// The entry.
        index: u64,
    },
    /// An entry commits to a payload that is not there, and no erasure says why.
    PayloadMissing {
        /// The entry.
        index: u64,
    },
    /// A payload is gone by an erasure that no signed checkpoint covers.
    UnsignedErasure {
        /// The entry whose payload is gone.
        index: u64,
        /// The entry that says so.
        by: u64,
    },
    /// The payloads of these entries cannot be told apart: their bundle is malformed.
    PayloadBundle {
        /// The first entry.
        from: u64,
        /// The one after the last.
        to: u64,
    },
    /// The log's checkpoint of this size is not in the platform log as its anchor says.
    Anchor {
        /// The size by which the anchor is named.
        size: u64,
    },
    /// A cosigned checkpoint is not what its name says, or not cosigned.
    Cosigned {
        /// The time by which it is named, in Unix seconds.
        time: u64,
    },
    /// Cosignatures did not come as often as they should.
    Cadence(CadenceFinding),
}

impl Finding {
    /// The first entry that it is about; none where it is about a checkpoint or a time.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Leaf { index }
            | Self::MalformedLeaf { index }
            | Self::Missing { index }
            | Self::Repeated { index }
            | Self::Tile { index, .. }
            | Self::RepeatedEvent { index, .. }
            | Self::Payload { index }
            | Self::PayloadMissing { index }
            | Self::UnsignedErasure { index, .. } => Some(*index),
            Self::Interval { from, .. } | Self::PayloadBundle { from, .. } => Some(*from),
            Self::Truncated { have, .. } => Some(*have),
            Self::BeyondHead { head, .. } => Some(*head),
            _ => None,
        }
    }

    /// One past the last entry that it may be about, where no single one can be named.
    #[must_use]
    pub const fn end(&self) -> Option<u64> {
        match self {
            Self::Interval { to, .. } | Self::PayloadBundle { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// What is wrong, in one word: `payload`, `leaf`, `tile`, `checkpoint`, `fork`, `interval`,
    /// `missing`, `truncated`, `repeated`, `anchor` or `cadence`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Leaf { .. } | Self::MalformedLeaf { .. } => "leaf",
            Self::Missing { .. } => "missing",
            Self::Repeated { .. } | Self::RepeatedEvent { .. } => "repeated",
            Self::Interval { .. } | Self::Head { .. } | Self::BeyondHead { .. } => "interval",
            Self::CheckpointSignature { .. }
            | Self::CheckpointOrder { .. }
            | Self::CheckpointName { .. }
            | Self::CheckpointGone { .. } => "checkpoint",
            Self::Fork { .. } => "fork",
            Self::Truncated { .. } => "truncated",
            Self::Tile { .. } => "tile",
            Self::Payload { .. }
            | Self::PayloadMissing { .. }
            | Self::UnsignedErasure { .. }
            | Self::PayloadBundle { .. } => "payload",
            Self::Anchor { .. } => "anchor",
            Self::Cosigned { .. } | Self::Cadence(_) => "cadence",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf { index } => {
                write!(
                    f,
                    "entry {index}: the bytes do not hash to the stored leaf hash"
                )
            }
            Self::MalformedLeaf { index } => write!(f, "entry {index}: not a well-formed leaf"),
            Self::Missing { index } => write!(f, "entry {index}: missing"),
            Self::Repeated { index } => write!(f, "entry {index}: twice or out of order"),
            Self::Interval { from, to } => write!(
                f,
                "entries {from} to {to} (exclusive): leaf hashes were rewritten somewhere in this \
                 interval; one copy of the log cannot say where"
            ),
            Self::CheckpointSignature { position, size } => {
                write!(f, "checkpoint {position}: not signed by the log's key")?;
                match size {
                    Some(size) => write!(f, " (claims size {size})"),
                    None => Ok(()),
                }
            }
            Self::CheckpointOrder { position, size } => {
                write!(f, "checkpoint {position}: size {size} after a larger one")
            }
            Self::Fork { size } => write!(f, "two signed roots at size {size}"),
            Self::Truncated { have, signed } => {
                write!(f, "truncated: {have} entries of {signed}")
            }
            Self::Head { size } => write!(f, "stored head at size {size}: another root"),
            Self::BeyondHead { have, head } => {
                write!(f, "{have} entries, and the stored head is at {head}")
            }
            Self::CheckpointName { named, size } => {
                write!(f, "checkpoint {named}: is of size {size}")
            }
            Self::CheckpointGone { size } => write!(
                f,
                "checkpoint {size}: was there at an earlier pass, and is there no more"
            ),
            Self::Tile { path, index } => write!(
                f,
                "{path}: missing, or other hashes than those of the entries, from entry {index} on"
            ),
            Self::RepeatedEvent { index, first } => {
                write!(f, "entry {index}: has the event id of entry {first}")
            }
            Self::Payload { index } => {
                write!(f, "entry {index}: the payload does not fit the commitments")
            }
            Self::PayloadMissing { index } => write!(
                f,
                "entry {index}: the payload is missing, and no erasure covers it"
            ),
            Self::UnsignedErasure { index, by } => write!(
                f,
                "entry {index}: the payload is missing by entry {by}, which no signed checkpoint \
                 covers"
            ),
            Self::PayloadBundle { from, to } => {
                write!(f, "entries {from} to {to} (exclusive): malformed payloads")
            }
            Self::Anchor { size } => write!(
                f,
                "anchor {size}: does not show the log's checkpoint in the platform log"
            ),
            Self::Cosigned { time } => {
                write!(f, "cosigned checkpoint {time}: not cosigned at that time")
            }
            Self::Cadence(finding) => finding.fmt(f),
        }
    }
}
