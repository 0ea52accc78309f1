//! Tiles of level 2 and above, held against what stands below them.

use std::io;

use super::Findings;
use super::unit::{BUNDLES, Reading, Unit, WIDTH, first_under};
use crate::{Finding, Hash, TileKind, TilePath, root};

/// The roots of full units, as many as were read.
pub(super) struct Upper {
    /// The number of the first.
    first: u64,
    roots: Vec<Option<Hash>>,
}

impl Upper {
    pub(super) const fn new(from: u64) -> Self {
        Self {
            first: from / (BUNDLES * WIDTH),
            roots: Vec::new(),
        }
    }

    /// Takes a unit's root, if it was read whole and is believed.
    pub(super) fn unit(&mut self, unit: &Unit, is_believed: bool) {
        let roots: Option<Vec<Hash>> = unit.bundles.iter().map(|bundle| bundle.agreed).collect();
        let whole = roots.filter(|roots| is_believed && roots.len() as u64 == BUNDLES);
        self.roots.push(whole.map(|roots| root(&roots)));
    }

    /// Compares the tiles above with what was read, level by level.
    pub(super) fn compare(self, reading: &Reading<'_>, found: &mut Findings) -> io::Result<()> {
        let (mut first, mut nodes) = (self.first, self.roots);
        for level in 2_u8..8 {
            let kind = TileKind::Hashes(level);
            let end = reading
                .size
                .checked_shr(8 * u32::from(level))
                .unwrap_or_default();
            nodes.truncate(usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX));
            if nodes.is_empty() {
                break;
            }
            let mut above = Vec::new();
            // No further than was read, whatever size somebody signed.
            let end = end.min(first + nodes.len() as u64);
            for number in first / WIDTH..end.div_ceil(WIDTH) {
                let Some(path) = TilePath::in_tree(kind, number, reading.size) else {
                    break;
                };
                // A tile that is not there was found; what is above it is held against nothing.
                let tile = reading.hashes(path, found)?;
                let start = (number * WIDTH).max(first);
                let mut hashes = tile.clone().unwrap_or_default();
                for (position, index) in (start..(number + 1) * WIDTH).zip(start - first..) {
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let Some(Some(node)) = nodes.get(index).copied() else {
                        continue;
                    };
                    let within = position % WIDTH;
                    let slot = usize::try_from(within).unwrap_or_default();
                    if let Some(hash) = hashes.get_mut(slot)
                        && *hash != node
                    {
                        *hash = node;
                        let index = first_under(&path, within);
                        found.find(Finding::Tile { path, index });
                        break;
                    }
                }
                above.push((!path.is_partial() && tile.is_some()).then(|| root(&hashes)));
            }
            (first, nodes) = (first / WIDTH, above);
        }
        Ok(())
    }
}
