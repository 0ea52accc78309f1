//! Seals one record to two keys, in two KMSs: the service's own, and one for the day on which the
//! first is lost. Either opens it; a key can be added and removed without opening the record.

use std::error::Error;

use strongroom::envelope::{
    EncryptionContext, KeyAdmin as _, KeyRef, Kms as _, LocalKms, Recipient, add_recipients, open,
    remove_recipient, seal,
};
use strongroom::tenancy::TenantId;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let service = LocalKms::create(directory.path().join("service"))?;
    let vault = LocalKms::create(directory.path().join("vault"))?;
    pollster::block_on(show(&service, &vault))
}

async fn show(service: &LocalKms, vault: &LocalKms) -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let (root, escrow, auditor): (KeyRef, KeyRef, KeyRef) =
        ("root".parse()?, "escrow".parse()?, "auditor".parse()?);
    service.create(&tenant, &root).await?;
    vault.create(&tenant, &escrow).await?;
    vault.create(&tenant, &auditor).await?;
    let root = Recipient::new(service, &root);
    let escrow = Recipient::new(vault, &escrow);
    let auditor = Recipient::new(vault, &auditor);

    let context = EncryptionContext::new([("export", "2026-07")])?;
    let mut sealed = seal(&[root, escrow], &tenant, &context, b"figures").await?;
    for (name, recipient) in [("the service", root), ("the vault", escrow)] {
        let opened = open(&[recipient], &tenant, &context, &sealed).await?;
        assert_eq!(opened.as_slice(), b"figures");
        println!("{name} opens it");
    }

    // A key that the record was not sealed to comes later; the body stays as it is.
    let early = open(&[auditor], &tenant, &context, &sealed).await;
    println!(
        "the auditor, before: {}",
        early.as_ref().err().ok_or("opened without a wrap")?
    );
    add_recipients(&[root], &[auditor], &tenant, &context, &mut sealed).await?;
    open(&[auditor], &tenant, &context, &sealed).await?;
    println!("the auditor, once added, opens it");

    // This takes nothing back from an auditor who kept the record as it was.
    remove_recipient(vault.provider(), auditor.key, &mut sealed)?;
    let late = open(&[auditor], &tenant, &context, &sealed).await;
    println!(
        "the auditor, once removed: {}",
        late.as_ref().err().ok_or("opened after removal")?
    );
    Ok(())
}
