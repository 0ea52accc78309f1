//! What is left of keys in a process's memory once they were dropped: nothing.
//!
//! A process of its own makes, uses and drops the keys, tells what it wrapped and sealed, and waits. This
//! one unwraps all that, so that it knows the keys, derives what the other had to derive from them, and
//! searches the other's memory for each half of each. So the list never is where it is searched for. A
//! second process forgets to drop, and there the same search must find every key that is held.

#![cfg(all(feature = "std", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod holder;
mod search;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::mem::forget;
use std::path::Path;
use std::sync::Arc;

use pollster::block_on;
use strongroom_envelope::{
    Dek, EncryptionContext, KeyAdmin as _, KeyRef, Kms as _, LocalKms, Purpose,
};
use strongroom_tenancy::TenantId;

use holder::{use_and_park, use_keys};
use search::{Needles, Process};
use secrets::needles;

/// How the process that holds the keys ends with them: `drop`, `park` (threads that did one thing
/// each wait for good), `go on` (the KMS is still there) or `forget`.
const MODE: &str = "STRONGROOM_TEST_MEMORY";
const DIRECTORY: &str = "STRONGROOM_TEST_MEMORY_DIRECTORY";

const TENANTS: u32 = 4;
const ROOT_VERSIONS: u32 = 4;
const KEKS: u32 = 25;
/// Of each tenant; twice as many DEKs, since each record in the inline form has one of its own.
const RECORDS: u32 = 150;

fn tenant(number: u32) -> TenantId {
    let tenant = format!("0190b2a4-8c7e-7d3a-9f00-0242ac1200{number:02}");
    tenant.parse().unwrap()
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

/// The process that is searched.
#[test]
fn holds_keys() {
    let Some(mode) = std::env::var_os(MODE) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    let is_kept = mode == "forget";
    let kms = Arc::new(LocalKms::create(&directory).unwrap());
    let mut told = String::new();
    for number in 0..TENANTS {
        use_keys(&kms, number, is_kept, &mut told);
    }
    if mode == "park" {
        use_and_park(&kms, &mut told);
    }
    // Destroyed keys are gone when the call returns, even if the KMS is not dropped.
    let doomed = key_ref("doomed");
    block_on(kms.create(&tenant(0), &doomed)).unwrap();
    let wrapped = block_on(kms.wrap(
        &tenant(0),
        &doomed,
        &Purpose::Record,
        &Dek::generate().unwrap(),
    ))
    .unwrap();
    block_on(kms.unwrap(&tenant(0), &Purpose::Record, &wrapped)).unwrap();
    let before = Path::new(&directory).join("before");
    fs::copy(kms.path(&tenant(0)), before).unwrap();
    block_on(kms.destroy(&tenant(0), &doomed)).unwrap();
    if is_kept {
        // The keyrings as they are now, once more in memory.
        for number in 0..TENANTS {
            block_on(kms.describe(&tenant(number), &key_ref("root"))).unwrap();
        }
    }
    if is_kept || mode == "go on" {
        forget(kms);
    } else {
        drop(kms);
    }
    let mut out = std::io::stderr();
    out.write_all(told.as_bytes()).unwrap();
    out.write_all(b"ready\n").unwrap();
    // Until the other process has searched.
    let _ = std::io::stdin().read(&mut [0]);
}

/// What was searched for, and what was found of each kind.
fn search(mode: &str) -> (Needles, BTreeMap<usize, String>) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("keys");
    let process = Process::start(mode, &directory);
    let needles = needles(&directory, &process.lines);
    let found = process.search(&needles);
    (needles, found)
}

fn by_kind(needles: &Needles, found: &BTreeMap<usize, String>) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for number in found.keys() {
        *kinds.entry(needles.kinds[*number]).or_default() += 1;
    }
    kinds
}

#[test]
fn nothing_is_left_of_dropped_keys() {
    nothing_is_left("drop");
}

#[test]
fn nothing_is_left_on_the_stacks_of_threads() {
    nothing_is_left("park");
}

fn nothing_is_left(mode: &str) {
    let (needles, found) = search(mode);
    let keys = ["DEK", "DEK of one record", "KEK", "root key"];
    let keys: usize = keys.iter().map(|kind| needles.count(kind)).sum();
    assert!(keys >= 1000, "only {keys} keys");
    println!(
        "{} secrets searched for, {keys} of them keys",
        needles.kinds.len()
    );
    let places: BTreeSet<_> = found
        .iter()
        .map(|(number, place)| (needles.kinds[*number], place))
        .collect();
    assert!(
        found.is_empty(),
        "{:?}: {places:#?}",
        by_kind(&needles, &found)
    );
}

/// A destroyed key is gone when the call returns, from a KMS that goes on.
#[test]
fn nothing_is_left_of_destroyed_keys() {
    let (needles, found) = search("go on");
    let mut kinds = by_kind(&needles, &found);
    // The KMS still has the others.
    kinds.remove("root key");
    assert!(kinds.is_empty(), "{kinds:?}: {found:?}");
}

#[test]
fn the_search_finds_every_key_that_is_held() {
    let (needles, found) = search("forget");
    let kinds = by_kind(&needles, &found);
    println!("{kinds:?}");
    for kind in [
        "DEK",
        "KEK",
        "root key",
        "plaintext",
        "stream sub-key",
        "look-up sub-key",
        "compact state, inner",
        "compact state, outer",
        "inner key of a KEK",
    ] {
        let expected = match kind {
            // Those of the records in the inline form are not held.
            "stream sub-key"
            | "look-up sub-key"
            | "compact state, inner"
            | "compact state, outer" => needles.count(kind) / 2,
            _ => needles.count(kind),
        };
        let held = kinds.get(kind).copied().unwrap_or(0);
        assert!(
            held >= expected && expected > 0,
            "{kind}: {held} of {expected}"
        );
    }
}
