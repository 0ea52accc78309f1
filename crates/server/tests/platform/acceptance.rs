//! Whether nodes accept a credential, asked once or all the time while something happens.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::platform::{Answer, client};

/// Whether the node at this address accepts a credential.
pub(crate) async fn accepts(base: &str, credential: &str) -> bool {
    let call = client()
        .get(format!("{base}/v1/policy"))
        .bearer_auth(credential);
    let answer = Answer::of(call.send().await.unwrap()).await;
    match answer.status {
        401 => {
            assert_eq!(answer.slug(), "credential-refused");
            false
        }
        200 | 404 => true,
        _ => panic!("{}: {}", answer.status, answer.text),
    }
}

/// Nodes that are asked all the time.
pub(crate) struct Asking {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Instant>>,
}

impl Asking {
    /// Begins to ask each node for each credential, and lets them be kept there.
    pub(crate) async fn begin(bases: &[&str], credentials: &[&str]) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        for base in bases {
            for credential in credentials {
                assert!(accepts(base, credential).await);
                let (base, credential) = ((*base).to_owned(), (*credential).to_owned());
                let stop = stop.clone();
                tasks.push(tokio::spawn(async move {
                    let mut last = Instant::now();
                    while !stop.is_cancelled() {
                        let asked = Instant::now();
                        if accepts(&base, &credential).await {
                            last = asked;
                        }
                        // Others are to come to their turn.
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    last
                }));
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        Self { stop, tasks }
    }

    /// When the last call set out that was accepted, of those up to half a second from now.
    pub(crate) async fn last_accepted(self) -> Instant {
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.stop.cancel();
        let asked = futures_util::future::join_all(self.tasks).await;
        asked.into_iter().map(Result::unwrap).max().unwrap()
    }
}
