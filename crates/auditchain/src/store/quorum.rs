//! The zones of an open store, written side by side, and the quorum that must have a frame.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use super::zone::Zone;
use super::zone_writer::{Said, Work, ZoneWriter};

/// The zones' writers, and how far each has come.
pub(super) struct Quorum {
    writers: Vec<Option<ZoneWriter>>,
    written: Vec<u64>,
    said: Receiver<Said>,
    needed: usize,
    lost: Vec<(usize, String)>,
    has_news: bool,
}

impl Quorum {
    /// Starts a writer for each zone that is in use.
    pub(super) fn start(zones: &[Option<Arc<dyn Zone>>], needed: usize) -> std::io::Result<Self> {
        let (say, said) = channel();
        let mut writers = Vec::with_capacity(zones.len());
        let mut lost = Vec::new();
        for (number, zone) in zones.iter().enumerate() {
            writers.push(match zone {
                Some(zone) => Some(ZoneWriter::start(number, Arc::clone(zone), say.clone())?),
                None => {
                    lost.push((
                        number,
                        "it was not there when the store was opened".to_owned(),
                    ));
                    None
                }
            });
        }
        Ok(Self {
            written: vec![0; writers.len()],
            writers,
            said,
            needed,
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
        self.each(|| Work::Begin(first));
    }

    pub(super) fn give(&mut self, sequence: u64, frame: &Arc<Vec<u8>>) {
        self.each(|| Work::Frame(sequence, Arc::clone(frame)));
    }

    /// Waits until a quorum has everything up to this frame.
    pub(super) fn wait(&mut self, sequence: u64) -> Result<(), String> {
        loop {
            let have = self
                .written
                .iter()
                .filter(|last| **last >= sequence)
                .count();
            if have >= self.needed {
                return Ok(());
            }
            let alive = self.writers.iter().flatten().count();
            if alive < self.needed {
                return Err(self.reasons());
            }
            match self.said.recv() {
                Ok(Said::Written { zone, sequence }) => {
                    if let Some(last) = self.written.get_mut(zone) {
                        *last = sequence;
                    }
                }
                Ok(Said::Lost { zone, why }) => self.lose(zone, why),
                Err(_) => return Err(self.reasons()),
            }
        }
    }

    /// The zones that are lost, if there are more than when it was last asked.
    pub(super) fn losses(&mut self) -> Option<Vec<(usize, String)>> {
        std::mem::take(&mut self.has_news).then(|| self.lost.clone())
    }

    fn each(&mut self, work: impl Fn() -> Work) {
        for zone in 0..self.writers.len() {
            let Some(Some(writer)) = self.writers.get(zone) else {
                continue;
            };
            if let Err(why) = writer.give(work()) {
                self.lose(zone, why.to_owned());
            }
        }
    }

    /// What it has counts for nothing from now on: what was written last may be torn.
    pub(super) fn lose(&mut self, zone: usize, why: String) {
        if let Some(writer) = self.writers.get_mut(zone)
            && let Some(writer) = writer.take()
        {
            writer.abandon();
            self.lost.push((zone, why));
            self.has_news = true;
        }
        if let Some(last) = self.written.get_mut(zone) {
            *last = 0;
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
