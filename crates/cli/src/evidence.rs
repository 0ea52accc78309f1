//! Evidence about an audit log: receipts, proof files, checkpoints.

use std::path::Path;

use strongroom::auditchain::{
    Checkpoint, Hash, Origin, ProofFile, RECEIPT_LABEL, Receipt, VerifierKey,
};

use crate::audit::{Verify, leaf_bytes};
use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::report::Report;

/// Verifies whichever evidence was given. What is wrong with the evidence is a refusal; what is
/// wrong with what it is held against is unusable input.
pub(crate) fn verify(with: &Verify) -> Result<Report, Failure> {
    let both = [&with.receipt, &with.proof, &with.checkpoint, &with.leaf];
    let from_stdin = both
        .into_iter()
        .flatten()
        .filter(|path| input::is_stdin(Some(path)));
    if from_stdin.count() > 1 {
        return Err(Failure::unusable("standard input can be read only once"));
    }
    let entry = match (&with.leaf, with.leaf_hash) {
        (Some(path), _) => Some(Hash::of_leaf(&leaf_bytes(input::bytes(
            Some(path),
            MAX_DOCUMENT,
        )?))),
        (None, hash) => hash,
    };
    let missing = || Failure::unusable("a key or a leaf is missing");
    if let Some(path) = &with.receipt {
        let key = with.batch_key.as_ref().ok_or_else(missing)?;
        receipt(path, key, entry, with.origin.as_ref())
    } else if let Some(path) = &with.proof {
        let key = with.key.as_ref().ok_or_else(missing)?;
        proof(path, key, &entry.ok_or_else(missing)?, with.origin.as_ref())
    } else {
        let key = with.key.as_ref().ok_or_else(missing)?;
        checkpoint(with.checkpoint.as_deref(), key, with.origin.as_ref())
    }
}

fn receipt(
    path: &Path,
    key: &VerifierKey,
    entry: Option<Hash>,
    origin: Option<&Origin>,
) -> Result<Report, Failure> {
    let text = evidence(Some(path))?;
    let receipt = if text.starts_with(RECEIPT_LABEL) {
        text.parse()
    } else {
        Receipt::from_header(text.trim_ascii())
    };
    let verified = receipt
        .and_then(|receipt| receipt.verify(key))
        .map_err(Failure::refused)?;
    if entry.is_some_and(|entry| entry != *verified.leaf()) {
        return Err(Failure::refused(
            "receipt: for another entry than this leaf",
        ));
    }
    if origin.is_some_and(|origin| origin != verified.origin()) {
        return Err(Failure::refused("receipt: of another log than this origin"));
    }
    let log = verified.checkpoint();
    Ok(Report::valid("receipt")
        .with("zones", verified.zones())
        .with_text("origin", verified.origin())
        .with_text("index", verified.index())
        .with_text("leaf_hash", verified.leaf())
        .with_text("size", log.size)
        .with_text("root", log.root))
}

fn proof(
    path: &Path,
    key: &VerifierKey,
    entry: &Hash,
    origin: Option<&Origin>,
) -> Result<Report, Failure> {
    let text = evidence(Some(path))?;
    let origin = demanded(origin, key)?;
    let file: ProofFile = text.parse().map_err(Failure::refused)?;
    let log = file.verify(entry, key, &origin).map_err(Failure::refused)?;
    Ok(Report::valid("proof")
        .with_text("origin", &log.origin)
        .with_text("index", file.index)
        .with_text("leaf_hash", entry)
        .with_text("size", log.size)
        .with_text("root", log.root))
}

fn checkpoint(
    path: Option<&Path>,
    key: &VerifierKey,
    origin: Option<&Origin>,
) -> Result<Report, Failure> {
    let text = evidence(path)?;
    let origin = demanded(origin, key)?;
    let log = Checkpoint::verify(&text, key, &origin).map_err(Failure::refused)?;
    Ok(Report::valid("checkpoint")
        .with_text("origin", &log.origin)
        .with_text("size", log.size)
        .with_text("root", log.root))
}

/// Reads evidence; bytes that are no text are evidence that does not hold.
fn evidence(path: Option<&Path>) -> Result<String, Failure> {
    let bytes = input::bytes(path, MAX_DOCUMENT)?;
    let refused = |_| Failure::refused(format!("{}: not UTF-8", input::name(path)));
    String::from_utf8(bytes).map_err(refused)
}

/// A log's key signs under the log's origin (tlog-checkpoint, "Signatures").
pub(crate) fn demanded(origin: Option<&Origin>, key: &VerifierKey) -> Result<Origin, Failure> {
    match origin {
        Some(origin) => Ok(origin.clone()),
        None => key.name().parse().map_err(|_| {
            Failure::unusable("the key's name is not an origin: give the log's with --origin")
        }),
    }
}
