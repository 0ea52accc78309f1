//! Creating, rotating and destroying keys in the token.

use std::fmt;

use cryptoki::object::Attribute;
use cryptoki::session::Session;
use strongroom_envelope::{Destruction, KeyAdmin, KeyRef, KeyState, KmsError, KmsFuture};
use strongroom_tenancy::TenantId;

use crate::failure::{self, Failure};
use crate::kms::state;
use crate::limits::Limits;
use crate::objects::{Name, Version};
use crate::pool::Pool;
use crate::token::{Access, Token, TokenError};
use crate::wrap;

/// The administration of a PKCS#11 token's keys; apart from [`Pkcs11Kms`](crate::Pkcs11Kms), whose
/// sessions cannot change anything.
///
/// A change that is answered with [`KmsError::Unavailable`] may have been made, or be made still:
/// ask [`describe`](strongroom_envelope::Kms::describe) before doing it again.
pub struct Pkcs11Admin {
    token: Token,
    pool: Pool,
}

impl Pkcs11Admin {
    /// Starts a thread and opens a session that may write; of `limits`, `sessions` is not looked
    /// at.
    ///
    /// # Errors
    /// [`TokenError::Session`] when the PIN is refused or the token does not answer.
    pub fn connect(token: &Token, limits: Limits) -> Result<Self, TokenError> {
        // One session: the token does not keep two creators of one name apart.
        let limits = Limits {
            sessions: 1,
            ..limits
        };
        Ok(Self {
            token: token.clone(),
            pool: Pool::start(token, Access::ReadWrite, limits)?,
        })
    }

    fn change<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        change: fn(&Session, &Name) -> Result<T, Failure>,
    ) -> KmsFuture<'static, T> {
        let name = Name::new(tenant, key);
        Box::pin(self.pool.call(move |session| change(session, &name)))
    }
}

impl KeyAdmin for Pkcs11Admin {
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.change(tenant, key, create).await })
    }

    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32> {
        Box::pin(async move { self.change(tenant, key, rotate).await })
    }

    fn disable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.change(tenant, key, disable).await })
    }

    fn enable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.change(tenant, key, enable).await })
    }

    fn destroy<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, Destruction> {
        Box::pin(async move { self.change(tenant, key, destroy).await })
    }
}

fn create(session: &Session, name: &Name) -> Result<(), Failure> {
    if name.is_destroyed(session)? || !name.versions(session)?.is_empty() {
        return Err(KmsError::AlreadyExists.into());
    }
    generate(session, name, 1)
}

/// Only adds: an object that is in use is not written to, as SoftHSM2's readers may then find it
/// half written.
fn rotate(session: &Session, name: &Name) -> Result<u32, Failure> {
    let versions = present(session, name)?;
    let active = versions.last().ok_or(KmsError::NotFound)?;
    if state(session, active)? != KeyState::Enabled {
        return Err(KmsError::Disabled.into());
    }
    let number = active.number.checked_add(1).ok_or(KmsError::Unavailable)?;
    generate(session, name, number)?;
    Ok(number)
}

/// The active version comes last, as its state is the key's: half done is not yet disabled.
fn disable(session: &Session, name: &Name) -> Result<(), Failure> {
    set_use(session, name, false)
}

/// The active version comes last: half done is still disabled.
fn enable(session: &Session, name: &Name) -> Result<(), Failure> {
    set_use(session, name, true)
}

fn set_use(session: &Session, name: &Name, is_allowed: bool) -> Result<(), Failure> {
    for version in present(session, name)? {
        let both = [
            Attribute::Encrypt(is_allowed),
            Attribute::Decrypt(is_allowed),
        ];
        session.update_attributes(version.object, &both)?;
    }
    Ok(())
}

/// The tombstone comes first: whatever happens then, the name is used up, and to destroy again
/// goes on where this ended.
fn destroy(session: &Session, name: &Name) -> Result<Destruction, Failure> {
    let versions = name.versions(session)?;
    if versions.is_empty() {
        return Err(KmsError::NotFound.into());
    }
    if !name.is_destroyed(session)? {
        name.bury(session)?;
    }
    for version in versions {
        match session
            .destroy_object(version.object)
            .map_err(Failure::from)
        {
            Err(failure) if failure.kms() == KmsError::NotFound => {}
            result => result?,
        }
    }
    Ok(Destruction::Done)
}

/// The versions of a key that is there and was not given up.
fn present(session: &Session, name: &Name) -> Result<Vec<Version>, Failure> {
    let versions = name.versions(session)?;
    if versions.is_empty() || name.is_destroyed(session)? {
        return Err(KmsError::NotFound.into());
    }
    Ok(versions)
}

/// Makes a version and sees that it works; one that does not is taken back.
fn generate(session: &Session, name: &Name, number: u32) -> Result<(), Failure> {
    let object = name.generate(session, number)?;
    let checked = wrap::check(session, object);
    if let Err(failure) = &checked
        && failure.session() == failure::Session::Kept
    {
        session.destroy_object(object)?;
    }
    checked
}

impl fmt::Debug for Pkcs11Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Admin")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
