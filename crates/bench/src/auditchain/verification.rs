//! The verification pass beside SHA-256 alone, on one core.

use std::error::Error;

use sha2::{Digest as _, Sha256};
use strongroom_auditchain::{
    Checkpoint, Frontier, Hash, Leaf, Report as Found, StoredEntry, verify_log,
};

use super::entries::{keys, leaf, origin};
use crate::case::{Case, Goal, Side};
use crate::report::Report;

/// The entries of the log.
const ENTRIES: u64 = 200_000;

/// Entries between two checkpoints.
const APART: u64 = 5000;

/// A log in memory.
struct Log {
    leaves: Vec<Leaf>,
    hashes: Vec<Hash>,
    notes: Vec<String>,
    head: (u64, Hash),
}

/// Measures the pass over a log in memory.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let log: &'static Log = Box::leak(Box::new(log()?));
    if pass(log)?.intact().is_err() {
        return Err("the log is not intact".into());
    }
    let bytes = log.leaves.iter().map(|leaf| leaf.as_bytes().len()).sum();
    let mut all = Vec::with_capacity(bytes);
    log.leaves
        .iter()
        .for_each(|leaf| all.extend_from_slice(leaf.as_bytes()));
    let ours = || Side::new(|| pass(log).is_ok());
    // The hashes that no pass can do without: of each leaf, and of as many nodes.
    let hashes = Side::new(|| {
        let mut frontier = Frontier::new();
        for leaf in &log.leaves {
            frontier.push(leaf.hash());
        }
        frontier.root()
    });
    let stream = Side::new(move || Sha256::digest(&all));
    let bytes = Some(u64::try_from(bytes)?);
    report.measure(Case {
        name: "verify 200,000 in memory".to_owned(),
        peer_name: "SHA-256 of leaves and nodes",
        goal: Some(Goal::of(0.7)),
        bytes,
        ours: ours(),
        peer: hashes,
    });
    report.measure(Case {
        name: "verify 200,000 in memory".to_owned(),
        peer_name: "SHA-256, one stream of the leaves",
        goal: None,
        bytes,
        ours: ours(),
        peer: stream,
    });
    Ok(())
}

fn log() -> Result<Log, Box<dyn Error>> {
    let (origin, keys) = (origin(0)?, keys()?);
    let signer = keys.with_name(origin.as_str())?;
    let mut frontier = Frontier::new();
    let (mut leaves, mut hashes, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..ENTRIES {
        let leaf = leaf(number)?;
        frontier.push(leaf.hash());
        hashes.push(leaf.hash());
        leaves.push(leaf);
        if frontier.size().is_multiple_of(APART) {
            let checkpoint = Checkpoint {
                origin: origin.clone(),
                size: frontier.size(),
                root: frontier.root(),
            };
            notes.push(checkpoint.sign(&signer)?);
        }
    }
    Ok(Log {
        leaves,
        hashes,
        notes,
        head: (frontier.size(), frontier.root()),
    })
}

fn pass(log: &Log) -> Result<Found, Box<dyn Error>> {
    let (origin, keys) = (origin(0)?, keys()?);
    let signer = keys.with_name(origin.as_str())?;
    let entries = log.leaves.iter().zip(&log.hashes).zip(0..);
    let entries = entries.map(|((leaf, leaf_hash), index)| StoredEntry {
        index,
        leaf: leaf.as_bytes(),
        leaf_hash: *leaf_hash,
    });
    let key = signer.verifier_key();
    Ok(verify_log(
        &origin,
        key,
        entries,
        &log.notes,
        Some(log.head),
    ))
}
