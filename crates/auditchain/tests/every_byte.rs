//! A small log of which every byte is changed, one at a time: a pass finds it, or the byte is one of
//! those that say nothing about the log's entries.
#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use strongroom_auditchain::store::{
    CheckpointStore, Directory, EntryForm, Export, ExportOptions, PayloadForm, Scrub, Scrubbed,
    Store, StoreConfig, Zone, ZoneRead, export, log_folder, scrub,
};
use strongroom_auditchain::{
    Classes, Commitments, ERASED_KIND, Ed25519Signer, Erasure, Event, Leaf, Origin, Outcome,
    Payload, VerifierKey,
};
use strongroom_tenancy::RequestId;
use zeroize::Zeroizing;

const ORIGIN: &str = "audit.example.com/t/acme";
const AGENTS: [&str; 1] = ["chat."];

type Files = BTreeMap<String, Vec<u8>>;

fn origin() -> Origin {
    ORIGIN.parse().unwrap()
}

fn key() -> VerifierKey {
    let signer = Ed25519Signer::from_seed(ORIGIN, &[1; 32]).unwrap();
    signer.verifier_key().clone()
}

fn entry(number: u8) -> (Leaf, Vec<u8>) {
    let id = RequestId::from_parts(1_700_000_000_000 + u64::from(number), &[number; 10]);
    let fields = ["answer", "prompt"].map(|field| {
        let salt = Zeroizing::new([number; 32]);
        let value = Zeroizing::new(vec![number; 9]);
        (field.parse().unwrap(), salt, value)
    });
    let payload = Payload::with_salts(*id.as_uuid(), fields.into()).unwrap();
    let is_erasure = number == 6;
    let event = Event {
        id: *id.as_uuid(),
        time_us: 1_700_000_000_000_000 + u64::from(number),
        kind: if is_erasure {
            ERASED_KIND
        } else {
            "chat.completed"
        }
        .parse()
        .unwrap(),
        actor: None,
        resource: is_erasure.then(|| Erasure::new(1, 3, None).unwrap().resource()),
        credential: None,
        request_id: id,
        policy: None,
        source: "test".to_owned(),
        outcome: Outcome::Success,
        commitments: if is_erasure {
            Commitments::NONE
        } else {
            payload.commitments()
        },
    };
    let payload = if is_erasure {
        Vec::new()
    } else {
        payload.encode().to_vec()
    };
    (Leaf::encode(&event).unwrap(), payload)
}

/// A zone's files, after nine entries, of which 1 and 2 were erased by 6, and two checkpoints.
fn zone(folder: &Path) -> Files {
    let keys = Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32]).unwrap();
    let zone: Arc<dyn Zone> = Arc::new(Directory::open(folder.join("zone")).unwrap());
    Store::create(&[Arc::clone(&zone)], 1).unwrap();
    let signed = CheckpointStore::open(folder.join("signed"), keys.verifier_key()).unwrap();
    let opened = Store::open(StoreConfig {
        zones: vec![Some(zone)],
        checkpoints: Arc::new(signed),
        keys: Arc::new(keys),
        classes: Classes::new(AGENTS).unwrap(),
        limits: Default::default(),
        adopt_empty_zones: false,
    });
    let (store, _) = opened.unwrap();
    for number in 0..9 {
        let (leaf, payload) = entry(number);
        store.append(&origin(), leaf, payload).unwrap();
        if number == 3 || number == 8 {
            store.checkpoint().unwrap();
        }
    }
    drop(store);
    let mut files = Files::new();
    take(&folder.join("zone"), "", &mut files);
    let log = format!("{}/", log_folder(&origin()));
    files.retain(|path, _| path.starts_with(&log));
    files
}

fn take(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            take(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

fn exported(zone: &Files, with_payloads: bool) -> Files {
    let mut files = Files::new();
    let agents = AGENTS.map(str::to_owned);
    let options = ExportOptions {
        entries: EntryForm::Events,
        with_payloads,
        agents: &agents,
        log_key: &key(),
        batch_key: Some(&key()),
    };
    export(zone, &origin(), &options, |path, bytes| {
        files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    })
    .unwrap();
    files
}

/// A pass as `strongroom audit verify --log` makes it; none where it refuses to.
fn verify(zone: &dyn ZoneRead, payloads: PayloadForm, agents: &[String]) -> Option<Scrubbed> {
    let done = scrub(&Scrub {
        zone,
        origin: &origin(),
        key: &key(),
        entries: EntryForm::Events,
        payloads,
        classes: &Classes::new(agents.iter().map(String::as_str)).unwrap(),
        kept: &[],
        platform: None,
        cadence: None,
        cursor: None,
        threads: NonZeroUsize::MIN,
        progress: &|_, _| {},
    });
    done.ok()
}

fn verify_zone(files: &Files) -> Option<Scrubbed> {
    verify(files, PayloadForm::AsWritten, &AGENTS.map(str::to_owned))
}

fn verify_export(files: &Files) -> Option<Scrubbed> {
    let export = Export::open(Box::new(files.clone())).ok()?;
    let manifest = export.manifest().clone();
    if manifest.origin != origin() {
        return None;
    }
    verify(&export, manifest.payloads, &manifest.agents)
}

fn is_ok(done: Option<Scrubbed>) -> Option<Scrubbed> {
    done.filter(|done| done.report.intact().is_ok() && done.report.omitted == 0)
}

/// Why a byte may change without a finding; none if it may not.
///
/// - The manifest says what the reader compares with what they know from elsewhere: how many
///   entries, whose key, which kinds of event are agents'. Nothing in it is signed.
/// - The file `origin` is for people.
/// - A head that is damaged is passed over: what is signed does without it.
/// - A payload that no longer begins as an open one does is taken for sealed, and counted as that.
fn excused(path: &str, before: &Files, done: &Scrubbed) -> Option<&'static str> {
    let sealed = done.payloads.sealed;
    match path {
        "export" => Some("the manifest"),
        _ if path.ends_with("origin") => Some("the origin for people"),
        _ if path.contains("/head/") => Some("the head"),
        _ if path.contains("payload/") && sealed == 1 => {
            assert_eq!(done.payloads.checked, 5, "{}", before.len());
            Some("the beginning of a payload")
        }
        _ => None,
    }
}

fn changed_everywhere(
    files: &Files,
    verify: fn(&Files) -> Option<Scrubbed>,
) -> BTreeMap<&'static str, usize> {
    let whole = is_ok(verify(files)).expect("the log is intact");
    assert_eq!((whole.report.covered, whole.size), (9, 9));
    let mut passed = BTreeMap::new();
    for (path, bytes) in files {
        for at in 0..bytes.len() {
            let mut changed = files.clone();
            changed.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            if let Some(done) = is_ok(verify(&changed)) {
                let why = excused(path, files, &done);
                *passed
                    .entry(why.unwrap_or_else(|| panic!("{path}, byte {at}: not found")))
                    .or_insert(0) += 1;
            }
        }
        for at in 0..bytes.len() {
            let mut cut = files.clone();
            cut.get_mut(path).unwrap().truncate(at);
            if let Some(done) = is_ok(verify(&cut)) {
                let why = excused(path, files, &done);
                assert!(why.is_some(), "{path}, cut at {at}: not found");
            }
        }
    }
    passed
}

#[test]
fn every_byte_of_a_zone_s_log_counts() {
    let folder = tempfile::tempdir().unwrap();
    let files = zone(folder.path());
    let passed = changed_everywhere(&files, verify_zone);
    // Five bytes of each of six payloads.
    assert_eq!(passed.get("the beginning of a payload"), Some(&(5 * 6)));
    let why: BTreeSet<_> = passed.keys().copied().collect();
    let excused = BTreeSet::from([
        "the beginning of a payload",
        "the head",
        "the origin for people",
    ]);
    assert!(why.is_subset(&excused), "{passed:?}");
}

#[test]
fn every_byte_of_an_export_counts() {
    let folder = tempfile::tempdir().unwrap();
    let files = exported(&zone(folder.path()), true);
    let passed = changed_everywhere(&files, verify_export);
    assert_eq!(passed["the beginning of a payload"], 5 * 6);
    assert_eq!(passed["the origin for people"], ORIGIN.len() + 1);
    // The rest of it is labels and words that have one spelling.
    assert!(passed["the manifest"] < files["export"].len() / 2);
    assert_eq!(passed.len(), 3, "{passed:?}");
}

#[test]
fn every_byte_of_an_export_without_payloads_counts() {
    let folder = tempfile::tempdir().unwrap();
    let files = exported(&zone(folder.path()), false);
    let passed = changed_everywhere(&files, verify_export);
    assert_eq!(passed["the origin for people"], ORIGIN.len() + 1);
    assert_eq!(passed.len(), 2, "{passed:?}");
}

#[test]
fn files_that_are_missing_or_stand_in_for_each_other_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let zone = zone(folder.path());
    for (files, verify) in [
        (
            exported(&zone, true),
            verify_export as fn(&Files) -> Option<Scrubbed>,
        ),
        (zone, verify_zone),
    ] {
        let paths: Vec<&String> = files.keys().collect();
        for path in &paths {
            let mut without = files.clone();
            without.remove(*path);
            let ok = is_ok(verify(&without)).is_some();
            // A log is what it was without a checkpoint that a later one covers.
            let may = path.ends_with("checkpoints/4")
                || path.ends_with("checkpoints/9")
                || path.ends_with("/checkpoint")
                || *path == "checkpoint"
                || path.ends_with("origin")
                || path.contains("/head/");
            assert!(!ok || may, "without {path}");
            for other in &paths {
                let mut swapped = files.clone();
                swapped.insert((*path).clone(), files[*other].clone());
                let ok = is_ok(verify(&swapped)).is_some();
                let same = files[*path] == files[*other];
                assert!(!ok || same || may, "{other} as {path}");
            }
        }
    }
}
