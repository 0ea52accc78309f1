//! A bounded pipeline of threads that keeps the order of its jobs.

use std::io;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Jobs that a thread has before it, and at most that many behind it.
const DEPTH: usize = 2;

/// Threads that do jobs; the results come in the jobs' order, for job and result go through the
/// threads in turn.
pub(super) struct Pipeline<J> {
    workers: Vec<Worker<J>>,
    submitted: usize,
    taken: usize,
}

struct Worker<J> {
    jobs: Option<SyncSender<J>>,
    done: Receiver<J>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> Pipeline<J> {
    pub(super) fn start(
        threads: NonZeroUsize,
        work: impl Fn(&mut J) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let workers = (0..threads.get())
            .map(|_| Worker::start(work.clone()))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            workers,
            submitted: 0,
            taken: 0,
        })
    }

    /// Whether a result must be taken before the next job.
    pub(super) fn is_full(&self) -> bool {
        self.submitted - self.taken >= DEPTH * self.workers.len()
    }

    pub(super) fn submit(&mut self, job: J) -> io::Result<()> {
        let worker = self.workers.get(self.submitted % self.workers.len());
        let jobs = worker.and_then(|worker| worker.jobs.as_ref());
        let sent = jobs.is_some_and(|jobs| jobs.send(job).is_ok());
        self.submitted += 1;
        sent.then_some(()).ok_or_else(lost)
    }

    /// The result of the oldest job; `None` when there is no job.
    pub(super) fn take(&mut self) -> io::Result<Option<J>> {
        if self.taken == self.submitted {
            return Ok(None);
        }
        let worker = self.workers.get(self.taken % self.workers.len());
        let result = worker.and_then(|worker| worker.done.recv().ok());
        self.taken += 1;
        result.map(Some).ok_or_else(lost)
    }
}

impl<J: Send + 'static> Worker<J> {
    fn start(work: impl Fn(&mut J) + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = sync_channel::<J>(DEPTH);
        let (results, done) = sync_channel(DEPTH);
        let thread = thread::Builder::new().spawn(move || {
            for mut job in queue {
                work(&mut job);
                if results.send(job).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
        })
    }
}

/// Waits for the thread, so that after the pipeline no key and no plaintext is left.
impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has sent nothing, and `take` has said so.
            let _ = thread.join();
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("a thread of the stream is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_jobs_order() {
        let threads = NonZeroUsize::new(3).unwrap();
        let mut pipeline = Pipeline::start(threads, |job: &mut u64| *job *= 2).unwrap();
        let mut results = Vec::new();
        for job in 0..100 {
            if pipeline.is_full() {
                results.extend(pipeline.take().unwrap());
            }
            pipeline.submit(job).unwrap();
        }
        while let Some(result) = pipeline.take().unwrap() {
            results.push(result);
        }
        assert!(results.into_iter().eq((0..100).map(|job| job * 2)));
    }

    #[test]
    fn a_lost_thread_is_an_error() {
        let mut pipeline = Pipeline::start(NonZeroUsize::MIN, |job: &mut u64| {
            assert_ne!(*job, 1, "a job that panics");
        })
        .unwrap();
        pipeline.submit(0).unwrap();
        pipeline.submit(1).unwrap();
        assert_eq!(pipeline.take().unwrap(), Some(0));
        assert!(pipeline.take().is_err());
    }
}
