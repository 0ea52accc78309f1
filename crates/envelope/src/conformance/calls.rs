//! Many calls at once, and calls that nobody waits for.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::time::pause;
use super::trial::{Stop, Trial, ensure, expect, fresh_dek};
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KmsError, KmsFuture, WrappedDek};
use crate::purpose::Purpose;

/// Calls at once.
const CALLS: usize = 64;

const THREADS: usize = 4;

type Made = (Dek, WrappedDek);

/// One of several calls that are driven together.
type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// 64 calls over four keys, each rotated in their midst: every wrap that was made opens.
pub(super) async fn concurrent(trial: &Trial<'_>) -> Result<(), Stop> {
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(trial.fresh_key().await?);
    }
    let mut calls = Vec::<Call<'_, Result<Option<Made>, Stop>>>::new();
    for (number, key) in keys.iter().cycle().take(CALLS).enumerate() {
        let is_rotation = number / keys.len() == CALLS / keys.len() / 2;
        calls.push(Box::pin(async move {
            if is_rotation {
                patiently(|| trial.admin().rotate(&trial.tenant, key)).await?;
                return Ok(None);
            }
            wrap_and_open(trial, key).await.map(Some)
        }));
    }
    let made = all(calls)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for (dek, wrapped) in made.iter().flatten() {
        trial.opens("unwrap afterwards", wrapped, dek).await?;
    }
    Ok(())
}

/// Of several that create one key, one does; of several rotations, each adds a version.
pub(super) async fn one_creator(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = &trial.fresh_name()?;
    let (admin, tenant) = (trial.admin(), &trial.tenant);
    let creations = (0..8).map(|_| admin.create(tenant, key)).collect();
    let mut created = 0;
    for result in all(creations).await {
        match result {
            Ok(()) => created += 1,
            Err(KmsError::AlreadyExists | KmsError::Throttled) => {}
            Err(error) => return Err(Stop::Failed(format!("create: {error:?}"))),
        }
    }
    ensure(created == 1, || {
        format!("{created} of 8 created the same key")
    })?;
    let rotations = (0..8)
        .map(|_| -> Call<'_, _> { Box::pin(patiently(|| admin.rotate(tenant, key))) })
        .collect();
    let versions = all(rotations).await.into_iter();
    let mut versions = versions.collect::<Result<Vec<u32>, _>>()?;
    versions.sort_unstable();
    let is_hidden = versions.iter().all(|version| *version == 0);
    let told = format!("{versions:?}");
    versions.dedup();
    ensure(is_hidden || versions.len() == 8, || {
        format!("8 rotations made the versions {told}")
    })?;
    let (dek, wrapped) = trial.wrapped(key).await?;
    trial.opens("unwrap afterwards", &wrapped, &dek).await
}

/// Calls and rotations from four threads: every wrap that was made opens.
pub(super) async fn parallel(trial: &Trial<'_>) -> Result<(), Stop> {
    trial.candidate.drive(Box::pin(async {}))?;
    let key = &trial.fresh_key().await?;
    let made = Mutex::new(Ok(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let work = async {
                    let result = some_work(trial, key).await;
                    let mut all = made.lock().unwrap_or_else(PoisonError::into_inner);
                    match (result, all.as_mut()) {
                        (Ok(some), Ok(made)) => made.extend(some),
                        (Err(stop), Ok(_)) => *all = Err(stop),
                        (_, Err(_)) => {}
                    }
                };
                // It drove the empty task above; a task that it dropped is missed below.
                drop(trial.candidate.drive(Box::pin(work)));
            });
        }
    });
    let made = made.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    ensure(made.len() == THREADS * 8, || {
        format!("{} of {} calls came to their end", made.len(), THREADS * 8)
    })?;
    for (dek, wrapped) in &made {
        trial.opens("unwrap afterwards", wrapped, dek).await?;
    }
    Ok(())
}

/// Calls that are dropped half-way take nothing with them.
pub(super) async fn abandoned(trial: &Trial<'_>) -> Result<(), Stop> {
    let key = trial.fresh_key().await?;
    let (dek, wrapped) = trial.wrapped(&key).await?;
    for _ in 0..4 {
        let mut calls = Vec::new();
        for _ in 0..CALLS {
            calls.push(
                trial
                    .kms()
                    .unwrap(&trial.tenant, &Purpose::Record, &wrapped),
            );
        }
        poll_fn(|context| {
            for call in &mut calls {
                let _ = call.as_mut().poll(context);
            }
            Poll::Ready(())
        })
        .await;
    }
    let opened = patiently(|| {
        trial
            .kms()
            .unwrap(&trial.tenant, &Purpose::Record, &wrapped)
    })
    .await?;
    ensure(opened.expose_bytes() == dek.expose_bytes(), || {
        "unwrap afterwards: another key came out than went in".into()
    })?;
    wrap_and_open(trial, &key).await.map(drop)
}

async fn some_work(trial: &Trial<'_>, key: &KeyRef) -> Result<Vec<Made>, Stop> {
    let mut made = Vec::new();
    for number in 0..8 {
        if number == 4 {
            patiently(|| trial.admin().rotate(&trial.tenant, key)).await?;
        }
        made.push(wrap_and_open(trial, key).await?);
    }
    Ok(made)
}

async fn wrap_and_open(trial: &Trial<'_>, key: &KeyRef) -> Result<Made, Stop> {
    let dek = fresh_dek()?;
    let wrapped =
        patiently(|| trial.kms().wrap(&trial.tenant, key, &Purpose::Record, &dek)).await?;
    let opened = patiently(|| {
        trial
            .kms()
            .unwrap(&trial.tenant, &Purpose::Record, &wrapped)
    })
    .await?;
    ensure(opened.expose_bytes() == dek.expose_bytes(), || {
        "another key came out than went in".into()
    })?;
    Ok((dek, wrapped))
}

/// Calls again while the KMS has too much to do: that is its right, with so many calls at once.
async fn patiently<'a, T>(call: impl Fn() -> KmsFuture<'a, T> + Send) -> Result<T, Stop> {
    for _ in 0..100 {
        match call().await {
            Err(KmsError::Throttled) => pause(Duration::from_millis(20)).await,
            result => return expect("one of many calls", result),
        }
    }
    Err(Stop::Failed("throttled a hundred times over".into()))
}

/// Drives calls together, on this task.
async fn all<T>(mut calls: Vec<Call<'_, T>>) -> Vec<T> {
    let mut results: Vec<_> = calls.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_pending = false;
        for (call, result) in calls.iter_mut().zip(&mut results) {
            if result.is_none() {
                match call.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => is_pending = true,
                }
            }
        }
        if is_pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    results.into_iter().flatten().collect()
}
