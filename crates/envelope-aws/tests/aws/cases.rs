//! What holds for every KMS that speaks AWS's protocol.

use std::future::Future;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom_envelope::{
    Dek, Destruction, KeyAdmin, KeyState, Kms, KmsError, Provider, Purpose, WrappedDek,
};
use strongroom_tenancy::TenantId;

use crate::target::{Target, key};

type Case = for<'t> fn(&'t Target) -> Pin<Box<dyn Future<Output = ()> + 't>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// Every case by name.
        pub(crate) const CASES: &[(&str, Case)] =
            &[$((stringify!($name), |target| Box::pin($name(target)))),*];

        mod on_the_fake {
            $(#[tokio::test]
            async fn $name() {
                let fake = crate::fake::Fake::start().await;
                super::$name(&fake.target()).await;
            })*
        }
    };
}

cases!(
    a_wrap_unwraps,
    two_wraps_of_one_key_differ,
    another_tenant_does_not_unwrap,
    a_renamed_wrap_does_not_unwrap,
    a_wrap_holds_in_its_context_alone,
    another_provider_s_wrap_is_not_found,
    no_altered_wrap_unwraps,
    keys_have_names_of_every_character,
    old_wraps_unwrap_after_rotation,
    a_missing_key_is_not_found,
    a_name_is_taken_once,
    a_disabled_key_is_described,
    a_disabled_key_does_nothing,
    destruction_is_scheduled,
    a_key_about_to_be_destroyed_does_nothing,
    a_rewrap_unwraps_under_the_other_key,
    another_tenant_s_wrap_is_not_rewrapped,
    calls_run_concurrently,
);

async fn created(admin: &dyn KeyAdmin, tenant: &TenantId, names: &[&str]) {
    for name in names {
        admin.create(tenant, &key(name)).await.unwrap();
    }
}

async fn wrapped(kms: &dyn Kms, tenant: &TenantId, name: &str, dek: &Dek) -> WrappedDek {
    kms.wrap(tenant, &key(name), &Purpose::Record, dek)
        .await
        .unwrap()
}

async fn unwraps(kms: &dyn Kms, tenant: &TenantId, wrap: &WrappedDek, dek: &Dek) {
    let unwrapped = kms.unwrap(tenant, &Purpose::Record, wrap).await.unwrap();
    assert_eq!(unwrapped.expose_bytes(), dek.expose_bytes());
}

async fn refusal(kms: &dyn Kms, tenant: &TenantId, wrap: &WrappedDek) -> KmsError {
    kms.unwrap(tenant, &Purpose::Record, wrap)
        .await
        .unwrap_err()
}

async fn a_wrap_unwraps(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(kms, tenant, "root", &dek).await;
    assert_eq!(kms.provider(), Provider::AWS_KMS);
    assert_eq!(wrap.provider, Provider::AWS_KMS);
    assert_eq!(wrap.key_ref, key("root"));
    assert_eq!(wrap.key_version, 0);
    assert!((1..=1024).contains(&wrap.bytes.len()));
    unwraps(kms, tenant, &wrap, &dek).await;
}

async fn two_wraps_of_one_key_differ(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let one = wrapped(kms, tenant, "root", &dek).await;
    let two = wrapped(kms, tenant, "root", &dek).await;
    assert_ne!(one.bytes, two.bytes);
}

async fn another_tenant_does_not_unwrap(t: &Target) {
    created(&t.admin, &t.tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    assert_eq!(refusal(&t.kms, &t.other, &wrap).await, KmsError::NotFound);

    // Not even with the tenant's alias in full.
    let mut renamed = wrap.clone();
    renamed.key_ref = key(&format!("alias/strongroom/{}/root", t.tenant));
    assert_eq!(refusal(&t.kms, &t.other, &renamed).await, KmsError::Denied);
}

async fn a_renamed_wrap_does_not_unwrap(t: &Target) {
    created(&t.admin, &t.tenant, &["root", "second"]).await;
    created(&t.admin, &t.other, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    let error = refusal(&t.kms, &t.other, &wrap).await;
    assert_eq!(error, KmsError::ContextMismatch);

    let mut renamed = wrap.clone();
    renamed.key_ref = key("second");
    let error = refusal(&t.kms, &t.tenant, &renamed).await;
    assert_eq!(error, KmsError::ContextMismatch);
}

/// The same KMS key, by another of its names: only the encryption context tells them apart.
async fn a_wrap_holds_in_its_context_alone(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let full = key(&format!("alias/strongroom/{tenant}/root"));
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(kms, tenant, "root", &dek).await;
    let mut renamed = wrap.clone();
    renamed.key_ref = full.clone();
    let error = refusal(kms, tenant, &renamed).await;
    assert_eq!(error, KmsError::ContextMismatch);
    let rewrapped = kms.rewrap(tenant, &Purpose::Record, &renamed, &full).await;
    assert_eq!(rewrapped, Err(KmsError::ContextMismatch));

    let rewrapped = kms
        .rewrap(tenant, &Purpose::Record, &wrap, &full)
        .await
        .unwrap();
    unwraps(kms, tenant, &rewrapped, &dek).await;
}

async fn another_provider_s_wrap_is_not_found(t: &Target) {
    created(&t.admin, &t.tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    for change in [
        |wrap: &mut WrappedDek| wrap.provider = Provider::LOCAL,
        |wrap: &mut WrappedDek| wrap.key_version = 1,
    ] {
        let mut changed = wrap.clone();
        change(&mut changed);
        let error = refusal(&t.kms, &t.tenant, &changed).await;
        assert_eq!(error, KmsError::NotFound);
        let rewrapped = t
            .kms
            .rewrap(&t.tenant, &Purpose::Record, &changed, &key("root"))
            .await;
        assert_eq!(rewrapped, Err(KmsError::NotFound));
    }
}

async fn no_altered_wrap_unwraps(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(kms, tenant, "root", &dek).await;
    for position in 0..wrap.bytes.len() {
        let mut altered = wrap.clone();
        altered.bytes[position] ^= 1 << (position % 8);
        assert!(
            kms.unwrap(tenant, &Purpose::Record, &altered)
                .await
                .is_err(),
            "byte {position}"
        );
    }
    for length in [0, 1, wrap.bytes.len() / 2, wrap.bytes.len() - 1] {
        let mut cut = wrap.clone();
        cut.bytes.truncate(length);
        let error = refusal(kms, tenant, &cut).await;
        assert_eq!(error, KmsError::ContextMismatch, "cut at {length}");
    }
    let mut long = wrap.clone();
    long.bytes.resize(1025, 0);
    assert_eq!(refusal(kms, tenant, &long).await, KmsError::ContextMismatch);
}

async fn keys_have_names_of_every_character(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    let names = [
        "user:4.2_b-c/d",
        "user_4_2_b-c/d",
        "user_c4_d2__b-c/d",
        "USER",
    ];
    created(admin, tenant, &names).await;
    for name in names {
        let dek = Dek::generate().unwrap();
        let wrap = wrapped(kms, tenant, name, &dek).await;
        unwraps(kms, tenant, &wrap, &dek).await;
    }
    let full = format!("alias/strongroom/{tenant}/USER");
    assert!(full.len() <= 128);
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(kms, tenant, &full, &dek).await;
    unwraps(kms, tenant, &wrap, &dek).await;
}

async fn old_wraps_unwrap_after_rotation(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let old = wrapped(kms, tenant, "root", &dek).await;
    assert_eq!(admin.rotate(tenant, &key("root")).await, Ok(0));
    let new = wrapped(kms, tenant, "root", &dek).await;
    unwraps(kms, tenant, &old, &dek).await;
    unwraps(kms, tenant, &new, &dek).await;
    let description = kms.describe(tenant, &key("root")).await.unwrap();
    assert_eq!(description.active_version, 0);
}

async fn a_missing_key_is_not_found(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    let (missing, dek) = (key("missing"), Dek::generate().unwrap());
    let not_found = Err(KmsError::NotFound);
    assert_eq!(
        kms.wrap(tenant, &missing, &Purpose::Record, &dek).await,
        Err(KmsError::NotFound)
    );
    let described = kms.describe(tenant, &missing).await;
    assert_eq!(described.unwrap_err(), KmsError::NotFound);
    assert_eq!(
        admin.rotate(tenant, &missing).await,
        Err(KmsError::NotFound)
    );
    assert_eq!(admin.disable(tenant, &missing).await, not_found);
    assert_eq!(admin.enable(tenant, &missing).await, not_found);
    assert_eq!(
        admin.destroy(tenant, &missing).await,
        Err(KmsError::NotFound)
    );
}

async fn a_name_is_taken_once(
    Target {
        admin,
        tenant,
        other,
        ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let again = admin.create(tenant, &key("root")).await;
    assert_eq!(again, Err(KmsError::AlreadyExists));
    created(admin, other, &["root"]).await;
}

async fn a_disabled_key_is_described(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let state = async || kms.describe(tenant, &key("root")).await.unwrap().state;
    assert_eq!(state().await, KeyState::Enabled);
    for _ in 0..2 {
        assert_eq!(admin.disable(tenant, &key("root")).await, Ok(()));
        assert_eq!(state().await, KeyState::Disabled);
    }
    for _ in 0..2 {
        assert_eq!(admin.enable(tenant, &key("root")).await, Ok(()));
        assert_eq!(state().await, KeyState::Enabled);
    }
}

/// Wraps, unwraps and rewraps fail.
async fn does_nothing(t: &Target, wrap: &WrappedDek, dek: &Dek) {
    let Target { kms, tenant, .. } = t;
    let disabled = Err(KmsError::Disabled);
    assert_eq!(
        kms.wrap(tenant, &key("root"), &Purpose::Record, dek).await,
        disabled
    );
    assert_eq!(refusal(kms, tenant, wrap).await, KmsError::Disabled);
    assert_eq!(
        kms.rewrap(tenant, &Purpose::Record, wrap, &key("second"))
            .await,
        disabled
    );
    let rotated = t.admin.rotate(tenant, &key("root")).await;
    assert_eq!(rotated, Err(KmsError::Disabled));
}

async fn a_disabled_key_does_nothing(t: &Target) {
    created(&t.admin, &t.tenant, &["root", "second"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    t.admin.disable(&t.tenant, &key("root")).await.unwrap();
    does_nothing(t, &wrap, &dek).await;
    t.admin.enable(&t.tenant, &key("root")).await.unwrap();
    unwraps(&t.kms, &t.tenant, &wrap, &dek).await;
}

async fn destruction_is_scheduled(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    assert_eq!(admin.destruction(tenant, &key("root")).await, Ok(None));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let first = admin.destroy(tenant, &key("root")).await.unwrap();
    let Destruction::Scheduled { at } = first else {
        panic!("{first:?}");
    };
    let expected = now + 7 * 24 * 60 * 60;
    assert!((expected - 60..=expected + 60).contains(&at), "{at}");
    let state = kms.describe(tenant, &key("root")).await.unwrap().state;
    assert_eq!(state, KeyState::PendingDestruction);
    let asked = admin.destruction(tenant, &key("root")).await;
    assert_eq!(asked, Ok(Some(first)));
    let again = admin.create(tenant, &key("root")).await;
    assert_eq!(again, Err(KmsError::AlreadyExists));
}

async fn a_key_about_to_be_destroyed_does_nothing(t: &Target) {
    created(&t.admin, &t.tenant, &["root", "second"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    t.admin.destroy(&t.tenant, &key("root")).await.unwrap();
    does_nothing(t, &wrap, &dek).await;
    let disabled = Err(KmsError::Disabled);
    assert_eq!(t.admin.disable(&t.tenant, &key("root")).await, disabled);
    assert_eq!(t.admin.enable(&t.tenant, &key("root")).await, disabled);
    let again = t.admin.destroy(&t.tenant, &key("root")).await;
    assert_eq!(again, Err(KmsError::Disabled));
}

async fn a_rewrap_unwraps_under_the_other_key(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root", "second"]).await;
    let dek = Dek::generate().unwrap();
    let old = wrapped(kms, tenant, "root", &dek).await;
    let new = kms
        .rewrap(tenant, &Purpose::Record, &old, &key("second"))
        .await
        .unwrap();
    assert_eq!(new.key_ref, key("second"));
    assert_eq!((new.provider, new.key_version), (Provider::AWS_KMS, 0));
    unwraps(kms, tenant, &new, &dek).await;
    unwraps(kms, tenant, &old, &dek).await;
}

async fn another_tenant_s_wrap_is_not_rewrapped(t: &Target) {
    created(&t.admin, &t.tenant, &["root"]).await;
    created(&t.admin, &t.other, &["root"]).await;
    let dek = Dek::generate().unwrap();
    let wrap = wrapped(&t.kms, &t.tenant, "root", &dek).await;
    let rewrapped = t
        .kms
        .rewrap(&t.other, &Purpose::Record, &wrap, &key("root"))
        .await;
    assert_eq!(rewrapped, Err(KmsError::ContextMismatch));
}

async fn calls_run_concurrently(
    Target {
        kms, admin, tenant, ..
    }: &Target,
) {
    created(admin, tenant, &["root"]).await;
    let round_trip = async || {
        let dek = Dek::generate().unwrap();
        let wrap = wrapped(kms, tenant, "root", &dek).await;
        unwraps(kms, tenant, &wrap, &dek).await;
    };
    futures_util::future::join_all((0..32).map(|_| round_trip())).await;
}
