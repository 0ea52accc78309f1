//! How many sets of keys a node fetches at once, and for one tenant: the look-up of a name cannot
//! be stopped, so that whoever may name hosts could take all the threads that look up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use strongroom_tenancy::TenantId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Most fetches of a node.
const OF_NODE: usize = 32;

/// Most of one tenant.
const OF_TENANT: usize = 2;

/// Who may fetch.
pub(super) struct Fetches {
    node: Arc<Semaphore>,
    tenants: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
}

/// One fetch, until it is dropped.
pub(super) struct Turn {
    _of_tenant: OwnedSemaphorePermit,
    _of_node: OwnedSemaphorePermit,
}

impl Fetches {
    /// Nobody fetches.
    pub(super) fn new() -> Self {
        Self {
            node: Arc::new(Semaphore::new(OF_NODE)),
            tenants: Mutex::default(),
        }
    }

    /// Waits for a turn of the tenant's, then for one of the node's: a tenant with many waits for
    /// itself.
    pub(super) async fn turn(&self, tenant: TenantId) -> Result<Turn, AcquireError> {
        let of_tenant = self.of(tenant).acquire_owned().await?;
        let of_node = Arc::clone(&self.node).acquire_owned().await?;
        Ok(Turn {
            _of_tenant: of_tenant,
            _of_node: of_node,
        })
    }

    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut all = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for are as good as new.
        all.retain(|_, kept| kept.strong_count() > 0);
        let kept = all.get(&tenant).and_then(Weak::upgrade);
        kept.unwrap_or_else(|| {
            let kept = Arc::new(Semaphore::new(OF_TENANT));
            all.insert(tenant, Arc::downgrade(&kept));
            kept
        })
    }
}

impl Turn {
    /// Does something that goes on when it is no longer waited for, and keeps the turn until it is
    /// over all the same. None when it panicked.
    pub(super) async fn hold<T: Send + 'static>(
        self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<(T, Self)> {
        let held = async move {
            let found = work.await;
            (found, self)
        };
        tokio::spawn(held).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn tenant(number: usize) -> TenantId {
        let text = format!("0190b2a4-8c7e-7d3a-9f00-0242ac12{number:04}");
        text.parse().unwrap()
    }

    fn turn(fetches: &Fetches, number: usize) -> Option<Turn> {
        let asked = fetches.turn(tenant(number)).now_or_never();
        asked.map(Result::unwrap)
    }

    #[test]
    fn two_of_a_tenant_and_thirty_two_of_a_node() {
        let fetches = Fetches::new();
        let mut held: Vec<Turn> = Vec::new();
        for number in 0..16 {
            for _ in 0..2 {
                held.push(turn(&fetches, number).unwrap());
            }
            assert!(turn(&fetches, number).is_none(), "a third of one tenant's");
        }
        assert!(turn(&fetches, 99).is_none(), "a 33rd of the node's");
        held.pop();
        let next = turn(&fetches, 99).unwrap();
        drop((held, next));
        assert!(turn(&fetches, 0).is_some());
        assert!(fetches.tenants.lock().unwrap().len() <= 1, "none is kept");
    }

    #[tokio::test]
    async fn a_look_up_keeps_its_turn_until_it_ends() {
        let fetches = Fetches::new();
        let _other = turn(&fetches, 1).unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        // A thread that waits for a name server.
        let look_up = async move {
            let looked = tokio::task::spawn_blocking(move || ended.recv());
            looked.await.is_ok()
        };
        let held = turn(&fetches, 1).unwrap().hold(look_up);
        let given_up = tokio::time::timeout(Duration::from_millis(50), held).await;
        assert!(given_up.is_err());
        assert!(turn(&fetches, 1).is_none(), "it goes on");
        end.send(()).unwrap();
        let next = fetches.turn(tenant(1));
        let next = tokio::time::timeout(Duration::from_secs(10), next).await;
        assert!(next.is_ok(), "it is over");
    }
}
