//! Fuzz bodies of `strongroom-apikey`.

use std::net::{IpAddr, Ipv6Addr};

use strongroom_apikey::{
    ApiKey, Environment, KeyError, KeyId, KeyRecord, LegacyHash, LegacyKey, Networks,
    PasswordHasher, Presented,
};
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

/// A list of networks: what parses is printed and read again as the same list, is within itself,
/// and treats an IPv4 address and its mapped form alike.
pub fn networks(data: &[u8]) {
    let (Some(address), Some(text)) = (data.first_chunk::<4>(), data.get(4..)) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let Ok(networks) = text.parse::<Networks>() else {
        return;
    };
    assert!(networks.are_within(&networks) && !Networks::Anywhere.are_within(&networks));
    if let Networks::Only(list) = &networks {
        assert_eq!(list.to_string().parse(), Ok(networks.clone()));
    }
    let four = std::net::Ipv4Addr::from(*address);
    let mapped: Ipv6Addr = four.to_ipv6_mapped();
    assert_eq!(
        networks.hold(IpAddr::V4(four)),
        networks.hold(IpAddr::V6(mapped))
    );
}

/// A request's header value, of either field, and its target, a line each: what is found is
/// printable, stands at the value's end, and is in no URL.
pub fn present(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(field), Some(value)) = (lines.next(), lines.next()) else {
        return;
    };
    let Ok(target) = std::str::from_utf8(lines.next().unwrap_or_default()) else {
        return;
    };
    let name = if field == b"k" {
        "X-API-Key"
    } else {
        "authorization"
    };
    let Ok(Some(shown)) = Presented::find([(name, value)], target) else {
        return;
    };
    assert!(value.ends_with(shown.expose().as_bytes()));
    assert!(shown.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    if let Ok(key) = shown.key() {
        assert!(!target.contains(key.expose()));
        let twice = [(name, value), ("x-api-key", value)];
        assert!(Presented::find(twice, target).is_err());
        assert!(Presented::find([(name, value)], key.expose()).is_err());
    }
}

/// What another system stored, and its keys: parsing ends, and nothing is shown of either.
pub fn legacy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(hash) = text.parse::<LegacyHash>() {
        let shown = format!("{hash:?}");
        assert!(shown == "LegacyHash(Bcrypt)" || shown == "LegacyHash(Argon2)");
    }
    if let Ok(key) = LegacyKey::parse(text) {
        assert_eq!(key.expose(), text);
        assert_eq!(format!("{key:?}"), format!("LegacyKey({})", key.id()));
    }
    let _ = PasswordHasher::default().needs_rehash(text);
}
