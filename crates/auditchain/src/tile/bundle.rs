//! Entry bundles: the entries themselves, each behind its length (tlog-tiles, "Log entries").

use super::path::TILE_WIDTH;
use crate::Hash;

/// The longest entry that a bundle holds, in bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// A bundle of exactly the stated number of entries, borrowed.
///
/// ```
/// use strongroom_auditchain::EntryBundle;
///
/// // A bundle grows by what is appended to its bytes.
/// let mut bytes = Vec::new();
/// EntryBundle::append(&mut bytes, b"first")?;
/// EntryBundle::append(&mut bytes, b"second")?;
/// let bundle = EntryBundle::parse(&bytes, 2)?;
/// assert_eq!(bundle.entries().last(), Some(&b"second"[..]));
/// # Ok::<(), strongroom_auditchain::BundleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryBundle<'a> {
    bytes: &'a [u8],
    width: u16,
}

/// Why bytes are not a bundle, or an entry does not fit into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// No bundle has this number of entries.
    #[error("entry bundle: the number of entries is not 1 to 256")]
    Width,
    /// The bytes end before the last entry does.
    #[error("entry bundle: ends within entry {0}")]
    Truncated(u16),
    /// There are bytes after the last entry.
    #[error("entry bundle: bytes after the last entry")]
    TrailingBytes,
    /// The entry is longer than [`MAX_ENTRY_BYTES`].
    #[error("entry bundle: the entry is longer than 65535 bytes")]
    EntryTooLong,
}

impl<'a> EntryBundle<'a> {
    /// Takes bytes that are exactly `width` entries.
    ///
    /// # Errors
    /// [`BundleError`] when they are fewer, more, or cut off.
    pub fn parse(bytes: &'a [u8], width: u16) -> Result<Self, BundleError> {
        if width == 0 || width > TILE_WIDTH {
            return Err(BundleError::Width);
        }
        let mut entries = Entries(bytes);
        for position in 0..width {
            entries.next().ok_or(BundleError::Truncated(position))?;
        }
        if !entries.0.is_empty() {
            return Err(BundleError::TrailingBytes);
        }
        Ok(Self { bytes, width })
    }

    /// Appends an entry to a bundle's bytes.
    ///
    /// # Errors
    /// [`BundleError::EntryTooLong`] above 65,535 bytes.
    pub fn append(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong)?;
        bundle.reserve(2 + entry.len());
        bundle.extend(length.to_be_bytes());
        bundle.extend(entry);
        Ok(())
    }

    /// How many entries there are: 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// The entries, in order.
    #[must_use]
    pub const fn entries(&self) -> Entries<'a> {
        Entries(self.bytes)
    }

    /// The entries' leaf hashes, in order: what the tile of level 0 at the same place holds.
    pub fn leaf_hashes(&self) -> impl Iterator<Item = Hash> + use<'a> {
        self.entries().map(Hash::of_leaf)
    }
}

/// The entries of a bundle, in order.
#[derive(Clone, Debug)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        for (name, bytes, width, error) in [
            ("none", &[][..], 0, BundleError::Width),
            ("too many", &[0; 514], 257, BundleError::Width),
            ("empty", &[], 1, BundleError::Truncated(0)),
            ("half a length", &[0], 1, BundleError::Truncated(0)),
            ("no entry", &[0, 1], 1, BundleError::Truncated(0)),
            ("longest, cut", &[255; 9], 1, BundleError::Truncated(0)),
            ("one of two", &[0, 1, 7], 2, BundleError::Truncated(1)),
            ("one too many", &[0, 0, 0, 0], 1, BundleError::TrailingBytes),
            ("a byte more", &[0, 0, 0], 1, BundleError::TrailingBytes),
        ] {
            assert_eq!(EntryBundle::parse(bytes, width), Err(error), "{name}");
        }
        let mut bundle = Vec::new();
        let long = vec![0; MAX_ENTRY_BYTES + 1];
        let refused = EntryBundle::append(&mut bundle, &long);
        assert_eq!(refused, Err(BundleError::EntryTooLong));
        assert!(bundle.is_empty());
        assert_eq!(EntryBundle::append(&mut bundle, &long[1..]), Ok(()));
        assert!(EntryBundle::parse(&bundle, 1).is_ok());
    }
}
