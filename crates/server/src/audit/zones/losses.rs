//! Losses: what is told of a zone is told once, whichever nodes noticed it, and by whoever is left.
//!
//! The first node's events are kept in a row; the others find them there and write the same ones,
//! which the log takes once, by their ids.

use std::time::{Duration, SystemTime};

use strongroom_auditchain::Leaf;
use strongroom_tenancy::TenantId;
use tokio::sync::mpsc;
use tokio_postgres::Row;
use uuid::Uuid;

use super::ZoneSet;
use super::monitor::LOCALLY;
use crate::audit::Sequencer;
use crate::postgres::{QueryError, column};

/// How long what could not be written waits for its next try.
const RETRY: Duration = Duration::from_millis(200);

/// A connection is lost once, and a zone once at a time.
const LOST: &str = "insert into app.zone_losses (zone, walsender, since, lost_id, lost_leaf) \
     values ($1, $2, coalesce($3, pg_catalog.clock_timestamp()), $4, $5) on conflict do nothing";

const OF_LOSS: &str = "select lost_id, lost_leaf, lost_told from app.zone_losses where zone = $1 \
     and ((walsender = $2 and since = $3) or back_id is null) order by since desc limit 1";

const BACK: &str = "update app.zone_losses set back_id = $2, back_leaf = $3 \
     where zone = $1 and back_id is null";

const OF_RETURN: &str = "select back_id, back_leaf, back_told from app.zone_losses \
     where zone = $1 and back_id is not null order by since desc limit 1";

const TOLD: &str = "update app.zone_losses set lost_told = lost_told or lost_id = $1, \
     back_told = back_told or coalesce(back_id = $1, false) where lost_id = $1 or back_id = $1";

/// What nodes that are gone noticed, and did not come to say.
const UNTOLD: &str = "select id, leaf, false from (select since, 1 as place, lost_id as id, \
     lost_leaf as leaf from app.zone_losses where not lost_told union all select since, 2, back_id, \
     back_leaf from app.zone_losses where back_id is not null and not back_told) as untold \
     order by since, place limit 1000";

/// What became of a zone.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) zone: String,
    pub(super) what: What,
    /// The event, if nobody has one yet.
    pub(super) id: Uuid,
    pub(super) leaf: Leaf,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Its connection is gone: the one that was admitted, where this node saw one.
    Lost(Option<(i32, SystemTime)>),
    Back,
}

/// An event that is to be in the log.
struct Event {
    id: Uuid,
    leaf: Leaf,
    is_told: bool,
}

impl Event {
    fn of(row: &Row) -> Result<Self, QueryError> {
        let event = Leaf::decode(column::<&[u8]>(row, 1)?);
        let leaf = event.and_then(|event| Leaf::encode(&event));
        Ok(Self {
            id: column(row, 0)?,
            leaf: leaf.map_err(|error| QueryError::Row(error.to_string()))?,
            is_told: column(row, 2)?,
        })
    }
}

/// Writes the news into the platform's log, in their order, each until it is acknowledged; first what
/// others left unsaid.
pub(super) async fn tell(
    zones: &ZoneSet,
    mut news: mpsc::UnboundedReceiver<News>,
    sequencer: Sequencer,
) {
    for event in again("read what is untold", || zones.untold()).await {
        say(zones, &sequencer, event).await;
    }
    while let Some(one) = news.recv().await {
        if let Some(event) = again("note a zone's loss", || zones.claim(&one)).await {
            say(zones, &sequencer, event).await;
        }
    }
}

async fn say(zones: &ZoneSet, sequencer: &Sequencer, event: Event) {
    if event.is_told {
        return;
    }
    let append = || sequencer.append_first(TenantId::PLATFORM, event.id, event.leaf.clone());
    while append().await.is_err() {
        tokio::time::sleep(RETRY).await;
    }
    if let Err(error) = zones.note_told(event.id).await {
        // Whoever says it again finds it in its place.
        tracing::warn!(%error, "what is told of a zone was not noted");
    }
}

async fn again<T, F>(what: &'static str, work: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, QueryError>>,
{
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) => tracing::error!(%error, what, "not done yet"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

impl ZoneSet {
    /// The event of what happened: this one, or the one that another node had first. Nothing when
    /// nobody knows of a loss that would be over.
    async fn claim(&self, news: &News) -> Result<Option<Event>, QueryError> {
        let (zone, leaf) = (&news.zone, news.leaf.as_bytes());
        let mut tx = self.primary.begin().await?;
        tx.query(LOCALLY, &[]).await?;
        let rows = match news.what {
            What::Lost(connection) => {
                let (walsender, since) = connection.unzip();
                let walsender = walsender.unwrap_or(0);
                tx.query(LOST, &[zone, &walsender, &since, &news.id, &leaf])
                    .await?;
                tx.query(OF_LOSS, &[zone, &walsender, &since]).await?
            }
            What::Back => {
                tx.query(BACK, &[zone, &news.id, &leaf]).await?;
                tx.query(OF_RETURN, &[zone]).await?
            }
        };
        let written = tx.commit().await;
        written.map_err(|error| QueryError::Unavailable(error.to_string()))?;
        rows.first().map(Event::of).transpose()
    }

    async fn untold(&self) -> Result<Vec<Event>, QueryError> {
        let mut tx = self.primary.begin_reading().await?;
        let rows = tx.query(UNTOLD, &[]).await?;
        tx.rollback().await;
        rows.iter().map(Event::of).collect()
    }

    async fn note_told(&self, id: Uuid) -> Result<(), QueryError> {
        let mut tx = self.primary.begin().await?;
        tx.query(LOCALLY, &[]).await?;
        tx.query(TOLD, &[&id]).await?;
        let written = tx.commit().await;
        written.map_err(|error| QueryError::Unavailable(error.to_string()))
    }
}
