//! The store on disks that fail, beside a model that knows what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use strongroom_auditchain::store::{AppendError, Appended, OpenError, Store, StoredLog};
use strongroom_auditchain::{Checkpoint, Hash, Leaf, Origin, root};

use crate::events::{calm, config, create, event, keys, leaf, origin};
use crate::faulty::{Fault, Plan, Platter, Random};

/// What must be true of the store, whatever failed.
struct Model {
    seed: u64,
    random: Random,
    platters: Vec<Platter>,
    quorum: usize,
    next: u64,
    /// What was acknowledged, and with which receipt.
    acknowledged: BTreeMap<(Origin, u64), Appended>,
    /// What may be there, or not.
    uncertain: BTreeSet<(Origin, u64)>,
    /// Every checkpoint that anyone was told of.
    published: Vec<Checkpoint>,
}

/// How often which thing happened, so that a run that tries nothing is seen.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    uncertain: usize,
    opened: usize,
    not_opened: usize,
    equalised: usize,
    cut_off: usize,
    unusable: usize,
    adopted: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let count = [1, 3, 3, 3, 5][random.below(5) as usize];
        let quorum = 1 + random.below(count as u64) as usize;
        let platters: Vec<Platter> = (0..count).map(|_| Platter::default()).collect();
        create(&platters, quorum);
        Self {
            seed,
            random,
            platters,
            quorum,
            next: 0,
            acknowledged: BTreeMap::new(),
            uncertain: BTreeSet::new(),
            published: Vec::new(),
        }
    }

    /// One opening of the store, until something happens to it or it is closed.
    fn live(&mut self, signed: &Path, tally: &mut Tally) {
        let count = self.platters.len();
        let plan = Arc::new(Mutex::new(Plan {
            calls_left: self.random.below(120),
            fault: [
                Fault::Crash,
                Fault::Crash,
                Fault::Failed,
                Fault::Full,
                Fault::Lied,
            ][self.random.below(5) as usize],
            zone: self.random.below(count as u64) as usize,
            random: Random(self.random.next() | 1),
            stopped: false,
            fired: false,
        }));
        let zones = self.platters.iter().zip(0..);
        let mut zones: Vec<_> = zones.map(|(it, n)| Some(it.zone(n, &plan))).collect();
        let mut adopt = false;
        let spare = count - self.quorum.max(count - self.quorum + 1);
        if spare > 0 && self.random.below(3) == 0 {
            let away = self.random.below(count as u64) as usize;
            zones[away] = None;
        } else if self.quorum > 1 && count > self.quorum.max(1) - 1 && self.random.below(6) == 0 {
            // A disk was replaced; every batch that was acknowledged is in another zone too.
            let wiped = self.random.below(count as u64) as usize;
            self.platters[wiped].wipe();
            adopt = true;
        }
        let mut config = config(zones, signed);
        config.adopt_empty_zones = adopt;
        config.limits.linger = std::time::Duration::ZERO;
        let trace = std::env::var("STRONGROOM_MODEL_TRACE").is_ok();
        if trace {
            println!(
                "-- {:?} adopt {adopt} away {:?}",
                plan.lock().unwrap(),
                config.zones.iter().position(Option::is_none)
            );
        }
        match Store::open(config) {
            Err(error) => {
                if trace {
                    println!("   {error}");
                }
                assert!(may_fail(&error), "seed {}: {error}", self.seed);
                // Nothing that is left of earlier failures keeps a store closed.
                assert!(plan.lock().unwrap().fired, "seed {}: {error}", self.seed);
                tally.not_opened += 1;
            }
            Ok((store, recovery)) => {
                if trace {
                    println!("   {recovery:?}");
                }
                tally.opened += 1;
                tally.equalised += recovery.equalised.len();
                tally.cut_off += usize::from(recovery.cut_off > 0);
                tally.unusable += recovery.unusable.len();
                tally.adopted += usize::from(adopt);
                self.work(&store, tally);
            }
        }
        if trace {
            println!(
                "   acked {} uncertain {} {:?}",
                self.acknowledged.len(),
                self.uncertain.len(),
                plan.lock().unwrap().stopped
            );
            for p in &self.platters {
                println!("     {:?}", p.paths("wal"));
                println!(
                    "     {:?}",
                    p.paths("log")
                        .iter()
                        .filter(|p| p.contains("head"))
                        .collect::<Vec<_>>()
                );
            }
        }
        let crashed = plan.lock().unwrap().stopped;
        if crashed || self.random.below(4) == 0 {
            for platter in &self.platters {
                platter.reboot(&mut self.random);
            }
        }
        if adopt {
            // It may have been given up before the zone was filled: it is filled with nothing to
            // fail, so that no second disk is replaced before.
            self.fill(signed);
        }
    }

    fn fill(&self, signed: &Path) {
        let plan = calm();
        let zones = self.platters.iter().zip(0..);
        let zones = zones.map(|(it, n)| Some(it.zone(n, &plan)));
        let mut config = config(zones.collect(), signed);
        config.adopt_empty_zones = true;
        let opened = Store::open(config);
        opened.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
    }

    fn work(&mut self, store: &Store, tally: &mut Tally) {
        for _ in 0..1 + self.random.below(12) {
            match self.random.below(6) {
                0 => {
                    if let Ok(done) = store.checkpoint() {
                        assert!(done.refused.is_empty(), "{}: {:?}", self.seed, done.refused);
                        self.published.extend(done.signed);
                    }
                }
                1 => drop(store.integrate()),
                _ => self.append(store, tally),
            }
        }
    }

    fn append(&mut self, store: &Store, tally: &mut Tally) {
        let mut tickets = Vec::new();
        for _ in 0..1 + self.random.below(40) {
            let retried = self.uncertain.first().cloned();
            let (log, number) = match retried.filter(|_| self.random.below(2) == 0) {
                Some(again) => again,
                None => {
                    self.next += 1;
                    let log = origin(["a", "b", "c"][self.random.below(3) as usize]);
                    (log, self.next)
                }
            };
            let payload = vec![number as u8; self.random.below(300) as usize];
            let key = (log.clone(), number);
            match store.submit(&log, leaf(number), payload) {
                Ok(ticket) => tickets.push((key, ticket)),
                Err(AppendError::Poisoned(_)) => {}
                Err(error) => panic!("seed {}: {error}", self.seed),
            }
        }
        for (key, ticket) in tickets {
            match ticket.wait() {
                Ok(appended) => {
                    tally.acknowledged += 1;
                    self.uncertain.remove(&key);
                    if let Some(before) = self.acknowledged.get(&key) {
                        let index = |it: &Appended| {
                            it.receipt.verify(keys().verifier_key()).unwrap().index()
                        };
                        assert_eq!(index(before), index(&appended), "seed {}", self.seed);
                    }
                    self.acknowledged.insert(key, appended);
                }
                Err(AppendError::Inconsistent(why)) => panic!("seed {}: {why}", self.seed),
                Err(
                    AppendError::Busy(_)
                    | AppendError::Unknown(_)
                    | AppendError::Poisoned(_)
                    | AppendError::Read(_),
                ) => {
                    if !self.acknowledged.contains_key(&key) {
                        tally.uncertain += 1;
                        self.uncertain.insert(key);
                    }
                }
                Err(error) => panic!("seed {}: {error}", self.seed),
            }
        }
    }

    /// Whatever zones are lost, as many as may be: those that are left have all that was
    /// acknowledged.
    fn check_without(&self, signed: &Path) {
        let count = self.platters.len();
        let needed = self.quorum.max(count - self.quorum + 1);
        for left in 0_u32..1 << count {
            if left.count_ones() as usize != needed {
                continue;
            }
            let platters: Vec<Platter> = self.platters.iter().map(Platter::copy).collect();
            let copied = tempfile::tempdir().unwrap();
            copy_folder(signed, copied.path());
            let plan = calm();
            let zones = platters.iter().zip(0..);
            let zones = zones.map(|(it, n)| (left >> n & 1 == 1).then(|| it.zone(n, &plan)));
            let opened = Store::open(config(zones.collect(), copied.path()));
            let (store, _) = opened
                .unwrap_or_else(|error| panic!("seed {}, zones {left:03b}: {error}", self.seed));
            for ((log, number), before) in &self.acknowledged {
                let index = |it: &Appended| {
                    let verified = it.receipt.verify(keys().verifier_key());
                    verified.unwrap().index()
                };
                let again = store.append(log, leaf(*number), Vec::new()).unwrap();
                assert_eq!(
                    index(&again),
                    index(before),
                    "seed {}, zones {left:03b}",
                    self.seed
                );
            }
        }
    }

    /// Opens the store with nothing to fail, and compares all of it with what is known.
    fn check(&mut self, signed: &Path) {
        let seed = self.seed;
        let store = crate::events::open(&self.platters, signed);
        for (log, number) in std::mem::take(&mut self.uncertain) {
            let appended = store.append(&log, leaf(number), Vec::new()).unwrap();
            self.acknowledged.insert((log, number), appended);
        }
        let done = store.checkpoint().unwrap();
        assert!(done.refused.is_empty(), "seed {seed}: {:?}", done.refused);
        self.published.extend(done.signed);
        drop(store);

        let files = self.platters[0].files();
        for platter in &self.platters {
            let theirs = platter.files();
            let differ: Vec<_> = files
                .keys()
                .chain(theirs.keys())
                .filter(|path| files.get(*path) != theirs.get(*path))
                .collect();
            assert!(differ.is_empty(), "seed {seed}: {differ:?}");
        }
        let plan = calm();
        let zone = self.platters[0].zone(0, &plan);
        let logs: BTreeSet<Origin> = self
            .acknowledged
            .keys()
            .map(|(log, _)| log.clone())
            .collect();
        let mut sizes = BTreeMap::new();
        for log in &logs {
            let stored = StoredLog::open(zone.as_ref(), log).unwrap();
            let leaves: Vec<Vec<u8>> = (0..stored.size().div_ceil(256))
                .flat_map(|bundle| stored.bundle(bundle).unwrap())
                .collect();
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| Hash::of_leaf(leaf)).collect();
            assert_eq!(hashes.len() as u64, stored.size(), "seed {seed}");
            // Each event once.
            let ids: BTreeSet<_> = leaves
                .iter()
                .map(|it| Leaf::decode(it).unwrap().id)
                .collect();
            assert_eq!(ids.len(), leaves.len(), "seed {seed}");
            // What was acknowledged, where the receipt says, in the history that it was signed in.
            for ((_, number), appended) in self.acknowledged.iter().filter(|((it, _), _)| it == log)
            {
                let verified = appended.receipt.verify(keys().verifier_key()).unwrap();
                let index = verified.index() as usize;
                assert_eq!(
                    leaves.get(index).map(Vec::as_slice),
                    Some(leaf(*number).as_bytes()),
                    "seed {seed}: {log} {number}"
                );
                let signed = verified.checkpoint();
                assert_eq!(
                    root(&hashes[..signed.size as usize]),
                    signed.root,
                    "seed {seed}"
                );
                assert_eq!(Leaf::decode(&leaves[index]).unwrap(), event(*number));
            }
            for (size, note) in stored.checkpoints().unwrap() {
                let key = keys().with_name(log.as_str()).unwrap();
                let signed = Checkpoint::verify(&note, key.verifier_key(), log).unwrap();
                assert_eq!(
                    (signed.size, signed.root),
                    (size, root(&hashes[..size as usize]))
                );
            }
            assert_eq!(
                stored.tree().unwrap().root_at(stored.size()).unwrap(),
                root(&hashes)
            );
            sizes.insert(log.clone(), hashes);
        }
        for checkpoint in &self.published {
            let hashes = &sizes[&checkpoint.origin];
            assert_eq!(
                root(&hashes[..checkpoint.size as usize]),
                checkpoint.root,
                "seed {seed}"
            );
        }
    }
}

/// What an opening may say when a disk fails under it.
fn may_fail(error: &OpenError) -> bool {
    matches!(
        error,
        OpenError::TooFewZones { .. } | OpenError::Begin(_) | OpenError::Integrate(_)
    )
}

/// Nothing that was acknowledged is lost, twice or elsewhere, whatever fails and however often.
#[test]
fn what_was_acknowledged_is_there() {
    let seeds = std::env::var("STRONGROOM_MODEL_SEEDS");
    let seeds = seeds
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(60);
    let first = std::env::var("STRONGROOM_MODEL_FIRST");
    let first = first.ok().and_then(|first| first.parse().ok()).unwrap_or(1);
    let mut tally = Tally::default();
    for seed in first..first + seeds {
        let signed = tempfile::tempdir().unwrap();
        let mut model = Model::new(seed);
        for _ in 0..10 {
            model.live(signed.path(), &mut tally);
        }
        model.check_without(signed.path());
        model.check(signed.path());
    }
    println!("{tally:?}");
    if seeds >= 60 {
        // Each of these was tried.
        assert!(
            tally.acknowledged > 1000 && tally.uncertain > 50,
            "{tally:?}"
        );
        assert!(tally.not_opened > 10 && tally.opened > 100, "{tally:?}");
        assert!(tally.equalised > 50 && tally.adopted > 3, "{tally:?}");
        // Fifteen times, more or less: how far each thread came differs from run to run.
        assert!(tally.cut_off > 0, "{tally:?}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
