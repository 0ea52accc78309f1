//! Zones: which of them hold what, for those who acknowledge and those who sign.
//!
//! PostgreSQL waits for positions in its log, and takes a standby's word for its own. A former primary
//! that comes back with writes that nobody else has is further in a history of its own, and its word
//! counts. So a zone counts here only while it is admitted: one connection of it, after it was read
//! directly and showed what had just been written.

mod degraded;
mod losses;
mod monitor;
mod roots;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use strongroom_tenancy::TenantId;
use tokio::sync::watch;
use uuid::Uuid;

pub(super) use degraded::DegradedNote;
pub use monitor::Monitor;
pub(super) use roots::{Agreement, Reading, root_in};

use super::batch::BatchError;
use crate::config::{ZoneMode, ZoneName, Zones};
use crate::metrics;
use crate::postgres::{
    Endpoint, EndpointError, InZones, Job, Pool, Position, PrimaryView, QueryError, Role,
};

/// How long a commit may wait for its zones before it is taken for unknown, and repeated. Whoever
/// waits for its events gave up long before; to wait on keeps them out of sight until they are where
/// they are to be.
pub(super) const IN_DOUBT: Duration = Duration::from_secs(600);

/// Between two looks at who holds a batch that is committed: the first, and the most.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const LOOK_AT_MOST: Duration = Duration::from_millis(50);

/// The zones of the platform, and how each stands.
pub struct ZoneSet {
    mode: ZoneMode,
    names: Vec<ZoneName>,
    /// Each standby, to be read directly.
    standbys: Vec<Job>,
    primary: Job,
    /// This process among those that look.
    watcher: Uuid,
    standing: watch::Sender<Vec<Standing>>,
    /// Whether the primary does not say who streams from it: nothing is acknowledged then, whatever
    /// stands here of the zones.
    is_blind: AtomicBool,
    /// How often each was lost.
    losses: Family<metrics::Zone, Counter>,
    /// How much of each log every zone holds, of what was appended here since its last checkpoint.
    whole: Mutex<HashMap<TenantId, u64>>,
}

/// How a zone stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody has looked yet, or it is being looked at.
    Unknown,
    /// What it says counts.
    Admitted(Admitted),
    /// What it says does not count.
    Lost,
}

/// One connection of a zone, on one timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Admitted {
    connection: (i32, SystemTime),
    timeline: u32,
}

/// The zones could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneSetError {
    /// A standby's URL is refused.
    #[error("zones.standbys: {0}: {1}")]
    Endpoint(ZoneName, EndpointError),
    /// There is no runtime.
    #[error(transparent)]
    Pool(#[from] QueryError),
    /// No randomness from the operating system.
    #[error("no randomness from the operating system")]
    Randomness,
}

impl ZoneSet {
    /// The zones of a configuration; nothing when there is but one.
    ///
    /// # Errors
    /// [`ZoneSetError`] names the standby that is refused.
    pub fn new(
        zones: &Zones,
        primary: Endpoint,
        password_dir: Option<&std::path::Path>,
    ) -> Result<Option<Self>, ZoneSetError> {
        if zones.mode == ZoneMode::One {
            return Ok(None);
        }
        let mut standbys = Vec::with_capacity(zones.standbys.len());
        for standby in &zones.standbys {
            let endpoint = Endpoint::parse(&standby.url, password_dir.map(Into::into))
                .map_err(|error| ZoneSetError::Endpoint(standby.name.clone(), error))?;
            // One for the monitor, one for whoever signs.
            standbys.push(Job::new(Pool::new(endpoint, Role::Checkpointer, 2)?));
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| ZoneSetError::Randomness)?;
        let (standing, _) = watch::channel(vec![Standing::Unknown; standbys.len()]);
        let names: Vec<_> = zones.standbys.iter().map(|it| it.name.clone()).collect();
        let losses = metrics::Zone::none_yet(&names);
        Ok(Some(Self {
            mode: zones.mode,
            names,
            standbys,
            primary: Job::new(Pool::dedicated(primary, Role::Checkpointer)?),
            watcher: Uuid::from_bytes(random),
            standing,
            is_blind: AtomicBool::new(false),
            losses,
            whole: Mutex::default(),
        }))
    }

    /// The zones that are lost: what they say does not count.
    #[must_use]
    pub fn lost(&self) -> Vec<ZoneName> {
        let standing = self.standing.borrow();
        let lost = self.names.iter().zip(standing.iter());
        lost.filter(|(_, standing)| **standing == Standing::Lost)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Each zone but the primary's, and whether what it says counts.
    pub(crate) fn held(&self) -> Vec<(String, bool)> {
        let sees = !self.is_blind.load(Ordering::Relaxed);
        let standing = self.standing.borrow();
        let zones = self.names.iter().zip(standing.iter());
        zones
            .map(|(name, it)| {
                let is_held = sees && matches!(it, Standing::Admitted(_));
                (name.to_string(), is_held)
            })
            .collect()
    }

    /// Whether events can be acknowledged, as far as it is the zones that decide.
    pub(crate) fn acknowledges(&self) -> bool {
        !self.is_blind.load(Ordering::Relaxed) && !self.is_short()
    }

    /// How often each zone was lost.
    pub(crate) const fn losses(&self) -> &Family<metrics::Zone, Counter> {
        &self.losses
    }

    /// Whether too few zones are left for anything to be acknowledged.
    #[must_use]
    pub fn is_short(&self) -> bool {
        is_short(self.mode, &self.standing.borrow())
    }

    /// Done when too few zones are left.
    pub(super) async fn until_short(&self) {
        let mut standing = self.standing.subscribe();
        let is_short = |standing: &Vec<Standing>| is_short(self.mode, standing);
        // The sender is this set's own, and so there.
        let _ = standing.wait_for(is_short).await;
    }

    /// Done when enough zones are left.
    pub(crate) async fn until_enough(&self) {
        let mut standing = self.standing.subscribe();
        let is_enough = |standing: &Vec<Standing>| !is_short(self.mode, standing);
        // As above.
        let _ = standing.wait_for(is_enough).await;
    }

    /// Waits until as many zones as there must be hold a commit, and answers how many standbys do.
    ///
    /// What the database says is not enough: by the time it says that a commit is in its zones, one
    /// of them may be a zone that only calls itself so.
    pub(super) async fn until_held(&self, commit: &mut InZones) -> Result<usize, BatchError> {
        // Asked behind the COMMIT, so that what was committed is before it.
        let position = commit.view()?.flushed;
        let mut standing = self.standing.subscribe();
        let mut pause = LOOK_AGAIN;
        let waited = tokio::time::timeout(IN_DOUBT, async {
            loop {
                let view = commit.view()?;
                let holders = {
                    let standing = standing.borrow_and_update();
                    holders(&view, &self.names, &standing, position)
                };
                if holders >= self.mode.standbys() {
                    return Ok(holders);
                }
                tokio::select! {
                    _ = standing.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LOOK_AT_MOST);
                commit.look_again().await?;
            }
        });
        waited.await.unwrap_or(Err(BatchError::Zones))
    }

    /// Notes that every zone holds a log up to a size.
    pub(super) fn note_whole(&self, logs: impl Iterator<Item = (TenantId, u64)>) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.extend(logs);
    }

    /// How many standbys there are.
    pub(super) const fn standbys(&self) -> usize {
        self.standbys.len()
    }

    pub(super) fn whole_of(&self, tenant: TenantId) -> u64 {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.get(&tenant).copied().unwrap_or(0)
    }

    /// A checkpoint says it by itself from now on.
    pub(super) fn forget_whole(&self, tenant: TenantId, size: u64) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if whole.get(&tenant).is_some_and(|known| *known <= size) {
            whole.remove(&tenant);
        }
    }
}

/// Two lines for those who watch: each standby with `held`, `lost` or `unknown`, and whether events are
/// acknowledged.
impl fmt::Display for ZoneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.standing.borrow().clone();
        write!(f, "zones: {}", self.mode)?;
        for (name, standing) in self.names.iter().zip(&standing) {
            let word = match standing {
                Standing::Unknown => "unknown",
                Standing::Admitted(_) => "held",
                Standing::Lost => "lost",
            };
            write!(f, ", {name} {word}")?;
        }
        let word = if is_short(self.mode, &standing) {
            "no"
        } else {
            "yes"
        };
        write!(f, "\nacknowledges: {word}\n")
    }
}

fn is_short(mode: ZoneMode, standing: &[Standing]) -> bool {
    let left = standing.iter().filter(|it| **it != Standing::Lost);
    left.count() < mode.standbys()
}

/// How many zones hold what was written up to a position: by the connection that was admitted, on the
/// timeline that it was admitted on.
fn holders(
    view: &PrimaryView,
    names: &[ZoneName],
    standing: &[Standing],
    position: Position,
) -> usize {
    let zones = names.iter().zip(standing);
    zones
        .filter(|(name, standing)| {
            view.walsender(name.as_str()).is_some_and(|found| {
                let this = Standing::Admitted(Admitted {
                    connection: found.connection,
                    timeline: view.timeline,
                });
                this == **standing && found.is_streaming && found.flushed >= position
            })
        })
        .count()
}

#[cfg(test)]
mod tests {
    use crate::postgres::Walsender;

    use super::*;

    const ADMITTED: Admitted = Admitted {
        connection: (7, SystemTime::UNIX_EPOCH),
        timeline: 2,
    };

    fn view(change: impl FnOnce(&mut PrimaryView)) -> PrimaryView {
        let walsender = Walsender {
            zone: "z2".to_owned(),
            connection: ADMITTED.connection,
            slot: None,
            is_streaming: true,
            flushed: 100,
        };
        let mut view = PrimaryView {
            flushed: 100,
            timeline: 2,
            walsenders: vec![walsender],
        };
        change(&mut view);
        view
    }

    fn held(view: &PrimaryView, standing: Standing, position: Position) -> bool {
        let names = ["z2", "z3"].map(|name| name.parse().unwrap());
        let standing = [standing, Standing::Unknown];
        holders(view, &names, &standing, position) == 1
    }

    type Change = fn(&mut PrimaryView, SystemTime);

    #[test]
    fn only_the_connection_that_was_admitted_counts() {
        let admitted = Standing::Admitted(ADMITTED);
        assert!(held(&view(|_| {}), admitted, 100));
        for standing in [Standing::Unknown, Standing::Lost] {
            assert!(!held(&view(|_| {}), standing, 100));
        }
        assert!(!held(&view(|_| {}), admitted, 101), "not flushed there");
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let changes: [(&str, Change); 6] = [
            ("another process", |view, _| {
                view.walsenders[0].connection.0 = 8
            }),
            ("a later process", |view, at| {
                view.walsenders[0].connection.1 = at
            }),
            ("not caught up", |view, _| {
                view.walsenders[0].is_streaming = false
            }),
            ("another timeline", |view, _| view.timeline = 3),
            ("another zone", |view, _| {
                view.walsenders[0].zone = "z4".to_owned()
            }),
            ("nobody", |view, _| view.walsenders.clear()),
        ];
        for (name, change) in changes {
            let changed = view(|view| change(view, later));
            assert!(!held(&changed, admitted, 100), "{name}");
        }
    }

    #[test]
    fn how_many_may_be_lost() {
        let admitted = Standing::Admitted(ADMITTED);
        for (standing, any_2, any_1) in [
            ([admitted, Standing::Unknown], false, false),
            ([admitted, Standing::Lost], true, false),
            ([Standing::Lost, Standing::Lost], true, true),
        ] {
            assert_eq!(is_short(ZoneMode::Any2, &standing), any_2);
            assert_eq!(is_short(ZoneMode::Any1, &standing), any_1);
        }
    }
}
