//! What one zone's write-ahead log says: audit-store, sections 4 and 7.

use std::io;

use super::base::Base;
use super::filling;
use super::wal::{Frame, FrameError, MAX_FRAME_BYTES, Record, StoreId, find_frame};
use super::zone::ZoneRead;

/// The folder of the files of frames.
pub(super) const FOLDER: &str = "wal";

/// A file takes no further frame once it is this long.
pub(super) const FILE_BYTES: usize = 64 * 1024 * 1024;

/// The greatest epoch and the greatest sequence: no store comes near, and one more is a number too.
const MAX_NUMBER: u64 = (1 << 62) - 1;

/// The longest that a file of frames can be.
const MAX_FILE_BYTES: u64 = (FILE_BYTES + 2 * MAX_FRAME_BYTES) as u64;

/// A file of frames: its first sequence, and what of it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WalFile {
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
}

/// All of a zone's frames that can be read.
#[derive(Debug)]
pub(super) struct History {
    pub(super) base: Base,
    pub(super) files: Vec<WalFile>,
    /// The last frame's epoch and sequence; the base's, if there is none.
    pub(super) last: (u64, u64),
    /// Whether that one says that the store was closed in order. If it was not, what is read may be
    /// in the system's memory alone: a flush failed, or never came.
    pub(super) is_closed: bool,
    /// The bytes that were cut off after it.
    pub(super) cut_off: u64,
}

/// Why a zone's frames cannot be used as they are.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("frame {0} is damaged")]
    Damaged(u64),
    #[error("frames before {0} are missing")]
    Gap(u64),
    #[error("it holds frames of another store")]
    OtherStore,
    #[error("its base is malformed")]
    Base,
    #[error("frame {0}, which follows its base, is missing with its file")]
    Begun(u64),
    #[error("a number is greater than any that a store gives")]
    Number,
    #[error("it was being filled from another zone, up to frame {} of epoch {}", .0.1, .0.0)]
    Filling((u64, u64)),
}

impl WalFile {
    pub(super) fn path(first: u64) -> String {
        format!("{FOLDER}/{first:020}")
    }

    /// The first sequence that a name in the folder says; `None` for a name that no store gives.
    pub(super) fn first_of(name: &str) -> Option<u64> {
        let first = name.parse().ok()?;
        (format!("{FOLDER}/{name}") == Self::path(first)).then_some(first)
    }

    /// Its frames, all of which were read before.
    pub(super) fn frames(&self, store: &StoreId) -> impl Iterator<Item = Frame<'_>> {
        let (mut rest, store) = (self.bytes.as_slice(), *store);
        std::iter::from_fn(move || {
            let (frame, length) = Frame::read(rest, &store).ok()?;
            rest = rest.get(length..)?;
            Some(frame)
        })
    }
}

impl History {
    pub(super) fn read(zone: &dyn ZoneRead, store: &StoreId) -> Result<Self, Unusable> {
        if let Some(up_to) = filling::read(zone)? {
            return Err(Unusable::Filling(up_to));
        }
        let base = Base::read(zone)?.ok_or(Unusable::Base)?;
        if base.epoch.max(base.sequence) > MAX_NUMBER {
            return Err(Unusable::Number);
        }
        let mut history = Self {
            last: (base.epoch, base.sequence),
            base,
            files: Vec::new(),
            is_closed: false,
            cut_off: 0,
        };
        // What the base covers is in tiles, whether its frames are gone already or not.
        let mut next = history.base.sequence.saturating_add(1);
        let mut epoch = history.base.epoch;
        let mut names = Vec::new();
        for (name, length) in zone.list(FOLDER)? {
            let first = WalFile::first_of(&name).filter(|_| length.is_some());
            names.extend(first.filter(|first| *first >= next));
        }
        names.sort_unstable();
        // A base is replaced only once the file that follows it was begun.
        if base_is_alone(&history.base, &names) {
            return Err(Unusable::Begun(next));
        }
        let mut names = names.into_iter();
        for first in names.by_ref() {
            let path = WalFile::path(first);
            let bytes = zone.read(&path, MAX_FILE_BYTES)?.unwrap_or_default();
            if first > next {
                return Err(Unusable::Gap(first));
            }
            if !history.take(first, bytes, store, (&mut next, &mut epoch))? {
                break;
            }
        }
        // Whatever comes after a cut must not say that what was cut had been acknowledged.
        for later in names {
            let bytes = zone.read(&WalFile::path(later), MAX_FILE_BYTES)?;
            refuse_damage(store, next, bytes.as_deref().unwrap_or_default())?;
        }
        Ok(history)
    }

    /// Takes the frames of a file up to the first that cannot be read. Whether all could be.
    fn take(
        &mut self,
        first: u64,
        mut bytes: Vec<u8>,
        store: &StoreId,
        (next, epoch): (&mut u64, &mut u64),
    ) -> Result<bool, Unusable> {
        let mut good = 0;
        while let Some(rest) = bytes.get(good..).filter(|rest| !rest.is_empty()) {
            let read = Frame::read(rest, store).and_then(|(frame, length)| {
                let follows = frame.sequence == *next && frame.epoch >= *epoch;
                let follows = follows && frame.epoch.max(frame.sequence) <= MAX_NUMBER;
                let mut stops = false;
                for record in frame.records() {
                    stops = record? == Record::Stop;
                }
                follows
                    .then_some((frame, length, stops))
                    .ok_or(FrameError::Sequence)
            });
            match read {
                Ok((frame, length, stops)) => {
                    self.is_closed = stops;
                    self.last = self.last.max((frame.epoch, frame.sequence));
                    *next = frame.sequence.saturating_add(1);
                    *epoch = frame.epoch;
                    good += length;
                }
                Err(FrameError::OtherStore) if good == 0 => return Err(Unusable::OtherStore),
                Err(_) => {
                    refuse_damage(store, *next, rest)?;
                    self.is_closed = false;
                    self.cut_off += rest.len() as u64;
                    break;
                }
            }
        }
        let whole = good == bytes.len();
        bytes.truncate(good);
        // The file that follows the base is there even if it has no frame yet.
        if good > 0 || first == self.base.sequence + 1 {
            self.files.push(WalFile { first, bytes });
        }
        Ok(whole)
    }
}

/// Whether frames were integrated, and the file after them is not there.
fn base_is_alone(base: &Base, files: &[u64]) -> bool {
    base.sequence > 0 && files.first() != Some(&(base.sequence + 1))
}

/// A frame after the one that cannot be read says that it was acknowledged, or nothing does.
fn refuse_damage(store: &StoreId, unreadable: u64, bytes: &[u8]) -> Result<(), Unusable> {
    let mut rest = bytes;
    while let Some((frame, at)) = find_frame(rest, store) {
        if frame.acknowledged >= unreadable {
            return Err(Unusable::Damaged(unreadable));
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    Ok(())
}
