//! Integration: entries go from frames into tiles, bundles and heads. audit-store, section 6.

use std::io;

use minicbor::Decoder;

use super::files::LogFiles;
use super::head::Head;
use super::ids::Ranges;
use super::log_state::{LogState, Tail, log_folder};
use super::payloads::{self, Most};
use super::zone::Zone;
use crate::tile::grow;
use crate::{
    BundleError, Classes, ERASED_KIND, EntryBundle, Erasure, Frontier, Hash, Leaf, Origin,
    TILE_WIDTH, TileError, TileKind, TilePath, TileReader as _, TileTree,
};

const WIDTH: u64 = TILE_WIDTH as u64;

/// What one log has grown by between two files of frames.
pub(super) struct CutLog {
    pub(super) origin: Origin,
    pub(super) entries: Vec<Tail>,
    pub(super) hashes: Vec<Hash>,
    /// The log after them.
    pub(super) head: Head,
}

/// What is to be written, in order, and what it supersedes: files to be removed once that is on
/// disk.
pub(super) struct Plan {
    pub(super) puts: Vec<Write>,
    pub(super) superseded: Vec<String>,
}

/// A file to be written.
pub(super) struct Write {
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    /// Whether it takes the place of one that holds more than the frames do: it must be on disk
    /// before it has the name.
    pub(super) at_once: bool,
}

/// The files of one log that are to be written, in order.
struct Files {
    folder: String,
    puts: Vec<Write>,
    superseded: Vec<String>,
}

impl Write {
    pub(super) fn new(path: String, bytes: Vec<u8>) -> Self {
        Self {
            path,
            bytes,
            at_once: false,
        }
    }
}

impl CutLog {
    /// Takes the entries that wait in a log; none if none do.
    pub(super) fn take(origin: &Origin, state: &mut LogState) -> Option<Self> {
        if state.tail.is_empty() {
            return None;
        }
        let entries = std::mem::take(&mut state.tail);
        let fresh = state.hashes.len().saturating_sub(entries.len());
        Some(Self {
            origin: origin.clone(),
            hashes: state.hashes.get(fresh..).unwrap_or_default().to_vec(),
            entries,
            head: Head {
                frontier: state.frontier.clone(),
                last: state.last,
            },
        })
    }

    /// The size that it goes on from.
    pub(super) fn start(&self) -> u64 {
        self.head
            .frontier
            .size()
            .saturating_sub(self.entries.len() as u64)
    }

    /// What is to be written for the log to have grown, as it goes on from what is in `source`.
    /// Payloads, which nothing vouches for, are asked for by `most`.
    pub(super) fn plan(
        &self,
        source: &dyn Zone,
        classes: &Classes,
        most: &Most<'_>,
    ) -> io::Result<Plan> {
        let files = LogFiles::of(source, &self.origin);
        let mut out = Files {
            folder: log_folder(&self.origin),
            puts: Vec::new(),
            superseded: Vec::new(),
        };
        let (start, end) = (self.start(), self.head.frontier.size());
        if start == 0 {
            let origin = format!("{}\n", self.origin);
            let path = format!("{}/origin", out.folder);
            out.puts.push(Write::new(path, origin.into_bytes()));
        }
        self.tiles(&files, &mut out)?;
        self.bundles(&files, &mut out)?;
        let erasures = self.erasures(start);
        let growth = payloads::Growth {
            files: &files,
            start,
            entries: &self.entries,
            most,
        };
        let erasing = payloads::Erasing {
            erasures: &erasures,
            classes,
        };
        growth.write(&erasing, &mut out.puts, &mut out.superseded)?;
        let folder = &out.folder;
        out.puts
            .push(Write::new(Head::path(folder, end), self.head.encode()));
        if start > 0 {
            out.superseded.push(Head::path(folder, start));
        }
        Ok(Plan {
            puts: out.puts,
            superseded: out.superseded,
        })
    }

    fn tiles(&self, files: &LogFiles<'_>, out: &mut Files) -> io::Result<()> {
        let start = self.start();
        let frontier = if start == 0 {
            Frontier::new()
        } else {
            let tree = TileTree::new(files, start).and_then(|mut tree| tree.frontier_at(start));
            tree.map_err(unreadable)?
        };
        let (tiles, grown) = grow(files, &frontier, &self.hashes).map_err(unreadable)?;
        if grown != self.head.frontier {
            let why = format!("log {}: its tiles are not those of its frames", self.origin);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        for tile in tiles {
            let kind = tile.path.kind();
            let before = TilePath::in_tree(kind, tile.path.index(), start);
            out.supersede(before);
            let path = format!("{}/{}", out.folder, tile.path);
            out.puts.push(Write::new(path, tile.bytes));
        }
        Ok(())
    }

    fn bundles(&self, files: &LogFiles<'_>, out: &mut Files) -> io::Result<()> {
        let (start, end) = (self.start(), self.head.frontier.size());
        let mut bytes = Vec::new();
        let before = TilePath::in_tree(TileKind::Entries, start / WIDTH, start);
        if let Some(path) = before {
            bytes = files
                .read(&path)?
                .ok_or_else(|| missing(&path.to_string()))?;
            carried(files, &path, &bytes)?;
            out.supersede(before);
        }
        let mut ranges = Ranges::after(files, start / WIDTH)?;
        for (entry, index) in self.entries.iter().zip(start..) {
            EntryBundle::append(&mut bytes, &entry.leaf).map_err(malformed)?;
            let next = index + 1;
            if next % WIDTH == 0 || next == end {
                let path = TilePath::in_tree(TileKind::Entries, index / WIDTH, next);
                let path = path.ok_or_else(|| missing("an entry bundle"))?;
                if !path.is_partial() {
                    let bundle = EntryBundle::parse(&bytes, TILE_WIDTH).map_err(malformed)?;
                    ranges.push(bundle.entries());
                }
                let full = std::mem::take(&mut bytes);
                out.puts
                    .push(Write::new(format!("{}/{path}", out.folder), full));
            }
        }
        ranges.write(&mut out.puts, &mut out.superseded);
        Ok(())
    }

    /// The erasures among the new entries: what they cover goes.
    fn erasures(&self, start: u64) -> Vec<Erasure> {
        let entries = self.entries.iter().zip(start..);
        entries
            .filter(|(entry, _)| may_erase(&entry.leaf))
            .filter_map(|(entry, index)| {
                let event = Leaf::decode(&entry.leaf).ok()?;
                Erasure::of(&event, index)
            })
            .collect()
    }
}

impl Files {
    /// A wider file is about to take the place of this one, if it is partial.
    fn supersede(&mut self, path: Option<TilePath>) {
        if let Some(path) = path.filter(TilePath::is_partial) {
            self.superseded.push(format!("{}/{path}", self.folder));
        }
    }
}

/// The entries of a bundle that is carried on are those of its tile, which is what was signed: a
/// zone's damage must not go into the others.
fn carried(files: &LogFiles<'_>, path: &TilePath, bytes: &[u8]) -> io::Result<()> {
    let tile = TilePath::new(TileKind::Hashes(0), path.index(), path.width());
    let tile = tile.map_err(|_| missing(&path.to_string()))?;
    let hashes = files
        .read(&tile)?
        .ok_or_else(|| missing(&tile.to_string()))?;
    let bundle = EntryBundle::parse(bytes, path.width()).map_err(malformed)?;
    let found: Vec<u8> = bundle
        .entries()
        .flat_map(|entry| *Hash::of_leaf(entry).as_bytes())
        .collect();
    if found == hashes {
        return Ok(());
    }
    let why = format!("{path}: its entries are not those of its tile");
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

/// Whether a leaf's kind is that of erasures, or is not where it stands in every leaf. Few are: the
/// others need not be decoded.
fn may_erase(leaf: &[u8]) -> bool {
    let peek = || -> Result<&str, minicbor::decode::Error> {
        let mut cbor = Decoder::new(leaf);
        cbor.map()?;
        // The version, the event id and the time, each after its key, and the kind's key.
        for _ in 0..7 {
            cbor.skip()?;
        }
        cbor.str()
    };
    peek().map_or(true, |kind| kind == ERASED_KIND)
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{what} is missing"))
}

fn malformed(error: BundleError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn unreadable(error: TileError<io::Error>) -> io::Error {
    match error {
        TileError::Read { error, .. } => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}
