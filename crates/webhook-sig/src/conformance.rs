//! The tests that every [`ReplayGuard`] must pass.
//!
//! ```
//! use strongroom_webhook_sig::{DEFAULT_LEASE, MemoryReplayGuard, conformance};
//!
//! let guard = MemoryReplayGuard::new(1000, 300);
//! let terms = conformance::Terms { tolerance: 300, lease: DEFAULT_LEASE };
//! pollster::block_on(conformance::run(&guard, terms, "first-run"))?;
//! # Ok::<(), conformance::Failure>(())
//! ```

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::{Claim, HeaderSet, ReplayGuard, SigningSecret, Verified, Verifier, WebhookError, sign};

/// What the guard was set up with, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The verifier's tolerance.
    pub tolerance: u64,
    /// How long a claim is held that nobody settles.
    pub lease: u64,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replay guard does not conform: {check}: {found}")]
pub struct Failure {
    /// The check's name, one of [`CHECKS`].
    pub check: &'static str,
    /// What was expected, and what came.
    pub found: String,
}

/// The names of the checks, in the order in which they run.
pub const CHECKS: &[&str] = &[
    "a delivery is accepted once",
    "a retry waits while the message is in flight",
    "a retry of a committed message is a duplicate",
    "a retry of a released message is first",
    "endpoints never meet",
    "a claim is settled one way and by its holder",
    "a claim lapses after its lease",
    "of concurrent claims one is first",
    "a delivery is remembered for its whole retention",
    "a committed message is remembered for days",
    "a clock that steps back forgets nothing",
];

/// When the checks begin, in Unix seconds.
const START: u64 = 1_800_000_000;

struct Trial<'g> {
    guard: &'g dyn ReplayGuard,
    terms: Terms,
    endpoint: String,
}

type Outcome = Result<(), String>;

/// Runs every check, each under an endpoint's name of its own that begins with `endpoint`: one
/// that the guard has not seen.
///
/// # Errors
/// The first check that fails.
pub async fn run(guard: &dyn ReplayGuard, terms: Terms, endpoint: &str) -> Result<(), Failure> {
    for (number, check) in CHECKS.iter().enumerate() {
        let trial = Trial {
            guard,
            terms,
            endpoint: format!("{endpoint}-{number}"),
        };
        let outcome = match number {
            0 => trial.once().await,
            1 => trial.in_flight().await,
            2 => trial.committed().await,
            3 => trial.released().await,
            4 => trial.endpoints().await,
            5 => trial.settled().await,
            6 => trial.lease().await,
            7 => trial.concurrent().await,
            8 => trial.retention().await,
            9 => trial.days().await,
            _ => trial.back().await,
        };
        outcome.map_err(|found| Failure { check, found })?;
    }
    Ok(())
}

impl Trial<'_> {
    async fn once(&self) -> Outcome {
        let first = delivery("a", START)?;
        self.claims(&first, START, Ok(Claim::First)).await?;
        self.claims(&first, START, Err(WebhookError::Replayed))
            .await?;
        self.commits(&first, START + 1, Ok(())).await?;
        self.claims(&first, START + 2, Err(WebhookError::Replayed))
            .await?;
        let other = delivery("b", START)?;
        self.claims(&other, START, Ok(Claim::First)).await
    }

    async fn in_flight(&self) -> Outcome {
        self.claims(&delivery("a", START)?, START, Ok(Claim::First))
            .await?;
        let retry = delivery("a", START + 5)?;
        self.claims(&retry, START + 5, Err(WebhookError::InFlight))
            .await?;
        self.claims(&retry, START + 6, Err(WebhookError::InFlight))
            .await
    }

    async fn committed(&self) -> Outcome {
        let (first, retry) = (delivery("a", START)?, delivery("a", START + 5)?);
        self.claims(&first, START, Ok(Claim::First)).await?;
        self.commits(&first, START, Ok(())).await?;
        self.claims(&retry, START + 5, Ok(Claim::Duplicate)).await?;
        self.claims(&retry, START + 5, Err(WebhookError::Replayed))
            .await?;
        let later = delivery("a", START + 9)?;
        self.claims(&later, START + 9, Ok(Claim::Duplicate)).await
    }

    async fn released(&self) -> Outcome {
        let (first, retry) = (delivery("a", START)?, delivery("a", START + 5)?);
        self.claims(&first, START, Ok(Claim::First)).await?;
        self.releases(&first, START, Ok(())).await?;
        self.claims(&first, START + 1, Err(WebhookError::Replayed))
            .await?;
        self.claims(&retry, START + 5, Ok(Claim::First)).await
    }

    async fn endpoints(&self) -> Outcome {
        let message = delivery("a", START)?;
        self.claims(&message, START, Ok(Claim::First)).await?;
        self.commits(&message, START, Ok(())).await?;
        let elsewhere = Self {
            endpoint: format!("{}-elsewhere", self.endpoint),
            ..*self
        };
        elsewhere
            .commits(&message, START, Err(WebhookError::ClaimLost))
            .await?;
        elsewhere.claims(&message, START, Ok(Claim::First)).await
    }

    async fn settled(&self) -> Outcome {
        let lost = Err(WebhookError::ClaimLost);
        let (first, retry) = (delivery("a", START)?, delivery("a", START + 5)?);
        self.commits(&first, START, lost).await?;
        self.releases(&first, START, lost).await?;
        self.claims(&first, START, Ok(Claim::First)).await?;
        self.commits(&retry, START, lost).await?;
        self.releases(&retry, START, lost).await?;
        self.releases(&first, START, Ok(())).await?;
        self.releases(&first, START, Ok(())).await?;
        self.commits(&first, START, lost).await?;
        self.claims(&retry, START + 5, Ok(Claim::First)).await?;
        self.commits(&retry, START + 5, Ok(())).await?;
        self.commits(&retry, START + 5, Ok(())).await?;
        self.releases(&retry, START + 5, lost).await?;
        let later = delivery("a", START + 9)?;
        self.claims(&later, START + 9, Ok(Claim::Duplicate)).await?;
        self.releases(&later, START + 9, lost).await
    }

    async fn lease(&self) -> Outcome {
        let end = START + self.terms.lease;
        let first = delivery("a", START)?;
        self.claims(&first, START, Ok(Claim::First)).await?;
        let retry = delivery("a", START + 5)?;
        self.claims(&retry, end, Err(WebhookError::InFlight))
            .await?;
        self.claims(&retry, end + 1, Ok(Claim::First)).await?;
        self.commits(&first, end + 2, Err(WebhookError::ClaimLost))
            .await?;
        self.releases(&first, end + 2, Err(WebhookError::ClaimLost))
            .await?;
        self.commits(&retry, end + 2, Ok(())).await
    }

    async fn concurrent(&self) -> Outcome {
        for round in 0..20_u64 {
            let id = format!("m{round}");
            let mut attempts = Vec::new();
            for attempt in 0..8 {
                // Two attempts each share a timestamp.
                attempts.push(delivery(&id, START + attempt / 2)?);
            }
            let claims = attempts.iter();
            let claims = claims.map(|attempt| self.guard.claim(&self.endpoint, attempt, START));
            let outcomes = all(claims.collect()).await;
            let mut first = 0;
            for outcome in outcomes {
                match outcome {
                    Ok(Claim::First) => first += 1,
                    Err(WebhookError::InFlight | WebhookError::Replayed) => {}
                    other => return Err(format!("expected one first claim, got {other:?}")),
                }
            }
            if first != 1 {
                return Err(format!("{first} of 8 concurrent claims are first"));
            }
        }
        Ok(())
    }

    async fn retention(&self) -> Outcome {
        let Terms { tolerance, .. } = self.terms;
        let ahead = delivery("a", START + tolerance)?;
        self.claims(&ahead, START, Ok(Claim::First)).await?;
        self.commits(&ahead, START, Ok(())).await?;
        let last = START + 2 * tolerance + 60;
        self.claims(&ahead, last, Err(WebhookError::Replayed)).await
    }

    async fn days(&self) -> Outcome {
        let first = delivery("a", START)?;
        self.claims(&first, START, Ok(Claim::First)).await?;
        self.commits(&first, START, Ok(())).await?;
        for day in 1..4 {
            let now = START + day * 24 * 60 * 60;
            self.claims(&delivery("a", now)?, now, Ok(Claim::Duplicate))
                .await?;
        }
        Ok(())
    }

    async fn back(&self) -> Outcome {
        // Later than every other check, because a guard may keep one time for all endpoints.
        let now = START + 10 * 24 * 60 * 60;
        let first = delivery("a", now)?;
        self.claims(&first, now, Ok(Claim::First)).await?;
        self.claims(&first, now - 100, Err(WebhookError::Replayed))
            .await?;
        let retry = delivery("a", now - 50)?;
        self.claims(&retry, now - 50, Err(WebhookError::InFlight))
            .await?;
        self.commits(&first, now - 10, Ok(())).await?;
        self.claims(&first, now, Err(WebhookError::Replayed)).await
    }

    async fn claims(
        &self,
        verified: &Verified,
        now: u64,
        expected: Result<Claim, WebhookError>,
    ) -> Outcome {
        let found = self.guard.claim(&self.endpoint, verified, now).await;
        compare("claim", expected, found)
    }

    async fn commits(
        &self,
        verified: &Verified,
        now: u64,
        expected: Result<(), WebhookError>,
    ) -> Outcome {
        let found = self.guard.commit(&self.endpoint, verified, now).await;
        compare("commit", expected, found)
    }

    async fn releases(
        &self,
        verified: &Verified,
        now: u64,
        expected: Result<(), WebhookError>,
    ) -> Outcome {
        let found = self.guard.release(&self.endpoint, verified, now).await;
        compare("release", expected, found)
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, found: T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {found:?}"))
    }
}

/// A verified delivery attempt.
fn delivery(id: &str, timestamp: u64) -> Result<Verified, String> {
    let verify = || {
        let secret = || SigningSecret::from_bytes(&[7; 32]);
        let sent = sign(&secret()?, &id.parse()?, timestamp, b"").headers();
        let sent = sent.iter().map(|(name, value)| (*name, value.as_bytes()));
        Verifier::new([secret()?])?.verify(&HeaderSet::collect(sent)?, b"", timestamp)
    };
    verify().map_err(|error: WebhookError| error.to_string())
}

/// Drives all of them at once.
async fn all<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> Vec<T> {
    let mut done = Vec::new();
    poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                done.push(outcome);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done
}
