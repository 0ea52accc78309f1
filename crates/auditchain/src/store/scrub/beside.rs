//! The payloads beside a bundle's entries, borrowed.

use std::io;

use super::unit::WIDTH;
use crate::store::MAX_STORED_PAYLOAD_BYTES;
use crate::store::payloads;
use crate::store::zone::ZoneRead;
use crate::{TileKind, TilePath};

/// The longest bundle.
const MAX_BYTES: u64 = WIDTH * (4 + MAX_STORED_PAYLOAD_BYTES as u64);

/// A payload bundle's bytes, which are well-formed.
#[derive(Default)]
pub(super) struct Beside(Vec<u8>);

/// Payloads, each behind its length; empty ones are not there, or no more.
#[derive(Clone)]
pub(super) struct Payloads<'a>(&'a [u8]);

impl Beside {
    /// What lies beside the bundle at an index of a log of this size; nothing beside one whose
    /// entries have no payloads.
    pub(super) fn read(zone: &dyn ZoneRead, log: &str, index: u64, size: u64) -> io::Result<Self> {
        let path = TilePath::in_tree(TileKind::Entries, index, size);
        let Some(path) = path.filter(|path| !path.is_partial()) else {
            // A partial bundle may have been superseded by a wider one.
            let bundle = payloads::read(zone, log, index, size)?;
            return Ok(Self(
                bundle.map(|bundle| bundle.encode()).unwrap_or_default(),
            ));
        };
        let at = payloads::path(log, &path);
        let Some(bytes) = zone.read(&at, MAX_BYTES)? else {
            return Ok(Self::default());
        };
        let mut payloads = Payloads(&bytes);
        if !(0..WIDTH).all(|_| payloads.next().is_some()) || !payloads.0.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{at}: malformed"),
            ));
        }
        Ok(Self(bytes))
    }

    pub(super) fn payloads(&self) -> Payloads<'_> {
        Payloads(&self.0)
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (payload, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(payload)
    }
}
