//! The logs of an open store, each loaded when it is first needed.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::AppendError;
use super::batch_in_hand::Known;
use super::files::LogFiles;
use super::guard::Guard;
use super::ids::find_id;
use super::log_state::LogState;
use super::zone::Zone;
use super::zones::Zones;
use crate::{
    EntryBundle, Hash, Origin, TILE_WIDTH, TileError, TileKind, TilePath, TileReader, TileTree,
    grow_tiles,
};

pub(super) struct Logs {
    pub(super) zones: Arc<Zones>,
    pub(super) guard: Arc<Guard>,
    /// Where each log's state stands.
    numbers: HashMap<Arc<Origin>, usize>,
    states: Vec<(Arc<Origin>, LogState)>,
}

/// A log that is loaded.
pub(super) struct OpenLog<'a> {
    /// Its number among the logs that are loaded.
    pub(super) number: usize,
    pub(super) state: &'a mut LogState,
    pub(super) origin: &'a Origin,
    zones: &'a Zones,
}

impl Logs {
    pub(super) fn new(zones: Arc<Zones>, guard: Arc<Guard>) -> Self {
        Self {
            zones,
            guard,
            numbers: HashMap::new(),
            states: Vec::new(),
        }
    }

    /// The log of this origin, empty if there is none yet.
    ///
    /// A log that is not what was signed is not opened.
    pub(super) fn open<'a>(&'a mut self, origin: &'a Origin) -> Result<OpenLog<'a>, AppendError> {
        let number = match self.numbers.get(origin) {
            Some(number) => *number,
            None => {
                let state = self.load(origin)?;
                let number = self.states.len();
                let origin = Arc::new(origin.clone());
                self.states.push((Arc::clone(&origin), state));
                self.numbers.insert(origin, number);
                number
            }
        };
        let opened = self.opened(number, origin);
        opened.ok_or(AppendError::Busy(super::RETRY_AFTER))
    }

    /// The log of this number and origin, if it is loaded.
    pub(super) fn opened<'a>(
        &'a mut self,
        number: usize,
        origin: &'a Origin,
    ) -> Option<OpenLog<'a>> {
        Some(OpenLog {
            number,
            state: &mut self.states.get_mut(number)?.1,
            origin,
            zones: &self.zones,
        })
    }

    /// The logs that are loaded.
    pub(super) fn states(&mut self) -> impl Iterator<Item = (&Origin, &mut LogState)> {
        let logs = self.states.iter_mut();
        logs.map(|(origin, state)| (&**origin, state))
    }

    /// The logs' entries are in tiles up to these sizes, with these greatest event ids.
    pub(super) fn integrated(&mut self, logs: &[(Origin, u64, Uuid)]) {
        for (origin, size, last) in logs {
            let number = self.numbers.get(origin);
            if let Some((_, state)) = number.and_then(|it| self.states.get_mut(*it)) {
                state.integrated(*size, *last);
            }
        }
    }

    /// Every zone must have the log alike: one that lost it would have it begin anew.
    fn load(&self, origin: &Origin) -> Result<LogState, AppendError> {
        let standing = self.guard.agreed(&self.zones, origin);
        let head = standing
            .map_err(|it| AppendError::Inconsistent(Arc::new(it)))?
            .head;
        Ok(LogState::new(head.frontier, head.last))
    }
}

impl OpenLog<'_> {
    /// Where the entry of this event id stands already, and its leaf hash.
    pub(super) fn find(&self, event_id: &Uuid) -> Result<Option<(u64, Hash)>, AppendError> {
        // Ids ascend with time: of most it is known at once that they are new.
        if event_id.is_nil() || *event_id > self.state.last {
            return Ok(None);
        }
        if let Some(index) = self.state.recent.get(event_id) {
            let at = usize::try_from(index.saturating_sub(self.state.integrated));
            let hash = at.ok().and_then(|at| self.state.hashes.get(at));
            return Ok(hash.map(|hash| (*index, *hash)));
        }
        if *event_id > self.state.integrated_last {
            return Ok(None);
        }
        let zone = self.zone()?;
        let files = LogFiles::of(zone.as_ref(), self.origin);
        find_id(&files, self.state.integrated, event_id).map_err(read_error)
    }

    /// The leaf at an index, of an entry that was found.
    pub(super) fn leaf(&self, index: u64) -> Result<Vec<u8>, AppendError> {
        let state = &self.state;
        let size = state.integrated + state.hashes.len() as u64;
        let tail = size.saturating_sub(state.tail.len() as u64);
        if let Some(at) = index.checked_sub(tail) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let entry = state.tail.get(at).map(|entry| entry.leaf.clone());
            return entry.ok_or(AppendError::Busy(super::RETRY_AFTER));
        }
        if index >= state.integrated {
            // It is on its way into tiles.
            return Err(AppendError::Busy(super::RETRY_AFTER));
        }
        let zone = self.zone()?;
        let files = LogFiles::of(zone.as_ref(), self.origin);
        let read = || -> io::Result<Option<Vec<u8>>> {
            let width = u64::from(TILE_WIDTH);
            let path = TilePath::in_tree(TileKind::Entries, index / width, state.integrated);
            let Some(path) = path else { return Ok(None) };
            let Some(bytes) = files.read(&path)? else {
                return Ok(None);
            };
            let bundle = EntryBundle::parse(&bytes, path.width());
            let bundle = bundle.map_err(|it| io::Error::new(io::ErrorKind::InvalidData, it))?;
            let at = usize::try_from(index % width).unwrap_or(usize::MAX);
            Ok(bundle.entries().nth(at).map(<[u8]>::to_vec))
        };
        let leaf = read().map_err(read_error)?;
        leaf.ok_or(AppendError::Busy(super::RETRY_AFTER))
    }

    /// A zone to read from.
    fn zone(&self) -> Result<Arc<dyn Zone>, AppendError> {
        self.zones.source().map_err(read_error)
    }

    /// Proves that entries are in the log as it is now, wherever they stand. One that cannot be
    /// proved now has none: what is being integrated just now may be gone from one name and not be
    /// asked for under the next; the entry is there all the same.
    pub(super) fn prove(&self, known: &mut Known) {
        if let Ok(zone) = self.zone() {
            let _ = self.try_prove(zone.as_ref(), known);
        }
    }

    fn try_prove(&self, zone: &dyn Zone, known: &mut Known) -> Result<(), TileError<io::Error>> {
        let files = LogFiles::of(zone, self.origin);
        let (before, size) = (self.state.integrated, self.state.frontier.size());
        let frontier = TileTree::new(&files, before)?.frontier_at(before)?;
        let tiles = grow_tiles(&files, &frontier, &self.state.hashes)?;
        let fresh = tiles.into_iter().map(|tile| (tile.path, tile.bytes));
        let over = Over {
            fresh: fresh.collect(),
            files,
        };
        let mut tree = TileTree::new(over, size)?;
        for (index, proof) in known {
            *proof = Some((tree.leaf(*index)?, tree.prove_inclusion(*index, size)?));
        }
        Ok(())
    }
}

fn read_error(error: io::Error) -> AppendError {
    AppendError::Read(Arc::new(error))
}

/// Tiles in memory over those on disk.
struct Over<'a> {
    fresh: BTreeMap<TilePath, Vec<u8>>,
    files: LogFiles<'a>,
}

impl TileReader for Over<'_> {
    type Error = io::Error;

    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, io::Error> {
        let fresh: Result<_, Infallible> = TileReader::read(&self.fresh, path);
        match fresh {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            _ => self.files.read(path),
        }
    }
}
