//! Opening a store: which zone's frames are its history, and making the other zones equal to it.
//! audit-store, section 7.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::base::Base;
use super::creation::{claim, is_empty};
use super::equal::{equalise, own};
use super::filling;
use super::history::{History, Unusable, WalFile};
use super::identity::Identity;
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
    /// What lies in zones and is nobody's, as far as the opening came across it: each zone and path.
    /// It was left there.
    pub strays: Vec<(usize, String)>,
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
    /// A store has this zone open, or it was given twice.
    #[error("store: zone {0} is in use")]
    InUse(usize),
    /// What was signed is of another store, or cannot be read.
    #[error("store: its checkpoint store: {0}")]
    Checkpoints(#[source] io::Error),
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

/// Finds the history, and makes every zone that can be written to equal to it. A zone's place is its
/// number; none for one that cannot be reached. An empty one takes its number's place if `adopt`.
/// Nothing is changed unless the store's name is `known` elsewhere.
pub(super) fn open(
    given: &[Option<Arc<dyn Zone>>],
    adopt: bool,
    known: impl FnOnce(&StoreId) -> io::Result<()>,
) -> Result<Opened, OpenError> {
    let mut recovery = Recovery::default();
    let mut given = claim(given)?;
    let identity = identify(&mut given, adopt, &mut recovery)?;
    known(&identity.store).map_err(OpenError::Checkpoints)?;
    let count = usize::from(identity.zones);
    let quorum = usize::from(identity.quorum);
    let zones: BTreeMap<usize, &Arc<dyn Zone>> = given
        .iter()
        .enumerate()
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
        let mut strays = Vec::new();
        let equal = if number == best {
            own(zone.as_ref(), &history, &mut strays)
        } else {
            let theirs = histories.get(&number);
            let zones = (source.as_ref(), zone.as_ref());
            equalise(zones, &history, theirs, &mut strays)
        };
        let strays = strays.into_iter().map(|path| (number, path));
        recovery.strays.extend(strays);
        let named = equal.and_then(|changed| {
            let zone_number = u8::try_from(number).unwrap_or(u8::MAX);
            Identity {
                zone: zone_number,
                ..identity
            }
            .write(zone.as_ref())?;
            if filling::read(zone.as_ref())?.is_some() {
                filling::end(zone.as_ref())?;
            }
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

/// What the zones say that they are. One that says nothing is not used, and is taken away from the
/// others, unless it is empty and may be filled.
fn identify(
    given: &mut [Option<Arc<dyn Zone>>],
    adopt: bool,
    recovery: &mut Recovery,
) -> Result<Identity, OpenError> {
    let mut common: Option<Identity> = None;
    let count = given.len();
    for (number, place) in given.iter_mut().enumerate() {
        let Some(zone) = place else {
            let reason = "it cannot be reached".to_owned();
            recovery.unusable.push((number, reason));
            continue;
        };
        let identity = match Identity::read(zone.as_ref()) {
            Ok(Some(identity)) => identity,
            Ok(None) => {
                // A crash may have cut off what filled it.
                let is_free =
                    is_empty(zone.as_ref()) || matches!(filling::read(zone.as_ref()), Ok(Some(_)));
                let reason = if is_free {
                    "it is empty"
                } else {
                    "it says not which store it is of"
                };
                recovery.unusable.push((number, reason.to_owned()));
                if !(adopt && is_free) {
                    *place = None;
                }
                continue;
            }
            Err(error) => {
                recovery.unusable.push((number, error.to_string()));
                continue;
            }
        };
        let same = common.is_none_or(|common| {
            let alike = |one: Identity| (one.store, one.zones, one.quorum);
            alike(common) == alike(identity)
        });
        let is_whole = usize::from(identity.zones) == count;
        if !same || !is_whole || usize::from(identity.zone) != number {
            return Err(OpenError::ForeignZone(number));
        }
        common = Some(identity);
    }
    common.ok_or(OpenError::NoStore)
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
