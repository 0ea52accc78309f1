//! Leaves, payloads, batches and receipts: what is written is read back, what is altered is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_auditchain::{
    BatchError, BatchLine, Checkpoint, CheckpointError, Commitment, CommitmentMismatch,
    Commitments, Ed25519Signer, Event, Field, Frontier, Hash, Leaf, LeafError, MAX_LEAF_BYTES,
    Note, NoteError, Origin, Outcome, Payload, PayloadError, ProofError, ProofFile, Receipt,
    ReceiptError, sign_batch,
};
use strongroom_tenancy::{Actor, ActorId, ActorKind, RequestId};
use uuid::Uuid;
use zeroize::Zeroizing;

fn id(random: u8) -> RequestId {
    RequestId::from_parts(1_700_000_000_000, &[random; 10])
}

fn event() -> Event {
    Event {
        id: *id(1).as_uuid(),
        time_us: 1_700_000_000_000_000,
        kind: "chat.completed".parse().unwrap(),
        actor: None,
        resource: None,
        credential: None,
        request_id: id(2),
        policy: None,
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    }
}

fn field(name: &str) -> Field {
    name.parse().unwrap()
}

fn payload(event_id: Uuid) -> Payload {
    let value = |text: &[u8]| Zeroizing::new(text.to_vec());
    let fields = vec![
        (field("prompt"), value(b"What is our notice period?")),
        (field("output"), value(b"Three months.")),
    ];
    Payload::generate(event_id, fields).unwrap()
}

fn signer(name: &str) -> Ed25519Signer {
    Ed25519Signer::from_seed(name, &[1; 32]).unwrap()
}

fn line(tenant: &str, leaves: &[Hash]) -> BatchLine {
    let (tree, _) = Frontier::new().append_batch(leaves);
    BatchLine {
        origin: format!("audit.example.com/t/{tenant}").parse().unwrap(),
        size: tree.size(),
        root: tree.root(),
    }
}

#[test]
fn an_event_that_the_format_cannot_hold_is_not_encoded() {
    let with = |change: fn(&mut Event)| {
        let mut event = event();
        change(&mut event);
        Leaf::encode(&event).map(|leaf| leaf.as_bytes().len())
    };
    assert!(with(|_| {}).is_ok());
    assert_eq!(with(|e| e.id = Uuid::nil()), Err(LeafError::Id));
    let long = |e: &mut Event| {
        e.commitments = (0..16)
            .map(|n| strongroom_auditchain::Commitment {
                field: field(&format!("{n:032}")),
                digest: [0; 32],
            })
            .collect::<Vec<_>>()
            .into();
    };
    assert_eq!(with(long), Err(LeafError::TooLong));
    assert_eq!(with(|e| e.source = String::new()), Err(LeafError::Source));
    assert_eq!(
        with(|e| e.source = "a b".to_owned()),
        Err(LeafError::Source)
    );
    let resource = |e: &mut Event| e.resource = Some("x@example.com".to_owned());
    assert_eq!(with(resource), Err(LeafError::Resource));
    for address in [
        "192.0.2.1",
        "ip/192.0.2.1",
        "2001:db8::1/64",
        "net/::/x",
        "::ffff:192.0.2.1",
    ] {
        let mut event = event();
        event.resource = Some(address.to_owned());
        let refused = Leaf::encode(&event);
        assert_eq!(
            refused,
            Err(LeafError::Address("the resource")),
            "{address}"
        );
    }
    for harmless in ["model:1.2.3.4", "v/1.2.3", "1.2.3.256", "01.2.3.4", "x::y"] {
        let mut event = event();
        event.resource = Some(harmless.to_owned());
        let refused = Leaf::encode(&event);
        assert!(refused.is_ok(), "{harmless}");
    }
    let source = with(|e| e.source = "10.0.0.1".to_owned());
    assert_eq!(source, Err(LeafError::Address("the source")));
    let credential = with(|e| e.credential = Some("peer/10.0.0.1".to_owned()));
    assert_eq!(credential, Err(LeafError::Address("the credential")));
    let credential = |e: &mut Event| e.credential = Some("x".repeat(65));
    assert_eq!(with(credential), Err(LeafError::Credential));
    let credential = |e: &mut Event| e.credential = Some("a key".to_owned());
    assert_eq!(with(credential), Err(LeafError::Credential));
    assert_eq!(
        with(|e| e.commitments = vec![payload(e.id).commitments().fields()[0].clone(); 2].into()),
        Err(LeafError::Commitments)
    );
}

#[test]
fn a_payload_holds_only_for_its_own_event() {
    let mut event = event();
    let payload = payload(event.id);
    assert_eq!(payload.verify(&event), Err(CommitmentMismatch));
    event.commitments = payload.commitments();
    assert_eq!(payload.verify(&event), Ok(()));
    assert_eq!(
        payload.expose(&field("output")),
        Some(b"Three months.".as_slice())
    );
    assert_eq!(payload.expose(&field("model")), None);

    let again = Payload::decode(&payload.encode()).unwrap();
    assert_eq!(again.verify(&event), Ok(()));

    let mut other = event.clone();
    other.id = *id(9).as_uuid();
    assert_eq!(payload.verify(&other), Err(CommitmentMismatch));
    let empty = Payload::generate(*id(9).as_uuid(), Vec::new()).unwrap();
    other.commitments = Commitments::NONE;
    assert_eq!(empty.verify(&other), Ok(()));
    other.id = event.id;
    assert_eq!(empty.verify(&other), Err(CommitmentMismatch));
    let altered = |change: fn(&mut Vec<Commitment>)| {
        let mut fields = event.commitments.fields().to_vec();
        change(&mut fields);
        let mut other = event.clone();
        other.commitments = fields.into();
        payload.verify(&other)
    };
    assert_eq!(altered(|_| {}), Ok(()));
    assert_eq!(altered(|c| drop(c.pop())), Err(CommitmentMismatch));
    assert_eq!(altered(|c| c[1].digest[31] ^= 1), Err(CommitmentMismatch));
    assert_eq!(
        altered(|c| c[0].field = field("origin")),
        Err(CommitmentMismatch)
    );
}

#[test]
fn equal_values_have_unequal_commitments() {
    let value = || Zeroizing::new(b"same".to_vec());
    let fields = vec![(field("a"), value()), (field("b"), value())];
    let payload = Payload::generate(*id(1).as_uuid(), fields).unwrap();
    let commitments = payload.commitments();
    let commitments = commitments.fields();
    assert_ne!(commitments[0].digest, commitments[1].digest);
    let fields = vec![(field("a"), value())];
    let again = Payload::generate(*id(1).as_uuid(), fields).unwrap();
    assert_ne!(
        again.commitments().fields()[0].digest,
        commitments[0].digest
    );
}

#[test]
fn payload_rejections() {
    let value = || Zeroizing::new(Vec::new());
    let twice = vec![(field("a"), value()), (field("a"), value())];
    let error = Payload::generate(*id(1).as_uuid(), twice).unwrap_err();
    assert_eq!(error, PayloadError::Fields);
    let many = |count: usize| (0..count).map(move |n| (field(&format!("f{n}")), value()));
    let error = Payload::generate(*id(1).as_uuid(), many(1025).collect()).unwrap_err();
    assert_eq!(error, PayloadError::Fields);
    let salted = many(17).map(|(field, value)| (field, Zeroizing::new([1; 32]), value));
    let error = Payload::with_salts(*id(1).as_uuid(), salted.collect()).unwrap_err();
    assert_eq!(error, PayloadError::Fields);
    for count in [0, 16, 1025] {
        let salt = Zeroizing::new([1; 32]);
        let fields = many(count).collect();
        let error = Payload::with_map_salt(*id(1).as_uuid(), salt, fields).unwrap_err();
        assert_eq!(error, PayloadError::Fields);
    }
    let error = Payload::generate(Uuid::nil(), Vec::new()).unwrap_err();
    assert_eq!(error, PayloadError::Id);
    let long = vec![(field("a"), Zeroizing::new(vec![0; 16 * 1024 * 1024]))];
    let error = Payload::generate(*id(1).as_uuid(), long).unwrap_err();
    assert_eq!(error, PayloadError::TooLong);
}

#[test]
fn many_fields_are_committed_to_as_one_map() {
    let fields = |count: usize, last: &[u8]| {
        let last = last.to_vec();
        let value = move |n: usize| {
            if n + 1 == count {
                last.clone()
            } else {
                vec![1]
            }
        };
        let fields =
            (0..count).map(move |n| (field(&format!("f{n:04}")), Zeroizing::new(value(n))));
        fields.collect::<Vec<_>>()
    };
    let map = |count: usize, last: &[u8], salt: u8| {
        let salt = Zeroizing::new([salt; 32]);
        Payload::with_map_salt(*id(1).as_uuid(), salt, fields(count, last)).unwrap()
    };
    let payload = map(17, b"a", 1);
    let mut event = event();
    event.commitments = payload.commitments();
    assert!(matches!(event.commitments, Commitments::Map(_)));
    assert_eq!(payload.verify(&event), Ok(()));
    let again = Payload::decode(&payload.encode()).unwrap();
    assert_eq!(again.verify(&event), Ok(()));
    assert_eq!(again.expose(&field("f0016")), Some(b"a".as_slice()));
    // Another value, another count, another salt, another event: another digest.
    for other in [map(17, b"b", 1), map(18, b"a", 1), map(17, b"a", 2)] {
        assert_eq!(other.verify(&event), Err(CommitmentMismatch));
    }
    let mut other = event.clone();
    other.id = *id(9).as_uuid();
    assert_eq!(payload.verify(&other), Err(CommitmentMismatch));
    other = event.clone();
    other.commitments = Commitments::NONE;
    assert_eq!(payload.verify(&other), Err(CommitmentMismatch));
    // The most fields still go into a leaf of the same length.
    let most = Payload::generate(*id(1).as_uuid(), fields(1024, b"a")).unwrap();
    let short = Leaf::encode(&event).unwrap().as_bytes().len();
    event.commitments = most.commitments();
    assert_eq!(Leaf::encode(&event).unwrap().as_bytes().len(), short);
    assert_eq!(
        Payload::decode(&most.encode()).unwrap().verify(&event),
        Ok(())
    );
}

#[test]
fn debug_shows_no_value_and_no_salt() {
    assert_eq!(
        format!("{:?}", payload(*id(1).as_uuid())),
        "Payload { event_id: 018bcfe5-6800-7101-8101-010101010101, \
         fields: [Field(output), Field(prompt)] }"
    );
}

#[test]
fn notes_that_nobody_could_read_are_not_signed() {
    let signer = signer("example.com/a");
    let sign = |text: &str| Note::sign(text, &signer).map(|_| ());
    assert_eq!(sign("text"), Err(NoteError::UnterminatedText));
    assert_eq!(sign("te\txt\n"), Err(NoteError::ControlCharacter));
    assert_eq!(sign(&("x".repeat(70_000) + "\n")), Err(NoteError::TooLong));
    assert_eq!(
        ("x".repeat(70_000)).parse::<Note>(),
        Err(NoteError::TooLong)
    );
    for name in ["", "a b", "a+b", "a\n"] {
        let error = Ed25519Signer::from_seed(name, &[1; 32]).unwrap_err();
        assert_eq!(error, NoteError::MalformedName);
    }
}

#[test]
fn checkpoints_that_no_log_could_have_are_not_signed() {
    let signer = signer("audit.example.com/t/acme");
    let sign = |size, root| {
        let origin: Origin = "audit.example.com/t/acme".parse().unwrap();
        Checkpoint { origin, size, root }.sign(&signer).map(|_| ())
    };
    let root = Hash::of_leaf(b"a");
    assert_eq!(sign(1, root), Ok(()));
    assert_eq!(sign(0, Hash::EMPTY), Ok(()));
    assert_eq!(sign(0, root), Err(CheckpointError::Root));
    assert_eq!(sign(1 << 63, root), Err(CheckpointError::Size));
    let origin = "audit.example.com/t/other".parse().unwrap();
    let other = Checkpoint {
        origin,
        size: 1,
        root,
    };
    assert_eq!(other.sign(&signer), Err(CheckpointError::SignerName));
}

#[test]
fn batches_that_say_nothing_or_two_things_are_not_signed() {
    let signer = signer("audit.example.com/batch");
    let line = line("acme", &[Hash::of_leaf(b"a")]);
    assert_eq!(sign_batch(&[], 1, &signer), Err(BatchError::Empty));
    let mut other = line.clone();
    other.size = 2;
    let repeated = sign_batch(&[line.clone(), other], 1, &signer);
    assert_eq!(repeated, Err(BatchError::RepeatedOrigin));
    let mut empty = line;
    empty.size = 0;
    let wrong = sign_batch(&[empty], 1, &signer);
    assert_eq!(wrong, Err(BatchError::Line(CheckpointError::Root)));
}

#[test]
fn a_receipt_is_only_given_for_what_is_in_the_line() {
    let leaves: Vec<Hash> = (0..5_u8).map(|n| Hash::of_leaf(&[n])).collect();
    let (_, proofs) = Frontier::new().append_batch(&leaves);
    let lines = [line("acme", &leaves), line("globex", &leaves[..2])];
    let batch = sign_batch(&lines, 1, &signer("audit.example.com/batch")).unwrap();
    assert!(batch.receipt(0, leaves[3], &proofs[3]).is_ok());
    assert_eq!(
        batch.receipt(0, leaves[2], &proofs[3]),
        Err(ReceiptError::Inclusion(ProofError::RootMismatch))
    );
    assert_eq!(
        batch.receipt(1, leaves[3], &proofs[3]),
        Err(ReceiptError::Inclusion(ProofError::SizeMismatch))
    );
    assert_eq!(
        batch.receipt(2, leaves[3], &proofs[3]),
        Err(ReceiptError::LineIndex)
    );
}

#[test]
fn receipts_are_bounded() {
    let long = "x".repeat(17_000);
    assert_eq!(long.parse::<Receipt>(), Err(ReceiptError::TooLong));
    let header = "x".repeat(30_000);
    assert_eq!(Receipt::from_header(&header), Err(ReceiptError::TooLong));
    for header in ["=", "a", "a+b", "_w"] {
        assert_eq!(Receipt::from_header(header), Err(ReceiptError::Header));
    }
}

fn any_uuid() -> impl Strategy<Value = Uuid> {
    (0_u64..1 << 48, any::<[u8; 10]>())
        .prop_map(|(millis, random)| *RequestId::from_parts(millis, &random).as_uuid())
}

fn any_actor() -> impl Strategy<Value = Actor> {
    let id = (0_usize..4, 1_u128..).prop_map(|(kind, bits)| {
        ActorId::new(ActorKind::ALL[kind], Uuid::from_u128(bits)).unwrap()
    });
    proptest::collection::vec(id, 1..=9)
        .prop_map(|ids| Actor::delegated(ids[0], ids[1..].to_vec()).unwrap())
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Attempt),
        "[a-z0-9_.-]{1,64}".prop_map(|slug| Outcome::Refused(slug.parse().unwrap())),
        "[a-z0-9_.-]{1,64}".prop_map(|slug| Outcome::Failed(slug.parse().unwrap())),
    ]
}

fn safe(longest: usize) -> impl Strategy<Value = String> {
    let is_address = |part: &str| part.parse::<std::net::IpAddr>().is_ok();
    proptest::string::string_regex(&format!("[A-Za-z0-9._:/-]{{1,{longest}}}"))
        .unwrap()
        .prop_filter("an address", move |text| !text.split('/').any(is_address))
}

prop_compose! {
    fn any_event()(
        id in any_uuid(),
        time_us: u64,
        kind in "[a-z0-9_.]{1,64}",
        actor in prop::option::of(any_actor()),
        resource in prop::option::of(safe(128)),
        credential in prop::option::of(safe(64)),
        millis in 0_u64..1 << 48,
        policy: Option<[u8; 32]>,
        source in safe(64),
        outcome in any_outcome(),
        fields in prop::collection::btree_map("[a-z0-9_.]{1,12}", any::<[u8; 32]>(), 0..=8),
        map: Option<[u8; 32]>,
    ) -> Event {
        let commitments = fields.into_iter().map(|(name, digest)| {
            strongroom_auditchain::Commitment { field: field(&name), digest }
        });
        Event {
            id, time_us, actor, resource, credential, policy, source, outcome,
            kind: kind.parse().unwrap(),
            request_id: RequestId::from_parts(millis, &[3; 10]),
            commitments: map.map_or_else(|| Commitments::Fields(commitments.collect()), Commitments::Map),
        }
    }
}

proptest! {
    #[test]
    fn leaves_round_trip(event in any_event()) {
        let leaf = Leaf::encode(&event).unwrap();
        prop_assert!(leaf.as_bytes().len() <= MAX_LEAF_BYTES);
        prop_assert_eq!(Leaf::decode(leaf.as_bytes()), Ok(event));
    }

    #[test]
    fn an_altered_leaf_never_passes_for_the_same_event(
        event in any_event(), at: prop::sample::Index, bit in 0_u8..8,
    ) {
        let leaf = Leaf::encode(&event).unwrap();
        let mut bytes = leaf.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(Leaf::decode(&bytes), Ok(event));
        prop_assert_ne!(Hash::of_leaf(&bytes), leaf.hash());
    }

    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,300}") {
        let _ = Leaf::decode(&bytes);
        let _ = Payload::decode(&bytes);
        let _ = text.parse::<Note>();
        let _ = text.parse::<Checkpoint>();
        let _ = text.parse::<Receipt>();
        let _ = text.parse::<ProofFile>();
        let _ = Receipt::from_header(&text);
    }

    #[test]
    fn every_entry_of_every_line_gets_a_receipt(
        sizes in prop::collection::vec(1_usize..12, 1..8), byte: prop::sample::Index,
    ) {
        let signer = signer("audit.example.com/batch");
        let logs: Vec<Vec<Hash>> = sizes.iter().enumerate()
            .map(|(log, size)| (0..*size).map(|n| Hash::of_leaf(&[log as u8, n as u8])).collect())
            .collect();
        let lines: Vec<BatchLine> = logs.iter().enumerate()
            .map(|(log, leaves)| line(&log.to_string(), leaves))
            .collect();
        let batch = sign_batch(&lines, 1, &signer).unwrap();
        for (at, leaves) in logs.iter().enumerate() {
            let (_, proofs) = Frontier::new().append_batch(leaves);
            for (leaf, proof) in leaves.iter().zip(&proofs) {
                let receipt = batch.receipt(at, *leaf, proof).unwrap();
                let again: Receipt = receipt.to_text().parse().unwrap();
                prop_assert_eq!(&again, &receipt);
                let verified = again.verify(signer.verifier_key()).unwrap();
                prop_assert_eq!(verified.checkpoint(), &lines[at]);
                prop_assert_eq!((verified.index(), verified.leaf()), (proof.index, leaf));
            }
        }
        // Any byte of a receipt changed: it is refused, or proves what it proved before.
        let (_, proofs) = Frontier::new().append_batch(&logs[0]);
        let receipt = batch.receipt(0, logs[0][0], &proofs[0]).unwrap();
        let verified = receipt.verify(signer.verifier_key()).unwrap();
        let mut bytes = receipt.to_text().into_bytes();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1;
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(altered) = text.parse::<Receipt>()
            && let Ok(still) = altered.verify(signer.verifier_key())
        {
            prop_assert_eq!(still, verified);
        }
    }
}
