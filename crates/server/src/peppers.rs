//! Peppers of API keys: sealed in the database as the platform's other keys are, one a version.

use strongroom_apikey::{Hasher, Pepper, PepperId};
use strongroom_envelope::{EncryptionContext, KeyRef, Recipient, TenantKeys, open, seal};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::keys::KeysError;
use crate::keystore;
use crate::postgres::{Job, QueryError};

const PURPOSE: &str = "pepper";

/// How keys are hashed: under the pepper of version `current`, or for 0 by SHA-256 alone.
///
/// That pepper and the next one are made unless they are there, so that every node knows a pepper
/// before any node hashes under it.
///
/// # Errors
/// [`KeysError::Sealed`] with a wrong keyring.
pub async fn hasher(
    job: &Job,
    kek: &TenantKeys,
    current: u32,
    clock: &dyn Clock,
) -> Result<Hasher, KeysError> {
    const READ: &str = "select kid, sealed from app.platform_keys where purpose = $1";
    let key = kek_name()?;
    for version in current.max(1)..=current.saturating_add(1) {
        create(job, kek, version, clock).await?;
    }
    let mut tx = job.begin().await?;
    let rows = tx.query(READ, &[&PURPOSE]).await?;
    tx.rollback().await;
    let (mut hashing, mut known) = (None, Vec::new());
    for row in &rows {
        let shape = |error: tokio_postgres::Error| QueryError::Row(error.to_string());
        let kid: String = row.try_get(0).map_err(shape)?;
        let sealed: Vec<u8> = row.try_get(1).map_err(shape)?;
        let version: u32 = kid.parse().map_err(|_| KeysError::Sealed(PURPOSE))?;
        let recipients = [Recipient::new(kek, &key)];
        let opened = open(
            &recipients,
            &TenantId::PLATFORM,
            &context(version)?,
            &sealed,
        )
        .await;
        let secret = opened.map_err(|_| KeysError::Sealed(PURPOSE))?;
        let pepper = Pepper::new(PepperId(version), secret.as_slice());
        let pepper = pepper.map_err(|_| KeysError::Sealed(PURPOSE))?;
        if version == current {
            hashing = Some(pepper);
        } else {
            known.push(pepper);
        }
    }
    let made = match hashing {
        Some(pepper) => Hasher::peppered(pepper, known),
        None if current == 0 => Hasher::unpeppered(known),
        None => return Err(KeysError::Missing(PURPOSE)),
    };
    made.map_err(|error| KeysError::Make(error.to_string()))
}

/// Draws a pepper and stores it sealed. One that is there already is left alone.
async fn create(
    job: &Job,
    kek: &TenantKeys,
    version: u32,
    clock: &dyn Clock,
) -> Result<(), KeysError> {
    const STORE: &str = "insert into app.platform_keys \
         (tenant_id, purpose, kid, sealed, created_at, kek, kek_version) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (tenant_id, purpose, kid) do nothing";
    let make = |error: &dyn std::fmt::Display| KeysError::Make(error.to_string());
    let mut secret = Zeroizing::new([0_u8; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|error| make(&error))?;
    let (platform, key) = (TenantId::PLATFORM, kek_name()?);
    let recipients = [Recipient::new(kek, &key)];
    let sealed = seal(
        &recipients,
        &platform,
        &context(version)?,
        secret.as_slice(),
    )
    .await;
    let sealed = sealed.map_err(|error| make(&error))?;
    let sealed = keystore::describe(sealed).map_err(|error| make(&error))?;
    let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
    let mut tx = job.begin().await?;
    tx.query(
        STORE,
        &[
            platform.as_uuid(),
            &PURPOSE,
            &version.to_string(),
            &sealed.bytes,
            &now,
            &sealed.kek,
            &sealed.kek_version,
        ],
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

fn context(version: u32) -> Result<EncryptionContext, KeysError> {
    let version = version.to_string();
    let pairs = [
        ("purpose", "platform-key"),
        ("use", PURPOSE),
        ("kid", &*version),
    ];
    EncryptionContext::new(pairs).map_err(|error| KeysError::Make(error.to_string()))
}

fn kek_name() -> Result<KeyRef, KeysError> {
    keystore::TENANT
        .parse()
        .map_err(|_| KeysError::Missing("platform"))
}
