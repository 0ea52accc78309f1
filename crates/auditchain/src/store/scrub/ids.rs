//! Event ids, in order, so that one that comes twice is seen.

use super::Findings;
use crate::Finding;

/// How far out of order an id may come to be put in its place at once: ids ascend with time, but
/// for those of the same moment.
const NEAR: usize = 64;

/// The most ids that are put in order again where two lists meet; of more it is done once, at the
/// end.
const OVERLAP: usize = 1 << 17;

/// Ids and where they stand: 24 bytes each.
#[derive(Default)]
pub(super) struct Ids {
    all: Vec<([u64; 2], u64)>,
    is_mixed: bool,
}

impl Ids {
    pub(super) fn reserve(&mut self, more: usize) {
        self.all.reserve(more);
    }

    /// Adds the id of an entry.
    pub(super) fn push(&mut self, id: [u8; 16], index: u64) {
        let id = u128::from_be_bytes(id);
        let new = ([(id >> 64) as u64, id as u64], index);
        if self.is_mixed || self.all.last().is_none_or(|last| *last < new) {
            self.all.push(new);
            return;
        }
        let mut later = self.all.iter().rev().take(NEAR);
        match later.position(|one| *one < new) {
            Some(back) => self.all.insert(self.all.len() - back, new),
            None if self.all.len() < NEAR => self.all.insert(0, new),
            _ => {
                self.all.push(new);
                self.is_mixed = true;
            }
        }
    }

    /// Puts them in order.
    pub(super) fn sort(&mut self) {
        if self.is_mixed {
            self.all.sort_unstable();
            self.is_mixed = false;
        }
    }

    /// Takes over the ids of what comes after, which are in order.
    pub(super) fn append(&mut self, later: &mut Self) {
        if let (Some(last), Some(first)) = (self.all.last(), later.all.first())
            && last > first
        {
            let begin = self.all.partition_point(|one| one < first);
            let end = self.all.len() + later.all.partition_point(|one| one < last);
            self.all.append(&mut later.all);
            match self.all.get_mut(begin..end) {
                Some(meeting) if meeting.len() <= OVERLAP => meeting.sort(),
                _ => self.is_mixed = true,
            }
            return;
        }
        self.all.append(&mut later.all);
    }

    /// Finds those that come twice.
    pub(super) fn repeated(mut self, found: &mut Findings) {
        if self.is_mixed {
            // Long stretches of it are in order.
            self.all.sort();
        }
        for [one, other] in self.all.array_windows() {
            if one.0 == other.0 {
                let (index, first) = (other.1, one.1);
                found.find(Finding::RepeatedEvent { index, first });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_comes_twice_is_found_in_any_order(
            lists in prop::collection::vec(prop::collection::vec(0_u128..400, 0..120), 0..5),
        ) {
            let (mut all, mut index, mut seen) = (Ids::default(), 0, Vec::new());
            for list in lists {
                let mut unit = Ids::default();
                for id in list {
                    unit.push((id << 60).to_be_bytes(), index);
                    seen.push((id, index));
                    index += 1;
                }
                unit.sort();
                prop_assert!(unit.all.is_sorted());
                all.append(&mut unit);
            }
            let mut found = Findings::default();
            all.repeated(&mut found);
            seen.sort_unstable();
            let twice = seen.array_windows().filter(|[one, other]| one.0 == other.0);
            let twice = twice.map(|[one, other]| Finding::RepeatedEvent {
                index: other.1,
                first: one.1,
            });
            prop_assert_eq!(found.all, twice.collect::<Vec<_>>());
        }
    }
}
