//! The tree against rs_merkle and ct-merkle, and against whoever alters a proof.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use rs_merkle::{Hasher, MerkleTree};
use strongroom_auditchain::{
    ConsistencyProof, Frontier, Hash, InclusionProof, ProofError, Tree, prove_consistency,
    prove_inclusion, root,
};

/// rs_merkle with RFC 6962's two prefixes, which its own SHA-256 lacks.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
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

#[test]
fn roots_and_proofs_are_those_of_rs_merkle() {
    let all = leaves(300);
    let raw: Vec<[u8; 32]> = all.iter().map(|hash| *hash.as_bytes()).collect();
    let mut frontier = Frontier::new();
    for size in 1..=all.len() {
        frontier.push(all[size - 1]);
        let oracle = MerkleTree::<Rfc6962>::from_leaves(&raw[..size]);
        let expected = Hash::from_bytes(oracle.root().unwrap());
        assert_eq!(frontier.root(), expected, "size {size}");
        let (_, proofs) = Frontier::new().append_batch(&all[..size]);
        for (index, proof) in proofs.iter().enumerate() {
            let hashes = oracle.proof(&[index]).proof_hashes().to_vec();
            let hashes: Vec<Hash> = hashes.into_iter().map(Hash::from_bytes).collect();
            assert_eq!(proof.hashes, hashes, "entry {index} of {size}");
            assert_eq!(proof.verify(&all[index], &expected), Ok(()));
        }
    }
}

/// Whether a tree, at its size, gives the roots and proofs of both peers for some of its entries
/// and older sizes.
fn is_theirs(
    tree: &Tree,
    ct: &MemoryBackedTree<sha2::Sha256, [u8; 8]>,
    rs: &MerkleTree<Rfc6962>,
    some: &[u64],
) {
    let size = tree.size();
    assert_eq!(
        &tree.root().as_bytes()[..],
        &ct.root().as_bytes()[..],
        "size {size}"
    );
    assert_eq!(Some(*tree.root().as_bytes()), rs.root(), "size {size}");
    let bytes = |hashes: &[Hash]| {
        hashes
            .iter()
            .flat_map(|hash| *hash.as_bytes())
            .collect::<Vec<u8>>()
    };
    for index in some.iter().map(|at| at % size) {
        let at = usize::try_from(index).unwrap();
        let proof = bytes(&tree.prove_inclusion(index, size).unwrap().hashes);
        assert_eq!(
            proof,
            ct.prove_inclusion(at).as_bytes(),
            "entry {index} of {size}"
        );
        assert_eq!(proof, rs.proof(&[at]).to_bytes(), "entry {index} of {size}");
        let old = index + 1;
        let proof = tree.prove_consistency(old, size).unwrap();
        let added = usize::try_from(size - old).unwrap();
        if added > 0 {
            let theirs = ct.prove_consistency(added);
            assert_eq!(bytes(&proof.hashes), theirs.as_bytes(), "{old} to {size}");
        }
        let (old, new) = (tree.root_at(old).unwrap(), tree.root());
        assert_eq!(proof.verify(&old, &new), Ok(()));
    }
}

#[test]
fn trees_are_those_of_the_peers_at_every_size_to_1000() {
    let (mut tree, mut ct) = (Tree::new(), MemoryBackedTree::new());
    let mut rs = MerkleTree::<Rfc6962>::new();
    for size in 1..=1000_u64 {
        let entry = (size * size).to_be_bytes();
        tree.push(Hash::of_leaf(&entry));
        ct.push(entry);
        rs.insert(Rfc6962::hash(&entry)).commit();
        let some = [
            0,
            size / 2,
            size - 1,
            size * 7919,
            size * 104_729,
            size.isqrt(),
        ];
        is_theirs(&tree, &ct, &rs, &some);
    }
}

#[test]
fn large_trees_are_those_of_the_peers() {
    for size in [1_023, 4_097, 65_536, 99_991] {
        a_large_tree_is_theirs(size);
    }
}

fn a_large_tree_is_theirs(size: u64) {
    let entries: Vec<[u8; 8]> = (0..size).map(|i| (i ^ size).to_be_bytes()).collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
    let mut tree = Tree::new();
    tree.extend(&leaves);
    let mut ct = MemoryBackedTree::new();
    entries.iter().for_each(|entry| ct.push(*entry));
    let raw: Vec<[u8; 32]> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
    let rs = MerkleTree::<Rfc6962>::from_leaves(&raw);
    let some = (0..200).map(|i| i * 7919 + size / 3).chain([0, size - 1]);
    is_theirs(&tree, &ct, &rs, &some.collect::<Vec<_>>());
}

#[test]
fn a_tree_in_memory_is_that_over_its_leaves() {
    let all = leaves(300);
    let mut tree = Tree::new();
    assert_eq!(
        (tree.size(), tree.root(), tree.leaf(0)),
        (0, Hash::EMPTY, None)
    );
    tree.extend(&all);
    for size in 0..=all.len() {
        let at = size as u64;
        assert_eq!(tree.root_at(at), Ok(root(&all[..size])));
        let (frontier, _) = Frontier::new().append_batch(&all[..size]);
        assert_eq!(tree.frontier_at(at), Ok(frontier));
        for index in (0..at).step_by(7) {
            assert_eq!(
                tree.prove_inclusion(index, at),
                prove_inclusion(&all, index, at)
            );
            assert_eq!(
                tree.prove_consistency(index, at),
                prove_consistency(&all, index, at)
            );
        }
    }
    assert_eq!(tree.leaf(299), Some(all[299]));
    assert_eq!(tree.leaf(300), None);
    assert_eq!(tree.leaf(u64::MAX), None);
}

#[test]
fn every_consistency_proof_of_a_small_tree_holds() {
    let all = leaves(40);
    for new in 0..=all.len() {
        for old in 0..=new {
            let proof = prove_consistency(&all, old as u64, new as u64).unwrap();
            let (old_root, new_root) = (root(&all[..old]), root(&all[..new]));
            assert_eq!(proof.verify(&old_root, &new_root), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn what_cannot_be_proved() {
    let all = leaves(5);
    let out = Err(ProofError::IndexOutOfRange);
    assert_eq!(prove_inclusion(&all, 5, 5), out);
    assert_eq!(prove_inclusion(&all, 0, 0), out);
    assert_eq!(prove_inclusion(&all, u64::MAX, 5), out);
    let sizes = Err(ProofError::SizeMismatch);
    assert_eq!(prove_inclusion(&all, 0, 6), sizes);
    assert_eq!(prove_inclusion(&all, 0, u64::MAX), sizes);
    let sizes = Err(ProofError::SizeMismatch);
    assert_eq!(prove_consistency(&all, 3, 2), sizes);
    assert_eq!(prove_consistency(&all, 1, 6), sizes);
    let mut tree = Tree::new();
    tree.extend(&all);
    for size in [6, 1 << 63, u64::MAX] {
        assert_eq!(tree.root_at(size), Err(ProofError::SizeMismatch));
        assert_eq!(tree.frontier_at(size), Err(ProofError::SizeMismatch));
        assert_eq!(tree.prove_consistency(1, size), sizes);
        let inclusion = tree.prove_inclusion(0, size);
        assert_eq!(inclusion, Err(ProofError::SizeMismatch));
    }
    assert_eq!(tree.prove_consistency(3, 2), sizes);
    let out = Err(ProofError::IndexOutOfRange);
    assert_eq!(tree.prove_inclusion(5, 5), out);
    assert_eq!(tree.prove_inclusion(0, 0), out);
}

#[test]
fn the_same_root_at_another_size_is_refused() {
    // A size that asks for more hashes, fewer, or the same number in another order.
    let all = leaves(7);
    let top = root(&all);
    for index in 0..7 {
        let proof = prove_inclusion(&all, index, 7).unwrap();
        for size in (0..20).filter(|size| *size != 7) {
            let other = InclusionProof {
                size,
                ..proof.clone()
            };
            let shape = prove_inclusion(&leaves(20), index, size).map(|proof| proof.hashes.len());
            // Where the way from leaf to root is the same, the size cannot be told from it: that
            // is what the signed checkpoint is for.
            if other.verify(&all[index as usize], &top).is_ok() {
                assert_eq!(shape, Ok(proof.hashes.len()), "entry {index}, size {size}");
            }
        }
    }
}

#[test]
fn sizes_that_no_tree_has_are_refused_by_name() {
    let hash = Hash::EMPTY;
    let large = Err(ProofError::SizeTooLarge);
    for size in [1 << 63, u64::MAX] {
        let hashes = vec![hash; 63];
        let proof = InclusionProof {
            index: 0,
            size,
            hashes: hashes.clone(),
        };
        assert_eq!(proof.verify(&hash, &hash), large);
        let proof = ConsistencyProof {
            old: 1,
            new: size,
            hashes,
        };
        assert_eq!(proof.verify(&hash, &hash), large);
    }
    let proof = InclusionProof {
        index: 0,
        size: 0,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::IndexOutOfRange));
    let proof = InclusionProof {
        index: 1,
        size: 1,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::IndexOutOfRange));
    let proof = ConsistencyProof {
        old: 2,
        new: 1,
        hashes: Vec::new(),
    };
    assert_eq!(proof.verify(&hash, &hash), Err(ProofError::SizeMismatch));
}

#[test]
fn a_hash_above_the_root_is_refused_even_with_the_root_that_it_gives() {
    let all = leaves(4);
    let above = Hash::of_leaf(b"above");
    let mut proof = prove_inclusion(&all, 2, 4).unwrap();
    proof.hashes.push(above);
    let forged = Hash::of_node(&above, &root(&all));
    assert_eq!(proof.verify(&all[2], &forged), Err(ProofError::WrongLength));
    let mut proof = prove_consistency(&all, 3, 4).unwrap();
    proof.hashes.push(above);
    let forged_old = Hash::of_node(&above, &root(&all[..3]));
    assert_eq!(
        proof.verify(&forged_old, &forged),
        Err(ProofError::WrongLength)
    );
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn any_large_tree_is_that_of_the_peers(size in 1_001_u64..100_000) {
        a_large_tree_is_theirs(size);
    }
}

proptest! {
    #[test]
    fn a_batch_proves_each_new_entry(old in 0_usize..200, more in 0_usize..80) {
        let all = leaves(old + more);
        let mut pushed = Frontier::new();
        all[..old].iter().for_each(|leaf| pushed.push(*leaf));
        let (grown, proofs) = pushed.append_batch(&all[old..]);
        all[old..].iter().for_each(|leaf| pushed.push(*leaf));
        prop_assert_eq!(&grown, &pushed);
        prop_assert_eq!(grown.root(), root(&all));
        prop_assert_eq!(proofs.len(), more);
        for (offset, proof) in proofs.iter().enumerate() {
            let expected = prove_inclusion(&all, (old + offset) as u64, all.len() as u64);
            prop_assert_eq!(Ok(proof), expected.as_ref());
        }
    }

    #[test]
    fn a_tree_grows_the_same_in_any_steps(steps in prop::collection::vec(0_usize..2_500, 1..5)) {
        let all = leaves(steps.iter().sum());
        let (mut tree, mut frontier) = (Tree::new(), Frontier::new());
        let mut rest = &all[..];
        for step in steps {
            let (new, after) = rest.split_at(step);
            tree.extend(new);
            new.iter().for_each(|leaf| frontier.push(*leaf));
            rest = after;
        }
        let mut pushed = Tree::new();
        all.iter().for_each(|leaf| pushed.push(*leaf));
        let size = all.len() as u64;
        for tree in [tree, pushed] {
            prop_assert_eq!(tree.frontier_at(size), Ok(frontier.clone()));
            prop_assert_eq!(tree.root(), root(&all));
            for index in (0..size).step_by(97) {
                let proof = tree.prove_inclusion(index, size).unwrap();
                prop_assert_eq!(proof.verify(&all[index as usize], &tree.root()), Ok(()));
            }
        }
    }

    #[test]
    fn a_frontier_round_trips(size in 0_usize..500) {
        let mut frontier = Frontier::new();
        leaves(size).into_iter().for_each(|leaf| frontier.push(leaf));
        let bytes = frontier.to_bytes();
        prop_assert_eq!(Frontier::from_bytes(frontier.size(), &bytes), Ok(frontier.clone()));
        prop_assert_eq!(Frontier::from_parts(frontier.size(), frontier.parts()), Ok(frontier));
    }

    #[test]
    fn an_altered_inclusion_proof_fails(
        size in 1_usize..200, at: prop::sample::Index, bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let all = leaves(size);
        let index = at.index(size);
        let top = root(&all);
        let proof = prove_inclusion(&all, index as u64, size as u64).unwrap();
        prop_assert_eq!(proof.verify(&all[index], &top), Ok(()));
        let fails = |proof: &InclusionProof| proof.verify(&all[index], &top).is_err();
        prop_assert!(proof.verify(&flipped(all[index], bit), &top).is_err());
        prop_assert!(proof.verify(&all[index], &flipped(top, bit)).is_err());
        for other in (0..size as u64).filter(|other| *other != proof.index) {
            let moved = InclusionProof { index: other, ..proof.clone() };
            prop_assert!(fails(&moved));
        }
        let mut extra = proof.clone();
        extra.hashes.push(top);
        prop_assert!(fails(&extra));
        let mut extra = proof.clone();
        extra.hashes.insert(0, all[index]);
        prop_assert!(fails(&extra));
        if !proof.hashes.is_empty() {
            let which = which.index(proof.hashes.len());
            let mut less = proof.clone();
            less.hashes.remove(which);
            prop_assert!(fails(&less));
            let mut altered = proof.clone();
            altered.hashes[which] = flipped(altered.hashes[which], bit);
            prop_assert!(fails(&altered));
        }
        for size in [0, proof.index, proof.size * 2, 1 << 63, u64::MAX] {
            let other = InclusionProof { size, ..proof.clone() };
            prop_assert!(fails(&other));
        }
    }

    #[test]
    fn an_altered_consistency_proof_fails(
        old in 1_usize..100, more in 1_usize..100, bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let all = leaves(old + more);
        let (old_root, new_root) = (root(&all[..old]), root(&all));
        let proof = prove_consistency(&all, old as u64, all.len() as u64).unwrap();
        prop_assert_eq!(proof.verify(&old_root, &new_root), Ok(()));
        let fails = |proof: &ConsistencyProof| proof.verify(&old_root, &new_root).is_err();
        prop_assert!(proof.verify(&flipped(old_root, bit), &new_root).is_err());
        prop_assert!(proof.verify(&old_root, &flipped(new_root, bit)).is_err());
        let mut extra = proof.clone();
        extra.hashes.push(new_root);
        prop_assert!(fails(&extra));
        let which = which.index(proof.hashes.len());
        let mut less = proof.clone();
        less.hashes.remove(which);
        prop_assert!(fails(&less));
        let mut altered = proof.clone();
        altered.hashes[which] = flipped(altered.hashes[which], bit);
        prop_assert!(fails(&altered));
        for new in [0, proof.old - 1, proof.old, 1 << 63, u64::MAX] {
            let other = ConsistencyProof { new, ..proof.clone() };
            prop_assert!(fails(&other));
        }
    }

    #[test]
    fn proofs_never_panic(
        index: u64, size: u64, old: u64, new: u64, count in 0_usize..70,
    ) {
        let hashes = leaves(count);
        let leaf = Hash::EMPTY;
        let _ = InclusionProof { index, size, hashes: hashes.clone() }.verify(&leaf, &leaf);
        let _ = ConsistencyProof { old, new, hashes }.verify(&leaf, &leaf);
    }
}
