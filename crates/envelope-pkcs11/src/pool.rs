//! The threads that talk to the token, so that no caller has to wait for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use cryptoki::session::Session;
use strongroom_envelope::KmsError;

use crate::answer::{Answer, Expire, Slot, channel};
use crate::deadlines::Deadlines;
use crate::failure::Failure;
use crate::limits::Limits;
use crate::line::Line;
use crate::token::{Access, Token, TokenError};

type Job = Box<dyn FnOnce(&mut Line) + Send>;

/// A few threads, each with a line to the token, behind a bounded queue.
pub(crate) struct Pool {
    jobs: Option<SyncSender<Job>>,
    deadlines: Deadlines,
    threads: Arc<Threads>,
    timeout: Duration,
}

#[derive(Default)]
struct Threads {
    /// Set when a call got no answer in time, cleared when a thread comes back from the token.
    is_stalled: AtomicBool,
    living: Mutex<usize>,
    ended: Condvar,
}

impl Pool {
    /// Starts the threads and waits for a first session.
    pub(crate) fn start(token: &Token, access: Access, limits: Limits) -> Result<Self, TokenError> {
        let threads = Arc::<Threads>::default();
        let theirs = Arc::clone(&threads);
        let stalled = move || theirs.is_stalled.store(true, Ordering::Release);
        let (jobs, queue) = mpsc::sync_channel(limits.queue.max(1));
        let pool = Self {
            jobs: Some(jobs),
            deadlines: Deadlines::start(limits.timeout, stalled)?,
            threads,
            timeout: limits.timeout,
        };
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..limits.sessions.max(1) {
            pool.spawn(Line::new(token.clone(), access), Arc::clone(&queue))?;
        }
        pool.wait_for_session()?;
        Ok(pool)
    }

    /// Has work done on a session. The work may be done although its answer comes too late, and is
    /// not begun when nobody waits for it any more.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> Answer<T> {
        let (slot, answer) = channel();
        let theirs = Arc::clone(&slot);
        let sent = self.send(Box::new(move |line| {
            if theirs.is_waited_for() {
                theirs.put(line.run(&work));
            }
        }));
        match sent {
            Ok(()) => {
                let slot: Weak<Slot<T>> = Arc::downgrade(&slot);
                let slot: Weak<dyn Expire> = slot;
                self.deadlines.set(slot);
            }
            Err(error) => {
                slot.put(Err(error));
            }
        }
        answer
    }

    fn send(&self, job: Job) -> Result<(), KmsError> {
        let jobs = self.jobs.as_ref().ok_or(KmsError::Unavailable)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) if !self.threads.is_stalled.load(Ordering::Acquire) => {
                KmsError::Throttled
            }
            _ => KmsError::Unavailable,
        })
    }

    fn spawn(&self, line: Line, queue: Arc<Mutex<Receiver<Job>>>) -> Result<(), TokenError> {
        let living = Living::new(Arc::clone(&self.threads));
        thread::Builder::new()
            .name("pkcs11-session".into())
            .spawn(move || work_off(&queue, line, &living))
            .map(drop)
            .map_err(|_| TokenError::Thread)
    }

    /// Opens a session, in the time that a call has.
    fn wait_for_session(&self) -> Result<(), TokenError> {
        let (opened, waiting) = mpsc::channel();
        self.send(Box::new(move |line| {
            let _ = opened.send(line.run(&|_| Ok(())));
        }))?;
        let opened = waiting.recv_timeout(self.timeout);
        Ok(opened.unwrap_or(Err(KmsError::Unavailable))?)
    }
}

fn work_off(queue: &Mutex<Receiver<Job>>, mut line: Line, living: &Living) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { break };
        job(&mut line);
        living.0.is_stalled.store(false, Ordering::Release);
    }
}

impl Drop for Pool {
    /// Lets the threads end and close their sessions; one that hangs in the token is left there.
    fn drop(&mut self) {
        drop(self.jobs.take());
        let living = self.threads.living();
        let ended = &self.threads.ended;
        drop(ended.wait_timeout_while(living, self.timeout, |living| *living > 0));
    }
}

impl Threads {
    fn living(&self) -> MutexGuard<'_, usize> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread for as long as it lives, however it ends.
struct Living(Arc<Threads>);

impl Living {
    fn new(threads: Arc<Threads>) -> Self {
        *threads.living() += 1;
        Self(threads)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let mut living = self.0.living();
        *living = living.saturating_sub(1);
        drop(living);
        self.0.ended.notify_all();
    }
}
