//! Rotates a tenant's key, brings old records under the new version without touching their
//! bodies, and destroys the key in the end.

use std::error::Error;

use strongroom::envelope::{
    EncryptionContext, KeyAdmin as _, KeyLocation, KeyRef, LocalKms, Recipient, RotationPeriod,
    inspect, open, rewrap, seal,
};
use strongroom::tenancy::TenantId;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let kms = LocalKms::create(directory.path().join("keys"))?;
    pollster::block_on(show(&kms))
}

async fn show(kms: &LocalKms) -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let key: KeyRef = "root".parse()?;
    kms.create(&tenant, &key).await?;
    let root = [Recipient::new(kms, &key)];
    let context = EncryptionContext::new([("row", "17")])?;
    let mut sealed = seal(&root, &tenant, &context, b"sk-example").await?;
    println!("sealed under version {}", version(&sealed)?);

    // When a key is due is a matter of arithmetic: the clock is the caller's.
    let made_at = 1_790_000_000;
    let period = RotationPeriod::default();
    assert!(!period.is_due(made_at, made_at + 89 * 86_400));
    assert!(period.is_due(made_at, made_at + 90 * 86_400));

    // What the old version sealed still opens; nothing has to be done at once.
    kms.rotate(&tenant, &key).await?;
    open(&root, &tenant, &context, &sealed).await?;
    println!("it opens after the rotation as before");

    let front = inspect(&sealed)?.front_bytes;
    let body = sealed.split_at(front).1.to_vec();
    rewrap(&root, &tenant, &mut sealed).await?;
    assert_eq!(sealed.split_at(front).1, body);
    println!(
        "rewrapped under version {}, body untouched",
        version(&sealed)?
    );

    // Who destroys the key destroys what is sealed under it, in every copy of it.
    kms.destroy(&tenant, &key).await?;
    let gone = open(&root, &tenant, &context, &sealed).await;
    println!(
        "without the key: {}",
        gone.as_ref().err().ok_or("opened under a destroyed key")?
    );
    Ok(())
}

fn version(sealed: &[u8]) -> Result<u32, Box<dyn Error>> {
    let KeyLocation::Inline(wraps) = inspect(sealed)?.key else {
        return Err("a record that does not carry its key".into());
    };
    let wrap = wraps.first().ok_or("a record without a wrap")?;
    Ok(wrap.key_version)
}
