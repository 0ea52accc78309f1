//! A log's files in memory, and whatever may have been done to them.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;

use strongroom_auditchain::store::{
    Cursor, EntryForm, PayloadForm, Scrub, Scrubbed, ZoneRead, log_folder, scrub,
};
use strongroom_auditchain::{
    Checkpoint, Classes, CosignaturePolicy, Ed25519Signer, EntryBundle, Event, Finding, Frontier,
    Hash, Leaf, Origin, Payload, TileKind, TilePath, bundles_for, grow_tiles,
};
use zeroize::Zeroizing;

use crate::events::{event, origin};

/// Files by their paths below the log's folder.
#[derive(Clone)]
pub struct Shelf {
    pub origin: Origin,
    pub signer: Ed25519Signer2,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A signer that can be had again.
pub struct Ed25519Signer2(pub Ed25519Signer);

impl Clone for Ed25519Signer2 {
    fn clone(&self) -> Self {
        Self(self.0.same())
    }
}

/// Its files are where a zone has the log's.
impl ZoneRead for Shelf {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.within(path)
            .map_or(Ok(None), |path| self.files.read(path, most))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, Option<u64>)>> {
        self.within(folder)
            .map_or(Ok(Vec::new()), |folder| self.files.list(folder))
    }
}

impl Shelf {
    fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&log_folder(&self.origin))?
            .strip_prefix('/')
    }

    /// A log of these entries, with checkpoints of these sizes.
    pub fn of(leaves: &[Vec<u8>], sizes: &[u64]) -> Self {
        let origin = origin("acme");
        let signer = Ed25519Signer::from_seed(origin.as_str(), &[1; 32]).unwrap();
        let mut shelf = Self {
            origin,
            signer: Ed25519Signer2(signer),
            files: BTreeMap::new(),
        };
        shelf.write(leaves);
        for size in sizes {
            shelf.sign(&leaves[..*size as usize]);
        }
        shelf
    }

    /// Writes entries and tiles, as they are for these.
    pub fn write(&mut self, leaves: &[Vec<u8>]) {
        self.files.retain(|path, _| !path.starts_with("tile/"));
        let hashes: Vec<_> = leaves.iter().map(|leaf| Hash::of_leaf(leaf)).collect();
        let nothing = BTreeMap::<TilePath, Vec<u8>>::new();
        for tile in grow_tiles(&nothing, &Frontier::new(), &hashes).unwrap() {
            self.files.insert(tile.path.to_string(), tile.bytes);
        }
        for path in bundles_for(0, leaves.len() as u64) {
            let mut bytes = Vec::new();
            let first = path.index() as usize * 256;
            for leaf in &leaves[first..first + usize::from(path.width())] {
                EntryBundle::append(&mut bytes, leaf).unwrap();
            }
            self.files.insert(path.to_string(), bytes);
        }
    }

    /// Signs the log as it is with these entries.
    pub fn sign(&mut self, leaves: &[Vec<u8>]) {
        let note = self.note(leaves);
        let path = format!("checkpoints/{}", leaves.len());
        self.files.insert(path, note.clone().into_bytes());
        self.files
            .insert("checkpoint".to_owned(), note.into_bytes());
    }

    pub fn note(&self, leaves: &[Vec<u8>]) -> String {
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier.push(Hash::of_leaf(leaf));
        }
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: frontier.size(),
            root: frontier.root(),
        };
        checkpoint.sign(&self.signer.0).unwrap()
    }

    /// Puts payloads beside entries, those that there are.
    pub fn put_payloads(&mut self, payloads: &[Vec<u8>]) {
        for path in bundles_for(0, payloads.len() as u64) {
            let mut bytes = Vec::new();
            let first = path.index() as usize * 256;
            for payload in &payloads[first..first + usize::from(path.width())] {
                bytes.extend((payload.len() as u32).to_be_bytes());
                bytes.extend(payload);
            }
            let path = path.to_string().replace("tile/entries", "payload");
            self.files.insert(path, bytes);
        }
    }

    pub fn scrub(&self) -> Scrubbed {
        self.scrub_with(1, &[], None, None)
    }

    pub fn scrub_with(
        &self,
        threads: usize,
        kept: &[String],
        cursor: Option<&Cursor>,
        platform: Option<&CosignaturePolicy>,
    ) -> Scrubbed {
        scrub(&Scrub {
            zone: self,
            origin: &self.origin,
            key: self.signer.0.verifier_key(),
            entries: EntryForm::Events,
            payloads: PayloadForm::AsWritten,
            classes: &Classes::new(["chat."]).unwrap(),
            kept,
            platform,
            cadence: None,
            cursor,
            threads: NonZeroUsize::new(threads).unwrap(),
            progress: &|done, of| assert!(done <= of),
        })
        .unwrap()
    }

    pub fn findings(&self) -> Vec<Finding> {
        self.scrub().report.findings
    }

    /// Changes the hash of a node in a tile.
    pub fn change_hash(&mut self, path: &str, position: usize) {
        self.files.get_mut(path).unwrap()[32 * position] ^= 1;
    }

    /// Takes another entry, of the same length, in place of one.
    pub fn change_entry(&mut self, leaves: &[Vec<u8>], index: usize) {
        let mut changed = leaves.to_vec();
        changed[index] = other(index);
        let mut written = self.clone();
        written.write(&changed);
        let number = index as u64 / 256;
        let path = TilePath::in_tree(TileKind::Entries, number, leaves.len() as u64).unwrap();
        let bytes = written.files.remove(&path.to_string()).unwrap();
        self.files.insert(path.to_string(), bytes);
    }
}

pub fn leaves(count: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| Leaf::encode(&event(number)).unwrap().into_bytes())
        .collect()
}

/// Another event of the same id.
pub fn other(number: usize) -> Vec<u8> {
    let mut event = event(number as u64);
    event.time_us ^= 1;
    Leaf::encode(&event).unwrap().into_bytes()
}

/// An event with a payload, and the payload.
pub fn with_payload(number: u64, value: &[u8]) -> (Event, Vec<u8>) {
    let mut event = event(number);
    let salt = Zeroizing::new([number as u8; 32]);
    let field = (
        "prompt".parse().unwrap(),
        salt,
        Zeroizing::new(value.to_vec()),
    );
    let payload = Payload::with_salts(event.id, vec![field]).unwrap();
    event.commitments = payload.commitments();
    (event, payload.encode().to_vec())
}
