//! One check at work: its keys, its calls and what it expects of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use strongroom_tenancy::TenantId;

use super::candidate::{Candidate, CannotDo};
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KeyAdmin, Kms, KmsError, WrappedDek};
use crate::purpose::Purpose;

/// A check that is being run.
pub(super) type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;

/// The answers to a wrap that is for another tenant, key or version.
pub(super) const MISMATCH: &[KmsError] = &[KmsError::ContextMismatch, KmsError::NotFound];

/// Why a check ended early.
pub(super) enum Stop {
    Failed(String),
    NotRun(String),
}

/// What one check works with.
pub(super) struct Trial<'a> {
    pub(super) candidate: &'a dyn Candidate,
    pub(super) tenant: TenantId,
    pub(super) other_tenant: TenantId,
    check: &'static str,
    run: u64,
    keys: AtomicU32,
}

impl<'a> Trial<'a> {
    /// A trial with tenants and key names that nobody has used.
    pub(super) fn generate(
        candidate: &'a dyn Candidate,
        check: &'static str,
    ) -> Result<Self, Stop> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Stop::NotRun("no randomness".into()))?;
        let run = u64::from_be_bytes(random);
        let [tenant, other_tenant] = match candidate.tenants() {
            Some(tenants) => tenants,
            None => [made_up_tenant(run, 1)?, made_up_tenant(run, 2)?],
        };
        Ok(Self {
            candidate,
            tenant,
            other_tenant,
            check,
            run,
            keys: AtomicU32::new(0),
        })
    }

    pub(super) fn kms(&self) -> &'a dyn Kms {
        self.candidate.kms()
    }

    pub(super) fn admin(&self) -> &'a dyn KeyAdmin {
        self.candidate.admin()
    }

    /// A name that no key has.
    pub(super) fn fresh_name(&self) -> Result<KeyRef, Stop> {
        let count = self.keys.fetch_add(1, Ordering::Relaxed);
        self.name(&format!("{}-{:016x}-{count}", self.check, self.run))
    }

    pub(super) fn name(&self, text: &str) -> Result<KeyRef, Stop> {
        text.parse()
            .map_err(|_| Stop::Failed(format!("{text} is no key reference")))
    }

    /// A new key of the tenant.
    pub(super) async fn fresh_key(&self) -> Result<KeyRef, Stop> {
        let key = self.fresh_name()?;
        expect("create", self.admin().create(&self.tenant, &key).await)?;
        Ok(key)
    }

    /// A DEK, and its wrap under the tenant's key.
    pub(super) async fn wrapped(&self, key: &KeyRef) -> Result<(Dek, WrappedDek), Stop> {
        let dek = fresh_dek()?;
        let wrapped = self
            .kms()
            .wrap(&self.tenant, key, &Purpose::Record, &dek)
            .await;
        Ok((dek, expect("wrap", wrapped)?))
    }

    /// The wrap opens for the tenant, and gives the same key.
    pub(super) async fn opens(
        &self,
        what: &str,
        wrapped: &WrappedDek,
        dek: &Dek,
    ) -> Result<(), Stop> {
        let opened = expect(
            what,
            self.kms()
                .unwrap(&self.tenant, &Purpose::Record, wrapped)
                .await,
        )?;
        ensure(opened.expose_bytes() == dek.expose_bytes(), || {
            format!("{what}: another key came out than went in")
        })
    }

    /// The wrap does not open for the tenant, with one of these errors.
    pub(super) async fn refuses(
        &self,
        what: &str,
        wrapped: &WrappedDek,
        wanted: &[KmsError],
    ) -> Result<(), Stop> {
        expect_error(
            what,
            self.kms()
                .unwrap(&self.tenant, &Purpose::Record, wrapped)
                .await,
            wanted,
        )
    }

    /// The wrap does not open for the tenant, with an error that trying again does not cure.
    pub(super) async fn rejects(&self, what: &str, wrapped: &WrappedDek) -> Result<(), Stop> {
        match self
            .kms()
            .unwrap(&self.tenant, &Purpose::Record, wrapped)
            .await
        {
            Ok(_) => Err(Stop::Failed(format!("{what}: it opened"))),
            Err(error) if error.is_retryable() => Err(Stop::Failed(format!(
                "{what}: {error:?}, which asks to try again"
            ))),
            Err(_) => Ok(()),
        }
    }
}

/// A version 8 UUID (RFC 9562, section 5.8) of the run and a number.
fn made_up_tenant(run: u64, number: u64) -> Result<TenantId, Stop> {
    let text = format!("c04f0000-0000-8000-8{number:03x}-{:012x}", run >> 16);
    text.parse()
        .map_err(|_| Stop::Failed(format!("{text} is no tenant id")))
}

impl From<CannotDo> for Stop {
    fn from(reason: CannotDo) -> Self {
        Self::NotRun(reason.to_string())
    }
}

pub(super) fn fresh_dek() -> Result<Dek, Stop> {
    Dek::generate().map_err(|error| Stop::NotRun(error.to_string()))
}

/// The call succeeds.
pub(super) fn expect<T>(what: &str, result: Result<T, KmsError>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Failed(format!("{what}: {error:?}")))
}

/// The call fails with one of these errors.
pub(super) fn expect_error<T>(
    what: &str,
    result: Result<T, KmsError>,
    wanted: &[KmsError],
) -> Result<(), Stop> {
    match result {
        Err(error) if wanted.contains(&error) => Ok(()),
        Err(error) => Err(Stop::Failed(format!(
            "{what}: {error:?} instead of {wanted:?}"
        ))),
        Ok(_) => Err(Stop::Failed(format!(
            "{what}: success instead of {wanted:?}"
        ))),
    }
}

pub(super) fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds {
        Ok(())
    } else {
        Err(Stop::Failed(reason()))
    }
}
