//! Payload bundles: what is kept beside the entries, and can be taken away again. audit-store,
//! section 5.

use std::collections::BTreeSet;
use std::io;

use super::files::{LogFiles, ROUNDS};
use super::integration::Write;
use super::log_state::Tail;
use super::zone::{Zone, ZoneRead};
use crate::{
    Classes, EntryBundle, Erasure, Leaf, RetentionClass, TILE_WIDTH, TileKind, TilePath,
    TileReader as _,
};

const WIDTH: u64 = TILE_WIDTH as u64;

/// The longest payload that a store keeps, in bytes.
pub const MAX_STORED_PAYLOAD_BYTES: usize = 1024 * 1024;

const MAX_BYTES: u64 = WIDTH * (4 + MAX_STORED_PAYLOAD_BYTES as u64);

/// The payloads of a bundle's entries, in order; empty ones are not there, or no more.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PayloadBundle(Vec<Vec<u8>>);

impl PayloadBundle {
    /// Takes bytes that are exactly `width` payloads; none for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8], width: u16) -> Option<Self> {
        let mut rest = bytes;
        let mut payloads = Vec::new();
        for _ in 0..width {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (payload, after) = after.split_at_checked(length)?;
            payloads.push(payload.to_vec());
            rest = after;
        }
        rest.is_empty().then_some(Self(payloads))
    }

    /// The payloads.
    #[must_use]
    pub fn payloads(&self) -> &[Vec<u8>] {
        &self.0
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in &self.0 {
            // Bounded when it was taken.
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Takes away what is covered of the bundle that begins at this index and whose entries are
    /// these.
    fn erase<'a>(&mut self, first: u64, entries: impl Iterator<Item = &'a [u8]>, by: &Erasing<'_>) {
        for ((payload, index), entry) in self.0.iter_mut().zip(first..).zip(entries) {
            if !payload.is_empty() && by.covers(index, entry) {
                payload.clear();
            }
        }
    }
}

/// Erasures, and what is of which class.
pub(super) struct Erasing<'a> {
    pub(super) erasures: &'a [Erasure],
    pub(super) classes: &'a Classes,
}

impl Erasing<'_> {
    fn covers(&self, index: u64, entry: &[u8]) -> bool {
        if self.erasures.is_empty() {
            return false;
        }
        // What is no event is nobody's to erase early.
        let class = Leaf::decode(entry).map_or(RetentionClass::Compliance, |event| {
            self.classes.of(&event.kind)
        });
        self.erasures
            .iter()
            .any(|erasure| erasure.covers(index, class))
    }

    fn touches(&self, bundle: u64) -> bool {
        let (start, end) = (bundle * WIDTH, (bundle + 1) * WIDTH);
        let mut erasures = self.erasures.iter();
        erasures.any(|erasure| erasure.from() < end && erasure.to() > start)
    }
}

/// The path of the payload bundle beside an entry bundle.
pub(super) fn path(log: &str, bundle: &TilePath) -> String {
    let path = bundle.to_string();
    let within = path.strip_prefix("tile/entries/").unwrap_or(&path);
    format!("{log}/payload/{within}")
}

/// The payload bundle at an index, as a log of this size has it; none where no entry has one.
pub(super) fn read(
    zone: &dyn ZoneRead,
    log: &str,
    index: u64,
    size: u64,
) -> io::Result<Option<PayloadBundle>> {
    let Some(bundle) = TilePath::in_tree(TileKind::Entries, index, size) else {
        return Ok(None);
    };
    let at = |width| -> io::Result<Option<PayloadBundle>> {
        let Ok(at) = TilePath::new(TileKind::Entries, index, width) else {
            return Ok(None);
        };
        let path = path(log, &at);
        let Some(bytes) = zone.read(&path, MAX_BYTES)? else {
            return Ok(None);
        };
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, format!("{path}: malformed"));
        let mut parsed = PayloadBundle::parse(&bytes, width).ok_or_else(malformed)?;
        parsed.0.truncate(usize::from(bundle.width()));
        Ok(Some(parsed))
    };
    let folder = format!("{}.p", path(log, &bundle.full()));
    for _ in 0..ROUNDS {
        let own = at(bundle.width())?;
        if own.is_some() || !bundle.is_partial() {
            return Ok(own);
        }
        // What was superseded and removed is read from the wider file that took its place. That may
        // be superseded while it is looked for.
        let names = zone.list(&folder)?.into_iter();
        let widths = names.filter_map(|(name, _)| name.parse::<u16>().ok());
        let wider: BTreeSet<u16> = widths.filter(|width| *width > bundle.width()).collect();
        for width in wider.iter().copied().chain([TILE_WIDTH]) {
            if let Some(found) = at(width)? {
                return Ok(Some(found));
            }
        }
        if wider.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// What a log's payloads have grown by.
pub(super) struct Growth<'a> {
    pub(super) files: &'a LogFiles<'a>,
    pub(super) start: u64,
    pub(super) entries: &'a [Tail],
    /// Asks the zones: a payload that one of them has damaged must not go into the others, and no
    /// hash vouches for it.
    pub(super) most: &'a Most<'a>,
}

/// What most of the zones say.
pub(super) type Most<'a> =
    dyn Fn(&dyn Fn(&dyn Zone) -> io::Result<PayloadBundle>) -> io::Result<PayloadBundle> + 'a;

impl Growth<'_> {
    /// The bundles to be written, with what is covered by an erasure left out, and taken out of
    /// older ones.
    pub(super) fn write(
        &self,
        erasing: &Erasing<'_>,
        puts: &mut Vec<Write>,
        superseded: &mut Vec<String>,
    ) -> io::Result<()> {
        self.erase_older(erasing, puts)?;
        let folder = &self.files.folder;
        let first = self.start / WIDTH;
        let (mut bundle, mut carried) = (PayloadBundle::default(), Vec::new());
        if let Some(path) = TilePath::in_tree(TileKind::Entries, first, self.start) {
            carried = self.leaves(&path)?;
            bundle = self.before(first, &carried, erasing)?;
            superseded.push(self::path(folder, &path));
        }
        let mut leaves: Vec<&[u8]> = carried.iter().map(Vec::as_slice).collect();
        let end = self.start + self.entries.len() as u64;
        for (entry, index) in self.entries.iter().zip(self.start..) {
            bundle.0.push(entry.payload.to_vec());
            leaves.push(&entry.leaf);
            let next = index + 1;
            if !next.is_multiple_of(WIDTH) && next != end {
                continue;
            }
            let mut whole = std::mem::take(&mut bundle);
            whole.erase(index / WIDTH * WIDTH, leaves.drain(..), erasing);
            let path = TilePath::in_tree(TileKind::Entries, index / WIDTH, next);
            if let Some(path) = path.filter(|_| !whole.is_empty()) {
                puts.push(Write::new(self::path(folder, &path), whole.encode()));
            }
        }
        Ok(())
    }

    /// Full bundles that were written before lose what is covered. They are written whether that
    /// changes them here or not: a crash may have come when some zones had lost it and others not.
    fn erase_older(&self, erasing: &Erasing<'_>, puts: &mut Vec<Write>) -> io::Result<()> {
        let folder = &self.files.folder;
        for bundle in (0..self.start / WIDTH).filter(|bundle| erasing.touches(*bundle)) {
            let Some(path) = TilePath::in_tree(TileKind::Entries, bundle, self.start) else {
                continue;
            };
            let payloads = self.before(bundle, &self.leaves(&path)?, erasing)?;
            if read(self.files.zone, folder, bundle, self.start)?.is_some() {
                puts.push(Write {
                    path: self::path(folder, &path),
                    bytes: payloads.encode(),
                    at_once: true,
                });
            }
        }
        Ok(())
    }

    /// A bundle as it was, without what is covered: some zones may have lost that already.
    fn before(
        &self,
        bundle: u64,
        leaves: &[Vec<u8>],
        erasing: &Erasing<'_>,
    ) -> io::Result<PayloadBundle> {
        (self.most)(&|zone| {
            let there = read(zone, &self.files.folder, bundle, self.start)?;
            let nothing = || PayloadBundle(vec![Vec::new(); leaves.len()]);
            let mut there = there.unwrap_or_else(nothing);
            let entries = leaves.iter().map(Vec::as_slice);
            there.erase(bundle * WIDTH, entries, erasing);
            Ok(there)
        })
    }

    fn leaves(&self, path: &TilePath) -> io::Result<Vec<Vec<u8>>> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let bytes = self.files.read(path)?;
        let bytes = bytes.ok_or_else(|| invalid(format!("{path} is missing")))?;
        let bundle = EntryBundle::parse(&bytes, path.width());
        let bundle = bundle.map_err(|error| invalid(format!("{path}: {error}")))?;
        Ok(bundle.entries().map(<[u8]>::to_vec).collect())
    }
}
