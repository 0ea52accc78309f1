//! With the FIPS module: what runs in it, and what is refused until it is accepted.
#![cfg(feature = "fips")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use strongroom_envelope::{DataKey, Dek, DekId, EncryptionContext, MAX_COMPACT, SealError, fips};
use strongroom_tenancy::TenantId;

#[test]
fn streams_are_refused_until_they_are_accepted() {
    assert!(fips::is_in_fips_mode());
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
    let key = DataKey::detached(
        &Dek::generate().unwrap(),
        &tenant,
        DekId::generate().unwrap(),
    );
    let context = EncryptionContext::new([("purpose", "test")]).unwrap();
    let short = vec![7; MAX_COMPACT];
    let sealed = key.seal(&tenant, &context, &short).unwrap();
    assert_eq!(
        key.open(&tenant, &context, &sealed).unwrap().as_slice(),
        short
    );

    let long = vec![7; MAX_COMPACT + 1];
    let refused = key.seal(&tenant, &context, &long);
    assert_eq!(refused, Err(SealError::Cipher));
    fips::accept_streams_outside_the_approved_services();
    let sealed = key.seal(&tenant, &context, &long).unwrap();
    assert_eq!(
        key.open(&tenant, &context, &sealed).unwrap().as_slice(),
        long
    );
}
