//! Receipts, proofs, checkpoints and leaves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom::auditchain::{
    BatchLine, Checkpoint, Commitments, Ed25519Signer, Event, Frontier, Hash, Leaf, Origin,
    Outcome, ProofFile, Receipt, sign_batch,
};
use strongroom::tenancy::RequestId;

use crate::shell::Shell;

/// A log of three entries, and all the evidence about its second.
struct Log {
    leaves: Vec<Leaf>,
    key: String,
    batch_key: String,
    checkpoint: String,
    proof: String,
    receipt: Receipt,
}

impl Log {
    fn new() -> Self {
        let leaves: Vec<_> = (1..=3).map(leaf).collect();
        let hashes: Vec<_> = leaves.iter().map(Leaf::hash).collect();
        let origin: Origin = "audit.example.com/t/acme".parse().unwrap();
        let signer = Ed25519Signer::from_seed(origin.as_str(), &[7; 32]).unwrap();
        let platform = signer.with_name("audit.example.com/batch").unwrap();
        let (frontier, proofs) = Frontier::new().append_batch(&hashes);
        let head = Checkpoint {
            origin,
            size: frontier.size(),
            root: frontier.root(),
        };
        let checkpoint = head.sign(&signer).unwrap();
        let proof = ProofFile {
            extra: None,
            index: proofs[1].index,
            hashes: proofs[1].hashes.clone(),
            checkpoint: checkpoint.parse().unwrap(),
        };
        let batch = sign_batch(&[BatchLine::clone(&head)], 1, &platform).unwrap();
        Self {
            key: signer.verifier_key().to_string(),
            batch_key: platform.verifier_key().to_string(),
            checkpoint,
            proof: proof.to_string(),
            receipt: batch.receipt(0, hashes[1], &proofs[1]).unwrap(),
            leaves,
        }
    }
}

fn leaf(number: u8) -> Leaf {
    let request_id = RequestId::from_parts(1_700_000_000_000, &[number; 10]);
    let event = Event {
        id: *request_id.as_uuid(),
        time_us: 1_700_000_000_000_000,
        kind: "chat.completed".parse().unwrap(),
        actor: None,
        resource: Some("model:small".to_owned()),
        credential: Some("api_key/EXAMPLEKEY00".to_owned()),
        request_id,
        policy: None,
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    };
    Leaf::encode(&event).unwrap()
}

/// Changes the last digit of a text's first `name N` line.
fn with_another_index(text: &str) -> String {
    text.replacen("index 1\n", "index 0\n", 1)
}

#[test]
fn a_receipt_is_verified_in_both_forms() {
    let (shell, log) = (Shell::new(), Log::new());
    shell.file("text", log.receipt.to_text());
    shell.file("header", log.receipt.to_header() + "\n");
    for form in ["text", "header"] {
        let line = format!(
            "audit verify --json --receipt {form} --batch-key {}",
            log.batch_key
        );
        let told = shell.run(&line).ends_with(0).json();
        assert_eq!(told["valid"], true);
        assert_eq!(told["origin"], "audit.example.com/t/acme");
        assert_eq!((&told["index"], &told["size"]), (&"1".into(), &"3".into()));
        assert_eq!(told["leaf_hash"], log.leaves[1].hash().to_string());
    }
    let line = format!("audit verify --receipt - --batch-key {}", log.batch_key);
    let told = shell.run_with(&line, log.receipt.to_text()).ends_with(0);
    assert!(
        told.text()
            .contains("origin: audit.example.com/t/acme\nindex: 1\n")
    );
}

#[test]
fn a_tampered_receipt_is_refused() {
    let (shell, log) = (Shell::new(), Log::new());
    let text = log.receipt.to_text();
    let other_leaf = text.replace(
        &log.leaves[1].hash().to_string(),
        &log.leaves[0].hash().to_string(),
    );
    for (name, tampered) in [
        ("another index", with_another_index(&text).into_bytes()),
        ("another leaf", other_leaf.into_bytes()),
        (
            "another origin",
            text.replace("/t/acme", "/t/evil").into_bytes(),
        ),
        ("cut short", text.as_bytes()[..text.len() / 2].to_vec()),
        ("not text", vec![0xff, 0xfe]),
        ("empty", Vec::new()),
    ] {
        assert_ne!(tampered, text.as_bytes(), "{name}");
        let line = format!(
            "audit verify --json --receipt - --batch-key {}",
            log.batch_key
        );
        let told = shell.run_with(&line, tampered).ends_with(1).json();
        assert_eq!(told["valid"], false, "{name}");
    }
    let line = format!("audit verify --receipt - --batch-key {}", log.key);
    let told = shell.run_with(&line, &text).ends_with(1);
    assert_eq!(told.stderr, "refused: note: not signed by a known key\n");
}

#[test]
fn a_receipt_is_for_one_entry_of_one_log() {
    let (shell, log) = (Shell::new(), Log::new());
    shell.file("receipt", log.receipt.to_text());
    shell.file("leaf", log.leaves[1].as_bytes());
    shell.file("base64", STANDARD.encode(log.leaves[1].as_bytes()) + "\n");
    shell.file("other", log.leaves[0].as_bytes());
    let line = format!(
        "audit verify --receipt receipt --batch-key {}",
        log.batch_key
    );
    let hash = |leaf: &Leaf| leaf.hash().to_string();
    for (entry, status) in [
        ("--leaf leaf".to_owned(), 0),
        ("--leaf base64".to_owned(), 0),
        ("--leaf other".to_owned(), 1),
        (format!("--leaf-hash {}", hash(&log.leaves[1])), 0),
        (format!("--leaf-hash {}", hash(&log.leaves[2])), 1),
        ("--origin audit.example.com/t/acme".to_owned(), 0),
        ("--origin audit.example.com/t/globex".to_owned(), 1),
        ("--leaf absent".to_owned(), 2),
    ] {
        shell.run(&format!("{line} {entry}")).ends_with(status);
    }
}

#[test]
fn a_proof_file_is_verified() {
    let (shell, log) = (Shell::new(), Log::new());
    shell
        .file("proof", &log.proof)
        .file("leaf", log.leaves[1].as_bytes());
    shell.file("other", log.leaves[2].as_bytes());
    shell.file("tampered", with_another_index(&log.proof));
    let line = |proof: &str, rest: &str| format!("audit verify --proof {proof} {rest}");
    let key = format!("--key {}", log.key);
    let told = shell
        .run(&line("proof", &format!("--leaf leaf --json {key}")))
        .ends_with(0)
        .json();
    assert_eq!((&told["index"], &told["size"]), (&"1".into(), &"3".into()));
    let hash = log.leaves[1].hash();
    shell
        .run(&line("proof", &format!("--leaf-hash {hash} {key}")))
        .ends_with(0);
    shell
        .run(&line("proof", &format!("--leaf other {key}")))
        .ends_with(1);
    shell
        .run(&line("tampered", &format!("--leaf leaf {key}")))
        .ends_with(1);
    shell
        .run(&line(
            "proof",
            &format!("--leaf leaf --key {}", log.batch_key),
        ))
        .ends_with(1);
    let globex = format!("--leaf leaf --origin audit.example.com/t/globex {key}");
    shell.run(&line("proof", &globex)).ends_with(1);
    shell.run(&line("proof", &key)).ends_with(2);
    shell.run(&line("proof", "--leaf leaf")).ends_with(2);
}

#[test]
fn a_checkpoint_is_verified() {
    let (shell, log) = (Shell::new(), Log::new());
    shell.file("checkpoint", &log.checkpoint);
    shell.file("tampered", log.checkpoint.replacen("\n3\n", "\n4\n", 1));
    let key = &log.key;
    let told = shell
        .run(&format!("audit verify --checkpoint checkpoint --key {key}"))
        .ends_with(0);
    assert!(told.text().contains("\nsize: 3\n"), "{}", told.text());
    shell
        .run(&format!("audit verify --checkpoint tampered --key {key}"))
        .ends_with(1);
    shell
        .run("audit verify --checkpoint checkpoint --key nonsense")
        .ends_with(2);
    shell
        .run("audit verify --checkpoint checkpoint")
        .ends_with(2);
    shell.run("audit verify").ends_with(2);
    let two = format!("audit verify --checkpoint checkpoint --proof p --key {key}");
    shell.run(&two).ends_with(2);
}

#[test]
fn a_leaf_is_shown() {
    let (shell, leaf) = (Shell::new(), leaf(1));
    shell.file("leaf", leaf.as_bytes());
    let told = shell.run("audit show leaf --json").ends_with(0).json();
    assert_eq!(told["kind"], "chat.completed");
    assert_eq!(told["time_us"], "1700000000000000");
    assert_eq!(told["commitments"], serde_json::json!([]));
    assert_eq!(told["time"], "2023-11-14T22:13:20Z");
    assert_eq!(
        told["leaf_hash"],
        Hash::of_leaf(leaf.as_bytes()).to_string()
    );
    let told = shell
        .run_with("audit show", STANDARD.encode(leaf.as_bytes()))
        .ends_with(0);
    assert!(told.text().contains("resource: model:small\n"));
    shell.run_with("audit show", "no leaf").ends_with(1);
    shell.run("audit show absent").ends_with(2);
}
