//! The zones in use: what is lost is neither written nor read again.

use std::io;
use std::sync::{Arc, Mutex};

use super::locked;
use super::zone::Zone;

/// The zones of an open store.
pub(super) struct Zones {
    /// By number; none for those that are lost.
    places: Mutex<Vec<Option<Arc<dyn Zone>>>>,
    /// How many there must be.
    needed: usize,
}

impl Zones {
    pub(super) fn new(places: Vec<Option<Arc<dyn Zone>>>, needed: usize) -> Self {
        let places = Mutex::new(places);
        Self { places, needed }
    }

    /// A zone to read from: all that are in use have the same.
    pub(super) fn source(&self) -> io::Result<Arc<dyn Zone>> {
        let zone = locked(&self.places).iter().flatten().next().cloned();
        zone.ok_or_else(|| io::Error::other("no zone is left"))
    }

    pub(super) fn lose(&self, number: usize) {
        if let Some(place) = locked(&self.places).get_mut(number) {
            *place = None;
        }
    }

    /// Does the same in every zone. One that fails is lost, and `lost` is told; too few left are an
    /// error.
    pub(super) fn each(
        &self,
        act: impl Fn(&dyn Zone) -> io::Result<()>,
        lost: impl Fn(usize, &io::Error),
    ) -> io::Result<()> {
        let places = locked(&self.places).clone();
        let mut last = None;
        for (number, zone) in places.iter().enumerate() {
            let Some(zone) = zone else {
                continue;
            };
            if let Err(error) = act(zone.as_ref()) {
                self.lose(number);
                lost(number, &error);
                last = Some(error);
            }
        }
        if locked(&self.places).iter().flatten().count() >= self.needed {
            return Ok(());
        }
        Err(last.unwrap_or_else(|| io::Error::other("too few zones are left")))
    }
}
