//! A log as it is stored, to be read: its entries, its tiles, its checkpoints.

use std::io;

use super::files::LogFiles;
use super::head::Head;
use super::log_state::log_folder;
use super::payloads;
use super::zone::ZoneRead;
use crate::{
    BundleError, EntryBundle, MAX_NOTE_BYTES, Origin, TILE_WIDTH, TileError, TileKind, TilePath,
    TilePathError, TileReader, TileTree,
};

const WIDTH: u64 = TILE_WIDTH as u64;

/// The integrated part of one log in one zone.
pub struct StoredLog<'a> {
    files: LogFiles<'a>,
    size: u64,
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoredLogError {
    /// There is no such log.
    #[error("log: there is none of this origin")]
    NoLog,
    /// A file could not be read.
    #[error("log: {0}")]
    Read(#[from] io::Error),
    /// An entry bundle is missing.
    #[error("log: {0} is missing")]
    Missing(TilePath),
    /// An entry bundle is malformed.
    #[error("log: {path}: {error}")]
    Bundle {
        /// The bundle.
        path: TilePath,
        /// What is wrong with it.
        error: BundleError,
    },
    /// The index is outside the log.
    #[error("log: it has no entry {0}")]
    OutOfRange(u64),
    /// A tile.
    #[error(transparent)]
    Tile(#[from] TileError<io::Error>),
    /// The log is larger than any can be.
    #[error(transparent)]
    Path(#[from] TilePathError),
}

impl<'a> StoredLog<'a> {
    /// Finds a log.
    ///
    /// # Errors
    /// [`StoredLogError::NoLog`], and when it cannot be read.
    pub fn open(zone: &'a dyn ZoneRead, origin: &Origin) -> Result<Self, StoredLogError> {
        let head = Head::newest(zone, &log_folder(origin))?.ok_or(StoredLogError::NoLog)?;
        Ok(Self {
            files: LogFiles::of(zone, origin),
            size: head.frontier.size(),
        })
    }

    /// How many entries are in tiles.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree over them. Its tiles are believed.
    ///
    /// # Errors
    /// As [`TileTree::new`].
    pub fn tree(&self) -> Result<TileTree<impl TileReader<Error = io::Error>>, StoredLogError> {
        Ok(TileTree::new(&self.files, self.size)?)
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// [`StoredLogError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, StoredLogError> {
        let out = StoredLogError::OutOfRange(index);
        let within = usize::try_from(index % WIDTH).unwrap_or_default();
        let mut entries = self.bundle(index / WIDTH)?;
        if within < entries.len() {
            Ok(entries.swap_remove(within))
        } else {
            Err(out)
        }
    }

    /// The entries of the bundle of this number, in order.
    ///
    /// # Errors
    /// [`StoredLogError`].
    pub fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, StoredLogError> {
        let path = TilePath::in_tree(TileKind::Entries, number, self.size);
        let path = path.ok_or(StoredLogError::OutOfRange(number.saturating_mul(WIDTH)))?;
        let bytes = self
            .files
            .read(&path)?
            .ok_or(StoredLogError::Missing(path))?;
        let bundle = EntryBundle::parse(&bytes, path.width());
        let bundle = bundle.map_err(|error| StoredLogError::Bundle { path, error })?;
        Ok(bundle.entries().map(<[u8]>::to_vec).collect())
    }

    /// What is kept beside an entry; none if nothing ever was, or is no more.
    ///
    /// # Errors
    /// [`StoredLogError`].
    pub fn payload(&self, index: u64) -> Result<Option<Vec<u8>>, StoredLogError> {
        let (zone, folder) = (self.files.zone, &self.files.folder);
        let bundle = payloads::read(zone, folder, index / WIDTH, self.size)?;
        let within = usize::try_from(index % WIDTH).unwrap_or_default();
        let payload = bundle.and_then(|bundle| bundle.payloads().get(within).cloned());
        Ok(payload.filter(|payload| !payload.is_empty()))
    }

    /// The signed checkpoints, oldest first, with the sizes by which they are named.
    ///
    /// # Errors
    /// [`StoredLogError`].
    pub fn checkpoints(&self) -> Result<Vec<(u64, String)>, StoredLogError> {
        let folder = format!("{}/checkpoints", self.files.folder);
        let names = self.files.zone.list(&folder)?;
        let mut sizes: Vec<u64> = names
            .iter()
            .filter_map(|(name, _)| name.parse().ok())
            .collect();
        sizes.sort_unstable();
        let mut checkpoints = Vec::with_capacity(sizes.len());
        for size in sizes {
            let path = format!("{folder}/{size}");
            if let Some(bytes) = self.files.zone.read(&path, MAX_NOTE_BYTES as u64)? {
                checkpoints.push((size, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        Ok(checkpoints)
    }
}
