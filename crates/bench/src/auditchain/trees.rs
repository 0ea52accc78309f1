//! Trees in memory beside ct-merkle and rs_merkle.

use std::error::Error;
use std::hint::black_box;

use strongroom_auditchain::{Frontier, Hash, Tree};

use super::entries::entries;
use super::peers::{CtMerkle, Rfc6962, RsMerkle, rs_merkle};
use crate::case::{Case, Goal, Side};
use crate::report::Report;
use rs_merkle::Hasher as _;

/// Entries, over and over.
type Entries = &'static [Box<[u8]>];

/// The entries of a large tree.
const MANY: usize = 1_000_000;

/// The size at which a root is wanted after every entry.
const FEW: usize = 8000;

/// Appends of one piece of work there.
const APPENDS: usize = 64;

/// Leaf hashes that are made before the tree takes them.
const PIECE: usize = 1024;

/// The entries that are asked for over and over.
const HOT: usize = 1000;

const CT_MERKLE: &str = "ct-merkle 0.3.0";
const RS_MERKLE: &str = "rs_merkle 1.5.0";

/// Measures builds, roots after every entry, and inclusion proofs.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let (entries, short) = (entries(256), entries(32));
    equal(entries)?;
    for (name, entries) in [
        ("append 1e6 of 32 B", short),
        ("append 1e6 of 256 B", entries),
    ] {
        for case in builds(name, entries) {
            report.measure(case);
        }
    }
    for case in roots(entries) {
        report.measure(case);
    }
    for (name, indices, goals) in [
        ("proof, hot, 1e6", hot(), [Some(1.5), Some(2.0)]),
        ("proof, any entry, 1e6", any(), [None; 2]),
    ] {
        let indices: &'static [usize] = Box::leak(indices.into_boxed_slice());
        for case in proofs(name, entries, indices, goals) {
            report.measure(case);
        }
    }
    Ok(())
}

/// No side is faster by doing other work.
fn equal(entries: Entries) -> Result<(), Box<dyn Error>> {
    let (ours, ct, rs) = (
        tree(entries, FEW),
        ct_merkle(entries, FEW),
        rs_tree(entries, FEW),
    );
    let root = *ours.root().as_bytes();
    let index = 1234;
    let proof = ours.prove_inclusion(index as u64, FEW as u64)?;
    let proof: Vec<u8> = proof.hashes.iter().flat_map(|it| *it.as_bytes()).collect();
    let same = ct.root().as_bytes().as_slice() == root
        && rs.root() == Some(root)
        && frontier(entries, FEW).root().as_bytes() == &root
        && ct.prove_inclusion(index).as_bytes() == proof
        && rs.proof(&[index]).proof_hashes().as_flattened() == proof;
    same.then_some(()).ok_or("the trees differ".into())
}

fn cycled(entries: Entries, count: usize) -> impl Iterator<Item = &'static [u8]> {
    entries.iter().map(|entry| &**entry).cycle().take(count)
}

fn tree(entries: Entries, count: usize) -> Tree {
    let mut tree = Tree::new();
    let mut entries = cycled(entries, count);
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        piece.extend(entries.by_ref().take(PIECE).map(Hash::of_leaf));
        if piece.is_empty() {
            return tree;
        }
        tree.extend(&piece);
    }
}

fn frontier(entries: Entries, count: usize) -> Frontier {
    let mut frontier = Frontier::new();
    cycled(entries, count).for_each(|entry| frontier.push(Hash::of_leaf(entry)));
    frontier
}

fn ct_merkle(entries: Entries, count: usize) -> CtMerkle {
    let mut tree = CtMerkle::new();
    cycled(entries, count).for_each(|entry| tree.push(entry));
    tree
}

fn rs_tree(entries: Entries, count: usize) -> RsMerkle {
    rs_merkle(cycled(entries, count).map(Rfc6962::hash).collect())
}

fn builds(name: &str, entries: Entries) -> Vec<Case> {
    let whole = move || Side::prepared(|| (), move |()| tree(entries, MANY));
    let ends = move || Side::prepared(|| (), move |()| frontier(entries, MANY));
    let ct = move || Side::prepared(|| (), move |()| ct_merkle(entries, MANY));
    let rs = move || Side::prepared(|| (), move |()| rs_tree(entries, MANY));
    vec![
        case(name, CT_MERKLE, Some(5.0), whole(), ct()),
        case(name, RS_MERKLE, Some(2.0), whole(), rs()),
        case(&format!("{name}, frontier"), CT_MERKLE, None, ends(), ct()),
        case(&format!("{name}, frontier"), RS_MERKLE, None, ends(), rs()),
    ]
}

/// Appends with the root after every entry: at size 8,000, and from nothing to there.
fn roots(entries: Entries) -> Vec<Case> {
    let grow = move |mut tree: Tree, count| {
        for entry in cycled(entries, count) {
            tree.push(Hash::of_leaf(entry));
            black_box(tree.root());
        }
        tree
    };
    let end = move |mut frontier: Frontier, count| {
        for entry in cycled(entries, count) {
            frontier.push(Hash::of_leaf(entry));
            black_box(frontier.root());
        }
        frontier
    };
    let commit = move |mut tree: RsMerkle, count| {
        for entry in cycled(entries, count) {
            tree.insert(Rfc6962::hash(entry)).commit();
            black_box(tree.root());
        }
        tree
    };
    let at_rs = move || {
        Side::prepared(
            move || rs_tree(entries, FEW),
            move |tree| commit(tree, APPENDS),
        )
    };
    let to_rs = move || Side::prepared(RsMerkle::new, move |tree| commit(tree, FEW));
    let goal = Some(100.0);
    vec![
        case(
            "64 roots at 8,000, frontier",
            RS_MERKLE,
            goal,
            Side::prepared(
                move || frontier(entries, FEW),
                move |frontier| end(frontier, APPENDS),
            ),
            at_rs(),
        ),
        case(
            "64 roots at 8,000, tree",
            RS_MERKLE,
            goal,
            Side::prepared(move || tree(entries, FEW), move |tree| grow(tree, APPENDS)),
            at_rs(),
        ),
        case(
            "8,000 roots, frontier",
            RS_MERKLE,
            goal,
            Side::prepared(Frontier::new, move |frontier| end(frontier, FEW)),
            to_rs(),
        ),
        case(
            "8,000 roots, tree",
            RS_MERKLE,
            goal,
            Side::prepared(Tree::new, move |tree| grow(tree, FEW)),
            to_rs(),
        ),
    ]
}

fn hot() -> Vec<usize> {
    (0..HOT).map(|n| n * (MANY / HOT) + n % 7).collect()
}

/// In an order that no cache guesses.
fn any() -> Vec<usize> {
    (1..=MANY)
        .map(|n| n.wrapping_mul(618_033_989) % MANY)
        .collect()
}

fn proofs(
    name: &str,
    entries: Entries,
    indices: &'static [usize],
    [ct_goal, rs_goal]: [Option<f64>; 2],
) -> Vec<Case> {
    let ours = move || {
        let tree = tree(entries, MANY);
        let mut indices = indices.iter().cycle();
        Side::new(move || tree.prove_inclusion(next(&mut indices) as u64, MANY as u64))
    };
    let (ct, rs) = (ct_merkle(entries, MANY), rs_tree(entries, MANY));
    let (mut at_ct, mut at_rs) = (indices.iter().cycle(), indices.iter().cycle());
    let ct = Side::new(move || ct.prove_inclusion(next(&mut at_ct)));
    let rs = Side::new(move || rs.proof(&[next(&mut at_rs)]));
    vec![
        case(name, CT_MERKLE, ct_goal, ours(), ct),
        case(name, RS_MERKLE, rs_goal, ours(), rs),
    ]
}

fn next(indices: &mut impl Iterator<Item = &'static usize>) -> usize {
    indices.next().copied().unwrap_or_default()
}

fn case(name: &str, peer_name: &'static str, goal: Option<f64>, ours: Side, peer: Side) -> Case {
    Case {
        name: name.to_owned(),
        peer_name,
        goal: goal.map(Goal::of),
        bytes: None,
        ours,
        peer,
    }
}
