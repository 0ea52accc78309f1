//! A log's head: the log as it was integrated at a size, audit-store, section 5.

use std::io;

use uuid::Uuid;

use super::files::ROUNDS;
use super::zone::ZoneRead;
use crate::{Frontier, Hash};

const MAGIC: &[u8; 4] = b"SRH1";

/// The longest head: magic, CRC, size, count, hashes, event id.
const MAX_BYTES: u64 = 4 + 4 + 8 + 1 + 64 * 32 + 16;

/// A log's frontier and its greatest event id. That of an empty log is nil.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) frontier: Frontier,
    pub(super) last: Uuid,
}

impl Head {
    /// The folder of a log's heads.
    pub(super) fn folder(log: &str) -> String {
        format!("{log}/head")
    }

    pub(super) fn path(log: &str, size: u64) -> String {
        format!("{log}/head/{size}")
    }

    /// The newest head of a log that can be read; none for a log that is not there. One that was
    /// written in a crash may be torn: the one before it is there too, or the log is damaged. One
    /// that is gone was superseded a moment ago.
    pub(super) fn newest(zone: &dyn ZoneRead, log: &str) -> io::Result<Option<Self>> {
        let fault = |kind, why| Err(io::Error::new(kind, format!("{log}: {why}")));
        let mut was_there = false;
        'looking: for _ in 0..ROUNDS {
            let mut sizes: Vec<u64> = zone
                .list(&Self::folder(log))?
                .into_iter()
                .filter_map(|(name, _)| name.parse().ok())
                .collect();
            if sizes.is_empty() && !was_there {
                return Ok(None);
            }
            sizes.sort_unstable();
            was_there = true;
            while let Some(size) = sizes.pop() {
                let Some(bytes) = zone.read(&Self::path(log, size), MAX_BYTES)? else {
                    continue 'looking;
                };
                let head = Self::decode(&bytes);
                if let Some(head) = head.filter(|head| head.frontier.size() == size) {
                    return Ok(Some(head));
                }
            }
            return fault(io::ErrorKind::InvalidData, "its head is malformed");
        }
        fault(
            io::ErrorKind::WouldBlock,
            "its head is replaced too often to be read",
        )
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rest = self.frontier.size().to_be_bytes().to_vec();
        let parts = self.frontier.parts();
        rest.push(u8::try_from(parts.len()).unwrap_or(u8::MAX));
        rest.extend(parts.iter().flat_map(|hash| *hash.as_bytes()));
        rest.extend_from_slice(self.last.as_bytes());
        let crc = crc32fast::hash(&rest);
        [MAGIC.as_slice(), &crc.to_be_bytes(), &rest].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_be_bytes(*crc) {
            return None;
        }
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first()?;
        let (hashes, last) = rest.split_at_checked(usize::from(*count) * Hash::LEN)?;
        Some(Self {
            frontier: Frontier::from_bytes(u64::from_be_bytes(*size), hashes).ok()?,
            last: Uuid::from_slice(last).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_head_is_seen() {
        let mut frontier = Frontier::new();
        for leaf in 0..11_u8 {
            frontier.push(Hash::of_leaf(&[leaf]));
        }
        let last = Uuid::from_bytes([7; 16]);
        let head = Head { frontier, last };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Some(head));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Head::decode(&changed), None, "byte {at}");
            assert_eq!(Head::decode(&bytes[..at]), None, "cut at {at}");
        }
        assert_eq!(Head::decode(&[bytes, vec![0]].concat()), None);
    }
}
