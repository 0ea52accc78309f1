//! A log's files in a zone, as tlog-tiles lays them out.

use std::io;

use super::log_state::log_folder;
use super::zone::ZoneRead;
use crate::{EntryBundle, Hash, Origin, TileKind, TilePath, TileReader};

/// The longest tile or entry bundle: 256 entries of at most 65,535 bytes, each behind its length.
const MAX_TILE_BYTES: u64 = 256 * (2 + 65_535);

/// How often a reader looks again for what a writer may have just replaced. A writer flushes a whole
/// zone in between.
pub(super) const ROUNDS: usize = 16;

/// Reads a log's tiles from a zone.
pub(super) struct LogFiles<'a> {
    pub(super) zone: &'a dyn ZoneRead,
    pub(super) folder: String,
}

impl<'a> LogFiles<'a> {
    pub(super) fn of(zone: &'a dyn ZoneRead, origin: &Origin) -> Self {
        Self {
            zone,
            folder: log_folder(origin),
        }
    }
}

impl TileReader for LogFiles<'_> {
    type Error = io::Error;

    /// What was superseded and removed is read from the wider file that took its place. That may be
    /// superseded while it is looked for.
    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, io::Error> {
        let at = |path: &TilePath| format!("{}/{path}", self.folder);
        let mut found = None;
        for _ in 0..ROUNDS {
            if let Some(bytes) = self.zone.read(&at(path), MAX_TILE_BYTES)? {
                return Ok(Some(bytes));
            }
            if !path.is_partial() {
                return Ok(None);
            }
            let wider = self.wider(path, &at(&path.full()))?;
            found = self
                .zone
                .read(&at(&wider), MAX_TILE_BYTES)?
                .map(|it| (wider, it));
            if found.is_some() {
                break;
            }
        }
        let (wider, bytes) = found.unzip();
        let width = wider.map_or(0, |wider| wider.width());
        Ok(bytes.map(|bytes| match path.kind() {
            TileKind::Hashes(_) => {
                let length = usize::from(path.width()) * Hash::LEN;
                bytes.get(..length).unwrap_or_default().to_vec()
            }
            TileKind::Entries => {
                let mut bundle = Vec::new();
                let parsed = EntryBundle::parse(&bytes, width);
                let entries = parsed.iter().flat_map(EntryBundle::entries);
                for entry in entries.take(usize::from(path.width())) {
                    // It was in a bundle before.
                    let _ = EntryBundle::append(&mut bundle, entry);
                }
                bundle
            }
        }))
    }
}

impl LogFiles<'_> {
    /// The narrowest partial file that is wider; the full one, if there is none any more.
    fn wider(&self, path: &TilePath, full: &str) -> io::Result<TilePath> {
        let names = self.zone.list(&format!("{full}.p"))?;
        let widths = names.iter().filter_map(|(name, _)| name.parse().ok());
        let wider = widths.filter(|width| *width > path.width()).min();
        let wider = wider.and_then(|width| TilePath::new(path.kind(), path.index(), width).ok());
        Ok(wider.unwrap_or(path.full()))
    }
}
