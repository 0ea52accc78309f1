//! The zones of an open store, written side by side, and the quorum that must have a frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::zone::Zone;
use super::zone_writer::{Said, Work, ZoneWriter};

/// The bytes of frames that may wait for a zone. One that lags further behind is lost: it must not
/// hold up the others, nor take all memory.
const BEHIND_BYTES: usize = 64 * 1024 * 1024;

/// The zones' writers, and how far each has come.
pub(super) struct Quorum {
    places: Vec<Option<Place>>,
    said: Receiver<Said>,
    needed: usize,
    /// How long a zone may take for a frame.
    patience: Duration,
    lost: Vec<(usize, String)>,
    has_news: bool,
}

/// A zone that is written to.
struct Place {
    writer: ZoneWriter,
    /// The last frame that it has.
    written: u64,
    /// The frames that it was given and has not said to have: sequence, length, and since when.
    waiting: VecDeque<(u64, usize, Instant)>,
    waiting_bytes: usize,
}

impl Quorum {
    /// Starts a writer for each zone that is in use.
    pub(super) fn start(
        zones: &[Option<Arc<dyn Zone>>],
        needed: usize,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let (say, said) = channel();
        let mut places = Vec::with_capacity(zones.len());
        let mut lost = Vec::new();
        for (number, zone) in zones.iter().enumerate() {
            places.push(match zone {
                Some(zone) => Some(Place {
                    writer: ZoneWriter::start(number, Arc::clone(zone), say.clone())?,
                    written: 0,
                    waiting: VecDeque::new(),
                    waiting_bytes: 0,
                }),
                None => {
                    let why = "it was not there when the store was opened";
                    lost.push((number, why.to_owned()));
                    None
                }
            });
        }
        Ok(Self {
            places,
            said,
            needed,
            patience,
            has_news: !lost.is_empty(),
            lost,
        })
    }

    pub(super) const fn needed(&self) -> usize {
        self.needed
    }

    pub(super) const fn need(&mut self, zones: usize) {
        self.needed = zones;
    }

    pub(super) fn begin(&mut self, first: u64) {
        for zone in 0..self.places.len() {
            self.give_one(zone, Work::Begin(first));
        }
    }

    pub(super) fn give(&mut self, sequence: u64, frame: &Arc<Vec<u8>>) {
        while let Ok(said) = self.said.try_recv() {
            self.take(said);
        }
        self.lose_the_late();
        let now = Instant::now();
        for zone in 0..self.places.len() {
            let Some(Some(place)) = self.places.get_mut(zone) else {
                continue;
            };
            if place.waiting_bytes > BEHIND_BYTES {
                self.lose(zone, "it lags too far behind".to_owned());
                continue;
            }
            place.waiting.push_back((sequence, frame.len(), now));
            place.waiting_bytes += frame.len();
            self.give_one(zone, Work::Frame(sequence, Arc::clone(frame)));
        }
    }

    /// Waits until a quorum has everything up to this frame. A zone that takes too long is lost.
    pub(super) fn wait(&mut self, sequence: u64) -> Result<(), String> {
        loop {
            let places = self.places.iter().flatten();
            let have = places.filter(|place| place.written >= sequence).count();
            if have >= self.needed {
                return Ok(());
            }
            if self.places.iter().flatten().count() < self.needed {
                return Err(self.reasons());
            }
            let oldest = self.places.iter().flatten();
            let oldest = oldest
                .filter_map(|place| place.waiting.front())
                .min_by_key(|it| it.2);
            let waited = oldest.map_or(Duration::ZERO, |(_, _, since)| since.elapsed());
            match self.said.recv_timeout(self.patience.saturating_sub(waited)) {
                Ok(said) => self.take(said),
                Err(RecvTimeoutError::Timeout) => self.lose_the_late(),
                Err(RecvTimeoutError::Disconnected) => return Err(self.reasons()),
            }
        }
    }

    /// The zones that are lost, if there are more than when it was last asked.
    pub(super) fn losses(&mut self) -> Option<Vec<(usize, String)>> {
        std::mem::take(&mut self.has_news).then(|| self.lost.clone())
    }

    /// What it has counts for nothing from now on: what was written last may be torn.
    pub(super) fn lose(&mut self, zone: usize, why: String) {
        let place = self.places.get_mut(zone).and_then(Option::take);
        if let Some(place) = place {
            place.writer.abandon();
            self.lost.push((zone, why));
            self.has_news = true;
        }
    }

    fn give_one(&mut self, zone: usize, work: Work) {
        let place = self.places.get(zone).and_then(Option::as_ref);
        if place.is_some_and(|place| !place.writer.give(work)) {
            // It says why in what it said last.
            while let Ok(said) = self.said.try_recv() {
                self.take(said);
            }
            self.lose(zone, "its writer ended".to_owned());
        }
    }

    fn take(&mut self, said: Said) {
        match said {
            Said::Written { zone, sequence } => {
                if let Some(Some(place)) = self.places.get_mut(zone) {
                    place.written = sequence;
                    while let Some((_, length, _)) = place
                        .waiting
                        .pop_front_if(|(first, _, _)| *first <= sequence)
                    {
                        place.waiting_bytes = place.waiting_bytes.saturating_sub(length);
                    }
                }
            }
            Said::Lost { zone, why } => self.lose(zone, why),
        }
    }

    fn lose_the_late(&mut self) {
        for zone in 0..self.places.len() {
            let place = self.places.get(zone).and_then(Option::as_ref);
            let first = place.and_then(|place| place.waiting.front());
            if first.is_some_and(|(_, _, since)| since.elapsed() >= self.patience) {
                let why = format!("it gave no answer in {} ms", self.patience.as_millis());
                self.lose(zone, why);
            }
        }
    }

    fn reasons(&self) -> String {
        let reasons = self
            .lost
            .iter()
            .map(|(zone, why)| format!("zone {zone}: {why}"));
        reasons.collect::<Vec<_>>().join("; ")
    }
}

/// What waits for a zone is written; one that hangs is waited for no longer than for a frame.
impl Drop for Quorum {
    fn drop(&mut self) {
        let until = Instant::now() + self.patience;
        for place in self.places.iter_mut().flatten() {
            place.writer.close();
        }
        for place in self.places.drain(..).flatten() {
            while !place.writer.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !place.writer.is_finished() {
                place.writer.abandon();
            }
        }
    }
}
