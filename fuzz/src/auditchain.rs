//! Fuzz bodies of `strongroom-auditchain`.

use std::sync::Arc;

use strongroom_auditchain::{
    Anchor, BatchFile, Checkpoint, Commitments, ConsistencyProof, CosignaturePolicy, Cosigner, ERASED_KIND, Ed25519Signer, EntryBundle, Erasure, Event, Frontier, Hash, InclusionProof, Leaf, Multiproof, MultiproofFile, Note, Origin, Outcome, Payload, PlatformEntry, ProofFile, RangeFile, RangeProof, Receipt, StoredEntry, TilePath, Tree, VerifierKey, Witnessed, cadence, prove_inclusion, root, verify_log,
};
use strongroom_auditchain::store::{Cursor, Manifest};
use strongroom_tenancy::RequestId;

fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

/// A signed note is written as it was read, and nobody's key verifies it by chance.
pub fn note(data: &[u8]) {
    if let Ok(note) = text(data).parse::<Note>() {
        assert_eq!(note.to_string(), text(data));
        assert!(note.verify(&[]).is_err());
    }
}

/// A verifier key has one spelling.
pub fn verifier_key(data: &[u8]) {
    if let Ok(key) = text(data).parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text(data));
    }
}

/// A checkpoint's text has one spelling.
pub fn checkpoint(data: &[u8]) {
    if let Ok(checkpoint) = text(data).parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_text().as_deref(), Ok(text(data)));
    }
}

/// An event has one encoding.
pub fn leaf(data: &[u8]) {
    if let Ok(event) = Leaf::decode(data) {
        assert_eq!(
            Leaf::encode(&event).map(Leaf::into_bytes).as_deref(),
            Ok(data)
        );
    }
}

/// A payload has one encoding, and its `Debug` shows no value.
pub fn payload(data: &[u8]) {
    if let Ok(payload) = Payload::decode(data) {
        assert_eq!(&**payload.encode(), data);
        assert!(format!("{payload:?}").starts_with("Payload { event_id: "));
    }
}

/// A receipt has one spelling, as a text and as a header; a stranger's key does not verify it.
pub fn receipt(data: &[u8]) {
    if let Ok(receipt) = text(data).parse::<Receipt>() {
        assert_eq!(receipt.to_text(), text(data));
        assert_eq!(
            Receipt::from_header(&receipt.to_header()).as_ref(),
            Ok(&receipt)
        );
        if let Ok(stranger) = Ed25519Signer::from_seed("stranger", &[0xff; 32]) {
            assert!(receipt.verify(stranger.verifier_key()).is_err());
        }
    }
    let _ = Receipt::from_header(text(data));
}

/// A proof file has one spelling.
pub fn proof_file(data: &[u8]) {
    if let Ok(proof) = text(data).parse::<ProofFile>() {
        assert_eq!(proof.to_string(), text(data));
    }
}

/// Any numbers and hashes: a proof that holds has the length of the true one of its shape.
pub fn proofs(data: &[u8]) {
    let Some((head, rest)) = data.split_at_checked(34) else {
        return;
    };
    let number = |at: usize| {
        let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        u64::from_be_bytes(bytes.unwrap_or_default())
    };
    let (hashes, _) = rest.as_chunks::<32>();
    let hashes: Vec<Hash> = hashes.iter().copied().map(Hash::from_bytes).collect();
    let (index, size) = (number(0), number(8));
    let proof = InclusionProof {
        index,
        size,
        hashes: hashes.clone(),
    };
    let leaf = Hash::of_leaf(head);
    let _ = proof.verify(&leaf, &Hash::EMPTY);
    let proof = ConsistencyProof {
        old: number(16),
        new: number(24),
        hashes: hashes.clone(),
    };
    let _ = proof.verify(&leaf, &Hash::EMPTY);

    // The same hashes as leaves: each is proved, and its proof fits no other leaf.
    let size = hashes.len().min(64) as u64;
    let leaves = hashes.get(..hashes.len().min(64)).unwrap_or_default();
    let top = root(leaves);
    if let Ok(proof) = prove_inclusion(leaves, index % size.max(1), size) {
        let at = usize::try_from(proof.index).unwrap_or(usize::MAX);
        let own = leaves.get(at).copied().unwrap_or(Hash::EMPTY);
        assert_eq!(proof.verify(&own, &top), Ok(()));
        assert!(own == leaf || proof.verify(&leaf, &top).is_err());
    }
}

/// A frontier of any size and hashes grows by batch as it does leaf by leaf.
pub fn frontier(data: &[u8]) {
    let Some((size, rest)) = data.split_first_chunk::<8>() else {
        return;
    };
    let size = u64::from_be_bytes(*size);
    let stored = size.count_ones() as usize * 32;
    let Some((parts, batch)) = rest.split_at_checked(stored) else {
        return;
    };
    let Ok(old) = Frontier::from_bytes(size, parts) else {
        return;
    };
    assert_eq!(old.to_bytes(), parts);
    let (batch, _) = batch.as_chunks::<32>();
    let batch: Vec<Hash> = batch.iter().copied().map(Hash::from_bytes).collect();
    let (grown, proofs) = old.append_batch(&batch);
    let mut pushed = old.clone();
    batch.iter().for_each(|leaf| pushed.push(*leaf));
    assert_eq!(grown, pushed);
    for (leaf, proof) in batch.iter().zip(&proofs) {
        let in_range = proof.size <= strongroom_auditchain::MAX_TREE_SIZE;
        assert_eq!(proof.verify(leaf, &grown.root()).is_ok(), in_range);
    }
}

/// Lines of any bytes as entries, in any order: a pass ends, and finds nothing only in a log that
/// adds up to its head.
pub fn verify(data: &[u8]) {
    let (Ok(signer), Ok(origin)) = (
        Ed25519Signer::from_seed("audit.example.com/t/fuzz", &[1; 32]),
        "audit.example.com/t/fuzz".parse::<Origin>(),
    ) else {
        return;
    };
    let rows: Vec<(u64, &[u8])> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first())
        .map(|(index, leaf)| (u64::from(*index), leaf))
        .collect();
    let hashes: Vec<Hash> = rows.iter().map(|(_, leaf)| Hash::of_leaf(leaf)).collect();
    let entries = rows
        .iter()
        .zip(&hashes)
        .map(|((index, leaf), hash)| StoredEntry {
            index: *index,
            leaf,
            leaf_hash: *hash,
        });
    let head = Some((rows.len() as u64, root(&hashes)));
    let notes = [text(data).to_owned()];
    let report = verify_log(&origin, signer.verifier_key(), entries, &notes, head);
    // The one checkpoint is no note of this log's key.
    assert!(report.intact().is_err());
    assert_eq!(report.entries, rows.len() as u64);
    assert_eq!(report.covered, 0);
}

/// A tile's path has one spelling.
pub fn tile_path(data: &[u8]) {
    if let Ok(path) = text(data).parse::<TilePath>() {
        assert_eq!(path.to_string(), text(data));
        assert_eq!(TilePath::new(path.kind(), path.index(), path.width()), Ok(path));
    }
}

/// Bytes are a bundle of one number of entries at most, and are what these entries make up.
pub fn entry_bundle(data: &[u8]) {
    let mut widths = (0..=257).filter_map(|width| EntryBundle::parse(data, width).ok());
    if let Some(bundle) = widths.next() {
        let mut again = Vec::new();
        for entry in bundle.entries() {
            assert!(EntryBundle::append(&mut again, entry).is_ok());
        }
        assert_eq!(again, data);
        assert_eq!(bundle.entries().count(), usize::from(bundle.width()));
        assert!(widths.next().is_none());
    }
}

/// A range file has one spelling. Any numbers and hashes: a range that holds is the true one.
pub fn range(data: &[u8]) {
    if let Ok(file) = text(data).parse::<RangeFile>() {
        assert_eq!(file.to_string(), text(data));
    }
    let Some(([from, to, at, more], rest)) = data.split_first_chunk::<4>() else {
        return;
    };
    let (hashes, _) = rest.as_chunks::<32>();
    let leaves: Vec<Hash> = hashes.iter().take(64).copied().map(Hash::from_bytes).collect();
    let mut tree = Tree::new();
    tree.extend(&leaves);
    let (from, to) = (u64::from(*from), u64::from(*to));
    let Ok(proof) = tree.prove_range(from, to, tree.size()) else {
        let claimed = RangeProof {
            from,
            to,
            size: u64::from(*more),
            left: leaves.clone(),
            right: Vec::new(),
        };
        assert!(claimed.verify([Hash::EMPTY], &Hash::of_leaf(b"")).is_err());
        return;
    };
    let within = |index: usize| (from..to).contains(&(index as u64));
    let range = leaves.iter().enumerate().filter(|(index, _)| within(*index));
    let mut range: Vec<Hash> = range.map(|(_, leaf)| *leaf).collect();
    assert_eq!(proof.verify(range.iter().copied(), &tree.root()), Ok(()));
    let at = usize::from(*at) % range.len();
    let out = range.remove(at);
    assert!(proof.verify(range.iter().copied(), &tree.root()).is_err());
    if out != Hash::of_leaf(data) {
        range.insert(at, Hash::of_leaf(data));
        assert!(proof.verify(range, &tree.root()).is_err());
    }
}

/// A multiproof file has one spelling. Any choice of leaves is proved, and no other leaf with them.
pub fn multiproof(data: &[u8]) {
    if let Ok(file) = text(data).parse::<MultiproofFile>() {
        assert_eq!(file.to_string(), text(data));
    }
    let Some((chosen, rest)) = data.split_first_chunk::<8>() else {
        return;
    };
    let (hashes, _) = rest.as_chunks::<32>();
    let leaves: Vec<Hash> = hashes.iter().take(64).copied().map(Hash::from_bytes).collect();
    let (size, top) = (leaves.len() as u64, root(&leaves));
    let claimed = Multiproof {
        indices: chosen.iter().copied().map(u64::from).collect(),
        size: u64::from_be_bytes(*chosen),
        hashes: leaves.clone(),
    };
    let some = leaves.get(..8.min(leaves.len())).unwrap_or_default();
    assert!(claimed.verify(some, &Hash::EMPTY).is_err());
    let chosen = u64::from_be_bytes(*chosen);
    let indices: Vec<u64> = (0..size).filter(|index| chosen >> index & 1 == 1).collect();
    let proved = leaves.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
    let mut proved: Vec<Hash> = proved.map(|(_, leaf)| *leaf).collect();
    let Ok(proof) = Multiproof::prove(&leaves, &indices, size) else {
        assert!(indices.is_empty());
        return;
    };
    assert_eq!(proof.verify(&proved, &top), Ok(()));
    if let Some(last) = proved.last_mut()
        && *last != Hash::of_leaf(data)
    {
        *last = Hash::of_leaf(data);
        assert!(proof.verify(&proved, &top).is_err());
    }
}

/// A log, its cosigner and who trusts them both.
fn cosigned_log() -> Option<(Ed25519Signer, Cosigner, CosignaturePolicy)> {
    let origin: Origin = "audit.example.com/t/fuzz".parse().ok()?;
    let log = Ed25519Signer::from_seed(origin.as_str(), &[1; 32]).ok()?;
    let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[2; 32]).ok()?;
    let cosigner = Cosigner::new(Arc::new(clock)).ok()?;
    let keys = vec![cosigner.verifier_key().clone()];
    let policy = CosignaturePolicy::new(origin, log.verifier_key().clone(), keys, 1).ok()?;
    Some((log, cosigner, policy))
}

/// Nobody's note is cosigned; any size and time that a log and a clock can have are, and are read
/// back.
pub fn cosignature(data: &[u8]) {
    let Some((log, cosigner, policy)) = cosigned_log() else {
        return;
    };
    let (key, origin) = (log.verifier_key(), policy.origin());
    let nothing = Witnessed::nothing(origin.clone());
    assert!(policy.verify(text(data)).is_err());
    if let Ok(note) = text(data).parse::<Note>() {
        assert!(cosigner.cosign(&note, key, &nothing, &[], 1).is_err());
    }
    let Some((numbers, _)) = data.split_first_chunk::<16>() else {
        return;
    };
    let numbers = u128::from_be_bytes(*numbers);
    let (size, time) = ((numbers >> 64) as u64, numbers as u64);
    let empty = size == 0;
    let head = Checkpoint {
        origin: origin.clone(),
        size,
        root: if empty { Hash::EMPTY } else { Hash::of_leaf(data) },
    };
    let Ok(note) = head.sign(&log) else {
        assert!(size > strongroom_auditchain::MAX_TREE_SIZE);
        return;
    };
    let Ok(note) = note.parse::<Note>() else {
        panic!("a signed checkpoint is no note");
    };
    match cosigner.cosign(&note, key, &nothing, &[], time) {
        Ok((note, last)) => {
            assert_eq!((last.checkpoint.size, last.time), (size, time));
            let cosigned = policy.verify(&note.to_string());
            assert_eq!(cosigned.map(|cosigned| cosigned.by()), Ok(Some(time)));
        }
        Err(_) => assert!(time == 0 || time >> 63 == 1),
    }
}

/// An entry of the platform log has one encoding.
pub fn platform_entry(data: &[u8]) {
    if let Ok(entry) = PlatformEntry::decode(data) {
        assert_eq!(entry.encode().as_slice(), data);
    }
}

/// An anchor has one spelling, its `Debug` shows no salt, and strangers' keys do not verify it.
pub fn anchor(data: &[u8]) {
    if let Ok(anchor) = text(data).parse::<Anchor>() {
        assert_eq!(anchor.to_text().as_str(), text(data));
        assert!(format!("{anchor:?}").starts_with("Anchor { index: "));
        if let Some((log, _, policy)) = cosigned_log() {
            let verified = anchor.verify(log.verifier_key(), policy.origin(), &policy);
            assert!(verified.is_err());
        }
    }
}

/// A batch file has one spelling, and a stranger's key does not verify it.
pub fn batch_file(data: &[u8]) {
    if let Ok(file) = text(data).parse::<BatchFile>() {
        assert_eq!(file.to_string(), text(data));
        if let Ok(stranger) = Ed25519Signer::from_seed("stranger", &[0xff; 32]) {
            assert!(file.verify(stranger.verifier_key()).is_err());
        }
    }
}

/// A resource is an erasure in one spelling, and erases nothing that comes after it.
pub fn erasure(data: &[u8]) {
    let Some((index, resource)) = data.split_first_chunk::<8>() else {
        return;
    };
    let request_id = RequestId::from_parts(0, &[1; 10]);
    let Ok(kind) = ERASED_KIND.parse() else {
        return;
    };
    let event = Event {
        id: *request_id.as_uuid(),
        time_us: 0,
        kind,
        actor: None,
        resource: Some(text(resource).to_owned()),
        credential: None,
        request_id,
        policy: None,
        source: "fuzz".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    };
    let index = u64::from_be_bytes(*index);
    if let Some(erasure) = Erasure::of(&event, index) {
        assert_eq!(erasure.resource(), text(resource));
        assert!(erasure.from() < erasure.to() && erasure.to() <= index);
    }
}

/// Any times: a cadence that is kept has no step back and no pause that is too long.
pub fn cadence_of_times(data: &[u8]) {
    let Some(([every, tolerance], times)) = data.split_first_chunk() else {
        return;
    };
    let (times, _) = times.as_chunks::<2>();
    let times: Vec<u64> = times.iter().map(|t| u16::from_be_bytes(*t).into()).collect();
    let (every, tolerance) = (u64::from(*every), u64::from(*tolerance));
    let (from, to) = (times.first().copied(), times.last().copied());
    let (from, to) = (from.unwrap_or(0), to.unwrap_or(0));
    let Ok(report) = cadence(&times, from, to, every, tolerance) else {
        assert!(from > to || every == 0);
        return;
    };
    let mut pairs = times.iter().zip(times.iter().skip(1));
    let kept = pairs.all(|(a, b)| a <= b && b - a <= every + tolerance);
    assert_eq!(report.kept().is_ok(), kept);
}

/// A cursor has one spelling.
pub fn cursor(data: &[u8]) {
    if let Ok(cursor) = text(data).parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text(data));
    }
}

/// A manifest has one spelling.
pub fn export_manifest(data: &[u8]) {
    if let Ok(manifest) = text(data).parse::<Manifest>() {
        assert_eq!(manifest.to_string(), text(data));
        assert!(manifest.classes().is_ok());
    }
}
