//! Derivation: every key that is used comes from HMAC-SHA256 over labelled, length-prefixed
//! fields (`docs/spec/envelope.md`, "Derivation").

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use strongroom_tenancy::TenantId;
use zeroize::{Zeroize as _, Zeroizing};

use crate::context::EncryptionContext;
use crate::dek::Dek;
use crate::header::{SALT, SUITE, VERSION};

const SUB_KEY: &str = "strongroom/envelope/v1/sub-key";
const MESSAGE_KEY: &str = "strongroom/envelope/v1/message-key";
const COMMITMENT: &str = "strongroom/envelope/v1/commitment";
pub(crate) const CONTEXT: &str = "strongroom/envelope/v1/context";
pub(crate) const WRAP: &str = "strongroom/envelope/v1/wrap";
pub(crate) const LOCAL_WRAP_KEY: &str = "strongroom/envelope/v1/local-wrap-key";

/// What one record is encrypted under, and the value that commits to it.
pub(crate) struct MessageKeys {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) commitment: [u8; 32],
}

/// Derives a record's key and commitment; both depend on DEK, suite, salt, tenant and context.
pub(crate) fn derive_message_keys(
    dek: &Dek,
    tenant: &TenantId,
    context: &EncryptionContext,
    salt: &[u8; SALT],
) -> MessageKeys {
    let sub_key = derive(dek.expose_bytes(), &[SUB_KEY.as_bytes(), &[SUITE]]);
    let context = context.hash();
    let bound = |label: &str| {
        let tenant = tenant.as_bytes();
        derive(
            &sub_key,
            &[
                label.as_bytes(),
                salt,
                &[VERSION],
                &[SUITE],
                tenant,
                &context,
            ],
        )
    };
    MessageKeys {
        key: bound(MESSAGE_KEY),
        commitment: *bound(COMMITMENT),
    }
}

/// HMAC-SHA256 (RFC 2104) over the fields, each after its length.
pub(crate) fn derive(key: &[u8; 32], fields: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // RFC 2104, section 2, pads a shorter key with zeros to the block; a whole block cannot fail.
    let mut block = Zeroizing::new([0_u8; 64]);
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for field in fields {
        mac.update(&length(field));
        mac.update(field);
    }
    let mut tag = mac.finalize().into_bytes();
    let derived = Zeroizing::new(tag.into());
    tag.as_mut_slice().zeroize();
    derived
}

/// The prefix that keeps one field from running into the next.
pub(crate) const fn length(field: &[u8]) -> [u8; 8] {
    (field.len() as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_separates() {
        let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let other: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap();
        let context = EncryptionContext::new([("a", "b")]).unwrap();
        let elsewhere = EncryptionContext::new([("a", "c")]).unwrap();
        let all = [
            derive_message_keys(&Dek::from_bytes(&[1; 32]), &tenant, &context, &[1; 16]),
            derive_message_keys(&Dek::from_bytes(&[2; 32]), &tenant, &context, &[1; 16]),
            derive_message_keys(&Dek::from_bytes(&[1; 32]), &other, &context, &[1; 16]),
            derive_message_keys(&Dek::from_bytes(&[1; 32]), &tenant, &elsewhere, &[1; 16]),
            derive_message_keys(&Dek::from_bytes(&[1; 32]), &tenant, &context, &[2; 16]),
        ];
        let mut values: Vec<_> = all
            .iter()
            .flat_map(|keys| [*keys.key, keys.commitment])
            .collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), 2 * all.len());
    }

    #[test]
    fn the_padded_key_is_the_key() {
        // RFC 4231, test case 1, has no length prefixes; so compare with the plain construction.
        let mut plain = Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap();
        plain.update(&5_u64.to_be_bytes());
        plain.update(b"field");
        let plain: [u8; 32] = plain.finalize().into_bytes().into();
        assert_eq!(*derive(&[9; 32], &[b"field"]), plain);
    }
}
