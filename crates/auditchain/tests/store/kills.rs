//! A writer that is killed, again and again: what it was told is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use strongroom_auditchain::store::{Directory, ReadOnlyDirectory, Store, StoredLog, Zone};
use strongroom_auditchain::{Leaf, Origin, Receipt, root};

use crate::events::{config, keys, leaf, origin};
use crate::faulty::Random;

/// Where the writer that is about to be killed keeps its store, and which number it begins with.
const FOLDER: &str = "STRONGROOM_KILLED_WRITER";
const FIRST: &str = "STRONGROOM_KILLED_WRITER_FIRST";

const ZONES: usize = 3;

fn opened(folder: &Path) -> Store {
    let zones = (0..ZONES).map(|number| {
        let zone = Directory::open(folder.join(format!("zone-{number}"))).unwrap();
        Some(Arc::new(zone) as Arc<dyn Zone>)
    });
    Store::open(config(zones.collect(), &folder.join("signed")))
        .unwrap()
        .0
}

/// The writer: no test of its own, and nothing at all unless it is asked to be one.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let store = opened(Path::new(&folder));
    let logs = ["a", "b", "c"].map(origin);
    for round in 0.. {
        let tickets: Vec<_> = (0..32)
            .map(|at| {
                let number = first + round * 32 + at;
                let log = &logs[number as usize % 3];
                (
                    number,
                    store.submit(log, leaf(number), vec![1; 100]).unwrap(),
                )
            })
            .collect();
        for (number, ticket) in tickets {
            let receipt = ticket.wait().unwrap().receipt;
            println!("acknowledged {number} {}", receipt.to_header());
        }
        if round % 7 == 6 {
            store.checkpoint().unwrap();
        }
    }
}

/// `kills` times a process writes and is killed by SIGKILL; then everything that it said is so.
fn kill_again_and_again(kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let zones: Vec<Arc<dyn Zone>> = (0..ZONES)
        .map(|number| {
            let zone = Directory::open(folder.path().join(format!("zone-{number}"))).unwrap();
            Arc::new(zone) as Arc<dyn Zone>
        })
        .collect();
    Store::create(&zones, 2).unwrap();
    drop(zones);
    let mut random = Random(0x5eed);
    let mut acknowledged: BTreeMap<u64, Receipt> = BTreeMap::new();
    for kill in 0..kills {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FIRST, (kill as u64 * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
        // From some acknowledgement on, at any moment; now and then while it opens. How many must
        // come first is drawn: what is written in a given time says how fast the disks are.
        let opening = kill % 5 == 4;
        let mut awaited = if opening { 0 } else { 1 + random.below(96) };
        let mut lines = Vec::new();
        while awaited > 0
            && let Some(Ok(line)) = said.next()
        {
            awaited -= u64::from(line.contains("acknowledged "));
            lines.push(line);
        }
        assert_eq!(awaited, 0, "the writer ended by itself");
        let pause = random.below(if opening { 40 } else { 60 });
        std::thread::sleep(Duration::from_millis(pause));
        writer.kill().unwrap();
        writer.wait().unwrap();
        lines.extend(said.map_while(Result::ok));
        for line in lines {
            let Some(said) = line.split("acknowledged ").nth(1) else {
                continue;
            };
            // The last line may be cut off.
            if let Some((number, receipt)) = said.split_once(' ')
                && let Ok(receipt) = Receipt::from_header(receipt)
            {
                acknowledged.insert(number.parse().unwrap(), receipt);
            }
        }
    }
    assert!(acknowledged.len() > kills * 16, "{}", acknowledged.len());
    let store = opened(folder.path());
    store.checkpoint().unwrap();
    drop(store);
    check(folder.path(), &acknowledged);
}

fn check(folder: &Path, acknowledged: &BTreeMap<u64, Receipt>) {
    for number in 0..ZONES {
        let zone = ReadOnlyDirectory::new(folder.join(format!("zone-{number}")));
        let mut logs: BTreeMap<Origin, (Vec<Vec<u8>>, Vec<_>)> = BTreeMap::new();
        for log in ["a", "b", "c"].map(origin) {
            let stored = StoredLog::open(&zone, &log).unwrap();
            let bundles = 0..stored.size().div_ceil(256);
            let entries: Vec<_> = bundles.flat_map(|it| stored.bundle(it).unwrap()).collect();
            let ids: BTreeSet<_> = entries
                .iter()
                .map(|it| Leaf::decode(it).unwrap().id)
                .collect();
            assert_eq!(ids.len(), entries.len(), "an event is there twice");
            let hashes: Vec<_> = entries
                .iter()
                .map(|entry| strongroom_auditchain::Hash::of_leaf(entry))
                .collect();
            assert_eq!(
                stored.tree().unwrap().root_at(stored.size()).unwrap(),
                root(&hashes)
            );
            logs.insert(log, (entries, hashes));
        }
        let mut roots = BTreeMap::new();
        for (number, receipt) in acknowledged {
            let verified = receipt.verify(keys().verifier_key()).unwrap();
            assert_eq!(verified.zones(), 2);
            let (entries, hashes) = &logs[verified.origin()];
            let entry = &entries[verified.index() as usize];
            assert_eq!(entry, leaf(*number).as_bytes(), "entry {number}");
            let signed = verified.checkpoint();
            let at = (signed.origin.clone(), signed.size);
            let of_log = roots
                .entry(at)
                .or_insert_with(|| root(&hashes[..signed.size as usize]));
            assert_eq!(*of_log, signed.root, "entry {number}");
        }
    }
}

#[test]
fn no_acknowledged_entry_is_lost_in_twenty_five_kills() {
    kill_again_and_again(25);
}

/// For the long tier.
#[test]
#[ignore = "minutes; `cargo xtask soak`"]
fn no_acknowledged_entry_is_lost_in_a_thousand_kills() {
    kill_again_and_again(1000);
}
