//! The tiles that a log writes as it grows.

use super::path::{TILE_WIDTH, TileKind, TilePath};
use super::reader::{TileError, TileReader, read_tile};
use crate::proof::{Leaves, perfect_subtrees};
use crate::{Frontier, Hash, ProofError, root};

/// A tile of hashes, to be written at its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Where.
    pub path: TilePath,
    /// The hashes, concatenated: 32 bytes each.
    pub bytes: Vec<u8>,
}

/// Makes the tiles to be written when new leaves follow the tree of `frontier`, level by level:
/// those that [`crate::tiles_for`] names.
///
/// Between two calls a writer keeps the frontier alone: 32 bytes for each one-bit of the log's
/// size, 2,016 at most. What the right edge holds is read again, one partial tile for each level
/// that grows (every time that of level 0, once in 256 entries that of level 1), and
/// checked by the frontier: a damaged tile is never built upon.
///
/// # Errors
/// [`TileError`] when a partial tile is missing, of another length, or not the frontier's;
/// [`ProofError::SizeTooLarge`] when the tree would grow above 2^63 - 1.
pub fn grow_tiles<R: TileReader>(
    reader: &R,
    frontier: &Frontier,
    leaves: &[Hash],
) -> Result<Vec<Tile>, TileError<R::Error>> {
    grow(reader, frontier, leaves).map(|(tiles, _)| tiles)
}

/// The same, with the frontier of the grown tree, which is hashed from its right edge alone.
pub(crate) fn grow<R: TileReader>(
    reader: &R,
    frontier: &Frontier,
    leaves: &[Hash],
) -> Result<(Vec<Tile>, Frontier), TileError<R::Error>> {
    let old = frontier.size();
    let new = u64::try_from(leaves.len()).ok();
    let new = new.and_then(|count| old.checked_add(count));
    let new = new.filter(|new| *new <= crate::MAX_TREE_SIZE);
    let new = new.ok_or(ProofError::SizeTooLarge)?;
    let mut tiles = Vec::new();
    // The grown tree's perfect subtrees, smallest first.
    let mut parts = Vec::new();
    let mut nodes = leaves.to_vec();
    let mut level = 0;
    while !nodes.is_empty() {
        let before = old.checked_shr(8 * u32::from(level)).unwrap_or_default();
        let mut hashes = right_edge(reader, frontier, level)?;
        hashes.append(&mut nodes);
        let first = before / u64::from(TILE_WIDTH);
        for (index, tile) in (first..).zip(hashes.chunks(usize::from(TILE_WIDTH))) {
            let width = u16::try_from(tile.len()).unwrap_or(TILE_WIDTH);
            let path = TilePath::new(TileKind::Hashes(level), index, width);
            let path = path.map_err(|_| ProofError::SizeTooLarge)?;
            if path.is_partial() {
                let made = perfect_subtrees(&mut Leaves(tile), u64::from(width))?;
                parts.extend(made.into_iter().rev());
            } else {
                nodes.push(root(tile));
            }
            let bytes = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
            tiles.push(Tile { path, bytes });
        }
        level += 1;
    }
    // What is above the last level that grew is as it was.
    let above = old.checked_shr(8 * u32::from(level)).unwrap_or_default();
    let above = frontier.parts().get(..above.count_ones() as usize);
    parts.extend(above.unwrap_or_default().iter().rev());
    parts.reverse();
    let grown = Frontier::from_parts(new, &parts);
    Ok((tiles, grown.map_err(|_| ProofError::SizeTooLarge)?))
}

/// The hashes of the partial tile at the right edge of a level, none if there is none.
fn right_edge<R: TileReader>(
    reader: &R,
    frontier: &Frontier,
    level: u8,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let nodes = |level: u8| {
        let shift = 8 * u32::from(level);
        frontier.size().checked_shr(shift).unwrap_or_default()
    };
    let index = nodes(level) / u64::from(TILE_WIDTH);
    let kind = TileKind::Hashes(level);
    let Some(path) = TilePath::in_tree(kind, index, frontier.size()) else {
        return Ok(Vec::new());
    };
    let hashes = read_tile(reader, path)?;
    // The frontier's parts that the tile's hashes make up, after those of the levels above.
    let above = nodes(level + 1).count_ones() as usize;
    let made = perfect_subtrees(&mut Leaves(&hashes), u64::from(path.width()))?;
    let parts = frontier.parts().iter().skip(above).take(made.len());
    if !parts.eq(&made) {
        return Err(TileError::Mismatch(path));
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_frontier_of_the_right_edge_is_that_of_all_leaves() {
        let leaves: Vec<Hash> = (0..70_000_u32)
            .map(|i| Hash::of_leaf(&i.to_be_bytes()))
            .collect();
        let mut tiles: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        let mut frontier = Frontier::new();
        let mut start = 0;
        for end in [
            0, 1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 70_000,
        ] {
            let (fresh, grown) = grow(&tiles, &frontier, &leaves[start..end]).unwrap();
            leaves[start..end]
                .iter()
                .for_each(|leaf| frontier.push(*leaf));
            assert_eq!(grown, frontier, "{start} to {end}");
            tiles.extend(fresh.into_iter().map(|tile| (tile.path, tile.bytes)));
            start = end;
        }
    }
}
