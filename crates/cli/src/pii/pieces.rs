//! UTF-8 that is read in pieces, wherever a read may cut it.

use std::io::{self, ErrorKind, Read};
use std::str;

use zeroize::Zeroizing;

/// Much for one read, and little for one thread.
const PIECE: usize = 256 * 1024;

/// A reader of text.
pub(super) struct Pieces<R> {
    source: R,
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer is text that was handed out, and how much is filled.
    given: usize,
    filled: usize,
}

/// Why there is no further piece.
#[derive(Debug)]
pub(super) enum PieceError {
    Read(io::Error),
    NotText,
}

impl<R: Read> Pieces<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            buffer: Zeroizing::new(vec![0; PIECE]),
            given: 0,
            filled: 0,
        }
    }

    /// The next piece, as soon as there is one; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&str>, PieceError> {
        // What is left is the beginning of a character.
        self.buffer.copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.given = 0;
        while self.given == 0 {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) if self.filled == 0 => return Ok(None),
                Ok(0) => return Err(PieceError::NotText),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(PieceError::Read(error)),
            }
            let read = self.buffer.get(..self.filled).unwrap_or_default();
            self.given = match str::from_utf8(read) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(PieceError::NotText),
            };
        }
        let text = self.buffer.get(..self.given).unwrap_or_default();
        str::from_utf8(text)
            .map(Some)
            .map_err(|_| PieceError::NotText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(room.len());
            self.0.read(&mut room[..most])
        }
    }

    fn read(bytes: &[u8], at_once: usize) -> Option<String> {
        let mut pieces = Pieces::new(Slow(bytes, at_once));
        let mut text = String::new();
        loop {
            match pieces.next() {
                Ok(Some(piece)) => text.push_str(piece),
                Ok(None) => return Some(text),
                Err(_) => return None,
            }
        }
    }

    #[test]
    fn characters_are_whole_wherever_a_read_ends() {
        let text = "aé話😀".repeat(3);
        for at_once in 1..20 {
            assert_eq!(read(text.as_bytes(), at_once).as_ref(), Some(&text));
        }
        let long = "é話😀".repeat(PIECE / 4);
        assert_eq!(read(long.as_bytes(), usize::MAX), Some(long));
        assert_eq!(read(b"", 1).as_deref(), Some(""));
    }

    #[test]
    fn other_bytes_are_no_text() {
        for bytes in [b"a\xff".as_slice(), b"\xc3", b"ab\xf0\x9f\x98", b"\xc3a"] {
            for at_once in [1, 9] {
                assert_eq!(read(bytes, at_once), None);
            }
        }
    }
}
