//! When keys were last used, gathered and written in batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::KeyId;

/// Gathers when each key was last used, until a batch is taken.
///
/// ```
/// use strongroom_apikey::LastUsed;
///
/// let last_used = LastUsed::new(10_000);
/// last_used.note(&"EXAMPLEKEY00".parse()?, 1_800_000_000)?;
/// last_used.note(&"EXAMPLEKEY00".parse()?, 1_800_000_009)?;
/// assert_eq!(last_used.take(), [("EXAMPLEKEY00".parse()?, 1_800_000_009)]);
/// assert_eq!(last_used.take(), []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LastUsed {
    batch: Mutex<HashMap<KeyId, u64>>,
    capacity: usize,
}

/// The batch is full, and the use of one more key is not noted: take it more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch of last uses is full")]
pub struct BatchFull;

impl LastUsed {
    /// Gathers for at most `capacity` keys at a time.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            batch: Mutex::default(),
            capacity,
        }
    }

    /// Notes a use, at `now` in Unix seconds.
    ///
    /// # Errors
    /// [`BatchFull`]; a request need not fail for it.
    pub fn note(&self, id: &KeyId, now: u64) -> Result<(), BatchFull> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = batch.get_mut(id) {
            // A request that took long may be noted late.
            *last = now.max(*last);
            return Ok(());
        }
        if batch.len() >= self.capacity {
            return Err(BatchFull);
        }
        batch.insert(id.clone(), now);
        Ok(())
    }

    /// Takes the batch, in the order of ids: rows that several nodes update in one order do not
    /// wait for one another in a circle.
    #[must_use]
    pub fn take(&self) -> Vec<(KeyId, u64)> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = std::mem::take(&mut *batch);
        drop(batch);
        let mut taken: Vec<_> = taken.into_iter().collect();
        taken.sort_unstable();
        taken
    }

    /// Puts a batch back that could not be written.
    ///
    /// # Errors
    /// [`BatchFull`] when some of it is lost.
    pub fn put_back(&self, batch: Vec<(KeyId, u64)>) -> Result<(), BatchFull> {
        let mut put = Ok(());
        for (id, used) in batch {
            put = put.and(self.note(&id, used));
        }
        put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> KeyId {
        KeyId::from_random(&[number; 16])
    }

    #[test]
    fn a_batch_is_bounded_ordered_and_keeps_the_latest() {
        let last_used = LastUsed::new(2);
        for (number, now) in [(2, 5), (1, 9), (2, 7), (1, 8)] {
            assert_eq!(last_used.note(&id(number), now), Ok(()));
        }
        assert_eq!(last_used.note(&id(3), 9), Err(BatchFull));
        let batch = last_used.take();
        let mut expected = vec![(id(1), 9), (id(2), 7)];
        expected.sort();
        assert_eq!(batch, expected);
        assert_eq!(last_used.note(&id(1), 20), Ok(()));
        assert_eq!(last_used.put_back(batch), Ok(()));
        assert!(last_used.take().contains(&(id(1), 20)));
    }
}
