//! Finds a user by e-mail address in a table whose addresses are sealed.

use std::collections::HashMap;
use std::error::Error;

use strongroom::envelope::{DataKey, Dek, DekId, EncryptionContext, LookupKey, TagLength};
use strongroom::tenancy::TenantId;

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let column = EncryptionContext::new([("column", "users.email")])?;
    // Two keys, each kept wrapped by a KMS: one seals, the other does nothing but make tags.
    let sealing = DataKey::detached(&Dek::generate()?, &tenant, DekId::generate()?);
    let lookup = LookupKey::new(&Dek::generate()?, &tenant);

    // The same address must be the same bytes, however it was typed.
    let tag = |address: &str| {
        let address = address.trim().to_lowercase();
        lookup.lookup_tag(&tenant, &column, address.as_bytes(), TagLength::FULL)
    };

    // The table: an index on the tag, and beside it the sealed address.
    let mut users = HashMap::new();
    for (id, address) in [(1, "ada@example.com"), (2, "grace@example.com")] {
        let sealed = sealing.seal(&tenant, &column, address.as_bytes())?;
        users.insert(tag(address)?, (id, sealed));
    }

    let (id, sealed) = users.get(&tag("Ada@Example.com ")?).ok_or("not found")?;
    // A shorter tag finds other rows too, by chance: so what was found is opened and compared.
    let opened = sealing.open(&tenant, &column, sealed)?;
    assert_eq!(opened.as_slice(), b"ada@example.com");
    println!("found user {id} by the tag of an address");
    assert!(!users.contains_key(&tag("eve@example.com")?));
    println!("nobody has the other address");

    // Another tenant's tags, and another column's, are of no use here.
    let elsewhere = EncryptionContext::new([("column", "invitations.email")])?;
    let other = lookup.lookup_tag(&tenant, &elsewhere, b"ada@example.com", TagLength::FULL)?;
    assert!(!users.contains_key(&other));
    println!("the same address in another column: another tag");
    Ok(())
}
