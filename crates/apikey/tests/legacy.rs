//! Hashes of other systems, and passwords.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use serde::Deserialize;
use strongroom_apikey::{
    Cost, Environment, Grant, Hasher, KeyError, LegacyHash, LegacyHashError, LegacyKey,
    LegacyKeyError, LegacyRecord, Networks, PasswordError, PasswordHasher, Pepper, PepperId,
    Scheme, StoredArgonError, Visit,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

const KEY: &str = "cust_0123456789abcdefghijABCDEFGHIJ_-";
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const VISIT: Visit = Visit {
    now: 100,
    address: None,
};

#[derive(Deserialize)]
struct Vector {
    name: String,
    key: String,
    hash: String,
    holds: bool,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("vectors/legacy.json")).unwrap()
}

fn record(hash: &str) -> LegacyRecord {
    LegacyRecord {
        grant: Grant {
            tenant: TenantId::PLATFORM,
            environment: Environment::Live,
            capabilities: CapabilitySet::of(&[Capability::ChatCreate]),
            expires_at: None,
            networks: Networks::Anywhere,
        },
        hash: hash.parse().unwrap(),
        revoked_at: None,
    }
}

#[test]
fn imported_hashes_hold_for_their_keys_alone() {
    let vectors = vectors();
    assert!(vectors.len() >= 15);
    for Vector {
        name,
        key,
        hash,
        holds,
    } in vectors
    {
        let key = LegacyKey::parse(&key).unwrap();
        let redeemed = record(&hash).redeem(&key, &Hasher::default(), &VISIT);
        match redeemed {
            Ok((record, verified)) => {
                assert!(holds, "{name}");
                assert_eq!(verified.id(), key.id(), "{name}");
                assert_eq!(record.hash.scheme(), Scheme::Sha256, "{name}");
                assert!(record.authenticate(&key, 100).is_ok(), "{name}");
            }
            Err(error) => assert_eq!((holds, error), (false, KeyError::Mismatch), "{name}"),
        }
    }
}

#[test]
fn the_first_use_hashes_anew_as_keys_are_hashed_now() {
    let vector = vectors().swap_remove(0);
    let key = LegacyKey::parse(&vector.key).unwrap();
    let pepper = Pepper::new(PepperId(3), &[9; 32]).unwrap();
    let hasher = Hasher::peppered(pepper, Vec::new()).unwrap();
    let (record, verified) = record(&vector.hash).redeem(&key, &hasher, &VISIT).unwrap();
    assert_eq!(record.hash.pepper(), Some(PepperId(3)));
    assert!(verified.rehashed().is_none());
    // Found by its id from now on, and by nothing else.
    let other = LegacyKey::parse(&vector.key.replacen("cust", "dust", 1)).unwrap();
    assert_ne!(other.id(), key.id());
    let refused = record.authenticate_visit(&other, &hasher, &VISIT).err();
    assert_eq!(refused, Some(KeyError::Mismatch));
}

#[test]
fn an_imported_key_is_bound_like_any_other() {
    let vector = vectors().swap_remove(0);
    let key = LegacyKey::parse(&vector.key).unwrap();
    let refusal = |change: &dyn Fn(&mut LegacyRecord)| {
        let mut record = record(&vector.hash);
        change(&mut record);
        record.redeem(&key, &Hasher::default(), &VISIT).err()
    };
    assert_eq!(refusal(&|_| ()), None);
    assert_eq!(
        refusal(&|record| record.revoked_at = Some(u64::MAX)),
        Some(KeyError::Revoked)
    );
    assert_eq!(
        refusal(&|record| record.grant.expires_at = Some(100)),
        Some(KeyError::Expired)
    );
    let office: Networks = "192.0.2.0/24".parse().unwrap();
    let denied = refusal(&|record| record.grant.networks = office.clone());
    assert_eq!(denied, Some(KeyError::AddressDenied));
}

/// bcrypt ignores what follows 72 bytes: a hash would hold for every key that begins alike.
#[test]
fn what_bcrypt_cuts_off_is_refused() {
    for vector in vectors() {
        if vector.name == "bcrypt-72-bytes" || vector.name == "bcrypt-73-bytes" {
            let key = LegacyKey::parse(&vector.key).unwrap();
            let redeemed = record(&vector.hash).redeem(&key, &Hasher::default(), &VISIT);
            assert_eq!(redeemed.err(), Some(KeyError::Mismatch), "{}", vector.name);
        }
    }
}

#[test]
fn imported_hash_rejections() {
    use LegacyHashError::{Argon, Bcrypt, BcryptCost, Unknown};
    assert!(BCRYPT.parse::<LegacyHash>().is_ok());
    let argon = |cost: &str| format!("$argon2id$v=19${cost}$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA");
    assert!(argon("m=262144,t=4,p=1").parse::<LegacyHash>().is_ok());
    for (name, text, error) in [
        ("empty", String::new(), Unknown),
        ("sha-256", "$5$abc$def".to_owned(), Unknown),
        ("a plain key", KEY.to_owned(), Unknown),
        (
            "2x, which cuts bits",
            BCRYPT.replace("$2b$", "$2x$"),
            Bcrypt,
        ),
        ("no version", BCRYPT.replace("$2b$", "$2$"), Bcrypt),
        ("short", BCRYPT.get(..59).unwrap().to_owned(), Bcrypt),
        ("long", format!("{BCRYPT}A"), Bcrypt),
        ("cost of one digit", BCRYPT.replace("$04$", "$4$"), Bcrypt),
        ("signed cost", BCRYPT.replace("$04$", "$+4$"), Bcrypt),
        ("cost 3", BCRYPT.replace("$04$", "$03$"), BcryptCost),
        ("cost 15", BCRYPT.replace("$04$", "$15$"), BcryptCost),
        ("cost 31, days", BCRYPT.replace("$04$", "$31$"), BcryptCost),
        ("another alphabet", BCRYPT.replace("abc", "+bc"), Bcrypt),
        ("not ascii", BCRYPT.replace("ab", "é"), Bcrypt),
        (
            "2 GiB",
            argon("m=2097152,t=1,p=4"),
            Argon(StoredArgonError::Cost),
        ),
        (
            "over 256 MiB",
            argon("m=262145,t=1,p=1"),
            Argon(StoredArgonError::Cost),
        ),
        (
            "over 1 GiB in all",
            argon("m=262144,t=5,p=1"),
            Argon(StoredArgonError::Cost),
        ),
    ] {
        assert_eq!(text.parse::<LegacyHash>().err(), Some(error), "{name}");
    }
}

#[test]
fn legacy_key_rejections() {
    for (name, text) in [
        ("31 bytes", "x".repeat(31)),
        ("256 bytes", "x".repeat(256)),
        ("space", format!("{KEY} ")),
        ("nul", format!("{KEY}\0")),
        ("not ascii", format!("{KEY}é")),
        ("comma", format!("{KEY},")),
    ] {
        assert_eq!(
            LegacyKey::parse(&text).err(),
            Some(LegacyKeyError),
            "{name}"
        );
    }
}

#[test]
fn debug_shows_neither_key_nor_hash() {
    let key = LegacyKey::parse(KEY).unwrap();
    assert_eq!(format!("{key:?}"), format!("LegacyKey({})", key.id()));
    let shown = format!("{:?}", record(BCRYPT));
    assert!(
        shown.contains("hash: LegacyHash(Bcrypt)") && !shown.contains("AAAA"),
        "{shown}"
    );
}

fn cheap() -> PasswordHasher {
    PasswordHasher::new(Cost {
        memory: 64,
        passes: 1,
        lanes: 2,
    })
    .unwrap()
}

#[test]
fn passwords_are_hashed_with_rfc_9106_s_second_option() {
    let stored = PasswordHasher::default()
        .hash("pass phrase", &[7; 16])
        .unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
    let (salt, tag) = stored.rsplit_once('$').unwrap();
    assert_eq!(
        (salt.rsplit('$').next().unwrap().len(), tag.len()),
        (22, 43)
    );
    assert!(!PasswordHasher::default().needs_rehash(&stored));
    assert!(
        PasswordHasher::default()
            .verify("pass phrase", &stored)
            .is_ok()
    );
    let peer = vectors().pop().unwrap();
    assert_eq!(peer.name, "argon2id-rfc-9106-second");
    assert!(
        PasswordHasher::default()
            .verify(&peer.key, &peer.hash)
            .is_ok()
    );
    assert!(!PasswordHasher::default().needs_rehash(&peer.hash));
}

#[test]
fn a_password_is_told_from_others() {
    let stored = cheap().generate_hash("pass phrase").unwrap();
    assert_ne!(stored, cheap().generate_hash("pass phrase").unwrap());
    assert_eq!(cheap().verify("pass phrase", &stored), Ok(()));
    for other in ["", "pass phras", "pass phrase ", "Pass phrase"] {
        assert_eq!(cheap().verify(other, &stored), Err(PasswordError::Mismatch));
    }
    assert_eq!(
        cheap().reject_unknown("pass phrase"),
        PasswordError::Mismatch
    );
    let long = "x".repeat(1025);
    assert_eq!(cheap().verify(&long, &stored), Err(PasswordError::TooLong));
    assert_eq!(cheap().generate_hash(&long), Err(PasswordError::TooLong));
    assert_eq!(
        cheap().verify("x", "$2b$04$"),
        Err(StoredArgonError::Malformed.into())
    );
}

/// A row that somebody planted: a check has its bounds, and this is just beyond them.
#[test]
fn a_planted_password_costs_nothing() {
    let planted = "$argon2id$v=19$m=262145,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA\
         $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let refused = PasswordHasher::default().verify("x", planted);
    assert_eq!(refused, Err(StoredArgonError::Cost.into()));
    let beyond = Cost {
        memory: 2_097_153,
        ..Cost::RFC_9106_FIRST
    };
    assert_eq!(PasswordHasher::new(beyond).err(), Some(PasswordError::Cost));
    assert!(PasswordHasher::new(Cost::RFC_9106_FIRST).is_ok());
}

#[test]
fn what_is_not_made_as_now_is_hashed_anew() {
    let stored = cheap().generate_hash("x").unwrap();
    assert!(!cheap().needs_rehash(&stored));
    for other in [
        stored.replace("m=64", "m=65"),
        stored.replace("t=1", "t=2"),
        stored.replace("p=2", "p=1"),
        stored.replace("argon2id", "argon2i"),
        stored.replace("v=19", "v=16"),
        "nonsense".to_owned(),
    ] {
        assert!(cheap().needs_rehash(&other), "{other}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in r"\$2[aby]\$[0-9]{2}\$.{0,60}|.{0,300}") {
        let _ = text.parse::<LegacyHash>();
        let _ = LegacyKey::parse(&text);
    }
}
