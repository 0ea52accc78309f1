//! The platform's own keys: sealed under its KEK in the database, opened at start.

use std::sync::Arc;

use strongroom_auditchain::Ed25519Signer;
use strongroom_envelope::{EncryptionContext, KeyRef, Recipient, TenantKeys, open, seal};
use strongroom_rls::ClaimKey;
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::SigningKey;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::keystore;
use crate::postgres::{Job, QueryError};

/// The platform's keys, opened.
pub struct PlatformKeys {
    /// Makes tenant claims.
    pub claim: ClaimKey,
    /// Signs access tokens.
    pub token: SigningKey,
    /// Signs checkpoints, each log under its own name.
    pub checkpoint: Arc<Ed25519Signer>,
    /// Signs batches.
    pub batch: Arc<Ed25519Signer>,
}

/// What a platform key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Claim,
    Token,
    Checkpoint,
    Batch,
}

/// The platform's keys could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The rows were not stored.
    #[error(transparent)]
    Commit(#[from] crate::postgres::CommitError),
    /// There are no keys: the platform was not initialised.
    #[error("the platform has no {0} key: run `strongroom-server init` first")]
    Missing(&'static str),
    /// A stored key does not open under the platform's root key.
    #[error("the platform's {0} key does not open: is this the keyring that it was sealed with?")]
    Sealed(&'static str),
    /// A key could not be made.
    #[error("a key could not be made: {0}")]
    Make(String),
}

impl Purpose {
    const ALL: [Self; 4] = [Self::Claim, Self::Token, Self::Checkpoint, Self::Batch];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Token => "token",
            Self::Checkpoint => "checkpoint",
            Self::Batch => "batch",
        }
    }

    fn context(self, kid: &str) -> Result<EncryptionContext, KeysError> {
        EncryptionContext::new([
            ("purpose", "platform-key"),
            ("use", self.as_str()),
            ("kid", kid),
        ])
        .map_err(|error| KeysError::Make(error.to_string()))
    }
}

/// The key id of the first key of each purpose. Rotation adds others.
const FIRST: &str = "k1";

fn kek() -> Result<KeyRef, KeysError> {
    keystore::TENANT
        .parse()
        .map_err(|_| KeysError::Missing("platform"))
}

impl PlatformKeys {
    /// Draws new keys and stores them sealed. Keys that are there already are left alone.
    ///
    /// # Errors
    /// [`KeysError`].
    pub async fn create(job: &Job, kek: &TenantKeys, clock: &dyn Clock) -> Result<(), KeysError> {
        const STORE: &str = "insert into app.platform_keys \
             (tenant_id, purpose, kid, sealed, created_at, kek, kek_version) \
             values ($1, $2, $3, $4, $5, $6, $7) \
             on conflict (tenant_id, purpose, kid) do nothing";
        let key = self::kek()?;
        let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
        let mut tx = job.begin().await?;
        for purpose in Purpose::ALL {
            let mut secret = Zeroizing::new([0_u8; 32]);
            getrandom::fill(secret.as_mut_slice())
                .map_err(|error| KeysError::Make(error.to_string()))?;
            let context = purpose.context(FIRST)?;
            let make = |error: &dyn std::fmt::Display| KeysError::Make(error.to_string());
            let platform = TenantId::PLATFORM;
            let recipients = [Recipient::new(kek, &key)];
            let sealed = seal(&recipients, &platform, &context, secret.as_slice())
                .await
                .map_err(|error| make(&error))?;
            let sealed = keystore::describe(sealed).map_err(|error| make(&error))?;
            tx.query(
                STORE,
                &[
                    platform.as_uuid(),
                    &purpose.as_str(),
                    &FIRST,
                    &sealed.bytes,
                    &now,
                    &sealed.kek,
                    &sealed.kek_version,
                ],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Opens the stored keys. `host` names the key of batch notes.
    ///
    /// # Errors
    /// [`KeysError::Missing`] before initialisation, [`KeysError::Sealed`] with a wrong keyring.
    pub async fn open(job: &Job, kek: &TenantKeys, host: &str) -> Result<Self, KeysError> {
        let mut secrets = Vec::with_capacity(Purpose::ALL.len());
        for purpose in Purpose::ALL {
            secrets.push(open_one(job, kek, purpose).await?);
        }
        let [claim, token, checkpoint, batch] = secrets.as_slice() else {
            return Err(KeysError::Missing("platform"));
        };
        let signer = |name: String, seed: &[u8; 32]| {
            Ed25519Signer::from_seed(&name, seed)
                .map(Arc::new)
                .map_err(|error| KeysError::Make(error.to_string()))
        };
        let kid = FIRST.parse().map_err(|_| KeysError::Missing("claim"))?;
        Ok(Self {
            claim: ClaimKey::from_bytes(kid, claim),
            token: SigningKey::from_seed(token),
            checkpoint: signer(format!("{host}/checkpoint"), checkpoint)?,
            batch: signer(format!("{host}/batch"), batch)?,
        })
    }
}

async fn open_one(
    job: &Job,
    kek: &TenantKeys,
    purpose: Purpose,
) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    const READ: &str = "select sealed from app.platform_keys where purpose = $1 and kid = $2";
    let key = self::kek()?;
    let mut tx = job.begin().await?;
    let rows = tx.query(READ, &[&purpose.as_str(), &FIRST]).await?;
    tx.rollback().await;
    let row = rows.first().ok_or(KeysError::Missing(purpose.as_str()))?;
    let sealed: Vec<u8> = row
        .try_get(0)
        .map_err(|error| QueryError::Row(error.to_string()))?;
    let context = purpose.context(FIRST)?;
    let recipients = [Recipient::new(kek, &key)];
    let opened = open(&recipients, &TenantId::PLATFORM, &context, &sealed)
        .await
        .map_err(|_| KeysError::Sealed(purpose.as_str()))?;
    let bytes = <[u8; 32]>::try_from(opened.as_slice());
    Ok(Zeroizing::new(
        bytes.map_err(|_| KeysError::Sealed(purpose.as_str()))?,
    ))
}
