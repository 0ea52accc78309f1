//! `strongroom-apikey` beside the least that a check could be: a hash and a look-up.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::sync::RwLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use strongroom_apikey::{
    Accepted, ApiKey, Environment, Found, Hasher, KeyGate, KeyId, KeyRecord, Pepper, PepperId,
    Presented, TableFeed, Visit,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

use crate::case::{Case, Goal, Side};
use crate::report::Report;

/// How many keys are in use at a time: what is kept of so few lies in a core's own cache, of so
/// many it does not, and then waiting for memory is most of what both sides do.
const FEW: u32 = 1000;
const MANY: u32 = 10_000;

/// A microsecond, in nanoseconds.
const MICROSECOND: f64 = 1000.0;

/// Measures checks from memory, and refusals.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let promised = Some(Goal::of(0.5));
    report.measure(verify(
        "verify, warm, 1,000 keys",
        FEW,
        Hasher::default(),
        promised,
    )?);
    report.measure(verify(
        "verify, warm, 10,000 keys",
        MANY,
        Hasher::default(),
        promised,
    )?);
    let pepper = Pepper::new(PepperId(1), &[7; 32])?;
    let hasher = Hasher::peppered(pepper, Vec::new())?;
    // HMAC is two hashes, the peer makes one: nothing was promised of it.
    report.measure(verify("verify, warm, peppered", FEW, hasher, None)?);
    for (name, text) in garbage()? {
        report.measure(refuse(name, text));
    }
    Ok(())
}

/// From the header's text to the verified key, under a live lease; the peer hashes the text and
/// compares it with what a map holds of it, in any time.
fn verify(
    name: &str,
    count: u32,
    hasher: Hasher,
    goal: Option<Goal>,
) -> Result<Case, Box<dyn Error>> {
    let keys = keys(count)?;
    let gate = KeyGate::new(hasher, 4 * keys.len());
    let feed = TableFeed::new(since_boot);
    feed.answer(feed.ask(), 0, []);
    let all = CapabilitySet::of(&[Capability::ChatCreate]);
    let mut map = HashMap::new();
    for key in &keys {
        let mut record = KeyRecord::issue(key, TenantId::PLATFORM, all, &all, None)?;
        record.hash = gate.hasher().hash(key);
        let ticket = gate.begin(key.id(), &feed);
        gate.loaded(ticket, Some(record), key)?;
        let hash: [u8; 32] = Sha256::digest(key.expose().as_bytes()).into();
        map.insert(key.id().as_str().to_owned(), (hash, TenantId::PLATFORM));
    }
    let texts: Vec<String> = keys.iter().map(|key| key.expose().to_owned()).collect();
    let visit = Visit {
        now: 1_800_000_000,
        address: None,
    };
    let (mut next, their_texts, map) = (around(&texts), texts.clone(), RwLock::new(map));
    let mut their_next = around(&their_texts);
    let mut renewed = 0_u32;
    let ours = move || {
        // As a node does in the background, twice a second.
        renewed = renewed.wrapping_add(1);
        if renewed.is_multiple_of(4096) {
            feed.answer(feed.ask(), 0, []);
        }
        let Ok(key) = ApiKey::parse(next()) else {
            return false;
        };
        let Found::Record(kept) = gate.find(key.id(), &feed) else {
            return false;
        };
        matches!(gate.accept(&kept, &key, &visit, &feed), Accepted::Yes(_))
    };
    let peer = move || {
        let text = their_next();
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let id = text.get(10..22).unwrap_or_default();
        let map = map
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = map.get(id);
        found.is_some_and(|(stored, _)| *stored == hash)
    };
    Ok(Case {
        name: name.to_owned(),
        peer_name: "SHA-256 and a look-up in a HashMap",
        goal,
        bytes: None,
        ours: sure(ours),
        peer: sure(peer),
    })
}

/// What is refused before any look-up, beside a microsecond that the peer stands for.
fn refuse(name: &str, text: String) -> Case {
    let ours = move || {
        let headers = [("x-api-key", black_box(text.as_bytes()))];
        let shown = Presented::find(headers, "/v1/chat/completions");
        let key = shown.map(|shown| shown.map(|shown| shown.key().is_err()));
        matches!(key, Err(_) | Ok(Some(true)))
    };
    Case {
        name: name.to_owned(),
        peer_name: "a microsecond",
        goal: Some(Goal::of(1.0)),
        bytes: None,
        ours: sure(ours),
        peer: Side::constant(MICROSECOND),
    }
}

fn garbage() -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let keys = keys(1)?;
    let key = keys.first().ok_or("no keys")?.expose();
    let last = if key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", key.get(..71).unwrap_or_default());
    Ok(vec![
        ("garbage: a word", "nonsense".to_owned()),
        ("garbage: 72 bytes", "x".repeat(72)),
        ("garbage: wrong checksum", mistyped),
        ("garbage: 8 KiB", "x".repeat(8192)),
        ("garbage: 64 KiB", "x".repeat(65_536)),
    ])
}

fn keys(count: u32) -> Result<Vec<ApiKey>, Box<dyn Error>> {
    let prefix = "cust".parse()?;
    let key = |number: u32| {
        let id = KeyId::from_random(&(u128::from(number) << 96 | u128::from(number)).to_be_bytes());
        let secret = Sha256::digest(number.to_be_bytes()).into();
        ApiKey::from_parts(&prefix, Environment::Live, &id, &secret)
    };
    Ok((0..count).map(key).collect())
}

/// The texts one after the other, over and over, in an order that no cache guesses.
fn around(texts: &[String]) -> impl FnMut() -> &'static str + use<> {
    // They live as long as the measurement, which is the program.
    let texts: &'static [String] = Box::leak(texts.to_vec().into_boxed_slice());
    let mut at = 0_usize;
    move || {
        at = (at + 7919) % texts.len();
        texts.get(at).map_or("", |text| black_box(text.as_str()))
    }
}

fn sure(mut work: impl FnMut() -> bool + 'static) -> Side {
    Side::new(move || assert!(work(), "a side does not do its work"))
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
