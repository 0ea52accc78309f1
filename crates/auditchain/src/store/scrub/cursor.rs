//! The cursor: up to where an earlier pass verified a log, `docs/spec/audit-export.md`.

use std::fmt;
use std::str::FromStr;

use super::unit::WIDTH;
use crate::lines::{Lines, decimal};
use crate::{Frontier, Hash, Origin};

/// The first line of a cursor.
pub const CURSOR_LABEL: &str = "strongroom.dev/audit-cursor/v1";

/// The longest cursor, in bytes.
pub const MAX_CURSOR_BYTES: usize = 8 * 1024;

/// Where a pass ended: the log as it was at a checkpoint that holds.
///
/// # Security
/// It is believed. Keep it where whoever can write to the log cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    origin: Origin,
    frontier: Frontier,
}

/// Why a text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// Longer than [`MAX_CURSOR_BYTES`].
    #[error("cursor: longer than 8 KiB")]
    TooLong,
    /// The first line is another.
    #[error("cursor: unknown format")]
    Label,
    /// The origin line.
    #[error("cursor: malformed origin")]
    Origin,
    /// The size line.
    #[error("cursor: malformed size")]
    Size,
    /// The hashes are not those of a tree of the size, or something follows them.
    #[error("cursor: malformed hashes")]
    Hashes,
    /// The hashes do not give the root.
    #[error("cursor: the hashes do not give the root")]
    Root,
}

impl Cursor {
    pub(super) const fn new(origin: Origin, frontier: Frontier) -> Self {
        Self { origin, frontier }
    }

    /// The log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many entries were verified.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The log at the beginning of the bundle in which the cursor lies.
    pub(super) fn at_bundle(&self) -> Frontier {
        let size = self.size() / WIDTH * WIDTH;
        let parts = self.frontier.parts();
        let parts = parts.get(..size.count_ones() as usize).unwrap_or_default();
        Frontier::from_parts(size, parts).unwrap_or_default()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, size, root) = (&self.origin, self.size(), self.root());
        writeln!(
            f,
            "{CURSOR_LABEL}\norigin {origin}\nsize {size}\nroot {root}"
        )?;
        let mut parts = self.frontier.parts().iter();
        parts.try_for_each(|part| writeln!(f, "{part}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > MAX_CURSOR_BYTES {
            return Err(CursorError::TooLong);
        }
        let mut lines = Lines::new(text);
        if lines.line() != Some(CURSOR_LABEL) {
            return Err(CursorError::Label);
        }
        let origin = lines.keyed("origin").and_then(|it| it.parse().ok());
        let origin = origin.ok_or(CursorError::Origin)?;
        let size = lines.keyed("size").and_then(decimal);
        let size = size.ok_or(CursorError::Size)?;
        let root: Option<Hash> = lines.keyed("root").and_then(|it| it.parse().ok());
        let parts = lines.hashes(64);
        if !lines.rest().is_empty() {
            return Err(CursorError::Hashes);
        }
        let frontier = Frontier::from_parts(size, &parts).map_err(|_| CursorError::Hashes)?;
        if root != Some(frontier.root()) {
            return Err(CursorError::Root);
        }
        Ok(Self { origin, frontier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections() {
        let mut frontier = Frontier::new();
        (0..5_u8).for_each(|leaf| frontier.push(Hash::of_leaf(&[leaf])));
        let cursor = Cursor::new("example.com/log".parse().unwrap(), frontier);
        let text = cursor.to_string();
        assert_eq!(text.parse(), Ok(cursor));
        let last = text.lines().last().unwrap();
        let (long, other) = ("x".repeat(MAX_CURSOR_BYTES + 1), Hash::EMPTY.to_string());
        for (name, from, to, error) in [
            (
                "too long",
                text.as_str(),
                long.as_str(),
                CursorError::TooLong,
            ),
            ("another version", "v1", "v2", CursorError::Label),
            ("no origin", "example.com/log", "", CursorError::Origin),
            ("two spellings", "size 5", "size 05", CursorError::Size),
            (
                "beyond",
                "size 5",
                "size 9223372036854775808",
                CursorError::Size,
            ),
            ("another size", "size 5", "size 4", CursorError::Hashes),
            (
                "another size of as many parts",
                "size 5",
                "size 6\0",
                CursorError::Size,
            ),
            ("a hash less", last, "", CursorError::Hashes),
            ("a hash of another tree", last, &other, CursorError::Root),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{name}");
            assert_eq!(changed.parse::<Cursor>(), Err(error), "{name}");
        }
        assert_eq!((text + "\n").parse::<Cursor>(), Err(CursorError::Hashes));
    }

    #[test]
    fn the_beginning_of_the_bundle_is_in_it() {
        let leaves: Vec<_> = (0..1000_u32)
            .map(|i| Hash::of_leaf(&i.to_be_bytes()))
            .collect();
        let mut frontier = Frontier::new();
        for (leaf, size) in leaves.iter().zip(1..) {
            frontier.push(*leaf);
            let cursor = Cursor::new("example.com/log".parse().unwrap(), frontier.clone());
            let bundle = cursor.at_bundle();
            let start = size / 256 * 256;
            assert_eq!(bundle.size(), start as u64);
            assert_eq!(bundle.root(), crate::root(&leaves[..start]));
        }
    }
}
