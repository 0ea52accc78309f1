//! Events, keys and stores for the tests.

use std::sync::{Arc, Mutex};

use strongroom_auditchain::store::{CheckpointStore, Limits, Store, StoreConfig, Zone};
use strongroom_auditchain::{Classes, Commitments, Ed25519Signer, Event, Leaf, Origin, Outcome};
use strongroom_tenancy::RequestId;

use crate::faulty::{Fault, Plan, Platter, Random};

/// The event with this number; its kind is an agent's.
pub fn event(number: u64) -> Event {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    Event {
        id: *RequestId::from_parts(1_700_000_000_000 + number, &entropy).as_uuid(),
        time_us: 1_700_000_000_000_000 + number,
        kind: "chat.completed".parse().unwrap(),
        actor: None,
        resource: Some(format!("number/{number}")),
        credential: None,
        request_id: RequestId::from_parts(1_700_000_000_000, &[2; 10]),
        policy: None,
        source: "gateway".to_owned(),
        outcome: Outcome::Success,
        commitments: Commitments::NONE,
    }
}

pub fn leaf(number: u64) -> Leaf {
    Leaf::encode(&event(number)).unwrap()
}

pub fn origin(name: &str) -> Origin {
    format!("audit.example.com/t/{name}").parse().unwrap()
}

pub fn keys() -> Ed25519Signer {
    Ed25519Signer::from_seed("audit.example.com/batch", &[1; 32]).unwrap()
}

/// A plan by which nothing fails.
pub fn calm() -> Arc<Mutex<Plan>> {
    Arc::new(Mutex::new(Plan {
        calls_left: u64::MAX,
        fault: Fault::Crash,
        zone: 0,
        random: Random(1),
        stopped: false,
        fired: false,
    }))
}

pub fn config(zones: Vec<Option<Arc<dyn Zone>>>, signed: &std::path::Path) -> StoreConfig {
    let keys = keys();
    let checkpoints = CheckpointStore::open(signed, keys.verifier_key()).unwrap();
    StoreConfig {
        zones,
        checkpoints: Arc::new(checkpoints),
        keys: Arc::new(keys),
        classes: Classes::new(["chat."]).unwrap(),
        limits: Limits::default(),
        adopt_empty_zones: false,
    }
}

/// A store in memory that does not fail.
pub fn open(platters: &[Platter], signed: &std::path::Path) -> Store {
    let plan = calm();
    let zones = platters.iter().zip(0..);
    let zones = zones.map(|(platter, number)| Some(platter.zone(number, &plan)));
    Store::open(config(zones.collect(), signed)).unwrap().0
}

pub fn create(platters: &[Platter], quorum: usize) {
    let plan = calm();
    let zones: Vec<_> = platters
        .iter()
        .zip(0..)
        .map(|(it, n)| it.zone(n, &plan))
        .collect();
    Store::create(&zones, quorum).unwrap();
}
