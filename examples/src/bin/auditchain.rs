//! Appends three events to a log, signs it, proves one entry to an auditor, and finds a forgery.

use std::error::Error;

use strongroom::auditchain::{
    Checkpoint, Commitments, Ed25519Signer, Event, Finding, Frontier, Hash, Leaf, Origin, Outcome,
    StoredEntry, verify_log,
};
use strongroom::tenancy::RequestId;

fn main() -> Result<(), Box<dyn Error>> {
    let origin: Origin = "audit.example.com/t/acme".parse()?;
    let signer = Ed25519Signer::generate(origin.as_str())?;

    // The leaf bytes are the entry; they are stored as they are, and nobody re-encodes them.
    let mut leaves = Vec::new();
    for number in 1..=3 {
        leaves.push(Leaf::encode(&event(number)?)?);
    }
    let hashes: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
    let (log, proofs) = Frontier::new().append_batch(&hashes);
    let head = Checkpoint {
        origin,
        size: log.size(),
        root: log.root(),
    };
    let note = head.sign(&signer)?;
    println!("{note}");

    // An auditor with the verifier key needs one leaf, one proof and the note; not the log.
    let signed = Checkpoint::verify(&note, signer.verifier_key(), &head.origin)?;
    for (leaf, proof) in leaves.iter().zip(&proofs) {
        proof.verify(&leaf.hash(), &signed.root)?;
    }
    println!("every entry is in the tree that was signed");

    // Somebody with the database changes an entry's bytes: the pass names the very entry.
    let forged = Leaf::encode(&event(9)?)?;
    let rows = leaves
        .iter()
        .zip(&hashes)
        .zip(0..)
        .map(|((leaf, leaf_hash), index)| StoredEntry {
            index,
            leaf: if index == 1 {
                forged.as_bytes()
            } else {
                leaf.as_bytes()
            },
            leaf_hash: *leaf_hash,
        });
    let report = verify_log(&head.origin, signer.verifier_key(), rows, &[note], None);
    assert_eq!(report.findings, [Finding::Leaf { index: 1 }]);
    println!(
        "after tampering: {}",
        report.intact().err().ok_or("the forgery went unnoticed")?
    );
    Ok(())
}

fn event(number: u8) -> Result<Event, Box<dyn Error>> {
    let request_id = RequestId::from_parts(1_800_000_000_000, &[number; 10]);
    Ok(Event {
        id: *request_id.as_uuid(),
        time_us: 1_800_000_000_000_000,
        kind: "chat.completed".parse()?,
        actor: None,
        resource: Some("model:small".to_owned()),
        credential: Some("api_key/EXAMPLEKEY00".to_owned()),
        request_id,
        policy: None,
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    })
}
