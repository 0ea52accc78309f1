//! The platform's own keys: sealed under its KEK in the database, opened at start.

use std::sync::Arc;

use strongroom_auditchain::Ed25519Signer;
use strongroom_envelope::{EncryptionContext, KeyRef, Recipient, TenantKeys, open, seal};
use strongroom_rls::ClaimKey;
use strongroom_tenancy::TenantId;
use strongroom_tenant_token::{Algorithm, SigningKey};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::keystore::{self, Sealed};
use crate::postgres::{Job, JobTx, QueryError, column};

/// The platform's keys, opened.
pub struct PlatformKeys {
    /// Makes tenant claims.
    pub claim: ClaimKey,
    /// Signs checkpoints, each log under its own name.
    pub checkpoint: Arc<Ed25519Signer>,
    /// Signs batches.
    pub batch: Arc<Ed25519Signer>,
    /// Says when the platform's checkpoints stood.
    pub cosigner: Arc<Ed25519Signer>,
}

/// What a platform key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Claim,
    Token,
    Checkpoint,
    Batch,
    Pepper,
    Cosigner,
    Subject,
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
    /// Those of which there is one from the first. Token keys come and go ([`crate::token_keys`]),
    /// peppers come, that of subjects comes with the first start that knows of it.
    const SINGLE: [Self; 4] = [Self::Claim, Self::Checkpoint, Self::Batch, Self::Cosigner];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Token => "token",
            Self::Checkpoint => "checkpoint",
            Self::Batch => "batch",
            Self::Pepper => "pepper",
            Self::Cosigner => "cosigner",
            Self::Subject => "subject",
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

/// The key id of a purpose's only key, and of the token key of a platform that had but one.
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
        let mut tx = job.begin().await?;
        for purpose in Purpose::SINGLE {
            create_one(&mut tx, kek, purpose, FIRST, clock).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Opens the stored keys. `host` names the key of batch notes.
    ///
    /// # Errors
    /// [`KeysError::Missing`] before initialisation, [`KeysError::Sealed`] with a wrong keyring.
    pub async fn open(job: &Job, kek: &TenantKeys, host: &str) -> Result<Self, KeysError> {
        let mut secrets = Vec::with_capacity(Purpose::SINGLE.len());
        for purpose in Purpose::SINGLE {
            let opened = open_one(job, kek, purpose, FIRST).await?;
            secrets.push(opened.ok_or(KeysError::Missing(purpose.as_str()))?);
        }
        let [claim, checkpoint, batch, cosigner] = secrets.as_slice() else {
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
            checkpoint: signer(format!("{host}/checkpoint"), checkpoint)?,
            batch: signer(format!("{host}/batch"), batch)?,
            cosigner: signer(format!("{host}/clock"), cosigner)?,
        })
    }
}

/// A token key's private half, sealed to be stored under its `kid`.
///
/// # Errors
/// [`KeysError::Make`].
pub(crate) async fn seal_token_key(
    kek: &TenantKeys,
    key: &SigningKey,
) -> Result<Sealed, KeysError> {
    let secret = key.expose_secret();
    seal_one(kek, Purpose::Token, key.kid(), secret.as_slice()).await
}

/// A token key's private half, by its `kid`; none when it is not stored.
///
/// # Errors
/// [`KeysError::Sealed`] also for a key that is stored under another's name.
pub(crate) async fn open_token_key(
    job: &Job,
    kek: &TenantKeys,
    kid: &str,
) -> Result<Option<SigningKey>, KeysError> {
    let opened = open_one(job, kek, Purpose::Token, kid).await?;
    let Some(secret) = opened else {
        return Ok(None);
    };
    // The name is the key's thumbprint, so it says of which algorithm the secret is.
    let keys = Algorithm::ALL.into_iter();
    let mut keys = keys.filter_map(|it| SigningKey::from_secret(it, secret.as_slice()).ok());
    let named = keys.find(|key| key.kid() == kid);
    named
        .map(Some)
        .ok_or(KeysError::Sealed(Purpose::Token.as_str()))
}

/// The one token key of a platform whose keys did not rotate.
///
/// # Errors
/// [`KeysError`].
pub(crate) async fn open_only_token_key(
    job: &Job,
    kek: &TenantKeys,
) -> Result<Option<SigningKey>, KeysError> {
    let opened = open_one(job, kek, Purpose::Token, FIRST).await?;
    Ok(opened.map(|secret| SigningKey::from_seed(&secret)))
}

/// Makes a pepper of this version and stores it sealed, unless it is there already.
///
/// # Errors
/// [`KeysError`].
pub(crate) async fn create_pepper(
    job: &Job,
    kek: &TenantKeys,
    version: u32,
    clock: &dyn Clock,
) -> Result<(), KeysError> {
    const THERE: &str = "select from app.platform_keys \
         where tenant_id = $1 and purpose = $2 and kid = $3";
    let (purpose, kid) = (Purpose::Pepper, version.to_string());
    let mut tx = job.begin().await?;
    let there = [
        TenantId::PLATFORM.as_uuid() as _,
        &purpose.as_str() as _,
        &kid as _,
    ];
    // A commit that wrote something, be it a lock, waits for zones; a start must not.
    if !tx.query(THERE, &there).await?.is_empty() {
        tx.rollback().await;
        return Ok(());
    }
    create_one(&mut tx, kek, purpose, &kid, clock).await?;
    tx.commit().await?;
    Ok(())
}

/// Every pepper that is stored, with its version.
///
/// # Errors
/// [`KeysError`].
pub(crate) async fn open_peppers(
    job: &Job,
    kek: &TenantKeys,
) -> Result<Vec<(u32, Zeroizing<[u8; 32]>)>, KeysError> {
    const READ: &str = "select kid, sealed from app.platform_keys where purpose = $1";
    let purpose = Purpose::Pepper;
    let mut tx = job.begin().await?;
    let rows = tx.query(READ, &[&purpose.as_str()]).await?;
    tx.rollback().await;
    let mut peppers = Vec::with_capacity(rows.len());
    for row in &rows {
        let (kid, sealed): (String, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
        let version = kid.parse();
        let version = version.map_err(|_| KeysError::Sealed(purpose.as_str()))?;
        peppers.push((version, unseal(kek, purpose, &kid, &sealed).await?));
    }
    Ok(peppers)
}

/// The key that people's tags are made with. It is made unless it is there.
///
/// # Errors
/// [`KeysError`].
pub(crate) async fn subject_key(
    job: &Job,
    kek: &TenantKeys,
    clock: &dyn Clock,
) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let purpose = Purpose::Subject;
    // A commit that wrote something, be it a lock, waits for zones; a start must not.
    if let Some(there) = open_one(job, kek, purpose, FIRST).await? {
        return Ok(there);
    }
    let mut tx = job.begin().await?;
    create_one(&mut tx, kek, purpose, FIRST, clock).await?;
    tx.commit().await?;
    let opened = open_one(job, kek, purpose, FIRST).await?;
    opened.ok_or(KeysError::Missing(purpose.as_str()))
}

/// Draws a key and stores it sealed. One that is there already is left alone.
async fn create_one(
    tx: &mut JobTx,
    kek: &TenantKeys,
    purpose: Purpose,
    kid: &str,
    clock: &dyn Clock,
) -> Result<(), KeysError> {
    const STORE: &str = "insert into app.platform_keys \
         (tenant_id, purpose, kid, sealed, created_at, kek, kek_version) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (tenant_id, purpose, kid) do nothing";
    let now = i64::try_from(clock.unix_seconds()).unwrap_or(i64::MAX);
    let mut secret = Zeroizing::new([0_u8; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(|error| KeysError::Make(error.to_string()))?;
    let sealed = seal_one(kek, purpose, kid, secret.as_slice()).await?;
    tx.query(
        STORE,
        &[
            TenantId::PLATFORM.as_uuid(),
            &purpose.as_str(),
            &kid,
            &sealed.bytes,
            &now,
            &sealed.kek,
            &sealed.kek_version,
        ],
    )
    .await?;
    Ok(())
}

async fn seal_one(
    kek: &TenantKeys,
    purpose: Purpose,
    kid: &str,
    secret: &[u8],
) -> Result<Sealed, KeysError> {
    let make = |error: &dyn std::fmt::Display| KeysError::Make(error.to_string());
    let (key, context) = (self::kek()?, purpose.context(kid)?);
    let recipients = [Recipient::new(kek, &key)];
    let sealed = seal(&recipients, &TenantId::PLATFORM, &context, secret).await;
    let sealed = sealed.map_err(|error| make(&error))?;
    keystore::describe(sealed).map_err(|error| make(&error))
}

async fn open_one(
    job: &Job,
    kek: &TenantKeys,
    purpose: Purpose,
    kid: &str,
) -> Result<Option<Zeroizing<[u8; 32]>>, KeysError> {
    const READ: &str = "select sealed from app.platform_keys where purpose = $1 and kid = $2";
    let mut tx = job.begin().await?;
    let rows = tx.query(READ, &[&purpose.as_str(), &kid]).await?;
    tx.rollback().await;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let sealed: Vec<u8> = column(row, 0)?;
    unseal(kek, purpose, kid, &sealed).await.map(Some)
}

async fn unseal(
    kek: &TenantKeys,
    purpose: Purpose,
    kid: &str,
    sealed: &[u8],
) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let (key, context) = (self::kek()?, purpose.context(kid)?);
    let recipients = [Recipient::new(kek, &key)];
    let opened = open(&recipients, &TenantId::PLATFORM, &context, sealed)
        .await
        .map_err(|_| KeysError::Sealed(purpose.as_str()))?;
    let bytes = <[u8; 32]>::try_from(opened.as_slice());
    let bytes = bytes.map_err(|_| KeysError::Sealed(purpose.as_str()))?;
    Ok(Zeroizing::new(bytes))
}
