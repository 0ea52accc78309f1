//! What the primary and a standby say of themselves, of each other, and of how far they are.

use std::time::SystemTime;

use tokio_postgres::Row;

use super::row::column;
use super::transaction::QueryError;

/// What the primary says. Asked behind a COMMIT, what was committed is flushed here.
pub(crate) const ZONES: &str = "select flushed, timeline, zone, walsender, since, slot, \
     is_streaming, zone_flushed from app.zones()";

/// What a standby says, and what it holds of the zone's probe.
pub(crate) const ZONE: &str = "select z.is_standby, z.is_streaming, z.slot, z.timeline, z.replayed, \
     z.is_durable, (select p.nonce from app.zone_probes p where p.zone = $1 and p.watcher = $2) \
     from app.zone() z";

/// A position in the log of writes, in bytes.
pub(crate) type Position = u64;

/// The primary, and who streams from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PrimaryView {
    /// How far its own disk is.
    pub(crate) flushed: Position,
    /// The timeline that it writes.
    pub(crate) timeline: u32,
    /// Everybody who streams.
    pub(crate) walsenders: Vec<Walsender>,
}

/// One connection that streams to a standby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Walsender {
    /// What the standby calls itself.
    pub(crate) zone: String,
    /// Which connection: a standby that connects again is another one until it was looked at.
    pub(crate) connection: (i32, SystemTime),
    /// The slot that it streams by.
    pub(crate) slot: Option<String>,
    /// Whether it has caught up, and counts towards a quorum.
    pub(crate) is_streaming: bool,
    /// How far the standby says that its disk is.
    pub(crate) flushed: Position,
}

/// A standby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandbyView {
    pub(crate) is_standby: bool,
    pub(crate) is_streaming: bool,
    pub(crate) slot: Option<String>,
    /// The timeline that it receives.
    pub(crate) timeline: Option<u32>,
    /// How far what can be read there is.
    pub(crate) replayed: Position,
    /// Whether its disk has what it says that it has.
    pub(crate) is_durable: bool,
    /// What it holds of its probe.
    pub(crate) nonce: Option<uuid::Uuid>,
}

impl PrimaryView {
    /// Reads what [`ZONES`] answered.
    pub(crate) fn of(rows: &[Row]) -> Result<Self, QueryError> {
        let first = rows.first().ok_or_else(|| malformed("zones"))?;
        let timeline: &str = column(first, 1)?;
        let timeline = u32::from_str_radix(timeline, 16).map_err(|_| malformed("timeline"))?;
        let mut walsenders = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(zone) = column(row, 2)? else {
                continue;
            };
            walsenders.push(Walsender {
                zone,
                connection: (column(row, 3)?, column(row, 4)?),
                slot: column(row, 5)?,
                is_streaming: column::<Option<bool>>(row, 6)?.unwrap_or(false),
                flushed: position(column(row, 7)?),
            });
        }
        Ok(Self {
            flushed: position(column(first, 0)?),
            timeline,
            walsenders,
        })
    }

    /// The one connection of a zone. Two of one name are none: nobody knows which is which.
    pub(crate) fn walsender(&self, zone: &str) -> Option<&Walsender> {
        let mut named = self.walsenders.iter().filter(|it| it.zone == zone);
        let one = named.next()?;
        named.next().is_none().then_some(one)
    }
}

impl StandbyView {
    /// Reads what [`ZONE`] answered.
    pub(crate) fn of(rows: &[Row]) -> Result<Self, QueryError> {
        let row = rows.first().ok_or_else(|| malformed("zone"))?;
        let timeline: Option<i32> = column(row, 3)?;
        Ok(Self {
            is_standby: column(row, 0)?,
            is_streaming: column::<Option<bool>>(row, 1)?.unwrap_or(false),
            slot: column(row, 2)?,
            timeline: timeline.and_then(|timeline| u32::try_from(timeline).ok()),
            replayed: position(column(row, 4)?),
            is_durable: column(row, 5)?,
            nonce: column(row, 6)?,
        })
    }
}

/// Nothing, and anything that is no position, is the beginning.
fn position(bytes: Option<i64>) -> Position {
    bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or(0)
}

fn malformed(what: &str) -> QueryError {
    QueryError::Row(format!("{what}: malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walsender(zone: &str, pid: i32) -> Walsender {
        Walsender {
            zone: zone.to_owned(),
            connection: (pid, SystemTime::UNIX_EPOCH),
            slot: None,
            is_streaming: true,
            flushed: 7,
        }
    }

    #[test]
    fn two_of_one_name_are_none() {
        let mut view = PrimaryView {
            flushed: 7,
            timeline: 1,
            walsenders: vec![walsender("z2", 1), walsender("z3", 2)],
        };
        assert_eq!(view.walsender("z2"), Some(&walsender("z2", 1)));
        view.walsenders.push(walsender("z2", 3));
        assert_eq!(view.walsender("z2"), None);
        assert_eq!(view.walsender("z4"), None);
    }
}
