//! The local KMS: keyrings in memory, each as its file says.

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use secrecy::SecretBox;
use strongroom_tenancy::TenantId;

use super::file::{self, Stamp};
use super::keyring::{Checksum, Keyring, KeyringError};
use crate::dek::Dek;
use crate::key_ref::KeyRef;
use crate::key_wrap::KeyWrapper;
use crate::kms::{Destruction, KeyAdmin, KeyDescription, Kms, KmsError, KmsFuture, WrappedDek};
use crate::provider::Provider;
use crate::purpose::Purpose;
use crate::random;
use crate::wipe::on_wiped_stack;

/// A KMS in a directory: one keyring file for each tenant, with versioned keys of 32 bytes.
///
/// Nothing is shared between tenants. The highest version of a key wraps; the others only unwrap.
/// A file has mode 0600 and belongs to the process's user or to root, checked when it is read (on
/// Unix), and is replaced atomically and synced before anybody uses the change. Several processes may use a directory: changes are
/// made under a lock and seen by the others at their next call. For two seconds after a change each
/// call reads the file, since two changes in one tick of the file system's clock look alike.
///
/// # Security
/// The keys lie in clear in the files and in memory: who reads either opens every record. Backups
/// must be kept, and destroyed, as carefully as the files; a destroyed key may linger in the file
/// system's free blocks, and in another process's memory until its next call for that tenant.
/// [`KeyAdmin`]'s calls, and the first call after a change, use the file system on the calling
/// thread.
pub struct LocalKms {
    directory: PathBuf,
    keyrings: RwLock<HashMap<TenantId, Cached>>,
}

/// A keyring as it was read.
struct Cached {
    stamp: Stamp,
    checksum: Checksum,
    keyring: Arc<Keyring>,
}

impl LocalKms {
    /// Opens a directory of keyrings.
    ///
    /// # Errors
    /// [`KeyringError`] when it is no directory, others than its owner can write it, or (on Unix) that
    /// is neither this process's user nor root.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, KeyringError> {
        file::check_directory(directory.as_ref())?;
        Ok(Self {
            directory: std::fs::canonicalize(directory)?,
            keyrings: RwLock::default(),
        })
    }

    /// Opens a directory of keyrings and makes it first if there is none, for its owner alone.
    ///
    /// # Errors
    /// [`KeyringError`] when it cannot be made, or others than its owner can write it.
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, KeyringError> {
        file::create_directory(directory.as_ref())?;
        Self::open(directory)
    }

    /// The file of a tenant's keyring, whether it is there or not.
    #[must_use]
    pub fn path(&self, tenant: &TenantId) -> PathBuf {
        self.directory.join(format!("{tenant}.keyring"))
    }

    /// Reads a tenant's keyring, to say what is wrong with it; calls of the KMS itself say no more
    /// than [`KmsError::Unavailable`].
    ///
    /// # Errors
    /// [`KeyringError`] when the file is missing, others have access to it, or it is torn, altered
    /// or of a version that is not known.
    pub fn check(&self, tenant: &TenantId) -> Result<(), KeyringError> {
        decode(tenant, &self.path(tenant)).map(|_| ())
    }

    /// The tenant's keyring as its file has it now.
    fn keyring(&self, tenant: &TenantId) -> Result<Arc<Keyring>, KmsError> {
        let path = self.path(tenant);
        let stamp = match file::stamp(&path) {
            Ok(Some(stamp)) => stamp,
            found => {
                self.forget(tenant);
                return Err(found.map_or(KmsError::Unavailable, |_| KmsError::NotFound));
            }
        };
        let keyrings = self.keyrings.read().map_err(|_| KmsError::Unavailable)?;
        if let Some(cached) = keyrings.get(tenant)
            && cached.stamp.still_tells(&stamp)
        {
            return Ok(Arc::clone(&cached.keyring));
        }
        drop(keyrings);
        // Held while the file is read, so that a change forgets what was read before it.
        let mut keyrings = self.keyrings.write().map_err(|_| KmsError::Unavailable)?;
        let Ok(new) = read(tenant, &path) else {
            keyrings.remove(tenant);
            return Err(KmsError::Unavailable);
        };
        let is_known = |cached: &Cached| cached.checksum == new.checksum;
        if !keyrings.get(tenant).is_some_and(is_known) {
            // Whoever put it there may not have come to that yet, and a crash would take it back.
            file::sync_name(&path).map_err(|_| KmsError::Unavailable)?;
        }
        let keyring = Arc::clone(&new.keyring);
        keyrings.insert(*tenant, new);
        Ok(keyring)
    }

    /// Keys whose file is gone do not stay in memory.
    fn forget(&self, tenant: &TenantId) {
        let keyrings = self.keyrings.read();
        let is_kept = keyrings.is_ok_and(|keyrings| keyrings.contains_key(tenant));
        if is_kept && let Ok(mut keyrings) = self.keyrings.write() {
            keyrings.remove(tenant);
        }
    }

    /// Changes a keyring: on disk, under the lock, and so for everybody's next call.
    fn change<T>(
        &self,
        tenant: &TenantId,
        change: impl FnOnce(&mut Keyring) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let path = self.path(tenant);
        let lock = file::lock(&path).map_err(|_| KmsError::Unavailable)?;
        let stamp = file::stamp(&path).map_err(|_| KmsError::Unavailable)?;
        let mut keyring = match stamp {
            None => Keyring::new(*tenant),
            Some(_) => decode(tenant, &path).map_err(|_| KmsError::Unavailable)?.0,
        };
        let changed = change(&mut keyring)?;
        let text = on_wiped_stack(|| keyring.encode());
        file::replace(&lock, &path, &text).map_err(|_| KmsError::Unavailable)?;
        // A destroyed key must not wait in memory for the next call.
        let mut keyrings = self.keyrings.write().map_err(|_| KmsError::Unavailable)?;
        keyrings.remove(tenant);
        Ok(changed)
    }

    fn wrap_now(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        purpose: &Purpose,
        dek: &Dek,
    ) -> Result<WrappedDek, KmsError> {
        let keyring = self.keyring(tenant)?;
        let (version, secret) = keyring.active(key)?;
        KeyWrapper::new(secret, Provider::LOCAL, tenant, key, version)?.wrap(purpose, dek)
    }

    fn unwrap_now(
        &self,
        tenant: &TenantId,
        purpose: &Purpose,
        wrapped: &WrappedDek,
    ) -> Result<Dek, KmsError> {
        if wrapped.provider != Provider::LOCAL {
            return Err(KmsError::NotFound);
        }
        let keyring = self.keyring(tenant)?;
        let (key, version) = (&wrapped.key_ref, wrapped.key_version);
        let secret = keyring.version(key, version)?;
        KeyWrapper::new(secret, Provider::LOCAL, tenant, key, version)?.unwrap(purpose, wrapped)
    }

    fn describe_now(&self, tenant: &TenantId, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let (state, active_version) = self.keyring(tenant)?.describe(key)?;
        Ok(KeyDescription {
            state,
            active_version,
        })
    }
}

impl Kms for LocalKms {
    fn provider(&self) -> Provider {
        Provider::LOCAL
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(ready(self.wrap_now(tenant, key, purpose, dek)))
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        Box::pin(ready(self.unwrap_now(tenant, purpose, wrapped)))
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        Box::pin(ready(self.describe_now(tenant, key)))
    }
}

impl KeyAdmin for LocalKms {
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            let secret = generate_secret()?;
            self.change(tenant, |keyring| keyring.create(key, secret))
        })
    }

    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32> {
        Box::pin(async move {
            let secret = generate_secret()?;
            self.change(tenant, |keyring| keyring.rotate(key, secret))
        })
    }

    fn disable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.change(tenant, |keyring| keyring.set_enabled(key, false)) })
    }

    fn enable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move { self.change(tenant, |keyring| keyring.set_enabled(key, true)) })
    }

    fn destroy<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, Destruction> {
        Box::pin(async move {
            self.change(tenant, |keyring| keyring.destroy(key))?;
            Ok(Destruction::Done)
        })
    }
}

impl fmt::Debug for LocalKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKms")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

fn read(tenant: &TenantId, path: &Path) -> Result<Cached, KeyringError> {
    let (keyring, checksum, stamp) = decode(tenant, path)?;
    Ok(Cached {
        stamp,
        checksum,
        keyring: Arc::new(keyring),
    })
}

fn decode(tenant: &TenantId, path: &Path) -> Result<(Keyring, Checksum, Stamp), KeyringError> {
    on_wiped_stack(|| {
        let (bytes, stamp) = file::read(path)?;
        let keyring = Keyring::decode(tenant, &bytes)?;
        let checksum = bytes.last_chunk().ok_or(KeyringError::Checksum)?;
        Ok((keyring, *checksum, stamp))
    })
}

fn generate_secret() -> Result<SecretBox<[u8; 32]>, KmsError> {
    let mut filled = Ok(());
    let secret = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| filled = random::fill(bytes));
    filled.map(|()| secret).map_err(|_| KmsError::Unavailable)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;
    use file::counted::{READS, SYNCS};

    /// A keyring that has been left alone is read once, and its directory synced before it is used.
    #[test]
    fn files_are_read_and_synced_after_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let (tenant, key) = (TenantId::PLATFORM, "root".parse().unwrap());
        let kms = LocalKms::open(directory.path()).unwrap();
        let other = LocalKms::open(directory.path()).unwrap();
        pollster::block_on(other.create(&tenant, &key)).unwrap();
        let counted = |calls: u32| {
            let before = (READS.get(), SYNCS.get());
            for _ in 0..calls {
                kms.describe_now(&tenant, &key).unwrap();
            }
            (READS.get() - before.0, SYNCS.get() - before.1)
        };
        let set_age = |modified| {
            let file = File::options().write(true).open(kms.path(&tenant)).unwrap();
            file.set_modified(modified).unwrap();
        };
        let (minute, now) = (Duration::from_secs(60), SystemTime::now());
        set_age(now + minute);
        assert_eq!(counted(5), (5, 1), "young");
        set_age(now - minute);
        assert_eq!(counted(5), (1, 0), "old, and the same");
        pollster::block_on(other.rotate(&tenant, &key)).unwrap();
        set_age(now - minute);
        assert_eq!(counted(5), (1, 1), "changed");
    }

    #[test]
    fn keys_go_with_their_file() {
        use std::fs;

        let directory = tempfile::tempdir().unwrap();
        let (tenant, key) = (TenantId::PLATFORM, "root".parse().unwrap());
        let kms = LocalKms::open(directory.path()).unwrap();
        pollster::block_on(kms.create(&tenant, &key)).unwrap();
        let path = kms.path(&tenant);
        let text = fs::read(&path).unwrap();
        let kept = || {
            let keyrings = kms.keyrings.read().unwrap();
            keyrings
                .get(&tenant)
                .map(|cached| Arc::downgrade(&cached.keyring))
        };
        for (spoil, error) in [(true, KmsError::Unavailable), (false, KmsError::NotFound)] {
            kms.describe_now(&tenant, &key).unwrap();
            let keyring = kept().unwrap();
            assert!(keyring.upgrade().is_some());
            if spoil {
                fs::write(&path, b"torn").unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            assert_eq!(kms.describe_now(&tenant, &key).err(), Some(error));
            assert!(kept().is_none() && keyring.upgrade().is_none());
            if spoil {
                fs::write(&path, &text).unwrap();
            }
        }
    }
}
