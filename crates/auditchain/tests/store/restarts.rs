//! Openings after something went wrong: in another zone, in a flush, in the opening before.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use strongroom_auditchain::store::{Appended, Directory, Store, Zone};

use crate::events::{calm, config, create, keys, leaf, open, origin};
use crate::faulty::{Fault, Plan, Platter, Random};

fn plan(calls_left: u64, fault: Fault) -> Arc<Mutex<Plan>> {
    Arc::new(Mutex::new(Plan {
        calls_left,
        fault,
        zone: 0,
        random: Random(calls_left.wrapping_mul(2) | 1),
        stopped: false,
        fired: false,
    }))
}

fn three() -> Vec<Platter> {
    (0..3).map(|_| Platter::default()).collect()
}

fn index(appended: &Appended) -> u64 {
    let verified = appended.receipt.verify(keys().verifier_key());
    verified.unwrap().index()
}

/// Acknowledged in zones 0 and 1; a crash while it is integrated, and one in the opening after that;
/// then zone 0's disk is lost. At each step zone 1 must be whole.
#[test]
fn a_zone_that_is_made_equal_is_whole_at_each_step() {
    for first in 0..60 {
        let mut crashed_then = true;
        for second in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let signed = folder.path();
            let platters = three();
            create(&platters, 2);
            let two = |plan: &Arc<Mutex<Plan>>| {
                let zones = [0, 1].map(|it| Some(platters[it].zone(it, plan)));
                config(zones.into_iter().chain([None]).collect(), signed)
            };
            let at_first = plan(u64::MAX, Fault::Crash);
            let (store, _) = Store::open(two(&at_first)).unwrap();
            for number in 0..3 {
                let payload = vec![1; 50];
                store.append(&origin("a"), leaf(number), payload).unwrap();
            }
            at_first.lock().unwrap().calls_left = first;
            let _ = store.integrate();
            drop(store);
            crashed_then = at_first.lock().unwrap().stopped;
            let mut random = Random(first * 1000 + second + 1);
            platters.iter().for_each(|it| it.reboot(&mut random));
            let at_second = plan(second, Fault::Crash);
            drop(Store::open(two(&at_second)));
            let crashed = std::mem::replace(&mut at_second.lock().unwrap().stopped, true);
            platters.iter().for_each(|it| it.reboot(&mut random));
            let zones = [1, 2].map(|it| Some(platters[it].zone(it, &calm())));
            let zones = [None].into_iter().chain(zones).collect();
            let opened = Store::open(config(zones, signed));
            let (store, _) = opened.unwrap_or_else(|error| panic!("{first} {second}: {error}"));
            for number in 0..3 {
                let again = store.append(&origin("a"), leaf(number), Vec::new());
                assert_eq!(index(&again.unwrap()), number, "{first} {second}");
            }
            if !crashed {
                break;
            }
        }
        if !crashed_then {
            return;
        }
    }
    panic!("an integration of three entries takes more than 60 calls");
}

/// A flush fails, and what it was to write is seen until the machine stops: whoever reads it again
/// must not take it for durable.
#[test]
fn what_a_failed_flush_left_in_memory_is_written_anew() {
    for (zones, quorum) in [(1, 1), (3, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let platters: Vec<_> = three().into_iter().take(zones).collect();
        create(&platters, quorum);
        let lying = plan(u64::MAX, Fault::Lied);
        let places = platters.iter().zip(0..);
        let places = places.map(|(it, number)| Some(it.zone(number, &lying)));
        let (store, _) = Store::open(config(places.collect(), &folder.path().join("one"))).unwrap();
        for number in 0..3 {
            store
                .append(&origin("a"), leaf(number), Vec::new())
                .unwrap();
        }
        lying.lock().unwrap().calls_left = 0;
        let _ = store.append(&origin("a"), leaf(3), Vec::new());
        drop(store);
        // The process begins anew, the machine does not.
        let store = open(&platters, &folder.path().join("one"));
        let said = store.append(&origin("a"), leaf(3), Vec::new()).unwrap();
        // Not closed in order: as after a kill, and then the power fails.
        std::mem::forget(store);
        for platter in &platters {
            platter.reboot(&mut Random(3));
        }
        let store = open(&platters, &folder.path().join("another"));
        let again = store.append(&origin("a"), leaf(3), Vec::new()).unwrap();
        assert_eq!(index(&again), index(&said), "{zones} zones");
    }
}

/// The same, and the opening after it is killed at any moment: the frame that it began behind the
/// one that is seen says that it was acknowledged.
#[test]
fn what_a_failed_flush_left_in_memory_is_written_anew_before_anything_follows_it() {
    for calls in 0..80 {
        let folder = tempfile::tempdir().unwrap();
        let platters = [Platter::default()];
        create(&platters, 1);
        let lying = plan(u64::MAX, Fault::Lied);
        let zones = vec![Some(platters[0].zone(0, &lying))];
        let (store, _) = Store::open(config(zones, &folder.path().join("one"))).unwrap();
        for number in 0..3 {
            store
                .append(&origin("a"), leaf(number), Vec::new())
                .unwrap();
        }
        lying.lock().unwrap().calls_left = 0;
        let lost = store.append(&origin("a"), leaf(3), Vec::new());
        assert!(lost.is_err());
        drop(store);
        let killed = plan(calls, Fault::Crash);
        let zones = vec![Some(platters[0].zone(0, &killed))];
        let opened = Store::open(config(zones, &folder.path().join("one")));
        let was_killed = killed.lock().unwrap().stopped;
        drop(opened);
        if !was_killed {
            return;
        }
        platters[0].reboot(&mut Random(calls + 1));
        let store = open(&platters, &folder.path().join("another"));
        for number in 0..3 {
            let again = store.append(&origin("a"), leaf(number), Vec::new());
            assert_eq!(index(&again.unwrap()), number, "{calls}");
        }
    }
    panic!("an opening takes more than 80 calls");
}

#[test]
fn zones_that_were_away_in_turn_are_made_equal() {
    let root = tempfile::tempdir().unwrap();
    let zones = || -> Vec<Arc<dyn Zone>> {
        let open = |number| Directory::open(root.path().join(format!("zone-{number}")));
        let zone = |number| Arc::new(open(number).unwrap()) as Arc<dyn Zone>;
        (0..3).map(zone).collect()
    };
    Store::create(&zones(), 2).unwrap();
    let mut next = 0;
    let mut live = |away: Option<usize>, count: u64| {
        let places = zones().into_iter().enumerate();
        let places = places.map(|(number, it)| (Some(number) != away).then_some(it));
        let config = config(places.collect(), &root.path().join("signed"));
        let (store, recovery) = Store::open(config).unwrap();
        for _ in 0..count {
            store.append(&origin("a"), leaf(next), Vec::new()).unwrap();
            next += 1;
            if next % 100 == 0 {
                store.checkpoint().unwrap();
            }
        }
        store.checkpoint().unwrap();
        recovery
    };
    live(None, 10);
    // Away while a bundle fills up.
    live(Some(2), 600);
    live(None, 5);
    live(Some(0), 5);
    let back = live(None, 5);
    assert!(back.unusable.is_empty() && back.lost.is_empty(), "{back:?}");
}

/// A store that was not opened keeps no thread, and so neither a zone nor what was signed: not even
/// when the last step fails.
#[test]
fn an_opening_that_fails_leaves_nothing_running() {
    for fault in [Fault::Crash, Fault::Failed] {
        for calls in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let signed = folder.path();
            let platters = [Platter::default()];
            create(&platters, 1);
            let store = open(&platters, signed);
            for number in 0..3 {
                store.append(&origin("a"), leaf(number), vec![1]).unwrap();
            }
            store.checkpoint().unwrap();
            store.append(&origin("a"), leaf(3), vec![1]).unwrap();
            drop(store);
            let zone = platters[0].zone(0, &plan(calls, fault));
            let left = Arc::downgrade(&zone);
            let config = config(vec![Some(zone)], signed);
            let kept = Arc::downgrade(&config.checkpoints);
            let opened = Store::open(config);
            if opened.is_ok() {
                assert!(calls > 5, "{calls} calls: nothing late was tried");
                break;
            }
            // A zone that failed is let go, since it may hang: its thread ends by itself.
            let since = Instant::now();
            while left.strong_count() + kept.strong_count() > 0 {
                assert!(since.elapsed().as_secs() < 20, "{fault:?} at call {calls}");
                sleep(Duration::from_millis(1));
            }
        }
    }
}
