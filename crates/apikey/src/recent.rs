//! A bounded map that keeps what was used recently.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

/// Two maps: what was used since the young one was begun, and what was used before. When the young
/// one is full it becomes the old one, and the old one goes.
pub(crate) struct Recent<K, V, S = RandomState> {
    young: HashMap<K, V, S>,
    old: HashMap<K, V, S>,
    half: usize,
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Default> Recent<K, V, S> {
    /// At most `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            half: capacity / 2,
        }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_bounded_and_never_wrong(
            capacity in 0_usize..12,
            steps in prop::collection::vec((0_u8..20, 0_u8..3), 0..200),
        ) {
            let mut recent: Recent<_, _> = Recent::new(capacity);
            let mut all = HashMap::new();
            for (number, (key, step)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        recent.insert(key, number);
                        all.insert(key, number);
                        prop_assert_eq!(recent.get(&key).is_some(), capacity >= 2);
                    }
                    1 => {
                        let found = recent.get(&key);
                        prop_assert!(found.is_none() || found == all.get(&key).copied());
                    }
                    _ => {
                        recent.remove(&key);
                        all.remove(&key);
                        prop_assert_eq!(recent.get(&key), None);
                    }
                }
                prop_assert!(recent.len() <= capacity);
            }
        }
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent: Recent<_, _> = Recent::new(8);
        for other in 1..100 {
            recent.insert(0, ());
            recent.insert(other, ());
            assert!(recent.get(&0).is_some());
        }
    }
}
