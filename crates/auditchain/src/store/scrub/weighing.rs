//! Who is right where entries, tiles and signed roots disagree.
//!
//! A bundle's hashes are said by its entries, by its tile, and by the tile above; a signed root
//! says who is right. So up to three trees grow: by whoever has the majority, by the entries, and by
//! the tiles. The one that comes to the signed root is believed from then on.

use std::collections::VecDeque;

use super::unit::{Bundle, Odd, Unit, WIDTH};
use super::{Cursor, Findings};
use crate::{Finding, Frontier, Hash, Origin, Report, TileKind, TilePath, root};

const TREES: usize = 3;

/// How many disagreements are held until a root decides about them; of further ones nothing is
/// said but that there are more.
const MAX_PENDING: usize = 1024;

pub(super) struct Weighing {
    /// The sizes and roots that are signed and still to come.
    expected: VecDeque<(u64, Hash)>,
    head: Option<(u64, Hash)>,
    head_holds: bool,
    /// The majority's, the entries', the tiles'; the first alone while they are one.
    trees: [Option<Frontier>; TREES],
    is_split: bool,
    /// Whether a signed root may still come out.
    comparable: bool,
    /// What the log was at the last signed root that came out.
    covered: Frontier,
    pending: Vec<Disagreement>,
    missing_from: Option<u64>,
    has_gap: bool,
}

/// A bundle about which there is no agreement.
struct Disagreement {
    first: u64,
    width: u16,
    /// What each tree has for it; nothing of a partial bundle is compared but whose it is.
    roots: [Option<Hash>; TREES],
    entries: Option<Hash>,
    tile: Option<Hash>,
    above: Option<Hash>,
    /// The entries of which the tile has other hashes.
    others: Vec<u64>,
}

impl Weighing {
    pub(super) fn new(
        begin: Frontier,
        expected: VecDeque<(u64, Hash)>,
        head: Option<(u64, Hash)>,
    ) -> Self {
        Self {
            expected,
            head,
            head_holds: false,
            covered: begin.clone(),
            trees: [Some(begin), None, None],
            is_split: false,
            comparable: true,
            pending: Vec::new(),
            missing_from: None,
            has_gap: false,
        }
    }

    pub(super) const fn is_comparable(&self) -> bool {
        self.comparable
    }

    /// Compares what is signed of the log before the first entry that is read.
    pub(super) fn begin(&mut self, report: &mut Report, found: &mut Findings) {
        let size = self.size();
        // What a cursor covers was compared by the pass that made it.
        while self
            .expected
            .pop_front_if(|(next, _)| *next < size)
            .is_some()
        {}
        self.compare(self.trees.clone(), 0, report, found);
    }

    pub(super) fn unit(&mut self, unit: &Unit, report: &mut Report, found: &mut Findings) {
        for (bundle, number) in unit.bundles.iter().zip(unit.first..) {
            let first = number * WIDTH;
            match (bundle.missing_from, self.missing_from) {
                (Some(from), None) => self.missing_from = Some(from),
                (None, Some(index)) => {
                    found.find(Finding::Missing { index });
                    self.missing_from = None;
                    self.has_gap = true;
                }
                _ => {}
            }
            if self.comparable {
                self.bundle(first, bundle, report, found);
            } else if let Some(odd) = &bundle.odd {
                self.disagree(first, bundle.width, odd, found);
                self.settle(0, 0, found);
            }
        }
    }

    /// The rest of the log is not there; from where on nothing was there already.
    pub(super) fn gap(&mut self) -> Option<u64> {
        self.has_gap = true;
        self.comparable = false;
        self.missing_from.take()
    }

    pub(super) fn finish(&mut self, size: u64, report: &mut Report, found: &mut Findings) {
        if let Some(have) = self.missing_from {
            found.find(Finding::Truncated { have, signed: size });
            self.has_gap = true;
        }
        self.settle(0, 0, found);
        if let Some((head, _)) = self.head
            && self.comparable
            && !self.head_holds
            && !self.has_gap
            && head >= report.covered
        {
            let from = report.covered;
            found.find(if from < head {
                Finding::Interval { from, to: head }
            } else {
                Finding::Head { size: head }
            });
        }
    }

    /// From where the next pass may go on.
    pub(super) fn cursor(&self, origin: &Origin, report: &Report) -> Option<Cursor> {
        let clean = report.intact().is_ok() && self.covered.size() == report.covered;
        clean.then(|| Cursor::new(origin.clone(), self.covered.clone()))
    }

    fn size(&self) -> u64 {
        self.trees.iter().flatten().next().map_or(0, Frontier::size)
    }

    fn bundle(&mut self, first: u64, bundle: &Bundle, report: &mut Report, found: &mut Findings) {
        let end = first + u64::from(bundle.width);
        let mut roots = [bundle.agreed; TREES];
        let mut lists = [bundle.leaves.as_deref(); TREES];
        let mut is_held = false;
        if let Some(odd) = &bundle.odd {
            if !self.is_split {
                let [first, one, other] = &mut self.trees;
                one.clone_from(first);
                other.clone_from(first);
                self.is_split = true;
            }
            let before = self.pending.len();
            (roots, lists) = self.disagree(first, bundle.width, odd, found);
            is_held = self.pending.len() > before;
        }
        // Signed sizes inside the bundle, by leaf hashes; its own end too, if it is partial.
        let inner = |size: u64| size < end || u64::from(bundle.width) < WIDTH;
        let mut inside = self.trees.clone();
        while let Some(size) = self.next().filter(|size| *size <= end && inner(*size)) {
            for (tree, list) in inside.iter_mut().zip(lists) {
                let grown = tree.as_mut().and_then(|tree| {
                    let done = usize::try_from(tree.size() - first).ok()?;
                    let more = list?.get(done..usize::try_from(size - first).ok()?)?;
                    more.iter().for_each(|leaf| tree.push(*leaf));
                    Some(())
                });
                if grown.is_none() {
                    *tree = None;
                }
            }
            // A root of the bundle's first entries says nothing about those after them.
            let open = usize::from(is_held && size < end);
            let Some(winner) = self.compare(inside.clone(), open, report, found) else {
                if !self.comparable {
                    return;
                }
                continue;
            };
            if bundle.odd.is_none() && winner == 0 {
                continue;
            }
            let root = |tree: Option<&Option<Frontier>>| Some(tree?.as_ref()?.root());
            let right = root(inside.get(winner));
            let holds = [0, 1, 2].map(|at| right.is_some() && root(inside.get(at)) == right);
            let mut left = roots.iter().zip(holds).filter(|(_, holds)| *holds);
            let said = left.next().map(|(root, _)| root);
            if size < end && left.any(|(root, _)| Some(root) != said) {
                for (at, _) in holds.iter().enumerate().filter(|(_, holds)| !**holds) {
                    if let (Some(tree), Some(list), Some(root), Some(before)) = (
                        inside.get_mut(at),
                        lists.get_mut(at),
                        roots.get_mut(at),
                        self.trees.get_mut(at),
                    ) {
                        (*tree, *list, *root, *before) = (None, None, None, None);
                    }
                }
                continue;
            }
            self.settle(winner, 0, found);
            is_held = false;
            let tree = inside.get(winner).cloned().flatten();
            lists = [lists.get(winner).copied().flatten(); TREES];
            roots = [roots.get(winner).copied().flatten(); TREES];
            inside = [tree, None, None];
            self.trees.swap(0, winner);
            self.unite();
        }
        if u64::from(bundle.width) < WIDTH {
            return;
        }
        for (tree, root) in self.trees.iter_mut().zip(roots) {
            let pushed = tree
                .as_mut()
                .and_then(|tree| tree.push_subtree(WIDTH.trailing_zeros(), root?));
            if pushed.is_none() {
                *tree = None;
            }
        }
        if self.trees.iter().all(Option::is_none) {
            self.comparable = false;
            self.has_gap = true;
            return;
        }
        let trees = self.trees.clone();
        if self.next() == Some(end)
            && let Some(winner) = self.compare(trees, 0, report, found)
        {
            self.trees.swap(0, winner);
            self.unite();
        }
    }

    /// One tree again.
    fn unite(&mut self) {
        let [_, one, other] = &mut self.trees;
        (*one, *other) = (None, None);
        self.is_split = false;
    }

    /// The next size of which something is said.
    fn next(&self) -> Option<u64> {
        let size = self.head.map(|(size, _)| size).filter(|_| !self.head_holds);
        let size = size.filter(|size| *size > self.compared());
        let next = self.expected.front().map(|(next, _)| *next);
        match (next, size) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn compared(&self) -> u64 {
        self.covered.size()
    }

    /// Compares trees with what is said of their size; which of them it is that was signed. The
    /// newest disagreements, so many, stay open.
    fn compare(
        &mut self,
        trees: [Option<Frontier>; TREES],
        open: usize,
        report: &mut Report,
        found: &mut Findings,
    ) -> Option<usize> {
        let size = trees.iter().flatten().next().map(Frontier::size);
        let size = size.or_else(|| self.next())?;
        let roots = trees
            .each_ref()
            .map(|tree| tree.as_ref().map(Frontier::root));
        if let Some((_, head)) = self.head.filter(|(head, _)| *head == size) {
            if roots.contains(&Some(head)) {
                self.head_holds = true;
            } else if self.expected.front().is_none_or(|(next, _)| *next != size) {
                // Nobody signed it: the last checkpoint stands.
                self.comparable = false;
                let from = report.covered;
                found.find(Finding::Interval { from, to: size });
                self.head_holds = true;
                return None;
            }
        }
        let mut winner = None;
        while let Some((_, signed)) = self.expected.pop_front_if(|(next, _)| *next == size) {
            winner = roots.iter().position(|root| *root == Some(signed));
            let Some(tree) = winner.and_then(|winner| trees.get(winner)?.as_ref()) else {
                self.comparable = false;
                let from = report.covered;
                if !self.has_gap && self.missing_from.is_none() {
                    found.find(Finding::Interval { from, to: size });
                }
                self.settle(0, 0, found);
                return None;
            };
            report.covered = size;
            self.covered = tree.clone();
        }
        self.settle(winner?, open, found);
        winner
    }

    /// Notes what each says, and what each tree takes.
    fn disagree<'a>(
        &mut self,
        first: u64,
        width: u16,
        odd: &'a Odd,
        found: &mut Findings,
    ) -> ([Option<Hash>; TREES], [Option<&'a [Hash]>; TREES]) {
        let (entries, tile) = (odd.entries.as_deref(), odd.tile.as_deref());
        let of_entries = entries.map(root);
        let of_tile = tile.map(root);
        let above = odd.above;
        let majority = if of_entries.is_some() && (of_entries == of_tile || of_entries == above) {
            of_entries
        } else if of_tile.is_some() && of_tile == above {
            of_tile
        } else {
            above.or(of_tile).or(of_entries)
        };
        let roots = [majority, of_entries, above.or(of_tile)];
        let by_majority = if majority == of_entries {
            entries
        } else {
            tile.or(entries)
        };
        let lists = [by_majority, entries, tile];
        let others = entries
            .unwrap_or_default()
            .iter()
            .zip(tile.unwrap_or_default());
        let others = others.zip(first..).filter(|((one, other), _)| one != other);
        let disagreement = Disagreement {
            first,
            width,
            roots,
            entries: of_entries,
            tile: of_tile,
            above,
            others: others.map(|(_, index)| index).collect(),
        };
        if self.pending.len() < MAX_PENDING {
            self.pending.push(disagreement);
        } else {
            found.omitted += 1;
        }
        (roots, lists)
    }

    /// Says who was wrong, now that it is known whose tree is right.
    fn settle(&mut self, winner: usize, open: usize, found: &mut Findings) {
        let settled = self.pending.len().saturating_sub(open);
        for it in self.pending.drain(..settled) {
            let right = it.roots.get(winner).copied().flatten();
            let differs = |said: Option<Hash>| said.is_some() && said != right;
            if differs(it.entries) {
                if it.tile == right {
                    for index in &it.others {
                        found.find(Finding::Leaf { index: *index });
                    }
                } else {
                    let to = it.first + u64::from(it.width);
                    found.find(Finding::Interval { from: it.first, to });
                }
            }
            let tile = |level: u8, number: u64, width: u16| {
                TilePath::new(TileKind::Hashes(level), number, width).ok()
            };
            if differs(it.tile) && it.entries == right {
                let index = it.others.first().copied().unwrap_or(it.first);
                if let Some(path) = tile(0, it.first / WIDTH, it.width) {
                    found.find(Finding::Tile { path, index });
                }
            }
            if differs(it.above)
                && let Some(path) = tile(1, it.first / (WIDTH * WIDTH), 256)
            {
                let index = it.first;
                found.find(Finding::Tile { path, index });
            }
        }
    }
}
