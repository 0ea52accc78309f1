//! Wiping secrets, at the speed of memory.

use std::fmt;
use std::ops::{Deref, DerefMut};

use subtle::ConstantTimeEq as _;
use zeroize::ZeroizeOnDrop;

/// Overwrites the bytes with zeros, and keeps the compiler from leaving that out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// How far down the stack the work below leaves copies, and more: `tests/memory` searches for
/// them. AWS-LC keeps its keys' schedules on the heap, RustCrypto on the stack; a context of the
/// FIPS module's HMAC is copied from frame to frame; frames are larger when nothing is optimised.
const RESIDUE: usize = {
    let kibibytes = if cfg!(feature = "fips") {
        8
    } else if cfg!(feature = "aws-lc") {
        2
    } else {
        16
    };
    let frames = if cfg!(debug_assertions) { 3 } else { 1 };
    kibibytes * frames * 1024
};

/// Does the work, and wipes the stack that it used.
///
/// What is moved, and what ciphers spill from their registers, leaves copies in frames that are
/// gone, and no `Drop` reaches those. What the work returns should hold its secrets on the heap.
pub(crate) fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn run<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    fn wipe_below() {
        // A variable: a borrowed constant would be one of the program's, and nothing be written.
        let room = [0_u8; RESIDUE];
        zeroize::optimization_barrier(&room);
    }
    let done = run(work);
    wipe_below();
    done
}

/// Whether two values of 32 bytes are the same, in constant time; in words, of which there are fewer.
pub(crate) fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let words = |bytes: &[u8; 32]| {
        let (words, _) = bytes.as_chunks::<8>();
        let mut all = [0; 4];
        for (slot, word) in all.iter_mut().zip(words) {
            *slot = u64::from_ne_bytes(*word);
        }
        all
    };
    words(a).ct_eq(&words(b)).into()
}

/// A secret on the stack, wiped when dropped.
///
/// Not `Zeroizing`, which writes byte by byte: this is wiped several times for each record.
#[derive(PartialEq, Eq)]
pub(crate) struct Secret<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Deref for Secret<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// What was sealed, opened: bytes that are wiped when dropped, and not shown by `{:?}`.
#[derive(Default, PartialEq, Eq)]
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn zeroed(length: usize) -> Self {
        Self(vec![0; length])
    }

    /// To fill. The caller keeps it from growing beyond its capacity, which would leave a copy.
    pub(crate) const fn as_vec_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Takes the bytes out; wiping them is then the caller's.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Plaintext {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Plaintext {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Plaintext {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes)", self.0.len())
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        // The spare room too: it may hold what was cut off.
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl ZeroizeOnDrop for Plaintext {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_comparing_and_showing() {
        for position in 0..32 {
            let mut other = [7; 32];
            assert!(is_equal(&[7; 32], &other));
            other[position] ^= 0x80;
            assert!(!is_equal(&[7; 32], &other));
        }
        let mut bytes = [7; 40];
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 40]);
        let plaintext = Plaintext::new(b"secret".to_vec());
        assert_eq!(format!("{plaintext:?}"), "Plaintext(6 bytes)");
        assert_eq!(plaintext.into_vec(), b"secret");
    }
}
