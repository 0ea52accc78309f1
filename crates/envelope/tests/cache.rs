//! The cache of data keys: how often a KMS is asked, and what is forgotten when.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pollster::block_on;
use strongroom_envelope::hazmat::{self, KeyPlace};
use strongroom_envelope::{
    CacheError, CacheLimits, DataKey, Dek, DekId, EncryptionContext, KekRecord, KeyCache,
    KeyLimits, KeyLocation, KeyRef, Kms, KmsError, KmsFuture, OpenError, Provider, Purpose,
    Recipient, SealError, TenantKeys, WrappedDek, inspect, seal,
};
use strongroom_tenancy::TenantId;

/// Wraps nothing at all, counts its calls, and answers only after others had their turn.
#[derive(Default)]
struct Slow {
    calls: AtomicUsize,
    fails: AtomicUsize,
}

impl Slow {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn answer<T>(&self, answer: T) -> Result<T, KmsError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        for _ in 0..3 {
            yield_now().await;
        }
        let fails = self.fails.load(Ordering::SeqCst);
        if fails > 0 {
            self.fails.store(fails - 1, Ordering::SeqCst);
            return Err(KmsError::Throttled);
        }
        Ok(answer)
    }
}

impl Kms for Slow {
    fn provider(&self) -> Provider {
        Provider::from_number(200).unwrap()
    }

    fn wrap<'a>(
        &'a self,
        _: &'a TenantId,
        key: &'a KeyRef,
        _: &'a Purpose,
        dek: &'a Dek,
    ) -> KmsFuture<'a, WrappedDek> {
        Box::pin(self.answer(WrappedDek {
            provider: self.provider(),
            key_ref: key.clone(),
            key_version: 1,
            bytes: dek.expose_bytes().to_vec(),
        }))
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a Purpose,
        wrapped: &'a WrappedDek,
    ) -> KmsFuture<'a, Dek> {
        let bytes = wrapped.bytes.as_slice().try_into();
        Box::pin(async move {
            let bytes = bytes.map_err(|_| KmsError::ContextMismatch)?;
            self.answer(Dek::from_bytes(bytes)).await
        })
    }

    fn describe<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a KeyRef,
    ) -> KmsFuture<'a, strongroom_envelope::KeyDescription> {
        Box::pin(async { Err(KmsError::NotFound) })
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(uuid::Uuid::from_u128(number)).unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

fn key_ref() -> KeyRef {
    "root".parse().unwrap()
}

#[test]
fn many_callers_ask_once() {
    let (kms, key) = (Slow::default(), key_ref());
    let recipients = [Recipient::new(&kms, &key)];
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, now) = (tenant(1), Instant::now());
    let seen = cache.generation(&tenant);
    block_on(async {
        let sealing = (0..50).map(|_| cache.sealing_key(&recipients, &seen, now));
        let keys = join_all(sealing).await;
        assert_eq!(kms.calls(), 1);
        let sealed = keys[0]
            .as_ref()
            .unwrap()
            .seal(&tenant, &context(), b"a")
            .unwrap();

        let context = context();
        let opening = (0..50).map(|_| cache.open(&recipients, &seen, &context, &sealed, now));
        for opened in join_all(opening).await {
            assert_eq!(opened.unwrap().as_slice(), b"a");
        }
        assert_eq!(kms.calls(), 2);
    });
}

#[test]
fn a_key_goes_when_it_is_old_or_spent() {
    let (kms, key) = (Slow::default(), key_ref());
    let recipients = [Recipient::new(&kms, &key)];
    let limits = CacheLimits {
        key: KeyLimits {
            messages: 2,
            bytes: 100,
        },
        max_age: Duration::from_secs(60),
        ..CacheLimits::default()
    };
    let cache = KeyCache::new(limits);
    let (tenant, now, context) = (tenant(1), Instant::now(), context());
    let seen = cache.generation(&tenant);
    block_on(async {
        let first = cache.sealing_key(&recipients, &seen, now).await.unwrap();
        first.seal(&tenant, &context, b"a").unwrap();
        let later = now + Duration::from_secs(59);
        cache.sealing_key(&recipients, &seen, later).await.unwrap();
        assert_eq!(kms.calls(), 1);
        first.seal(&tenant, &context, b"a").unwrap();
        let refused = first.seal(&tenant, &context, b"a");
        assert_eq!(refused, Err(strongroom_envelope::SealError::Spent));
        let second = cache.sealing_key(&recipients, &seen, later).await.unwrap();
        assert_eq!(kms.calls(), 2);
        assert!(second.seal(&tenant, &context, &[0; 101]).is_err());
        let old = later + Duration::from_secs(60);
        cache.sealing_key(&recipients, &seen, old).await.unwrap();
        assert_eq!(kms.calls(), 3);
    });
}

#[test]
fn a_purge_is_for_what_is_loaded_and_what_is_being_loaded() {
    let (kms, key) = (Slow::default(), key_ref());
    let recipients = [Recipient::new(&kms, &key)];
    let cache = KeyCache::new(CacheLimits::default());
    let (ours, other, now) = (tenant(1), tenant(2), Instant::now());
    block_on(async {
        let sealing = async |tenant| {
            let seen = cache.generation(tenant);
            let sealing = cache.sealing_key(&recipients, &seen, now).await;
            sealing.map(|_| kms.calls())
        };
        sealing(&ours).await.unwrap();
        sealing(&other).await.unwrap();
        cache.purge(&ours);
        assert_eq!(sealing(&other).await, Ok(2));
        assert_eq!(sealing(&ours).await, Ok(3));

        let loads = AtomicUsize::new(0);
        let load = async |purge: &(dyn Fn() + Sync)| {
            let seen = cache.generation(&ours);
            let load = || async {
                loads.fetch_add(1, Ordering::SeqCst);
                purge();
                let dek = Dek::from_bytes(&[1; 32]);
                Ok::<_, OpenError>(DataKey::detached(&dek, &ours, DekId::from_bytes([1; 16])))
            };
            let id = DekId::from_bytes([1; 16]);
            cache.detached_key(&id, &seen, now, load).await.map(drop)
        };
        assert_eq!(load(&|| cache.purge(&ours)).await, Err(CacheError::Purged));
        assert_eq!(load(&|| cache.purge_all()).await, Err(CacheError::Purged));
        assert_eq!(load(&|| cache.purge(&other)).await, Ok(()));
        assert_eq!(loads.load(Ordering::SeqCst), 3);
        assert_eq!(load(&|| panic!("it is kept")).await, Ok(()));
    });
}

/// A caller who loaded a tenant's keys before the purge, and comes to the cache after it, in each
/// order in which that can happen.
#[test]
fn keys_from_before_a_purge_fill_nothing_after_it() {
    let (kms, root) = (Slow::default(), key_ref());
    let root = Recipient::new(&kms, &root);
    let name: KeyRef = "tenant".parse().unwrap();
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, context, now) = (tenant(1), context(), Instant::now());
    block_on(async {
        let first = KekRecord::generate(root, &tenant, &name, 1, 0)
            .await
            .unwrap();
        let second = KekRecord::generate(root, &tenant, &name, 2, 0)
            .await
            .unwrap();

        let stale = cache.generation(&tenant);
        let keys = TenantKeys::load(root, &tenant, std::slice::from_ref(&first))
            .await
            .unwrap();
        let old = [Recipient::new(&keys, &name)];
        let sealed = seal(&old, &tenant, &context, b"a").await.unwrap();

        // The first version is destroyed in the store, and nobody has used the cache yet.
        cache.purge(&tenant);
        let opening = async |recipients: &[Recipient<'_>], seen| {
            let opened = cache.open(recipients, seen, &context, &sealed, now).await;
            opened.map(drop)
        };
        let sealing = async |recipients: &[Recipient<'_>], seen| {
            let key = cache.sealing_key(recipients, seen, now).await?;
            let sealed = key.seal(&tenant, &context, b"a").unwrap();
            let found = inspect(&sealed).unwrap();
            let KeyLocation::Inline(wraps) = found.key else {
                panic!("the wraps are in the record");
            };
            Ok::<_, CacheError<SealError>>(wraps[0].key_version)
        };
        assert_eq!(opening(&old, &stale).await, Err(CacheError::Purged));
        assert_eq!(sealing(&old, &stale).await, Err(CacheError::Purged));

        // Whoever loaded since finds nothing of theirs, for the same tenant and under the same name.
        let seen = cache.generation(&tenant);
        let keys = TenantKeys::load(root, &tenant, &[second]).await.unwrap();
        let new = [Recipient::new(&keys, &name)];
        let refused = Err(CacheError::Load(OpenError::Failed));
        assert_eq!(opening(&new, &seen).await, refused);
        assert_eq!(sealing(&new, &seen).await, Ok(2));

        // Nor does it help them that the place is filled by now.
        assert_eq!(opening(&old, &stale).await, Err(CacheError::Purged));
        assert_eq!(sealing(&old, &stale).await, Err(CacheError::Purged));
        cache.purge_all();
        assert_eq!(sealing(&new, &seen).await, Err(CacheError::Purged));
    });
}

/// What was not asked for in time is not opened either: here the second key behind one front.
#[test]
fn a_purge_overtakes_the_second_look_too() {
    let (kms, key) = (Slow::default(), key_ref());
    let recipients = [Recipient::new(&kms, &key)];
    let tenant = tenant(1);
    let wraps = [1, 2].map(|byte| WrappedDek {
        provider: kms.provider(),
        key_ref: key.clone(),
        key_version: 1,
        bytes: vec![byte; 32],
    });
    let seal = |byte: u8| {
        let (dek, place) = (Dek::from_bytes(&[byte; 32]), KeyPlace::Inline(&wraps));
        let (salt, nonce) = ([byte; 16], [byte; 12]);
        hazmat::seal_compact(&dek, place, &tenant, &context(), &salt, &nonce, b"text").unwrap()
    };
    let (first, second) = (seal(1), seal(2));
    let (cache, now) = (KeyCache::new(CacheLimits::default()), Instant::now());
    let seen = cache.generation(&tenant);
    let context = context();
    let open = |sealed| cache.open(&recipients, &seen, &context, sealed, now);
    block_on(open(&first)).unwrap();
    assert_eq!(block_on(open(&second)).unwrap().as_slice(), b"text");
    let mut opening = std::pin::pin!(open(&second));
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(opening.as_mut().poll(&mut task).is_pending());
    cache.purge(&tenant);
    assert_eq!(block_on(opening).err(), Some(CacheError::Purged));
}

/// Whoever took a generation before the purge loads nothing: else somebody of the new generation,
/// who waits for the same key, would be handed theirs.
#[test]
fn who_comes_late_is_not_asked_for_keys() {
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, id) = (tenant(1), DekId::from_bytes([1; 16]));
    let late = cache.generation(&tenant);
    cache.purge(&tenant);
    let asked = std::cell::Cell::new(0);
    let load = || async {
        asked.set(asked.get() + 1);
        let dek = Dek::from_bytes(&[1; 32]);
        Ok::<_, OpenError>(DataKey::detached(&dek, &tenant, id))
    };
    let now = Instant::now();
    let refused = block_on(cache.detached_key(&id, &late, now, load));
    assert_eq!(refused.map(drop), Err(CacheError::Purged));
    assert_eq!(asked.get(), 0);
    let present = cache.generation(&tenant);
    block_on(cache.detached_key(&id, &present, now, load)).unwrap();
    assert_eq!(asked.get(), 1);
}

/// A load that fails as its keys are taken away says so.
#[test]
fn a_failure_after_a_purge_is_a_purge() {
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, id) = (tenant(1), DekId::from_bytes([1; 16]));
    let seen = cache.generation(&tenant);
    let load = || async {
        cache.purge(&tenant);
        Err::<DataKey, _>(OpenError::Failed)
    };
    let found = block_on(cache.detached_key(&id, &seen, Instant::now(), load));
    assert_eq!(found.map(drop), Err(CacheError::Purged));
}

/// However many tenants come and go, and whoever else is purged.
#[test]
fn nobody_else_s_purge_refuses_a_tenant() {
    let cache = KeyCache::new(CacheLimits {
        tenants: 2,
        ..CacheLimits::default()
    });
    let id = DekId::from_bytes([1; 16]);
    let load = |tenant: TenantId| {
        move || async move {
            let dek = Dek::from_bytes(&[1; 32]);
            Ok::<_, OpenError>(DataKey::detached(&dek, &tenant, id))
        }
    };
    let seen = cache.generation(&tenant(1));
    for number in 2..50 {
        let other = tenant(number);
        let theirs = cache.generation(&other);
        let now = Instant::now();
        block_on(cache.detached_key(&id, &theirs, now, load(other))).unwrap();
        cache.purge(&other);
        block_on(cache.detached_key(&id, &seen, now, load(tenant(1)))).unwrap();
        let refused = block_on(cache.detached_key(&id, &theirs, now, load(other)));
        assert_eq!(refused.map(drop), Err(CacheError::Purged));
    }
    cache.purge_all();
    let refused = block_on(cache.detached_key(&id, &seen, Instant::now(), load(tenant(1))));
    assert_eq!(refused.map(drop), Err(CacheError::Purged));
}

#[test]
fn a_generation_is_of_one_cache() {
    let (kms, key) = (Slow::default(), key_ref());
    let recipients = [Recipient::new(&kms, &key)];
    let [one, other] = [0, 1].map(|_| KeyCache::new(CacheLimits::default()));
    let (tenant, now) = (tenant(1), Instant::now());
    block_on(async {
        let seen = one.generation(&tenant);
        assert_eq!(seen.tenant(), &tenant);
        assert_eq!(seen, one.generation(&tenant));
        let refused = other.sealing_key(&recipients, &seen, now).await;
        assert_eq!(refused.unwrap_err(), CacheError::Purged);
        one.sealing_key(&recipients, &seen, now).await.unwrap();
        assert_eq!(kms.calls(), 1);
    });
}

#[test]
fn a_failure_is_not_kept() {
    let (kms, key) = (Slow::default(), key_ref());
    kms.fails.store(1, Ordering::SeqCst);
    let recipients = [Recipient::new(&kms, &key)];
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, now) = (tenant(1), Instant::now());
    let seen = cache.generation(&tenant);
    block_on(async {
        let failed = cache.sealing_key(&recipients, &seen, now).await;
        assert_eq!(
            failed.unwrap_err(),
            CacheError::Load(KmsError::Throttled.into())
        );
        cache.sealing_key(&recipients, &seen, now).await.unwrap();
        assert_eq!(kms.calls(), 2);
    });
}

#[test]
fn a_tenant_pushes_out_its_own_keys_alone() {
    let limits = CacheLimits {
        keys_per_tenant: 2,
        tenants: 2,
        ..CacheLimits::default()
    };
    let cache = KeyCache::new(limits);
    let (a, b, now) = (tenant(1), tenant(2), Instant::now());
    let loads = AtomicUsize::new(0);
    let get = async |tenant: TenantId, id: u8| {
        let id = DekId::from_bytes([id; 16]);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            let dek = Dek::from_bytes(&[1; 32]);
            Ok::<_, OpenError>(DataKey::detached(&dek, &tenant, id))
        };
        let seen = cache.generation(&tenant);
        cache.detached_key(&id, &seen, now, load).await.unwrap();
        loads.load(Ordering::SeqCst)
    };
    block_on(async {
        assert_eq!(get(a, 1).await, 1);
        for id in 1..=9 {
            get(b, id).await;
        }
        assert_eq!(
            get(a, 1).await,
            10,
            "another tenant's keys pushed this one out"
        );
        assert_eq!(get(b, 9).await, 10);
        assert_eq!(get(b, 8).await, 10);
        assert_eq!(get(b, 7).await, 11);
        get(tenant(3), 1).await;
        assert_eq!(get(b, 7).await, 12);
        assert_eq!(
            get(a, 1).await,
            13,
            "the tenant that was idle for longest stayed"
        );
    });
}

#[test]
fn what_one_caller_loaded_is_not_for_another_set_of_keys() {
    let (kms, root, other) = (Slow::default(), key_ref(), "other".parse().unwrap());
    let cache = KeyCache::new(CacheLimits::default());
    let (tenant, now, context) = (tenant(1), Instant::now(), context());
    block_on(async {
        let sealed = seal(&[Recipient::new(&kms, &root)], &tenant, &context, b"a").await;
        let sealed = sealed.unwrap();
        let with = async |key| {
            let recipients = [Recipient::new(&kms, key)];
            cache
                .open(
                    &recipients,
                    &cache.generation(&tenant),
                    &context,
                    &sealed,
                    now,
                )
                .await
        };
        with(&root).await.unwrap();
        let refused = with(&other).await;
        assert_eq!(refused.unwrap_err(), CacheError::Load(OpenError::Failed));
    });
}
