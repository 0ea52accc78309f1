//! Rotates an API key, keeps its record on two nodes, revokes it, and cuts one node off.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strongroom::apikey::{
    Accepted, ApiKey, Environment, Found, Grant, Hasher, KeyGate, KeyRecord, Pepper, PepperId,
    ROTATION_OVERLAP, Rotation, TableFeed, Visit, revoked_everywhere_at,
};
use strongroom::tenancy::{Role, TenantId};

const NOW: u64 = 1_800_000_000;

/// A node, on a clock in milliseconds that this program sets.
struct Node {
    gate: KeyGate,
    feed: TableFeed<Box<dyn Fn() -> Duration + Send + Sync>>,
}

impl Node {
    fn new(clock: &Arc<AtomicU64>, pepper: &[u8]) -> Result<Self, Box<dyn Error>> {
        let clock = Arc::clone(clock);
        let read = move || Duration::from_millis(clock.load(Ordering::Relaxed));
        let hasher = Hasher::peppered(Pepper::new(PepperId(1), pepper)?, Vec::new())?;
        Ok(Self {
            gate: KeyGate::new(hasher, 10_000),
            feed: TableFeed::new(Box::new(read)),
        })
    }

    /// Checks a key; the row is read when what is kept does not count.
    fn check(&self, key: &ApiKey, row: Option<&KeyRecord>, from: IpAddr) -> &'static str {
        let visit = Visit {
            now: NOW,
            address: Some(from),
        };
        if let Found::Record(kept) = self.gate.find(key.id(), &self.feed) {
            match self.gate.accept(&kept, key, &visit, &self.feed) {
                Accepted::Yes(_) => return "accepted from memory",
                Accepted::No(refused) => return refused.code(),
                Accepted::Outdated => {}
            }
        }
        let Some(row) = row else {
            return "not accepted: no lease, and the database does not answer";
        };
        let ticket = self.gate.begin(key.id(), &self.feed);
        match self.gate.loaded(ticket, Some(row.clone()), key) {
            Ok(fresh) => match self.gate.accept(&fresh, key, &visit, &self.feed) {
                Accepted::Yes(_) => "accepted from the database",
                Accepted::No(refused) => refused.code(),
                Accepted::Outdated => "too slow",
            },
            Err(refused) => refused.code(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(AtomicU64::new(0));
    let [first, second] = [Node::new(&clock, &[7; 32])?, Node::new(&clock, &[7; 32])?];
    let office: IpAddr = "192.0.2.7".parse()?;
    let grant = Grant {
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse::<TenantId>()?,
        environment: Environment::Live,
        capabilities: Role::Member.capabilities(),
        expires_at: None,
        networks: "192.0.2.0/24".parse()?,
    };
    let hasher = first.gate.hasher();

    // A key, and its successor: both are accepted for a week.
    let old = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
    let record = KeyRecord::issue_under(&old, grant.clone(), &grant, hasher)?;
    let new = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
    let asked = Rotation {
        overlap: ROTATION_OVERLAP,
        expires_at: None,
    };
    let mut rotated = record.rotate(&new, &asked, &grant, hasher, NOW)?;
    println!(
        "rotated: {:?} until {:?}",
        rotated.retiring.standing(NOW),
        rotated.retiring.retirement
    );

    // Both nodes hold a lease and keep the successor's record.
    for node in [&first, &second] {
        node.feed.answer(node.feed.ask(), 0, []);
        println!(
            "first use: {}",
            node.check(&new, Some(&rotated.successor), office)
        );
        println!("next use:  {}", node.check(&new, None, office));
    }
    println!(
        "from elsewhere: {}",
        first.check(&new, None, "198.51.100.1".parse()?)
    );

    // Revoked in the database. The first node hears of it; the second is cut off.
    rotated.successor.revoked_at = Some(NOW);
    let committed = Duration::from_millis(clock.load(Ordering::Relaxed));
    first.feed.answer(first.feed.ask(), 1, [grant.tenant]);
    println!(
        "first node:  {}",
        first.check(&new, Some(&rotated.successor), office)
    );
    println!(
        "second node: {}, before the revocation is over",
        second.check(&new, None, office)
    );
    let over = u64::try_from(revoked_everywhere_at(committed).as_millis())?;
    clock.store(over, Ordering::Relaxed);
    let late = second.check(&new, None, office);
    println!("second node: {late}, {over} ms later");
    if late.starts_with("accepted") {
        return Err("a revoked key was accepted".into());
    }
    Ok(())
}
