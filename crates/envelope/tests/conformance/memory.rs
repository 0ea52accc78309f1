//! A KMS in memory, right or with one flaw. Its cipher is made of HMAC, so that it runs on either
//! backend.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use strongroom_envelope::conformance::{Candidate, CannotDo, Fault, Task};
use strongroom_envelope::{
    Dek, Destruction, KeyAdmin, KeyDescription, KeyRef, KeyState, Kms, KmsError, KmsFuture,
    Provider, Purpose, WrappedDek,
};
use strongroom_tenancy::TenantId;

use crate::flaw::Flaw;
use crate::mix_up::{Meeting, mixed_up, yield_once};

const SALT: usize = 16;
const LENGTH: usize = SALT + 32 + 32;

/// Far more than a call takes that ends, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is waited for a call that does not end.
const SHORT: Duration = Duration::from_secs(2);

/// The KMS.
pub(crate) struct Memory {
    flaw: Option<Flaw>,
    has_hooks: bool,
    keys: Mutex<BTreeMap<(TenantId, String), Entry>>,
    fault: Mutex<Option<Fault>>,
    opened: Mutex<Vec<Vec<u8>>>,
    home: ThreadId,
    meeting: Meeting,
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct Entry {
    versions: Vec<[u8; 32]>,
    is_disabled: bool,
    is_destroyed: bool,
}

impl Memory {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        Self {
            flaw,
            has_hooks: true,
            keys: Mutex::default(),
            fault: Mutex::default(),
            opened: Mutex::default(),
            home: thread::current().id(),
            meeting: Meeting::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub(crate) fn without_hooks(self) -> Self {
        Self {
            has_hooks: false,
            ..self
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn name(&self, tenant: &TenantId, key: &KeyRef) -> (TenantId, String) {
        let name = key.as_str().to_owned();
        if self.has(Flaw::FoldsCase) {
            return (*tenant, name.to_lowercase());
        }
        (*tenant, name)
    }

    /// Does what the planted fault makes of a call.
    async fn arrive(&self) -> Result<(), KmsError> {
        yield_once().await;
        let fault = *self.fault.lock().unwrap();
        match fault {
            None => Ok(()),
            Some(Fault::Throttled) if self.has(Flaw::UnavailableWhenThrottled) => {
                Err(KmsError::Unavailable)
            }
            Some(Fault::Throttled) => Err(KmsError::Throttled),
            Some(Fault::Stalled) if self.has(Flaw::HangsWhenStalled) => {
                std::future::pending().await
            }
            Some(Fault::Stalled) => {
                let long = self.patience() + Duration::from_millis(1_200);
                let time = if self.has(Flaw::HangsItsThread) {
                    long
                } else {
                    Duration::from_millis(20)
                };
                thread::sleep(time);
                Err(KmsError::Unavailable)
            }
            Some(Fault::Denied) if self.has(Flaw::NotFoundWhenDenied) => Err(KmsError::NotFound),
            Some(Fault::Denied) => Err(KmsError::Denied),
            Some(_) if self.has(Flaw::NotFoundWhenUnreachable) => Err(KmsError::NotFound),
            Some(_) => Err(KmsError::Unavailable),
        }
    }

    /// Works on a key that is there.
    fn with<T>(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        work: impl FnOnce(&mut Entry) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let mut keys = self.keys.lock().unwrap();
        match keys.get_mut(&self.name(tenant, key)) {
            Some(entry) if !entry.is_destroyed => work(entry),
            Some(entry) if self.has(Flaw::OpensWhenDestroyed) => work(entry),
            None if self.has(Flaw::MissingIsDenied) => Err(KmsError::Denied),
            _ => Err(KmsError::NotFound),
        }
    }

    fn wrap_now(
        &self,
        tenant: &TenantId,
        key: &KeyRef,
        purpose: &Purpose,
        dek: &[u8; 32],
    ) -> Result<WrappedDek, KmsError> {
        self.with(tenant, key, |entry| {
            if entry.is_disabled && !self.has(Flaw::WrapsWhenDisabled) {
                return Err(KmsError::Disabled);
            }
            let version = if self.has(Flaw::RotationGoesUnused) {
                1
            } else {
                entry.versions.len()
            };
            let secret = &entry.versions[version - 1];
            let key_version = u32::try_from(version).unwrap();
            let mut salt = [0; SALT];
            if !self.has(Flaw::WrapsNothingNew) {
                getrandom::fill(&mut salt).unwrap();
            }
            let bound = self.bound(tenant, key, key_version, purpose);
            let pad = hmac(secret, &[b"pad", &salt, &bound]);
            let body: Vec<u8> = dek.iter().zip(pad).map(|(a, b)| a ^ b).collect();
            let tag = hmac(secret, &[b"tag", &salt, &bound, &body]);
            let mut bytes = [salt.as_slice(), &body, &tag].concat();
            if self.has(Flaw::ShowsTheDek) {
                bytes.extend_from_slice(dek);
            }
            if self.has(Flaw::WrapTooLong) {
                bytes.resize(1_025, 0);
            }
            Ok(WrappedDek {
                provider: Provider::from_number(200).unwrap(),
                key_ref: key.clone(),
                key_version,
                bytes,
            })
        })
    }

    fn unwrap_now(
        &self,
        tenant: &TenantId,
        purpose: &Purpose,
        wrapped: &WrappedDek,
    ) -> Result<Dek, KmsError> {
        if wrapped.provider.number() != 200 && !self.has(Flaw::IgnoresProvider) {
            return Err(KmsError::NotFound);
        }
        if self.has(Flaw::IgnoresTenant) || self.has(Flaw::IgnoresKey) {
            let keys = self.keys.lock().unwrap();
            let candidates = keys.iter().filter(|((owner, name), entry)| {
                !entry.is_disabled
                    && !entry.is_destroyed
                    && (self.has(Flaw::IgnoresTenant) || owner == tenant)
                    && (self.has(Flaw::IgnoresKey) || *name == wrapped.key_ref.as_str())
            });
            let opened = candidates
                .flat_map(|(_, entry)| &entry.versions)
                .find_map(|secret| self.open(secret, tenant, purpose, wrapped).ok());
            if let Some(dek) = opened {
                return Ok(dek);
            }
        }
        self.with(tenant, &wrapped.key_ref, |entry| {
            let version = usize::try_from(wrapped.key_version).unwrap();
            let is_old = version < entry.versions.len();
            if entry.is_disabled
                && !self.has(Flaw::OpensWhenDisabled)
                && !(is_old && self.has(Flaw::DisablesTheActiveVersion))
            {
                return Err(KmsError::Disabled);
            }
            if self.has(Flaw::IgnoresVersion) {
                let mut opened = entry
                    .versions
                    .iter()
                    .map(|s| self.open(s, tenant, purpose, wrapped));
                return opened
                    .find(Result::is_ok)
                    .unwrap_or(Err(KmsError::ContextMismatch));
            }
            if is_old && self.has(Flaw::OldVersionsForRecordsOnly) && *purpose != Purpose::Record {
                return Err(KmsError::ContextMismatch);
            }
            let secret = version
                .checked_sub(1)
                .and_then(|index| entry.versions.get(index));
            self.open(secret.ok_or(KmsError::NotFound)?, tenant, purpose, wrapped)
        })
    }

    fn open(
        &self,
        secret: &[u8; 32],
        tenant: &TenantId,
        purpose: &Purpose,
        wrapped: &WrappedDek,
    ) -> Result<Dek, KmsError> {
        let mut bytes = wrapped.bytes.clone();
        if self.has(Flaw::TakesAnyLongWrap) && bytes.len() == 1024 {
            return Ok(Dek::from_bytes(&[0; 32]));
        }
        if self.has(Flaw::ShowsTheDek)
            || self.has(Flaw::WrapTooLong)
            || self.has(Flaw::IgnoresTheTail)
        {
            bytes.truncate(LENGTH);
        }
        if bytes.len() != LENGTH {
            return Err(KmsError::ContextMismatch);
        }
        let (salt, body, tag) = (&bytes[..SALT], &bytes[SALT..SALT + 32], &bytes[SALT + 32..]);
        let bound = self.bound(tenant, &wrapped.key_ref, wrapped.key_version, purpose);
        let wanted = hmac(secret, &[b"tag", salt, &bound, body]);
        let compared = if self.has(Flaw::ComparesHalfATag) {
            16
        } else {
            32
        };
        if wanted[..compared] != tag[..compared] {
            return Err(if self.has(Flaw::UnavailableForTampering) {
                KmsError::Unavailable
            } else {
                KmsError::ContextMismatch
            });
        }
        let mut opened = self.opened.lock().unwrap();
        if self.has(Flaw::OpensOnce) && opened.contains(&bytes) {
            return Err(KmsError::ContextMismatch);
        }
        opened.push(bytes.clone());
        let pad = hmac(secret, &[b"pad", salt, &bound]);
        let dek: Vec<u8> = body.iter().zip(pad).map(|(a, b)| a ^ b).collect();
        Ok(Dek::from_bytes(dek.as_slice().try_into().unwrap()))
    }

    /// What a wrap is bound to.
    fn bound(&self, tenant: &TenantId, key: &KeyRef, version: u32, purpose: &Purpose) -> Vec<u8> {
        let tenant = if self.has(Flaw::IgnoresTenant) {
            TenantId::PLATFORM
        } else {
            *tenant
        };
        let version = if self.has(Flaw::IgnoresVersion) {
            0
        } else {
            version
        };
        let key = if self.has(Flaw::IgnoresKey) || self.has(Flaw::FoldsCase) {
            "any".parse().unwrap()
        } else {
            key.clone()
        };
        let purpose = if self.has(Flaw::IgnoresPurpose) {
            &Purpose::Record
        } else {
            purpose
        };
        let mut bound =
            WrappedDek::associated_data(Provider::PKCS11, &tenant, &key, version, purpose);
        if self.has(Flaw::TakesAShortPurpose) {
            bound.truncate(255);
        }
        bound
    }

    fn create_now(&self, tenant: &TenantId, key: &KeyRef) -> Result<(), KmsError> {
        let mut keys = self.keys.lock().unwrap();
        let is_free = match keys.get(&self.name(tenant, key)) {
            None => true,
            Some(entry) if entry.is_destroyed => self.has(Flaw::ReusesDestroyedName),
            Some(_) => self.has(Flaw::CreateReplaces) || self.has(Flaw::CreatesTwiceAtOnce),
        };
        if !is_free {
            return Err(KmsError::AlreadyExists);
        }
        let entry = Entry {
            versions: vec![secret()],
            ..Entry::default()
        };
        keys.insert(self.name(tenant, key), entry);
        Ok(())
    }
}

impl Kms for Memory {
    fn provider(&self) -> Provider {
        Provider::from_number(200).unwrap()
    }

    fn wrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
        purpose: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            self.arrive().await?;
            let mut dek = *dek.expose_bytes();
            if self.has(Flaw::MixesUpCalls) {
                dek = mixed_up(dek).await;
            }
            if self.has(Flaw::MixesUpThreads) && thread::current().id() != self.home {
                dek = self.meeting.mixed_up(dek, 2 * PATIENCE);
            }
            self.wrap_now(tenant, key, purpose, &dek)
        })
    }

    fn unwrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        Box::pin(async move {
            if self.has(Flaw::LosesAbandonedCalls)
                && self.in_flight.fetch_add(1, Ordering::SeqCst) > 100
            {
                self.in_flight.fetch_sub(1, Ordering::SeqCst);
                return Err(KmsError::Throttled);
            }
            let arrived = self.arrive().await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            arrived?;
            self.unwrap_now(tenant, purpose, wrapped)
        })
    }

    fn rewrap<'a>(
        &'a self,
        tenant: &'a TenantId,
        purpose: &'a Purpose,
        wrapped: &'a WrappedDek,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(async move {
            self.arrive().await?;
            if self.has(Flaw::RewrapDoesNothing) {
                self.unwrap_now(tenant, purpose, wrapped)?;
                self.wrap_now(tenant, key, purpose, &[0; 32])?;
                return Ok(wrapped.clone());
            }
            if self.has(Flaw::RewrapIgnoresStates) {
                let mut before = Vec::new();
                for key in [key, &wrapped.key_ref] {
                    let is_disabled = self.with(tenant, key, |entry| {
                        Ok(std::mem::take(&mut entry.is_disabled))
                    })?;
                    before.push((key, is_disabled));
                }
                let result = self
                    .unwrap_now(tenant, purpose, wrapped)
                    .and_then(|dek| self.wrap_now(tenant, key, purpose, dek.expose_bytes()));
                for (key, was) in before {
                    self.with(tenant, key, |entry| {
                        entry.is_disabled |= was;
                        Ok(())
                    })?;
                }
                return result;
            }
            let mut dek = self.unwrap_now(tenant, purpose, wrapped)?;
            if self.has(Flaw::RewrapsZeros) && *purpose != Purpose::Record {
                dek = Dek::from_bytes(&[0; 32]);
            }
            let is_elsewhere = wrapped.key_ref != *key;
            let purpose = if self.has(Flaw::RewrapsForRecords)
                || (self.has(Flaw::RewrapsElsewhereForRecords) && is_elsewhere)
            {
                &Purpose::Record
            } else {
                purpose
            };
            self.wrap_now(tenant, key, purpose, dek.expose_bytes())
        })
    }

    fn describe<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a KeyRef,
    ) -> KmsFuture<'a, KeyDescription> {
        Box::pin(async move {
            self.arrive().await?;
            self.with(tenant, key, |entry| {
                let is_shown = entry.is_disabled && !self.has(Flaw::DescribesNoState);
                let is_first = self.has(Flaw::DescribesTheFirstVersion);
                let version = if is_first { 1 } else { entry.versions.len() };
                Ok(KeyDescription {
                    state: if is_shown {
                        KeyState::Disabled
                    } else {
                        KeyState::Enabled
                    },
                    active_version: u32::try_from(version).unwrap(),
                })
            })
        })
    }
}

impl KeyAdmin for Memory {
    fn create<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            if self.has(Flaw::CreatesTwiceAtOnce) {
                let is_there = self
                    .keys
                    .lock()
                    .unwrap()
                    .contains_key(&self.name(tenant, key));
                self.arrive().await?;
                if is_there {
                    return Err(KmsError::AlreadyExists);
                }
            }
            self.arrive().await?;
            self.create_now(tenant, key)
        })
    }

    fn rotate<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, u32> {
        Box::pin(async move {
            let before = self.with(tenant, key, |entry| Ok(entry.versions.len()));
            self.arrive().await?;
            self.with(tenant, key, |entry| {
                if entry.is_disabled && !self.has(Flaw::RotationEnables) {
                    return Err(KmsError::Disabled);
                }
                entry.is_disabled = false;
                if self.has(Flaw::RotationDropsOldVersions) {
                    entry
                        .versions
                        .iter_mut()
                        .for_each(|version| *version = secret());
                }
                // Of one thread's calls: another thread would see it or not, as it comes.
                if self.has(Flaw::RotatesOverItself) && thread::current().id() == self.home {
                    entry.versions.truncate(before?);
                }
                entry.versions.push(secret());
                Ok(u32::try_from(entry.versions.len()).unwrap())
            })
        })
    }

    fn disable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            self.arrive().await?;
            self.with(tenant, key, |entry| {
                if entry.is_disabled && self.has(Flaw::SecondDisableFails) {
                    return Err(KmsError::Disabled);
                }
                entry.is_disabled = true;
                Ok(())
            })
        })
    }

    fn enable<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, ()> {
        Box::pin(async move {
            self.arrive().await?;
            if self.has(Flaw::EnableRevives)
                && let Some(entry) = self.keys.lock().unwrap().get_mut(&self.name(tenant, key))
                && entry.is_disabled
            {
                entry.is_destroyed = false;
            }
            self.with(tenant, key, |entry| {
                entry.is_disabled = self.has(Flaw::EnablesNothing) && entry.is_disabled;
                Ok(())
            })
        })
    }

    fn destroy<'a>(&'a self, tenant: &'a TenantId, key: &'a KeyRef) -> KmsFuture<'a, Destruction> {
        Box::pin(async move {
            self.arrive().await?;
            self.with(tenant, key, |entry| {
                if entry.is_disabled && self.has(Flaw::DestroyNeedsEnabled) {
                    return Err(KmsError::Disabled);
                }
                entry.is_destroyed = true;
                Ok(Destruction::Done)
            })
        })
    }
}

impl Candidate for Memory {
    fn kms(&self) -> &dyn Kms {
        self
    }

    fn admin(&self) -> &dyn KeyAdmin {
        self
    }

    fn patience(&self) -> Duration {
        let is_stalled = *self.fault.lock().unwrap() == Some(Fault::Stalled);
        match self.flaw {
            Some(Flaw::HangsWhenStalled | Flaw::HangsItsThread) if is_stalled => SHORT,
            Some(Flaw::ForgetsHowToRecover | Flaw::LosesAbandonedCalls) => SHORT,
            _ => PATIENCE,
        }
    }

    fn begin(&self, fault: Fault) -> Result<(), CannotDo> {
        if !self.has_hooks {
            return Err(CannotDo::new("the candidate plants no faults"));
        }
        *self.fault.lock().unwrap() = Some(fault);
        Ok(())
    }

    fn end(&self, _: Fault) {
        if !self.has(Flaw::ForgetsHowToRecover) {
            *self.fault.lock().unwrap() = None;
        }
    }

    fn drive(&self, task: Task<'_>) -> Result<(), CannotDo> {
        if !self.has_hooks {
            return Err(CannotDo::new("no threads"));
        }
        pollster::block_on(task);
        Ok(())
    }
}

fn secret() -> [u8; 32] {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).unwrap();
    secret
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap().to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
