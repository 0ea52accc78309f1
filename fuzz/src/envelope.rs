//! Sealed records and keyrings from anywhere.

use strongroom_envelope::hazmat::{self, KeyPlace, replace_wraps};
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, KeyLocation, OpenError, Suite, inspect,
    remove_recipient,
};
use strongroom_tenancy::TenantId;

/// The DEK, tenant and context of `crates/envelope/tests/vectors/sealed.json`.
fn expected() -> Option<(Dek, TenantId, EncryptionContext)> {
    let dek = Dek::from_bytes(&std::array::from_fn(|at| at as u8 | 0x80));
    let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().ok()?;
    let pairs = [("purpose", "provider-credential"), ("name", "openai")];
    Some((dek, tenant, EncryptionContext::new(pairs).ok()?))
}

/// What opens is the only encoding of what it holds; what is no record is none to every reader;
/// and what changes the recipients leaves the body.
pub fn open(data: &[u8]) {
    let Some((dek, tenant, context)) = expected() else {
        return;
    };
    let key = DataKey::detached(&dek, &tenant, DekId::from_bytes([0; 16]));
    let opened = key.open(&tenant, &context, data);
    let inspection = match inspect(data) {
        Ok(inspection) => inspection,
        Err(error) => {
            assert_eq!(opened.err(), Some(OpenError::Header(error)));
            let mut record = data.to_vec();
            assert!(replace_wraps(&[], &mut record).is_err());
            assert_eq!(record, data);
            return;
        }
    };
    let (front, body) = data.split_at(inspection.front_bytes);
    assert_eq!(body.len(), inspection.body_bytes);
    if let KeyLocation::Inline(wraps) = &inspection.key {
        let mut record = [[b'S', 1, inspection.suite as u8, 1].as_slice(), &[0; 16], body].concat();
        assert_eq!(replace_wraps(wraps, &mut record), Ok(()));
        assert_eq!(record, data);
        if let Some(first) = wraps.first()
            && remove_recipient(first.provider, &first.key_ref, &mut record).is_ok()
        {
            let changed = inspect(&record).map(|changed| changed.front_bytes);
            assert!(changed.is_ok_and(|changed| changed < front.len()));
        }
        assert!(record.ends_with(body));
    }
    if let (Ok(plaintext), Suite::Compact) = (opened, inspection.suite) {
        let place = match &inspection.key {
            KeyLocation::Inline(wraps) => KeyPlace::Inline(wraps),
            KeyLocation::Detached(id) => KeyPlace::Detached(*id),
            _ => return,
        };
        let salt = body.first_chunk();
        let nonce = body.get(48..).and_then(<[u8]>::first_chunk);
        let (Some(salt), Some(nonce)) = (salt, nonce) else {
            panic!("an opened record has its parts");
        };
        let again = hazmat::seal_compact(&dek, place, &tenant, &context, salt, nonce, &plaintext);
        assert_eq!(again.as_deref(), Ok(data));
    }
}

/// A keyring that is read is written again byte for byte.
pub fn keyring(data: &[u8]) {
    let Some((_, tenant, _)) = expected() else {
        return;
    };
    if let Ok(again) = hazmat::keyring_round_trip(&tenant, data) {
        assert_eq!(again.as_slice(), data);
    }
}
