//! A long stream needs little memory. In a program of its own, for the peak is the process's.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::num::NonZeroUsize;

use strongroom_envelope::stream::hazmat::Cobblestone256;

/// The slower cipher has a shorter way to go, which is still far more than what is allowed.
const LENGTH: u64 = if cfg!(feature = "aws-lc") {
    64 << 20
} else {
    8 << 20
};

/// Forgets the peak, and returns what there is in KiB.
fn reset_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

/// The most memory that this process had since then, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse().unwrap()
}

#[test]
fn a_long_stream_needs_less_than_two_mebibytes() {
    #[cfg(feature = "fips")]
    strongroom_envelope::fips::accept_streams_outside_the_approved_services();
    let stream = Cobblestone256::new(&[1; 32], b"context");
    // The pages of the code come before the measure.
    let sealed = stream.seal_to_vec(&[2; 24], b"").unwrap();
    stream.open_to_vec(&sealed).unwrap();
    for threads in [1, 2] {
        let stream = stream.threads(NonZeroUsize::new(threads).unwrap());
        let mut file = tempfile::tempfile().unwrap();
        let before = reset_peak();
        let mut writer = stream.seal_writer(&[2; 24], &mut file).unwrap();
        io::copy(&mut io::repeat(7).take(LENGTH), &mut writer).unwrap();
        writer.finish().unwrap();
        let grown = peak() - before;
        assert!(grown < 2048, "sealing: {grown} KiB on {threads} threads");

        file.rewind().unwrap();
        let before = reset_peak();
        let mut reader = stream.open_reader(&mut file).unwrap();
        assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), LENGTH);
        let grown = peak() - before;
        assert!(grown < 2048, "opening: {grown} KiB on {threads} threads");
        drop(reader);

        file.rewind().unwrap();
        let before = reset_peak();
        let mut reader = stream.seek_reader(&mut file).unwrap();
        assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), LENGTH);
        let grown = peak() - before;
        assert!(grown < 2048, "seeking: {grown} KiB");
    }
}
