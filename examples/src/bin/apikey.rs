//! Issues an API key that can do less than its issuer, authenticates it, and revokes it.

use std::error::Error;

use strongroom::apikey::{ApiKey, Environment, IssueError, KeyError, KeyRecord};
use strongroom::tenancy::{Capability, CapabilitySet, Role, TenantId};

fn main() -> Result<(), Box<dyn Error>> {
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
    let issuer = Role::Member.capabilities();
    let now = 1_800_000_000;

    // The text is shown to its holder once; the server keeps the record, which holds a hash.
    let key = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
    let asked = CapabilitySet::of(&[Capability::ChatCreate]);
    let mut record = KeyRecord::issue(&key, tenant, asked, &issuer, Some(now + 86_400))?;
    println!("shown once: {}", key.expose());
    println!("stored:     {} {:?}", record.id, record.hash);

    // A key never holds more than whoever issues it.
    let beyond = CapabilitySet::of(&[Capability::AuditRead]);
    let refused = KeyRecord::issue(&key, tenant, beyond, &issuer, None).err();
    assert_eq!(refused, Some(IssueError::BeyondIssuer));

    // A request comes in: the public id finds the record, and the record checks the rest.
    let presented: ApiKey = key.expose().parse()?;
    let verified = record.authenticate(&presented, now)?;
    println!(
        "authenticated for tenant {}, may {}",
        verified.tenant(),
        verified.capabilities()
    );

    // A typing error is told apart before any look-up: the text has a checksum.
    let mistyped = key.expose().replacen("cust", "cuss", 1);
    println!(
        "mistyped: {}",
        mistyped
            .parse::<ApiKey>()
            .err()
            .ok_or("a mistyped key was read")?
    );

    assert_eq!(
        record.authenticate(&presented, now + 86_400).err(),
        Some(KeyError::Expired)
    );
    record.revoked_at = Some(now + 60);
    let revoked = record.authenticate(&presented, now + 61).err();
    assert_eq!(revoked, Some(KeyError::Revoked));
    // The outside hears one text, whatever the reason; the log hears the code.
    println!(
        "revoked: {} (log: {})",
        KeyError::Revoked,
        KeyError::Revoked.code()
    );
    Ok(())
}
