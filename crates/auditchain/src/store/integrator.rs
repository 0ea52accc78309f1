//! The integrator: takes what was cut into tiles, signs checkpoints, and drops old frames.
//! audit-store, section 6.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::base::Base;
use super::checkpoint_store::Swap;
use super::committer::{Command, Cut};
use super::guard::Guard;
use super::head::Head;
use super::history::{FOLDER, WalFile};
use super::integration::{Integrated, Write};
use super::log_state::log_folder;
use super::sweep::sweep;
use super::zone::Zone;
use super::zones::Zones;
use super::{CheckpointError, Checkpointed, Refused, locked};
use crate::{Checkpoint, Classes, Origin};

pub(super) struct Integrator {
    pub(super) commands: SyncSender<Command>,
    pub(super) guard: Arc<Guard>,
    pub(super) classes: Classes,
    pub(super) zones: Arc<Zones>,
    /// The logs that grew since their last checkpoint. One integration at a time.
    pub(super) unsigned: Mutex<BTreeSet<Origin>>,
}

impl Integrator {
    /// Takes everything that was acknowledged into tiles, and signs a checkpoint of each log that
    /// grew, if that is wanted.
    pub(super) fn run(&self, sign: bool) -> Result<Checkpointed, CheckpointError> {
        let mut unsigned = locked(&self.unsigned);
        // What is dropped from there afterwards is covered by what is signed here.
        let batches = self.guard.checkpoints.newest_batch();
        let (answer, cut) = sync_channel(1);
        let closed = || CheckpointError::Closed;
        let sent = self.commands.send(Command::Cut(answer));
        sent.map_err(|_| closed())?;
        let cut = cut.recv().map_err(|_| closed())??;
        let (epoch, sequence) = cut.base;
        let written = self.integrate(&mut unsigned, cut, false);
        if let Err(error) = written {
            // What was cut is in frames alone now: the next opening takes it from there.
            let _ = self.commands.send(Command::Poison(error.to_string()));
            return Err(error);
        }
        if !sign {
            return Ok(Checkpointed::default());
        }
        let done = self.sign(&mut unsigned, batches)?;
        if !done.signed.is_empty() {
            let base = Base::new((epoch, sequence), &unsigned);
            self.everywhere(|zone| base.advance(zone).map(drop))?;
        }
        Ok(done)
    }

    /// Takes into tiles what an opening found in frames.
    pub(super) fn replay(&self, cut: Cut) -> Result<(), CheckpointError> {
        let mut unsigned = locked(&self.unsigned);
        self.publish_again(&unsigned)?;
        self.integrate(&mut unsigned, cut, true)
    }

    /// Takes into tiles what was cut, and drops its frames.
    fn integrate(
        &self,
        unsigned: &mut BTreeSet<Origin>,
        cut: Cut,
        after_crash: bool,
    ) -> Result<(), CheckpointError> {
        let mut written = Vec::with_capacity(cut.logs.len());
        for log in cut.logs {
            let source = self.zones.source().map_err(CheckpointError::Zones)?;
            let write = &mut |file: &Write| self.each(|zone| put(zone, file));
            let log = log.integrate(source.as_ref(), &self.classes, write);
            written.push(log.map_err(CheckpointError::Zones)?);
        }
        self.settle()?;
        // Until this is on disk too the frames say what has to be done again.
        for log in &written {
            if after_crash {
                self.everywhere(|zone| sweep(zone, &log.origin, log.start))?;
            }
            for path in &log.superseded {
                self.everywhere(|zone| zone.remove(path))?;
            }
        }
        self.settle()?;
        unsigned.extend(written.iter().map(|log| log.origin.clone()));
        let base = Base::new(cut.base, unsigned);
        let sizes = written.iter().map(|log| {
            let Integrated { origin, head, .. } = log;
            (origin.clone(), head.frontier.size(), head.last)
        });
        let _ = self.commands.send(Command::Integrated(sizes.collect()));
        self.everywhere(|zone| {
            if base.advance(zone)? {
                drop_frames(zone, cut.base.1)?;
            }
            Ok(())
        })
    }

    /// Signs the logs that grew, keeps the checkpoints apart, and publishes them.
    fn sign(
        &self,
        unsigned: &mut BTreeSet<Origin>,
        batches: u64,
    ) -> Result<Checkpointed, CheckpointError> {
        let source = self.zones.source().map_err(CheckpointError::Zones)?;
        let mut done = Checkpointed::default();
        let (mut swaps, mut published) = (Vec::new(), Vec::new());
        for origin in unsigned.clone() {
            match self.next(source.as_ref(), &origin) {
                Ok(Next::Known(note, checkpoint)) => published.push((note, checkpoint)),
                Ok(Next::Signed(swap, checkpoint)) => {
                    published.push((swap.note.clone(), checkpoint));
                    swaps.push(swap);
                }
                // One log that was tampered with must not keep the others unsigned.
                Err(why) => done.refused.push(Refused { origin, why }),
            }
        }
        self.guard.checkpoints.swap(&swaps)?;
        for (note, checkpoint) in published {
            self.publish(&note, &checkpoint)?;
            unsigned.remove(&checkpoint.origin);
            done.signed.push(checkpoint);
        }
        self.settle()?;
        if done.refused.is_empty() {
            let dropped = self.guard.checkpoints.drop_batches(batches);
            dropped.map_err(|error| CheckpointError::Keep(error.into()))?;
        }
        Ok(done)
    }

    /// A crash may have torn what was published last, which is kept apart.
    fn publish_again(&self, unsigned: &BTreeSet<Origin>) -> Result<(), CheckpointError> {
        for origin in unsigned {
            let kept = self.guard.newest(origin);
            if let Ok(Some((note, checkpoint))) = kept {
                self.publish(&note, &checkpoint)?;
            }
        }
        Ok(())
    }

    fn publish(&self, note: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let folder = log_folder(&checkpoint.origin);
        for path in [
            format!("{folder}/checkpoints/{}", checkpoint.size),
            format!("{folder}/checkpoint"),
        ] {
            let file = Write::new(path, note.as_bytes().to_vec());
            self.everywhere(|zone| put(zone, &file))?;
        }
        Ok(())
    }

    /// A log's next checkpoint; the one that it has, if it has not grown since.
    fn next(&self, zone: &dyn Zone, origin: &Origin) -> Result<Next, String> {
        let head = Head::newest(zone, &log_folder(origin)).map_err(|error| error.to_string())?;
        let frontier = head.ok_or("it is not there")?.frontier;
        let size = frontier.size();
        let before = self.guard.check(zone, origin, size);
        let before = before.map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint {
            origin: origin.clone(),
            size,
            root: frontier.root(),
        };
        let before = match before {
            Some((note, signed)) if signed.size == size => return Ok(Next::Known(note, signed)),
            other => other.map(|(note, _)| note),
        };
        let signer = self.guard.keys.log(origin).map_err(|it| it.to_string())?;
        let note = checkpoint
            .sign(signer.as_ref())
            .map_err(|it| it.to_string())?;
        let swap = Swap {
            origin: origin.clone(),
            before,
            note,
        };
        Ok(Next::Signed(swap, checkpoint))
    }

    fn settle(&self) -> Result<(), CheckpointError> {
        self.everywhere(|zone| zone.settle())
    }

    fn everywhere(&self, act: impl Fn(&dyn Zone) -> io::Result<()>) -> Result<(), CheckpointError> {
        self.each(act).map_err(CheckpointError::Zones)
    }

    /// Does the same in every zone that is in use.
    fn each(&self, act: impl Fn(&dyn Zone) -> io::Result<()>) -> io::Result<()> {
        self.zones.each(act, |number, error| {
            let _ = self.commands.send(Command::Lost(number, error.to_string()));
        })
    }
}

enum Next {
    /// Kept apart already; perhaps not published.
    Known(String, Checkpoint),
    Signed(Swap, Checkpoint),
}

fn put(zone: &dyn Zone, file: &Write) -> io::Result<()> {
    if file.at_once {
        zone.replace(&file.path, &file.bytes)
    } else {
        zone.put(&file.path, &file.bytes)
    }
}

/// Removes the files of frames that were integrated.
fn drop_frames(zone: &dyn Zone, up_to: u64) -> io::Result<()> {
    for (name, _) in zone.list(FOLDER)? {
        let first = name.parse::<u64>().ok();
        if let Some(first) = first.filter(|first| *first <= up_to) {
            zone.remove(&WalFile::path(first))?;
        }
    }
    Ok(())
}
