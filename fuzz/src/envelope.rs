//! Sealed records and keyrings from anywhere.

use strongroom_envelope::{Dek, EncryptionContext, OpenError, hazmat, read_wraps};
use strongroom_tenancy::TenantId;

/// The DEK, tenant and context of `crates/envelope/tests/vectors/sealed.json`.
fn expected() -> Option<(Dek, TenantId, EncryptionContext)> {
    let dek = Dek::from_bytes(&std::array::from_fn(|at| at as u8 | 0x80));
    let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().ok()?;
    let pairs = [("purpose", "provider-credential"), ("name", "openai")];
    Some((dek, tenant, EncryptionContext::new(pairs).ok()?))
}

/// What opens is the only encoding of what it holds; what is no record is none to every reader.
pub fn open(data: &[u8]) {
    let Some((dek, tenant, context)) = expected() else {
        return;
    };
    let opened = hazmat::open_with(&dek, &tenant, &context, data);
    match (&opened, read_wraps(data)) {
        (Err(OpenError::Header(error)), wraps) => assert_eq!(wraps.err(), Some(*error)),
        (Err(_), wraps) => assert!(wraps.is_ok()),
        (Ok(plaintext), wraps) => {
            let header = data.get(4..6).map_or(0, |len| {
                6 + len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
            });
            let salt = data.get(header..).and_then(<[u8]>::first_chunk);
            let nonce = data.get(header + 48..).and_then(<[u8]>::first_chunk);
            let (Ok(wraps), Some(salt), Some(nonce)) = (wraps, salt, nonce) else {
                panic!("an opened record has its parts");
            };
            let again =
                hazmat::seal_with(&dek, &wraps, &tenant, &context, salt, nonce, plaintext);
            assert_eq!(again.as_deref(), Ok(data));
        }
    }
}

/// A keyring that is read is written again byte for byte.
pub fn keyring(data: &[u8]) {
    if let Ok(again) = hazmat::keyring_round_trip(data) {
        assert_eq!(again.as_slice(), data);
    }
}
