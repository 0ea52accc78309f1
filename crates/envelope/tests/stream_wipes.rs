//! Nothing of a plaintext is left in memory when the types that held it are gone. In a program of
//! its own, for it searches all of the process's memory.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::io::{Cursor, Read as _, Seek as _, SeekFrom, Write as _};
use std::num::NonZeroUsize;

use strongroom_envelope::stream::SealBuffer;
use strongroom_envelope::stream::hazmat::Cobblestone256;
use zeroize::{Zeroize as _, Zeroizing};

const LENGTH: usize = 300_000;

/// What is searched for, with all bits flipped, so that this is not found itself.
const FLIPPED: &[u8; 24] = b"a plaintext to be looked";

fn plaintext() -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
    bytes.extend(FLIPPED.iter().cycle().take(LENGTH).map(|byte| !byte));
    bytes
}

/// How many pieces of memory hold the plaintext.
fn found() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut count = 0;
    let mut bytes = Zeroizing::new(vec![0_u8; 1 << 20]);
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let range = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (mut at, end) = (
            u64::from_str_radix(range.0, 16).unwrap(),
            u64::from_str_radix(range.1, 16).unwrap(),
        );
        while at < end {
            let length = bytes.len().min((end - at) as usize);
            memory.seek(SeekFrom::Start(at)).unwrap();
            if memory.read_exact(&mut bytes[..length]).is_err() {
                break;
            }
            let is_here = bytes[..length]
                .windows(FLIPPED.len())
                .any(|window| window.iter().zip(FLIPPED).all(|(a, b)| *a == !b));
            count += usize::from(is_here);
            bytes.zeroize();
            bytes.resize(1 << 20, 0);
            at += length as u64;
        }
    }
    count
}

#[test]
fn no_plaintext_outlives_its_holder() {
    #[cfg(feature = "fips")]
    strongroom_envelope::fips::accept_streams_outside_the_approved_services();
    let key = Cobblestone256::new(&[1; 32], b"context");
    for threads in [1, 2] {
        let key = key.threads(NonZeroUsize::new(threads).unwrap());
        let mut sealed = Vec::new();
        let mut writer = key.seal_writer(&[2; 24], &mut sealed).unwrap();
        for piece in plaintext().chunks(5000) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(found(), 0, "after sealing");

        let mut unfinished = key.seal_writer(&[3; 24], std::io::sink()).unwrap();
        unfinished.write_all(&plaintext()).unwrap();
        drop(unfinished);
        assert_eq!(found(), 0, "after half a sealing");

        let mut room = Zeroizing::new(vec![0; 5000]);
        let mut reader = key.open_reader(sealed.as_slice()).unwrap();
        while reader.read(&mut room).unwrap() > 0 {}
        drop(reader);
        let mut reader = key.seek_reader(Cursor::new(&sealed)).unwrap();
        while reader.read(&mut room).unwrap() > 0 {}
        drop((reader, room));
        assert_eq!(found(), 0, "after opening");

        let mut cut = key.open_reader(&sealed[..100_000]).unwrap();
        let mut room = Zeroizing::new(vec![0; 5000]);
        while cut.read(&mut room).is_ok() {}
        drop((cut, room));
        assert!(key.open_to_vec(&sealed[..100_000]).is_err());
        sealed[200_000] ^= 1;
        assert!(key.open_to_vec(&sealed).is_err());
        sealed[200_000] ^= 1;
        drop(key.open_to_vec(&sealed).unwrap());
        assert_eq!(found(), 0, "after opening in vain, and whole");

        let mut buffer = SealBuffer::new(b"", LENGTH).unwrap();
        buffer.write_all(&plaintext()).unwrap();
        drop(buffer);
        assert_eq!(found(), 0, "after a buffer");
    }
    // The search finds what is not wiped.
    let unwiped = key.seal_to_vec(&[2; 24], &plaintext()).unwrap();
    let unwiped = key.open_to_vec(&unwiped).unwrap().into_vec();
    drop(unwiped);
    assert_ne!(found(), 0);
}
