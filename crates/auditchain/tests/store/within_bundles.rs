//! Passes over logs whose checkpoints lie within bundles.

use std::num::NonZeroUsize;

use strongroom_auditchain::store::{EntryForm, PayloadForm, Scrub, scrub};
use strongroom_auditchain::{Classes, Finding};

use crate::shelf::{Shelf, leaves};

/// A checkpoint inside a bundle says nothing about the entries after it: who is right about those
/// is known at the next one.
#[test]
fn a_root_within_a_bundle_decides_about_its_own_entries_alone() {
    let all = leaves(700);
    for sizes in [
        &[514, 700][..],
        &[100, 514, 600, 700],
        &[300, 520, 521, 700],
        &[700],
    ] {
        let whole = Shelf::of(&all, sizes);
        for index in [100, 257, 300, 513, 514, 519, 520, 599, 600, 699] {
            let mut shelf = whole.clone();
            shelf.change_entry(&all, index);
            let index = index as u64;
            assert_eq!(shelf.findings(), [Finding::Leaf { index }], "{sizes:?}");
        }
        for (path, first, positions) in [
            ("tile/0/002.p/188", 512, [0, 1, 2, 7, 8, 87, 88, 187]),
            ("tile/0/001", 256, [0, 1, 2, 43, 44, 45, 87, 255]),
        ] {
            for position in positions {
                let mut shelf = whole.clone();
                shelf.change_hash(path, position);
                let (path, index) = (path.parse().unwrap(), first + position as u64);
                let named = [Finding::Tile { path, index }];
                assert_eq!(shelf.findings(), named, "{sizes:?}");
            }
        }
    }
}

#[test]
fn progress_goes_on_to_the_end() {
    let shelf = Shelf::of(&leaves(700), &[700]);
    for threads in [1, 3] {
        let told = std::sync::Mutex::new(Vec::new());
        let done = scrub(&Scrub {
            zone: &shelf,
            origin: &shelf.origin,
            key: shelf.signer.0.verifier_key(),
            entries: EntryForm::Events,
            payloads: PayloadForm::AsWritten,
            classes: &Classes::new([]).unwrap(),
            kept: &[],
            platform: None,
            cadence: None,
            cursor: None,
            threads: NonZeroUsize::new(threads).unwrap(),
            progress: &|done, of| told.lock().unwrap().push((done, of)),
        });
        done.unwrap().report.intact().unwrap();
        let told = told.into_inner().unwrap();
        assert!(told.is_sorted());
        assert_eq!(told.last(), Some(&(700, 700)));
    }
}
