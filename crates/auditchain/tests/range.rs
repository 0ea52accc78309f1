//! Range proofs: what they prove, and what no altered one does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Debug;

use proptest::prelude::*;
use serde_json::Value;
use strongroom_auditchain::{
    Checkpoint, Ed25519Signer, Hash, MAX_TREE_SIZE, ProofError, RangeFile, RangeFileError,
    RangeProof, Tree, root,
};

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

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {case}"))
}

fn number(case: &Value, key: &str) -> u64 {
    text(case, key).parse().unwrap()
}

fn hash(case: &Value, key: &str) -> Hash {
    text(case, key).parse().unwrap()
}

fn hashes(case: &Value, key: &str) -> Vec<Hash> {
    let hashes = case[key].as_array().unwrap().iter();
    hashes
        .map(|hash| hash.as_str().unwrap().parse().unwrap())
        .collect()
}

/// The result must be what the case says: success, or the error variant that it names.
fn expect<T: Debug, E: Debug>(case: &Value, result: &Result<T, E>) {
    let found = match result {
        Ok(_) => None,
        Err(error) => Some(format!("{error:?}").split('(').next().unwrap().to_owned()),
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
    let file: Value = serde_json::from_str(include_str!("vectors/range.json")).unwrap();
    for case in file["proofs"].as_array().unwrap() {
        let proof = RangeProof {
            from: number(case, "from"),
            to: number(case, "to"),
            size: number(case, "size"),
            left: hashes(case, "left"),
            right: hashes(case, "right"),
        };
        let (leaves, root) = (hashes(case, "leaves"), hash(case, "root"));
        expect(case, &proof.verify(leaves.iter().copied(), &root));
        if case["old_root"].is_string() {
            let old = hash(case, "old_root");
            expect(case, &proof.verify_between(&old, &root, leaves));
        }
    }
    for case in file["files"].as_array().unwrap() {
        let (key, origin) = (
            text(case, "key").parse().unwrap(),
            text(case, "expected_origin"),
        );
        let origin = origin.parse().unwrap();
        let file = text(case, "file").parse::<RangeFile>();
        if let Ok(file) = &file {
            assert_eq!(file.to_string(), text(case, "file"));
        }
        let leaves = hashes(case, "leaves");
        let older = case["older"].is_object().then(|| Checkpoint {
            origin,
            size: number(&case["older"], "size"),
            root: hash(&case["older"], "root"),
        });
        let result = file.and_then(|file| match older {
            Some(older) => file.verify_after(&older, leaves, &key),
            None => file.verify(
                leaves,
                &key,
                &text(case, "expected_origin").parse().unwrap(),
            ),
        });
        expect(case, &result);
    }
}

#[test]
fn every_range_of_a_small_tree_holds() {
    let all = leaves(34);
    let memory = tree(&all);
    for size in 1..=all.len() {
        let top = root(&all[..size]);
        for from in 0..size {
            for to in from + 1..=size {
                let proof = memory
                    .prove_range(from as u64, to as u64, size as u64)
                    .unwrap();
                let range = all[from..to].iter().copied();
                assert_eq!(
                    proof.verify(range.clone(), &top),
                    Ok(()),
                    "{from} to {to} of {size}"
                );
                let old = root(&all[..from]);
                let between = proof.verify_between(&old, &top, range);
                assert_eq!(between.is_ok(), to == size, "{from} to {to} of {size}");
                if to == from + 1 {
                    // Of one leaf it is the inclusion proof, by sides.
                    let one = memory.prove_inclusion(from as u64, size as u64).unwrap();
                    let mut both: Vec<Hash> =
                        proof.left.iter().chain(&proof.right).copied().collect();
                    let mut hashes = one.hashes;
                    both.sort_unstable();
                    hashes.sort_unstable();
                    assert_eq!(both, hashes);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_proved() {
    let memory = tree(&leaves(9));
    let out = Err(ProofError::IndexOutOfRange);
    assert_eq!(memory.prove_range(3, 3, 9), out);
    assert_eq!(memory.prove_range(4, 3, 9), out);
    assert_eq!(memory.prove_range(0, 9, 8), out);
    assert_eq!(memory.prove_range(0, 0, 0), out);
    assert_eq!(memory.prove_range(0, u64::MAX, 9), out);
    let sizes = Err(ProofError::SizeMismatch);
    assert_eq!(memory.prove_range(0, 3, 10), sizes);
    assert_eq!(memory.prove_range(0, 3, u64::MAX), sizes);
}

#[test]
fn an_older_root_that_the_range_does_not_begin_with_is_refused() {
    let all = leaves(50);
    let memory = tree(&all);
    let (old, new) = (root(&all[..20]), memory.root());
    let proof = memory.prove_range(20, 50, 50).unwrap();
    let after = || all[20..].iter().copied();
    assert_eq!(proof.verify_between(&old, &new, after()), Ok(()));
    let refused = proof.verify_between(&root(&all[..19]), &new, after());
    assert_eq!(refused, Err(ProofError::RootMismatch));
    // A range that stops before the log's end leaves something out.
    let short = memory.prove_range(20, 49, 50).unwrap();
    assert_eq!(short.verify(all[20..49].iter().copied(), &new), Ok(()));
    let refused = short.verify_between(&old, &new, all[20..49].iter().copied());
    assert_eq!(refused, Err(ProofError::SizeMismatch));
}

#[test]
fn a_file_is_bounded() {
    let signer = Ed25519Signer::from_seed("audit.example.com/t/acme", &[1; 32]).unwrap();
    let all = leaves(3);
    let head = Checkpoint {
        origin: "audit.example.com/t/acme".parse().unwrap(),
        size: 3,
        root: root(&all),
    };
    let note = head.sign(&signer).unwrap().parse().unwrap();
    let file = RangeFile::new(tree(&all).prove_range(1, 3, 3).unwrap(), note);
    let mut long = file.to_string();
    long.push_str(&"\n".repeat(128 * 1024));
    assert_eq!(long.parse::<RangeFile>(), Err(RangeFileError::TooLong));
}

fn flipped(hash: Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

proptest! {
    #[test]
    fn an_altered_range_proof_fails(
        from in 0_usize..100, count in 1_usize..40, after in 0_usize..60,
        bit in 0_usize..256, which: prop::sample::Index,
    ) {
        let (to, size) = (from + count, from + count + after);
        let all = leaves(size);
        let memory = tree(&all);
        let top = memory.root();
        let proof = memory.prove_range(from as u64, to as u64, size as u64).unwrap();
        let range = &all[from..to];
        let holds = |proof: &RangeProof, range: &[Hash], top: &Hash| {
            proof.verify(range.iter().copied(), top).is_ok()
        };
        prop_assert!(holds(&proof, range, &top));
        prop_assert!(!holds(&proof, range, &flipped(top, bit)));
        let at = which.index(count);
        let mut altered = range.to_vec();
        altered[at] = flipped(altered[at], bit);
        prop_assert!(!holds(&proof, &altered, &top));
        let mut less = range.to_vec();
        less.remove(at);
        prop_assert!(!holds(&proof, &less, &top));
        let mut more = range.to_vec();
        more.insert(at, more[at]);
        prop_assert!(!holds(&proof, &more, &top));
        // A leaf left out, and the numbers with it.
        for (from, to) in [(proof.from + 1, proof.to), (proof.from, proof.to - 1)] {
            let moved = RangeProof { from, to, ..proof.clone() };
            prop_assert!(!holds(&moved, &less, &top));
        }
        let moved = RangeProof { from: proof.from + 1, to: proof.to + 1, ..proof.clone() };
        prop_assert!(!holds(&moved, range, &top));
        for size in [0, proof.to - 1, proof.size * 2, 1 << 63, u64::MAX] {
            let other = RangeProof { size, ..proof.clone() };
            prop_assert!(!holds(&other, range, &top));
        }
        for is_left in [true, false] {
            let change = |alter: &dyn Fn(&mut Vec<Hash>)| {
                let mut changed = proof.clone();
                alter(if is_left { &mut changed.left } else { &mut changed.right });
                changed
            };
            prop_assert!(!holds(&change(&|side| side.push(top)), range, &top));
            prop_assert!(!holds(&change(&|side| side.insert(0, top)), range, &top));
            let length = if is_left { proof.left.len() } else { proof.right.len() };
            if length > 0 {
                let at = which.index(length);
                let without = change(&|side| _ = side.remove(at));
                prop_assert!(!holds(&without, range, &top));
                prop_assert!(!holds(&change(&|side| side[at] = flipped(side[at], bit)), range, &top));
            }
        }
    }

    #[test]
    fn range_proofs_never_panic(
        from: u64, to: u64, size: u64, left in 0_usize..70, right in 0_usize..70, count in 0_usize..9,
        close in any::<bool>(),
    ) {
        let from = if close { to.saturating_sub(count as u64) } else { from };
        let size = if close { size.clamp(to.min(MAX_TREE_SIZE), MAX_TREE_SIZE) } else { size };
        let proof = RangeProof { from, to, size, left: leaves(left), right: leaves(right) };
        prop_assert!(proof.verify(leaves(count), &Hash::EMPTY).is_err());
    }
}
