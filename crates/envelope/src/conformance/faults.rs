//! What a KMS answers when it cannot do its work, and that it comes back.

use std::time::Instant;

use super::candidate::{Candidate, Fault};
use super::time::{pause, within};
use super::trial::{Stop, Trial, expect, expect_error, fresh_dek};
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KmsError, WrappedDek};
use crate::purpose::Purpose;

/// A planted fault, taken back when dropped.
struct Planted<'a>(&'a dyn Candidate, Fault);

/// Too many calls are answered with `Throttled`.
pub(super) async fn throttled(trial: &Trial<'_>) -> Result<(), Stop> {
    answers(trial, Fault::Throttled, KmsError::Throttled).await
}

/// A KMS that takes calls and does not answer is `Unavailable`, in bounded time.
pub(super) async fn stalled(trial: &Trial<'_>) -> Result<(), Stop> {
    answers(trial, Fault::Stalled, KmsError::Unavailable).await
}

/// A KMS that cannot be reached is `Unavailable`.
pub(super) async fn unreachable(trial: &Trial<'_>) -> Result<(), Stop> {
    answers(trial, Fault::Unreachable, KmsError::Unavailable).await
}

/// A caller without the right to use a key is `Denied`.
pub(super) async fn denied(trial: &Trial<'_>) -> Result<(), Stop> {
    answers(trial, Fault::Denied, KmsError::Denied).await
}

async fn answers(trial: &Trial<'_>, fault: Fault, error: KmsError) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    let planted = Planted::begin(trial.candidate, fault)?;
    calls_fail(trial, &key, &wrapped, fault, error).await?;
    if matches!(fault, Fault::Stalled | Fault::Unreachable) {
        let what = format!("create when {fault}");
        let key = trial.fresh_name()?;
        let created = trial.admin().create(&trial.tenant, &key);
        let created = within(trial.candidate.patience(), &what, created).await?;
        expect_error(&what, created, &[error])?;
    }
    drop(planted);
    recovers(trial, &wrapped, &dek).await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    trial.opens("unwrap afterwards", &wrapped, &dek).await
}

async fn calls_fail(
    trial: &Trial<'_>,
    key: &KeyRef,
    wrapped: &WrappedDek,
    fault: Fault,
    error: KmsError,
) -> Result<(), Stop> {
    let (kms, tenant, patience) = (trial.kms(), &trial.tenant, trial.candidate.patience());
    let what = |call: &str| format!("{call} when {fault}");
    let dek = fresh_dek()?;
    let result = within(
        patience,
        &what("wrap"),
        kms.wrap(tenant, key, &Purpose::Record, &dek),
    )
    .await?;
    expect_error(&what("wrap"), result, &[error])?;
    let result = within(
        patience,
        &what("unwrap"),
        kms.unwrap(tenant, &Purpose::Record, wrapped),
    )
    .await?;
    expect_error(&what("unwrap"), result, &[error])?;
    // Made of two calls, unless the KMS does it in one.
    let rewrapped = kms.rewrap(tenant, &Purpose::Record, wrapped, key);
    let result = within(patience.saturating_mul(2), &what("rewrap"), rewrapped).await?;
    expect_error(&what("rewrap"), result, &[error])?;
    let result = within(patience, &what("describe"), kms.describe(tenant, key)).await?;
    expect_error(&what("describe"), result, &[error])
}

/// After the fault the wrap opens, at the latest when a call's patience is over.
async fn recovers(trial: &Trial<'_>, wrapped: &WrappedDek, dek: &Dek) -> Result<(), Stop> {
    let patience = trial.candidate.patience();
    let begun = Instant::now();
    while begun.elapsed() < patience {
        match trial
            .kms()
            .unwrap(&trial.tenant, &Purpose::Record, wrapped)
            .await
        {
            Err(error) if error.is_retryable() => pause(patience / 50).await,
            result => {
                expect("unwrap afterwards", result)?;
                break;
            }
        }
    }
    trial.opens("unwrap afterwards", wrapped, dek).await
}

impl<'a> Planted<'a> {
    fn begin(candidate: &'a dyn Candidate, fault: Fault) -> Result<Self, Stop> {
        candidate.begin(fault)?;
        Ok(Self(candidate, fault))
    }
}

impl Drop for Planted<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}
