//! Finding an entry by its event id: ranges of ids, a range for each bundle of 256 entries.
//! audit-store, section 5.

use std::io;

use uuid::Uuid;

use super::files::LogFiles;
use super::integration::Write;
use crate::{EntryBundle, Hash, Leaf, TILE_WIDTH, TileKind, TilePath, TileReader as _};

/// The bundles whose ranges are in one file.
const FILE: u64 = 256;

/// The bytes of a range: least and greatest.
const RANGE: usize = 32;

/// A file of ranges of a log that has so many full bundles.
fn path(log: &str, file: u64, bundles: u64) -> String {
    let width = bundles.saturating_sub(file * FILE).min(FILE);
    format!("{}/{file}.{width}", folder(log))
}

/// The folder of a log's ranges.
pub(super) fn folder(log: &str) -> String {
    format!("{log}/ids")
}

/// Whether a file of this name is one of a log of so many full bundles.
pub(super) fn is_of(name: &str, bundles: u64) -> bool {
    let file = name.split('.').next().and_then(|file| file.parse().ok());
    file.is_some_and(|file| path("", file, bundles).ends_with(&format!("/{name}")))
}

/// The ranges from the first of the file in hand on.
pub(super) struct Ranges {
    folder: String,
    /// The full bundles that there were.
    before: u64,
    bytes: Vec<u8>,
}

impl Ranges {
    /// Those of a log that has so many full bundles on disk.
    pub(super) fn after(files: &LogFiles<'_>, bundles: u64) -> io::Result<Self> {
        Ok(Self {
            folder: files.folder.clone(),
            before: bundles,
            bytes: ranges(files, bundles / FILE, bundles)?,
        })
    }

    /// The range of the next full bundle: the ids of its entries, those that have none left out.
    pub(super) fn push<'a>(&mut self, entries: impl Iterator<Item = &'a [u8]>) {
        let (mut least, mut greatest) = (Uuid::max(), Uuid::nil());
        for id in entries.filter_map(peek_id) {
            least = least.min(id);
            greatest = greatest.max(id);
        }
        self.bytes.extend_from_slice(least.as_bytes());
        self.bytes.extend_from_slice(greatest.as_bytes());
    }

    /// Writes the files that have changed.
    pub(super) fn write(self, puts: &mut Vec<Write>, superseded: &mut Vec<String>) {
        let kept = usize::try_from(self.before % FILE).unwrap_or_default() * RANGE;
        if self.bytes.len() == kept {
            return;
        }
        if kept > 0 {
            superseded.push(path(&self.folder, self.before / FILE, self.before));
        }
        let first = self.before / FILE;
        let total = first * FILE + (self.bytes.len() / RANGE) as u64;
        let length = usize::try_from(FILE).unwrap_or_default() * RANGE;
        for (file, bytes) in (first..).zip(self.bytes.chunks(length)) {
            puts.push(Write::new(path(&self.folder, file, total), bytes.to_vec()));
        }
    }
}

/// What stands between a leaf's first byte and its event id (audit-leaf, "Fields").
const BEFORE_ID: [u8; 4] = [0x00, 0x01, 0x01, 0x50];

/// The event id of an entry that is a leaf, where it stands in every leaf: to decode each entry of
/// a log a second time takes most of what its integration takes.
fn peek_id(entry: &[u8]) -> Option<Uuid> {
    let id = entry.get(1..)?.strip_prefix(&BEFORE_ID)?.first_chunk()?;
    Some(Uuid::from_bytes(*id))
}

/// The event id of an entry; none of one that is no leaf.
fn id_of(entry: &[u8]) -> Option<Uuid> {
    Leaf::decode(entry).ok().map(|event| event.id)
}

/// The ranges of a file of a log that has so many full bundles on disk.
fn ranges(files: &LogFiles<'_>, file: u64, bundles: u64) -> io::Result<Vec<u8>> {
    let count = bundles.saturating_sub(file * FILE).min(FILE);
    if count == 0 {
        return Ok(Vec::new());
    }
    // What was superseded and removed is read from the wider file that took its place.
    for width in count..=FILE {
        let path = path(&files.folder, file, file * FILE + width);
        let Some(mut bytes) = files.zone.read(&path, FILE * RANGE as u64)? else {
            continue;
        };
        if bytes.len() as u64 == width * RANGE as u64 {
            bytes.truncate(usize::try_from(count).unwrap_or_default() * RANGE);
            return Ok(bytes);
        }
    }
    let missing = format!("{}: no ranges of {bundles} bundles", folder(&files.folder));
    Err(io::Error::new(io::ErrorKind::InvalidData, missing))
}

/// Where the entry of this event id stands among the first `size` entries, and its leaf hash.
pub(super) fn find_id(
    files: &LogFiles<'_>,
    size: u64,
    id: &Uuid,
) -> io::Result<Option<(u64, Hash)>> {
    let width = u64::from(TILE_WIDTH);
    let bundles = size / width;
    let mut candidates: Vec<u64> = Vec::new();
    if !size.is_multiple_of(width) {
        candidates.push(bundles);
    }
    for file in (0..bundles.div_ceil(FILE)).rev() {
        let bytes = ranges(files, file, bundles)?;
        let (ranges, _) = bytes.as_chunks::<RANGE>();
        for (bundle, range) in (file * FILE..).zip(ranges) {
            let (least, greatest) = range.split_at(RANGE / 2);
            if least <= id.as_bytes().as_slice() && id.as_bytes().as_slice() <= greatest {
                candidates.push(bundle);
            }
        }
    }
    for bundle in candidates {
        let path = TilePath::in_tree(TileKind::Entries, bundle, size);
        let missing = || io::Error::new(io::ErrorKind::NotFound, "an entry bundle is missing");
        let path = path.ok_or_else(missing)?;
        let bytes = files.read(&path)?.ok_or_else(missing)?;
        let entries = EntryBundle::parse(&bytes, path.width())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut entries = entries.entries().zip(bundle * width..);
        let found = entries.find(|(it, _)| peek_id(it) == Some(*id) && id_of(it) == Some(*id));
        if let Some((entry, index)) = found {
            return Ok(Some((index, Hash::of_leaf(entry))));
        }
    }
    Ok(None)
}
