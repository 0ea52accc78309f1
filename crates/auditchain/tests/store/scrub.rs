//! The pass over a log's files: what is intact is found so, and whatever was done to it is named.

use std::num::NonZeroUsize;
use std::sync::Arc;

use proptest::prelude::*;
use strongroom_auditchain::store::{
    CadencePeriod, Cursor, EntryForm, Erased, PayloadCounts, PayloadForm, Scrub, scrub,
};
use strongroom_auditchain::{
    Anchor, CadenceFinding, Checkpoint, Classes, CosignaturePolicy, Cosigner, ERASED_KIND,
    Ed25519Signer, Erasure, Finding, Frontier, Hash, Leaf, Note, PlatformEntry, TilePath,
    Witnessed,
};

use crate::events::{calm, create, event, keys, open, origin};
use crate::faulty::Platter;
use crate::shelf::{Shelf, leaves, other, with_payload};

const SIZES: [u64; 8] = [1, 255, 256, 300, 1024, 65_536, 65_537, 66_000];

fn tile(path: &str) -> TilePath {
    path.parse().unwrap()
}

#[test]
fn an_intact_log_is_found_intact_by_any_number_of_threads() {
    let leaves = leaves(66_000);
    let shelf = Shelf::of(&leaves, &SIZES);
    for threads in [1, 3] {
        let done = shelf.scrub_with(threads, &[], None, None);
        done.report.intact().unwrap();
        assert_eq!((done.report.entries, done.report.covered), (66_000, 66_000));
        assert_eq!((done.from, done.size), (0, 66_000));
        assert_eq!(done.cursor.unwrap().size(), 66_000);
    }
}

#[test]
fn whoever_alone_disagrees_is_named() {
    let leaves = leaves(66_000);
    let intact = Shelf::of(&leaves, &SIZES);
    let check = |name: &str, change: &dyn Fn(&mut Shelf), expected: &[Finding]| {
        let mut shelf = intact.clone();
        change(&mut shelf);
        assert_eq!(shelf.findings(), expected, "{name}");
    };
    let leaf = |index| Finding::Leaf { index };
    let of = |path: &str, index| Finding::Tile {
        path: tile(path),
        index,
    };
    check(
        "an entry",
        &|it| it.change_entry(&leaves, 777),
        &[leaf(777)],
    );
    let last = |it: &mut Shelf| it.change_entry(&leaves, 65_999);
    check("an entry of the partial bundle", &last, &[leaf(65_999)]);
    let two = |it: &mut Shelf| {
        it.change_entry(&leaves, 9);
        it.change_hash("tile/0/003", 9);
    };
    check(
        "an entry and a tile",
        &two,
        &[leaf(9), of("tile/0/003", 777)],
    );
    let low = |it: &mut Shelf| it.change_hash("tile/0/257.p/208", 7);
    check("a partial tile", &low, &[of("tile/0/257.p/208", 65_799)]);
    let level_1 = |it: &mut Shelf| it.change_hash("tile/1/000", 5);
    check("a tile of level 1", &level_1, &[of("tile/1/000", 5 * 256)]);
    let level_2 = |it: &mut Shelf| it.change_hash("tile/2/000.p/1", 0);
    check("a tile of level 2", &level_2, &[of("tile/2/000.p/1", 0)]);
    for (path, index) in [
        ("tile/0/002", 512),
        ("tile/1/000", 0),
        ("tile/2/000.p/1", 0),
    ] {
        let gone = |it: &mut Shelf| assert!(it.files.remove(path).is_some());
        check("a tile is gone", &gone, &[of(path, index)]);
        let short = |it: &mut Shelf| assert!(it.files.get_mut(path).unwrap().pop().is_some());
        check("a tile is short", &short, &[of(path, index)]);
    }
    let gone = |it: &mut Shelf| assert!(it.files.remove("tile/entries/002").is_some());
    check(
        "a bundle is gone",
        &gone,
        &[Finding::Missing { index: 512 }],
    );
    let cut = |it: &mut Shelf| {
        assert!(
            it.files
                .get_mut("tile/entries/002")
                .unwrap()
                .pop()
                .is_some()
        )
    };
    check(
        "a bundle is cut off",
        &cut,
        &[Finding::MalformedLeaf { index: 767 }],
    );
}

/// Entries, their tiles and all above were rewritten: only a signed root shows it.
#[test]
fn where_nobody_alone_disagrees_an_interval_is_named() {
    let all = leaves(2000);
    let mut rewritten = all.clone();
    rewritten[700] = other(700);
    let mut shelf = Shelf::of(&all, &[300, 1024, 2000]);
    shelf.write(&rewritten);
    let (from, to) = (300, 1024);
    assert_eq!(shelf.findings(), [Finding::Interval { from, to }]);
    assert_eq!(shelf.scrub().report.covered, 300);
    assert!(shelf.scrub().cursor.is_none());
    // The tile above was forgotten: it still tells the bundle.
    let honest = Shelf::of(&all, &[300, 1024, 2000]);
    let above = honest.files["tile/1/000.p/7"].clone();
    shelf.files.insert("tile/1/000.p/7".to_owned(), above);
    let (from, to) = (512, 768);
    assert_eq!(shelf.findings(), [Finding::Interval { from, to }]);
    assert_eq!(shelf.scrub().report.covered, 2000);
}

#[test]
fn what_is_cut_off_is_truncated() {
    let all = leaves(1000);
    let mut shelf = Shelf::of(&all, &[300, 1000]);
    let signed = shelf.files["checkpoints/1000"].clone();
    let kept = vec![String::from_utf8(signed.clone()).unwrap()];
    // Set back, with all that was signed since: only what was kept elsewhere shows it.
    shelf.write(&all[..300]);
    shelf.files.remove("checkpoints/1000");
    let old = shelf.files["checkpoints/300"].clone();
    shelf.files.insert("checkpoint".to_owned(), old);
    shelf.scrub().report.intact().unwrap();
    let (have, size) = (300, 1000);
    let expected = [Finding::Truncated { have, signed: size }];
    assert_eq!(
        shelf.scrub_with(1, &kept, None, None).report.findings,
        expected
    );
    shelf.files.insert("checkpoints/1000".to_owned(), signed);
    assert_eq!(shelf.findings(), expected);
}

#[test]
fn whole_units_that_are_gone_are_not_looked_for_one_by_one() {
    let mut shelf = Shelf::of(&leaves(300), &[300]);
    // Somebody with the key signed a log longer than any.
    let far = Checkpoint {
        origin: shelf.origin.clone(),
        size: 1 << 62,
        root: Hash::EMPTY,
    };
    let note = far.sign(&shelf.signer.0).unwrap();
    shelf
        .files
        .insert(format!("checkpoints/{}", far.size), note.into_bytes());
    let findings = shelf.findings();
    let (have, signed) = (300, far.size);
    assert!(
        findings.contains(&Finding::Truncated { have, signed }),
        "{findings:?}"
    );
}

#[test]
fn checkpoints_are_held_against_each_other_and_their_names() {
    let all = leaves(700);
    let intact = Shelf::of(&all, &[100, 300, 700]);
    let mut shelf = intact.clone();
    shelf.files.get_mut("checkpoints/300").unwrap()[40] ^= 1;
    assert!(matches!(
        shelf.findings()[..],
        [Finding::CheckpointSignature { position: 1, .. }]
    ));
    let mut shelf = intact.clone();
    let other_size = shelf.files["checkpoints/100"].clone();
    shelf.files.insert("checkpoints/300".to_owned(), other_size);
    let (named, size) = (300, 100);
    assert_eq!(shelf.findings(), [Finding::CheckpointName { named, size }]);
    // The key signed two histories.
    let mut other_history = all[..300].to_vec();
    other_history[7] = other(7);
    let fork = intact.note(&other_history);
    let found = intact.scrub_with(1, &[fork], None, None).report.findings;
    assert_eq!(found, [Finding::Fork { size: 300 }]);
}

#[test]
fn an_event_id_is_there_once() {
    let mut all = leaves(70_000);
    all[69_000] = other(5);
    let shelf = Shelf::of(&all, &[70_000]);
    let (index, first) = (69_000, 5);
    assert_eq!(shelf.findings(), [Finding::RepeatedEvent { index, first }]);
}

/// A log of 600 with payloads, of which entry 590 erases the first hundred of the agents'.
fn with_payloads() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut all, mut payloads) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let (mut event, mut payload) = with_payload(number, b"hello");
        if number == 590 {
            event = crate::events::event(number);
            event.kind = ERASED_KIND.parse().unwrap();
            event.resource = Some(Erasure::new(0, 100, None).unwrap().resource());
            payload.clear();
        }
        all.push(Leaf::encode(&event).unwrap().into_bytes());
        payloads.push(payload);
    }
    (all, payloads)
}

#[test]
fn payloads_fit_or_are_erased_or_are_named() {
    let (all, payloads) = with_payloads();
    let shelf = |change: &dyn Fn(&mut Vec<Vec<u8>>), sizes: &[u64]| {
        let mut payloads = payloads.clone();
        change(&mut payloads);
        let mut shelf = Shelf::of(&all, sizes);
        shelf.put_payloads(&payloads);
        shelf
    };
    let done = shelf(&|_| {}, &[600]).scrub();
    done.report.intact().unwrap();
    assert_eq!(done.payloads.checked, 599);
    let erase = |payloads: &mut Vec<Vec<u8>>| payloads[..100].iter_mut().for_each(Vec::clear);
    let done = shelf(&erase, &[600]).scrub();
    done.report.intact().unwrap();
    let (from, to, by) = (0, 100, 590);
    assert_eq!(done.erased, [Erased { from, to, by }]);
    let erased = PayloadCounts {
        checked: 499,
        erased: 100,
        ..PayloadCounts::default()
    };
    assert_eq!(done.payloads, erased);
    // One more than the erasure covers.
    let more = |payloads: &mut Vec<Vec<u8>>| payloads[..101].iter_mut().for_each(Vec::clear);
    let found = shelf(&more, &[600]).findings();
    assert_eq!(found, [Finding::PayloadMissing { index: 100 }]);
    let wrong = |payloads: &mut Vec<Vec<u8>>| *payloads[300].last_mut().unwrap() ^= 1;
    assert_eq!(
        shelf(&wrong, &[600]).findings(),
        [Finding::Payload { index: 300 }]
    );
    // Another entry's: erasure or not, what is there must fit.
    let swapped = |payloads: &mut Vec<Vec<u8>>| payloads[7] = payloads[8].clone();
    assert_eq!(
        shelf(&swapped, &[600]).findings(),
        [Finding::Payload { index: 7 }]
    );
    let sealed = |payloads: &mut Vec<Vec<u8>>| payloads[300] = b"sealed".to_vec();
    let done = shelf(&sealed, &[600]).scrub();
    done.report.intact().unwrap();
    assert_eq!((done.payloads.checked, done.payloads.sealed), (598, 1));
    let mut cut = shelf(&|_| {}, &[600]);
    cut.files.get_mut("payload/001").unwrap().pop();
    let (from, to) = (256, 512);
    assert_eq!(cut.findings(), [Finding::PayloadBundle { from, to }]);
}

/// Whoever can write to the files can append an entry; only a signed one excuses.
#[test]
fn an_erasure_that_nobody_signed_excuses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let platters = [Platter::default()];
    create(&platters, 1);
    let store = open(&platters, &root.path().join("signed"));
    let log = origin("acme");
    for number in 0..3 {
        let (event, payload) = with_payload(number, b"hello");
        store
            .append(&log, Leaf::encode(&event).unwrap(), payload)
            .unwrap();
    }
    store.checkpoint().unwrap();
    let mut erasure = event(3);
    erasure.kind = ERASED_KIND.parse().unwrap();
    erasure.resource = Some(Erasure::new(1, 2, None).unwrap().resource());
    store
        .append(&log, Leaf::encode(&erasure).unwrap(), Vec::new())
        .unwrap();
    store.integrate().unwrap();
    let pass = || {
        let key = keys().with_name(log.as_str()).unwrap();
        let plan = calm();
        scrub(&Scrub {
            zone: &*platters[0].zone(0, &plan),
            origin: &log,
            key: key.verifier_key(),
            entries: EntryForm::Events,
            payloads: PayloadForm::AsWritten,
            classes: &Classes::new(["chat."]).unwrap(),
            kept: &[],
            platform: None,
            cadence: None,
            cursor: None,
            threads: NonZeroUsize::MIN,
            progress: &|_, _| {},
        })
        .unwrap()
    };
    let done = pass();
    let (index, by) = (1, 3);
    assert_eq!(
        done.report.findings,
        [Finding::UnsignedErasure { index, by }]
    );
    assert_eq!((done.report.covered, done.size), (3, 4));
    store.checkpoint().unwrap();
    let done = pass();
    done.report.intact().unwrap();
    assert_eq!(done.erased, [Erased { from: 1, to: 2, by }]);
}

#[test]
fn a_cursor_goes_on_where_a_pass_ended() {
    let all = leaves(66_000);
    let mut shelf = Shelf::of(&all[..300], &[256, 300]);
    let first = shelf.scrub().cursor.unwrap();
    let text = first.to_string();
    assert_eq!(text.parse::<Cursor>().unwrap(), first);
    shelf.write(&all);
    shelf.sign(&all[..65_900]);
    shelf.sign(&all);
    let done = shelf.scrub_with(2, &[], Some(&first), None);
    done.report.intact().unwrap();
    assert_eq!((done.from, done.report.entries), (256, 66_000 - 256));
    assert_eq!(done.report.covered, 66_000);
    assert_eq!(done.cursor, shelf.scrub().cursor);
    // What came since is verified, what was verified is believed.
    let mut changed = shelf.clone();
    changed.change_entry(&all, 255);
    let again = |shelf: &Shelf| {
        let done = shelf.scrub_with(1, &[], Some(&first), None);
        done.report.findings
    };
    assert_eq!(again(&changed), []);
    changed.change_entry(&all, 256);
    assert_eq!(again(&changed), [Finding::Leaf { index: 256 }]);
    // The log that was verified is gone.
    let mut gone = shelf.clone();
    gone.files.remove("checkpoints/300");
    assert_eq!(again(&gone), [Finding::CheckpointGone { size: 300 }]);
    let mut other_log = all;
    other_log[3] = other(3);
    let forked = Shelf::of(&other_log, &[300, 66_000]);
    assert_eq!(again(&forked)[0], Finding::Fork { size: 300 });
}

/// A platform of one log, and who cosigns it.
fn platform() -> (Ed25519Signer, Cosigner, CosignaturePolicy) {
    let key = Ed25519Signer::from_seed("audit.example.com/platform", &[2; 32]).unwrap();
    let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[3; 32]).unwrap();
    let cosigner = Cosigner::new(Arc::new(clock)).unwrap();
    let keys = vec![cosigner.verifier_key().clone()];
    let name = key.verifier_key().name().parse().unwrap();
    let policy = CosignaturePolicy::new(name, key.verifier_key().clone(), keys, 1).unwrap();
    (key, cosigner, policy)
}

/// A log of 500 with anchors at 300 and 500, which stand at these indices of the platform's log.
fn anchored(all: &[Vec<u8>], indices: [usize; 2]) -> (Shelf, CosignaturePolicy) {
    let (key, cosigner, policy) = platform();
    let mut shelf = Shelf::of(all, &[300, 500]);
    let mut entries = Vec::new();
    for size in [300, 500] {
        let note = shelf.note(&all[..size]);
        let signed = shelf.signer.0.verifier_key();
        let head = Checkpoint::verify(&note, signed, &shelf.origin).unwrap();
        let (entry, salt) = PlatformEntry::generate(&head).unwrap();
        entries.push((size, note, entry, salt));
    }
    let mut hashes = vec![Hash::EMPTY; 2];
    for (index, (_, _, entry, _)) in indices.iter().zip(&entries) {
        hashes[*index] = entry.hash();
    }
    let (tree, proofs) = Frontier::new().append_batch(&hashes);
    let head = Checkpoint {
        origin: policy.origin().clone(),
        size: tree.size(),
        root: tree.root(),
    };
    let note: Note = head.sign(&key).unwrap().parse().unwrap();
    let nothing = Witnessed::nothing(policy.origin().clone());
    let cosigned = cosigner.cosign(&note, key.verifier_key(), &nothing, &[], 1000);
    let (note, _) = cosigned.unwrap();
    for (index, (size, log, _, salt)) in indices.into_iter().zip(entries) {
        let log = log.parse().unwrap();
        let anchor = Anchor::new(salt, &proofs[index], log, note.clone()).unwrap();
        let text = anchor.to_text().as_bytes().to_vec();
        shelf.files.insert(format!("anchors/{size}"), text);
    }
    (shelf, policy)
}

#[test]
fn anchors_are_held_against_the_log() {
    let all = leaves(500);
    let (shelf, policy) = anchored(&all, [0, 1]);
    let done = shelf.scrub();
    done.report.intact().unwrap();
    assert_eq!((done.anchors, done.anchors_unchecked), (0, 2));
    let with = |shelf: &Shelf| shelf.scrub_with(1, &[], None, Some(&policy));
    let done = with(&shelf);
    done.report.intact().unwrap();
    assert_eq!((done.anchors, done.anchors_unchecked), (2, 0));
    // One that is of another size than its name says, one that is none, one out of its order.
    for bytes in [shelf.files["anchors/500"].clone(), b"no anchor".to_vec()] {
        let mut wrong = shelf.clone();
        wrong.files.insert("anchors/300".to_owned(), bytes);
        assert_eq!(
            with(&wrong).report.findings[0],
            Finding::Anchor { size: 300 }
        );
    }
    let (wrong, policy_too) = anchored(&all, [1, 0]);
    let done = wrong.scrub_with(1, &[], None, Some(&policy_too));
    assert_eq!(done.report.findings, [Finding::Anchor { size: 500 }]);
    // A log that was rolled back behind its anchor.
    let mut back = Shelf::of(&all[..300], &[300]);
    let anchors = shelf
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("anchors/"));
    back.files
        .extend(anchors.map(|(path, bytes)| (path.clone(), bytes.clone())));
    let (have, signed) = (300, 500);
    assert_eq!(
        with(&back).report.findings,
        [Finding::Truncated { have, signed }]
    );
    // A log that was rewritten behind it, by whoever has its key.
    let mut other_log = all;
    other_log[3] = other(3);
    let mut forked = Shelf::of(&other_log, &[300, 500]);
    forked.files.extend(
        back.files
            .into_iter()
            .filter(|(path, _)| path.starts_with("anchors/")),
    );
    let forks = [300, 500].map(|size| Finding::Fork { size });
    assert_eq!(with(&forked).report.findings[..2], forks);
}

#[test]
fn the_platform_s_cadence_is_checked() {
    let (key, cosigner, policy) = platform();
    let entry = |n: u8| [vec![1], vec![n; 32]].concat();
    let all: Vec<_> = (0..10).map(entry).collect();
    let mut shelf = Shelf::of(&all, &[]);
    shelf.origin = policy.origin().clone();
    shelf.signer = crate::shelf::Ed25519Signer2(key);
    shelf.sign(&all);
    let note: Note = shelf.note(&all).parse().unwrap();
    let mut last = Witnessed::nothing(policy.origin().clone());
    let mut cosigned = Vec::new();
    for time in [1000, 1300, 1600, 2200] {
        let key = policy.log_key();
        let (note, next) = cosigner.cosign(&note, key, &last, &[], time).unwrap();
        cosigned.push((time, note.to_string()));
        last = next;
    }
    let mut pass = |times: &[u64], period: Option<CadencePeriod>| {
        shelf.files.retain(|path, _| !path.starts_with("cosigned/"));
        for (time, note) in cosigned.iter().filter(|(time, _)| times.contains(time)) {
            let bytes = note.clone().into_bytes();
            shelf.files.insert(format!("cosigned/{time}"), bytes);
        }
        scrub(&Scrub {
            zone: &shelf,
            origin: &shelf.origin,
            key: policy.log_key(),
            entries: EntryForm::Platform,
            payloads: PayloadForm::AsWritten,
            classes: &Classes::new([]).unwrap(),
            kept: &[],
            platform: Some(&policy),
            cadence: period,
            cursor: None,
            threads: NonZeroUsize::MIN,
            progress: &|_, _| {},
        })
        .unwrap()
    };
    let done = pass(&[1000, 1300, 1600], None);
    done.report.intact().unwrap();
    assert_eq!(done.cadence.unwrap().longest, 300);
    let gap = |after, before| [Finding::Cadence(CadenceFinding::Gap { after, before })];
    let all_times = [1000, 1300, 1600, 2200];
    assert_eq!(pass(&all_times, None).report.findings, gap(1600, 2200));
    let period = |from, to| CadencePeriod {
        from,
        to,
        tolerance: 5,
    };
    let late = Some(period(1000, 1906));
    assert_eq!(pass(&all_times[..3], late).report.findings, gap(1600, 1906));
    pass(&all_times[..3], Some(period(1000, 1905)))
        .report
        .intact()
        .unwrap();
}

/// A gap is not filled by a note under another time than it was cosigned at.
#[test]
fn a_cosigned_checkpoint_is_of_its_time() {
    let (key, cosigner, policy) = platform();
    let mut shelf = Shelf::of(&[], &[]);
    shelf.origin = policy.origin().clone();
    shelf.signer = crate::shelf::Ed25519Signer2(key);
    shelf.sign(&[]);
    let note: Note = shelf.note(&[]).parse().unwrap();
    let nothing = Witnessed::nothing(policy.origin().clone());
    let cosigned = cosigner.cosign(&note, policy.log_key(), &nothing, &[], 1000);
    let bytes = cosigned.unwrap().0.to_string().into_bytes();
    shelf
        .files
        .insert("cosigned/1000".to_owned(), bytes.clone());
    let findings = |shelf: &Shelf| {
        let done = shelf.scrub_with(1, &[], None, Some(&policy));
        done.report.findings
    };
    assert_eq!(findings(&shelf), []);
    shelf.files.insert("cosigned/1300".to_owned(), bytes);
    assert_eq!(findings(&shelf), [Finding::Cosigned { time: 1300 }]);
}

/// The files are named by their times, which ascend whatever the clock did; the sizes tell.
#[test]
fn a_cosigner_s_clock_that_went_back_is_named() {
    let (key, cosigner, policy) = platform();
    let entry = |n: u8| [vec![1], vec![n; 32]].concat();
    let all: Vec<_> = (0..10).map(entry).collect();
    let mut shelf = Shelf::of(&all, &[]);
    shelf.origin = policy.origin().clone();
    shelf.signer = crate::shelf::Ed25519Signer2(key);
    shelf.sign(&all);
    for (size, time) in [(4, 1300), (10, 1000)] {
        let note: Note = shelf.note(&all[..size]).parse().unwrap();
        let nothing = Witnessed::nothing(policy.origin().clone());
        let cosigned = cosigner.cosign(&note, policy.log_key(), &nothing, &[], time);
        let bytes = cosigned.unwrap().0.to_string().into_bytes();
        shelf.files.insert(format!("cosigned/{time}"), bytes);
    }
    let done = scrub(&Scrub {
        zone: &shelf,
        origin: &shelf.origin,
        key: policy.log_key(),
        entries: EntryForm::Platform,
        payloads: PayloadForm::AsWritten,
        classes: &Classes::new([]).unwrap(),
        kept: &[],
        platform: Some(&policy),
        cadence: None,
        cursor: None,
        threads: NonZeroUsize::MIN,
        progress: &|_, _| {},
    });
    let back = CadenceFinding::Backwards {
        position: 1,
        after: 1300,
        time: 1000,
    };
    assert_eq!(done.unwrap().report.findings, [Finding::Cadence(back)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 200 }))]

    /// A log with open payloads holds nothing that can be changed unseen.
    #[test]
    fn any_byte_that_is_changed_is_found(file in 0_usize..1000, at in 0_usize..100_000, bit in 0..8_u8) {
        let (all, payloads) = with_payloads();
        let mut shelf = Shelf::of(&all, &[100, 600]);
        shelf.put_payloads(&payloads);
        let count = shelf.files.len();
        let path = shelf.files.keys().nth(file % count).unwrap().clone();
        let bytes = shelf.files.get_mut(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1_u8 << bit;
        let done = shelf.scrub();
        // An open payload whose first bytes are changed passes for a sealed one, and is counted.
        let found = !done.report.findings.is_empty() || done.payloads.sealed > 0;
        prop_assert!(found, "{path} at {at}");
    }
}
