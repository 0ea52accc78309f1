//! Multiproofs: what they prove, and what rs_merkle alone would let pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Debug;

use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleProof, MerkleTree};
use serde_json::Value;
use strongroom_auditchain::{
    Checkpoint, Ed25519Signer, Hash, MAX_MULTIPROOF_LEAVES, Multiproof, MultiproofError,
    MultiproofFile, MultiproofFileError, ProofError, prove_inclusion, root,
};

/// rs_merkle as one would use it for RFC 6962, with nothing around it.
#[derive(Clone)]
struct Bare;

impl Hasher for Bare {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *Hash::of_leaf(data).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| {
            *Hash::of_node(&Hash::from_bytes(*left), &Hash::from_bytes(*right)).as_bytes()
        })
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count)
        .map(|i| Hash::of_leaf(&i.to_be_bytes()))
        .collect()
}

fn raw(hashes: &[Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| *hash.as_bytes()).collect()
}

/// Whether rs_merkle alone lets a proof pass.
fn bare(proof: &Multiproof, leaves: &[Hash], root: &Hash) -> bool {
    let indices: Vec<usize> = proof
        .indices
        .iter()
        .map(|i| usize::try_from(*i).unwrap())
        .collect();
    let size = usize::try_from(proof.size).unwrap();
    let bare = MerkleProof::<Bare>::new(raw(&proof.hashes));
    bare.verify(*root.as_bytes(), &indices, &raw(leaves), size)
}

#[test]
fn a_forged_leaf_at_an_index_that_stands_twice_is_refused() {
    let all = leaves(7);
    let top = root(&all);
    let honest = Multiproof::prove(&all, &[0, 1], 7).unwrap();
    let fake = Hash::of_leaf(b"never appended");
    let forged = Multiproof {
        indices: vec![0, 1, 1],
        ..honest
    };
    let claimed = [all[0], all[1], fake];
    assert!(
        bare(&forged, &claimed, &top),
        "rs_merkle has learnt to refuse it"
    );
    assert_eq!(
        forged.verify(&claimed, &top),
        Err(MultiproofError::NotAscending)
    );
}

#[test]
fn hashes_left_over_are_refused() {
    let all = leaves(7);
    let top = root(&all);
    let mut proof = Multiproof::prove(&all, &[1, 4], 7).unwrap();
    proof.hashes.push(top);
    let proved = [all[1], all[4]];
    assert!(
        bare(&proof, &proved, &top),
        "rs_merkle has learnt to refuse it"
    );
    assert_eq!(
        proof.verify(&proved, &top),
        Err(ProofError::WrongLength.into())
    );
}

#[test]
fn unsorted_indices_are_refused() {
    let all = leaves(7);
    let proof = Multiproof::prove(&all, &[1, 4], 7).unwrap();
    let turned = Multiproof {
        indices: vec![4, 1],
        ..proof
    };
    let refused = turned.verify(&[all[4], all[1]], &root(&all));
    assert_eq!(refused, Err(MultiproofError::NotAscending));
    assert_eq!(
        Multiproof::prove(&all, &[4, 1], 7),
        Err(MultiproofError::NotAscending)
    );
    assert_eq!(
        Multiproof::prove(&all, &[4, 4], 7),
        Err(MultiproofError::NotAscending)
    );
}

#[test]
fn an_inner_node_is_no_leaf() {
    // The tree of 4 as one of 2, its inner nodes as leaves: the same root, by the same hashes.
    let all = leaves(4);
    let nodes = [
        Hash::of_node(&all[0], &all[1]),
        Hash::of_node(&all[2], &all[3]),
    ];
    let proof = Multiproof::prove(&nodes, &[0, 1], 2).unwrap();
    assert_eq!(proof.verify(&nodes, &root(&all)), Ok(()));
    // That is what the size is for; in the size that was signed they stand for nothing.
    let proof = Multiproof { size: 4, ..proof };
    assert_eq!(
        proof.verify(&nodes, &root(&all)),
        Err(ProofError::WrongLength.into())
    );
    // And no entry has a node's hash: its own has another prefix.
    let content = [*all[0].as_bytes(), *all[1].as_bytes()].concat();
    assert_ne!(Hash::of_leaf(&content), nodes[0]);
    let proof = Multiproof::prove(&nodes, &[0, 1], 2).unwrap();
    let refused = proof.verify(&[Hash::of_leaf(&content), nodes[1]], &root(&all));
    assert_eq!(refused, Err(ProofError::RootMismatch.into()));
}

#[test]
fn what_cannot_be_proved() {
    let all = leaves(2_000);
    let of = |indices: &[u64], size| Multiproof::prove(&all, indices, size).map(|_| ());
    assert_eq!(of(&[], 5), Err(MultiproofError::NoIndex));
    assert_eq!(of(&[], 0), Err(MultiproofError::NoIndex));
    assert_eq!(of(&[0], 0), Err(ProofError::IndexOutOfRange.into()));
    assert_eq!(of(&[4, 5], 5), Err(ProofError::IndexOutOfRange.into()));
    assert_eq!(of(&[u64::MAX], 5), Err(ProofError::IndexOutOfRange.into()));
    assert_eq!(of(&[0], 2_001), Err(ProofError::SizeMismatch.into()));
    assert_eq!(of(&[0], u64::MAX), Err(ProofError::SizeTooLarge.into()));
    let most: Vec<u64> = (0..=MAX_MULTIPROOF_LEAVES as u64).collect();
    assert_eq!(of(&most, 2_000), Err(MultiproofError::TooManyIndices));
    assert_eq!(of(&most[1..], 2_000), Ok(()));
}

#[test]
fn the_largest_proof_is_verified_in_bounded_work() {
    // As many leaves as there may be, as far apart as the largest tree allows: a wrong
    // root, and no more than that.
    let size = strongroom_auditchain::MAX_TREE_SIZE;
    let indices: Vec<u64> = (0..MAX_MULTIPROOF_LEAVES as u64).map(|i| i << 53).collect();
    let mut proof = Multiproof {
        indices,
        size,
        hashes: Vec::new(),
    };
    let claimed = vec![Hash::EMPTY; MAX_MULTIPROOF_LEAVES];
    assert_eq!(
        proof.verify(&claimed, &Hash::EMPTY),
        Err(ProofError::WrongLength.into())
    );
    proof.hashes = vec![Hash::EMPTY; 1024 * 53];
    let refused = proof.verify(&claimed, &Hash::EMPTY);
    assert_eq!(refused, Err(ProofError::RootMismatch.into()));
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {case}"))
}

fn hashes(case: &Value, key: &str) -> Vec<Hash> {
    let hashes = case[key].as_array().unwrap().iter();
    hashes
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect()
}

/// The result must be what the case says: success, or the error variant that it names; of a
/// proof's own errors the inner one.
fn expect<T: Debug, E: Debug>(case: &Value, result: &Result<T, E>) {
    let found = match result {
        Ok(_) => None,
        Err(error) => {
            let error = format!("{error:?}");
            let error = error.strip_prefix("Proof(").unwrap_or(&error);
            Some(error.split(['(', ')']).next().unwrap().to_owned())
        }
    };
    assert_eq!(
        found.as_deref(),
        case["error"].as_str(),
        "{}",
        text(case, "name")
    );
}

#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("vectors/multiproof.json")).unwrap();
    let entries: Vec<Hash> = (0..40)
        .map(|i| Hash::of_leaf(format!("event-{i}").as_bytes()))
        .collect();
    for case in file["proofs"].as_array().unwrap() {
        let indices = case["indices"].as_array().unwrap().iter();
        let indices: Vec<u64> = indices
            .map(|i| i.as_str().unwrap().parse().unwrap())
            .collect();
        let proof = Multiproof {
            indices,
            size: text(case, "size").parse().unwrap(),
            hashes: hashes(case, "hashes"),
        };
        let root: Hash = text(case, "root").parse().unwrap();
        expect(case, &proof.verify(&hashes(case, "leaves"), &root));
        if case["error"].is_null() {
            let made = Multiproof::prove(&entries, &proof.indices, proof.size);
            assert_eq!(made, Ok(proof), "{}", text(case, "name"));
        }
    }
    for case in file["files"].as_array().unwrap() {
        let (key, origin) = (
            text(case, "key").parse().unwrap(),
            text(case, "expected_origin"),
        );
        let file = text(case, "file").parse::<MultiproofFile>();
        if let Ok(file) = &file {
            assert_eq!(file.to_string(), text(case, "file"));
        }
        let leaves = hashes(case, "leaves");
        expect(
            case,
            &file.and_then(|file| file.verify(&leaves, &key, &origin.parse().unwrap())),
        );
    }
}

#[test]
fn a_file_is_bounded() {
    let signer = Ed25519Signer::from_seed("audit.example.com/t/acme", &[1; 32]).unwrap();
    let all = leaves(1_100);
    let head = Checkpoint {
        origin: "audit.example.com/t/acme".parse().unwrap(),
        size: 1_100,
        root: root(&all),
    };
    let note: String = head.sign(&signer).unwrap();
    let most: Vec<u64> = (0..MAX_MULTIPROOF_LEAVES as u64).collect();
    let proof = Multiproof::prove(&all, &most, 1_100).unwrap();
    let mut file = MultiproofFile::new(proof, note.parse().unwrap());
    assert_eq!(file.to_string().parse(), Ok(file.clone()));
    file.indices.push(MAX_MULTIPROOF_LEAVES as u64);
    let refused = file.to_string().parse::<MultiproofFile>();
    assert_eq!(refused, Err(MultiproofFileError::Indices));
    let long = "\n".repeat(3 * 1024 * 1024 + 1);
    assert_eq!(
        long.parse::<MultiproofFile>(),
        Err(MultiproofFileError::TooLong)
    );
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #[test]
    fn an_altered_multiproof_fails(
        size in 1_usize..150, chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let all = leaves(size);
        let top = root(&all);
        let mut indices: Vec<u64> = chosen.iter().map(|at| at.index(size) as u64).collect();
        indices.sort_unstable();
        indices.dedup();
        let claimed: Vec<Hash> = indices.iter().map(|i| all[*i as usize]).collect();
        let proof = Multiproof::prove(&all, &indices, size as u64).unwrap();
        let fails = |proof: &Multiproof| proof.verify(&claimed, &top).is_err();
        prop_assert!(!fails(&proof));
        let oracle = MerkleTree::<Bare>::from_leaves(&raw(&all));
        prop_assert_eq!(oracle.root(), Some(*top.as_bytes()));
        if let [index] = indices[..] {
            let one = prove_inclusion(&all, index, size as u64).unwrap();
            prop_assert_eq!(&proof.hashes, &one.hashes);
        }
        prop_assert!(proof.verify(&claimed, &flipped(top, bit)).is_err());
        let at = which.index(claimed.len());
        let mut leaves = claimed.clone();
        leaves[at] = flipped(leaves[at], bit);
        prop_assert!(proof.verify(&leaves, &top).is_err());
        leaves.remove(at);
        prop_assert!(proof.verify(&leaves, &top).is_err());
        let mut other = proof.clone();
        other.indices.remove(at);
        prop_assert!(other.verify(&leaves, &top).is_err());
        leaves.insert(at, claimed[at]);
        leaves.insert(at, claimed[at]);
        let mut other = proof.clone();
        other.indices.insert(at, proof.indices[at]);
        prop_assert!(other.verify(&leaves, &top).is_err());
        for moved in [proof.indices[at].wrapping_add(1), proof.indices[at].wrapping_sub(1), u64::MAX] {
            let mut other = proof.clone();
            other.indices[at] = moved;
            prop_assert!(fails(&other));
        }
        for size in [0, *proof.indices.last().unwrap(), proof.size * 2, 1 << 63, u64::MAX] {
            let other = Multiproof { size, ..proof.clone() };
            prop_assert!(fails(&other));
        }
        let mut other = proof.clone();
        other.hashes.push(top);
        prop_assert!(fails(&other));
        let mut other = proof.clone();
        other.hashes.insert(0, claimed[0]);
        prop_assert!(fails(&other));
        if !proof.hashes.is_empty() {
            let at = which.index(proof.hashes.len());
            let mut other = proof.clone();
            other.hashes[at] = flipped(other.hashes[at], bit);
            prop_assert!(fails(&other));
            other.hashes.remove(at);
            prop_assert!(fails(&other));
        }
    }

    #[test]
    fn multiproofs_never_panic(
        indices in prop::collection::vec(prop_oneof![0_u64..40, any::<u64>()], 0..8),
        size in prop_oneof![0_u64..40, any::<u64>()], count in 0_usize..200, claimed in 0_usize..9,
    ) {
        let proof = Multiproof { indices, size, hashes: leaves(count) };
        prop_assert!(proof.verify(&leaves(claimed), &Hash::EMPTY).is_err());
    }
}
