//! The verification pass beside SHA-256 alone, on one core.
//!
//! The floor of a log in files: each file is read once, each entry hashed as a leaf and each node
//! above it, by the same code over the same SHA-256 and on one thread. No pass can do less. The pass
//! reads the same files on one thread and does everything that `strongroom audit verify` does.

use std::collections::VecDeque;
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::{fs, io};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use strongroom_auditchain::store::{
    Beneath, EntryForm, PayloadForm, Scrub, Scrubbed, Ticket, log_folder, scrub,
};
use strongroom_auditchain::{
    COMMITMENT_LABEL, Checkpoint, Classes, Ed25519Signer, EntryBundle, Frontier, Hash, Leaf,
    Origin, Payload, StoredEntry, bundles_for, root, verify_log,
};
use strongroom_tenancy::RequestId;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::durable::OpenStore;
use super::entries::{event, keys, origin};
use crate::case::{Case, Goal, Side};
use crate::report::Report;

/// The entries of the log.
const ENTRIES: u64 = 200_000;

/// Entries between two checkpoints.
const APART: u64 = 5000;

/// Appends in flight while a log is written.
const IN_FLIGHT: usize = 4096;

/// The values of an entry's two sealed fields, in bytes.
const VALUES: [(&str, usize); 2] = [("answer", 400), ("prompt", 120)];

/// An entry with its payload, open.
struct Entry {
    leaf: Leaf,
    payload: Vec<u8>,
    /// What its commitments are made of.
    id: [u8; 16],
}

/// A log in a store's zone.
struct Stored {
    _folder: TempDir,
    zone: PathBuf,
    origin: Origin,
    signer: Ed25519Signer,
    /// Each bundle and how wide it is, then every other file of the log.
    bundles: Vec<(PathBuf, u16)>,
    others: Vec<PathBuf>,
    root: Hash,
}

/// What lies beside the entries.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Sealed,
    Opened,
}

/// Measures the pass over logs in files, and over one in memory.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let entries: Vec<Entry> = (0..ENTRIES).map(entry).collect::<Result<_, _>>()?;
    let entries: &'static [Entry] = Box::leak(entries.into_boxed_slice());
    let of_leaves: usize = entries.iter().map(|it| it.leaf.as_bytes().len()).sum();
    let of_payloads: usize = entries.iter().map(|it| it.payload.len()).sum();
    println!(
        "{ENTRIES} entries of {} bytes with {} fields committed to, payloads of {} bytes, a checkpoint every {APART}",
        of_leaves / entries.len(),
        VALUES.len(),
        of_payloads / entries.len(),
    );
    let bytes = u64::try_from(of_leaves)?;
    for (name, beside, bytes) in [
        ("verify, no payloads", Beside::Nothing, bytes),
        (
            "verify, payloads sealed",
            Beside::Sealed,
            bytes + u64::try_from(of_payloads)?,
        ),
    ] {
        let log: &'static Stored = Box::leak(Box::new(Stored::write(entries, beside)?));
        report.measure(Case {
            name: name.to_owned(),
            peer_name: "the files, SHA-256 of leaves and nodes",
            goal: Some(Goal::of(0.7)),
            bytes: Some(bytes),
            ours: Side::new(move || log.pass(beside).is_ok()),
            peer: Side::new(|| log.floor().is_ok()),
        });
    }
    let log: &'static Stored = Box::leak(Box::new(Stored::write(entries, Beside::Opened)?));
    let ours = || Side::new(|| log.pass(Beside::Opened).is_ok());
    // A payload that is open is what its entry commits to only if its HMACs are computed too.
    report.measure(Case {
        name: "verify, payloads open".to_owned(),
        peer_name: "the files, leaves and nodes, HMAC of values",
        goal: Some(Goal::of(0.7)),
        bytes: Some(bytes + u64::try_from(of_payloads)?),
        ours: ours(),
        peer: Side::new(move || (log.floor().is_ok(), commitments(entries))),
    });
    report.measure(Case {
        name: "verify, payloads open".to_owned(),
        peer_name: "the files, SHA-256 of leaves and nodes",
        goal: None,
        bytes: Some(bytes + u64::try_from(of_payloads)?),
        ours: ours(),
        peer: Side::new(|| log.floor().is_ok()),
    });
    in_memory(report, entries, bytes)
}

fn entry(number: u64) -> Result<Entry, Box<dyn Error>> {
    let mut event = event(number)?;
    // Ids of the same millisecond come in any order.
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let [entropy @ .., _, _, _, _, _, _] = mixed.to_be_bytes();
    let id = RequestId::from_parts(1_700_000_000_000 + number / 10, &entropy);
    event.id = *id.as_uuid();
    let fields = VALUES.into_iter().map(|(field, length)| {
        let salt = Zeroizing::new(*Hash::of_leaf(&number.to_be_bytes()).as_bytes());
        Ok((field.parse()?, salt, Zeroizing::new(vec![7; length])))
    });
    let fields = fields.collect::<Result<_, Box<dyn Error>>>()?;
    let payload = Payload::with_salts(event.id, fields)?;
    event.commitments = payload.commitments();
    Ok(Entry {
        leaf: Leaf::encode(&event)?,
        payload: payload.encode().to_vec(),
        id: event.id.into_bytes(),
    })
}

impl Stored {
    fn write(entries: &[Entry], beside: Beside) -> Result<Self, Box<dyn Error>> {
        let (origin, keys) = (origin(0)?, keys()?);
        let open = OpenStore::new(1)?;
        let mut tickets = VecDeque::<Ticket>::new();
        for (entry, number) in entries.iter().zip(1..) {
            if tickets.len() == IN_FLIGHT
                && let Some(oldest) = tickets.pop_front()
            {
                oldest.wait()?;
            }
            let payload = match beside {
                Beside::Nothing => Vec::new(),
                // Nothing that an open payload begins with.
                Beside::Sealed => entry.payload.iter().map(|byte| !byte).collect(),
                Beside::Opened => entry.payload.clone(),
            };
            tickets.push_back(open.store.submit(&origin, entry.leaf.clone(), payload)?);
            if u64::is_multiple_of(number, APART) {
                for ticket in std::mem::take(&mut tickets) {
                    ticket.wait()?;
                }
                open.store.checkpoint()?;
            }
        }
        let signer = keys.with_name(origin.as_str())?;
        let zone = open.zones.first().ok_or("no zone")?.clone();
        let log = zone.join(log_folder(&origin));
        let note = fs::read_to_string(log.join("checkpoint"))?;
        let signed = Checkpoint::verify(&note, signer.verifier_key(), &origin)?;
        let bundles: Vec<_> = bundles_for(0, signed.size)
            .map(|path| (log.join(path.to_string()), path.width()))
            .collect();
        let mut others = Vec::new();
        files_below(&log, &mut others)?;
        others.retain(|path| bundles.iter().all(|(bundle, _)| bundle != path));
        let stored = Self {
            _folder: open.close(),
            zone,
            origin,
            signer,
            bundles,
            others,
            root: signed.root,
        };
        if signed.size != ENTRIES || stored.floor()? != stored.root {
            return Err("the log is not what was appended".into());
        }
        let pass = stored.pass(beside)?;
        let payloads = pass.payloads;
        let seen = match beside {
            Beside::Nothing => ENTRIES,
            Beside::Sealed => payloads.sealed,
            Beside::Opened => payloads.checked,
        };
        if pass.report.intact().is_err() || pass.report.covered != ENTRIES || seen != ENTRIES {
            return Err("the log is not intact".into());
        }
        Ok(stored)
    }

    fn pass(&self, beside: Beside) -> Result<Scrubbed, Box<dyn Error>> {
        Ok(scrub(&Scrub {
            zone: &Beneath::open(&self.zone)?,
            origin: &self.origin,
            key: self.signer.verifier_key(),
            entries: EntryForm::Events,
            payloads: if beside == Beside::Nothing {
                PayloadForm::LeftOut
            } else {
                PayloadForm::AsWritten
            },
            classes: &Classes::new(["chat."])?,
            kept: &[],
            platform: None,
            cadence: None,
            cursor: None,
            threads: NonZeroUsize::MIN,
            progress: &|_, _| {},
        })?)
    }

    /// The files read, their leaves and nodes hashed.
    fn floor(&self) -> Result<Hash, Box<dyn Error>> {
        let mut roots = Vec::with_capacity(self.bundles.len());
        for (path, width) in &self.bundles {
            let bytes = fs::read(path)?;
            let bundle = EntryBundle::parse(&bytes, *width)?;
            let leaves: Vec<Hash> = bundle.leaf_hashes().collect();
            roots.push(root(&leaves));
        }
        for path in &self.others {
            fs::read(path)?;
        }
        Ok(root(&roots))
    }
}

/// The HMACs of every value.
fn commitments(entries: &[Entry]) -> u8 {
    entries.iter().fold(0, |sum, entry| {
        let digests = VALUES.into_iter().map(|(field, length)| {
            let mut mac = Hmac::<Sha256>::new(&[7; 64].into());
            let mut part = |part: &[u8]| {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            };
            part(&entry.id);
            part(field.as_bytes());
            part([7; 400].get(..length).unwrap_or_default());
            mac.update(COMMITMENT_LABEL.as_bytes());
            mac.finalize()
                .into_bytes()
                .iter()
                .fold(0, |sum, byte| sum ^ byte)
        });
        digests.fold(sum, |sum, byte| sum ^ byte)
    })
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The pass that is fed entry by entry.
fn in_memory(
    report: &mut Report,
    entries: &'static [Entry],
    bytes: u64,
) -> Result<(), Box<dyn Error>> {
    let (origin, keys) = (origin(0)?, keys()?);
    let signer = keys.with_name(origin.as_str())?;
    let mut frontier = Frontier::new();
    let (mut hashes, mut notes) = (Vec::new(), Vec::new());
    for entry in entries {
        frontier.push(entry.leaf.hash());
        hashes.push(entry.leaf.hash());
        if frontier.size().is_multiple_of(APART) {
            let (size, root) = (frontier.size(), frontier.root());
            let origin = origin.clone();
            notes.push(Checkpoint { origin, size, root }.sign(&signer)?);
        }
    }
    let head = (frontier.size(), frontier.root());
    let pass = move || {
        let rows = entries.iter().zip(&hashes).zip(0..);
        let rows = rows.map(|((entry, leaf_hash), index)| StoredEntry {
            index,
            leaf: entry.leaf.as_bytes(),
            leaf_hash: *leaf_hash,
        });
        verify_log(&origin, signer.verifier_key(), rows, &notes, Some(head))
    };
    if pass().intact().is_err() {
        return Err("the log is not intact".into());
    }
    report.measure(Case {
        name: "verify, in memory".to_owned(),
        peer_name: "SHA-256 of leaves and nodes",
        goal: Some(Goal::of(0.7)),
        bytes: Some(bytes),
        ours: Side::new(pass),
        peer: Side::new(move || {
            let mut frontier = Frontier::new();
            for entry in entries {
                frontier.push(entry.leaf.hash());
            }
            frontier.root()
        }),
    });
    Ok(())
}
