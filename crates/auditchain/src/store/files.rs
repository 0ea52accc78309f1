//! A log's files in a zone, as tlog-tiles lays them out.

use std::io;

use super::log_state::log_folder;
use super::zone::ZoneRead;
use crate::{EntryBundle, Hash, Origin, TileKind, TilePath, TileReader};

/// The longest tile or entry bundle: 256 entries of at most 65,535 bytes, each behind its length.
const MAX_TILE_BYTES: u64 = 256 * (2 + 65_535);

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

    /// What was superseded and removed is read from the wider file that took its place.
    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, io::Error> {
        let at = |path: &TilePath| format!("{}/{path}", self.folder);
        let bytes = self.zone.read(&at(path), MAX_TILE_BYTES)?;
        if bytes.is_some() || !path.is_partial() {
            return Ok(bytes);
        }
        let Some(wider) = self.wider(path, &at(&path.full()))? else {
            return Ok(None);
        };
        let bytes = self.zone.read(&at(&wider), MAX_TILE_BYTES)?;
        Ok(bytes.map(|bytes| match path.kind() {
            TileKind::Hashes(_) => {
                let length = usize::from(path.width()) * Hash::LEN;
                bytes.get(..length).unwrap_or_default().to_vec()
            }
            TileKind::Entries => {
                let mut bundle = Vec::new();
                let parsed = EntryBundle::parse(&bytes, wider.width());
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
    /// The full file at a path, or the narrowest partial one that is wider.
    fn wider(&self, path: &TilePath, full: &str) -> io::Result<Option<TilePath>> {
        if self.zone.read(full, MAX_TILE_BYTES)?.is_some() {
            return Ok(Some(path.full()));
        }
        let names = self.zone.list(&format!("{full}.p"))?;
        let widths = names.iter().filter_map(|(name, _)| name.parse().ok());
        let wider = widths.filter(|width| *width > path.width()).min();
        Ok(wider.and_then(|width| TilePath::new(path.kind(), path.index(), width).ok()))
    }
}
