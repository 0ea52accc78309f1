//! The verification pass over whole and tampered logs: it names the first bad index, or the
//! narrowest interval that one copy of the log can tell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_auditchain::{
    Checkpoint, Ed25519Signer, Event, Finding, Frontier, Hash, Leaf, MAX_FINDINGS, Note, Origin,
    Outcome, Report, StoredEntry, verify_log,
};
use strongroom_tenancy::RequestId;

const ORIGIN: &str = "audit.example.com/t/acme";

fn leaf(n: u64) -> Leaf {
    let id = |random| RequestId::from_parts(1_700_000_000_000 + n, &[random; 10]);
    Leaf::encode(&Event {
        id: *id(1).as_uuid(),
        time_us: 1_700_000_000_000_000 + n,
        kind: "test.event".parse().unwrap(),
        actor: None,
        resource: None,
        credential: None,
        request_id: id(2),
        policy: None,
        source: "test".to_owned(),
        outcome: Outcome::Success,
        commitments: strongroom_auditchain::Commitments::NONE,
    })
    .unwrap()
}

/// A log as it is stored: index, bytes and hash of each entry, checkpoints and head.
#[derive(Clone)]
struct Log {
    rows: Vec<(u64, Vec<u8>, Hash)>,
    checkpoints: Vec<String>,
    head: Option<(u64, Hash)>,
}

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn checkpoint(size: u64, root: Hash) -> String {
    let origin = ORIGIN.parse().unwrap();
    Checkpoint { origin, size, root }.sign(&signer()).unwrap()
}

impl Log {
    fn new(size: u64, checkpoints: &[u64]) -> Self {
        let mut log = Self {
            rows: (0..size)
                .map(|n| (n, leaf(n).into_bytes(), leaf(n).hash()))
                .collect(),
            checkpoints: Vec::new(),
            head: None,
        };
        log.checkpoints = checkpoints
            .iter()
            .map(|at| checkpoint(*at, log.root(*at)))
            .collect();
        log.head = Some((size, log.root(size)));
        log
    }

    fn root(&self, size: u64) -> Hash {
        let mut tree = Frontier::new();
        self.rows
            .iter()
            .take(size as usize)
            .for_each(|row| tree.push(row.2));
        tree.root()
    }

    /// Puts another well-formed entry in an entry's place, hash and all.
    fn rewrite(&mut self, index: usize) {
        self.rows[index].1 = leaf(1_000_000).into_bytes();
        self.rows[index].2 = leaf(1_000_000).hash();
    }

    fn verify(&self) -> Report {
        let entries = self
            .rows
            .iter()
            .map(|(index, leaf, leaf_hash)| StoredEntry {
                index: *index,
                leaf,
                leaf_hash: *leaf_hash,
            });
        let origin: Origin = ORIGIN.parse().unwrap();
        verify_log(
            &origin,
            signer().verifier_key(),
            entries,
            &self.checkpoints,
            self.head,
        )
    }

    fn findings(&self) -> Vec<Finding> {
        self.verify().findings
    }
}

#[test]
fn a_whole_log_is_intact() {
    for log in [
        Log::new(0, &[]),
        Log::new(0, &[0]),
        Log::new(20, &[0, 7, 7, 16, 20]),
    ] {
        let report = log.verify();
        assert_eq!(report.intact(), Ok(()), "{report:?}");
        assert_eq!(report.entries, log.rows.len() as u64);
        assert_eq!(report.covered, report.entries);
    }
    let report = Log::new(20, &[7, 16]).verify();
    assert_eq!((report.intact(), report.covered), (Ok(()), 16));
}

#[test]
fn changed_bytes_are_named_by_index() {
    let mut log = Log::new(20, &[7, 16]);
    log.rows[9].1 = leaf(99).into_bytes();
    assert_eq!(log.findings(), [Finding::Leaf { index: 9 }]);
    let error = log.verify().intact().unwrap_err();
    assert_eq!(
        error.to_string(),
        "audit log not intact: entry 9: the bytes do not hash to the stored leaf hash"
    );
}

#[test]
fn an_entry_that_was_never_a_leaf_is_named() {
    let mut log = Log::new(20, &[]);
    log.rows[3].1 = b"hello".to_vec();
    log.rows[3].2 = Hash::of_leaf(b"hello");
    log.checkpoints = vec![checkpoint(20, log.root(20))];
    log.head = None;
    assert_eq!(log.findings(), [Finding::MalformedLeaf { index: 3 }]);
}

#[test]
fn rewritten_hashes_are_named_by_interval() {
    let mut log = Log::new(20, &[7, 16, 20]);
    log.rewrite(9);
    assert_eq!(log.findings(), [Finding::Interval { from: 7, to: 16 }]);
    assert_eq!(log.verify().covered, 7);
    let mut log = Log::new(20, &[7, 16]);
    log.rewrite(0);
    assert_eq!(log.findings(), [Finding::Interval { from: 0, to: 7 }]);
}

#[test]
fn after_the_last_checkpoint_the_head_holds_the_entries() {
    let mut log = Log::new(20, &[7]);
    log.rewrite(9);
    assert_eq!(log.findings(), [Finding::Interval { from: 7, to: 20 }]);
    let mut log = Log::new(20, &[20]);
    log.head = Some((20, Hash::EMPTY));
    assert_eq!(log.findings(), [Finding::Head { size: 20 }]);
    let mut log = Log::new(20, &[7]);
    log.head = Some((18, log.root(18)));
    assert_eq!(log.findings(), [Finding::BeyondHead { have: 20, head: 18 }]);
}

#[test]
fn a_missing_entry_is_named() {
    let mut log = Log::new(20, &[7, 16]);
    log.rows.remove(9);
    assert_eq!(log.findings(), [Finding::Missing { index: 9 }]);
    // Renumbered, so that no gap shows: the tree tells, and the end.
    for (index, row) in log.rows.iter_mut().enumerate() {
        row.0 = index as u64;
    }
    assert_eq!(
        log.findings(),
        [
            Finding::Interval { from: 7, to: 16 },
            Finding::Truncated {
                have: 19,
                signed: 20
            }
        ]
    );
}

#[test]
fn a_repeated_entry_is_named() {
    let mut log = Log::new(20, &[7, 16]);
    log.rows.insert(5, log.rows[4].clone());
    assert_eq!(log.findings(), [Finding::Repeated { index: 4 }]);
    let mut log = Log::new(20, &[7, 16]);
    log.rows.swap(4, 5);
    assert_eq!(
        log.findings(),
        [
            Finding::Missing { index: 4 },
            Finding::Repeated { index: 4 }
        ]
    );
}

#[test]
fn a_truncated_log_is_named() {
    let mut log = Log::new(20, &[7, 16]);
    log.rows.truncate(10);
    assert_eq!(
        log.findings(),
        [Finding::Truncated {
            have: 10,
            signed: 20
        }]
    );
    // With the head rolled back as well, the checkpoint remains.
    log.head = Some((10, log.root(10)));
    assert_eq!(
        log.findings(),
        [Finding::Truncated {
            have: 10,
            signed: 16
        }]
    );
    log.rows.clear();
    log.head = None;
    assert_eq!(
        log.findings(),
        [Finding::Truncated {
            have: 0,
            signed: 16
        }]
    );
}

#[test]
fn forged_checkpoints_are_named() {
    let mut log = Log::new(20, &[7, 16]);
    log.checkpoints[1] = log.checkpoints[1].replace("\n16\n", "\n15\n");
    let forged = |size| Finding::CheckpointSignature { position: 1, size };
    assert_eq!(log.findings(), [forged(Some(15))]);
    log.checkpoints[1] = "nonsense".to_owned();
    assert_eq!(log.findings(), [forged(None)]);

    let other = Ed25519Signer::from_seed(ORIGIN, &[2; 32]).unwrap();
    let origin: Origin = ORIGIN.parse().unwrap();
    let root = log.root(16);
    let signed = Checkpoint {
        origin,
        size: 16,
        root,
    }
    .sign(&other)
    .unwrap();
    log.checkpoints[1] = signed;
    assert_eq!(log.findings(), [forged(Some(16))]);

    // The log's own key under the log's own name, for another log.
    let text = format!("audit.example.com/t/other\n16\n{root}\n");
    let signed = Note::sign(&text, &signer()).unwrap().to_string();
    log.checkpoints[1] = signed;
    assert_eq!(log.findings(), [forged(Some(16))]);
}

#[test]
fn checkpoints_that_contradict_each_other_are_named() {
    let log = Log::new(20, &[7, 16, 10]);
    assert_eq!(
        log.findings(),
        [Finding::CheckpointOrder {
            position: 2,
            size: 10
        }]
    );
    let mut log = Log::new(20, &[7, 16]);
    log.checkpoints.push(checkpoint(16, Hash::EMPTY));
    assert_eq!(log.findings(), [Finding::Fork { size: 16 }]);
    let mut log = Log::new(20, &[7, 16]);
    log.checkpoints.push(checkpoint(7, Hash::EMPTY));
    assert_eq!(log.findings(), [Finding::Fork { size: 7 }]);
}

#[test]
fn findings_are_bounded_and_counted() {
    let mut log = Log::new(100, &[100]);
    log.rows.iter_mut().for_each(|row| row.1.push(0));
    let report = log.verify();
    assert_eq!(report.findings.len(), MAX_FINDINGS);
    assert_eq!(report.findings[0], Finding::Leaf { index: 0 });
    assert_eq!(report.omitted, 100 - MAX_FINDINGS as u64);
}

#[test]
fn indices_at_the_end_of_their_range_do_no_harm() {
    let mut log = Log::new(3, &[3]);
    log.rows[1].0 = u64::MAX;
    log.rows[2].0 = u64::MAX;
    assert_eq!(log.findings()[0], Finding::Missing { index: 1 });
    let mut log = Log::new(3, &[3]);
    log.head = Some((u64::MAX, Hash::EMPTY));
    let signed = u64::MAX;
    assert_eq!(log.findings(), [Finding::Truncated { have: 3, signed }]);
}

proptest! {
    #[test]
    fn any_single_change_is_found_where_it_is(
        size in 1_u64..60, at: prop::sample::Index, kind in 0..4, cut in 0_u64..60,
    ) {
        let cut = cut.min(size);
        let mut log = Log::new(size, &[cut, size]);
        let index = at.index(size as usize);
        let n = index as u64;
        match kind {
            0 => {
                log.rows[index].1.push(0);
                prop_assert_eq!(log.findings(), [Finding::Leaf { index: n }]);
            }
            1 => {
                log.rewrite(index);
                let (from, to) = if n < cut { (0, cut) } else { (cut, size) };
                prop_assert_eq!(log.findings(), [Finding::Interval { from, to }]);
            }
            2 => {
                log.rows.remove(index);
                let expected = if n + 1 == size {
                    Finding::Truncated { have: size - 1, signed: size }
                } else {
                    Finding::Missing { index: n }
                };
                prop_assert_eq!(log.findings(), [expected]);
            }
            _ => {
                log.rows.insert(index, log.rows[index].clone());
                prop_assert_eq!(log.findings(), [Finding::Repeated { index: n }]);
            }
        }
    }
}
