//! Where a tile is, and which tiles a tree of a size has (tlog-tiles, "Merkle Tree").

use std::fmt;
use std::str::FromStr;

use crate::lines::decimal;
use crate::merkle::MAX_TREE_SIZE;

/// How many hashes or entries are in a full tile or bundle.
pub const TILE_WIDTH: u16 = 256;

/// The levels of tiles that a tree of [`MAX_TREE_SIZE`] has.
const LEVELS: u8 = 8;

/// The highest level that a path can name.
const MAX_LEVEL: u8 = 63;

/// What is in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes: at level 0 of leaves, at each level above of full tiles of the level below.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// The path of a tile or of an entry bundle: `tile/<level>/<index>[.p/<width>]`.
///
/// ```
/// use strongroom_auditchain::{TileKind, TilePath};
///
/// let path = TilePath::new(TileKind::Hashes(0), 1_234_067, 8)?;
/// assert_eq!(path.to_string(), "tile/0/x001/x234/067.p/8");
/// assert_eq!("tile/entries/000".parse(), TilePath::new(TileKind::Entries, 0, 256));
/// # Ok::<(), strongroom_auditchain::TilePathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a text or numbers are not a tile's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TilePathError {
    /// It does not begin with `tile/`.
    #[error("tile path: does not begin with tile/")]
    Prefix,
    /// The level is neither `entries` nor a number from 0 to 63 without leading zeros.
    #[error("tile path: the level is neither entries nor 0 to 63")]
    Level,
    /// The index is not groups of three digits, `x` before all but the last, without a leading
    /// group of zeros, or is above 2^63 - 1.
    #[error("tile path: malformed index")]
    Index,
    /// The width of a partial tile is not a number from 1 to 255 without leading zeros.
    #[error("tile path: the width is not 1 to 255")]
    Width,
}

impl TilePath {
    /// The path of a tile of this width, 256 being a full one.
    ///
    /// # Errors
    /// [`TilePathError`] for a level above 63, an index above 2^63 - 1 and a width of 0 or above
    /// 256.
    pub const fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, TilePathError> {
        if matches!(kind, TileKind::Hashes(level) if level > MAX_LEVEL) {
            return Err(TilePathError::Level);
        }
        if index > MAX_TREE_SIZE {
            return Err(TilePathError::Index);
        }
        if width == 0 || width > TILE_WIDTH {
            return Err(TilePathError::Width);
        }
        Ok(Self { kind, index, width })
    }

    /// The tile at an index as a tree of this size has it, partial at the right edge; none if the
    /// tree does not reach to it.
    #[must_use]
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let nodes = size.min(MAX_TREE_SIZE).checked_shr(8 * u32::from(level))?;
        let rest = nodes.checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?;
        let width = u16::try_from(rest).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        Self::new(kind, index, width).ok()
    }

    /// What is in the tile.
    #[must_use]
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The tile's index within its level, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries are in it: 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it is a partial tile, which the full one supersedes.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// The path of the full tile at the same place.
    #[must_use]
    pub const fn full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}")?,
            TileKind::Entries => f.write_str("tile/entries")?,
        }
        let mut above = 1_u64;
        while self.index / above >= 1000 {
            above *= 1000;
        }
        while above > 1 {
            write!(f, "/x{:03}", self.index / above % 1000)?;
            above /= 1000;
        }
        write!(f, "/{:03}", self.index % 1000)?;
        if self.is_partial() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    /// Reads a path in its one spelling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("tile/").ok_or(TilePathError::Prefix)?;
        let (level, text) = text.split_once('/').ok_or(TilePathError::Level)?;
        let kind = match level {
            "entries" => TileKind::Entries,
            level => {
                let level = decimal(level).and_then(|level| u8::try_from(level).ok());
                TileKind::Hashes(level.ok_or(TilePathError::Level)?)
            }
        };
        let (index, width) = match text.split_once(".p/") {
            None => (text, TILE_WIDTH),
            Some((index, width)) => {
                let width = decimal(width).and_then(|width| u16::try_from(width).ok());
                // The full width has a spelling of its own.
                let width = width.filter(|width| *width < TILE_WIDTH);
                (index, width.ok_or(TilePathError::Width)?)
            }
        };
        let index = grouped(index).ok_or(TilePathError::Index)?;
        Self::new(kind, index, width)
    }
}

/// A number in groups of three digits, as few as it takes, `x` before all but the last.
fn grouped(text: &str) -> Option<u64> {
    if text.starts_with("x000") {
        return None;
    }
    let (above, last) = match text.rsplit_once('/') {
        Some((above, last)) => (Some(above), last),
        None => (None, text),
    };
    let mut number = 0_u64;
    for group in above.into_iter().flat_map(|above| above.split('/')) {
        number = joined(number, group.strip_prefix('x')?)?;
    }
    joined(number, last)
}

/// The number with three digits more.
fn joined(number: u64, group: &str) -> Option<u64> {
    if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = group.parse::<u64>().ok()?;
    number.checked_mul(1000)?.checked_add(digits)
}

/// The tiles of hashes to be written when a log grows from one size to another: those that became
/// full, and the partial ones of the new right edge, level by level.
///
/// Lazy, and nothing for sizes that do not grow.
pub fn tiles_for(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    (0..LEVELS).flat_map(move |level| grown(TileKind::Hashes(level), old, new))
}

/// The entry bundles to be written when a log grows from one size to another.
pub fn bundles_for(old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    grown(TileKind::Entries, old, new)
}

fn grown(kind: TileKind, old: u64, new: u64) -> impl Iterator<Item = TilePath> {
    let level = match kind {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    let nodes = |size: u64| {
        let size = size.min(MAX_TREE_SIZE);
        size.checked_shr(8 * u32::from(level)).unwrap_or_default()
    };
    let (before, after) = (nodes(old), nodes(new));
    let width = u64::from(TILE_WIDTH);
    let end = if after > before {
        after.div_ceil(width)
    } else {
        0
    };
    (before / width..end).filter_map(move |index| TilePath::in_tree(kind, index, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_tile_has_are_refused() {
        let hashes = TileKind::Hashes;
        for (kind, index, width, error) in [
            (hashes(64), 0, 256, TilePathError::Level),
            (hashes(255), 0, 256, TilePathError::Level),
            (hashes(0), 1 << 63, 256, TilePathError::Index),
            (TileKind::Entries, u64::MAX, 1, TilePathError::Index),
            (hashes(0), 0, 0, TilePathError::Width),
            (TileKind::Entries, 0, 257, TilePathError::Width),
        ] {
            assert_eq!(TilePath::new(kind, index, width), Err(error));
        }
    }

    #[test]
    fn a_tree_has_the_tiles_of_its_size() {
        let at = |level, index, size| {
            TilePath::in_tree(TileKind::Hashes(level), index, size).map(|path| path.width())
        };
        for (level, index, size, width) in [
            (0, 0, 0, None),
            (0, 0, 1, Some(1)),
            (0, 0, 255, Some(255)),
            (0, 0, 256, Some(256)),
            (0, 1, 256, None),
            (1, 0, 255, None),
            (1, 0, 256, Some(1)),
            (0, 272, 70_000, Some(256)),
            (0, 273, 70_000, Some(112)),
            (0, 274, 70_000, None),
            (1, 1, 70_000, Some(17)),
            (2, 0, 70_000, Some(1)),
            (7, 0, MAX_TREE_SIZE, Some(127)),
            (8, 0, MAX_TREE_SIZE, None),
            (63, 0, u64::MAX, None),
            (0, u64::MAX, u64::MAX, None),
        ] {
            assert_eq!(at(level, index, size), width, "{level} {index} {size}");
        }
    }

    #[test]
    fn a_log_that_grew_writes_what_is_new() {
        let names = |old, new| {
            let paths = tiles_for(old, new).chain(bundles_for(old, new));
            paths.map(|path| path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(0, 1), ["tile/0/000.p/1", "tile/entries/000.p/1"]);
        let full = ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"];
        assert_eq!(names(255, 256), full);
        let both = [
            "tile/0/000",
            "tile/0/001.p/1",
            "tile/1/000.p/1",
            "tile/entries/000",
            "tile/entries/001.p/1",
        ];
        assert_eq!(names(1, 257), both);
        assert_eq!(names(256, 257).len(), 2);
        assert_eq!(names(0, 70_000).len(), 274 + 2 + 1 + 274);
        assert!(names(7, 7).is_empty());
        assert!(names(7, 3).is_empty());
        // Lazy, however far.
        let far = tiles_for(0, MAX_TREE_SIZE).nth(1000).unwrap();
        assert_eq!(far.to_string(), "tile/0/x001/000");
        let edge = tiles_for(MAX_TREE_SIZE - 1, MAX_TREE_SIZE);
        assert_eq!(edge.count(), 1);
        assert_eq!(tiles_for(MAX_TREE_SIZE, u64::MAX).count(), 0);
    }
}
