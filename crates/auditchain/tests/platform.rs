//! The platform log, anchors, batch files and the cadence: what is altered proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_auditchain::{
    Anchor, AnchorError, BatchFile, BatchFileError, BatchLine, CADENCE_SECONDS, CadenceError,
    CadenceFinding, Checkpoint, CheckpointError, CosignaturePolicy, Cosigner, Ed25519Signer,
    Frontier, Hash, HistoryError, MAX_ANCHOR_BYTES, MAX_BATCH_FILE_BYTES, MAX_FINDINGS,
    OpeningMismatch, PlatformEntry, PlatformError, PlatformSalt, ProofError, Witnessed, cadence,
    prove_consistency, root, sign_batch,
};

const TIME: u64 = 1_700_000_000;

fn signer(name: &str) -> Ed25519Signer {
    Ed25519Signer::from_seed(name, &[1; 32]).unwrap()
}

fn checkpoint(tenant: &str, size: u64) -> Checkpoint {
    let root = if size == 0 {
        Hash::EMPTY
    } else {
        Hash::of_leaf(&size.to_be_bytes())
    };
    Checkpoint {
        origin: format!("audit.example.com/t/{tenant}").parse().unwrap(),
        size,
        root,
    }
}

fn salt(byte: u8) -> PlatformSalt {
    PlatformSalt::from_bytes(&[byte; 32])
}

/// A platform log over these tenants' checkpoints, and the anchor of each.
fn anchors(heads: &[Checkpoint]) -> (CosignaturePolicy, Vec<Anchor>) {
    let platform = signer("audit.example.com/platform");
    let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[2; 32]).unwrap();
    let cosigner = Cosigner::new(Arc::new(clock)).unwrap();
    let entries: Vec<(PlatformEntry, PlatformSalt)> = heads
        .iter()
        .map(|head| PlatformEntry::generate(head).unwrap())
        .collect();
    let leaves: Vec<Hash> = entries.iter().map(|(entry, _)| entry.hash()).collect();
    let (tree, proofs) = Frontier::new().append_batch(&leaves);
    let head = Checkpoint {
        origin: "audit.example.com/platform".parse().unwrap(),
        size: tree.size(),
        root: tree.root(),
    };
    let note = head.sign(&platform).unwrap().parse().unwrap();
    let key = platform.verifier_key().clone();
    let nothing = Witnessed::nothing(head.origin.clone());
    let (note, _) = cosigner.cosign(&note, &key, &nothing, &[], TIME).unwrap();
    let anchors = entries.into_iter().zip(heads).zip(&proofs);
    let anchors = anchors.map(|(((_, salt), head), proof)| {
        let log = head.sign(&signer(head.origin.as_str())).unwrap();
        Anchor::new(salt, proof, log.parse().unwrap(), note.clone()).unwrap()
    });
    let anchors = anchors.collect();
    let keys = vec![cosigner.verifier_key().clone()];
    let policy = CosignaturePolicy::new(head.origin, key, keys, 1).unwrap();
    (policy, anchors)
}

#[test]
fn an_entry_tells_nobody_whose_it_is() {
    let (one, salt_one) = PlatformEntry::generate(&checkpoint("acme", 1)).unwrap();
    let (two, salt_two) = PlatformEntry::generate(&checkpoint("acme", 1)).unwrap();
    assert_ne!(one, two);
    assert_ne!(salt_one.expose(), salt_two.expose());
    assert_eq!(one.verify(&salt_one, &checkpoint("acme", 1)), Ok(()));
    let refused = [
        one.verify(&salt_two, &checkpoint("acme", 1)),
        one.verify(&salt_one, &checkpoint("acme", 2)),
        one.verify(&salt_one, &checkpoint("acm", 1)),
        one.verify(&salt_one, &checkpoint("acme", 1 << 63)),
        two.verify(&salt_one, &checkpoint("acme", 1)),
    ];
    assert_eq!(refused, [Err(OpeningMismatch); 5]);
    let none = PlatformEntry::commit(&salt_one, &checkpoint("acme", 1 << 63));
    assert_eq!(none, Err(PlatformError::Checkpoint(CheckpointError::Size)));
}

#[test]
fn debug_shows_no_salt() {
    assert_eq!(format!("{:?}", salt(7)), "PlatformSalt(..)");
    let (_, anchors) = anchors(&[checkpoint("acme", 1)]);
    assert_eq!(format!("{:?}", anchors[0]), "Anchor { index: 0, .. }");
}

#[test]
fn an_anchor_is_made_only_of_what_fits() {
    let head = checkpoint("acme", 1);
    let (tree, proofs) =
        Frontier::new().append_batch(&[PlatformEntry::commit(&salt(1), &head).unwrap().hash()]);
    let platform = Checkpoint {
        origin: "audit.example.com/platform".parse().unwrap(),
        size: tree.size(),
        root: tree.root(),
    };
    let sign = |head: &Checkpoint| {
        head.sign(&signer(head.origin.as_str()))
            .unwrap()
            .parse()
            .unwrap()
    };
    let make = |byte, size, head: &Checkpoint| {
        let mut proof = proofs[0].clone();
        proof.size = size;
        Anchor::new(salt(byte), &proof, sign(head), sign(&platform)).map(|_| ())
    };
    assert_eq!(make(1, 1, &head).ok(), Some(()));
    let mismatch = |error| Some(AnchorError::Inclusion(error));
    assert_eq!(make(2, 1, &head).err(), mismatch(ProofError::RootMismatch));
    assert_eq!(make(1, 2, &head).err(), mismatch(ProofError::SizeMismatch));
    let other = checkpoint("globex", 1);
    assert_eq!(make(1, 1, &other).err(), mismatch(ProofError::RootMismatch));
}

#[test]
fn a_log_that_was_rolled_back_does_not_follow_from_what_it_was() {
    let leaves: Vec<Hash> = (0..9_u8).map(|n| Hash::of_leaf(&[n])).collect();
    let other: Vec<Hash> = (0..9_u8).map(|n| Hash::of_leaf(&[n, n])).collect();
    let head = |tenant: &str, leaves: &[Hash]| {
        let (size, root) = (leaves.len() as u64, root(leaves));
        Checkpoint {
            size,
            root,
            ..checkpoint(tenant, 0)
        }
    };
    let heads = [
        head("acme", &leaves[..3]),
        head("acme", &leaves[..7]),
        head("acme", &leaves[..2]),
        head("acme", &other[..7]),
        head("globex", &leaves[..7]),
        head("acme", &leaves[..3]),
    ];
    let (policy, anchors) = anchors(&heads);
    let verified = |index: usize| {
        let origin = &heads[index].origin;
        let key = signer(origin.as_str());
        anchors[index]
            .verify(key.verifier_key(), origin, &policy)
            .unwrap()
    };
    let proof = prove_consistency(&leaves, 3, 7).unwrap().hashes;
    let follows =
        |later, earlier, hashes: &[Hash]| verified(later).follows(&verified(earlier), hashes);
    assert_eq!(follows(1, 0, &proof), Ok(()));
    assert_eq!(follows(5, 0, &[]), Ok(()));
    let refused = |error| Err(HistoryError::Consistency(error));
    assert_eq!(follows(2, 0, &[]), refused(ProofError::SizeMismatch));
    assert_eq!(follows(3, 0, &proof), refused(ProofError::RootMismatch));
    assert_eq!(follows(3, 1, &[]), refused(ProofError::RootMismatch));
    assert_eq!(follows(1, 0, &[]), refused(ProofError::WrongLength));
    assert_eq!(follows(4, 0, &proof), Err(HistoryError::OtherLog));
    assert_eq!(follows(0, 1, &[]), Err(HistoryError::Order));
    assert_eq!(follows(0, 0, &[]), Err(HistoryError::Order));
}

#[test]
fn anchors_and_batch_files_are_bounded() {
    let long = "x".repeat(MAX_ANCHOR_BYTES + 1);
    assert_eq!(long.parse::<Anchor>().err(), Some(AnchorError::TooLong));
    let long = "x".repeat(MAX_BATCH_FILE_BYTES + 1);
    assert_eq!(
        long.parse::<BatchFile>().err(),
        Some(BatchFileError::TooLong)
    );
}

#[test]
fn a_rolled_back_database_has_less_than_its_last_line_says() {
    let key = signer("audit.example.com/batch");
    let lines: Vec<BatchLine> = ["acme", "globex"].map(|name| checkpoint(name, 9)).to_vec();
    let text = BatchFile::from(&sign_batch(&lines, 1, &key).unwrap()).to_string();
    let file: BatchFile = text.parse().unwrap();
    let verified = file.verify(key.verifier_key()).unwrap();
    assert_eq!(verified.lines(), lines);
    let origin = checkpoint("globex", 0).origin;
    assert_eq!(verified.line(&origin).map(|line| line.size), Some(9));
    assert_eq!(verified.line(&checkpoint("initech", 0).origin), None);
}

#[test]
fn a_cadence_that_is_kept_is_not_found_fault_with() {
    let times: Vec<u64> = (0..100).map(|n| TIME + n * CADENCE_SECONDS).collect();
    let end = TIME + 99 * CADENCE_SECONDS;
    let report = cadence(&times, TIME, end, CADENCE_SECONDS, 0).unwrap();
    assert_eq!(
        (report.kept(), report.counted, report.longest),
        (Ok(()), 100, 300)
    );
    let report = cadence(&[TIME, TIME], TIME, TIME, 300, 0).unwrap();
    assert_eq!((report.kept(), report.counted), (Ok(()), 2));
}

#[test]
fn gaps_and_steps_back_are_named() {
    let find = |times: &[u64], from, to| cadence(times, from, to, 300, 10).unwrap();
    let gap = |after, before| Err(CadenceFinding::Gap { after, before });
    let back = |position, after, time| {
        Err(CadenceFinding::Backwards {
            position,
            after,
            time,
        })
    };
    assert_eq!(find(&[], 0, 310).kept(), Ok(()));
    assert_eq!(find(&[], 0, 311).kept(), gap(0, 311));
    assert_eq!(find(&[310], 0, 620).kept(), Ok(()));
    assert_eq!(find(&[311], 0, 621).kept(), gap(0, 311));
    assert_eq!(find(&[310], 0, 621).kept(), gap(310, 621));
    assert_eq!(find(&[100, 99], 0, 200).kept(), back(1, 100, 99));
    // Neither does a clock that ran ahead fill a gap, nor what was cosigned outside the period.
    assert_eq!(find(&[5000, 300, 600], 0, 900).findings.len(), 3);
    assert_eq!(find(&[1, 1200, 5000], 900, 1220).kept(), Ok(()));
    assert_eq!(find(&[1, 5000], 900, 1220).kept(), gap(900, 1220));
    assert_eq!(cadence(&[], 1, 0, 300, 0), Err(CadenceError::Period));
    assert_eq!(cadence(&[], 0, 1, 0, 9), Err(CadenceError::Interval));
    let report = cadence(&[u64::MAX; 3], 0, u64::MAX, u64::MAX, u64::MAX).unwrap();
    assert_eq!(report.kept(), Ok(()));
    let falling: Vec<u64> = (0..100).rev().collect();
    let report = find(&falling, 0, 100);
    assert_eq!((report.findings.len(), report.omitted), (MAX_FINDINGS, 35));
    let told = report.findings[0].to_string();
    assert_eq!(told, "cosignature 1: time 98 after 99");
    let told = find(&[], 5, 400).findings[0].to_string();
    assert_eq!(told, "no cosignature for 395 s, from 5 to 400");
}

proptest! {
    #[test]
    fn every_tenant_is_anchored(sizes in prop::collection::vec(0_u64..1 << 40, 1..9)) {
        let heads = sizes.iter().enumerate().map(|(n, size)| checkpoint(&n.to_string(), *size));
        let heads: Vec<Checkpoint> = heads.collect();
        let (policy, anchors) = anchors(&heads);
        for (index, (anchor, head)) in anchors.iter().zip(&heads).enumerate() {
            let again: Anchor = anchor.to_text().parse().unwrap();
            let key = signer(head.origin.as_str());
            let anchored = again.verify(key.verifier_key(), &head.origin, &policy).unwrap();
            prop_assert_eq!(anchored.checkpoint(), head);
            prop_assert_eq!((anchored.index(), anchored.by()), (index as u64, Some(TIME)));
        }
    }

    #[test]
    fn an_altered_anchor_or_batch_file_proves_nothing_else(
        byte: prop::sample::Index, bit in 0_u8..7, cut: prop::sample::Index,
    ) {
        let heads = ["acme", "globex", "initech"].map(|name| checkpoint(name, 5));
        let (policy, anchors) = anchors(&heads);
        let key = signer(heads[1].origin.as_str());
        let verify = |text: &str| {
            text.parse::<Anchor>()?.verify(key.verifier_key(), &heads[1].origin, &policy)
        };
        let alter = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
            String::from_utf8(bytes).ok()
        };
        let text = anchors[1].to_text();
        prop_assert!(verify(&text).is_ok());
        if let Some(altered) = alter(&text) {
            prop_assert!(verify(&altered).is_err(), "{}", altered);
        }
        if let Some(cut) = text.get(..cut.index(text.len())) {
            prop_assert!(verify(cut).is_err(), "{}", cut);
        }
        let batch = signer("audit.example.com/batch");
        let text = BatchFile::from(&sign_batch(&heads, 1, &batch).unwrap()).to_string();
        let verify = |text: &str| {
            text.parse::<BatchFile>()?.verify(batch.verifier_key()).map(|batch| batch.lines().to_vec())
        };
        prop_assert_eq!(verify(&text), Ok(heads.to_vec()));
        if let Some(altered) = alter(&text) {
            prop_assert!(verify(&altered).is_err(), "{}", altered);
        }
        if let Some(cut) = text.get(..cut.index(text.len())) {
            prop_assert!(verify(cut).is_err(), "{}", cut);
        }
    }

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,300}") {
        let _ = PlatformEntry::decode(&bytes);
        let _ = text.parse::<Anchor>();
        let _ = text.parse::<BatchFile>();
    }

    #[test]
    fn a_gap_is_found_wherever_it_is(
        pauses in prop::collection::vec(0_u64..=300, 1..50), at: prop::sample::Index,
    ) {
        let at = at.index(pauses.len());
        let sum = |pauses: &[u64]| -> Vec<u64> {
            let next = |time: &mut u64, pause: &u64| { *time += pause; Some(*time) };
            pauses.iter().scan(TIME, next).collect()
        };
        let times = sum(&pauses);
        let end = times[times.len() - 1];
        prop_assert_eq!(cadence(&times, TIME, end, 300, 0).unwrap().kept(), Ok(()));
        let mut longer = pauses.clone();
        longer[at] = 301;
        let times = sum(&longer);
        let end = times[times.len() - 1];
        let before = times[at];
        let report = cadence(&times, TIME, end, 300, 0).unwrap();
        prop_assert_eq!(report.findings, [CadenceFinding::Gap { after: before - 301, before }]);
    }
}
