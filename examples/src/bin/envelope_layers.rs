//! A user's credential under the user's key, inside the tenant's: both keys are needed, and either
//! one destroyed is enough to lose it.

use std::error::Error;

use strongroom::envelope::{
    EncryptionContext, KekRecord, KeyAdmin as _, KeyRef, Layers, LocalKms, Recipient, ShredReceipt,
    TenantKeys,
};
use strongroom::tenancy::TenantId;

const NOW: u64 = 1_790_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let kms = LocalKms::create(directory.path().join("keys"))?;
    pollster::block_on(show(&kms))
}

async fn show(kms: &LocalKms) -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let root: KeyRef = "root".parse()?;
    kms.create(&tenant, &root).await?;
    let root = Recipient::new(kms, &root);

    // The tenant's and the user's key-encryption keys, as a table would keep them.
    let (shared, user): (KeyRef, KeyRef) = ("tenant".parse()?, "user:17".parse()?);
    let tenant_kek = KekRecord::generate(root, &tenant, &shared, 1, NOW).await?;
    let mut user_kek = KekRecord::generate(root, &tenant, &user, 1, NOW).await?;
    let keys = TenantKeys::load(root, &tenant, &[tenant_kek.clone(), user_kek.clone()]).await?;
    let layers = Layers {
        tenant: Recipient::new(&keys, &shared),
        user: Recipient::new(&keys, &user),
    };

    let context = EncryptionContext::new([("purpose", "provider-credential")])?;
    let sealed = layers.seal(&tenant, &context, b"sk-example").await?;
    let length = layers
        .open(&tenant, &context, &sealed, |credential| credential.len())
        .await?;
    println!("used a credential of {length} bytes, which is wiped by now");

    // The user leaves: their key becomes a tombstone, and the receipt says when backups end too.
    user_kek.destroy();
    let receipt = ShredReceipt::new(&[user_kek.clone()], NOW, NOW + 2, 35, None);
    let receipt = receipt.ok_or("no tombstone")?;
    println!(
        "{} is gone, everywhere by {}",
        receipt.name,
        receipt.gone_at()
    );
    let keys = TenantKeys::load(root, &tenant, &[tenant_kek, user_kek]).await?;
    let layers = Layers {
        tenant: Recipient::new(&keys, &shared),
        user: Recipient::new(&keys, &user),
    };
    let gone = layers.open(&tenant, &context, &sealed, |_| ()).await;
    println!(
        "with the tenant's key alone: {}",
        gone.as_ref().err().ok_or("opened without the user's key")?
    );
    Ok(())
}
