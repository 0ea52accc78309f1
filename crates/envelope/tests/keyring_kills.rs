//! SIGKILL while keys are rotated: the keyring reads, and no version that was acknowledged is lost.
//!
//! What this cannot show is that a version outlives a loss of power; the file system answers for
//! what was synced.

#![cfg(all(feature = "std", unix))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use pollster::block_on;
use strongroom_envelope::{
    Dek, KeyAdmin as _, KeyRef, Kms as _, KmsError, LocalKms, Provider, Purpose, WrappedDek,
};
use strongroom_tenancy::TenantId;

/// The directory, in the process that rotates.
const DIRECTORY: &str = "STRONGROOM_TEST_KEYRING_KILLS";

/// How many rounds; a soak sets more.
const ROUNDS: &str = "STRONGROOM_KEYRING_KILL_ROUNDS";
const DEFAULT_ROUNDS: usize = 60;

/// Enough that writing the file takes a while, and far from the most that it holds.
const FIRST_VERSIONS: u32 = 400;
const LAST_VERSION: u32 = 4_000;

fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

fn key() -> KeyRef {
    "root".parse().unwrap()
}

/// The process that is killed: says each version once `rotate` has returned it, and a wrap under it.
#[test]
fn rotates_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let kms = LocalKms::open(directory).unwrap();
    let dek = Dek::from_bytes(&[9; 32]);
    let mut out = std::io::stderr();
    loop {
        let version = block_on(kms.rotate(&tenant(), &key())).unwrap();
        out.write_all(format!("version {version}\n").as_bytes())
            .unwrap();
        let wrap = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
        let bytes = hex::encode(&wrap.bytes);
        out.write_all(format!("wrap {} {bytes}\n", wrap.key_version).as_bytes())
            .unwrap();
    }
}

/// A process that rotates; killed when dropped.
struct Rotating {
    child: Child,
    lines: Receiver<String>,
}

impl Rotating {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rotates_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // A line that was cut by the kill is not one.
            while reader.read_line(&mut line).unwrap_or(0) > 0 && line.ends_with('\n') {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self { child, lines }
    }
}

impl Drop for Rotating {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the processes acknowledged.
#[derive(Default)]
struct Acknowledged {
    last: u32,
    wraps: Vec<WrappedDek>,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["version", version] => self.last = self.last.max(version.parse().unwrap()),
            ["wrap", version, bytes] => self.wraps.push(WrappedDek {
                provider: Provider::LOCAL,
                key_ref: key(),
                key_version: version.parse().unwrap(),
                bytes: hex::decode(bytes).unwrap(),
            }),
            _ => panic!("the process said: {line}"),
        }
    }
}

/// A keyring with many versions.
struct Ring {
    directory: tempfile::TempDir,
    acknowledged: Acknowledged,
    /// The file's line of each version.
    lines: BTreeMap<u32, String>,
}

impl Ring {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kms = LocalKms::create(directory.path().join("keys")).unwrap();
        block_on(kms.create(&tenant(), &key())).unwrap();
        for version in 2..=FIRST_VERSIONS {
            assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(version));
        }
        let mut ring = Self {
            directory,
            acknowledged: Acknowledged::default(),
            lines: BTreeMap::new(),
        };
        ring.check(0);
        ring
    }

    /// Reads the keyring as a process does that starts after a crash.
    fn check(&mut self, processes: u32) {
        let kms = LocalKms::open(self.directory.path().join("keys")).unwrap();
        kms.check(&tenant()).unwrap();
        let active = block_on(kms.describe(&tenant(), &key()))
            .unwrap()
            .active_version;
        // Each process can have made one version durable that it did not come to acknowledge.
        let last = self
            .acknowledged
            .last
            .max(self.lines.keys().max().map_or(0, |last| *last));
        if processes > 0 {
            assert!(
                (last..=last + processes).contains(&active),
                "{last} {active}"
            );
        }
        for wrap in &self.acknowledged.wraps {
            let dek = block_on(kms.unwrap(&tenant(), &Purpose::Record, wrap)).unwrap();
            assert_eq!(*dek.expose_bytes(), [9; 32]);
        }
        let text = std::fs::read_to_string(kms.path(&tenant())).unwrap();
        let present: BTreeMap<u32, String> = text
            .lines()
            .filter(|line| line.starts_with("key "))
            .map(|line| {
                (
                    line.split(' ').nth(2).unwrap().parse().unwrap(),
                    line.to_owned(),
                )
            })
            .collect();
        assert_eq!(present.keys().max(), Some(&active));
        for (version, line) in &self.lines {
            // Not `assert_eq`: the lines are keys.
            assert!(
                present.get(version) == Some(line),
                "version {version} has changed"
            );
        }
        self.lines = present;
    }
}

#[test]
fn no_version_is_lost() {
    let rounds = std::env::var(ROUNDS).map_or(DEFAULT_ROUNDS, |rounds| rounds.parse().unwrap());
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).unwrap();
    let mut random = u64::from_le_bytes(seed) | 1;
    println!("seed {random}");
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let mut ring = Ring::new();
    let (mut acknowledged, mut left_behind) = (0, 0);
    for round in 0..rounds {
        let keys = ring.directory.path().join("keys");
        // Every third time two processes, of which one may die holding the lock.
        let processes: Vec<_> = (0..1 + usize::from(round % 3 == 2))
            .map(|_| Rotating::start(&keys))
            .collect();
        let first = processes[0].lines.recv_timeout(Duration::from_secs(60));
        ring.acknowledged.take(&first.expect("the process rotates"));
        std::thread::sleep(Duration::from_micros(below(100_000)));
        let count = u32::try_from(processes.len()).unwrap();
        let mut outputs = Vec::new();
        for mut process in processes {
            process.child.kill().unwrap();
            process.child.wait().unwrap();
            outputs.extend(process.lines.iter());
        }
        outputs.iter().for_each(|line| ring.acknowledged.take(line));
        left_behind += usize::from(keys.join(format!("{}.keyring.new", tenant())).exists());
        ring.check(count);
        acknowledged += 1 + outputs.len() / 2;
        if *ring.lines.keys().max().unwrap() > LAST_VERSION {
            ring = Ring::new();
        }
    }
    println!(
        "{rounds} kills, about {acknowledged} rotations; {left_behind} left a new file behind"
    );
    // The keyring that was killed so often is as good as any.
    let kms = LocalKms::open(ring.directory.path().join("keys")).unwrap();
    let next = ring.lines.keys().max().unwrap() + 1;
    assert_eq!(block_on(kms.rotate(&tenant(), &key())), Ok(next));
    let again = block_on(kms.create(&tenant(), &key()));
    assert_eq!(again, Err(KmsError::AlreadyExists));
}
