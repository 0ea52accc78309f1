//! Together: what is asked while the database is busy with the questions before goes in one
//! statement. Alone, a question is asked at once.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Questions that may wait.
const QUEUE: usize = 1024;

/// Most questions of one statement.
const MOST: usize = 256;

/// How long whoever asks waits, their turn included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way to ask with others.
pub(super) struct Together<Q, A> {
    queue: mpsc::Sender<(Q, oneshot::Sender<A>)>,
}

impl<Q, A> Clone for Together<Q, A> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Starts to take questions; `ask` answers each, in the same order. The task ends once every
    /// way to ask is gone.
    pub(super) fn start<F>(ask: impl Fn(Vec<Q>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let (queue, mut waiting) = mpsc::channel::<(Q, oneshot::Sender<A>)>(QUEUE);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while waiting.recv_many(&mut taken, MOST).await > 0 {
                let (questions, askers): (Vec<Q>, Vec<_>) = taken.drain(..).unzip();
                // In a task of its own: what goes wrong with some questions ends none but these.
                let answers = tokio::spawn(ask(questions)).await.unwrap_or_default();
                for (asker, answer) in askers.into_iter().zip(answers) {
                    // Whoever asked may be gone.
                    let _ = asker.send(answer);
                }
            }
        });
        Self { queue }
    }

    /// Asks. Nothing when too many wait, or when there is no answer in time.
    pub(super) async fn ask(&self, question: Q) -> Option<A> {
        let (asker, answer) = oneshot::channel();
        self.queue.try_send((question, asker)).ok()?;
        tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn what_waits_is_asked_at_once_and_answered_each() {
        let (gate, statements) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let together = {
            let (gate, statements) = (Arc::clone(&gate), Arc::clone(&statements));
            Together::start(move |questions: Vec<u64>| {
                let (gate, statements) = (Arc::clone(&gate), Arc::clone(&statements));
                async move {
                    statements.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    questions.into_iter().map(|n| n * 2).collect()
                }
            })
        };
        let asked: Vec<_> = (0..100)
            .map(|n| {
                let together = together.clone();
                tokio::spawn(async move { together.ask(n).await })
            })
            .collect();
        while statements.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        for (n, answer) in asked.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), Some(n as u64 * 2));
        }
        assert!(statements.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_statement_that_breaks_leaves_the_others_answered() {
        let together = Together::start(|questions: Vec<u64>| async move {
            assert!(!questions.contains(&7), "planted");
            questions
        });
        assert_eq!(together.ask(7).await, None);
        assert_eq!(together.ask(8).await, Some(8));
    }

    #[tokio::test]
    async fn beyond_what_may_wait_there_is_no_answer() {
        let together = Together::start(|questions: Vec<u64>| async move {
            std::future::pending::<()>().await;
            questions
        });
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..(QUEUE + MOST + 1) as u64 {
            let together = together.clone();
            asked.spawn(async move { together.ask(n).await });
        }
        assert_eq!(asked.join_next().await.unwrap().unwrap(), None);
    }
}
