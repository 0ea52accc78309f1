//! The write-ahead log's frames, audit-store, section 4.

use uuid::Uuid;

use crate::leaf::MAX_LEAF_BYTES;
use crate::{Frontier, FrontierError, Hash, Origin};

/// The longest body of a frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;

const MAGIC: &[u8; 4] = b"SRW1";

/// Magic, store, length, CRC; epoch, sequence, acknowledged.
const HEADER: usize = UNCOVERED + COVERED;
const UNCOVERED: usize = 4 + 16 + 4 + 4;
const COVERED: usize = 8 + 8 + 8;

const LOG: u8 = 1;
const ENTRY: u8 = 2;
const STOP: u8 = 3;

/// A store's name, drawn at random. Nobody who does not have the store knows it, so that no content
/// of an entry can pass for a frame.
pub type StoreId = [u8; 16];

/// One frame of the write-ahead log: a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which opening of the store wrote it.
    pub epoch: u64,
    /// Its number.
    pub sequence: u64,
    /// The sequence up to which batches were known to be in a quorum when it was written.
    pub acknowledged: u64,
    body: &'a [u8],
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'a> {
    /// A log, under a number that holds to the end of the file.
    Log {
        /// The number.
        number: u32,
        /// The log.
        origin: Origin,
        /// The log before the file's first entry of it.
        frontier: Frontier,
        /// The greatest event id of the log before that.
        last: Uuid,
    },
    /// One entry.
    Entry(EntryRecord<'a>),
    /// The store was closed in order.
    Stop,
}

/// One entry as a frame has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRecord<'a> {
    /// Its log's number.
    pub log: u32,
    /// Its event id; nil for an entry without one.
    pub event_id: Uuid,
    /// Its leaf.
    pub leaf: &'a [u8],
    /// What is kept beside it; empty for nothing.
    pub payload: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// They end before the frame does.
    #[error("frame: cut off")]
    CutOff,
    /// They do not begin as a frame does.
    #[error("frame: no frame begins here")]
    Magic,
    /// It is a frame of another store.
    #[error("frame: of another store")]
    OtherStore,
    /// The body is longer than [`MAX_FRAME_BYTES`].
    #[error("frame: longer than 32 MiB")]
    TooLong,
    /// The checksum is another.
    #[error("frame: the checksum does not match")]
    Checksum,
    /// The sequence is 0, or beyond what it acknowledges.
    #[error("frame: malformed sequence")]
    Sequence,
    /// A record that the format does not have.
    #[error("frame: unknown record")]
    Record,
    /// A record's lengths do not fit.
    #[error("frame: malformed record")]
    Length,
    /// A log's origin.
    #[error("frame: malformed origin")]
    Origin,
    /// A log's frontier.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
}

impl<'a> Frame<'a> {
    /// Reads the frame of this store that the bytes begin with, and how long it is. Its records are
    /// looked at by [`Self::records`].
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn read(bytes: &'a [u8], store: &StoreId) -> Result<(Self, usize), FrameError> {
        let mut header = Cursor(bytes);
        if header.array::<4>().ok_or(FrameError::CutOff)? != *MAGIC {
            return Err(FrameError::Magic);
        }
        if header.array::<16>().ok_or(FrameError::CutOff)? != *store {
            return Err(FrameError::OtherStore);
        }
        let mut number = || header.array::<4>().map(u32::from_be_bytes);
        let (length, crc) = (number(), number());
        let (length, crc) = length.zip(crc).ok_or(FrameError::CutOff)?;
        let length = usize::try_from(length).map_err(|_| FrameError::TooLong)?;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong);
        }
        let covered = header.0.get(..COVERED + length).ok_or(FrameError::CutOff)?;
        if crc32fast::hash(covered) != crc {
            return Err(FrameError::Checksum);
        }
        let mut rest = Cursor(covered);
        let mut number = || rest.array::<8>().map(u64::from_be_bytes);
        let (epoch, sequence, acknowledged) = (number(), number(), number());
        let epoch = epoch.ok_or(FrameError::CutOff)?;
        let (sequence, acknowledged) = sequence.zip(acknowledged).ok_or(FrameError::CutOff)?;
        if sequence == 0 || acknowledged >= sequence {
            return Err(FrameError::Sequence);
        }
        let frame = Self {
            epoch,
            sequence,
            acknowledged,
            body: rest.0,
        };
        Ok((frame, HEADER + length))
    }

    /// What the frame says, in order; nothing after the first record that is malformed.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'a>, FrameError>> + use<'a> {
        let mut rest = Some(Cursor(self.body));
        std::iter::from_fn(move || {
            let mut cursor = rest.take().filter(|rest| !rest.0.is_empty())?;
            let record = cursor.record();
            rest = record.is_ok().then_some(cursor);
            Some(record)
        })
    }
}

/// Finds the next frame of this store that can be read, and where; cut-off or damaged ones may stand
/// before it.
#[must_use]
pub fn find_frame<'a>(bytes: &'a [u8], store: &StoreId) -> Option<(Frame<'a>, usize)> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.windows(MAGIC.len()).position(|four| four == MAGIC)?;
        if let Ok((frame, _)) = Frame::read(bytes.get(at..)?, store) {
            return Some((frame, at));
        }
        at += 1;
    }
}

/// A frame in the making.
pub(super) struct FrameWriter(Vec<u8>);

impl FrameWriter {
    pub(super) fn new() -> Self {
        Self::with_capacity(0)
    }

    /// With room for so many bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut frame = Vec::with_capacity(HEADER + bytes);
        frame.resize(HEADER, 0);
        Self(frame)
    }

    /// The body's length so far, in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len() - HEADER
    }

    pub(super) fn log(&mut self, number: u32, origin: &Origin, frontier: &Frontier, last: &Uuid) {
        self.0.push(LOG);
        self.0.extend_from_slice(&number.to_be_bytes());
        // An origin has at most 255 bytes and a frontier at most 64 hashes.
        let origin = origin.as_str().as_bytes();
        self.0.push(u8::try_from(origin.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(origin);
        self.0.extend_from_slice(&frontier.size().to_be_bytes());
        let hashes = frontier.parts();
        self.0.push(u8::try_from(hashes.len()).unwrap_or(u8::MAX));
        for hash in hashes {
            self.0.extend_from_slice(hash.as_bytes());
        }
        self.0.extend_from_slice(last.as_bytes());
    }

    pub(super) fn entry(&mut self, entry: &EntryRecord<'_>) {
        self.0.push(ENTRY);
        self.0.extend_from_slice(&entry.log.to_be_bytes());
        self.0.extend_from_slice(entry.event_id.as_bytes());
        // Both were bounded when they were taken.
        let leaf = u16::try_from(entry.leaf.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&leaf.to_be_bytes());
        self.0.extend_from_slice(entry.leaf);
        let payload = u32::try_from(entry.payload.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&payload.to_be_bytes());
        self.0.extend_from_slice(entry.payload);
    }

    pub(super) fn stop(&mut self) {
        self.0.push(STOP);
    }

    /// The frame's bytes.
    pub(super) fn finish(
        mut self,
        store: &StoreId,
        epoch: u64,
        sequence: u64,
        acknowledged: u64,
    ) -> Vec<u8> {
        let length = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(store);
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        for number in [epoch, sequence, acknowledged] {
            header.extend_from_slice(&number.to_be_bytes());
        }
        for (byte, value) in self.0.iter_mut().zip(header) {
            *byte = value;
        }
        let crc = crc32fast::hash(self.0.get(UNCOVERED..).unwrap_or_default());
        let place = self.0.iter_mut().skip(UNCOVERED - 4);
        for (byte, value) in place.zip(crc.to_be_bytes()) {
            *byte = value;
        }
        self.0
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn record(&mut self) -> Result<Record<'a>, FrameError> {
        match self.byte() {
            Some(LOG) => self.log(),
            Some(ENTRY) => self.entry().ok_or(FrameError::Length),
            Some(STOP) => Ok(Record::Stop),
            _ => Err(FrameError::Record),
        }
    }

    fn log(&mut self) -> Result<Record<'a>, FrameError> {
        let cut = FrameError::Length;
        let number = u32::from_be_bytes(self.array().ok_or(cut)?);
        let length = self.byte().ok_or(cut)?;
        let origin = self.take(usize::from(length)).ok_or(cut)?;
        let origin = std::str::from_utf8(origin).map_err(|_| FrameError::Origin)?;
        let origin = origin.parse().map_err(|_| FrameError::Origin)?;
        let size = u64::from_be_bytes(self.array().ok_or(cut)?);
        let count = usize::from(self.byte().ok_or(cut)?);
        let hashes = self.take(count * Hash::LEN).ok_or(cut)?;
        let frontier = Frontier::from_bytes(size, hashes)?;
        let last = Uuid::from_bytes(self.array().ok_or(cut)?);
        Ok(Record::Log {
            number,
            origin,
            frontier,
            last,
        })
    }

    fn entry(&mut self) -> Option<Record<'a>> {
        let log = u32::from_be_bytes(self.array()?);
        let event_id = Uuid::from_bytes(self.array()?);
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let leaf = self.take(length)?;
        if leaf.is_empty() || leaf.len() > MAX_LEAF_BYTES {
            return None;
        }
        let length = u32::from_be_bytes(self.array()?);
        let payload = self.take(usize::try_from(length).ok()?)?;
        Some(Record::Entry(EntryRecord {
            log,
            event_id,
            leaf,
            payload,
        }))
    }
}
