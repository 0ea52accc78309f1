//! Wrapping, unwrapping and wrapping again.

use super::trial::{MISMATCH, Stop, Trial, ensure, expect, expect_error, fresh_dek};
use crate::header::MAX_WRAPPED;
use crate::kms::KmsError;
use crate::purpose::Purpose;

/// What was wrapped is what is unwrapped, for several keys of the tenant.
pub(super) async fn round_trip(trial: &Trial<'_>) -> Result<(), Stop> {
    for _ in 0..2 {
        let key = trial.fresh_key().await?;
        for _ in 0..2 {
            let (dek, wrapped) = trial.wrapped(&key).await?;
            trial.opens("unwrap", &wrapped, &dek).await?;
            trial.opens("unwrap again", &wrapped, &dek).await?;
        }
    }
    Ok(())
}

/// A wrap says by whom and under what it was made, fits a record and shows nothing of the DEK.
pub(super) async fn form(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let described = expect("describe", trial.kms().describe(&trial.tenant, &key).await)?;
    ensure(wrapped.provider == trial.kms().provider(), || {
        format!(
            "the wrap's provider is {:?}, the KMS's {:?}",
            wrapped.provider,
            trial.kms().provider()
        )
    })?;
    ensure(wrapped.key_ref == key, || {
        format!("the wrap names {}, not {key}", wrapped.key_ref)
    })?;
    ensure(
        [0, described.active_version].contains(&wrapped.key_version),
        || {
            format!(
                "the wrap's version is {}, the active one {}",
                wrapped.key_version, described.active_version
            )
        },
    )?;
    let length = wrapped.bytes.len();
    ensure((1..=MAX_WRAPPED).contains(&length), || {
        format!("the wrap is {length} bytes long; a record takes 1 to {MAX_WRAPPED}")
    })?;
    let mut windows = wrapped.bytes.windows(8);
    let shows = |window: &[u8]| dek.expose_bytes().windows(8).any(|part| part == window);
    ensure(!windows.any(shows), || {
        "the wrap shows a part of the DEK".into()
    })
}

/// One DEK, wrapped twice, gives two wraps.
pub(super) async fn differ(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let dek = fresh_dek()?;
    let first = expect(
        "wrap",
        trial
            .kms()
            .wrap(&trial.tenant, &key, &Purpose::Record, &dek)
            .await,
    )?;
    let second = expect(
        "wrap",
        trial
            .kms()
            .wrap(&trial.tenant, &key, &Purpose::Record, &dek)
            .await,
    )?;
    ensure(first.bytes != second.bytes, || {
        "two wraps of one DEK are the same bytes".into()
    })?;
    trial.opens("the first wrap", &first, &dek).await?;
    trial.opens("the second wrap", &second, &dek).await
}

/// To wrap again is to unwrap and wrap: under the active version, and under another key.
pub(super) async fn rewrap(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, tenant) = (trial.kms(), &trial.tenant);
    let (key, other) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let (dek, old) = trial.wrapped(&key).await?;
    expect("rotate", trial.admin().rotate(tenant, &key).await)?;
    let (_, made_now) = trial.wrapped(&key).await?;
    for (target, version) in [(&key, Some(made_now.key_version)), (&other, None)] {
        let what = if *target == key {
            "to its own key"
        } else {
            "to another key"
        };
        let new = expect(
            what,
            kms.rewrap(tenant, &Purpose::Record, &old, target).await,
        )?;
        ensure(new.key_ref == *target, || {
            format!("rewrapped {what}, it names {}", new.key_ref)
        })?;
        ensure(
            version.is_none_or(|version| new.key_version == version),
            || format!("rewrapped {what}, it stays at version {}", new.key_version),
        )?;
        ensure(new.bytes != old.bytes, || {
            format!("rewrapped {what}, its bytes stay the same")
        })?;
        trial
            .opens(&format!("rewrapped {what}"), &new, &dek)
            .await?;
    }
    trial.opens("the old wrap", &old, &dek).await
}

/// What would not unwrap, or not wrap, is not wrapped again.
pub(super) async fn rewrap_refuses(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, admin, tenant) = (trial.kms(), trial.admin(), &trial.tenant);
    let (key, other) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let (_, wrapped) = trial.wrapped(&key).await?;

    let absent = trial.fresh_name()?;
    let result = kms
        .rewrap(tenant, &Purpose::Record, &wrapped, &absent)
        .await;
    expect_error("to a missing key", result, &[KmsError::NotFound])?;

    expect("create", admin.create(&trial.other_tenant, &key).await)?;
    let result = kms
        .rewrap(&trial.other_tenant, &Purpose::Record, &wrapped, &key)
        .await;
    expect_error("for another tenant", result, MISMATCH)?;

    let mut moved = wrapped.clone();
    moved.key_ref = other.clone();
    let result = kms.rewrap(tenant, &Purpose::Record, &moved, &key).await;
    expect_error("from another key", result, MISMATCH)?;

    expect("disable", admin.disable(tenant, &key).await)?;
    let result = kms.rewrap(tenant, &Purpose::Record, &wrapped, &other).await;
    expect_error("from a disabled key", result, &[KmsError::Disabled])?;
    let (_, theirs) = trial.wrapped(&other).await?;
    let result = kms.rewrap(tenant, &Purpose::Record, &theirs, &key).await;
    expect_error("to a disabled key", result, &[KmsError::Disabled])
}
