//! Peppers of API keys: which one keys are hashed under, and which are known besides.

use strongroom_apikey::{Hasher, Pepper, PepperId};
use strongroom_envelope::TenantKeys;

use crate::clock::Clock;
use crate::keys::{self, KeysError};
use crate::postgres::Job;

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
    for version in current.max(1)..=current.saturating_add(1) {
        keys::create_pepper(job, kek, version, clock).await?;
    }
    let (mut hashing, mut known) = (None, Vec::new());
    for (version, secret) in keys::open_peppers(job, kek).await? {
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
