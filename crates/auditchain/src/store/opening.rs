//! Opening a store: which zone's frames are its history, and making the other zones equal to it.
//! audit-store, section 7.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::base::Base;
use super::equal::{equalise, trim, write_frames};
use super::history::{History, Unusable, WalFile};
use super::identity::{self, Identity};

use super::wal::StoreId;
use super::zone::Zone;

/// What an opening found and did, zone by zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The epoch that began.
    pub epoch: u64,
    /// The zones that could not be used as they were, and why; those that could be read again were
    /// made equal to the others.
    pub unusable: Vec<(usize, String)>,
    /// The zones that had lagged behind or gone another way, and were made equal.
    pub equalised: Vec<usize>,
    /// The zones that are not in use until the store is opened again.
    pub lost: Vec<usize>,
    /// Bytes after the last whole batch that were cut off: nobody was told that they were written.
    pub cut_off: u64,
}

/// Why a store was not opened. Nothing was changed that had been acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no store in any of the zones.
    #[error("store: there is none here")]
    NoStore,
    /// A zone holds something already.
    #[error("store: zone {0} is not empty")]
    NotEmpty(usize),
    /// The zones, or their number or quorum, are not those of one store.
    #[error("store: zone {0} is not one of this store's")]
    ForeignZone(usize),
    /// The number of zones or the quorum is outside what there can be.
    #[error("store: 1 to 7 zones, and a quorum of at most as many")]
    Quorum,
    /// Too few zones can be read to be sure that all that was acknowledged is in one of them, or
    /// too few to write to.
    #[error("store: {usable} of {zones} zones can be used, and it takes {needed}: {reasons}")]
    TooFewZones {
        /// How many can be used.
        usable: usize,
        /// How many there are.
        zones: usize,
        /// How many it takes.
        needed: usize,
        /// What is the matter with the others.
        reasons: String,
    },
    /// One of the [`super::Limits`] is outside what it may be.
    #[error("store: limit {0} is outside what it may be")]
    Limits(&'static str),
    /// The frames say something that this store never wrote.
    #[error("store: its history is malformed: {0}")]
    Malformed(&'static str),
    /// A thread could not be started.
    #[error("store: {0}")]
    Threads(#[source] io::Error),
    /// The first frame of the new epoch could not be written.
    #[error("store: the new epoch: {0}")]
    Begin(#[source] Box<super::AppendError>),
    /// What was left in frames could not be taken into tiles.
    #[error("store: what was left in frames: {0}")]
    Integrate(#[source] Box<super::CheckpointError>),
    /// The system gave no random bytes.
    #[error("store: no random bytes from the operating system")]
    Random,
}

/// What an opening goes on from.
pub(super) struct Opened {
    pub(super) store: StoreId,
    pub(super) quorum: usize,
    /// By number; none for those that are lost.
    pub(super) zones: Vec<Option<Arc<dyn Zone>>>,
    pub(super) base: Base,
    /// The files after the base.
    pub(super) files: Vec<WalFile>,
    /// The last frame's epoch and sequence.
    pub(super) last: (u64, u64),
    pub(super) recovery: Recovery,
}

/// Makes a new store in empty zones.
pub(super) fn create(zones: &[Arc<dyn Zone>], quorum: usize) -> Result<(), OpenError> {
    let count = u8::try_from(zones.len()).map_err(|_| OpenError::Quorum)?;
    let quorum = u8::try_from(quorum).map_err(|_| OpenError::Quorum)?;
    if !(1..=identity::MAX_ZONES).contains(&count) || !(1..=count).contains(&quorum) {
        return Err(OpenError::Quorum);
    }
    let lost = |zone: usize, error: &io::Error| OpenError::TooFewZones {
        usable: 0,
        zones: zones.len(),
        needed: zones.len(),
        reasons: format!("zone {zone}: {error}"),
    };
    for (number, zone) in zones.iter().enumerate() {
        for path in [identity::PATH, "base", "wal", "log"] {
            let file = zone.read(path, u64::MAX).is_ok_and(|file| file.is_none());
            let folder = zone.list(path).is_ok_and(|names| names.is_empty());
            if !file && !folder || zone.list(path).is_ok_and(|names| !names.is_empty()) {
                return Err(OpenError::NotEmpty(number));
            }
        }
    }
    let mut store = [0; 16];
    getrandom::fill(&mut store).map_err(|_| OpenError::Random)?;
    for (number, zone) in (0..count).zip(zones) {
        let identity = Identity {
            store,
            zone: number,
            zones: count,
            quorum,
        };
        let written = zone.replace(identity::PATH, identity.to_text().as_bytes());
        written.map_err(|error| lost(usize::from(number), &error))?;
    }
    Ok(())
}

/// Finds the history, and makes every zone that can be written to equal to it. A zone's place is its
/// number; none for one that cannot be reached. An empty one takes its number's place if `adopt`.
pub(super) fn open(given: &[Option<Arc<dyn Zone>>], adopt: bool) -> Result<Opened, OpenError> {
    let mut recovery = Recovery::default();
    let (identity, used) = identify(given, adopt, &mut recovery)?;
    let count = usize::from(identity.zones);
    let quorum = usize::from(identity.quorum);
    let zones: BTreeMap<usize, &Arc<dyn Zone>> = given
        .iter()
        .enumerate()
        .filter(|(number, _)| used.get(*number) == Some(&true))
        .filter_map(|(number, zone)| Some((number, zone.as_ref()?)))
        .collect();
    let (mut histories, mut filling) = (BTreeMap::new(), Vec::new());
    for (number, zone) in &zones {
        if recovery.unusable.iter().any(|(other, _)| other == number) {
            continue;
        }
        match History::read(zone.as_ref(), &identity.store) {
            Ok(history) => {
                recovery.cut_off += history.cut_off;
                histories.insert(*number, history);
            }
            Err(error) => {
                if let Unusable::Filling(up_to) = error {
                    filling.push(up_to);
                }
                recovery.unusable.push((*number, error.to_string()));
            }
        }
    }
    // A zone that was being filled held nothing that the history did not, as it was then.
    let newest = histories.values().map(|history| history.last).max();
    let filled = filling
        .iter()
        .filter(|up_to| newest >= Some(**up_to))
        .count();
    let readable = histories.len() + filled;
    enough(readable, count, count - quorum + 1, &recovery)?;
    let best = histories
        .iter()
        .max_by_key(|(_, history)| (history.last, history.base.sequence))
        .map(|(number, _)| *number)
        .and_then(|best| Some((best, histories.remove(&best)?, zones.get(&best)?)));
    let (best, history, source) = best.ok_or(OpenError::NoStore)?;
    let mut usable: Vec<Option<Arc<dyn Zone>>> = vec![None; count];
    for (number, place) in usable.iter_mut().enumerate() {
        let Some(zone) = zones.get(&number) else {
            recovery.lost.push(number);
            continue;
        };
        let equal = if number == best {
            own(zone.as_ref(), &history)
        } else {
            let theirs = histories.get(&number);
            equalise(source.as_ref(), &history, zone.as_ref(), theirs)
        };
        let named = equal.and_then(|changed| {
            let zone_number = u8::try_from(number).unwrap_or(u8::MAX);
            Identity {
                zone: zone_number,
                ..identity
            }
            .write(zone.as_ref())?;
            Ok(changed)
        });
        match named {
            Ok(changed) => {
                if changed {
                    recovery.equalised.push(number);
                }
                *place = Some(Arc::clone(zone));
            }
            Err(error) => {
                recovery.unusable.push((number, error.to_string()));
                recovery.lost.push(number);
            }
        }
    }
    let needed = quorum.max(count - quorum + 1);
    enough(usable.iter().flatten().count(), count, needed, &recovery)?;
    let (base, last) = (history.base, history.last);
    Ok(Opened {
        store: identity.store,
        quorum,
        zones: usable,
        files: history.files,
        base,
        last,
        recovery,
    })
}

/// Readies the zone that has the history. It is not changed by that.
fn own(zone: &dyn Zone, history: &History) -> io::Result<bool> {
    if !history.is_closed {
        write_frames(zone, history, Some(history))?;
    }
    trim(zone, history)?;
    Ok(false)
}

/// What most zones say that they are. Those that do not say so are not used and not written to,
/// unless they are empty and may be filled.
fn identify(
    given: &[Option<Arc<dyn Zone>>],
    adopt: bool,
    recovery: &mut Recovery,
) -> Result<(Identity, Vec<bool>), OpenError> {
    let read = |zone: &Option<Arc<dyn Zone>>| match zone {
        Some(zone) => Identity::read(zone.as_ref()).map_err(|error| error.to_string()),
        None => Err("it cannot be reached".to_owned()),
    };
    let said: Vec<Result<Option<Identity>, String>> = given.iter().map(read).collect();
    let alike = |one: &Identity| (one.store, one.zones, one.quorum);
    let in_place = |number: usize, it: &Identity| {
        usize::from(it.zones) == given.len() && usize::from(it.zone) == number
    };
    let mut kinds = BTreeMap::new();
    for (number, said) in said.iter().enumerate() {
        if let Ok(Some(it)) = said
            && in_place(number, it)
        {
            kinds
                .entry(alike(it))
                .or_insert((0, Reverse(number), *it))
                .0 += 1;
        }
    }
    let common = kinds
        .into_values()
        .max_by_key(|(count, first, _)| (*count, *first));
    let (count, common) = common.map(|(count, _, it)| (count, it)).unzip();
    let mut used = Vec::with_capacity(said.len());
    let mut foreign = None;
    for (number, said) in said.into_iter().enumerate() {
        let why = match said {
            Ok(Some(it))
                if common.as_ref().map(alike) == Some(alike(&it)) && in_place(number, &it) =>
            {
                used.push(true);
                continue;
            }
            Ok(Some(_)) => {
                foreign = foreign.or(Some(number));
                "it is not one of this store's".to_owned()
            }
            Ok(None) if adopt => "it is empty".to_owned(),
            Ok(None) => "it is empty, and not to be filled".to_owned(),
            Err(why) => why,
        };
        used.push(adopt && why == "it is empty");
        recovery.unusable.push((number, why));
    }
    let needed = common.map(|it: Identity| usize::from(it.zones - it.quorum) + 1);
    match (common, foreign) {
        (Some(common), _) if count >= needed => Ok((common, used)),
        (_, Some(number)) => Err(OpenError::ForeignZone(number)),
        (Some(common), None) => Ok((common, used)),
        (None, None) => Err(OpenError::NoStore),
    }
}

fn enough(
    usable: usize,
    zones: usize,
    needed: usize,
    recovery: &Recovery,
) -> Result<(), OpenError> {
    if usable >= needed {
        return Ok(());
    }
    let reasons = recovery
        .unusable
        .iter()
        .map(|(zone, why)| format!("zone {zone}: {why}"))
        .collect::<Vec<_>>()
        .join("; ");
    Err(OpenError::TooFewZones {
        usable,
        zones,
        needed,
        reasons,
    })
}
