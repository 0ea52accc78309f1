//! What one thread reads at a time: 65,536 entries, their tiles and their payloads.

use std::io;
use std::ops::Range;

use super::beside::Beside;
use super::ids::Ids;
use super::payload::Tally;
use super::{EntryForm, Findings, PayloadForm, Scrub};
use crate::store::files::LogFiles;
use crate::{
    BundleError, EntryBundle, Finding, Hash, LeafView, PlatformEntry, TILE_WIDTH, TileKind,
    TilePath, TileReader as _, root,
};

pub(super) const WIDTH: u64 = TILE_WIDTH as u64;

/// How many bundles a unit has.
pub(super) const BUNDLES: u64 = 256;

/// What every thread reads from.
pub(super) struct Reading<'a> {
    pub(super) about: &'a Scrub<'a>,
    pub(super) folder: &'a str,
    pub(super) files: LogFiles<'a>,
    /// The log's size.
    pub(super) size: u64,
    /// The first entry to be read, of the first bundle.
    pub(super) from: u64,
    /// The checkpointed sizes, ascending.
    pub(super) sizes: Vec<u64>,
}

/// What came of a unit.
#[derive(Default)]
pub(super) struct Unit {
    /// The first bundle's number, and each bundle in turn.
    pub(super) first: u64,
    pub(super) bundles: Vec<Bundle>,
    pub(super) entries: u64,
    pub(super) ids: Ids,
    pub(super) tally: Tally,
    pub(super) findings: Vec<Finding>,
    pub(super) omitted: u64,
    /// Not one of its files is there.
    pub(super) is_gone: bool,
}

/// A bundle's hashes by the three that say what they are.
#[derive(Default)]
pub(super) struct Bundle {
    pub(super) width: u16,
    /// Of so many entries more than there are: a log that was cut off.
    pub(super) missing_from: Option<u64>,
    /// The root of a full bundle's leaf hashes, if all three agree.
    pub(super) agreed: Option<Hash>,
    /// The leaf hashes, if all agree and somebody asks for them.
    pub(super) leaves: Option<Vec<Hash>>,
    /// What each says, if they do not agree.
    pub(super) odd: Option<Odd>,
}

/// What is said of a bundle by entries, tile and the tile above.
pub(super) struct Odd {
    pub(super) entries: Option<Vec<Hash>>,
    pub(super) tile: Option<Vec<Hash>>,
    pub(super) above: Option<Hash>,
}

impl Reading<'_> {
    /// Reads units side by side, and gives them in order.
    pub(super) fn units(&self, numbers: impl Iterator<Item = u64>) -> Vec<io::Result<Unit>> {
        if self.about.threads.get() == 1 {
            return numbers.map(|number| self.unit(number)).collect();
        }
        std::thread::scope(|scope| {
            let begun = numbers.map(|number| {
                let thread = std::thread::Builder::new();
                let thread = thread.spawn_scoped(scope, move || self.unit(number));
                (number, thread)
            });
            let begun: Vec<_> = begun.collect();
            let ended = begun.into_iter().map(|(number, thread)| match thread {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(io::Error::other("thread"))),
                // With no thread left the work is done here.
                Err(_) => self.unit(number),
            });
            ended.collect()
        })
    }

    /// What is to be said of a unit of which nothing is there.
    pub(super) fn gone(&self, unit: &Unit, missing_from: Option<u64>) -> io::Result<Finding> {
        let first = unit.bundles.first().and_then(|it| it.missing_from);
        let first = missing_from.or(first).unwrap_or(unit.first * WIDTH);
        let last = TilePath::in_tree(TileKind::Entries, (self.size - 1) / WIDTH, self.size);
        let last = last.map(|path| self.read(&path)).transpose()?.flatten();
        Ok(match last {
            Some(_) => Finding::Missing { index: first },
            None => Finding::Truncated {
                have: first,
                signed: self.size,
            },
        })
    }

    fn unit(&self, number: u64) -> io::Result<Unit> {
        let bundles = self.bundles(number);
        let mut unit = Unit {
            first: bundles.start,
            ..Unit::default()
        };
        let mut found = Findings::default();
        let mut any = false;
        let above = self.above(number, &mut found)?;
        for index in bundles {
            let slot = usize::try_from(index % BUNDLES).unwrap_or_default();
            let above = above.as_ref().and_then(|tile| tile.get(slot)).copied();
            any |= self.bundle(index, above, &mut unit, &mut found)?;
        }
        unit.is_gone = !any && above.is_none() && !unit.bundles.is_empty();
        unit.ids.sort();
        (unit.findings, unit.omitted) = (found.all, found.omitted);
        Ok(unit)
    }

    fn bundles(&self, number: u64) -> Range<u64> {
        let end = self.size.div_ceil(WIDTH).min((number + 1) * BUNDLES);
        (number * BUNDLES).max(self.from / WIDTH)..end
    }

    /// The tile of level 1 over a unit's full bundles.
    fn above(&self, number: u64, found: &mut Findings) -> io::Result<Option<Vec<Hash>>> {
        match TilePath::in_tree(TileKind::Hashes(1), number, self.size) {
            Some(path) => self.hashes(path, found),
            None => Ok(None),
        }
    }

    /// A tile's hashes; none, and a finding, for one that is no tile of its width.
    pub(super) fn hashes(
        &self,
        path: TilePath,
        found: &mut Findings,
    ) -> io::Result<Option<Vec<Hash>>> {
        let bytes = self.read(&path)?;
        let (hashes, rest) = bytes
            .as_deref()
            .unwrap_or_default()
            .as_chunks::<{ Hash::LEN }>();
        // A wider file than its name says is another tile; the reader cuts those that it may.
        if hashes.len() != usize::from(path.width()) || !rest.is_empty() {
            let index = first_under(&path, 0).max(self.from);
            found.find(Finding::Tile { path, index });
            return Ok(None);
        }
        Ok(Some(hashes.iter().copied().map(Hash::from_bytes).collect()))
    }

    /// Reads a file; one that is longer than it can be is none.
    fn read(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        match self.files.read(path) {
            Err(error) if is_malformed(&error) => Ok(None),
            read => read,
        }
    }

    /// Takes in a bundle. Whether any of its files is there.
    fn bundle(
        &self,
        index: u64,
        above: Option<Hash>,
        unit: &mut Unit,
        found: &mut Findings,
    ) -> io::Result<bool> {
        let (entries, tile) = (TileKind::Entries, TileKind::Hashes(0));
        let Some(path) = TilePath::in_tree(entries, index, self.size) else {
            return Ok(false);
        };
        let (first, width) = (index * WIDTH, path.width());
        let above = above.filter(|_| !path.is_partial());
        let mut bundle = Bundle {
            width,
            ..Bundle::default()
        };
        let bytes = self.read(&path)?;
        if bytes.is_none() {
            bundle.missing_from = Some(first + self.narrower(&path)?);
        }
        let mut computed = None;
        match bytes
            .as_deref()
            .map(|bytes| EntryBundle::parse(bytes, width))
        {
            None => {}
            Some(Err(error)) => {
                let within = match error {
                    BundleError::Truncated(position) => position,
                    _ => width - 1,
                };
                let index = first + u64::from(within);
                found.find(Finding::MalformedLeaf { index });
            }
            Some(Ok(parsed)) => {
                computed = Some(self.entries(index, &parsed, unit, found)?);
            }
        }
        let mut silent = Findings::default();
        let tile = TilePath::in_tree(tile, index, self.size);
        let stored = tile
            .map(|tile| self.hashes(tile, &mut silent))
            .transpose()?;
        let stored = stored.flatten();
        let is_there = bytes.is_some() || stored.is_some();
        if bytes.is_some() {
            found.take(&mut silent.all, silent.omitted);
        }
        self.agree(
            first,
            &mut bundle,
            Odd {
                entries: computed,
                tile: stored,
                above,
            },
        );
        unit.bundles.push(bundle);
        Ok(is_there)
    }

    fn agree(&self, first: u64, bundle: &mut Bundle, says: Odd) {
        let is_full = u64::from(bundle.width) == WIDTH;
        let Some(leaves) = says
            .entries
            .as_ref()
            .filter(|it| says.tile.as_ref() == Some(*it))
        else {
            bundle.odd = Some(says);
            return;
        };
        let own = is_full.then(|| root(leaves));
        if says.above.is_some() && says.above != own {
            bundle.odd = Some(says);
            return;
        }
        bundle.agreed = own;
        let place = self.sizes.partition_point(|size| *size <= first);
        let inner = self
            .sizes
            .get(place)
            .is_some_and(|size| size - first < WIDTH);
        if inner || !is_full {
            bundle.leaves = says.entries;
        }
    }

    /// How many entries the widest narrower bundle has.
    fn narrower(&self, path: &TilePath) -> io::Result<u64> {
        let folder = format!("{}/{}.p", self.folder, path.full());
        let names = self.about.zone.list(&folder)?;
        let widths = names
            .iter()
            .filter_map(|(name, _)| name.parse::<u16>().ok());
        let widths = widths.filter(|width| *width < path.width());
        Ok(widths.max().unwrap_or_default().into())
    }

    /// Looks at each entry, and hashes it: the one overlaps with the other.
    fn entries(
        &self,
        index: u64,
        bundle: &EntryBundle<'_>,
        unit: &mut Unit,
        found: &mut Findings,
    ) -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(bundle.width().into());
        let first = index * WIDTH;
        unit.entries += u64::from(bundle.width());
        unit.ids.reserve(bundle.width().into());
        if self.about.entries == EntryForm::Platform {
            for (entry, index) in bundle.entries().zip(first..) {
                hashes.push(Hash::of_leaf(entry));
                if PlatformEntry::decode(entry).is_err() {
                    found.find(Finding::MalformedLeaf { index });
                }
            }
            return Ok(hashes);
        }
        let beside = if self.about.payloads == PayloadForm::LeftOut {
            None
        } else {
            self.payloads(index, found)?
        };
        let mut beside = beside.as_ref().map(Beside::payloads);
        for (entry, index) in bundle.entries().zip(first..) {
            let beside = beside.as_mut();
            // An entry's payload is passed over with it.
            let payload = beside.map(|payloads| payloads.next().unwrap_or_default());
            hashes.push(Hash::of_leaf(entry));
            let leaf = LeafView::parse(entry);
            let Ok(leaf) = &leaf else {
                found.find(Finding::MalformedLeaf { index });
                continue;
            };
            unit.ids.push(leaf.event_id().into_bytes(), index);
            unit.tally.erasure(leaf, index);
            if let Some(payload) = payload
                && !unit.tally.payload(leaf, index, payload, self.about)
            {
                found.find(Finding::Payload { index });
            }
        }
        Ok(hashes)
    }

    /// The payloads beside a bundle's entries; none where they cannot be told apart.
    fn payloads(&self, index: u64, found: &mut Findings) -> io::Result<Option<Beside>> {
        match Beside::read(self.about.zone, self.folder, index, self.size) {
            Err(error) if is_malformed(&error) => {
                let from = index * WIDTH;
                let to = (from + WIDTH).min(self.size);
                found.find(Finding::PayloadBundle { from, to });
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

impl Unit {
    /// One past its last entry, if its last bundle is full.
    pub(super) fn end(&self) -> u64 {
        (self.first + self.bundles.len() as u64) * WIDTH
    }
}

/// The first entry under a hash of a tile.
pub(super) fn first_under(path: &TilePath, position: u64) -> u64 {
    let level = match path.kind() {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    let node = path.index().saturating_mul(WIDTH).saturating_add(position);
    node.saturating_mul(1_u64.checked_shl(8 * u32::from(level)).unwrap_or_default())
}

fn is_malformed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData
    )
}
