//! Fuzz bodies of `strongroom-apikey`.

use strongroom_apikey::{ApiKey, Environment, KeyError, KeyId, KeyRecord};
use strongroom_tenancy::{CapabilitySet, Role, TenantId};

/// A key's text: what parses is spelt in one way, and its `Debug` holds no secret.
pub fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(key) = ApiKey::parse(text) else { return };
    assert_eq!(key.expose(), text);
    let public = format!("{}_{}_{}", key.prefix(), key.environment(), key.id());
    assert!(text.starts_with(&public));
    assert_eq!(format!("{key:?}"), format!("ApiKey({public})"));
}

/// 48 bytes make a key: it parses, authenticates against its own record, and against no other.
pub fn mint(data: &[u8]) {
    let (Some(id), Some(secret)) = (data.first_chunk::<16>(), data.get(16..48)) else {
        return;
    };
    let Ok(mut secret) = <[u8; 32]>::try_from(secret) else {
        return;
    };
    let Ok(prefix) = "fuzz".parse() else { return };
    let id = KeyId::from_random(id);
    let key = ApiKey::from_parts(&prefix, Environment::Test, &id, &secret);
    let parsed = ApiKey::parse(key.expose());
    assert!(parsed.is_ok());
    let Ok(parsed) = parsed else { return };

    let all: CapabilitySet = Role::Owner.capabilities();
    let issued = KeyRecord::issue(&key, TenantId::PLATFORM, all, &all, None);
    assert!(issued.is_ok());
    let Ok(record) = issued else { return };
    assert!(record.authenticate(&parsed, 0).is_ok());
    if let Some(last) = secret.last_mut() {
        *last ^= 1;
    }
    let other = ApiKey::from_parts(&prefix, Environment::Test, &id, &secret);
    assert_eq!(
        record.authenticate(&other, 0).err(),
        Some(KeyError::Mismatch)
    );
}
