//! The shared vectors, one loop a file: every valid case holds, every other fails by its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::Value;
use strongroom_auditchain::{
    Anchor, BatchFile, Checkpoint, Commitment, ConsistencyProof, CosignaturePolicy, Cosigner,
    Ed25519Signer, Erasure, Event, Frontier, Hash, InclusionProof, Leaf, Note, Outcome, Payload,
    PlatformEntry, PlatformSalt, PolicyError, ProofFile, Receipt, VerifierKey, Witnessed,
    prove_consistency, prove_inclusion, root,
};
use strongroom_tenancy::RequestId;
use uuid::Uuid;

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {case}"))
}

fn hash(case: &Value, key: &str) -> Hash {
    text(case, key).parse().unwrap()
}

fn number(case: &Value, key: &str) -> u64 {
    text(case, key).parse().unwrap()
}

fn hashes(case: &Value) -> Vec<Hash> {
    let hashes = case["hashes"].as_array().unwrap().iter();
    hashes
        .map(|h| h.as_str().unwrap().parse().unwrap())
        .collect()
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(case, key)).unwrap()
}

/// The result must be what the case says: success, or the error variant that it names.
fn expect<T: Debug, E: Debug>(case: &Value, result: &Result<T, E>) {
    let name = text(case, "name");
    match (case["error"].as_str(), result) {
        (None, Ok(_)) => {}
        (Some(expected), Err(error)) => {
            let error = format!("{error:?}");
            let variant = error.split('(').next().unwrap();
            assert!(variant == expected || error == expected, "{name}: {error}");
        }
        (expected, result) => panic!("{name}: expected {expected:?}, found {result:?}"),
    }
}

fn cases<'a>(file: &'a Value, key: &str) -> &'a [Value] {
    let cases = file[key].as_array().unwrap();
    assert!(!cases.is_empty());
    cases
}

fn load(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn merkle() {
    let file = load(include_str!("vectors/merkle.json"));
    let leaves: Vec<Hash> = cases(&file, "leaves")
        .iter()
        .map(|leaf| Hash::of_leaf(&hex::decode(leaf.as_str().unwrap()).unwrap()))
        .collect();
    for case in cases(&file, "roots") {
        let size = usize::try_from(case["size"].as_u64().unwrap()).unwrap();
        let expected = Hash::try_from(bytes(case, "root").as_slice()).unwrap();
        assert_eq!(root(&leaves[..size]), expected, "{}", text(case, "name"));
        let (grown, _) = Frontier::new().append_batch(&leaves[..size]);
        assert_eq!(grown.root(), expected, "{}", text(case, "name"));
    }
    for case in cases(&file, "inclusion") {
        let proof = InclusionProof {
            index: number(case, "index"),
            size: number(case, "size"),
            hashes: hashes(case),
        };
        let result = proof.verify(&hash(case, "leaf"), &hash(case, "root"));
        let valid = case["valid"].as_bool().unwrap();
        assert_eq!(result.is_ok(), valid, "{}: {result:?}", text(case, "name"));
        if valid {
            assert_eq!(prove_inclusion(&leaves, proof.index, proof.size), Ok(proof));
        }
    }
    for case in cases(&file, "consistency") {
        let proof = ConsistencyProof {
            old: number(case, "old"),
            new: number(case, "new"),
            hashes: hashes(case),
        };
        let result = proof.verify(&hash(case, "old_root"), &hash(case, "new_root"));
        let valid = case["valid"].as_bool().unwrap();
        assert_eq!(result.is_ok(), valid, "{}: {result:?}", text(case, "name"));
        if valid {
            assert_eq!(prove_consistency(&leaves, proof.old, proof.new), Ok(proof));
        }
    }
}

#[test]
fn note() {
    let file = load(include_str!("vectors/note.json"));
    for case in cases(&file, "notes") {
        let keys: Vec<VerifierKey> = case["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().parse().unwrap())
            .collect();
        let note = text(case, "note").parse::<Note>();
        if let Ok(note) = &note {
            assert_eq!(note.to_string(), text(case, "note"));
        }
        let result =
            note.and_then(|note| note.verify(&keys).map(|signed| signed.text().to_owned()));
        expect(case, &result);
    }
    for case in cases(&file, "keys") {
        let result = text(case, "key").parse::<VerifierKey>();
        if let Ok(key) = &result {
            assert_eq!(key.to_string(), text(case, "key"));
        }
        expect(case, &result);
    }
}

#[test]
fn checkpoint() {
    let file = load(include_str!("vectors/checkpoint.json"));
    for case in file.as_array().unwrap() {
        let key = text(case, "key").parse().unwrap();
        let origin = text(case, "expected_origin").parse().unwrap();
        let result = Checkpoint::verify(text(case, "note"), &key, &origin);
        if let Ok(checkpoint) = &result {
            assert!(text(case, "note").starts_with(&checkpoint.to_text().unwrap()));
        }
        expect(case, &result);
    }
}

#[test]
fn cosignature() {
    let file = load(include_str!("vectors/cosignature.json"));
    for case in cases(&file, "notes") {
        let policy = policy(case, "log", text(case, "expected_origin")).unwrap();
        let result = policy.verify(text(case, "note"));
        if let Ok(cosigned) = &result {
            let times: Vec<String> = cosigned
                .cosignatures()
                .iter()
                .map(|cosignature| cosignature.time.to_string())
                .collect();
            assert_eq!(
                serde_json::json!(times),
                case["times"],
                "{}",
                text(case, "name")
            );
            let by = cosigned.by().map(|time| time.to_string());
            assert_eq!(serde_json::json!(by), case["by"], "{}", text(case, "name"));
            let said = cosigned.checkpoint().to_text().unwrap();
            assert!(text(case, "note").starts_with(&said));
        }
        expect(case, &result);
    }
    for case in cases(&file, "policies") {
        expect(case, &policy(case, "log", "audit.example.com/t/acme"));
    }
    for case in cases(&file, "signing") {
        let seed: [u8; 32] = bytes(case, "seed").try_into().unwrap();
        let signer = Ed25519Signer::from_seed(text(case, "name_of_cosigner"), &seed).unwrap();
        let cosigner = Cosigner::new(Arc::new(signer)).unwrap();
        let nothing = Witnessed::nothing("audit.example.com/t/acme".parse().unwrap());
        let note: Note = text(case, "note").parse().unwrap();
        let log = text(case, "log").parse().unwrap();
        let cosigned = cosigner.cosign(&note, &log, &nothing, &[], number(case, "time"));
        assert_eq!(cosigned.unwrap().0.to_string(), text(case, "cosigned"));
    }
}

fn policy(case: &Value, log: &str, origin: &str) -> Result<CosignaturePolicy, PolicyError> {
    let keys = case["cosigners"].as_array().unwrap().iter();
    let keys = keys.map(|key| key.as_str().unwrap().parse().unwrap());
    let quorum = usize::try_from(case["quorum"].as_u64().unwrap()).unwrap();
    let log = text(case, log).parse().unwrap();
    CosignaturePolicy::new(origin.parse().unwrap(), log, keys.collect(), quorum)
}

#[test]
fn leaf() {
    let file = load(include_str!("vectors/leaf.json"));
    for case in cases(&file, "leaves") {
        let leaf = bytes(case, "leaf");
        let result = Leaf::decode(&leaf);
        if let Ok(event) = &result {
            let again = Leaf::encode(event).unwrap();
            assert_eq!(again.as_bytes(), leaf, "{}", text(case, "name"));
            assert_eq!(again.hash(), hash(case, "hash"));
        }
        expect(case, &result);
    }
    for case in cases(&file, "commitments") {
        let salt: [u8; 32] = bytes(case, "salt").try_into().unwrap();
        let event_id = Uuid::from_slice(&bytes(case, "event_id")).unwrap();
        let field = text(case, "field").parse().unwrap();
        let commitment = Commitment::commit(&salt, &event_id, &field, &bytes(case, "value"));
        assert_eq!(
            commitment.digest.to_vec(),
            bytes(case, "digest"),
            "{}",
            text(case, "name")
        );
    }
    for case in cases(&file, "payloads") {
        let payload = bytes(case, "payload");
        let result = Payload::decode(&payload);
        if let Ok(decoded) = &result {
            assert_eq!(*decoded.encode(), payload, "{}", text(case, "name"));
        }
        expect(case, &result);
    }
    // The worked examples' leaves commit to the worked examples' payloads.
    let named = |list: &str, name: &str, key: &str| {
        let case = cases(&file, list).iter().find(|case| case["name"] == name);
        bytes(case.unwrap(), key)
    };
    for name in ["worked example", "map of 17 fields"] {
        let event = Leaf::decode(&named("leaves", name, "leaf")).unwrap();
        let payload = Payload::decode(&named("payloads", name, "payload")).unwrap();
        assert_eq!(payload.verify(&event), Ok(()), "{name}");
    }
}

#[test]
fn receipt() {
    let file = load(include_str!("vectors/receipt.json"));
    for case in file.as_array().unwrap() {
        let key = text(case, "key").parse().unwrap();
        let receipt = text(case, "receipt").parse::<Receipt>();
        if let Ok(receipt) = &receipt {
            assert_eq!(receipt.to_text(), text(case, "receipt"));
            assert_eq!(
                Receipt::from_header(&receipt.to_header()),
                Ok(receipt.clone())
            );
        }
        expect(case, &receipt.and_then(|receipt| receipt.verify(&key)));
    }
}

#[test]
fn proof_file() {
    let file = load(include_str!("vectors/proof_file.json"));
    for case in file.as_array().unwrap() {
        let key = text(case, "key").parse().unwrap();
        let origin = text(case, "expected_origin").parse().unwrap();
        let proof = text(case, "proof").parse::<ProofFile>();
        if let Ok(proof) = &proof {
            assert_eq!(proof.to_string(), text(case, "proof"));
        }
        let result = proof.and_then(|proof| proof.verify(&hash(case, "leaf"), &key, &origin));
        expect(case, &result);
    }
}

#[test]
fn platform() {
    let file = load(include_str!("vectors/platform.json"));
    for case in cases(&file, "entries") {
        let salt = PlatformSalt::from_bytes(&bytes(case, "salt").try_into().unwrap());
        let checkpoint: Checkpoint = text(case, "checkpoint").parse().unwrap();
        let entry = PlatformEntry::commit(&salt, &checkpoint).unwrap();
        let name = text(case, "name");
        assert_eq!(entry.encode().to_vec(), bytes(case, "entry"), "{name}");
        assert_eq!(entry.hash(), hash(case, "hash"), "{name}");
        assert_eq!(entry.verify(&salt, &checkpoint), Ok(()), "{name}");
    }
    for case in cases(&file, "decoding") {
        let result = PlatformEntry::decode(&bytes(case, "bytes"));
        if let Ok(entry) = &result {
            assert_eq!(entry.encode().to_vec(), bytes(case, "bytes"));
        }
        expect(case, &result);
    }
}

#[test]
fn anchor() {
    let file = load(include_str!("vectors/anchor.json"));
    for case in file.as_array().unwrap() {
        let key = text(case, "log").parse().unwrap();
        let origin = text(case, "expected_origin").parse().unwrap();
        let platform = policy(case, "platform", text(case, "platform_origin")).unwrap();
        let anchor = text(case, "anchor").parse::<Anchor>();
        if let Ok(anchor) = &anchor {
            assert_eq!(*anchor.to_text(), text(case, "anchor"));
        }
        let result = anchor.and_then(|anchor| anchor.verify(&key, &origin, &platform));
        if let Ok(anchored) = &result {
            let by = anchored.by().map(|time| time.to_string());
            assert_eq!(serde_json::json!(by), case["by"], "{}", text(case, "name"));
            assert_eq!(anchored.checkpoint().origin, origin);
        }
        expect(case, &result);
    }
}

#[test]
fn batch_file() {
    let file = load(include_str!("vectors/batch_file.json"));
    for case in file.as_array().unwrap() {
        let key = text(case, "key").parse().unwrap();
        let file = text(case, "file").parse::<BatchFile>();
        if let Ok(file) = &file {
            assert_eq!(file.to_string(), text(case, "file"));
        }
        let result = file.as_ref().map_err(|error| *error).and_then(|file| {
            let verified = file.verify(&key)?;
            let line = &verified.lines()[0];
            assert_eq!(verified.line(&line.origin), Some(line));
            Ok(())
        });
        expect(case, &result);
    }
}

#[test]
fn erasure() {
    let file = load(include_str!("vectors/erasure.json"));
    for case in file.as_array().unwrap() {
        let request_id = RequestId::from_parts(1_700_000_000_000, &[1; 10]);
        let slug = || "some-reason".parse().unwrap();
        let event = Event {
            id: *request_id.as_uuid(),
            time_us: 1_700_000_000_000_000,
            kind: text(case, "kind").parse().unwrap(),
            actor: None,
            resource: case["resource"].as_str().map(str::to_owned),
            credential: None,
            request_id,
            policy: None,
            source: "retention".to_owned(),
            outcome: match text(case, "outcome") {
                "success" => Outcome::Success,
                "attempt" => Outcome::Attempt,
                "refused" => Outcome::Refused(slug()),
                _ => Outcome::Failed(slug()),
            },
            commitments: strongroom_auditchain::Commitments::NONE,
        };
        let erasure = Erasure::of(&event, number(case, "index"));
        let told = erasure.map(|erasure| {
            assert_eq!(Some(erasure.resource()), event.resource);
            serde_json::json!({
                "from": erasure.from().to_string(),
                "to": erasure.to().to_string(),
                "class": erasure.class().map(strongroom_auditchain::RetentionClass::as_str),
            })
        });
        let told = told.unwrap_or(Value::Null);
        assert_eq!(told, case["erasure"], "{}", text(case, "name"));
    }
}
