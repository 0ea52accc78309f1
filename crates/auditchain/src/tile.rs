//! The tree in files: C2SP tlog-tiles, tiles of 256 hashes and bundles of 256 entries.

mod bundle;
mod growth;
mod path;
mod reader;

pub use bundle::{BundleError, Entries, EntryBundle, MAX_ENTRY_BYTES};
#[cfg(feature = "std")]
pub(crate) use growth::grow;
pub use growth::{Tile, grow_tiles};
pub use path::{TILE_WIDTH, TileKind, TilePath, TilePathError, bundles_for, tiles_for};
pub use reader::{TileError, TileReader, TileTree};
