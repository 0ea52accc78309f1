//! Proofs from tiles: any root, frontier or proof of a log whose tiles are somewhere.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::path::{TileKind, TilePath};
use crate::merkle::MAX_TREE_SIZE;
use crate::proof::{Leaves, Nodes, consistency, inclusion, perfect_subtrees, root_over};
use crate::range::range;
use crate::{ConsistencyProof, Frontier, Hash, InclusionProof, ProofError, RangeProof, root};

/// How many tiles a [`TileTree`] keeps at most, beside those of the right edge: 512 KiB.
const MAX_KEPT: usize = 64;

/// Where tiles are kept: a directory, a bucket, a map.
///
/// Tiles are immutable: what was read once at a path is read there for ever, or is gone once the
/// full tile has superseded a partial one. A reader need not check anything.
pub trait TileReader: Send + Sync {
    /// Why reading failed.
    type Error: std::error::Error + 'static;

    /// The bytes at a path; none if there is nothing.
    ///
    /// # Errors
    /// Whatever kept it from knowing.
    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl TileReader for BTreeMap<TilePath, Vec<u8>> {
    type Error = Infallible;

    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.get(path).cloned())
    }
}

impl<R: TileReader + ?Sized> TileReader for &R {
    type Error = R::Error;

    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).read(path)
    }
}

/// Why tiles do not give what was asked of them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError<E: std::error::Error + 'static> {
    /// The reader failed.
    #[error("{path}: cannot be read")]
    Read {
        /// The tile.
        path: TilePath,
        /// Why.
        #[source]
        error: E,
    },
    /// Neither the tile nor the full one in its place is there.
    #[error("{0}: is missing")]
    Missing(TilePath),
    /// The tile has not the bytes of its width.
    #[error("{0}: is of another length")]
    WrongLength(TilePath),
    /// The tile's hashes do not give the hash that the tree has for it.
    #[error("{0}: does not belong to the tree")]
    Mismatch(TilePath),
    /// The tiles of the right edge do not give the root.
    #[error("tiles: the right edge does not give the root")]
    RootMismatch,
    /// What was asked for is not in the tree.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// A log's tree of a size, read from its tiles.
///
/// Keeps at most 64 tiles of those that it read, and those of the right edge (8 at most).
///
/// # Security
/// What [`Self::new`] reads is believed: proofs made of altered tiles do not verify, and roots and
/// frontiers of them are wrong. [`Self::verified`] believes nothing that does not lead to a root
/// that was signed, for at most one tile more a level and 255 hashes a tile.
///
/// ```
/// use std::collections::BTreeMap;
/// use strongroom_auditchain::{Frontier, Hash, TileTree, grow_tiles};
///
/// let leaves: Vec<Hash> = (0..300_u32).map(|i| Hash::of_leaf(&i.to_be_bytes())).collect();
/// let mut tiles = BTreeMap::new();
/// for tile in grow_tiles(&tiles, &Frontier::new(), &leaves)? {
///     tiles.insert(tile.path, tile.bytes);
/// }
/// let mut tree = TileTree::new(&tiles, 300)?;
/// let root = tree.root_at(300)?;
/// tree.prove_inclusion(17, 300)?.verify(&leaves[17], &root)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TileTree<R> {
    reader: R,
    size: u64,
    is_verified: bool,
    edge: BTreeMap<(u8, u64), Vec<Hash>>,
    kept: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<R: TileReader> TileTree<R> {
    /// The tree of this size, whose tiles were all written; they are believed.
    ///
    /// # Errors
    /// [`ProofError::SizeTooLarge`] above [`MAX_TREE_SIZE`]; nothing is read yet.
    pub fn new(reader: R, size: u64) -> Result<Self, TileError<R::Error>> {
        if size > MAX_TREE_SIZE {
            return Err(ProofError::SizeTooLarge.into());
        }
        Ok(Self {
            reader,
            size,
            is_verified: false,
            edge: BTreeMap::new(),
            kept: BTreeMap::new(),
        })
    }

    /// The tree of this size and root: no hash is used that does not lead to the root.
    ///
    /// A tile of the right edge is checked by the root, a full tile by the tile above it.
    ///
    /// # Errors
    /// [`TileError::RootMismatch`] when the right edge gives another root, and whatever keeps it
    /// from being read.
    pub fn verified(reader: R, size: u64, root: &Hash) -> Result<Self, TileError<R::Error>> {
        let mut tree = Self::new(reader, size)?;
        if tree.root_at(size)? != *root {
            return Err(TileError::RootMismatch);
        }
        // The root of the whole size takes every hash of every partial tile, and no other.
        tree.edge = std::mem::take(&mut tree.kept);
        tree.is_verified = true;
        Ok(tree)
    }

    /// The tree's size in leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The leaf hash at an index.
    ///
    /// # Errors
    /// [`ProofError::IndexOutOfRange`] outside the tree, and [`TileError`] of the tiles.
    pub fn leaf(&mut self, index: u64) -> Result<Hash, TileError<R::Error>> {
        if index >= self.size {
            return Err(ProofError::IndexOutOfRange.into());
        }
        self.node(0, index)
    }

    /// The root hash that the log had at a size; [`Hash::EMPTY`] at 0.
    ///
    /// # Errors
    /// [`ProofError::SizeMismatch`] above the tree's size, and [`TileError`] of the tiles.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, TileError<R::Error>> {
        root_over(self.at(size)?, size)
    }

    /// The frontier that the log had at a size.
    ///
    /// # Errors
    /// As [`Self::root_at`].
    pub fn frontier_at(&mut self, size: u64) -> Result<Frontier, TileError<R::Error>> {
        let parts = perfect_subtrees(self.at(size)?, size)?;
        Ok(Frontier::from_parts(size, &parts).map_err(|_| ProofError::SizeTooLarge)?)
    }

    /// Proves that the leaf at `index` is in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// As [`crate::Tree::prove_inclusion`], and [`TileError`] of the tiles.
    pub fn prove_inclusion(
        &mut self,
        index: u64,
        size: u64,
    ) -> Result<InclusionProof, TileError<R::Error>> {
        inclusion(self.at(size)?, index, size)
    }

    /// Proves that the tree of the first `new` leaves begins with that of the first `old`.
    ///
    /// # Errors
    /// As [`crate::Tree::prove_consistency`], and [`TileError`] of the tiles.
    pub fn prove_consistency(
        &mut self,
        old: u64,
        new: u64,
    ) -> Result<ConsistencyProof, TileError<R::Error>> {
        consistency(self.at(new)?, old, new)
    }

    /// Proves which leaves stand from `from` to `to` in the tree of the first `size` leaves.
    ///
    /// # Errors
    /// As [`crate::Tree::prove_range`], and [`TileError`] of the tiles.
    pub fn prove_range(
        &mut self,
        from: u64,
        to: u64,
        size: u64,
    ) -> Result<RangeProof, TileError<R::Error>> {
        range(self.at(size)?, from, to, size)
    }

    /// The tree, if it has reached a size.
    fn at(&mut self, size: u64) -> Result<&mut Self, TileError<R::Error>> {
        if size > self.size {
            return Err(ProofError::SizeMismatch.into());
        }
        Ok(self)
    }

    /// The hashes of a tile, as the tree of this size has it.
    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], TileError<R::Error>> {
        let place = (level, index);
        if !self.edge.contains_key(&place) && !self.kept.contains_key(&place) {
            let path = TilePath::in_tree(TileKind::Hashes(level), index, self.size)
                .ok_or(ProofError::SizeMismatch)?;
            let hashes = read_tile(&self.reader, path)?;
            if self.is_verified {
                let within = usize::try_from(index % 256).unwrap_or_default();
                let above = self.tile(level + 1, index / 256)?.get(within).copied();
                if above != Some(root(&hashes)) {
                    return Err(TileError::Mismatch(path));
                }
            }
            if self.kept.len() >= MAX_KEPT {
                self.kept.clear();
            }
            self.kept.insert(place, hashes);
        }
        let tile = self.edge.get(&place).or_else(|| self.kept.get(&place));
        Ok(tile.map(Vec::as_slice).unwrap_or_default())
    }
}

impl<R: TileReader> Nodes for TileTree<R> {
    type Error = TileError<R::Error>;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let (tile_level, height) = (level / 8, level % 8);
        let first = index << height;
        let tile_level = u8::try_from(tile_level).map_err(|_| ProofError::SizeMismatch)?;
        let hashes = self.tile(tile_level, first / 256)?;
        Ok(Leaves(hashes).node(height, (first % 256) >> height)?)
    }
}

/// Reads the hashes of a tile, or of the full tile that superseded it.
pub(super) fn read_tile<R: TileReader>(
    reader: &R,
    path: TilePath,
) -> Result<Vec<Hash>, TileError<R::Error>> {
    let read = |path: TilePath| {
        let bytes = reader.read(&path);
        bytes.map_err(|error| TileError::Read { path, error })
    };
    let (found, bytes) = match read(path)? {
        Some(bytes) => (path, bytes),
        None if path.is_partial() => {
            let full = read(path.full())?.ok_or(TileError::Missing(path))?;
            (path.full(), full)
        }
        None => return Err(TileError::Missing(path)),
    };
    let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    if !rest.is_empty() || hashes.len() != usize::from(found.width()) {
        return Err(TileError::WrongLength(found));
    }
    let hashes = hashes.iter().take(usize::from(path.width()));
    Ok(hashes.copied().map(Hash::from_bytes).collect())
}
