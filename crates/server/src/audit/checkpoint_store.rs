//! The checkpoint store: what was last signed of each log, in a directory apart from the database.
//!
//! A database that was set back to an older state does not know that it was. Whoever signs then
//! signs a second history. So each checkpoint is kept here before it is published there, and what
//! the database has must go on from what is here (`docs/operating/checkpoint-store.md`).
//!
//! Several nodes share the directory: each change is made under its lock, and only if what it was
//! made from is still there.

mod folder;
mod head;
mod lines;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_auditchain::store::log_folder;
use strongroom_auditchain::{Checkpoint, Ed25519Signer, Hash, Origin};

use self::folder::Folder;
pub use self::head::Head;
pub(super) use self::lines::Newest;

/// The longest file of one log: a head, or a cosigned checkpoint.
const MAX_FILE_BYTES: u64 = 128 * 1024;

/// The file that says whose directory it is.
const IDENTITY: &str = "installation";

const IDENTITY_LABEL: &str = "strongroom.dev/checkpoint-store/v1";

/// The directory of one installation's checkpoints.
pub struct CheckpointStore {
    folder: Folder,
    /// Signs checkpoints, each log under its own name.
    checkpoints: Arc<Ed25519Signer>,
    batches: Arc<Ed25519Signer>,
    /// This process among those that share the directory.
    node: String,
    newest: Mutex<Newest>,
    /// Up to which size checkpoints came to cover logs, since that was last asked.
    covered: Mutex<HashMap<Origin, u64>>,
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("checkpoint store: {0}: {1}")]
    Io(PathBuf, io::Error),
    /// A file is not what was written.
    #[error("checkpoint store: {0}: {1}")]
    Malformed(PathBuf, &'static str),
    /// It belongs to another installation.
    #[error("checkpoint store: {0} is that of another installation")]
    Foreign(PathBuf),
    /// It knows nothing, and the database has logs.
    #[error(
        "checkpoint store: {0} is empty, and the database has logs that were signed: give the \
         directory back, or let it begin anew with `strongroom-server checkpoints adopt`"
    )]
    Lost(PathBuf),
    /// Nothing more is written after a write whose outcome is unknown.
    #[error("checkpoint store: a write failed before: restart once the disk is sound")]
    Poisoned,
    /// The operating system gave no randomness.
    #[error("checkpoint store: no randomness from the operating system")]
    Randomness,
    /// Lines were not signed.
    #[error("checkpoint store: lines were not signed: {0}")]
    Sign(String),
}

/// What is known of a log: whatever the database has must begin with it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The last checkpoint.
    pub head: Option<Head>,
    /// The newest line of a batch that was acknowledged.
    pub line: Option<(u64, Hash)>,
}

impl Known {
    /// The sizes and roots that were signed, ascending.
    #[must_use]
    pub fn signed(&self) -> Vec<(u64, Hash)> {
        let head = self.head.as_ref();
        let head = head.map(|it| (it.checkpoint().size, it.checkpoint().root));
        let mut signed: Vec<(u64, Hash)> = head.into_iter().chain(self.line).collect();
        signed.sort_by_key(|(size, _)| *size);
        signed
    }
}

/// One log's next file, and the one that it takes the place of.
#[derive(Clone, Debug)]
pub(super) struct Swap {
    /// The log.
    pub origin: Origin,
    /// What must be there; none for the log's first.
    pub before: Option<String>,
    /// What takes its place.
    pub after: String,
}

/// What of a log a file holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shelf {
    /// Its last checkpoint.
    Checkpoints,
    /// The last that was cosigned.
    Cosigned,
}

impl Shelf {
    fn path(self, origin: &Origin) -> String {
        let shelf = match self {
            Self::Checkpoints => "checkpoints/",
            Self::Cosigned => "cosigned/",
        };
        log_folder(origin).replacen("log/", shelf, 1)
    }
}

impl CheckpointStore {
    /// Opens the directory of the installation with this name, and makes it if `is_new`: nothing of
    /// that installation was ever signed.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] for another installation's, [`StoreError::Lost`] for one that knows
    /// nothing of an installation that is not new.
    pub fn open(
        directory: &Path,
        installation: &Origin,
        is_new: bool,
        checkpoints: Arc<Ed25519Signer>,
        batches: Arc<Ed25519Signer>,
    ) -> Result<Self, StoreError> {
        let folder = Folder::open(directory)?;
        {
            let locked = folder.lock()?;
            match Self::identity(&folder)? {
                Some(found) if found == installation.as_str() => {}
                Some(_) => return Err(StoreError::Foreign(directory.to_owned())),
                None if !is_new => return Err(StoreError::Lost(directory.to_owned())),
                None => locked.write(&[(IDENTITY.to_owned(), identity_text(installation))])?,
            }
        }
        Self::of(folder, checkpoints, batches)
    }

    fn of(
        folder: Folder,
        checkpoints: Arc<Ed25519Signer>,
        batches: Arc<Ed25519Signer>,
    ) -> Result<Self, StoreError> {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|_| StoreError::Randomness)?;
        let store = Self {
            folder,
            checkpoints,
            batches,
            node: hex::encode(random),
            newest: Mutex::default(),
            covered: Mutex::default(),
        };
        store.read_lines_again()?;
        store.drop_covered_lines()?;
        Ok(store)
    }

    /// Makes a directory that knows nothing this installation's. It has an identity when
    /// [`Self::confirm`] was called, and not before.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] for another installation's.
    pub fn adopting(
        directory: &Path,
        installation: &Origin,
        checkpoints: Arc<Ed25519Signer>,
        batches: Arc<Ed25519Signer>,
    ) -> Result<Self, StoreError> {
        let folder = Folder::open(directory)?;
        match Self::identity(&folder)? {
            Some(found) if found != installation.as_str() => {
                Err(StoreError::Foreign(directory.to_owned()))
            }
            _ => Self::of(folder, checkpoints, batches),
        }
    }

    /// Says that the directory is this installation's from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn confirm(&self, installation: &Origin) -> Result<(), StoreError> {
        let locked = self.folder.lock()?;
        locked.write(&[(IDENTITY.to_owned(), identity_text(installation))])
    }

    fn identity(folder: &Folder) -> Result<Option<String>, StoreError> {
        let Some(text) = folder.read(IDENTITY, MAX_FILE_BYTES)? else {
            return Ok(None);
        };
        let lines = text
            .strip_prefix(IDENTITY_LABEL)
            .and_then(|rest| rest.strip_prefix('\n')?.strip_suffix('\n'));
        let found = lines.ok_or_else(|| folder.malformed(IDENTITY, "it names no installation"))?;
        Ok(Some(found.to_owned()))
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.folder.root()
    }

    /// What is known of logs.
    ///
    /// # Errors
    /// [`StoreError`]; a file that the log's key did not sign is an error too.
    pub fn known(&self, logs: &[Origin]) -> Result<HashMap<Origin, Known>, StoreError> {
        let mut known = HashMap::with_capacity(logs.len());
        for origin in logs {
            // The line first: a checkpoint may come to cover it, and not the other way round.
            let line = self.lines().of(origin);
            let head = self.head(origin)?;
            known.insert(origin.clone(), Known { head, line });
        }
        Ok(known)
    }

    /// A log's last checkpoint.
    ///
    /// # Errors
    /// As [`Self::known`].
    pub fn head(&self, origin: &Origin) -> Result<Option<Head>, StoreError> {
        let path = Shelf::Checkpoints.path(origin);
        let Some(text) = self.folder.read(&path, MAX_FILE_BYTES)? else {
            return Ok(None);
        };
        let malformed = |reason| self.folder.malformed(&path, reason);
        let signer = self.checkpoints.with_name(origin.as_str());
        let signer = signer.map_err(|_| malformed("the log's name names no key"))?;
        Head::parse(&text, signer.verifier_key(), origin)
            .map(Some)
            .ok_or_else(|| malformed("it is not what the log's key signed"))
    }

    /// A file of a log as it is.
    pub(super) fn text(&self, shelf: Shelf, log: &Origin) -> Result<Option<String>, StoreError> {
        self.folder.read(&shelf.path(log), MAX_FILE_BYTES)
    }

    /// Keeps what takes the place of what is there. Answers whose files are others by now: they are
    /// left as they are. All others are durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: any of them may be there then.
    pub(super) fn swap(&self, shelf: Shelf, swaps: &[Swap]) -> Result<HashSet<Origin>, StoreError> {
        let locked = self.folder.lock()?;
        let mut changed = HashSet::new();
        let mut files = Vec::with_capacity(swaps.len());
        for swap in swaps {
            let path = shelf.path(&swap.origin);
            if self.folder.read(&path, MAX_FILE_BYTES)? == swap.before {
                files.push((path, swap.after.clone()));
            } else {
                changed.insert(swap.origin.clone());
            }
        }
        locked.write(&files)?;
        Ok(changed)
    }

    /// Keeps logs' next heads, each in place of the one that it was made from. Answers whose are
    /// others by now.
    ///
    /// # Errors
    /// As [`Self::swap`].
    pub(super) fn advance(
        &self,
        heads: &[(Option<Head>, Head)],
    ) -> Result<HashSet<Origin>, StoreError> {
        let swaps = heads.iter().map(|(before, after)| Swap {
            origin: after.checkpoint().origin.clone(),
            before: before.as_ref().map(|head| head.text().to_owned()),
            after: after.text().to_owned(),
        });
        let swaps: Vec<Swap> = swaps.collect();
        let changed = self.swap(Shelf::Checkpoints, &swaps)?;
        let mut covered = self.covered();
        for (_, head) in heads {
            let Checkpoint { origin, size, .. } = head.checkpoint();
            if !changed.contains(origin) {
                covered.insert(origin.clone(), *size);
            }
        }
        Ok(changed)
    }

    /// Which logs checkpoints came to cover, and up to which size, since this was last asked.
    pub(super) fn take_covered(&self) -> HashMap<Origin, u64> {
        std::mem::take(&mut self.covered())
    }

    fn covered(&self) -> std::sync::MutexGuard<'_, HashMap<Origin, u64>> {
        self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity_text(installation: &Origin) -> String {
    format!("{IDENTITY_LABEL}\n{installation}\n")
}

#[cfg(test)]
#[path = "checkpoint_store/tests.rs"]
mod tests;
