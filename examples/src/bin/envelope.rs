//! Seals a credential under a tenant's key, and shows who can open the record.

use std::error::Error;

use strongroom::envelope::{
    EncryptionContext, KeyAdmin as _, KeyRef, LocalKms, Recipient, open, seal,
};
use strongroom::tenancy::TenantId;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let kms = LocalKms::create(directory.path().join("keys"))?;
    pollster::block_on(show(&kms))
}

async fn show(kms: &LocalKms) -> Result<(), Box<dyn Error>> {
    let acme: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let globex: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120009".parse()?;
    let key: KeyRef = "root".parse()?;
    kms.create(&acme, &key).await?;
    kms.create(&globex, &key).await?;
    let root = [Recipient::new(kms, &key)];

    // The context is not stored: it says what the reader expects the record to be, so that a row
    // that was moved or swapped in the database does not open.
    let row_17 = EncryptionContext::new([("purpose", "provider-credential"), ("row", "17")])?;
    let row_18 = EncryptionContext::new([("purpose", "provider-credential"), ("row", "18")])?;
    let sealed = seal(&root, &acme, &row_17, b"sk-example").await?;
    println!("sealed 10 bytes into {}", sealed.len());

    let opened = open(&root, &acme, &row_17, &sealed).await?;
    assert_eq!(opened.as_slice(), b"sk-example");
    println!("its own tenant opens it");

    let moved = open(&root, &acme, &row_18, &sealed).await;
    println!(
        "as another row: {}",
        moved.as_ref().err().ok_or("opened as another row")?
    );
    let stolen = open(&root, &globex, &row_17, &sealed).await;
    println!(
        "by another tenant: {}",
        stolen.as_ref().err().ok_or("opened by another tenant")?
    );
    Ok(())
}
