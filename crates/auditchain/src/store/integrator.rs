//! The integrator: takes what was cut into tiles, signs checkpoints, and drops old frames.
//! audit-store, section 6.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use super::base::Base;
use super::checkpoint_store::Swap;
use super::committer::{Command, Cut};
use super::guard::{Guard, Standing};
use super::history::{FOLDER, WalFile};
use super::inbox::Inbox;
use super::integration::{Plan, Write};
use super::log_state::log_folder;
use super::payloads::Most;
use super::sweep::sweep;
use super::zone::Zone;
use super::zones::Zones;
use super::{CheckpointError, Checkpointed, Refused, locked};
use crate::{Checkpoint, Classes, Origin};

pub(super) struct Integrator {
    pub(super) inbox: Arc<Inbox>,
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
        let sent = self.inbox.command(Command::Cut(answer));
        sent.map_err(|_| closed())?;
        let cut = cut.recv().map_err(|_| closed())??;
        let position = cut.base;
        let written = self.integrate(&mut unsigned, cut, false);
        if let Err(error) = written {
            // What was cut is in frames alone now: the next opening takes it from there.
            let _ = self.inbox.command(Command::Poison(error.to_string()));
            return Err(error);
        }
        if !sign {
            return Ok(Checkpointed::default());
        }
        let done = self.sign(&mut unsigned, batches);
        self.tell();
        let done = done?;
        if !done.signed.is_empty() {
            let base = Base::new(position, &unsigned);
            self.everywhere(move |zone| base.advance(zone).map(drop))?;
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
        let mut superseded = Vec::with_capacity(cut.logs.len());
        for log in &cut.logs {
            let most: &Most<'_> = &|ask| self.zones.most(ask);
            let plan = self.zones.first(|zone| log.plan(zone, &self.classes, most));
            let Plan {
                puts,
                superseded: paths,
            } = plan.map_err(CheckpointError::Zones)?;
            self.everywhere(move |zone| puts.iter().try_for_each(|file| put(zone, file)))?;
            superseded.push((log.origin.clone(), log.start(), paths));
        }
        self.everywhere(|zone| zone.settle())?;
        // Until this is on disk too the frames say what has to be done again.
        self.everywhere(move |zone| {
            for (origin, start, paths) in &superseded {
                if after_crash {
                    sweep(zone, origin, *start)?;
                }
                paths.iter().try_for_each(|path| zone.remove(path))?;
            }
            zone.settle()
        })?;
        unsigned.extend(cut.logs.iter().map(|log| log.origin.clone()));
        let base = Base::new(cut.base, unsigned);
        let sizes = cut.logs.iter().map(|log| {
            let head = &log.head;
            (log.origin.clone(), head.frontier.size(), head.last)
        });
        let _ = self.inbox.command(Command::Integrated {
            logs: sizes.collect(),
            bytes: cut.bytes,
        });
        let (_, sequence) = cut.base;
        self.everywhere(move |zone| {
            if base.advance(zone)? {
                drop_frames(zone, sequence)?;
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
        let mut done = Checkpointed::default();
        let (mut swaps, mut published) = (Vec::new(), Vec::new());
        for origin in unsigned.clone() {
            self.zones.source().map_err(CheckpointError::Zones)?;
            match self.next(&origin) {
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
        self.everywhere(|zone| zone.settle())?;
        let sizes = done.signed.iter().map(|it| (it.origin.clone(), it.size));
        let dropped = self.guard.drop_batches(batches, &sizes.collect());
        dropped.map_err(|error| CheckpointError::Keep(error.into()))?;
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
        let size = checkpoint.size;
        let note = note.to_owned();
        self.everywhere(move |zone| {
            zone.put(&format!("{folder}/checkpoints/{size}"), note.as_bytes())?;
            zone.put(&format!("{folder}/checkpoint"), note.as_bytes())
        })
    }

    /// A log's next checkpoint; the one that it has, if it has not grown since.
    fn next(&self, origin: &Origin) -> Result<Next, String> {
        let standing = self.guard.agreed(&self.zones, origin);
        let Standing { head, signed } = standing.map_err(|error| error.to_string())?;
        let size = head.frontier.size();
        if size == 0 {
            return Err("it is not there".to_owned());
        }
        let checkpoint = Checkpoint {
            origin: origin.clone(),
            size,
            root: head.frontier.root(),
        };
        let before = match signed {
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

    fn tell(&self) {
        if self.zones.has_news() {
            let _ = self.inbox.command(Command::Look);
        }
    }

    /// Does the same in every zone that is in use. The committer is told of those that are lost.
    fn everywhere(
        &self,
        act: impl Fn(&dyn Zone) -> io::Result<()> + Send + Sync + 'static,
    ) -> Result<(), CheckpointError> {
        let done = self.zones.each(act);
        self.tell();
        done.map_err(CheckpointError::Zones)
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
        if let Some(first) = WalFile::first_of(&name).filter(|first| *first <= up_to) {
            zone.remove(&WalFile::path(first))?;
        }
    }
    Ok(())
}
