//! Cosignatures: what a cosigner signs and refuses to, and what no change of a note passes for.
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
    Checkpoint, CheckpointError, CosignatureError, CosignaturePolicy, Cosigner, Ed25519Signer,
    Hash, MAX_SIGNATURES, Note, NoteError, Origin, ProofError, ProofFile, ProofFileError, Receipt,
    ReceiptError, SignError, SignatureType, Signer, VerifierKey, Witnessed, prove_consistency,
    root, sign_batch,
};

const TIME: u64 = 1_700_000_000;

fn origin() -> Origin {
    "audit.example.com/platform".parse().unwrap()
}

fn log() -> Ed25519Signer {
    Ed25519Signer::from_seed(origin().as_str(), &[1; 32]).unwrap()
}

fn cosigner(number: u8) -> Cosigner {
    let name = format!("witness{number}.example.com");
    let signer = Ed25519Signer::from_seed(&name, &[100 + number; 32]).unwrap();
    Cosigner::new(Arc::new(signer)).unwrap()
}

fn note(size: u64) -> Note {
    let root = match size {
        0 => Hash::EMPTY,
        _ => Hash::of_leaf(&size.to_be_bytes()),
    };
    let head = Checkpoint {
        origin: origin(),
        size,
        root,
    };
    head.sign(&log()).unwrap().parse().unwrap()
}

fn policy(cosigners: &[Cosigner], quorum: usize) -> CosignaturePolicy {
    let keys = cosigners.iter().map(|c| c.verifier_key().clone()).collect();
    CosignaturePolicy::new(origin(), log().verifier_key().clone(), keys, quorum).unwrap()
}

/// Cosigns as if it were the first time.
fn cosign(cosigner: &Cosigner, note: &Note, time: u64) -> Result<Note, CosignatureError> {
    let nothing = Witnessed::nothing(origin());
    let result = cosigner.cosign(note, log().verifier_key(), &nothing, &[], time);
    result.map(|(note, _)| note)
}

#[test]
fn only_what_the_log_signed_is_cosigned() {
    let cosigner = cosigner(1);
    let other = Ed25519Signer::from_seed("audit.example.com/other", &[2; 32]).unwrap();
    let text = note(1)
        .verify(&[log().verifier_key().clone()])
        .unwrap()
        .text()
        .to_owned();
    let foreign = Note::sign(&text, &other).unwrap();
    let refused = |note: &Note, error: CheckpointError| {
        assert_eq!(cosign(&cosigner, note, TIME), Err(error.into()));
    };
    refused(&foreign, NoteError::UnknownKey.into());
    refused(
        &Note::sign("a text\n", &log()).unwrap(),
        CheckpointError::Origin,
    );
    let elsewhere = Witnessed::nothing("audit.example.com/t/acme".parse().unwrap());
    let result = cosigner.cosign(&note(1), log().verifier_key(), &elsewhere, &[], TIME);
    assert_eq!(result, Err(CheckpointError::OriginMismatch.into()));
}

#[test]
fn nothing_is_signed_that_does_not_follow_from_the_last() {
    let leaves: Vec<Hash> = (0..9_u8).map(|n| Hash::of_leaf(&[n])).collect();
    let other: Vec<Hash> = (0..9_u8).map(|n| Hash::of_leaf(&[n, n])).collect();
    let head = |leaves: &[Hash]| Checkpoint {
        origin: origin(),
        size: leaves.len() as u64,
        root: root(leaves),
    };
    let cosigner = cosigner(1);
    let cosign = |last: &Witnessed, leaves: &[Hash], hashes: &[Hash], time| {
        let note = head(leaves).sign(&log()).unwrap().parse().unwrap();
        let result = cosigner.cosign(&note, log().verifier_key(), last, hashes, time);
        result.map(|(_, next)| next)
    };
    let prove = |old, new| prove_consistency(&leaves, old, new).unwrap().hashes;
    let three = Witnessed {
        checkpoint: head(&leaves[..3]),
        time: TIME,
    };
    // It grows, or stays as it is, and time passes or not.
    let next = cosign(&three, &leaves[..7], &prove(3, 7), TIME + 300).unwrap();
    assert_eq!((next.checkpoint.size, next.time), (7, TIME + 300));
    assert_eq!(cosign(&three, &leaves[..3], &[], TIME).as_ref(), Ok(&three));
    // Another history, of any size, a rollback, a proof of something else, an earlier time.
    let refused = |error| Err(CosignatureError::Consistency(error));
    let fork = cosign(&three, &other[..7], &prove(3, 7), TIME);
    assert_eq!(fork, refused(ProofError::RootMismatch));
    let fork = cosign(&three, &other[..3], &[], TIME);
    assert_eq!(fork, refused(ProofError::RootMismatch));
    let rollback = cosign(&three, &leaves[..2], &[], TIME);
    assert_eq!(rollback, refused(ProofError::SizeMismatch));
    let rollback = cosign(&three, &[], &[], TIME);
    assert_eq!(rollback, refused(ProofError::SizeMismatch));
    let bare = cosign(&three, &leaves[..7], &[], TIME);
    assert_eq!(bare, refused(ProofError::WrongLength));
    let back = cosign(&three, &leaves[..3], &[], TIME - 1);
    assert_eq!(back, Err(CosignatureError::Backwards));
}

#[test]
fn a_time_that_no_clock_shows_is_not_signed() {
    let cosigner = cosigner(1);
    for time in [0, 1 << 63, u64::MAX] {
        assert_eq!(
            cosign(&cosigner, &note(1), time),
            Err(CosignatureError::Time)
        );
    }
    for time in [1, (1 << 63) - 1] {
        assert!(cosign(&cosigner, &note(1), time).is_ok());
    }
}

#[test]
fn a_note_has_room_for_sixteen_signatures() {
    let mut full = note(1);
    for number in 1..16 {
        full = cosign(&cosigner(number), &full, TIME).unwrap();
    }
    let result = cosign(&cosigner(16), &full, TIME);
    assert_eq!(result, Err(NoteError::TooManySignatures.into()));
    // One that is there already may say it again.
    let again = cosign(&cosigner(15), &full, TIME + 300).unwrap();
    assert_eq!(again.to_string().matches('—').count(), MAX_SIGNATURES);
    let cosigners: Vec<Cosigner> = (1..16).map(cosigner).collect();
    let cosigned = policy(&cosigners, 15).verify(&again.to_string()).unwrap();
    assert_eq!(cosigned.by(), Some(TIME + 300));
}

#[test]
fn a_note_of_a_thousand_signatures_is_refused() {
    let mut text = note(1).to_string();
    let line = text.lines().last().unwrap().to_owned() + "\n";
    for _ in 0..300 {
        text.push_str(&line);
    }
    assert_eq!(text.parse::<Note>(), Err(NoteError::TooManySignatures));
    for _ in 0..700 {
        text.push_str(&line);
    }
    assert_eq!(text.parse::<Note>(), Err(NoteError::TooLong));
}

#[test]
fn a_cosigner_speaks_for_no_log() {
    let cosigner = cosigner(1);
    let key = cosigner.verifier_key();
    assert_eq!(key.signature_type(), SignatureType::Cosignature);
    let note = cosign(&cosigner, &note(1), TIME).unwrap();
    assert!(note.verify(std::slice::from_ref(key)).is_ok());
    let refused = CheckpointError::Note(NoteError::CosignerKey);
    let checkpoint = Checkpoint::verify(&note.to_string(), key, &origin());
    assert_eq!(checkpoint, Err(refused));
    let file = ProofFile {
        extra: None,
        index: 0,
        hashes: Vec::new(),
        checkpoint: note.clone(),
    };
    let result = file.verify(&Hash::EMPTY, key, &origin());
    assert_eq!(result, Err(ProofFileError::Checkpoint(refused)));
    let line = Checkpoint::verify(&note.to_string(), log().verifier_key(), &origin()).unwrap();
    let batch = sign_batch(
        &[line],
        1,
        &log().with_name("audit.example.com/batch").unwrap(),
    )
    .unwrap();
    let one = strongroom_auditchain::InclusionProof {
        index: 0,
        size: 1,
        hashes: Vec::new(),
    };
    let receipt: Receipt = batch
        .receipt(0, Hash::of_leaf(&1_u64.to_be_bytes()), &one)
        .unwrap();
    let result = receipt.verify(key);
    assert_eq!(result, Err(ReceiptError::Note(NoteError::CosignerKey)));
}

#[test]
fn nobody_signs_as_a_text_what_a_cosigner_says() {
    let text = format!(
        "cosignature/v1\ntime {TIME}\n{}\n1\n{}\n",
        origin(),
        Hash::EMPTY
    );
    assert_eq!(Note::sign(&text, &log()), Err(NoteError::ReservedText));
}

#[test]
fn debug_shows_the_public_key_alone() {
    let shown = format!("{:?}", cosigner(1));
    assert_eq!(shown, format!("Cosigner({})", cosigner(1).verifier_key()));
}

/// A signer whose key is not the one that it shows.
struct Miswired(Ed25519Signer, Ed25519Signer);

impl Signer for Miswired {
    fn verifier_key(&self) -> &VerifierKey {
        self.0.verifier_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Signer::sign(&self.1, message)
    }
}

#[test]
fn a_cosignature_that_would_not_verify_is_not_published() {
    let named = |seed| Ed25519Signer::from_seed("witness.example.com", &[seed; 32]).unwrap();
    let cosigner = Cosigner::new(Arc::new(Miswired(named(8), named(9)))).unwrap();
    let result = cosign(&cosigner, &note(1), TIME);
    assert_eq!(result, Err(NoteError::Signing.into()));
}

proptest! {
    #[test]
    fn a_quorum_is_counted_in_cosigners(
        times in prop::collection::vec(1_u64..1 << 63, 1..6), quorum in 0_usize..6, size in 0_u64..9,
    ) {
        let cosigners: Vec<Cosigner> = (1..6).map(cosigner).collect();
        let mut signed = note(size);
        for (cosigner, time) in cosigners.iter().zip(&times) {
            signed = cosign(cosigner, &signed, *time).unwrap();
        }
        let result = policy(&cosigners, quorum.min(5)).verify(&signed.to_string());
        if quorum.min(5) > times.len() {
            let (have, need) = (times.len(), quorum.min(5));
            prop_assert_eq!(result, Err(CosignatureError::Quorum { have, need }));
        } else {
            let cosigned = result.unwrap();
            prop_assert_eq!(cosigned.checkpoint().size, size);
            let told: Vec<u64> = cosigned.cosignatures().iter().map(|c| c.time).collect();
            prop_assert_eq!(&told, &times);
            let mut sorted = times.clone();
            sorted.sort_unstable();
            prop_assert_eq!(cosigned.by(), quorum.checked_sub(1).map(|last| sorted[last.min(4)]));
        }
    }

    #[test]
    fn an_altered_note_says_what_it_said_or_nothing(byte: prop::sample::Index, bit in 0_u8..7) {
        let cosigners = [cosigner(1), cosigner(2)];
        let signed = cosign(&cosigners[0], &note(5), TIME).unwrap();
        let signed = cosign(&cosigners[1], &signed, TIME + 1).unwrap().to_string();
        let policy = policy(&cosigners, 2);
        let mut bytes = signed.clone().into_bytes();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(policy.verify(&text).is_err(), "{}", text);
        }
    }
}
