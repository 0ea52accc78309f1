//! Fuzz bodies of the embedded store's files.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use strongroom_auditchain::store::{
    CheckpointStore, Directory, EntryForm, Frame, PayloadBundle, PayloadForm, Record, Scrub, Store,
    StoreConfig, StoreId, StoredLog, Zone, ZoneRead, find_frame, log_folder, scrub,
};
use strongroom_auditchain::{
    Classes, Commitments, Ed25519Signer, EntryBundle, Event, Leaf, Origin, Outcome, Payload,
};
use strongroom_tenancy::RequestId;
use zeroize::Zeroizing;

const STORE: StoreId = [0x5a; 16];

/// Any bytes: a frame is read only as what was written, and every changed bit of it is seen.
pub fn wal_frame(data: &[u8]) {
    let _ = Frame::read(data, &STORE);
    if let Some((frame, at)) = find_frame(data, &STORE) {
        let again = Frame::read(data.get(at..).unwrap_or_default(), &STORE);
        assert_eq!(again.map(|(again, _)| again), Ok(frame));
        records(&frame, None);
    }
    // The same bytes as what a frame covers.
    let Some((numbers, body)) = data.split_first_chunk::<24>() else {
        return;
    };
    let mut bytes = framed(numbers, body);
    let number = |at: usize| numbers.get(at..at + 8).and_then(|it| it.try_into().ok());
    let number = |at| u64::from_be_bytes(number(at).unwrap_or_default());
    let (sequence, acknowledged) = (number(8), number(16));
    match Frame::read(&bytes, &STORE) {
        Ok((frame, length)) => {
            assert_eq!(length, bytes.len());
            assert_eq!((frame.epoch, frame.sequence), (number(0), sequence));
            records(&frame, Some(body));
        }
        Err(_) => assert!(sequence == 0 || acknowledged >= sequence),
    }
    let bit = (acknowledged ^ number(0)) as usize % (8 * bytes.len());
    let length = bytes.len();
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    assert!(
        Frame::read(&bytes, &STORE).is_err(),
        "bit {bit} of {length}"
    );
}

/// A frame around numbers and a body (audit-store, section 4).
fn framed(numbers: &[u8; 24], body: &[u8]) -> Vec<u8> {
    let covered = [numbers.as_slice(), body].concat();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut bytes = b"SRW1".to_vec();
    bytes.extend(STORE);
    bytes.extend(length.to_be_bytes());
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

/// Records, written again, are the body up to the first that is malformed.
fn records(frame: &Frame<'_>, body: Option<&[u8]>) {
    let (mut again, mut whole) = (Vec::new(), true);
    for record in frame.records() {
        assert!(whole, "a record after a malformed one");
        match record {
            Ok(Record::Log {
                number,
                origin,
                frontier,
                last,
            }) => {
                again.push(1);
                again.extend(number.to_be_bytes());
                again.push(u8::try_from(origin.as_str().len()).unwrap_or_default());
                again.extend(origin.as_str().as_bytes());
                again.extend(frontier.size().to_be_bytes());
                let hashes = frontier.to_bytes();
                again.push(u8::try_from(hashes.len() / 32).unwrap_or_default());
                again.extend(hashes);
                again.extend(last.as_bytes());
            }
            Ok(Record::Entry(entry)) => {
                again.push(2);
                again.extend(entry.log.to_be_bytes());
                again.extend(entry.event_id.as_bytes());
                again.extend(
                    u16::try_from(entry.leaf.len())
                        .unwrap_or_default()
                        .to_be_bytes(),
                );
                again.extend(entry.leaf);
                again.extend(
                    u32::try_from(entry.payload.len())
                        .unwrap_or_default()
                        .to_be_bytes(),
                );
                again.extend(entry.payload);
            }
            Ok(_) => again.push(3),
            Err(_) => whole = false,
        }
    }
    if let Some(body) = body {
        assert!(body.starts_with(&again));
        assert!(!whole || body == again);
    }
}

/// Bytes are the payloads of one number of entries at most, and are what these make up.
pub fn payload_bundle(data: &[u8]) {
    let mut bundles = (0..=257).filter_map(|width| PayloadBundle::parse(data, width));
    if let Some(bundle) = bundles.next() {
        let mut again = Vec::new();
        for payload in bundle.payloads() {
            again.extend(
                u32::try_from(payload.len())
                    .unwrap_or_default()
                    .to_be_bytes(),
            );
            again.extend(payload);
        }
        assert_eq!(again, data);
        assert!(bundles.next().is_none());
    }
}

/// A log's files after any changes: the pass ends, and finds nothing only if each entry that is
/// signed, and each payload that is counted as checked, is as it was.
pub fn log_files(data: &[u8]) {
    let original = Made::get();
    let folder = log_folder(&original.origin);
    let mut files = original.files.clone();
    changed(&mut files, data);
    let (Ok(classes), Ok(signer)) = (Classes::new(["chat."]), signer(original.origin.as_str()))
    else {
        return;
    };
    let _ = StoredLog::open(&files, &original.origin).map(|log| {
        let _ = (log.entry(0), log.payload(0), log.checkpoints());
    });
    let done = scrub(&Scrub {
        zone: &files,
        origin: &original.origin,
        key: signer.verifier_key(),
        entries: EntryForm::Events,
        payloads: PayloadForm::AsWritten,
        classes: &classes,
        kept: &[],
        platform: None,
        cadence: None,
        cursor: None,
        threads: NonZeroUsize::MIN,
        progress: &|done, of| assert!(done <= of),
    });
    let Ok(done) = done else {
        return;
    };
    if done.report.intact().is_err() {
        return;
    }
    let entries = |files: &BTreeMap<String, Vec<u8>>| -> Vec<Vec<u8>> {
        // The one bundle that has what was signed, however wide it is by now.
        let bundles = (1..=255).filter_map(|width| {
            let path = format!("{folder}/tile/entries/000.p/{width}");
            let bytes = files.get(&path)?;
            let bundle = EntryBundle::parse(bytes, width).ok()?;
            Some(bundle.entries().map(<[u8]>::to_vec).collect::<Vec<_>>())
        });
        bundles.max_by_key(Vec::len).unwrap_or_default()
    };
    let covered = usize::try_from(done.report.covered).unwrap_or_default();
    let (was, is) = (entries(&original.files), entries(&files));
    assert_eq!(
        was.get(..covered),
        is.get(..covered),
        "of {covered} entries"
    );
    assert!(done.payloads.checked <= original.entries);
}

/// A store's files after any changes: it opens or says why not, and what opened once opens again
/// with what it had.
pub fn open(data: &[u8]) {
    let original = Made::get();
    let mut files = original.files.clone();
    changed(&mut files, data);
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let zone = folder.path().join("zone");
    for (path, bytes) in &files {
        let path = zone.join(path);
        let made = path.parent().map(fs::create_dir_all);
        if !matches!(made, Some(Ok(()))) || fs::write(path, bytes).is_err() {
            return;
        }
    }
    let size = |zone: &dyn ZoneRead| StoredLog::open(zone, &original.origin).map(|log| log.size());
    let Some((directory, store)) = opened(folder.path()) else {
        return;
    };
    let before = size(directory.as_ref());
    drop((store, directory));
    let again = opened(folder.path());
    assert!(again.is_some(), "it does not open again");
    if let Some((directory, _)) = &again {
        assert_eq!(size(directory.as_ref()).ok(), before.ok());
    }
}

/// Changes files as the data says: which file, where in it, and how.
fn changed(files: &mut BTreeMap<String, Vec<u8>>, data: &[u8]) {
    let (edits, _) = data.as_chunks::<5>();
    for [which, high, low, how, value] in edits.iter().take(64) {
        let place = usize::from(*which) % files.len().max(1);
        let Some((path, bytes)) = files.iter_mut().nth(place) else {
            return;
        };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
        let path = path.clone();
        match how % 8 {
            0..4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= value;
                }
            }
            4 => bytes.truncate(at),
            5 => bytes.insert(at, *value),
            6 => {
                files.remove(&path);
            }
            // Another number in its name.
            _ => {
                let moved = path.trim_end_matches(|last: char| last.is_ascii_digit());
                if let Some(bytes) = files.get(&path).cloned() {
                    files.insert(format!("{moved}{value}"), bytes);
                }
            }
        }
    }
}

/// A small store as it was written: seven entries, five of them signed, two in frames alone.
struct Made {
    origin: Origin,
    entries: u64,
    /// The zone's files but its lock.
    files: BTreeMap<String, Vec<u8>>,
}

impl Made {
    fn get() -> &'static Self {
        static MADE: OnceLock<Made> = OnceLock::new();
        MADE.get_or_init(|| match Self::new() {
            Ok(made) => made,
            Err(error) => panic!("no store to begin with: {error}"),
        })
    }

    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let origin: Origin = "audit.example.com/t/fuzz".parse()?;
        let folder = tempfile::tempdir()?;
        let zone: Arc<dyn Zone> = Arc::new(Directory::open(folder.path().join("zone"))?);
        Store::create(&[Arc::clone(&zone)], 1)?;
        drop(zone);
        let (zone, store) = opened(folder.path()).ok_or("it does not open")?;
        for number in 0..7 {
            let (leaf, payload) = entry(number)?;
            store.append(&origin, leaf, payload)?;
            if number == 2 || number == 4 {
                store.checkpoint()?;
            }
        }
        drop((store, zone));
        let mut files = BTreeMap::new();
        take(&folder.path().join("zone"), "", &mut files)?;
        files.remove("lock");
        Ok(Self {
            origin,
            entries: 7,
            files,
        })
    }
}

fn entry(number: u8) -> Result<(Leaf, Vec<u8>), Box<dyn std::error::Error>> {
    let id = RequestId::from_parts(1_700_000_000_000 + u64::from(number), &[number; 10]);
    let salt = Zeroizing::new([number; 32]);
    let field = ("prompt".parse()?, salt, Zeroizing::new(vec![number; 3]));
    let payload = Payload::with_salts(*id.as_uuid(), vec![field])?;
    let leaf = Leaf::encode(&Event {
        id: *id.as_uuid(),
        time_us: 1_700_000_000_000_000 + u64::from(number),
        kind: "chat.completed".parse()?,
        actor: None,
        resource: None,
        credential: None,
        request_id: id,
        policy: None,
        source: "fuzz".to_owned(),
        outcome: Outcome::Success,
        commitments: if number == 6 {
            Commitments::NONE
        } else {
            payload.commitments()
        },
    })?;
    let payload = if number == 6 {
        Vec::new()
    } else {
        payload.encode().to_vec()
    };
    Ok((leaf, payload))
}

fn signer(name: &str) -> Result<Ed25519Signer, strongroom_auditchain::NoteError> {
    Ed25519Signer::from_seed(name, &[1; 32])
}

/// Opens the store in a folder, with a checkpoint store that knows nothing.
fn opened(folder: &Path) -> Option<(Arc<dyn Zone>, Store)> {
    let zone: Arc<dyn Zone> = Arc::new(Directory::open(folder.join("zone")).ok()?);
    let keys = signer("audit.example.com/batch").ok()?;
    let key = keys.verifier_key().clone();
    let checkpoints = CheckpointStore::open(folder.join("signed"), &key).ok()?;
    let opened = Store::open(StoreConfig {
        zones: vec![Some(Arc::clone(&zone))],
        checkpoints: Arc::new(checkpoints),
        keys: Arc::new(keys),
        classes: Classes::new(["chat."]).ok()?,
        limits: Default::default(),
        adopt_empty_zones: false,
    });
    opened.ok().map(|(store, _)| (zone, store))
}

fn take(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            take(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}
