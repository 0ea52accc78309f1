//! Who people are in the log: a random pseudonym for each, and what it stands for, sealed.
//!
//! A person is found by a tag of issuer and subject, which takes the platform's key to make. The
//! pseudonym beside it comes from nothing: without the row it is nobody's. What it stands for is
//! sealed under a key of its own, so that an erasure leaves neither.

mod identity;

use std::sync::Arc;

use strongroom_envelope::{
    ContextError, Dek, EncryptionContext, KeyRef, LookupKey, TagLength, TenantKeys,
};
use strongroom_tenancy::{ActorError, ActorId, ActorKind, RequestId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::clock::Clock;
use crate::keys::{self, KeysError};
use crate::keystore::{KeyStore, KeyStoreError, SUBJECT};
use crate::postgres::{
    Access, CommitError, Gateway, Job, Params, QueryError, TenantTx, column, integer,
};
use crate::problem::{Kind, Problem};

pub use identity::{Identity, MalformedIdentity, is_derived};

const FIND: &str = "select pseudonym, tag, bound from app.subjects where tag = $1";

const INSERT: &str = "insert into app.subjects \
     (tenant_id, pseudonym, tag, bound, sealed, kek, kek_version, made_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (tenant_id, tag) do nothing returning 1";

const READ: &str = "select pseudonym, tag, bound, sealed, made_at, erased_at from app.subjects \
     where pseudonym = $1";

/// How often somebody may be erased while they log in.
const TRIES: usize = 3;

/// The length of tags and of what binds them, in bytes.
const TAG_BYTES: usize = 32;

/// The people of all tenants.
pub struct Subjects {
    key: Dek,
    length: TagLength,
    /// What a tag is a tag of.
    tags: EncryptionContext,
    /// What says that a tag is a pseudonym's.
    bonds: EncryptionContext,
    gateway: Gateway,
    keys: KeyStore,
    clock: Arc<dyn Clock>,
}

/// What is known of a pseudonym.
#[derive(Debug)]
pub struct Subject {
    /// Whom it stands for; nobody once it was erased.
    pub identity: Option<Identity>,
    /// When it was made, in Unix seconds.
    pub made_at: i64,
    /// When it was erased, in Unix seconds.
    pub erased_at: Option<i64>,
}

/// Why somebody has no pseudonym, or a pseudonym nobody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The database did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A row was not stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Keys could not be used.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// No randomness for a pseudonym.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The row says what the platform did not write.
    #[error("a subject's row was altered")]
    Altered,
    /// A value of the platform's own is malformed.
    #[error("{0}")]
    Malformed(String),
}

/// What a record of somebody's identity is bound to, besides the tenant.
///
/// # Errors
/// Never: the pairs are well-formed.
pub fn context(pseudonym: &Uuid) -> Result<EncryptionContext, ContextError> {
    let pseudonym = pseudonym.to_string();
    EncryptionContext::new([("purpose", "subject"), ("pseudonym", pseudonym.as_str())])
}

/// A pseudonym as an actor.
///
/// # Errors
/// [`ActorError`] when it is nil.
pub fn actor(pseudonym: Uuid) -> Result<ActorId, ActorError> {
    ActorId::new(ActorKind::User, pseudonym)
}

impl Subjects {
    /// The people behind the gateway's rows. The key of their tags is made unless it is there.
    ///
    /// # Errors
    /// [`KeysError::Sealed`] with a wrong keyring.
    pub async fn open(
        job: &Job,
        kek: &TenantKeys,
        gateway: Gateway,
        keys: KeyStore,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeysError> {
        let make = |error: &dyn std::fmt::Display| KeysError::Make(error.to_string());
        let secret = keys::subject_key(job, kek, clock.as_ref()).await?;
        let context = |what| EncryptionContext::new([("subject", what)]);
        Ok(Self {
            key: Dek::from_bytes(&secret),
            length: TagLength::new(TAG_BYTES).map_err(|error| make(&error))?,
            tags: context("tag").map_err(|error| make(&error))?,
            bonds: context("bond").map_err(|error| make(&error))?,
            gateway,
            keys,
            clock,
        })
    }

    /// The pseudonym of somebody, if they have one.
    ///
    /// # Errors
    /// [`SubjectError`]; [`SubjectError::Altered`] when the row is another's.
    pub async fn known(
        &self,
        tenant: TenantId,
        who: &Identity,
        request: &RequestId,
    ) -> Result<Option<ActorId>, SubjectError> {
        let tag = self.tag(&tenant, who)?;
        let (asker, by): (_, Params<'_>) = (platform()?, &[&tag]);
        let begun = self
            .gateway
            .begin_with(tenant, asker, request, Access::Read, (FIND, by));
        let (tx, rows) = begun.await?;
        tx.rollback().await;
        self.found(&tenant, &rows)
    }

    /// The pseudonym of somebody, who is given one if they have none.
    ///
    /// # Errors
    /// As [`Subjects::known`].
    pub async fn actor(
        &self,
        tenant: TenantId,
        who: &Identity,
        request: &RequestId,
    ) -> Result<ActorId, SubjectError> {
        for _ in 0..TRIES {
            if let Some(known) = self.known(tenant, who, request).await? {
                return Ok(known);
            }
            if let Some(made) = self.make(tenant, who, request).await? {
                return Ok(made);
            }
        }
        Err(KeyStoreError::Unavailable.into())
    }

    /// What a pseudonym of the transaction's tenant stands for; none when it is nobody's.
    ///
    /// # Errors
    /// [`SubjectError`]; [`SubjectError::Altered`] when what is sealed is not what was found by.
    pub async fn resolve(
        &self,
        tx: &mut TenantTx,
        pseudonym: &Uuid,
    ) -> Result<Option<Subject>, SubjectError> {
        let tenant = tx.tenant();
        let rows = tx.query(READ, &[pseudonym]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let sealed: Option<Vec<u8>> = column(row, 3)?;
        let identity = match sealed {
            None => None,
            Some(sealed) => {
                let who = self.open_identity(&tenant, pseudonym, &sealed).await?;
                let tag: Vec<u8> = column(row, 1)?;
                if self.bound(&tenant, row)? != *pseudonym || tag != self.tag(&tenant, &who)? {
                    return Err(SubjectError::Altered);
                }
                Some(who)
            }
        };
        Ok(Some(Subject {
            identity,
            made_at: column(row, 4)?,
            erased_at: column(row, 5)?,
        }))
    }

    /// Gives somebody a pseudonym; none when they were given one meanwhile, and lost it again.
    async fn make(
        &self,
        tenant: TenantId,
        who: &Identity,
        request: &RequestId,
    ) -> Result<Option<ActorId>, SubjectError> {
        let pseudonym = generate_pseudonym()?;
        let tag = self.tag(&tenant, who)?;
        let bond = self.bond(&tenant, &tag, &pseudonym)?;
        let (name, context) = (kek(&pseudonym)?, context(&pseudonym).map_err(malformed)?);
        let plaintext = who.encode();
        let sealed = self.keys.seal((&tenant, &name), &context, &plaintext);
        let sealed = sealed.await?;
        let now = integer(self.clock.unix_seconds());
        let begun = self
            .gateway
            .begin(tenant, platform()?, request, Access::Write);
        let mut tx = begun.await?;
        let made = tx
            .query(
                INSERT,
                &[
                    tenant.as_uuid(),
                    &pseudonym,
                    &tag,
                    &bond,
                    &sealed.bytes,
                    &sealed.kek,
                    &sealed.kek_version,
                    &now,
                ],
            )
            .await?;
        if made.is_empty() {
            // Another node was first: theirs it is.
            let theirs = tx.query(FIND, &[&tag]).await?;
            tx.rollback().await;
            return self.found(&tenant, &theirs);
        }
        tx.commit().await?;
        actor(pseudonym).map(Some).map_err(malformed)
    }

    fn found(&self, tenant: &TenantId, rows: &[Row]) -> Result<Option<ActorId>, SubjectError> {
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let pseudonym = self.bound(tenant, row)?;
        actor(pseudonym).map(Some).map_err(malformed)
    }

    /// The pseudonym of a row that begins with pseudonym, tag and bond, if it is that tag's: whoever
    /// can write the table could put one person's tag beside another's pseudonym.
    fn bound(&self, tenant: &TenantId, row: &Row) -> Result<Uuid, SubjectError> {
        let pseudonym: Uuid = column(row, 0)?;
        let (tag, bond): (Vec<u8>, Vec<u8>) = (column(row, 1)?, column(row, 2)?);
        if bond != self.bond(tenant, &tag, &pseudonym)? {
            return Err(SubjectError::Altered);
        }
        Ok(pseudonym)
    }

    async fn open_identity(
        &self,
        tenant: &TenantId,
        pseudonym: &Uuid,
        sealed: &[u8],
    ) -> Result<Identity, SubjectError> {
        let (name, context) = (kek(pseudonym)?, context(pseudonym).map_err(malformed)?);
        let opened = self.keys.open_under(tenant, &name, &context, sealed).await;
        let opened = opened.map_err(|error| match error {
            KeyStoreError::Failed => SubjectError::Altered,
            error => error.into(),
        })?;
        Identity::decode(&opened).map_err(malformed)
    }

    fn tag(&self, tenant: &TenantId, who: &Identity) -> Result<Vec<u8>, SubjectError> {
        let key = LookupKey::new(&self.key, tenant);
        let tag = key.lookup_tag(tenant, &self.tags, &who.encode(), self.length);
        tag.map_err(malformed)
    }

    fn bond(
        &self,
        tenant: &TenantId,
        tag: &[u8],
        pseudonym: &Uuid,
    ) -> Result<Vec<u8>, SubjectError> {
        let key = LookupKey::new(&self.key, tenant);
        let both = [tag, pseudonym.as_bytes()].concat();
        let bond = key.lookup_tag(tenant, &self.bonds, &both, self.length);
        bond.map_err(malformed)
    }
}

/// Who logs in is nobody yet: it is the platform that looks.
fn platform() -> Result<ActorId, SubjectError> {
    ActorId::new(ActorKind::Platform, *TenantId::PLATFORM.as_uuid()).map_err(malformed)
}

/// A UUID of 122 random bits (version 4, RFC 9562, section 5.4).
fn generate_pseudonym() -> Result<Uuid, SubjectError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| SubjectError::Randomness)?;
    Ok(uuid::Builder::from_random_bytes(random).into_uuid())
}

fn kek(pseudonym: &Uuid) -> Result<KeyRef, SubjectError> {
    format!("{SUBJECT}/{pseudonym}").parse().map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> SubjectError {
    SubjectError::Malformed(error.to_string())
}

impl From<SubjectError> for Problem {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Query(error) => error.into(),
            SubjectError::Commit(error) => error.into(),
            SubjectError::Keys(error) => error.into(),
            error => {
                tracing::error!(%error, "a subject was not found or made");
                Self::new(Kind::Internal, "the platform failed")
            }
        }
    }
}
