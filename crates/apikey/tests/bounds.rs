//! What a key is bound to, at issue and at rotation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;

use proptest::prelude::*;
use strongroom_apikey::{
    ApiKey, Environment, Grant, Hasher, IssueError, KeyError, KeyId, KeyRecord,
    MAX_ROTATION_OVERLAP, Networks, ROTATION_OVERLAP, Rotation, RotationError, Standing, Visit,
};
use strongroom_tenancy::{Capability, CapabilitySet, TenantId};

const NOW: u64 = 1_800_000_000;
const WEEK: Rotation = Rotation {
    overlap: ROTATION_OVERLAP,
    expires_at: None,
};

fn key(number: u8, environment: Environment) -> ApiKey {
    let id = KeyId::from_random(&[number; 16]);
    ApiKey::from_parts(&"cust".parse().unwrap(), environment, &id, &[number; 32])
}

fn grant() -> Grant {
    Grant {
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap(),
        environment: Environment::Live,
        capabilities: CapabilitySet::of(&[Capability::ChatCreate, Capability::AuditRead]),
        expires_at: Some(NOW + 1000),
        networks: "192.0.2.0/24 2001:db8::/32".parse().unwrap(),
    }
}

fn issue(key: &ApiKey, requested: Grant, issuer: &Grant) -> Result<KeyRecord, IssueError> {
    KeyRecord::issue_under(key, requested, issuer, &Hasher::default())
}

#[test]
fn nothing_is_wider_than_its_issuer() {
    use IssueError::{
        BeyondIssuer, BeyondNetworks, NoCapability, OtherEnvironment, OtherTenant, OutlivesIssuer,
    };
    type Change = fn(&mut Grant);
    let cases: [(&str, Change, Option<IssueError>); 12] = [
        ("the same", |_| (), None),
        ("sooner", |g| g.expires_at = Some(NOW), None),
        (
            "one capability",
            |g| g.capabilities = "audit:read".parse().unwrap(),
            None,
        ),
        (
            "a narrower network",
            |g| g.networks = "192.0.2.8/29".parse().unwrap(),
            None,
        ),
        (
            "later",
            |g| g.expires_at = Some(NOW + 1001),
            Some(OutlivesIssuer),
        ),
        ("for ever", |g| g.expires_at = None, Some(OutlivesIssuer)),
        (
            "from anywhere",
            |g| g.networks = Networks::Anywhere,
            Some(BeyondNetworks),
        ),
        (
            "a wider network",
            |g| g.networks = "192.0.2.0/23".parse().unwrap(),
            Some(BeyondNetworks),
        ),
        (
            "another network beside",
            |g| g.networks = "192.0.2.0/24 10.0.0.0/8".parse().unwrap(),
            Some(BeyondNetworks),
        ),
        (
            "nothing",
            |g| g.capabilities = CapabilitySet::EMPTY,
            Some(NoCapability),
        ),
        (
            "another capability",
            |g| g.capabilities = "chat:create keys:open".parse().unwrap(),
            Some(BeyondIssuer),
        ),
        (
            "another tenant",
            |g| g.tenant = TenantId::PLATFORM,
            Some(OtherTenant),
        ),
    ];
    for (name, change, expected) in cases {
        let mut requested = grant();
        change(&mut requested);
        let issued = issue(&key(1, Environment::Live), requested, &grant());
        assert_eq!(issued.err(), expected, "{name}");
    }
    let of = |environment| Grant {
        environment,
        ..grant()
    };
    let issued = |child, parent| issue(&key(1, child), of(child), &of(parent)).err();
    assert_eq!(issued(Environment::Test, Environment::Live), None);
    assert_eq!(
        issued(Environment::Live, Environment::Test),
        Some(OtherEnvironment)
    );
    // The text says which environment it is for, and the record must say the same.
    let other = issue(&key(1, Environment::Test), grant(), &grant());
    assert_eq!(other.err(), Some(OtherEnvironment));
}

#[test]
fn a_key_is_used_from_its_networks_alone() {
    let key = key(1, Environment::Live);
    let record = issue(&key, grant(), &grant()).unwrap();
    let from = |address: Option<&str>| {
        let address = address.map(|address| address.parse::<IpAddr>().unwrap());
        let visit = Visit { now: NOW, address };
        record
            .authenticate_visit(&key, &Hasher::default(), &visit)
            .err()
    };
    for inside in ["192.0.2.255", "::ffff:192.0.2.1", "2001:db8::7"] {
        assert_eq!(from(Some(inside)), None, "{inside}");
    }
    for outside in ["192.0.3.0", "::ffff:192.0.3.1", "::c000:201", "2001:db9::7"] {
        assert_eq!(
            from(Some(outside)),
            Some(KeyError::AddressDenied),
            "{outside}"
        );
    }
    assert_eq!(from(None), Some(KeyError::AddressDenied));
    assert_eq!(
        record.authenticate(&key, NOW).err(),
        Some(KeyError::AddressDenied)
    );
}

fn unlimited() -> KeyRecord {
    let grant = Grant {
        expires_at: None,
        networks: Networks::Anywhere,
        ..grant()
    };
    issue(&key(1, Environment::Live), grant.clone(), &grant).unwrap()
}

#[test]
fn both_keys_are_accepted_in_the_overlap() {
    assert_eq!(ROTATION_OVERLAP, 604_800);
    let (old, new) = (key(1, Environment::Live), key(2, Environment::Live));
    let record = unlimited();
    let hasher = Hasher::default();
    let rotated = record
        .rotate(&new, &WEEK, &record.grant(), &hasher, NOW)
        .unwrap();
    let (retiring, successor) = (rotated.retiring, rotated.successor);
    assert_eq!(successor.grant(), record.grant());
    assert_eq!(retiring.grant(), record.grant());
    for (now, standing, refusal) in [
        (NOW, Standing::Retiring, None),
        (NOW + ROTATION_OVERLAP - 1, Standing::Retiring, None),
        (
            NOW + ROTATION_OVERLAP,
            Standing::Retired,
            Some(KeyError::Retired),
        ),
        (u64::MAX, Standing::Retired, Some(KeyError::Retired)),
    ] {
        assert_eq!(retiring.standing(now), standing);
        assert_eq!(retiring.authenticate(&old, now).err(), refusal);
        assert_eq!(successor.standing(now), Standing::Active);
        assert!(successor.authenticate(&new, now).is_ok());
    }
    let sooner = retiring.retire_by(NOW + 60).unwrap();
    assert_eq!(
        sooner.authenticate(&old, NOW + 60).err(),
        Some(KeyError::Retired)
    );
    let no_later = sooner.retire_by(u64::MAX).unwrap();
    assert_eq!(no_later.retirement, sooner.retirement);
}

#[test]
fn rotation_rejections() {
    let new = key(2, Environment::Live);
    let hasher = Hasher::default();
    let rotate = |record: &KeyRecord, key: &ApiKey, asked: &Rotation, issuer: &Grant| {
        record
            .rotate(key, asked, issuer, &hasher, NOW)
            .map(|_| ())
            .err()
    };
    let record = unlimited();
    let issuer = record.grant();
    let rotated = record.rotate(&new, &WEEK, &issuer, &hasher, NOW).unwrap();
    let third = key(3, Environment::Live);
    let refused = rotate(&rotated.retiring, &third, &WEEK, &issuer);
    assert_eq!(refused, Some(RotationError::InProgress));
    assert_eq!(rotate(&rotated.successor, &third, &WEEK, &issuer), None);
    assert_eq!(record.retire_by(0).err(), Some(RotationError::NotRotated));
    type Change = fn(&mut KeyRecord);
    let over: [Change; 3] = [
        |record| record.revoked_at = Some(u64::MAX),
        |record| record.expires_at = Some(NOW),
        |record| record.retirement.as_mut().unwrap().at = NOW,
    ];
    for change in over {
        let mut record = rotated.retiring.clone();
        change(&mut record);
        assert_eq!(
            rotate(&record, &new, &WEEK, &issuer),
            Some(RotationError::NotAccepted)
        );
    }
    let long = Rotation {
        overlap: MAX_ROTATION_OVERLAP + 1,
        ..WEEK
    };
    assert_eq!(
        rotate(&record, &new, &long, &issuer),
        Some(RotationError::Overlap)
    );
    let same = key(1, Environment::Live);
    assert_eq!(
        rotate(&record, &same, &WEEK, &issuer),
        Some(RotationError::SameKey)
    );
    let test = key(2, Environment::Test);
    let other = Some(RotationError::Issue(IssueError::OtherEnvironment));
    assert_eq!(rotate(&record, &test, &WEEK, &issuer), other);
    let weaker = Grant {
        capabilities: "chat:create".parse().unwrap(),
        ..issuer.clone()
    };
    let beyond = Some(RotationError::Issue(IssueError::BeyondIssuer));
    assert_eq!(rotate(&record, &new, &WEEK, &weaker), beyond);
    let ending = Grant {
        expires_at: Some(NOW + 5),
        ..issuer
    };
    let outlives = Some(RotationError::Issue(IssueError::OutlivesIssuer));
    assert_eq!(rotate(&record, &new, &WEEK, &ending), outlives);
}

fn any_networks() -> impl Strategy<Value = Networks> {
    prop::sample::select(vec![
        "",
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.0.0.0/9 11.0.0.0/8",
        "10.128.0.0/9",
    ])
    .prop_map(|text| text.parse().unwrap_or(Networks::Anywhere))
}

fn any_grant() -> impl Strategy<Value = Grant> {
    let capabilities = prop::sample::subsequence(&Capability::NAMED[..3], 0..=3);
    (
        any::<bool>(),
        capabilities,
        prop::option::of(0..6_u64),
        any_networks(),
    )
        .prop_map(|(live, capabilities, expires_at, networks)| Grant {
            environment: Environment::ALL[usize::from(!live)],
            capabilities: CapabilitySet::of(&capabilities),
            expires_at,
            networks,
            ..grant()
        })
}

#[derive(Clone, Debug)]
enum Step {
    Rotate {
        overlap: u64,
        expires_at: Option<u64>,
    },
    RetireBy(u64),
    Revoke,
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..20_u64, prop::option::of(0..100_u64))
            .prop_map(|(overlap, expires_at)| Step::Rotate { overlap, expires_at }),
        1 => (0..60_u64).prop_map(Step::RetireBy),
        1 => Just(Step::Revoke),
        3 => (0..10_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever a key that was issued is accepted for, its issuer was accepted for.
    #[test]
    fn a_key_is_never_wider_than_its_issuer(
        requested in any_grant(), issuer in any_grant(), now in 0..8_u64, address: u32,
    ) {
        let address = Some(IpAddr::V4((address % (1 << 26) + (9 << 24)).into()));
        let visit = Visit { now, address };
        let (child, parent) = (key(1, requested.environment), key(2, issuer.environment));
        let whole = KeyRecord::issue_under(&parent, issuer.clone(), &issuer, &Hasher::default());
        let (Ok(narrow), Ok(whole)) = (issue(&child, requested, &issuer), whole) else {
            return Ok(());
        };
        let accepted = |record: &KeyRecord, key| {
            record.authenticate_visit(key, &Hasher::default(), &visit).ok()
        };
        if let Some(verified) = accepted(&narrow, &child) {
            let own = accepted(&whole, &parent).expect("the issuer's own");
            prop_assert!(verified.capabilities().is_subset_of(own.capabilities()));
            prop_assert_eq!(verified.tenant(), own.tenant());
            let is_live = |environment| environment == Environment::Live;
            prop_assert!(!is_live(verified.environment()) || is_live(own.environment()));
        }
    }

    /// Over any life: at most two keys of a line are accepted at a time, a key that is over stays
    /// over, and no successor may do more.
    #[test]
    fn a_line_of_keys(steps in prop::collection::vec(any_step(), 0..25)) {
        let first = unlimited();
        let issuer = first.grant();
        let mut line = vec![first];
        let mut now = 0_u64;
        for (number, step) in steps.into_iter().enumerate() {
            let before: Vec<_> = line.iter().map(|record| is_accepted(record, now)).collect();
            let last = line.len() - 1;
            match step {
                Step::Wait(seconds) => now += seconds,
                Step::Revoke => line[last].revoked_at = Some(now),
                Step::RetireBy(at) => {
                    let changed = line[last.saturating_sub(1)].retire_by(at);
                    if let Ok(changed) = changed {
                        line[last.saturating_sub(1)] = changed;
                    }
                }
                Step::Rotate { overlap, expires_at } => {
                    // One rotation at a time, as a server sees to by a lock on both rows.
                    if last > 0 && line[last - 1].standing(now) == Standing::Retiring {
                        continue;
                    }
                    let asked = Rotation { overlap, expires_at };
                    let next = key(u8::try_from(number).unwrap() + 10, Environment::Live);
                    let standing = line[last].standing(now);
                    match line[last].rotate(&next, &asked, &issuer, &Hasher::default(), now) {
                        Ok(rotated) => {
                            prop_assert_eq!(standing, Standing::Active);
                            prop_assert!(rotated.retiring.retirement.as_ref().unwrap().at <= now + overlap);
                            line[last] = rotated.retiring;
                            line.push(rotated.successor);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, RotationError::NotAccepted);
                            prop_assert_ne!(standing, Standing::Active);
                        }
                    }
                }
            }
            for (record, was) in line.iter().zip(before) {
                prop_assert!(was || !is_accepted(record, now), "it came back");
            }
            prop_assert!(line.iter().filter(|record| is_accepted(record, now)).count() <= 2);
            for record in &line {
                prop_assert!(record.capabilities.is_subset_of(&issuer.capabilities));
            }
        }
    }
}

fn is_accepted(record: &KeyRecord, now: u64) -> bool {
    matches!(record.standing(now), Standing::Active | Standing::Retiring)
}
