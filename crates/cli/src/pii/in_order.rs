//! Work on many things at once, whose results are taken in their order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::failure::Failure;
use crate::progress::Progress;

/// So many messages wait until workers do.
const WAITING: usize = 256;

enum Message<R> {
    /// So many bytes more are done.
    Bytes(usize),
    /// The result for the item of this number.
    Result(usize, R),
}

/// Works on each item, on so many threads, and gives the results to `take` in the items' order.
/// `work` is given a function that tells how many bytes more are done. When `take` fails, nothing
/// more is begun.
pub(super) fn in_order<T: Sync, R: Send>(
    threads: NonZeroUsize,
    items: &[T],
    mut progress: Progress,
    work: impl Fn(&T, &dyn Fn(usize)) -> R + Sync,
    mut take: impl FnMut(&T, R, &Progress) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let (sender, receiver) = sync_channel(WAITING);
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            let (next, is_over, work, sender) = (&next, &is_over, &work, sender.clone());
            scope.spawn(move || {
                // A message that nobody takes any more is not missed.
                let done = |bytes| drop(sender.send(Message::Bytes(bytes)));
                while !is_over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else {
                        break;
                    };
                    let result = work(item, &done);
                    drop(sender.send(Message::Result(number, result)));
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut in_turn = items.iter().enumerate().peekable();
        let mut taken = Ok(());
        for message in receiver {
            match message {
                Message::Bytes(bytes) => progress.add(bytes),
                Message::Result(number, result) => {
                    early.insert(number, result);
                }
            }
            while let Some((number, item)) = in_turn.peek()
                && let Some(result) = early.remove(number)
            {
                if taken.is_ok() {
                    taken = take(item, result, &progress);
                    is_over.store(taken.is_err(), Ordering::Relaxed);
                }
                in_turn.next();
            }
        }
        taken
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn unwatched() -> Progress {
        Progress::new(None, false)
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..200).collect();
        for threads in [1, 2, 7] {
            let mut results = Vec::new();
            let work = |item: &u64, done: &dyn Fn(usize)| {
                done(1);
                thread::sleep(Duration::from_micros((item * 37) % 200));
                item * 2
            };
            let threads = NonZeroUsize::new(threads).unwrap();
            in_order(threads, &items, unwatched(), work, |item, result, _| {
                results.push((*item, result));
                Ok(())
            })
            .unwrap();
            let expected: Vec<_> = items.iter().map(|item| (*item, item * 2)).collect();
            assert_eq!(results, expected);
        }
    }

    #[test]
    fn a_failure_ends_it() {
        let items: Vec<usize> = (0..10_000).collect();
        let (begun, is_taken) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = |item: &usize, _: &dyn Fn(usize)| {
            begun.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + Duration::from_secs(60);
            // Else one thread may be done with all others while the machine keeps item 3 waiting.
            while *item > 3 && !is_taken.load(Ordering::Relaxed) {
                assert!(Instant::now() < until, "item 3 is not taken");
                thread::sleep(Duration::from_micros(100));
            }
            *item
        };
        let threads = NonZeroUsize::new(2).unwrap();
        let ended = in_order(
            threads,
            &items,
            unwatched(),
            work,
            |item, _, _| match item {
                3 => {
                    is_taken.store(true, Ordering::Relaxed);
                    Err(Failure::unusable("full"))
                }
                _ => Ok(()),
            },
        );
        assert!(ended.is_err());
        assert!(begun.into_inner() < items.len());
    }

    #[test]
    fn nothing_is_soon_done() {
        let threads = NonZeroUsize::new(2).unwrap();
        let none: [u8; 0] = [];
        in_order(threads, &none, unwatched(), |_, _| (), |_, (), _| Ok(())).unwrap();
    }
}
