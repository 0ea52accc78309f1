//! Tiles: what is written, what is read, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;
use strongroom_auditchain::{
    Checkpoint, EntryBundle, Frontier, Hash, MAX_TREE_SIZE, ProofError, TileError, TileKind,
    TilePath, TileReader, TileTree, Tree, VerifierKey, bundles_for, grow_tiles, root, tiles_for,
};

type Tiles = BTreeMap<TilePath, Vec<u8>>;

fn leaves(count: usize) -> Vec<Hash> {
    (0..count)
        .map(|i| Hash::of_leaf(&i.to_be_bytes()))
        .collect()
}

fn tree(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::new();
    tree.extend(leaves);
    tree
}

/// The tiles of a log that reached the sizes one after another.
fn written(all: &[Hash], sizes: &[usize]) -> Tiles {
    let mut tiles = Tiles::new();
    let mut frontier = Frontier::new();
    for size in sizes {
        let old = usize::try_from(frontier.size()).unwrap();
        let new = &all[old..*size];
        let grown = grow_tiles(&tiles, &frontier, new).unwrap();
        let named: Vec<TilePath> = tiles_for(frontier.size(), *size as u64).collect();
        let made: Vec<TilePath> = grown.iter().map(|tile| tile.path).collect();
        assert_eq!(made, named);
        tiles.extend(grown.into_iter().map(|tile| (tile.path, tile.bytes)));
        new.iter().for_each(|leaf| frontier.push(*leaf));
    }
    tiles
}

/// A store that keeps no partial tile once the full one is there.
fn swept(mut tiles: Tiles) -> Tiles {
    let full: Vec<TilePath> = tiles.keys().copied().filter(|p| !p.is_partial()).collect();
    tiles.retain(|path, _| !path.is_partial() || !full.contains(&path.full()));
    tiles
}

#[test]
fn paths() {
    let file: Value = serde_json::from_str(include_str!("vectors/tiles.json")).unwrap();
    let cases = file["paths"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = case["path"].as_str().unwrap();
        let name = case["name"].as_str().unwrap();
        match (text.parse::<TilePath>(), case["error"].as_str()) {
            (Ok(path), None) => {
                assert_eq!(path.to_string(), text, "{name}");
                let kind = match case["level"].as_u64() {
                    Some(level) => TileKind::Hashes(u8::try_from(level).unwrap()),
                    None => TileKind::Entries,
                };
                assert_eq!(path.kind(), kind, "{name}");
                let index: u64 = case["index"].as_str().unwrap().parse().unwrap();
                assert_eq!(path.index(), index, "{name}");
                let width = case["width"].as_u64().unwrap();
                assert_eq!(u64::from(path.width()), width, "{name}");
            }
            (Err(error), Some(expected)) => assert_eq!(format!("{error:?}"), expected, "{name}"),
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[test]
fn tiles_of_a_log_of_others() {
    let file: Value = serde_json::from_str(include_str!("vectors/tiles.json")).unwrap();
    let log = &file["log"];
    let entries: Vec<&str> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap())
        .collect();
    let hashes: Vec<Hash> = entries
        .iter()
        .map(|e| Hash::of_leaf(e.as_bytes()))
        .collect();
    let mut bundle = Vec::new();
    let mut tiles = Tiles::new();
    let mut frontier = Frontier::new();
    for (size, expected) in (1_u16..).zip(log["roots"].as_array().unwrap()) {
        let expected: Hash = expected.as_str().unwrap().parse().unwrap();
        let at = usize::from(size) - 1;
        for tile in grow_tiles(&tiles, &frontier, &hashes[at..=at]).unwrap() {
            tiles.insert(tile.path, tile.bytes);
        }
        frontier.push(hashes[at]);
        EntryBundle::append(&mut bundle, entries[at].as_bytes()).unwrap();
        let mut tree = TileTree::verified(&tiles, u64::from(size), &expected).unwrap();
        let read = EntryBundle::parse(&bundle, size).unwrap();
        for (index, leaf) in (0..).zip(read.leaf_hashes()) {
            assert_eq!(tree.leaf(index), Ok(leaf));
        }
        assert_eq!(
            read.entries().collect::<Vec<_>>(),
            entries[..=at]
                .iter()
                .map(|e| e.as_bytes())
                .collect::<Vec<_>>()
        );
    }
    assert_eq!(usize::try_from(frontier.size()).unwrap(), entries.len());
    let decoded = |key: &str| STANDARD.decode(log[key].as_str().unwrap()).unwrap();
    assert_eq!(tiles[&path("tile/0/000.p/15")], decoded("tile"));
    assert_eq!(bundle, decoded("bundle"));
    // What that log signed is what its tiles give.
    let key: VerifierKey = log["key"].as_str().unwrap().parse().unwrap();
    let origin = key.name().parse().unwrap();
    for note in log["checkpoints"].as_array().unwrap() {
        let signed = Checkpoint::verify(note.as_str().unwrap(), &key, &origin).unwrap();
        assert!(TileTree::verified(&tiles, signed.size, &signed.root).is_ok());
    }
}

#[test]
fn whatever_the_steps_the_tiles_are_the_same() {
    let all = leaves(70_000);
    let whole = swept(written(&all, &[70_000]));
    assert_eq!(whole.len(), 274 + 2 + 1);
    let steps = [
        1, 2, 255, 256, 257, 511, 513, 4_000, 65_535, 65_536, 65_537, 70_000,
    ];
    let stepped = written(&all, &steps);
    // At each size on the way the log was whole; some tiles of the last were never partial.
    for size in steps {
        let mut tree = TileTree::verified(&stepped, size as u64, &root(&all[..size])).unwrap();
        let middle = size / 2;
        assert_eq!(tree.leaf(middle as u64), Ok(all[middle]), "size {size}");
    }
    assert!(
        whole
            .iter()
            .all(|(path, bytes)| stepped.get(path) == Some(bytes))
    );
}

#[test]
fn proofs_from_tiles_are_those_of_the_tree_in_memory() {
    let all = leaves(66_000);
    let memory = tree(&all);
    let tiles = swept(written(&all, &[100, 256, 1_000, 65_536, 66_000]));
    let top = memory.root();
    let mut believed = TileTree::new(&tiles, 66_000).unwrap();
    let mut verified = TileTree::verified(&tiles, 66_000, &top).unwrap();
    let sizes = [
        1, 2, 3, 100, 255, 256, 257, 300, 511, 512, 999, 1_000, 65_535, 65_536, 65_537, 65_999,
        66_000,
    ];
    for from_tiles in [&mut believed, &mut verified] {
        for size in sizes {
            assert_eq!(from_tiles.root_at(size), Ok(memory.root_at(size).unwrap()));
            assert_eq!(
                from_tiles.frontier_at(size),
                Ok(memory.frontier_at(size).unwrap())
            );
            for index in [0, 1, size / 3, size / 2, size - 1] {
                let index = index.min(size - 1);
                let expected = memory.prove_inclusion(index, size).unwrap();
                assert_eq!(from_tiles.prove_inclusion(index, size), Ok(expected));
            }
            for old in sizes.into_iter().filter(|old| *old <= size) {
                let expected = memory.prove_consistency(old, size).unwrap();
                assert_eq!(from_tiles.prove_consistency(old, size), Ok(expected));
                if old < size {
                    let expected = memory.prove_range(old, size, 66_000).unwrap();
                    assert_eq!(from_tiles.prove_range(old, size, 66_000), Ok(expected));
                }
            }
        }
        // More tiles than are kept.
        for index in (0..66_000).step_by(128) {
            assert_eq!(from_tiles.leaf(index), Ok(all[index as usize]));
        }
        assert_eq!(from_tiles.root_at(0), Ok(Hash::EMPTY));
        assert_eq!(from_tiles.frontier_at(0), Ok(Frontier::new()));
    }
}

#[test]
fn what_is_outside_is_refused() {
    let all = leaves(300);
    let tiles = written(&all, &[300]);
    let mut tree = TileTree::new(&tiles, 300).unwrap();
    assert_eq!(tree.leaf(300), Err(ProofError::IndexOutOfRange.into()));
    assert_eq!(
        tree.prove_inclusion(300, 300),
        Err(ProofError::IndexOutOfRange.into())
    );
    assert_eq!(
        tree.prove_inclusion(0, 0),
        Err(ProofError::IndexOutOfRange.into())
    );
    assert_eq!(
        tree.prove_inclusion(0, 301),
        Err(ProofError::SizeMismatch.into())
    );
    assert_eq!(
        tree.prove_consistency(3, 2),
        Err(ProofError::SizeMismatch.into())
    );
    assert_eq!(
        tree.prove_consistency(3, 301),
        Err(ProofError::SizeMismatch.into())
    );
    assert_eq!(tree.root_at(u64::MAX), Err(ProofError::SizeMismatch.into()));
    let large = TileTree::new(&tiles, MAX_TREE_SIZE + 1).map(|_| ());
    assert_eq!(large, Err(ProofError::SizeTooLarge.into()));
    let parts = [Hash::EMPTY; 63];
    let last = Frontier::from_parts(MAX_TREE_SIZE, &parts).unwrap();
    let refused = grow_tiles(&tiles, &last, &all[..1]);
    assert_eq!(refused, Err(ProofError::SizeTooLarge.into()));
    assert_eq!(grow_tiles(&tiles, &last, &[]), Ok(Vec::new()));
}

fn path(text: &str) -> TilePath {
    text.parse().unwrap()
}

#[test]
fn a_tile_that_is_missing_or_short_is_named() {
    let all = leaves(600);
    let whole = written(&all, &[600]);
    let top = root(&all);
    let names = [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
    ]
    .map(path);
    assert!(names.iter().eq(whole.keys()));
    for name in names {
        let mut tiles = whole.clone();
        tiles.remove(&name);
        assert_eq!(read_all(&tiles, &top), Err(TileError::Missing(name)));
        for length in [0, 31, 33, 8_160, 8_224] {
            tiles.insert(name, vec![0; length]);
            assert_eq!(read_all(&tiles, &top), Err(TileError::WrongLength(name)));
        }
        if name.is_partial() {
            // A full tile in the partial one's place has its own length to keep.
            tiles.remove(&name);
            tiles.insert(name.full(), whole[&name].clone());
            assert_eq!(
                read_all(&tiles, &top),
                Err(TileError::WrongLength(name.full()))
            );
        }
    }
}

/// Reads every leaf of 600 from verified tiles.
fn read_all(tiles: &Tiles, root: &Hash) -> Result<Vec<Hash>, TileError<std::convert::Infallible>> {
    let mut tree = TileTree::verified(tiles, 600, root)?;
    (0..600).map(|index| tree.leaf(index)).collect()
}

#[test]
fn any_altered_byte_of_a_tile_is_found() {
    let all = leaves(600);
    let whole = written(&all, &[600]);
    let top = root(&all);
    assert_eq!(read_all(&whole, &top).unwrap(), all);
    for (name, bytes) in &whole {
        for at in (0..bytes.len()).step_by(37) {
            let mut tiles = whole.clone();
            tiles.get_mut(name).unwrap()[at] ^= 1;
            let expected = match (name.is_partial(), name.kind()) {
                (true, _) => TileError::RootMismatch,
                (false, _) => TileError::Mismatch(*name),
            };
            assert_eq!(read_all(&tiles, &top), Err(expected), "{name} byte {at}");
        }
    }
    let other = TileTree::verified(&whole, 600, &Hash::EMPTY).map(|_| ());
    assert_eq!(other, Err(TileError::RootMismatch));
    let smaller = TileTree::verified(&whole, 599, &top).map(|_| ());
    assert!(smaller.is_err());
}

#[test]
fn a_log_does_not_grow_on_a_damaged_tile() {
    let all = leaves(70_100);
    let whole = written(&all, &[70_000]);
    let mut frontier = Frontier::new();
    all[..70_000].iter().for_each(|leaf| frontier.push(*leaf));
    let grow = |tiles: &Tiles, more: usize| grow_tiles(tiles, &frontier, &all[..more]);
    // Of the right edge those tiles are read that grow.
    for (name, more) in [("tile/0/273.p/112", 1), ("tile/1/001.p/17", 144)] {
        let name = path(name);
        assert!(grow(&whole, more).is_ok());
        for at in [0, 31, 32, whole[&name].len() - 1] {
            let mut tiles = whole.clone();
            tiles.get_mut(&name).unwrap()[at] ^= 0x80;
            assert_eq!(grow(&tiles, more), Err(TileError::Mismatch(name)));
        }
        let mut tiles = whole.clone();
        tiles.remove(&name);
        assert_eq!(grow(&tiles, more), Err(TileError::Missing(name)));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Unplugged;

impl fmt::Display for Unplugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unplugged")
    }
}

impl std::error::Error for Unplugged {}

impl TileReader for Unplugged {
    type Error = Unplugged;

    fn read(&self, _: &TilePath) -> Result<Option<Vec<u8>>, Unplugged> {
        Err(Unplugged)
    }
}

#[test]
fn a_reader_that_fails_is_heard() {
    let path = path("tile/0/000.p/5");
    let error = TileError::Read {
        path,
        error: Unplugged,
    };
    assert_eq!(error.to_string(), "tile/0/000.p/5: cannot be read");
    let mut tree = TileTree::new(&Unplugged, 5).unwrap();
    assert_eq!(tree.leaf(0), Err(error));
}

proptest! {
    #[test]
    fn a_path_has_one_spelling(
        level in 0_u8..=64, index in prop_oneof![0_u64..2_000, 0..=MAX_TREE_SIZE], width in 1_u16..=256,
    ) {
        let kind = if level == 64 { TileKind::Entries } else { TileKind::Hashes(level) };
        let path = TilePath::new(kind, index, width).unwrap();
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn what_is_read_as_a_path_is_written_so(text in "tile/(entries|[0-9]{1,2})(/x?[0-9]{3}){1,8}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn bundles_round_trip(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..=256)) {
        let mut bytes = Vec::new();
        for entry in &entries {
            EntryBundle::append(&mut bytes, entry).unwrap();
        }
        let width = u16::try_from(entries.len()).unwrap();
        let bundle = EntryBundle::parse(&bytes, width).unwrap();
        prop_assert!(bundle.entries().eq(entries.iter().map(Vec::as_slice)));
        prop_assert!(bundle.leaf_hashes().eq(entries.iter().map(|e| Hash::of_leaf(e))));
        prop_assert!(EntryBundle::parse(&bytes, width + 1).is_err());
        prop_assert!(EntryBundle::parse(&bytes, width - 1).is_err());
        prop_assert!(EntryBundle::parse(&bytes[..bytes.len() - 1], width).is_err());
    }

    #[test]
    fn tiles_in_steps(mut sizes in prop::collection::vec(1_usize..1_500, 1..6), at: prop::sample::Index) {
        sizes.sort_unstable();
        sizes.dedup();
        let last = *sizes.last().unwrap();
        let all = leaves(last);
        let tiles = written(&all, &sizes);
        let memory = tree(&all);
        let index = at.index(last) as u64;
        let mut from_tiles = TileTree::verified(&tiles, last as u64, &memory.root()).unwrap();
        let expected = memory.prove_inclusion(index, last as u64).unwrap();
        prop_assert_eq!(from_tiles.prove_inclusion(index, last as u64), Ok(expected));
        let names: Vec<TilePath> = bundles_for(0, last as u64).collect();
        prop_assert_eq!(names.len(), last.div_ceil(256));
    }
}
