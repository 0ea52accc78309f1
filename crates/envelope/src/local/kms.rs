//! The local KMS: a keyring in memory, backed by its file.

use std::fmt;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use secrecy::SecretBox;
use strongroom_tenancy::TenantId;

use super::file;
use super::keyring::{Keyring, KeyringError};
use super::wrap;
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::kms::{KeyAdmin, Kms, KmsError, KmsFuture, WrappedDek};

/// A KMS in a file: per tenant and key reference, versioned keys of 32 bytes.
///
/// A key belongs to exactly one tenant. The highest version wraps; the others only unwrap. The
/// file has mode 0600, checked when it is opened (on Unix), and is replaced atomically and synced
/// before a change is visible. One process writes it: there is no lock against a second.
///
/// # Security
/// The keys lie in clear in the file and in memory: who reads either opens every record. Its
/// backups must be kept, and destroyed, as carefully as the file. [`KeyAdmin`]'s calls write the
/// file before they return, on the calling thread.
pub struct LocalKms {
    path: PathBuf,
    keyring: RwLock<Keyring>,
}

impl LocalKms {
    /// Creates an empty keyring file.
    ///
    /// # Errors
    /// [`KeyringError::Io`] when the file exists already or cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        let keyring = Keyring::default();
        file::create(path.as_ref(), &keyring.encode())?;
        Self::of(path.as_ref(), keyring)
    }

    /// Opens a keyring file.
    ///
    /// # Errors
    /// [`KeyringError`] when the file cannot be read, others have access to it, or it is torn,
    /// altered or of a version that is not known.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, KeyringError> {
        let keyring = Keyring::decode(&file::read(path.as_ref())?)?;
        Self::of(path.as_ref(), keyring)
    }

    fn of(path: &Path, keyring: Keyring) -> Result<Self, KeyringError> {
        Ok(Self {
            // Behind a symbolic link, it is the file itself that is replaced.
            path: fs::canonicalize(path)?,
            keyring: RwLock::new(keyring),
        })
    }

    fn wrap_now(&self, tenant: &TenantId, key: &KeyRef, dek: &Dek) -> Result<WrappedDek, KmsError> {
        let mut salt = [0; wrap::SALT];
        getrandom::fill(&mut salt).map_err(|_| KmsError::Unavailable)?;
        let keyring = self.keyring.read().map_err(|_| KmsError::Unavailable)?;
        let (version, secret) = keyring.active(tenant, key).ok_or(KmsError::NotFound)?;
        wrap::wrap(secret, tenant, key, version, &salt, dek).map_err(|_| KmsError::Unavailable)
    }

    fn unwrap_now(&self, tenant: &TenantId, wrapped: &WrappedDek) -> Result<Dek, KmsError> {
        if wrapped.provider != wrap::PROVIDER {
            return Err(KmsError::NotFound);
        }
        let keyring = self.keyring.read().map_err(|_| KmsError::Unavailable)?;
        let secret = keyring
            .version(tenant, &wrapped.key_ref, wrapped.key_version)
            .ok_or(KmsError::NotFound)?;
        wrap::unwrap(secret, tenant, wrapped).map_err(|_| KmsError::ContextMismatch)
    }

    /// Adds the version after the active one, on disk and then in memory.
    fn add_version(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        expect_new: bool,
    ) -> Result<u32, KmsError> {
        let mut keyring = self.keyring.write().map_err(|_| KmsError::Unavailable)?;
        let version = match keyring.active(tenant, key) {
            None if expect_new => 1,
            None => return Err(KmsError::NotFound),
            Some(_) if expect_new => return Err(KmsError::AlreadyExists),
            Some((active, _)) => active.checked_add(1).ok_or(KmsError::Unavailable)?,
        };
        keyring.insert(tenant, key, version, generate_secret()?);
        if file::replace(&self.path, &keyring.encode()).is_err() {
            keyring.remove(tenant, key, version);
            return Err(KmsError::Unavailable);
        }
        Ok(version)
    }
}

impl Kms for LocalKms {
    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(ready(self.wrap_now(tenant, key, dek)))
    }

    fn unwrap<'a>(&'a self, tenant: &'a TenantId, wrapped: &'a WrappedDek) -> KmsFuture<'a, Dek> {
        Box::pin(ready(self.unwrap_now(tenant, wrapped)))
    }
}

impl KeyAdmin for LocalKms {
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.add_version(tenant, key, true).map(|_| ()) })
    }

    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32> {
        Box::pin(async move { self.add_version(tenant, key, false) })
    }
}

impl fmt::Debug for LocalKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKms")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn generate_secret() -> Result<SecretBox<[u8; 32]>, KmsError> {
    let mut filled = Ok(());
    let secret = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| filled = getrandom::fill(bytes));
    filled.map(|()| secret).map_err(|_| KmsError::Unavailable)
}
