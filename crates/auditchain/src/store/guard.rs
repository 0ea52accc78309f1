//! The guard: nothing is signed of a log that is not what was signed of it before.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::checkpoint_store::CheckpointStore;
use super::files::LogFiles;
use super::head::Head;
use super::log_state::log_folder;
use super::zone::{Zone, ZoneRead};
use super::zones::Zones;
use crate::{
    Checkpoint, Ed25519Signer, Hash, NoteError, Origin, Signer, TileError, TileTree, VerifierKey,
};

/// The keys under which a store signs: batches under the platform's name, and each log's
/// checkpoints under its origin.
pub trait StoreKeys: Send + Sync {
    /// Signs batches.
    fn batches(&self) -> Arc<dyn Signer>;

    /// Signs the checkpoints of one log; its key's name is the origin.
    ///
    /// # Errors
    /// [`NoteError`] when there is no such key.
    fn log(&self, origin: &Origin) -> Result<Arc<dyn Signer>, NoteError>;
}

/// One key under every name; its own name is that of batches.
impl StoreKeys for Ed25519Signer {
    fn batches(&self) -> Arc<dyn Signer> {
        Arc::new(self.same())
    }

    fn log(&self, origin: &Origin) -> Result<Arc<dyn Signer>, NoteError> {
        Ok(Arc::new(self.with_name(origin.as_str())?))
    }
}

/// A log is not what was signed of it: it was set back, or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Inconsistent {
    /// It is shorter than what was signed.
    #[error("log {origin}: {have} entries of {signed} that were signed")]
    SetBack {
        /// The log.
        origin: Origin,
        /// How many entries it has.
        have: u64,
        /// How many were signed.
        signed: u64,
    },
    /// Its entries are others than those that were signed.
    #[error("log {origin}: another root than was signed at size {size}")]
    Changed {
        /// The log.
        origin: Origin,
        /// The size that was signed.
        size: u64,
    },
    /// What was signed is not there, or not signed by the log's key.
    #[error("log {origin}: its last checkpoint does not verify")]
    Checkpoint {
        /// The log.
        origin: Origin,
    },
    /// It could not be found out.
    #[error("log {origin}: {why}")]
    Unknown {
        /// The log.
        origin: Origin,
        /// What kept it.
        why: String,
    },
}

impl Inconsistent {
    pub(super) fn unknown(origin: &Origin, why: &dyn std::fmt::Display) -> Self {
        Self::Unknown {
            origin: origin.clone(),
            why: why.to_string(),
        }
    }
}

/// What was signed, and the keys to see it by.
pub(super) struct Guard {
    pub(super) checkpoints: Arc<CheckpointStore>,
    pub(super) keys: Arc<dyn StoreKeys>,
}

/// How a log stands: what a zone has of it, and what was signed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) head: Head,
    /// The newest checkpoint, as its note and what it says.
    pub(super) signed: Option<(String, Checkpoint)>,
}

impl Guard {
    /// How a log stands in a zone: its head is what its tiles come to, and it begins with all that
    /// was signed of it. A log that is not there has no entry.
    pub(super) fn standing(
        &self,
        zone: &dyn ZoneRead,
        origin: &Origin,
    ) -> Result<Standing, Inconsistent> {
        let unknown = |why: &dyn std::fmt::Display| Inconsistent::unknown(origin, why);
        let head = Head::newest(zone, &log_folder(origin)).map_err(|it| unknown(&it))?;
        let head = head.unwrap_or_default();
        let size = head.frontier.size();
        let files = LogFiles::of(zone, origin);
        let frontier = TileTree::new(&files, size).and_then(|mut tree| tree.frontier_at(size));
        if frontier.map_err(|it: TileError<io::Error>| unknown(&it))? != head.frontier {
            return Err(unknown(&"its head is not what its tiles come to"));
        }
        let signed = self.check(zone, origin, size)?;
        Ok(Standing { head, signed })
    }

    /// How a log stands in all zones in use. Those that say otherwise than the others are lost.
    pub(super) fn agreed(&self, zones: &Zones, origin: &Origin) -> Result<Standing, Inconsistent> {
        let ask = |zone: &dyn Zone| self.standing(zone, origin);
        let disagree = || Inconsistent::unknown(origin, &"the zones do not agree on its head");
        zones.agree(ask, |it| it.head.frontier.size(), disagree)
    }

    /// A log of this size, as its tiles have it, begins with all that was signed of it. Answers the
    /// newest checkpoint's note and what it says.
    fn check(
        &self,
        zone: &dyn ZoneRead,
        origin: &Origin,
        size: u64,
    ) -> Result<Option<(String, Checkpoint)>, Inconsistent> {
        let unknown = |why: &dyn std::fmt::Display| Inconsistent::unknown(origin, why);
        let checkpoint = self.newest(origin)?;
        let signed = checkpoint.iter().map(|(_, it)| (it.size, it.root));
        for (signed, root) in signed.chain(self.checkpoints.newest_line(origin)) {
            if signed > size {
                return Err(Inconsistent::SetBack {
                    origin: origin.clone(),
                    have: size,
                    signed,
                });
            }
            let files = LogFiles::of(zone, origin);
            let tree = TileTree::new(&files, size).and_then(|mut tree| tree.root_at(signed));
            let found: Hash = tree.map_err(|it: TileError<io::Error>| unknown(&it))?;
            if found != root {
                return Err(Inconsistent::Changed {
                    origin: origin.clone(),
                    size: signed,
                });
            }
        }
        Ok(checkpoint)
    }

    /// Drops the batches that were kept up to this number and say nothing that a checkpoint does
    /// not: `signed` are the sizes of those that were just kept.
    pub(super) fn drop_batches(&self, up_to: u64, signed: &HashMap<Origin, u64>) -> io::Result<()> {
        self.checkpoints.drop_batches(up_to, |origin, size| {
            signed.get(origin).is_some_and(|signed| *signed >= size)
                || matches!(self.newest(origin), Ok(Some((_, it))) if it.size >= size)
        })
    }

    /// The newest checkpoint of a log that was kept: its note and what it says.
    pub(super) fn newest(
        &self,
        origin: &Origin,
    ) -> Result<Option<(String, Checkpoint)>, Inconsistent> {
        let unknown = |why: &dyn std::fmt::Display| Inconsistent::unknown(origin, why);
        let note = self.checkpoints.newest(origin).map_err(|it| unknown(&it))?;
        let Some(note) = note else {
            return Ok(None);
        };
        let key = self.key(origin).map_err(|error| unknown(&error))?;
        let checkpoint = Checkpoint::verify(&note, &key, origin);
        let origin = origin.clone();
        let checkpoint = checkpoint.map_err(|_| Inconsistent::Checkpoint { origin })?;
        Ok(Some((note, checkpoint)))
    }

    fn key(&self, origin: &Origin) -> Result<VerifierKey, NoteError> {
        Ok(self.keys.log(origin)?.verifier_key().clone())
    }
}
