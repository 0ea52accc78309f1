//! Creating a store: zones that are nobody's become one store's. audit-store, section 3.

use std::io;
use std::sync::Arc;

use super::claim::InUse;
use super::history::FOLDER;
use super::identity::{self, Identity};
use super::log_state;
use super::opening::OpenError;
use super::zone::Zone;

/// Makes a new store in empty zones.
pub(super) fn create(zones: &[Arc<dyn Zone>], quorum: usize) -> Result<(), OpenError> {
    let count = u8::try_from(zones.len()).map_err(|_| OpenError::Quorum)?;
    let quorum = u8::try_from(quorum).map_err(|_| OpenError::Quorum)?;
    if !(1..=identity::MAX_ZONES).contains(&count) || !(1..=count).contains(&quorum) {
        return Err(OpenError::Quorum);
    }
    let lost = |zone: usize, error: &io::Error| OpenError::TooFewZones {
        usable: 0,
        zones: usize::from(count),
        needed: usize::from(count),
        reasons: format!("zone {zone}: {error}"),
    };
    let zones: Vec<Option<Arc<dyn Zone>>> = zones.iter().cloned().map(Some).collect();
    let zones = claim(&zones)?;
    for (number, zone) in zones.iter().flatten().enumerate() {
        if !is_empty(zone.as_ref()) {
            return Err(OpenError::NotEmpty(number));
        }
    }
    let mut store = [0; 16];
    getrandom::fill(&mut store).map_err(|_| OpenError::Random)?;
    for (number, zone) in (0..count).zip(zones.iter().flatten()) {
        let identity = Identity {
            store,
            zone: number,
            zones: count,
            quorum,
        };
        let written = zone.create_new(identity::PATH, identity.to_text().as_bytes());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenError::NotEmpty(usize::from(number)),
            _ => lost(usize::from(number), &error),
        })?;
    }
    Ok(())
}

/// The zones, which are nobody else's from now on.
pub(super) fn claim(
    given: &[Option<Arc<dyn Zone>>],
) -> Result<Vec<Option<Arc<dyn Zone>>>, OpenError> {
    let claim = |(number, zone): (usize, &Option<Arc<dyn Zone>>)| {
        let zone = zone.as_ref().map(InUse::of).transpose();
        zone.map_err(|_| OpenError::InUse(number))
    };
    given.iter().enumerate().map(claim).collect()
}

/// Whether nothing of a store is in a zone, as far as it can be read.
pub(super) fn is_empty(zone: &dyn Zone) -> bool {
    let no_file = |path: &str| zone.read(path, u64::MAX).is_ok_and(|file| file.is_none());
    let no_folder = |path: &str| zone.list(path).is_ok_and(|names| names.is_empty());
    no_file(identity::PATH) && no_file("base") && no_folder(FOLDER) && no_folder(log_state::FOLDER)
}
