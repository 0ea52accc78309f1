//! A long plaintext that needs no memory of its length, and a place for what comes of it.

use std::hint::black_box;
use std::io::{self, Read, Write};

/// The bytes that are given again and again; they fit the second cache.
const PATTERN: usize = 256 * 1024;

/// A plaintext of a given length.
pub struct LongPlaintext {
    pattern: Vec<u8>,
    place: usize,
    left: u64,
}

/// Takes what it is given, and lets nobody skip making it.
pub struct Nowhere;

impl LongPlaintext {
    /// A plaintext of so many bytes.
    pub fn new(length: u64) -> Self {
        Self {
            pattern: vec![b'a'; PATTERN],
            place: 0,
            left: length,
        }
    }
}

impl Read for LongPlaintext {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.pattern[self.place..];
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let count = buffer.len().min(rest.len()).min(left);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.place = (self.place + count) % PATTERN;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_long_as_was_asked() {
        let length = 3 * PATTERN + 5;
        let mut all = Vec::new();
        LongPlaintext::new(length as u64)
            .read_to_end(&mut all)
            .unwrap();
        assert_eq!(all.len(), length);
        assert!(all.iter().all(|byte| *byte == b'a'));
    }
}
