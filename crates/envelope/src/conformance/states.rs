//! A key's life: missing, created, rotated, disabled, enabled, destroyed.

use super::trial::{Stop, Trial, ensure, expect, expect_error, fresh_dek};
use crate::key_ref::KeyRef;
use crate::kms::{Destruction, KeyDescription, KeyState, KmsError, WrappedDek};
use crate::purpose::Purpose;

/// Nothing can be done with a key that was not created.
pub(super) async fn missing(trial: &Trial<'_>) -> Result<(), Stop> {
    let present = trial.fresh_key().await?;
    let absent = trial.fresh_name()?;
    let (_, mut wrapped) = trial.wrapped(&present).await?;
    wrapped.key_ref = absent.clone();
    all_fail(trial, &absent, &wrapped, &[KmsError::NotFound]).await
}

/// A name in use is not given out again, and its key stays as it is.
pub(super) async fn create_twice(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let again = trial.admin().create(&trial.tenant, &key).await;
    expect_error("create again", again, &[KmsError::AlreadyExists])?;
    let described = describe(trial, &key).await?;
    ensure(described.state == KeyState::Enabled, || {
        format!("after a second create: {described:?}")
    })?;
    trial
        .opens("unwrap after a second create", &wrapped, &dek)
        .await
}

/// Names that look alike name different keys.
pub(super) async fn key_names(trial: &Trial<'_>) -> Result<(), Stop> {
    let base = trial.fresh_name()?;
    let longest = format!(
        "{base}{}",
        "x".repeat(128_usize.saturating_sub(base.as_str().len()))
    );
    let texts = [
        format!("{base}/a:b.c_d"),
        format!("{base}/a-b.c_d"),
        format!("{base}/A:B.C_D"),
        format!("{base}/a:b.c_d/1"),
        format!("{base}.1"),
        format!("{base}/1"),
        longest,
    ];
    let mut keys = Vec::new();
    for text in texts {
        let key = trial.name(&text)?;
        match trial.admin().create(&trial.tenant, &key).await {
            Ok(()) => {}
            Err(KmsError::AlreadyExists) => {
                return Err(Stop::Failed(format!("{key} is taken for another name")));
            }
            Err(error) if error.is_retryable() => {
                return Err(Stop::Failed(format!("create {key}: {error:?}")));
            }
            Err(error) => {
                return Err(Stop::NotRun(format!(
                    "the KMS takes no key {key}: {error:?}"
                )));
            }
        }
        let (dek, wrapped) = trial.wrapped(&key).await?;
        keys.push((key, dek, wrapped));
    }
    for (key, dek, wrapped) in &keys {
        trial
            .opens(&format!("unwrap under {key}"), wrapped, dek)
            .await?;
        for (other, _, _) in keys.iter().filter(|(other, _, _)| other != key) {
            let mut moved = wrapped.clone();
            moved.key_ref = other.clone();
            trial
                .rejects(&format!("a wrap of {key} as one of {other}"), &moved)
                .await?;
        }
    }
    Ok(())
}

/// The description follows creation, rotation, disabling and enabling.
pub(super) async fn describe_follows(trial: &Trial<'_>) -> Result<(), Stop> {
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let key = trial.fresh_key().await?;
    let created = describe(trial, &key).await?;
    let version = expect("rotate", admin.rotate(tenant, &key).await)?;
    let steps = [
        ("rotated", describe(trial, &key).await?, KeyState::Enabled),
        (
            "disabled",
            {
                expect("disable", admin.disable(tenant, &key).await)?;
                describe(trial, &key).await?
            },
            KeyState::Disabled,
        ),
        (
            "enabled",
            {
                expect("enable", admin.enable(tenant, &key).await)?;
                describe(trial, &key).await?
            },
            KeyState::Enabled,
        ),
    ];
    ensure(created.state == KeyState::Enabled, || {
        format!("created: {created:?}")
    })?;
    for (step, described, state) in steps {
        let wanted = KeyDescription {
            state,
            active_version: version,
        };
        ensure(described == wanted, || {
            format!("{step}: {described:?} instead of {wanted:?}")
        })?;
    }
    Ok(())
}

/// A rotation adds a version that wraps; what older ones wrapped still opens.
pub(super) async fn rotate(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let mut made = vec![trial.wrapped(&key).await?];
    let mut versions = vec![describe(trial, &key).await?.active_version];
    for _ in 0..3 {
        let version = expect("rotate", trial.admin().rotate(&trial.tenant, &key).await)?;
        let (dek, wrapped) = trial.wrapped(&key).await?;
        ensure([0, version].contains(&wrapped.key_version), || {
            format!(
                "after the rotation to version {version}, version {} wraps",
                wrapped.key_version
            )
        })?;
        let is_hidden = version == 0 && versions.iter().all(|version| *version == 0);
        ensure(
            is_hidden || versions.iter().all(|older| *older < version),
            || format!("the rotation went from {versions:?} to {version}"),
        )?;
        versions.push(version);
        made.push((dek, wrapped));
        for (dek, wrapped) in &made {
            let what = format!("unwrap what version {} wrapped", wrapped.key_version);
            trial.opens(&what, wrapped, dek).await?;
        }
    }
    Ok(())
}

/// A disabled key does nothing, and disabling it again is no error; its tenant's others go on.
pub(super) async fn disabled(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, admin, tenant) = (trial.kms(), trial.admin(), &trial.tenant);
    let (key, neighbour) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let (_, old) = trial.wrapped(&key).await?;
    expect("rotate", admin.rotate(tenant, &key).await)?;
    let (_, new) = trial.wrapped(&key).await?;
    let (dek, theirs) = trial.wrapped(&neighbour).await?;
    for time in ["disable", "disable again"] {
        expect(time, admin.disable(tenant, &key).await)?;
        let wanted = &[KmsError::Disabled];
        let result = kms
            .wrap(tenant, &key, &Purpose::Record, &fresh_dek()?)
            .await;
        expect_error("wrap when disabled", result, wanted)?;
        trial.refuses("unwrap when disabled", &new, wanted).await?;
        trial
            .refuses("unwrap an older version's when disabled", &old, wanted)
            .await?;
    }
    trial.opens("unwrap another key's", &theirs, &dek).await
}

/// Enabling brings everything back, and doing so again is no error.
pub(super) async fn enabled_again(trial: &Trial<'_>) -> Result<(), Stop> {
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let key = trial.fresh_key().await?;
    let (old_dek, old) = trial.wrapped(&key).await?;
    expect("rotate", admin.rotate(tenant, &key).await)?;
    let (new_dek, new) = trial.wrapped(&key).await?;
    expect("disable", admin.disable(tenant, &key).await)?;
    for time in ["enable", "enable again"] {
        expect(time, admin.enable(tenant, &key).await)?;
        trial
            .opens("unwrap an older version's", &old, &old_dek)
            .await?;
        trial.opens("unwrap", &new, &new_dek).await?;
        let (dek, wrapped) = trial.wrapped(&key).await?;
        trial
            .opens("unwrap what it wraps now", &wrapped, &dek)
            .await?;
        ensure(wrapped.key_version == new.key_version, || {
            format!(
                "enabled, version {} wraps instead of {}",
                wrapped.key_version, new.key_version
            )
        })?;
    }
    Ok(())
}

/// A disabled key cannot be put back to work by rotating it.
pub(super) async fn rotation_enables_nothing(trial: &Trial<'_>) -> Result<(), Stop> {
    let (kms, admin, tenant) = (trial.kms(), trial.admin(), &trial.tenant);
    let key = trial.fresh_key().await?;
    let (_, wrapped) = trial.wrapped(&key).await?;
    expect("disable", admin.disable(tenant, &key).await)?;
    match admin.rotate(tenant, &key).await {
        Ok(_) | Err(KmsError::Disabled) => {}
        Err(error) => {
            return Err(Stop::Failed(format!("rotate when disabled: {error:?}")));
        }
    }
    let wanted = &[KmsError::Disabled];
    let result = kms
        .wrap(tenant, &key, &Purpose::Record, &fresh_dek()?)
        .await;
    expect_error("wrap after the rotation", result, wanted)?;
    trial
        .refuses("unwrap after the rotation", &wrapped, wanted)
        .await
}

/// Nothing opens under a destroyed key, whichever version wrapped it.
pub(super) async fn destroyed(trial: &Trial<'_>) -> Result<(), Stop> {
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let (key, neighbour) = (trial.fresh_key().await?, trial.fresh_key().await?);
    let (_, old) = trial.wrapped(&key).await?;
    expect("rotate", admin.rotate(tenant, &key).await)?;
    let (_, new) = trial.wrapped(&key).await?;
    let (dek, theirs) = trial.wrapped(&neighbour).await?;
    let destruction = expect("destroy", admin.destroy(tenant, &key).await)?;
    let wanted = after(destruction);
    trial
        .refuses("unwrap an older version's when destroyed", &old, wanted)
        .await?;
    all_fail(trial, &key, &new, wanted).await?;
    trial.opens("unwrap another key's", &theirs, &dek).await
}

/// A disabled key can be destroyed, and enabling does not bring it back.
pub(super) async fn destroyed_when_disabled(trial: &Trial<'_>) -> Result<(), Stop> {
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let key = trial.fresh_key().await?;
    let (_, wrapped) = trial.wrapped(&key).await?;
    expect("disable", admin.disable(tenant, &key).await)?;
    let destruction = expect("destroy when disabled", admin.destroy(tenant, &key).await)?;
    let wanted = after(destruction);
    let enabled = admin.enable(tenant, &key).await;
    expect_error("enable when destroyed", enabled, wanted)?;
    trial
        .refuses("unwrap when destroyed", &wrapped, wanted)
        .await
}

/// The name of a destroyed key is used up, and nothing that it wrapped comes back.
pub(super) async fn destroyed_name(trial: &Trial<'_>) -> Result<(), Stop> {
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let key = trial.fresh_key().await?;
    let (_, wrapped) = trial.wrapped(&key).await?;
    let destruction = expect("destroy", admin.destroy(tenant, &key).await)?;
    for _ in 0..2 {
        let created = admin.create(tenant, &key).await;
        expect_error("create when destroyed", created, &[KmsError::AlreadyExists])?;
    }
    let wanted = after(destruction);
    trial
        .refuses("unwrap after the attempts", &wrapped, wanted)
        .await
}

/// What calls answer from then on.
const fn after(destruction: Destruction) -> &'static [KmsError] {
    match destruction {
        Destruction::Done => &[KmsError::NotFound],
        Destruction::Scheduled { .. } => &[KmsError::NotFound, KmsError::Disabled],
    }
}

async fn describe(trial: &Trial<'_>, key: &KeyRef) -> Result<KeyDescription, Stop> {
    expect("describe", trial.kms().describe(&trial.tenant, key).await)
}

/// Every call but `create` fails with one of these errors.
async fn all_fail(
    trial: &Trial<'_>,
    key: &KeyRef,
    wrapped: &WrappedDek,
    wanted: &[KmsError],
) -> Result<(), Stop> {
    let (kms, admin, tenant) = (trial.kms(), trial.admin(), &trial.tenant);
    trial.refuses("unwrap", wrapped, wanted).await?;
    expect_error(
        "wrap",
        kms.wrap(tenant, key, &Purpose::Record, &fresh_dek()?).await,
        wanted,
    )?;
    match kms.describe(tenant, key).await {
        Ok(described)
            if described.state == KeyState::PendingDestruction
                && wanted.contains(&KmsError::Disabled) => {}
        other => expect_error("describe", other, wanted)?,
    }
    expect_error("rotate", admin.rotate(tenant, key).await, wanted)?;
    expect_error("disable", admin.disable(tenant, key).await, wanted)?;
    expect_error("enable", admin.enable(tenant, key).await, wanted)?;
    expect_error("destroy", admin.destroy(tenant, key).await, wanted)
}
