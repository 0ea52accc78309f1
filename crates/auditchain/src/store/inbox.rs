//! The committer's inbox: entries and commands in the order in which they came, taken a batch at a
//! time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::committer::{Append, Command};
use super::{AppendError, Limits, RETRY_AFTER, locked};

/// What waits for the committer.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// There is as much as the committer waits for.
    came: Condvar,
    limits: Limits,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Append>,
    /// Their bytes.
    bytes: usize,
    /// Each with the number of the entries that must be taken before it.
    commands: VecDeque<(u64, Command)>,
    /// How many entries came so far, and how many of them were taken.
    given: u64,
    taken: u64,
    /// For how many entries the committer waits; none if it does not wait.
    wanted: Option<usize>,
    is_closed: bool,
}

/// What the committer does next.
pub(super) enum Next {
    Batch(Vec<Append>),
    Command(Command),
}

/// The inbox is closed when this is dropped: whoever still waits there is told so.
pub(super) struct Reader<'a>(&'a Inbox);

impl Inbox {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::default(),
            came: Condvar::new(),
            limits,
        }
    }

    /// Takes an entry, unless too much waits already.
    pub(super) fn append(&self, append: Append) -> Result<(), AppendError> {
        let bytes = append.bytes();
        let mut state = locked(&self.state);
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        let is_full = state.entries.len() >= self.limits.queue_entries
            || state.bytes > 0 && state.bytes + bytes > self.limits.queue_bytes;
        if is_full {
            return Err(AppendError::Busy(RETRY_AFTER));
        }
        state.entries.push_back(append);
        state.bytes += bytes;
        state.given += 1;
        // To wake it for each entry takes longer than all else that is done with the entry.
        let wanted = state.wanted.unwrap_or(usize::MAX);
        let is_enough = state.entries.len() >= wanted
            || state.wanted.is_some() && state.bytes >= self.limits.batch_bytes;
        self.release(state, is_enough);
        Ok(())
    }

    /// Takes a command, if anybody is there to follow it.
    pub(super) fn command(&self, command: Command) -> Result<(), AppendError> {
        let mut state = locked(&self.state);
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        let given = state.given;
        state.commands.push_back((given, command));
        let is_awaited = state.wanted.is_some();
        self.release(state, is_awaited);
        Ok(())
    }

    pub(super) const fn reader(&self) -> Reader<'_> {
        Reader(self)
    }

    fn release(&self, mut state: MutexGuard<'_, State>, wake: bool) {
        if wake {
            state.wanted = None;
        }
        drop(state);
        if wake {
            self.came.notify_one();
        }
    }
}

impl Reader<'_> {
    /// Waits for an entry or a command. Behind the first entry it waits a little for as many as are
    /// expected: those who just got their answers are about to come again.
    pub(super) fn next(&self, expected: usize, linger: Duration) -> Next {
        let inbox = self.0;
        let mut state = locked(&inbox.state);
        while state.entries.is_empty() && state.commands.is_empty() {
            state.wanted = Some(1);
            let woken = inbox.came.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let deadline = Instant::now() + linger;
        let enough = expected.min(inbox.limits.batch_entries);
        while state.commands.is_empty()
            && state.entries.len() < enough
            && state.bytes < inbox.limits.batch_bytes
        {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.wanted = Some(enough);
            let woken = inbox.came.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wanted = None;
        state.next(&inbox.limits)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.0.state);
        state.is_closed = true;
        let left = (
            std::mem::take(&mut state.entries),
            std::mem::take(&mut state.commands),
        );
        drop(state);
        drop(left);
    }
}

impl State {
    fn next(&mut self, limits: &Limits) -> Next {
        let due = self
            .commands
            .pop_front_if(|(after, _)| *after <= self.taken);
        if let Some((_, command)) = due {
            return Next::Command(command);
        }
        let before = self.commands.front().map(|(after, _)| *after - self.taken);
        let before = before.and_then(|it| usize::try_from(it).ok());
        let most = limits.batch_entries.min(before.unwrap_or(usize::MAX));
        let (mut count, mut bytes) = (0, 0);
        for append in self.entries.iter().take(most) {
            if bytes >= limits.batch_bytes {
                break;
            }
            bytes += append.bytes();
            count += 1;
        }
        self.bytes -= bytes;
        self.taken += count as u64;
        if count < self.entries.len() {
            return Next::Batch(self.entries.drain(..count).collect());
        }
        let room = VecDeque::with_capacity(count);
        Next::Batch(std::mem::replace(&mut self.entries, room).into())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::answer::{Awaited, answer};
    use super::super::log_state::Tail;
    use super::*;
    use crate::Hash;

    fn entry(number: u8) -> (Append, Awaited) {
        let (answer, awaited) = answer();
        let append = Append {
            origin: "audit.example.com/t/acme".parse().unwrap(),
            entry: Tail {
                event_id: Uuid::nil(),
                leaf: vec![number],
                payload: Vec::new(),
            },
            leaf: Hash::EMPTY,
            answer,
        };
        (append, awaited)
    }

    fn limits(batch_entries: usize, queue_entries: usize) -> Limits {
        Limits {
            batch_entries,
            queue_entries,
            ..Limits::default()
        }
    }

    /// What comes out: the first bytes of the entries of a batch, or nothing for a command.
    fn next(reader: &Reader<'_>) -> Vec<u8> {
        match reader.next(1, Duration::ZERO) {
            Next::Batch(batch) => batch.iter().map(|it| it.entry.leaf[0]).collect(),
            Next::Command(_) => Vec::new(),
        }
    }

    #[test]
    fn commands_and_entries_come_out_in_the_order_in_which_they_came() {
        let inbox = Inbox::new(limits(2, 100));
        let reader = inbox.reader();
        let append = |number| inbox.append(entry(number).0).unwrap();
        inbox.command(Command::Look).unwrap();
        (1..=3).for_each(append);
        inbox.command(Command::Look).unwrap();
        inbox.command(Command::Look).unwrap();
        append(4);
        let expected: [&[u8]; 6] = [&[], &[1, 2], &[3], &[], &[], &[4]];
        for expected in expected {
            assert_eq!(next(&reader), expected);
        }
    }

    #[test]
    fn as_many_wait_as_may() {
        let inbox = Inbox::new(limits(100, 2));
        let reader = inbox.reader();
        let append = |number| inbox.append(entry(number).0);
        append(1).unwrap();
        append(2).unwrap();
        assert!(matches!(append(3), Err(AppendError::Busy(_))));
        assert_eq!(next(&reader), [1, 2]);
        append(4).unwrap();
        assert_eq!(next(&reader), [4]);
    }

    #[test]
    fn a_batch_ends_with_the_entry_that_fills_it() {
        let limits = Limits {
            batch_bytes: 100,
            ..Limits::default()
        };
        let inbox = Inbox::new(limits);
        let reader = inbox.reader();
        (1..=3).for_each(|number| inbox.append(entry(number).0).unwrap());
        // 65 bytes each, with what a frame says of it.
        assert_eq!(next(&reader), [1, 2]);
        assert_eq!(next(&reader), [3]);
    }

    #[test]
    fn it_waits_for_as_many_as_are_expected_and_no_longer_than_it_may() {
        let inbox = Inbox::new(Limits::default());
        let reader = inbox.reader();
        let hour = Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let come = || (1..=3).for_each(|number| inbox.append(entry(number).0).unwrap());
            scope.spawn(come);
            let Next::Batch(batch) = reader.next(3, hour) else {
                panic!("a command");
            };
            assert_eq!(batch.len(), 3);
            scope.spawn(|| {
                inbox.append(entry(4).0).unwrap();
                inbox.command(Command::Look).unwrap();
            });
            // A command ends the wait.
            assert!(matches!(reader.next(2, hour), Next::Batch(one) if one.len() == 1));
            assert!(matches!(reader.next(2, hour), Next::Command(_)));
        });
        inbox.append(entry(5).0).unwrap();
        assert_eq!(next(&reader), [5]);
    }

    #[test]
    fn what_nobody_reads_any_more_is_answered_and_nothing_more_taken() {
        let inbox = Inbox::new(Limits::default());
        let (append, awaited) = entry(1);
        inbox.append(append).unwrap();
        drop(inbox.reader());
        assert!(matches!(awaited.wait(), Err(AppendError::Closed)));
        let append = inbox.append(entry(2).0);
        assert!(matches!(append, Err(AppendError::Closed)));
        let command = inbox.command(Command::Look);
        assert!(matches!(command, Err(AppendError::Closed)));
    }
}
