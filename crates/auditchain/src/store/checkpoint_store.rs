//! The checkpoint store: what was last signed of each log, apart from the data. audit-store,
//! section 8.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use super::directory::Directory;
use super::locked;
use super::log_state::log_folder;
use super::zone::{Zone as _, ZoneRead as _};
use crate::{
    BatchFile, Hash, MAX_BATCH_FILE_BYTES, MAX_NOTE_BYTES, Origin, SignedBatch, VerifierKey,
};

const CHECKPOINTS: &str = "checkpoints";
const BATCHES: &str = "batches";

/// A directory that keeps each log's newest checkpoint and the newest lines of batches.
///
/// It must lie apart from the logs, and must not be restored with them: what it remembers is how a
/// log that was set back is known. One process at a time has it open.
pub struct CheckpointStore {
    directory: Directory,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The number of the newest batch file.
    newest: u64,
    /// The newest line of each log that no checkpoint is known to cover.
    lines: HashMap<Origin, Line>,
}

/// A log's line in a batch that was kept.
#[derive(Clone, Copy)]
struct Line {
    size: u64,
    root: Hash,
    /// The batch's number.
    batch: u64,
}

/// Why a checkpoint was not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwapError {
    /// Another one is there than the new ones were made from: somebody else signs these logs.
    #[error("checkpoint store: {0} has another checkpoint by now")]
    Changed(Origin),
    /// It cannot be read or written.
    #[error("checkpoint store: {0}")]
    Io(#[from] io::Error),
}

/// One log's next checkpoint, and the one that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The log.
    pub origin: Origin,
    /// The note that must be there; none for the log's first.
    pub before: Option<String>,
    /// The note that takes its place.
    pub note: String,
}

impl CheckpointStore {
    /// Opens a directory, which is made if it is not there, and locks it. Batch files count if
    /// this key signed them.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it open, [`io::ErrorKind::InvalidData`]
    /// for a batch file that is not what the key signed, else what went wrong.
    pub fn open(root: impl Into<PathBuf>, batch_key: &VerifierKey) -> io::Result<Self> {
        let directory = Directory::open(root)?;
        let mut kept = Kept::default();
        for number in batches(&directory)? {
            let path = batch_path(number);
            let malformed = |why: &dyn std::fmt::Display| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{path}: {why}"))
            };
            let bytes = directory.read(&path, MAX_BATCH_FILE_BYTES as u64)?;
            let text = String::from_utf8(bytes.unwrap_or_default());
            let text = text.map_err(|error| malformed(&error))?;
            let file: BatchFile = text.parse().map_err(|error| malformed(&error))?;
            let batch = file.verify(batch_key).map_err(|error| malformed(&error))?;
            kept.remember(
                number,
                batch
                    .lines()
                    .iter()
                    .map(|it| (&it.origin, it.size, it.root)),
            );
        }
        Ok(Self {
            directory,
            kept: Mutex::new(kept),
        })
    }

    /// A log's newest checkpoint, as it was signed; none if none was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest(&self, origin: &Origin) -> io::Result<Option<String>> {
        let bytes = self
            .directory
            .read(&checkpoint_path(origin), MAX_NOTE_BYTES as u64)?;
        bytes
            .map(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            })
            .transpose()
    }

    /// The size and root of the newest line of a log that was kept.
    #[must_use]
    pub fn newest_line(&self, origin: &Origin) -> Option<(u64, Hash)> {
        let kept = locked(&self.kept);
        kept.lines.get(origin).map(|line| (line.size, line.root))
    }

    /// Keeps new checkpoints, all or none, if what they were made from is still there.
    ///
    /// # Errors
    /// [`SwapError`]; after [`SwapError::Io`] any of them may be there.
    pub fn swap(&self, swaps: &[Swap]) -> Result<(), SwapError> {
        // One at a time within this process; others are kept out by the lock of the directory.
        let _kept = locked(&self.kept);
        for swap in swaps {
            if self.newest(&swap.origin)? != swap.before {
                return Err(SwapError::Changed(swap.origin.clone()));
            }
        }
        match swaps {
            [] => Ok(()),
            [one] => Ok(self
                .directory
                .replace(&checkpoint_path(&one.origin), one.note.as_bytes())?),
            many => {
                for swap in many {
                    let path = checkpoint_path(&swap.origin);
                    self.directory.put(&path, swap.note.as_bytes())?;
                }
                Ok(self.directory.settle()?)
            }
        }
    }

    /// Keeps a batch; answers its number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, batch: &SignedBatch) -> io::Result<u64> {
        let mut kept = locked(&self.kept);
        let number = kept.newest + 1;
        let text = BatchFile::from(batch).to_string();
        self.directory
            .replace(&batch_path(number), text.as_bytes())?;
        kept.remember(
            number,
            batch
                .lines()
                .iter()
                .map(|it| (&it.origin, it.size, it.root)),
        );
        Ok(number)
    }

    /// The number of the newest batch that was kept, 0 for none.
    #[must_use]
    pub fn newest_batch(&self) -> u64 {
        locked(&self.kept).newest
    }

    /// Drops the batches up to this number, save those with the newest line of a log of which
    /// `covers` does not say that a checkpoint covers that size. The newest batch stays: numbers
    /// ascend over a restart too.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn drop_batches(
        &self,
        up_to: u64,
        covers: impl Fn(&Origin, u64) -> bool,
    ) -> io::Result<()> {
        // What comes to be kept meanwhile is newer.
        let (mut lines, newest) = {
            let kept = locked(&self.kept);
            (kept.lines.clone(), kept.newest)
        };
        lines.retain(|origin, line| line.batch <= up_to && covers(origin, line.size));
        let mut kept = locked(&self.kept);
        let covered = |origin: &Origin, line: &Line| {
            let before = lines.get(origin);
            before.is_some_and(|before| before.size == line.size)
        };
        kept.lines.retain(|origin, line| !covered(origin, line));
        let needed: HashSet<u64> = kept.lines.values().map(|line| line.batch).collect();
        for number in batches(&self.directory)? {
            if number <= up_to && number != newest && !needed.contains(&number) {
                self.directory.remove(&batch_path(number))?;
            }
        }
        self.directory.settle()
    }
}

impl Kept {
    fn remember<'a>(&mut self, number: u64, lines: impl Iterator<Item = (&'a Origin, u64, Hash)>) {
        self.newest = self.newest.max(number);
        for (origin, size, root) in lines {
            let line = Line {
                size,
                root,
                batch: number,
            };
            let newest = self.lines.entry(origin.clone()).or_insert(line);
            if newest.size <= size {
                *newest = line;
            }
        }
    }
}

fn checkpoint_path(origin: &Origin) -> String {
    log_folder(origin).replacen("log/", &format!("{CHECKPOINTS}/"), 1)
}

fn batch_path(number: u64) -> String {
    format!("{BATCHES}/{number:020}")
}

fn batches(directory: &Directory) -> io::Result<Vec<u64>> {
    let names = directory.list(BATCHES)?;
    Ok(names
        .iter()
        .filter_map(|(name, _)| name.parse().ok())
        .collect())
}
