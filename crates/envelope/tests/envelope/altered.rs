//! What was altered, cut or sealed for another, and what never was a record.

use pollster::block_on;
use proptest::prelude::*;
use strongroom_envelope::hazmat::{self, WrappingKey};
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, Kms as _, KmsError, OpenError, Provider, Purpose,
    Recipient, WrappedDek, inspect, open, seal,
};
use strongroom_tenancy::TenantId;

use super::{DEK, Local, context, key_ref, opened, other, tenant};

/// Every bit of an inline and of a detached record.
#[test]
fn no_flipped_bit_opens() {
    let local = Local::new();
    let root = key_ref("root");
    let root = Recipient::new(&local.first, &root);
    let inline = block_on(seal(&[root], &tenant(), &context(), b"text")).unwrap();
    let key = DataKey::detached(
        &Dek::from_bytes(&DEK),
        &tenant(),
        DekId::from_bytes([5; 16]),
    );
    let detached = key.seal(&tenant(), &context(), b"text").unwrap();
    for position in 0..inline.len() * 8 {
        let mut altered = inline.clone();
        altered[position / 8] ^= 1 << (position % 8);
        let opened = block_on(open(&[root], &tenant(), &context(), &altered));
        assert!(opened.is_err(), "bit {position}");
    }
    // The id says where the key is; it does not go into the body.
    for position in (0..4 * 8).chain(20 * 8..detached.len() * 8) {
        let mut altered = detached.clone();
        altered[position / 8] ^= 1 << (position % 8);
        let opened = key.open(&tenant(), &context(), &altered);
        assert!(opened.is_err(), "bit {position}");
    }
}

fn texts() -> impl Strategy<Value = Vec<(String, String)>> {
    let pairs = proptest::collection::btree_map("[a-zé]{1,12}", "[ -~é]{0,12}", 0..16);
    pairs.prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_opens_for_nobody_else(
        plaintext in proptest::collection::vec(any::<u8>(), 0..300),
        pairs in texts(),
        wrong in texts(),
        dek: [u8; 32],
        wrong_dek: [u8; 32],
        tenants: [std::num::NonZeroU128; 2],
        bit: proptest::sample::Index,
        cut: proptest::sample::Index,
        order: u64,
    ) {
        let tenants = tenants.map(|n| TenantId::from_uuid(uuid::Uuid::from_u128(n.get())).unwrap());
        let context = EncryptionContext::new(pairs.iter().cloned()).unwrap();
        let key = |dek: &[u8; 32], tenant| {
            DataKey::detached(&Dek::from_bytes(dek), tenant, DekId::from_bytes([5; 16]))
        };
        let mine = key(&dek, &tenants[0]);
        let sealed = mine.seal(&tenants[0], &context, &plaintext).unwrap();
        prop_assert_eq!(sealed.len(), plaintext.len() + 96);

        // The order of the pairs does not matter.
        let mut shuffled = pairs.clone();
        shuffled.sort_by_key(|(key, _)| {
            key.bytes().fold(order, |sum, b| (sum ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        });
        let shuffled = EncryptionContext::new(shuffled).unwrap();
        let opened = mine.open(&tenants[0], &shuffled, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), &plaintext[..]);

        let failed = OpenError::Failed;
        if wrong != pairs {
            let wrong = EncryptionContext::new(wrong).unwrap();
            let opened = mine.open(&tenants[0], &wrong, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }
        if dek != wrong_dek {
            let opened = key(&wrong_dek, &tenants[0]).open(&tenants[0], &context, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }
        if tenants[0] != tenants[1] {
            let opened = key(&dek, &tenants[1]).open(&tenants[1], &context, &sealed);
            prop_assert_eq!(opened.unwrap_err(), failed);
        }

        let bit = bit.index((sealed.len() - 16) * 8);
        let bit = if bit < 32 { bit } else { bit + 16 * 8 };
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(mine.open(&tenants[0], &context, &altered).is_err());
        let cut = cut.index(sealed.len());
        prop_assert!(mine.open(&tenants[0], &context, &sealed[..cut]).is_err());
        let longer = [&sealed[..], &[0]].concat();
        prop_assert!(mine.open(&tenants[0], &context, &longer).is_err());
    }

    #[test]
    fn a_wrap_is_for_one_tenant_key_version_and_provider(
        key: [u8; 32],
        dek: [u8; 32],
        nonce: [u8; 24],
        version in 1_u32..1000,
        bit: proptest::sample::Index,
    ) {
        let local = Local::new();
        // A wrap under a key that is not in the keyring does not unwrap, whatever it claims.
        let name = key_ref("root");
        let dek = Dek::from_bytes(&dek);
        let foreign = WrappingKey { bytes: &key, provider: Provider::LOCAL, name: &name, version: 1 };
        let foreign =
            hazmat::wrap_with(&foreign, &tenant(), &nonce, &Purpose::Record, &dek).unwrap();
        let result = block_on(local.first.unwrap(&tenant(), &Purpose::Record, &foreign));
        prop_assert_eq!(result.unwrap_err(), KmsError::ContextMismatch);

        let wrapped = block_on(local.first.wrap(&tenant(), &name, &Purpose::Record, &dek)).unwrap();
        let unwrap = |tenant: &TenantId, wrapped: &WrappedDek| {
            block_on(local.first.unwrap(tenant, &Purpose::Record, wrapped)).map(|dek| *dek.expose_bytes())
        };
        prop_assert_eq!(unwrap(&tenant(), &wrapped), Ok(*dek.expose_bytes()));
        prop_assert_eq!(unwrap(&other(), &wrapped), Err(KmsError::NotFound));
        let renamed = WrappedDek { key_ref: key_ref("other"), ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &renamed), Err(KmsError::ContextMismatch));
        let later = WrappedDek { key_version: version + 1, ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &later), Err(KmsError::NotFound));
        let elsewhere = WrappedDek { provider: Provider::TENANT_KEK, ..wrapped.clone() };
        prop_assert_eq!(unwrap(&tenant(), &elsewhere), Err(KmsError::NotFound));
        let mut altered = wrapped.clone();
        let bit = bit.index(wrapped.bytes.len() * 8);
        altered.bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(unwrap(&tenant(), &altered), Err(KmsError::ContextMismatch));
    }

    #[test]
    fn opening_and_inspecting_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        tail: Vec<u8>,
        prefix in 0_usize..4,
    ) {
        let key = DataKey::detached(&Dek::from_bytes(&DEK), &tenant(), DekId::from_bytes([5; 16]));
        let prefixes: [&[u8]; 4] =
            [b"", b"S\x01\x01\x01", b"S\x01\x01\x00\x00\x09", b"S\x01\x02\x01"];
        let prefix = prefixes[prefix];
        let framed = [prefix, &bytes, &tail].concat();
        let _ = inspect(&framed);
        prop_assert!(key.open(&tenant(), &context(), &framed).is_err());
        let (result, calls) = opened(&[], &framed);
        prop_assert!(result.is_err() && calls.is_empty());
    }
}
