//! The monitor: looks at each zone, admits it, and says at once when one is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use strongroom_auditchain::Outcome;
use strongroom_tenancy::{Actor, ActorId, ActorKind, TenantId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::losses::{News, What, tell};
use super::{Admitted, Standing, ZoneSet};
use crate::audit::{Draft, EventError, Sequencer, new_event_id};
use crate::clock::Clock;
use crate::jobs::request_id;
use crate::metrics::Zone;
use crate::postgres::{PrimaryView, QueryError, StandbyView, ZONE, ZONES};

/// How often the zones are looked at.
const TICK: Duration = Duration::from_millis(250);

/// How long the primary may take to say who streams from it.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a zone may take to show what was just written.
const SHOW: Duration = Duration::from_secs(1);

/// How often a zone that stays lost is complained of.
const COMPLAIN: Duration = Duration::from_secs(10);

/// It must be there before the zones are waited for: one of them may be what is lost.
pub(super) const LOCALLY: &str =
    "select pg_catalog.set_config('synchronous_commit', 'local', true)";

const PROBE: &str = "insert into app.zone_probes (zone, watcher, nonce) values ($1, $2, $3) \
     on conflict (zone, watcher) do update set nonce = excluded.nonce, \
     written_at = pg_catalog.clock_timestamp()";

/// What processes that are gone left behind.
const SWEEP: &str = "delete from app.zone_probes \
     where written_at < pg_catalog.clock_timestamp() - interval '1 day' and watcher <> $1";

/// After so many looks an admitted zone is read again: what it means by flushed is a setting that a
/// reload changes.
const READ_AGAIN: u32 = 40;

/// The running monitor.
pub struct Monitor {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a zone is not admitted.
#[derive(Debug, thiserror::Error)]
enum NotAdmitted {
    #[error("nobody streams to it, or two do")]
    Absent,
    #[error("it has not caught up")]
    Behind,
    #[error("it could not be read: {0}")]
    Unread(#[from] QueryError),
    #[error("it is no standby, or receives nothing")]
    NoStandby,
    #[error("it is on timeline {theirs:?}, the primary on {ours}")]
    Timeline { ours: u32, theirs: Option<u32> },
    #[error("what was read is not what streams: their slots differ")]
    Slot,
    #[error("its fsync is off")]
    NotDurable,
    #[error("it did not show in time what was just written")]
    Unshown,
    #[error("it connected again meanwhile")]
    Changed,
    #[error("no randomness from the operating system")]
    Randomness,
}

struct Watch {
    zones: Arc<ZoneSet>,
    clock: Arc<dyn Clock>,
    news: mpsc::UnboundedSender<News>,
    /// When each zone that is lost was complained of.
    complained: Vec<Option<Instant>>,
    /// The connection of each that was admitted last.
    admitted: Vec<Option<(i32, SystemTime)>>,
    looks: u32,
}

impl Monitor {
    /// Looks at the zones once, and goes on looking.
    pub async fn start(zones: Arc<ZoneSet>, sequencer: Sequencer, clock: Arc<dyn Clock>) -> Self {
        let stop = CancellationToken::new();
        let (news, told) = mpsc::unbounded_channel();
        let mut watch = Watch {
            complained: vec![None; zones.standbys()],
            admitted: vec![None; zones.standbys()],
            zones,
            clock,
            news,
            looks: 0,
        };
        if let Err(error) = watch.zones.sweep().await {
            tracing::warn!(%error, "old probes were not deleted");
        }
        watch.look().await;
        let of_telling = Arc::clone(&watch.zones);
        let looking = async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                watch.look().await;
            }
        };
        let telling = async move { tell(&of_telling, told, sequencer).await };
        let tasks = vec![
            tokio::spawn(until(stop.clone(), looking)),
            tokio::spawn(until(stop.clone(), telling)),
        ];
        Self { stop, tasks }
    }

    /// Ends it. What could not be written of a zone that is lost the next start writes, or another node.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

impl Watch {
    async fn look(&mut self) {
        let view = match timeout(ANSWER, self.zones.view()).await {
            Ok(Ok(view)) => view,
            other => {
                // Nothing is acknowledged without its answer, whatever stands here of the zones.
                if !self.zones.is_blind.swap(true, Ordering::Relaxed) {
                    let reason = other.map(Result::err);
                    tracing::error!(?reason, "the primary does not say who streams from it");
                }
                return;
            }
        };
        self.zones.is_blind.store(false, Ordering::Relaxed);
        self.looks = self.looks.wrapping_add(1);
        let is_read = self.looks.is_multiple_of(READ_AGAIN);
        for zone in 0..self.zones.standbys() {
            let found = self.zones.examine(zone, &view, is_read).await;
            self.note(zone, found);
        }
    }

    /// Says what changed, at once and in the platform's log.
    fn note(&mut self, zone: usize, found: Result<Admitted, NotAdmitted>) {
        let was = self.zones.standing_of(zone);
        let name = self.zones.name_of(zone);
        let (Some(complained), Some(last)) =
            (self.complained.get_mut(zone), self.admitted.get_mut(zone))
        else {
            return;
        };
        let what = match found {
            Ok(admitted) => {
                self.zones.set(zone, Standing::Admitted(admitted));
                *last = Some(admitted.connection);
                complained.take().map(|_| {
                    tracing::warn!(alarm = "zone.back", zone = name, "a zone is back");
                    What::Back
                })
            }
            Err(reason) => {
                self.zones.set(zone, Standing::Lost);
                let is_news = complained.is_none();
                if is_news {
                    let zone = name.clone();
                    self.zones.losses.get_or_create(&Zone { zone }).inc();
                }
                if was != Standing::Lost || complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                    tracing::error!(alarm = "zone.lost", zone = name, %reason, "a zone is lost");
                    *complained = Some(Instant::now());
                }
                is_news.then_some(What::Lost(*last))
            }
        };
        if let Some(what) = what {
            match event(what, name, self.clock.as_ref()) {
                Ok(news) => drop(self.news.send(news)),
                Err(error) => tracing::error!(%error, ?what, "a zone's event was not written"),
            }
        }
    }
}

impl ZoneSet {
    /// What the primary says now.
    async fn view(&self) -> Result<PrimaryView, QueryError> {
        let mut tx = self.primary.begin_reading().await?;
        let rows = tx.query(ZONES, &[]).await?;
        tx.rollback().await;
        PrimaryView::of(&rows)
    }

    fn name_of(&self, zone: usize) -> String {
        let name = self.names.get(zone);
        name.map(ToString::to_string).unwrap_or_default()
    }

    pub(super) fn standing_of(&self, zone: usize) -> Standing {
        let standing = self.standing.borrow();
        standing.get(zone).copied().unwrap_or(Standing::Unknown)
    }

    fn set(&self, zone: usize, to: Standing) {
        self.standing.send_if_modified(|standing| {
            let Some(found) = standing.get_mut(zone) else {
                return false;
            };
            let is_new = *found != to;
            *found = to;
            is_new
        });
    }

    /// Whether a zone is admitted: as it was, or after it was looked at.
    async fn examine(
        &self,
        zone: usize,
        view: &PrimaryView,
        is_read: bool,
    ) -> Result<Admitted, NotAdmitted> {
        let found = view.walsender(&self.name_of(zone));
        let found = found.ok_or(NotAdmitted::Absent)?;
        let this = Admitted {
            connection: found.connection,
            timeline: view.timeline,
        };
        match self.standing_of(zone) {
            Standing::Admitted(before) if before == this && found.is_streaming => {
                if is_read {
                    let read = timeout(ANSWER, self.read(zone)).await;
                    let read = read.unwrap_or(Err(QueryError::Deadline))?;
                    is_ours(&read, this.timeline, found.slot.as_deref())?;
                }
                return Ok(this);
            }
            Standing::Admitted(_) => self.set(zone, Standing::Unknown),
            Standing::Unknown | Standing::Lost => {}
        }
        if !found.is_streaming {
            return Err(NotAdmitted::Behind);
        }
        let shown = timeout(SHOW, self.shows(zone, this, found.slot.as_deref())).await;
        shown.unwrap_or(Err(NotAdmitted::Unshown))?;
        let again = self.view().await?;
        let again = again
            .walsender(&self.name_of(zone))
            .filter(|it| it.connection == this.connection && it.slot == found.slot)
            .is_some_and(|_| again.timeline == this.timeline);
        if again {
            Ok(this)
        } else {
            Err(NotAdmitted::Changed)
        }
    }

    /// Reads the zone directly until it shows what is written here now. It streams by the slot of the
    /// connection in question: what is read is what streams.
    async fn shows(
        &self,
        zone: usize,
        this: Admitted,
        slot: Option<&str>,
    ) -> Result<(), NotAdmitted> {
        let mut nonce = None;
        loop {
            let found = self.read(zone).await?;
            is_ours(&found, this.timeline, slot)?;
            match nonce {
                Some(written) if found.nonce == Some(written) => return Ok(()),
                Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                None => nonce = Some(self.probe(zone).await?),
            }
        }
    }

    /// Writes something that nobody could have foreseen.
    async fn probe(&self, zone: usize) -> Result<Uuid, NotAdmitted> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| NotAdmitted::Randomness)?;
        let nonce = Uuid::from_bytes(random);
        let mut tx = self.primary.begin().await?;
        tx.query(LOCALLY, &[]).await?;
        tx.query(PROBE, &[&self.name_of(zone), &self.watcher, &nonce])
            .await?;
        let written = tx.commit().await;
        written.map_err(|error| QueryError::Unavailable(error.to_string()))?;
        Ok(nonce)
    }

    async fn sweep(&self) -> Result<(), QueryError> {
        let mut tx = self.primary.begin().await?;
        tx.query(LOCALLY, &[]).await?;
        tx.query(SWEEP, &[&self.watcher]).await?;
        let swept = tx.commit().await;
        swept.map_err(|error| QueryError::Unavailable(error.to_string()))
    }

    /// What a zone says, read directly.
    pub(super) async fn read(&self, zone: usize) -> Result<StandbyView, QueryError> {
        let standby = self.standbys.get(zone).ok_or(QueryError::Failed)?;
        let mut tx = standby.begin_reading().await?;
        let rows = tx
            .query(ZONE, &[&self.name_of(zone), &self.watcher])
            .await?;
        tx.rollback().await;
        StandbyView::of(&rows)
    }
}

/// Whether a standby is the one that streams by a slot of this primary, on its timeline, and means
/// what it says.
fn is_ours(found: &StandbyView, ours: u32, slot: Option<&str>) -> Result<(), NotAdmitted> {
    if !found.is_standby || !found.is_streaming {
        return Err(NotAdmitted::NoStandby);
    }
    if found.timeline != Some(ours) {
        let theirs = found.timeline;
        return Err(NotAdmitted::Timeline { ours, theirs });
    }
    if found.slot.is_none() || found.slot.as_deref() != slot {
        return Err(NotAdmitted::Slot);
    }
    if !found.is_durable {
        return Err(NotAdmitted::NotDurable);
    }
    Ok(())
}

fn event(what: What, zone: String, clock: &dyn Clock) -> Result<News, EventError> {
    let platform = ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid());
    let draft = Draft {
        kind: match what {
            What::Lost(_) => "zone.lost",
            What::Back => "zone.back",
        },
        actor: platform.ok().map(Actor::new),
        request: request_id(clock)?,
        resource: Some(zone.clone()),
        credential: None,
        policy: None,
        outcome: Outcome::Success,
    };
    let id = new_event_id(clock)?;
    let leaf = draft.leaf(id, clock.unix_micros(), Vec::new())?;
    Ok(News {
        zone,
        what,
        id,
        leaf,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut StandbyView);

    #[test]
    fn what_is_not_admitted() {
        let good = StandbyView {
            is_standby: true,
            is_streaming: true,
            slot: Some("z2".to_owned()),
            timeline: Some(3),
            replayed: 7,
            is_durable: true,
            nonce: None,
        };
        assert!(is_ours(&good, 3, Some("z2")).is_ok());
        let changes: [(Change, &str); 7] = [
            (|it| it.is_standby = false, "no standby"),
            (|it| it.is_streaming = false, "no standby"),
            (
                |it| it.timeline = Some(2),
                "timeline Some(2), the primary on 3",
            ),
            (|it| it.timeline = None, "timeline None"),
            (|it| it.slot = Some("z3".to_owned()), "slots differ"),
            (|it| it.slot = None, "slots differ"),
            (|it| it.is_durable = false, "fsync"),
        ];
        for (change, reason) in changes {
            let mut found = good.clone();
            change(&mut found);
            let refused = is_ours(&found, 3, Some("z2")).unwrap_err().to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        let mut nameless = good;
        nameless.slot = None;
        assert!(is_ours(&nameless, 3, None).is_err(), "no slot is no link");
    }
}
