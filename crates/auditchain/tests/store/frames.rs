//! Frames of the write-ahead log: what they say, and every way in which bytes are none.

use strongroom_auditchain::store::{Frame, FrameError, PayloadBundle, Record, StoreId, find_frame};
use strongroom_auditchain::{Frontier, Hash};
use uuid::Uuid;

const STORE: StoreId = [0x5a; 16];

/// A frame, written as the specification says (audit-store, section 4).
fn frame(store: &StoreId, numbers: [u64; 3], body: &[u8]) -> Vec<u8> {
    let mut covered = Vec::new();
    for number in numbers {
        covered.extend(number.to_be_bytes());
    }
    covered.extend(body);
    let mut bytes = b"SRW1".to_vec();
    bytes.extend(store);
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(crc(&covered).to_be_bytes());
    bytes.extend(covered);
    bytes
}

/// CRC-32 (ISO-HDLC), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn log_record(number: u32, origin: &[u8], size: u64, hashes: &[[u8; 32]]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend(number.to_be_bytes());
    body.push(origin.len() as u8);
    body.extend(origin);
    body.extend(size.to_be_bytes());
    body.push(hashes.len() as u8);
    body.extend(hashes.concat());
    body.extend([7; 16]);
    body
}

fn entry_record(log: u32, leaf: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = vec![2];
    body.extend(log.to_be_bytes());
    body.extend([9; 16]);
    body.extend((leaf.len() as u16).to_be_bytes());
    body.extend(leaf);
    body.extend((payload.len() as u32).to_be_bytes());
    body.extend(payload);
    body
}

fn records(body: &[u8]) -> Result<usize, FrameError> {
    let bytes = frame(&STORE, [1, 1, 0], body);
    let (frame, _) = Frame::read(&bytes, &STORE)?;
    frame
        .records()
        .try_fold(0, |count, record| record.map(|_| count + 1))
}

#[test]
fn a_frame_says_what_was_written() {
    let body = [
        log_record(0, b"audit.example.com/t/a", 3, &[[1; 32], [2; 32]]),
        entry_record(0, b"leaf", b"payload"),
        entry_record(0, &[5; 1024], b""),
        vec![3],
    ]
    .concat();
    let mut bytes = frame(&STORE, [4, 70, 69], &body);
    let length = bytes.len();
    bytes.extend(b"what comes after");
    let (frame, read) = Frame::read(&bytes, &STORE).unwrap();
    assert_eq!(read, length);
    assert_eq!(
        (frame.epoch, frame.sequence, frame.acknowledged),
        (4, 70, 69)
    );
    let records: Vec<Record<'_>> = frame.records().map(Result::unwrap).collect();
    let parts = [[1; 32], [2; 32]].map(Hash::from_bytes);
    assert_eq!(
        records[0],
        Record::Log {
            number: 0,
            origin: "audit.example.com/t/a".parse().unwrap(),
            frontier: Frontier::from_parts(3, &parts).unwrap(),
            last: Uuid::from_bytes([7; 16]),
        }
    );
    let Record::Entry(entry) = &records[1] else {
        panic!("{:?}", records[1]);
    };
    assert_eq!((entry.log, entry.event_id), (0, Uuid::from_bytes([9; 16])));
    assert_eq!((entry.leaf, entry.payload), (&b"leaf"[..], &b"payload"[..]));
    assert_eq!((records.len(), &records[3]), (4, &Record::Stop));
}

#[test]
fn rejections() {
    let good = frame(&STORE, [1, 2, 1], &[3]);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (name, bytes, error) in [
        ("nothing", Vec::new(), FrameError::CutOff),
        ("half a magic", b"SR".to_vec(), FrameError::CutOff),
        ("other magic", changed(3, b'2'), FrameError::Magic),
        ("zeros", vec![0; 100], FrameError::Magic),
        ("other store", changed(4, 0), FrameError::OtherStore),
        ("no length", good[..21].to_vec(), FrameError::CutOff),
        ("length of 4 GiB", changed(20, 0xff), FrameError::TooLong),
        (
            "length above 32 MiB",
            changed(20, 0x02),
            FrameError::TooLong,
        ),
        ("length of a byte more", changed(23, 2), FrameError::CutOff),
        (
            "length of a byte less",
            changed(23, 0),
            FrameError::Checksum,
        ),
        (
            "other checksum",
            changed(27, good[27] ^ 1),
            FrameError::Checksum,
        ),
        ("other epoch", changed(35, 2), FrameError::Checksum),
        (
            "other body",
            changed(good.len() - 1, 4),
            FrameError::Checksum,
        ),
        (
            "no body",
            good[..good.len() - 1].to_vec(),
            FrameError::CutOff,
        ),
        (
            "sequence 0",
            frame(&STORE, [1, 0, 0], &[]),
            FrameError::Sequence,
        ),
        (
            "acknowledges itself",
            frame(&STORE, [1, 2, 2], &[]),
            FrameError::Sequence,
        ),
    ] {
        assert_eq!(Frame::read(&bytes, &STORE).unwrap_err(), error, "{name}");
    }
    let origin = b"audit.example.com/t/a";
    for (name, body, error) in [
        ("no such record", vec![9], FrameError::Record),
        ("record 0", vec![0], FrameError::Record),
        (
            "entry, cut",
            entry_record(0, b"leaf", b"x")[..30].to_vec(),
            FrameError::Length,
        ),
        ("empty leaf", entry_record(0, b"", b""), FrameError::Length),
        (
            "leaf of 1025 bytes",
            entry_record(0, &[0; 1025], b""),
            FrameError::Length,
        ),
        (
            "payload longer than the body",
            [&entry_record(0, b"leaf", b"")[..27], &[255; 4]].concat(),
            FrameError::Length,
        ),
        ("no origin", log_record(0, b"", 0, &[]), FrameError::Origin),
        (
            "origin with a space",
            log_record(0, b"a b", 0, &[]),
            FrameError::Origin,
        ),
        (
            "origin not UTF-8",
            log_record(0, &[0xff], 0, &[]),
            FrameError::Origin,
        ),
        (
            "a hash too few",
            log_record(0, origin, 3, &[[1; 32]]),
            FrameError::Frontier(strongroom_auditchain::FrontierError::WrongCount),
        ),
        (
            "size of 2^63",
            log_record(0, origin, 1 << 63, &[[1; 32]]),
            FrameError::Frontier(strongroom_auditchain::FrontierError::SizeTooLarge),
        ),
        (
            "log, cut",
            log_record(0, origin, 1, &[[1; 32]])[..60].to_vec(),
            FrameError::Length,
        ),
    ] {
        assert_eq!(records(&body), Err(error), "{name}");
        // And nothing is read after it.
        let more = [body, vec![3]].concat();
        assert_eq!(records(&more), Err(error), "{name}, and more");
    }
}

#[test]
fn any_change_of_a_frame_is_seen() {
    let body = [
        log_record(0, b"a", 0, &[]),
        entry_record(0, b"leaf", b"payload"),
    ]
    .concat();
    let bytes = frame(&STORE, [1, 2, 1], &body);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(
                Frame::read(&changed, &STORE).is_err(),
                "byte {at} bit {bit}"
            );
        }
        assert!(Frame::read(&bytes[..at], &STORE).is_err(), "cut at {at}");
    }
}

#[test]
fn a_frame_is_found_behind_what_cannot_be_read_and_none_inside_an_entry() {
    let second = frame(&STORE, [1, 3, 2], &[3]);
    let torn = frame(&STORE, [1, 2, 1], &[3])[..40].to_vec();
    let bytes = [torn.clone(), second.clone()].concat();
    let (found, at) = find_frame(&bytes, &STORE).unwrap();
    assert_eq!((found.sequence, at), (3, torn.len()));
    assert_eq!(find_frame(&torn, &STORE), None);
    assert_eq!(find_frame(b"", &STORE), None);
    // Who does not know the store's name writes nothing that passes for a frame.
    let forged = frame(&[0; 16], [1, 3, 2], &[3]);
    assert_eq!(find_frame(&entry_record(0, &forged, b""), &STORE), None);
}

#[test]
fn payload_bundles() {
    let bundle = [&[0, 0, 0, 2][..], b"ab", &[0; 4], &[0, 0, 0, 1], b"c"].concat();
    let read = PayloadBundle::parse(&bundle, 3).unwrap();
    assert_eq!(read.payloads(), [b"ab".to_vec(), Vec::new(), b"c".to_vec()]);
    for (name, bytes, width) in [
        ("one too few", &bundle[..], 2),
        ("one too many", &bundle[..], 4),
        ("cut", &bundle[..bundle.len() - 1], 3),
        ("a byte more", &[&bundle[..], &[0]].concat()[..], 3),
        ("a length of 4 GiB", &[255; 4][..], 1),
        ("half a length", &[0; 3][..], 1),
    ] {
        assert_eq!(PayloadBundle::parse(bytes, width), None, "{name}");
    }
    assert!(PayloadBundle::parse(b"", 0).is_some());
}
