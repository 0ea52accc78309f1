//! The checkpoint store: what was last signed of each log, apart from the data. audit-store,
//! section 8.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use super::checked::with_sum;
use super::directory::Directory;
use super::locked;
use super::log_state::log_folder;
use super::wal::StoreId;
use super::zone::{Zone as _, ZoneRead as _};
use crate::{
    BatchFile, Hash, MAX_BATCH_FILE_BYTES, MAX_NOTE_BYTES, Origin, SignedBatch, VerifierKey,
};

const CHECKPOINTS: &str = "checkpoints";
const BATCHES: &str = "batches";

/// The file that says which store this is of.
const STORE: &str = "bound";
const LABEL: &str = "strongroom.dev/audit-signed/v1";

/// A directory that keeps each log's newest checkpoint and the newest lines of batches.
///
/// It must lie apart from the logs, and must not be restored with them: what it remembers is how a
/// log that was set back is known. One process at a time has it open, and it is of one store, that
/// whose opening it was first used for. After an error of a writing call nothing is known of what is
/// on disk: it neither answers nor keeps anything more until it is opened anew.
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
    /// What failed.
    failure: Option<String>,
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
        locked(&self.kept).usable()?;
        self.checkpoint(origin)
    }

    /// The size and root of the newest line of a log that was kept.
    #[must_use]
    pub fn newest_line(&self, origin: &Origin) -> Option<(u64, Hash)> {
        let kept = locked(&self.kept);
        kept.lines.get(origin).map(|line| (line.size, line.root))
    }

    /// Keeps new checkpoints, if what they were made from is still there. None is put in place
    /// before all are on disk; each is put in place whole.
    ///
    /// # Errors
    /// [`SwapError`]; after [`SwapError::Changed`] none of them is there, after [`SwapError::Io`] any
    /// may be, as after a crash: each was signed from the one that it replaced.
    pub fn swap(&self, swaps: &[Swap]) -> Result<(), SwapError> {
        // One at a time within this process; others are kept out by the lock of the directory.
        let mut kept = locked(&self.kept);
        kept.usable()?;
        for swap in swaps {
            if self.checkpoint(&swap.origin)? != swap.before {
                return Err(SwapError::Changed(swap.origin.clone()));
            }
        }
        let files = swaps
            .iter()
            .map(|swap| (checkpoint_path(&swap.origin), swap.note.as_bytes()));
        let files: Vec<_> = files.collect();
        Ok(kept.note(self.directory.replace_all(&files))?)
    }

    /// Keeps a batch; answers its number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, batch: &SignedBatch) -> io::Result<u64> {
        let mut kept = locked(&self.kept);
        kept.usable()?;
        let number = kept.newest + 1;
        let text = BatchFile::from(batch).to_string();
        let path = batch_path(number);
        kept.note(self.directory.create_new(&path, text.as_bytes()))?;
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
    /// `covers` does not say that a checkpoint covers that size. The newest of all stays: the next is
    /// numbered after it.
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
        kept.usable()?;
        let is_covered = |origin: &Origin, line: &Line| {
            let before = lines.get(origin);
            before.is_some_and(|before| before.size == line.size)
        };
        kept.lines.retain(|origin, line| !is_covered(origin, line));
        let needed: HashSet<u64> = kept.lines.values().map(|line| line.batch).collect();
        let dropped = || {
            for number in batches(&self.directory)? {
                if number <= up_to && number != newest && !needed.contains(&number) {
                    self.directory.remove(&batch_path(number))?;
                }
            }
            self.directory.settle()
        };
        kept.note(dropped())
    }

    /// What failed, once something did: nothing is signed from then on.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        locked(&self.kept).failure.clone()
    }

    /// That it is of this store; it becomes so if it holds nothing yet.
    pub(super) fn bind(&self, store: &StoreId) -> io::Result<()> {
        let mut kept = locked(&self.kept);
        kept.usable()?;
        let name = u128::from_be_bytes(*store);
        let text = with_sum(format!("{LABEL}\nstore {name:032x}\n"));
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        match self.directory.read(STORE, MAX_NOTE_BYTES as u64)? {
            Some(bytes) if bytes == text.as_bytes() => Ok(()),
            Some(_) => refused("it is of another store"),
            None if kept.newest == 0 && self.directory.list(CHECKPOINTS)?.is_empty() => {
                kept.note(self.directory.create_new(STORE, text.as_bytes()))
            }
            None => refused("it holds something, and says not which store it is of"),
        }
    }

    fn checkpoint(&self, origin: &Origin) -> io::Result<Option<String>> {
        let path = checkpoint_path(origin);
        let bytes = self.directory.read(&path, MAX_NOTE_BYTES as u64)?;
        bytes
            .map(|bytes| {
                String::from_utf8(bytes)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            })
            .transpose()
    }
}

impl Kept {
    fn usable(&self) -> io::Result<()> {
        self.failure.as_ref().map_or(Ok(()), |why| {
            Err(io::Error::other(format!("it failed before: {why}")))
        })
    }

    /// After an error of a writing call nothing is known of what is on disk.
    fn note<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &written {
            self.failure = Some(error.to_string());
        }
        written
    }

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
