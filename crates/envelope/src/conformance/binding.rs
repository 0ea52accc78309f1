//! A wrap is for one tenant, key, version and purpose, and for nobody who changed it.

use super::trial::{MISMATCH, Stop, Trial, ensure, expect, expect_error, fresh_dek};
use crate::dek::DekId;
use crate::key_ref::KeyRef;
use crate::kms::WrappedDek;
use crate::provider::Provider;
use crate::purpose::Purpose;

/// A longer wrap is altered at so many places, spread over it.
const PLACES: usize = 256;

/// Another tenant opens nothing, with or without a key of the same name.
pub(super) async fn another_tenant(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, theirs) = (trial.kms(), &trial.other_tenant);
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let opened = kms.unwrap(theirs, &Purpose::Record, &wrapped).await;
    expect_error("unwrap for a tenant without such a key", opened, MISMATCH)?;
    expect("create", trial.admin().create(theirs, &key).await)?;
    let opened = kms.unwrap(theirs, &Purpose::Record, &wrapped).await;
    expect_error("unwrap for a tenant with such a key", opened, MISMATCH)?;
    trial
        .opens("unwrap for its own tenant", &wrapped, &dek)
        .await
}

/// A wrap does not open under another key of its tenant.
pub(super) async fn another_key(trial: &Trial<'_>) -> Result<(), Stop> {
    let (key, other) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let (_, mut wrapped) = trial.wrapped(&key).await?;
    wrapped.key_ref = other;
    trial
        .refuses("unwrap under another key", &wrapped, MISMATCH)
        .await
}

/// A wrap opens only as one of the version that made it.
pub(super) async fn another_version(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (old_dek, old) = trial.wrapped(&key).await?;
    expect("rotate", trial.admin().rotate(&trial.tenant, &key).await)?;
    let (new_dek, new) = trial.wrapped(&key).await?;
    let mut versions = vec![old.key_version, new.key_version, 0, 3, 1_000, u32::MAX];
    versions.dedup();
    for (wrapped, dek) in [(&old, &old_dek), (&new, &new_dek)] {
        let made = wrapped.key_version;
        for version in versions.iter().filter(|version| **version != made) {
            let mut moved = wrapped.clone();
            moved.key_version = *version;
            let what = format!("unwrap version {made}'s as version {version}'s");
            trial.refuses(&what, &moved, MISMATCH).await?;
        }
        trial
            .opens("unwrap as its own version's", wrapped, dek)
            .await?;
    }
    Ok(())
}

/// A wrap that says another kind of KMS made it is refused.
pub(super) async fn another_provider(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (_, wrapped) = trial.wrapped(&key).await?;
    let providers = (0..=u8::MAX).filter_map(Provider::from_number);
    for provider in providers.filter(|provider| *provider != wrapped.provider) {
        let mut moved = wrapped.clone();
        moved.provider = provider;
        let what = format!("unwrap as provider {}'s", provider.number());
        trial.refuses(&what, &moved, MISMATCH).await?;
    }
    Ok(())
}

/// A wrap opens, and is wrapped again, only for what it was made for: under a version that only
/// unwraps too, under another key, and where names are as long as they can be.
pub(super) async fn another_purpose(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, tenant) = (trial.kms(), &trial.tenant);
    let (key, other_key) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let purposes = purposes(trial, &key)?;
    let mut wraps = Vec::new();
    for purpose in &purposes {
        let dek = fresh_dek()?;
        let wrapped = kms.wrap(tenant, &key, purpose, &dek).await;
        wraps.push((purpose, dek, expect("wrap", wrapped)?));
    }
    expect("rotate", trial.admin().rotate(tenant, &key).await)?;
    for (purpose, dek, wrapped) in &wraps {
        let mut all = vec![("wrapped", wrapped.clone())];
        for (how, key) in [("rewrapped", &key), ("rewrapped elsewhere", &other_key)] {
            let again = kms.rewrap(tenant, purpose, wrapped, key).await;
            all.push((how, expect("rewrap", again)?));
        }
        for (how, wrapped) in &all {
            let what = format!("{how} and unwrapped for {purpose}");
            let opened = expect(&what, kms.unwrap(tenant, purpose, wrapped).await)?;
            ensure(opened.expose_bytes() == dek.expose_bytes(), || {
                format!("{what}: another key came out than went in")
            })?;
            for other in purposes.iter().filter(|other| other != purpose) {
                let opened = kms.unwrap(tenant, other, wrapped).await;
                let what = format!("{how} for {purpose}, unwrapped for {other}");
                expect_error(&what, opened, MISMATCH)?;
            }
        }
        for other in purposes.iter().filter(|other| other != purpose) {
            let moved = kms.rewrap(tenant, other, wrapped, &key).await;
            let what = format!("wrapped for {purpose}, rewrapped for {other}");
            expect_error(&what, moved, MISMATCH)?;
        }
    }
    Ok(())
}

/// Two of each kind; those of long names differ in their last byte.
fn purposes(trial: &Trial<'_>, key: &KeyRef) -> Result<Vec<Purpose>, Stop> {
    let kek = |name: &KeyRef, version, created_at| Purpose::Kek {
        name: name.clone(),
        version,
        created_at,
    };
    let name = trial.fresh_name()?;
    let long = [1, 2].map(|last| trial.name(&format!("{}{last}", "n".repeat(127))));
    let [one, other] = long;
    let mut purposes = vec![
        Purpose::Record,
        kek(&name, 1, 1),
        kek(&name, 2, 1),
        kek(&name, 1, 2),
        kek(key, 1, 1),
        kek(&one?, u32::MAX, u64::MAX),
        kek(&other?, u32::MAX, u64::MAX),
    ];
    for id in [1, 2].map(|byte| DekId::from_bytes([byte; 16])) {
        purposes.extend([Purpose::Dek(id), Purpose::Lookup(id)]);
    }
    Ok(purposes)
}

/// No altered byte opens.
pub(super) async fn flipped_bytes(trial: &Trial<'_>) -> Result<(), Stop> {
    altered(trial, |wrapped, position| {
        let mut bytes = wrapped.bytes.clone();
        // A different bit at each place, and each of the eight somewhere.
        let byte = bytes.get_mut(position)?;
        *byte ^= 1_u8.rotate_left(u32::try_from(position % 8).unwrap_or_default());
        Some((format!("byte {position} altered"), bytes))
    })
    .await
}

/// Nothing opens that is shorter or longer than it was made.
pub(super) async fn wrong_length(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let bytes = &wrapped.bytes;
    let longer = [
        (
            "one byte more at the end",
            [bytes.as_slice(), &[0]].concat(),
        ),
        (
            "one byte more at the front",
            [&[0], bytes.as_slice()].concat(),
        ),
        ("16 bytes more", [bytes.as_slice(), &[0; 16]].concat()),
        ("twice over", bytes.repeat(2)),
        (
            "without its first byte",
            bytes.iter().skip(1).copied().collect(),
        ),
    ];
    for (what, bytes) in longer {
        let moved = WrappedDek {
            bytes,
            ..wrapped.clone()
        };
        trial.rejects(what, &moved).await?;
    }
    altered(trial, |wrapped, length| {
        let bytes = wrapped.bytes.get(..length)?.to_vec();
        Some((format!("cut to {length} bytes"), bytes))
    })
    .await?;
    trial.opens("unwrap afterwards", &wrapped, &dek).await
}

/// Bytes that nobody wrapped do not open, however many.
pub(super) async fn noise(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let length = wrapped.bytes.len();
    for (what, bytes) in [
        ("noise of the wrap's length", generate_noise(length)?),
        ("1,024 bytes of noise", generate_noise(1024)?),
        ("1,024 zeros", vec![0; 1024]),
        ("zeros of the wrap's length", vec![0; length]),
        ("the DEK itself", dek.expose_bytes().to_vec()),
    ] {
        let moved = WrappedDek {
            bytes,
            ..wrapped.clone()
        };
        trial.rejects(what, &moved).await?;
    }
    trial.opens("unwrap afterwards", &wrapped, &dek).await
}

/// Rejects a wrap, altered at each of its places, and opens it as it was.
async fn altered(
    trial: &Trial<'_>,
    alter: impl Fn(&WrappedDek, usize) -> Option<(String, Vec<u8>)>,
) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let length = wrapped.bytes.len();
    ensure(length > 0, || "the wrap is empty".into())?;
    for position in (0..length).step_by(length.div_ceil(PLACES)) {
        if let Some((what, bytes)) = alter(&wrapped, position) {
            let moved = WrappedDek {
                bytes,
                ..wrapped.clone()
            };
            trial.rejects(&what, &moved).await?;
        }
    }
    trial.opens("unwrap afterwards", &wrapped, &dek).await
}

fn generate_noise(length: usize) -> Result<Vec<u8>, Stop> {
    let mut noise = vec![0; length];
    getrandom::fill(&mut noise).map_err(|_| Stop::NotRun("no randomness".into()))?;
    Ok(noise)
}
